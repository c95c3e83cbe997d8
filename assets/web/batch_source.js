// A list of pictures before it is checked: pasted or a file, how it is read, and its words.

import { said } from "./said.js";
import { text } from "./text.js";

const MOST = 4 * 2 ** 20; // bytes, as many as the server checks
/** @type {Record<string, string>} */
const KINDS = { txt: "text", csv: "csv", tsv: "csv", jsonl: "jsonl", ndjson: "jsonl" };
/** @param {string} name */
const ending = (name) => (name.split(".").at(-1) ?? "").toLowerCase();

/** How a pasted list is read: by its first line. @param {string} list */
export function kindOf(list) {
  const line = /\S.*/.exec(list)?.[0] ?? "";
  const names = line.split(/[,;\t]/).map((name) => name.trim().replace(/^"(.*)"$/, "$1").toLowerCase());
  if (names.includes("prompt") && names.every((name) => /^[a-z_]+$/.test(name))) return "csv";
  try {
    JSON.parse(line);
    return /^["{]/.test(line) ? "jsonl" : "text";
  } catch {
    return "text"; // also of a template, which has braces, too
  }
}

/**
 * What the server is sent of a list.
 * @param {string | File} list  its text, or a File
 * @param {string} kind  how it is read; empty: as it looks
 * @param {File[]} words  Files of lists for wildcards
 * @throws Error  with words for the visitor
 */
export async function sourceOf(list, kind, words) {
  const pasted = typeof list === "string";
  const read = kind || (pasted ? kindOf(list) : KINDS[ending(list.name)]);
  if (!read && !pasted) throw new Error(text("batch.unknown_kind", { name: list.name, endings: `.${Object.keys(KINDS).join(", .")}` }));
  const blob = pasted ? new Blob([list]) : list;
  if (!blob.size) throw new Error(text("batch.empty"));
  if (blob.size > MOST) throw new Error(text("batch.too_large"));
  const texts = await Promise.all(words.map(async (each) => [each.name.replace(/\.[^.]*$/, ""), wordsOf(await each.arrayBuffer(), each.name)]));
  return { kind: read, list: await base64(blob), words: Object.fromEntries(texts) };
}

/**
 * A list of words, in UTF-8 or with a mark that says otherwise.
 * @param {ArrayBuffer} bytes
 * @param {string} name
 */
export function wordsOf(bytes, name) {
  const mark = new Uint8Array(bytes.slice(0, 2)).join();
  const encoding = { "255,254": "utf-16le", "254,255": "utf-16be" }[mark] ?? "utf-8";
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    throw new Error(text("batch.not_unicode", { name }));
  }
}

/** A blob's bytes as they are: a list need not be UTF-8. @param {Blob} blob @returns {Promise<string>} */
function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).split(",")[1] ?? "");
    reader.onerror = () => reject(new Error(text("batch.unreadable")));
    reader.readAsDataURL(blob);
  });
}

/**
 * Has the server check a list.
 * @param {object} source
 * @returns {Promise<CheckedList>}
 * @throws Error  with words for the visitor
 */
export async function checked(source) {
  const answer = await fetch(new URL("../batch", import.meta.url), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(source),
  }).catch(() => null);
  const content = await answer?.json().catch(() => null);
  if (!answer?.ok) throw new Error(content?.detail ? said(content.detail) : text("server.silent"));
  return content;
}
