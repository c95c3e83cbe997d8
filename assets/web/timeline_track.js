// A timeline as a file: every request with its seed, so that whoever opens it paints the same.

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

/** The text of a track. */
export function trackOf(entries) {
  const requests = entries.map(({ request, model, name }) => ({ ...request, model, ...(name && { name }) }));
  return JSON.stringify({ kind: KIND, version: VERSION, requests }, null, 2);
}

/**
 * The requests of a track, only with fields that a request has.
 * @param file  a File or Blob
 * @throws Error  with words for the visitor
 */
export async function readTrack(file) {
  if (file.size > LARGEST) throw new Error("That file is too large for a track.");
  let content;
  try {
    content = JSON.parse(await file.text());
  } catch {
    throw new Error("That file is no track: it is not JSON.");
  }
  if (content?.kind !== KIND || !Array.isArray(content.requests)) {
    throw new Error("That file is no track of this demo.");
  }
  if (content.version > VERSION) throw new Error("That track is of a newer version of this demo.");
  if (!content.requests.length) throw new Error("There is nothing in that track.");
  if (content.requests.length > LONGEST) throw new Error(`A track may have ${LONGEST} pictures.`);
  return content.requests.map((request, place) => {
    const fields = Object.entries(FIELDS).filter(([name, type]) => typeof request?.[name] === type);
    if (!fields.some(([name]) => name === "prompt")) throw new Error(`Picture ${place + 1} of that track has no prompt.`);
    return Object.fromEntries(fields.map(([name]) => [name, request[name]]));
  });
}
