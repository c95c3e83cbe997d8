// A timeline as a file: every request with its seed, so that whoever opens it paints the same.

import { text } from "./text.js";

const KIND = "lightning-track";
const VERSION = 1;
const FIELDS = {
  prompt: "string",
  negative_prompt: "string",
  num_inference_steps: "number",
  guidance_scale: "number",
  seed: "number",
  width: "number",
  height: "number",
  style: "string",
  variation_seed: "number",
  variation_strength: "number",
  morph_prompt: "string",
  morph_strength: "number",
};
const LONGEST = 5_000; // requests
const LARGEST = 2 ** 24; // bytes
const LONGEST_NAME = 200; // characters, as its field takes

/** The text of a track. @param {Moment[]} entries */
export function trackOf(entries) {
  const requests = entries.map(({ request, model, name }) => ({ ...request, model, ...(name && { name }) }));
  return JSON.stringify({ kind: KIND, version: VERSION, requests }, null, 2);
}

/** A picture of a track: its request, what has painted it, and the name that it was given. @typedef {{ request: Partial<Asked>, model: string, name: string }} Cue */

/**
 * The pictures of a track, only with fields that a request has.
 * @param {Blob} file  a File or Blob
 * @throws Error  with words for the visitor
 * @returns {Promise<Cue[]>}
 */
export async function readTrack(file) {
  if (file.size > LARGEST) throw new Error(text("track.too_large"));
  let content;
  try {
    content = JSON.parse(await file.text());
  } catch {
    throw new Error(text("track.no_json"));
  }
  if (content?.kind !== KIND || !Array.isArray(content.requests)) {
    throw new Error(text("track.foreign"));
  }
  if (content.version > VERSION) throw new Error(text("track.newer"));
  if (!content.requests.length) throw new Error(text("track.empty"));
  if (content.requests.length > LONGEST) throw new Error(text("track.most", { most: LONGEST }));
  return content.requests.map((/** @type {Record<string, unknown> | null} */ request, /** @type {number} */ place) => {
    const fields = Object.entries(FIELDS).filter(([name, type]) => typeof request?.[name] === type);
    if (!fields.some(([name]) => name === "prompt")) throw new Error(text("track.no_prompt", { place: place + 1 }));
    const { model, name } = /** @type {Record<string, unknown>} */ (request);
    return { request: Object.fromEntries(fields.map(([field]) => [field, request?.[field]])), model: line(model), name: line(name) };
  });
}

/** @param {unknown} value */
const line = (value) => (typeof value === "string" ? value.trim().slice(0, LONGEST_NAME) : "");

/**
 * Whether one request paints what another does. @param {Partial<Asked>} wanted @param {Asked} asked
 */
export function sameAs(wanted, asked) {
  const plain = { ...wanted, guidance_scale: unguided(wanted.guidance_scale) };
  const other = { ...asked, guidance_scale: unguided(asked.guidance_scale) };
  return Object.entries(plain).every(([name, value]) => other[/** @type {keyof Asked} */ (name)] === value);
}

/** Up to 1 it does nothing. @param {number | undefined} guidance */
const unguided = (guidance) => (guidance !== undefined && guidance > 1 ? guidance : 0);
