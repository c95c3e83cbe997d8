// What the server says, in the visitor's language. Its sentences are English, for every client; those
// that people meet stand in text_en.js, too, by keys that begin with `said.`, and are known by it.

import english from "./text_en.js";
import { language, text } from "./text.js";

const PLACE = /\{(\w+)\}/;

/** @param {{ parts: string[] }} sentence */
const ownLength = ({ parts }) => parts.filter((_, place) => place % 2 === 0).join("").length;

/** @param {string} words */
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
 * @template {string | null | undefined} Sentence
 * @param {Sentence} sentence  perhaps with others of them as values; nothing stays nothing
 * @returns {Sentence extends string ? string : Sentence}
 */
export function said(sentence) {
  const known = /** @type {Sentence extends string ? string : Sentence} */ (sentence);
  if (!sentence) return known;
  for (const { key, names, pattern } of sentences) {
    const found = pattern.exec(sentence);
    if (!found) continue;
    const values = Object.fromEntries(names.map((name, place) => [name, said(found[place + 1])]));
    return /** @type {typeof known} */ (text(key, values));
  }
  return known;
}

const TOLD = /** @type {const} */ (["message", "problem", "detail"]); // a message's fields that people read

/**
 * A message of the server with what people read of it so.
 * @template {object} Message
 * @param {Message & Partial<Record<"message" | "problem" | "detail", unknown>> & { notes?: string[] }} message
 * @returns {Message}
 */
export function told(message) {
  if (!sentences.length) return message;
  const found = TOLD.filter((name) => typeof message[name] === "string").map((name) => [name, said(/** @type {string} */ (message[name]))]);
  const notes = message.notes && { notes: message.notes.map(said) };
  return { ...message, ...Object.fromEntries(found), ...notes };
}
