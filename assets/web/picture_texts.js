// The texts inside a picture file, read without decoding it: PNG's text chunks, and of JPEG and WebP the
// comment and ComfyUI's tags in the EXIF part, and our own settings in the XMP part. The file may be a
// stranger's, and damaged.

const LARGEST_FILE = 2 ** 27; // bytes
const LARGEST_TEXT = 2 ** 20; // bytes of one text, unpacked
const MOST_TEXTS = 64;
const OURS = /<lightning:generation>([^<]{1,20000})<\/lightning:generation>/; // as xmp.py writes it
const XMP_IN_JPEG = "http://ns.adobe.com/xap/1.0/\0"; // what its segment begins with
const [IMAGE_DESCRIPTION, MAKE, MODEL, EXIF_FOLDER, USER_COMMENT] = [0x10e, 0x10f, 0x110, 0x8769, 0x9286];

// The markers of a JPEG's frame, which tell its size (ITU-T T.81, table B.1).
const FRAMES = new Set([0xc0, 0xc1, 0xc2, 0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf]);

/** A value of an EXIF folder: where it is, or would be if it had more bytes. @typedef {{ at: number, count: number, place: number }} Entry */

/** @param {Uint8Array<ArrayBuffer>} bytes */
const text = (bytes, encoding = "utf-8") => new TextDecoder(encoding).decode(bytes);

/**
 * What a file says, by name; `parameters` is the comment of a JPEG or WebP.
 * @param {Blob} file  a File or Blob
 * @returns {Promise<{ texts: Record<string, string>, width?: number, height?: number } | null>}
 *   the size in px where it is known; null for no such picture
 */
export async function pictureTexts(file) {
  if (file.size > LARGEST_FILE) return null;
  const bytes = new Uint8Array(await file.arrayBuffer());
  const view = new DataView(bytes.buffer);
  try {
    if (view.getUint32(0) === 0x89504e47) return await ofPng(bytes, view);
    if (view.getUint16(0) === 0xffd8) return ofJpeg(bytes, view);
    if (text(bytes.subarray(0, 4)) === "RIFF") return ofWebp(bytes, view);
  } catch (problem) {
    if (!(problem instanceof RangeError)) throw problem; // it ends too early
  }
  return null;
}

/** @param {Uint8Array<ArrayBuffer>} bytes @param {DataView} view */
async function ofPng(bytes, view) {
  /** @type {Record<string, string>} */
  const texts = {};
  for (let at = 8, found = 0; at + 12 <= bytes.length && found < MOST_TEXTS; ) {
    const length = view.getUint32(at);
    const kind = text(bytes.subarray(at + 4, at + 8));
    const chunk = bytes.subarray(at + 8, at + 8 + length);
    at += 12 + length;
    if (!["tEXt", "zTXt", "iTXt"].includes(kind)) continue;
    found += 1;
    const value = await chunkText(kind, chunk);
    if (value !== null) texts[keyword(chunk)] ??= value;
  }
  return { texts, width: view.getUint32(16), height: view.getUint32(20) };
}

/** @param {Uint8Array<ArrayBuffer>} chunk */
const keyword = (chunk) => text(chunk.subarray(0, chunk.indexOf(0)), "latin1");

/**
 * The text of a chunk (PNG specification, 11.3.3); null where it is too large or damaged.
 * @param {string} kind
 * @param {Uint8Array<ArrayBuffer>} chunk
 */
async function chunkText(kind, chunk) {
  let start = chunk.indexOf(0) + 1;
  let packed = kind === "zTXt";
  if (kind === "iTXt") {
    packed = chunk[start] === 1;
    for (let strings = 0, at = start + 2; strings < 2; strings += 1) at = start = chunk.indexOf(0, at) + 1;
  } else if (packed) start += 1;
  const rest = chunk.subarray(start);
  const value = packed ? await unpacked(rest) : rest;
  if (value === null || value.length > LARGEST_TEXT) return null;
  return text(value, kind === "iTXt" ? "utf-8" : "latin1");
}

/**
 * What zlib has packed; null beyond the largest text, however small it is packed.
 * @param {Uint8Array<ArrayBuffer>} bytes
 */
