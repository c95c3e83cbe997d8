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

/** The text of a track. @param {Moment[]} entries */
export function trackOf(entries) {
  const requests = entries.map(({ request, model, name }) => ({ ...request, model, ...(name && { name }) }));
  return JSON.stringify({ kind: KIND, version: VERSION, requests }, null, 2);
}

/**
 * The requests of a track, only with fields that a request has.
 * @param {Blob} file  a File or Blob
 * @throws Error  with words for the visitor
 * @returns {Promise<Partial<Asked>[]>}
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
    return Object.fromEntries(fields.map(([name]) => [name, request?.[name]]));
  });
}
