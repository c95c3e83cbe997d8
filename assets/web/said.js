// What the server says, in the visitor's language. Its sentences are English, for every client; those
// that people meet stand in text_en.js, too, by keys that begin with `said.`, and are known by it.

import english from "./text_en.js";
import { language, text } from "./text.js";

const PLACE = /\{(\w+)\}/;

const ownLength = ({ parts }) => parts.filter((_, place) => place % 2 === 0).join("").length;

const escaped = (words) => words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Sentences with the most words of their own first, as others may hold them. */
const sentences = Object.entries(language === "en" ? {} : english)
  .filter(([key]) => key.startsWith("said."))
  .map(([key, words]) => ({ key, parts: words.split(PLACE) }))
  .sort((one, other) => ownLength(other) - ownLength(one))
  .map(({ key, parts }) => ({
    key,
    names: parts.filter((_, place) => place % 2),
    pattern: new RegExp(`^${parts.map((part, place) => (place % 2 ? "(.+?)" : escaped(part))).join("")}$`, "s"),
  }));

/**
 * A sentence of the server as this page's language has it; one that is not known stays.
 * @param {any} sentence  perhaps with others of them as values; nothing stays nothing
 * @returns {any}
 */
export function said(sentence) {
  for (const { key, names, pattern } of sentence ? sentences : []) {
    const found = pattern.exec(sentence);
    if (found) return text(key, Object.fromEntries(names.map((name, place) => [name, said(found[place + 1])])));
  }
  return sentence;
}

const TOLD = ["message", "problem", "detail"]; // a message's fields that people read

/** A message of the server with what people read of it so. */
export function told(message) {
  if (!sentences.length) return message;
  const found = TOLD.filter((name) => typeof message[name] === "string").map((name) => [name, said(message[name])]);
  if (message.notes) found.push(["notes", message.notes.map(said)]);
  return { ...message, ...Object.fromEntries(found) };
}
