// The settings inside a picture, in our names: ours, AUTOMATIC1111's text, Fooocus' JSON, or ComfyUI's
// graph. What `studio/picture_info.py` and its like do for programs is done here for the page, so that no
// picture has to be uploaded.

import { ofGraph } from "./comfyui_graph.js";
import { pictureTexts } from "./picture_texts.js";
import { isObject, isText, parsed } from "./strange_json.js";

const MOST_PIXELS = 2 ** 26; // of a picture that is decoded, as in `picture_info.py`
const FIELDS = [
  "prompt", "negative_prompt", "num_inference_steps", "guidance_scale", "seed", "width", "height",
  "style", "variation_seed", "variation_strength", "morph_prompt", "morph_strength", "template",
];
const THEIR_NUMBERS = {
  num_inference_steps: "Steps", guidance_scale: "CFG scale", seed: "Seed", variation_seed: "Variation seed",
  variation_strength: "Variation seed strength", morph_strength: "Morph strength",
};
// Ours alone; a style's prompts are those that were typed.
const OUR_TEXTS = {
  morph_prompt: "Morph prompt", style: "Style", prompt: "Prompt without style",
  negative_prompt: "Negative prompt without style",
};
// `Steps: 4, Lora hashes: "a: 1, b: 2", Size: 512x512`
const SETTING = /([\p{L}\p{N}_][\p{L}\p{N}_ \-/]{0,60}): ("(?:\\.|[^\\"])*"|[^,]*)/gu;

/** @typedef {import("./strange_json.js").Fields} Fields */

/**
 * The fields of a request that a picture file names, and whether it is too large to be shown, whatever it
 * says of itself; null where it names none.
 * @param {Blob} file
 * @returns {Promise<{ found: Fields, large: boolean } | null>}
 */
export async function settingsIn(file) {
  const picture = await pictureTexts(file);
  const found = picture && settingsOf(picture.texts);
  if (!found) return null;
  const { width = 0, height = 0 } = picture;
  return { found: { ...(width && { width, height }), ...found }, large: width * height > MOST_PIXELS };
}

/**
 * The fields of a request in a picture's texts; null where there are none.
 * @param {{ generation?: string, parameters?: string, prompt?: string }} texts
 * @returns {Fields | null}
 */
export function settingsOf({ generation, parameters, prompt }) {
  const ours = parsed(generation);
  const found = isObject(ours)
    ? Object.fromEntries(FIELDS.filter((name) => name in ours).map((name) => [name, ours[name]]))
    : parameters ? ofFooocus(parameters) ?? ofParameters(parameters) : ofGraph(parsed(prompt));
  return found && Object.keys(found).length ? found : null;
}

// AUTOMATIC1111 --------------------------------------------------------------------------------

/** @param {string} text */
function ofParameters(text) {
  const lines = text.trim().split("\n");
  let settings = [...(lines.pop() ?? "").matchAll(SETTING)];
  if (settings.length < 3) {
    // A prompt with a colon in it.
    lines.splice(0, lines.length, ...text.trim().split("\n"));
    settings = [];
  }
  const [prompt, ...negative] = lines.join("\n").split("Negative prompt:");
  const said = Object.fromEntries(settings.map(([, name, value]) => [name.trim(), value.trim()]));
  /** @type {Fields} */
  const found = { prompt: prompt.trim(), negative_prompt: negative.join("Negative prompt:").trim() };
  for (const [name, theirs] of Object.entries(THEIR_NUMBERS)) {
    if (/^\d{1,20}(\.\d{1,9})?$/.test(said[theirs])) found[name] = Number(said[theirs]);
  }
  for (const [name, ours] of Object.entries(OUR_TEXTS)) {
    const value = said[ours]?.startsWith('"') ? parsed(said[ours]) : undefined;
    if (isText(value)) found[name] = value;
  }
  const [, width, height] = /^(\d{1,9})x(\d{1,9})$/.exec(said.Size) ?? [];
  return width ? { ...found, width: Number(width), height: Number(height) } : found;
}

// Fooocus --------------------------------------------------------------------------------------

/**
 * What Fooocus' JSON says, as in `fooocus_parameters.py`; null for other texts.
 * @param {string} text
 * @returns {Fields | null}
 */
function ofFooocus(text) {
  const said = text.trimStart().startsWith("{") ? parsed(text) : null;
  if (!isObject(said) || !isText(said.prompt)) return null;
  /** @type {Fields} */
  const found = { prompt: said.prompt, negative_prompt: isText(said.negative_prompt) ? said.negative_prompt : "" };
  for (const [name, theirs] of [["num_inference_steps", "steps"], ["guidance_scale", "guidance_scale"], ["seed", "seed"]]) {
    if (/^\d{1,20}(\.\d{1,9})?$/.test(String(said[theirs]))) found[name] = Number(said[theirs]);
  }
  const [, width, height] = /^\(?\s*(\d{1,5})\s*[,x×]\s*(\d{1,5})\s*\)?$/.exec(String(said.resolution)) ?? [];
  return width ? { ...found, width: Number(width), height: Number(height) } : found;
}
