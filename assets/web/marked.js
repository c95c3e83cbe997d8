// Says in a PNG that is put together here that a model has made what is in it, as xmp.py does in each
// picture: an XMP packet with the IPTC's digital source type.

import { crc32 } from "./zip.js";

const PACKET = `<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about=""
 xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
<xmp:CreatorTool>Lightning</xmp:CreatorTool>
<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia</Iptc4xmpExt:DigitalSourceType>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>`;
const AFTER_HEADER = 33; // bytes: a PNG's signature and its first chunk
const KEYWORD = "XML:com.adobe.xmp\0\0\0\0\0"; // neither packed nor in a language

/**
 * The same PNG with the packet.
 * @param {Blob} file
 */
export function marked(file) {
  const text = new TextEncoder().encode(`iTXt${KEYWORD}${PACKET}`);
  const chunk = [number(text.length - 4), text, number(crc32(text))];
  return new Blob([file.slice(0, AFTER_HEADER), ...chunk, file.slice(AFTER_HEADER)], { type: file.type });
}

/** Four bytes, the highest first. @param {number} value */
function number(value) {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, value);
  return view;
}
