// A talk's prompts in a text file: one a line; blank lines and lines that begin with # are left out.

import { text } from "./text.js";

const MAX_BYTES = 1_000_000;
const MAX_LINES = 1_000;
const MAX_CHARACTERS = 2_000; // of a line

/**
 * @param {Uint8Array<ArrayBuffer>} bytes  of the file
 * @returns its prompts
 * @throws Error with words for the presenter
 */
export function readScript(bytes) {
  if (bytes.length > MAX_BYTES) throw new Error(text("script.too_large"));
  const content = decode(bytes);
  if (/[\0-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffe\uffff]/.test(content)) throw new Error(text("script.no_text"));
  const lines = content.split(/\r\n|[\n\r\u2028\u2029]/).map((line) => line.trim());
  const prompts = lines.filter((line) => line && !line.startsWith("#"));
  if (!prompts.length) throw new Error(text("script.empty"));
  if (prompts.length > MAX_LINES) throw new Error(text("script.most", { most: MAX_LINES }));
  const long = prompts.findIndex((line) => line.length > MAX_CHARACTERS);
  if (long >= 0) throw new Error(text("script.too_long", { place: long + 1, most: MAX_CHARACTERS }));
  return prompts;
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
function decode(bytes) {
  const encoding = encodingOf(bytes);
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes); // takes a mark off
  } catch {
    throw new Error(text(encoding === "utf-8" && !bytes.includes(0) ? "script.not_unicode" : "script.no_text"));
  }
}

/** By its mark; else by where zeros are: in UTF-16 the ends of lines have one. @param {Uint8Array<ArrayBuffer>} bytes */
function encodingOf(bytes) {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return "utf-16le";
  if (first === 0xfe && second === 0xff) return "utf-16be";
  const zeros = [0, 0];
  bytes.forEach((byte, place) => byte || (zeros[place % 2] += 1));
  if (!zeros[0] && !zeros[1]) return "utf-8";
  return zeros[1] > zeros[0] ? "utf-16le" : "utf-16be";
}
