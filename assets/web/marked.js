// Says in a file that is put together here that a model has made what is in it, as xmp.py does in each
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
// The box of XMP in MP4 (XMP specification, part 3, 1.2.7).
const XMP_BOX = [0xbe, 0x7a, 0xcf, 0xcb, 0x97, 0xa9, 0x42, 0xe8, 0x9c, 0x71, 0x99, 0x94, 0x91, 0xe3, 0xaf, 0xac];

/**
 * The same PNG or MP4 with the packet; of another kind, as it is.
 * @param {Blob} file
 */
export async function marked(file) {
  if (file.type === "image/png") {
    const text = new TextEncoder().encode(`iTXt${KEYWORD}${PACKET}`);
    const chunk = [number(text.length - 4), text, number(crc32(text))];
    return new Blob([file.slice(0, AFTER_HEADER), ...chunk, file.slice(AFTER_HEADER)], { type: file.type });
  }
  if (file.type.startsWith("video/mp4")) {
    const packet = new TextEncoder().encode(PACKET);
    const box = [number(24 + packet.length), "uuid", new Uint8Array(XMP_BOX), packet];
    return new Blob([file, ...box], { type: file.type });
  }
  return file;
}

/** Four bytes, the highest first. @param {number} value */
function number(value) {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, value);
  return view;
}
