"""What a picture says of itself to agencies and search engines: made by a trained model, and how.

An XMP packet (ISO 16684-1) with the IPTC's digital source type, by which the marking of generated
media that the EU's AI Act (article 50) asks for is read, and the properties for generated pictures
of its Photo Metadata Standard 2025.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.sax.saxutils import escape, unescape

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
TOOL = "Lightning"
MAX_CHARACTERS = (
    10_000  # of the text; UTF-8 makes up to four bytes of each, a JPEG's segment 64 KiB
)
NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2

MAX_SETTINGS = 20_000  # bytes of the settings as JSON, escaped; what is larger is left out
OURS = "tag:lightning-demo,2026:"  # the namespace of what no standard has a name for
SETTINGS = re.compile(rb"<lightning:generation>([^<]{1,%d})</lightning:generation>" % MAX_SETTINGS)

PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about=""
 xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmlns:lightning="{ours}">
<xmp:CreatorTool>{tool}</xmp:CreatorTool>
<Iptc4xmpExt:DigitalSourceType>{source}</Iptc4xmpExt:DigitalSourceType>
{more}
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def xmp_packet(parameters: str, model: str, settings: str = "") -> str:
    """The packet of a picture.

    Args:
        parameters: prompts and settings, in the form that Stable Diffusion tools exchange, its
            last line shorter than what is taken of it. Of what is too long, the end of the prompts
            is left out.
        settings: the same as JSON, where the file has no other place for it; ASCII.
    """
    prompts, _, rest = parameters.rpartition("\n")
    text = f"{prompts[: MAX_CHARACTERS - len(rest)]}\n{rest}"
    said = {
        "Iptc4xmpExt:AISystemUsed": escape(NO_XML.sub("", model)),
        "Iptc4xmpExt:AIPromptInformation": escape(NO_XML.sub("", text)),
    }
    if settings and has_room(settings):
        said["lightning:generation"] = escape(settings)
    return _packet(said)


def has_room(settings: str) -> bool:
    """Whether a packet takes settings as JSON, ASCII, of that length."""
    return len(escape(settings)) <= MAX_SETTINGS


def marking() -> str:
    """The packet of what is put together of several pictures: only that a model has made them."""
    return _packet({})


def settings_in(packet: bytes) -> str:
    """The settings as JSON that a packet of ours has; of a stranger's, whatever stands there."""
    found = SETTINGS.search(packet)
    return unescape(found[1].decode("utf-8", "replace")) if found else ""


def _packet(said: Mapping[str, str]) -> str:
    more = "\n".join(f"<{name}>{text}</{name}>" for name, text in said.items())
    return PACKET.format(tool=TOOL, source=SOURCE_TYPE, ours=OURS, more=more)
