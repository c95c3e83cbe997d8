// Settings of another time or program, as far as they can be asked for here, and words for them.

import { listed, text } from "./text.js";

export const LONGEST_PROMPT = 100_000; // characters; as the server allows

/**
 * A stranger's settings, by our names: of any type.
 * @typedef {Partial<Record<keyof Asked, unknown>>} Settings
 */

/**
 * What of a request they set, and words for it.
 * @typedef {{ fields: { [Name in keyof Asked]?: Asked[Name] | undefined }, words: string | false | undefined }} Part
 */

/**
 * What the page's controls can say.
 * @typedef {{ steps: number[], sizes: number[][], maxSeed: number, maxGuidance: number, styles?: string[] }} Limits
 */

/**
 * A request with settings of another time or program, as far as they can be asked for here, and words
 * for them; null where there are none.
 * @param {Settings} found
 * @param {Asked} request
 * @param {Limits} limits
 * @returns {{ request: Asked, words: string } | null}
 */
export function fitted(found, request, limits) {
  const kinds = [promptsOf, stepsOf, sizeOf, seedOf, guidanceOf, styleOf, blendOf];
  const parts = kinds.flatMap((kind) => kind(found, limits) ?? []);
  const words = listed(parts.map((part) => part.words));
  const fields = parts.map((part) => part.fields);
  if (!words) return null;
  const whole = Object.entries(Object.assign({ ...request }, ...fields));
  const known = Object.fromEntries(whole.filter(([, value]) => value !== undefined));
  return { request: /** @type {Asked} */ (known), words };
}

/** @param {unknown} value @returns {value is number} */
const isNumber = (value) => Number.isFinite(value);
/** @param {unknown} value @returns {value is number} */
const isWhole = (value) => Number.isInteger(value);
/** @param {unknown} value @returns {value is number} */
const isPositive = (value) => isNumber(value) && value > 0;
/**
 * Words for a value, and for the one whose place it takes.
 * @param {string} words
 * @param {unknown} now
 * @param {unknown} then
 */
const told = (words, now, then) => (now === then ? words : text("from_picture.told", { words, then }));

/**
 * The value that is the nearest.
 * @template Value
 * @param {Value[]} values
 * @param {(value: Value) => number} far  how far each is
 */
function nearest(values, far) {
  return values.reduce((best, each) => (far(each) < far(best) ? each : best));
}

/**
 * Both prompts, each as one line; the negative one is emptied where there is none.
 * @param {Settings} settings
 * @returns {Part | null}
 */
function promptsOf({ prompt, negative_prompt: negative }) {
  const line = (/** @type {string} */ prompt) => prompt.trim().replace(/\s+/g, " ").slice(0, LONGEST_PROMPT);
  if (typeof prompt !== "string" || !line(prompt)) return null;
  const without = typeof negative === "string" ? line(negative) : "";
  const words = text(without ? "from_picture.both" : "from_picture.prompt");
  return { fields: { prompt: line(prompt), negative_prompt: without }, words };
}

/** @param {Settings} settings @param {Limits} limits @returns {Part | null} */
function stepsOf({ num_inference_steps: steps }, { steps: counts }) {
  if (!isPositive(steps) || !counts.length) return null;
  const near = nearest(counts, (count) => Math.abs(Math.log2(count / steps)));
  return { fields: { num_inference_steps: near }, words: told(text("steps", { count: near }), near, steps) };
}

/**
 * The size of the nearest shape, and then of the nearest area, as the server chooses it.
 * @param {Settings} settings
 * @param {Limits} limits
 * @returns {Part | null}
 */
function sizeOf({ width, height }, { sizes }) {
  if (!isPositive(width) || !isPositive(height) || !sizes.length) return null;
  const rank = (/** @type {number[]} */ [across, down]) => {
    const [x, y] = [Math.log(across / width), Math.log(down / height)];
    return Math.abs(x - y) * 1e6 + Math.abs(x + y);
  };
  const near = nearest(sizes, rank);
  const [now, then] = [near, [width, height]].map((sides) => sides.join(" × "));
  const words = told(now, now, then);
  return { fields: { width: near[0], height: near[1] }, words };
}

/**
 * The seed; ComfyUI's have twice the bits.
 * @param {Settings} settings
 * @param {Limits} limits
 * @returns {Part | null}
 */
function seedOf({ seed }, { maxSeed }) {
  if (!isWhole(seed) || seed < 0) return null;
  const near = seed % (maxSeed + 1);
  return { fields: { seed: near }, words: told(text("from_picture.seed", { seed: near }), near, seed) };
}

/**
 * The style, where there is one of that name here; none is told as nothing.
 * @param {Settings} settings
 * @param {Limits} limits
 * @returns {Part}
 */
function styleOf({ style }, { styles = [] }) {
  const known = styles.find((name) => name.toLowerCase() === String(style ?? "").toLowerCase());
  const words = known ? text("from_picture.style", { style: known }) : style ? text("from_picture.other_style") : "";
  return { fields: { style: known ?? "" }, words };
}

/**
 * Another seed's noise and another prompt's words in it.
 * @param {Settings} found
 * @param {Limits} limits
 * @returns {Part}
 */
function blendOf(found, { maxSeed }) {
  const none = { variation_seed: undefined, variation_strength: undefined, morph_prompt: undefined, morph_strength: undefined };
  /** @param {unknown} value @returns {value is number} */
  const within = (value) => isNumber(value) && value > 0 && value <= 1;
  const { variation_seed: seed, variation_strength: some, morph_prompt: prompt, morph_strength: far } = found;
  const fields = { ...none };
  const words = [];
  if (within(some) && isWhole(seed) && seed >= 0 && seed <= maxSeed) {
    Object.assign(fields, { variation_seed: seed, variation_strength: some });
    words.push(text("from_picture.variation", { strength: some }));
  }
  if (within(far) && typeof prompt === "string" && prompt.trim()) {
    Object.assign(fields, { morph_prompt: prompt.trim().slice(0, LONGEST_PROMPT), morph_strength: far });
    words.push(text("from_picture.morph", { strength: far }));
  }
  return { fields, words: listed(words) };
}

/**
 * The guidance, told where it acts; ComfyUI says 1 for none.
 * @param {Settings} settings
 * @param {Limits} limits
 * @returns {Part | null}
 */
function guidanceOf({ guidance_scale: guidance }, { maxGuidance }) {
  if (!isNumber(guidance) || guidance < 0) return null;
  const near = guidance === 1 ? 0 : Math.min(guidance, maxGuidance);
  const words = near > 1 && told(text("drawer.guidance", { value: near }), near, guidance);
  return { fields: { guidance_scale: near }, words };
}
