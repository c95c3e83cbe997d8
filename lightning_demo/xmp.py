"""What a picture says of itself to agencies and search engines: made by a trained model, and how.

An XMP packet (ISO 16684-1) with the IPTC's digital source type, by which the marking of generated
media that the EU's AI Act (article 50) asks for is read, and the properties for generated pictures
of its Photo Metadata Standard 2025.1.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
TOOL = "Lightning"
MAX_CHARACTERS = (
    10_000  # of the text; UTF-8 makes up to four bytes of each, a JPEG's segment 64 KiB
)
NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2

PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about=""
 xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
<xmp:CreatorTool>{tool}</xmp:CreatorTool>
<Iptc4xmpExt:DigitalSourceType>{source}</Iptc4xmpExt:DigitalSourceType>
<Iptc4xmpExt:AISystemUsed>{system}</Iptc4xmpExt:AISystemUsed>
<Iptc4xmpExt:AIPromptInformation>{prompt}</Iptc4xmpExt:AIPromptInformation>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def xmp_packet(parameters: str, model: str) -> str:
    """The packet of a picture.

    Args:
        parameters: prompts and settings, in the form that Stable Diffusion tools exchange. Of what
            is too long, the end of the prompts is left out.
    """
    prompts, _, rest = parameters.rpartition("\n")
    text = f"{prompts[: MAX_CHARACTERS - len(rest)]}\n{rest}"
    return PACKET.format(
        tool=TOOL,
        source=SOURCE_TYPE,
        system=escape(NO_XML.sub("", model)),
        prompt=escape(NO_XML.sub("", text)),
    )