async function unpacked(bytes) {
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const parts = [];
  let length = 0;
  try {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const reader = stream.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      length += part.value.length;
      if (length <= LARGEST_TEXT) continue;
      reader.cancel();
      return null;
    }
  } catch {
    return null;
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** @param {Uint8Array<ArrayBuffer>} bytes @param {DataView} view */
function ofJpeg(bytes, view) {
  /** @type {{ texts: Record<string, string>, width?: number, height?: number }} */
  const found = { texts: {} };
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda; ) {
    const kind = bytes[at + 1];
    const length = view.getUint16(at + 2);
    const segment = bytes.subarray(at + 4, at + 2 + length);
    if (kind === 0xe1 && text(segment.subarray(0, 4)) === "Exif") found.texts = { ...ofExif(segment.subarray(6)), ...found.texts };
    else if (kind === 0xe1 && text(segment.subarray(0, XMP_IN_JPEG.length)) === XMP_IN_JPEG) Object.assign(found.texts, ofXmp(segment));
    else if (FRAMES.has(kind)) Object.assign(found, { height: view.getUint16(at + 5), width: view.getUint16(at + 7) });
    at += 2 + length;
  }
  return found;
}

/** @param {Uint8Array<ArrayBuffer>} bytes @param {DataView} view */
function ofWebp(bytes, view) {
  /** @type {{ texts: Record<string, string>, width?: number, height?: number }} */
  const found = { texts: {} };
  for (let at = 12; at + 8 <= bytes.length; ) {
    const kind = text(bytes.subarray(at, at + 4));
    const length = view.getUint32(at + 4, true);
    const chunk = bytes.subarray(at + 8, at + 8 + length);
    if (kind === "EXIF") found.texts = { ...ofExif(chunk.subarray(text(chunk.subarray(0, 4)) === "Exif" ? 6 : 0)), ...found.texts };
    else if (kind === "XMP ") Object.assign(found.texts, ofXmp(chunk));
    else if (kind === "VP8X") {
      const side = (/** @type {number} */ place) => 1 + chunk[place] + 256 * chunk[place + 1] + 65536 * chunk[place + 2];
      Object.assign(found, { width: side(4), height: side(7) });
    }
    at += 8 + length + (length % 2);
  }
  return found;
}

/** Our settings in an XMP packet. @param {Uint8Array<ArrayBuffer>} packet @returns {{ generation?: string }} */
function ofXmp(packet) {
  const [, escaped] = (packet.length <= LARGEST_TEXT && OURS.exec(text(packet))) || [];
  if (!escaped) return {};
  return { generation: escaped.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&") };
}

/**
 * The texts of an EXIF part (a TIFF file): "prompt:…" and "workflow:…", and the comment.
 * @param {Uint8Array<ArrayBuffer>} bytes
 */
function ofExif(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = view.getUint16(0) === 0x4949;
  /** @type {Record<string, string>} */
  const texts = {};
  const first = entries(view, view.getUint32(4, little), little);
  for (const tag of [IMAGE_DESCRIPTION, MAKE, MODEL]) {
    const entry = first.get(tag);
    if (!entry) continue;
    const [, name, value] = /^(prompt|workflow):([^\0]*)/i.exec(text(valueOf(entry))) ?? [];
    if (name) texts[name.toLowerCase()] = value;
  }
  // Fooocus has its comment here, as plain text.
  const plain = first.get(USER_COMMENT);
  if (plain) texts.parameters = text(valueOf(plain)).replace(/\0+$/, "");
  const folder = first.get(EXIF_FOLDER);
  if (!folder) return texts;
  const comment = entries(view, folder.at, little).get(USER_COMMENT);
  if (comment) texts.parameters = commentText(valueOf(comment));
  return texts;

  /** @param {Entry} entry */
  function valueOf({ at, count, place }) {
    if (count > LARGEST_TEXT) return new Uint8Array();
    return bytes.subarray(...(count > 4 ? [at, at + count] : [place, place + count]));
  }
}

/**
 * The entries of one of its folders by tag; texts have a byte for each of `count`.
 * @param {DataView} view
 * @param {number} start
 * @param {boolean} little
 */
function entries(view, start, little) {
  /** @type {Map<number, Entry>} */
  const found = new Map();
  for (let number = 0; number < view.getUint16(start, little); number += 1) {
    const place = start + 2 + 12 * number;
    const count = view.getUint32(place + 4, little);
    const at = view.getUint32(place + 8, little);
    found.set(view.getUint16(place, little), { at, count, place: place + 8 });
  }
  return found;
}

/** A comment in one of the EXIF standard's codes (2.32, table 9). @param {Uint8Array<ArrayBuffer>} bytes */
function commentText(bytes) {
  const unicode = text(bytes.subarray(0, 7)) === "UNICODE";
  return text(bytes.subarray(8), unicode ? "utf-16be" : "utf-8").replace(/\0+$/, "");
}
