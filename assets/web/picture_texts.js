// The texts inside a picture file, read without decoding it: PNG's text chunks, and the comment and
// ComfyUI's tags in the EXIF part of JPEG and WebP. The file may be a stranger's, and damaged.

const LARGEST_FILE = 2 ** 27; // bytes
const LARGEST_TEXT = 2 ** 20; // bytes of one text, unpacked
const MOST_TEXTS = 64;
const [IMAGE_DESCRIPTION, MAKE, MODEL, EXIF_FOLDER, USER_COMMENT] = [0x10e, 0x10f, 0x110, 0x8769, 0x9286];

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
    if (view.getUint16(0) === 0xffd8) return { texts: ofJpeg(bytes, view) };
    if (text(bytes.subarray(0, 4)) === "RIFF") return { texts: ofWebp(bytes, view) };
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
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda; ) {
    const length = view.getUint16(at + 2);
    if (bytes[at + 1] === 0xe1 && text(bytes.subarray(at + 4, at + 8)) === "Exif") {
      return ofExif(bytes.subarray(at + 10, at + 2 + length));
    }
    at += 2 + length;
  }
  return {};
}

/** @param {Uint8Array<ArrayBuffer>} bytes @param {DataView} view */
function ofWebp(bytes, view) {
  for (let at = 12; at + 8 <= bytes.length; ) {
    const length = view.getUint32(at + 4, true);
    if (text(bytes.subarray(at, at + 4)) === "EXIF") {
      const prefix = text(bytes.subarray(at + 8, at + 12)) === "Exif" ? 6 : 0;
      return ofExif(bytes.subarray(at + 8 + prefix, at + 8 + length));
    }
    at += 8 + length + (length % 2);
  }
  return {};
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
