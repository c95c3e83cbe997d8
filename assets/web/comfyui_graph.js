// What a graph of ComfyUI's server asks for, in our names, as `comfyui_graph.py` reads it.

import { isObject, isText } from "./strange_json.js";

// Bounds for a stranger's graph, as there.
const [MOST_NODES, MOST_INPUTS, MOST_SAMPLERS, NEAR, NEXT] = [2000, 100, 20, 300, 20];
const LATENTS = ["latent_image", "latent", "samples"];
const TEXTS = ["text", "text_g", "prompt", "string", "value", "text_l", "t5xxl", "clip_l"];
const NUMBERS = ["value", "int", "number", "float"];

/** @typedef {import("./strange_json.js").Fields} Fields */
/** A link to a node: its id, and which of its outputs. @typedef {[string, unknown]} Link */
/** A node's inputs by its id. @typedef {Map<string, Fields>} Graph */
/** @typedef {"positive" | "negative"} Which */

/** @param {unknown} value @returns {value is number} */
const isNumber = (value) => typeof value === "number" && Math.abs(value) <= 2 ** 64;
/** @param {unknown} value @returns {value is Link} */
const isLink = (value) => Array.isArray(value) && value.length === 2 && isText(value[0]);

/**
 * What a graph of ComfyUI's server asks for; null where it is none, or paints nothing.
 * @param {unknown} content
 * @returns {Fields | null}
 */
export function ofGraph(content) {
  if (!isObject(content) || Object.keys(content).length > MOST_NODES) return null;
  /** @type {Graph} */
  const graph = new Map();
  for (const [id, node] of Object.entries(/** @type {Record<string, Fields | null>} */ (content))) {
    if (isObject(node?.inputs)) graph.set(id, inputsOf(node.class_type, node.inputs));
  }
  const sampler = firstSampler(graph);
  if (sampler === undefined) return null;
  const number = (/** @type {string[]} */ names, /** @type {string[]} */ through) => valueAt(graph, sampler, names, through);
  const found = {
    prompt: promptAt(graph, sampler, "positive"),
    negative_prompt: promptAt(graph, sampler, "negative"),
    num_inference_steps: number(["steps"], ["sigmas"]),
    guidance_scale: number(["cfg"], ["guider"]),
    seed: number(["seed", "noise_seed"], ["noise"]),
    ...sizeAt(graph, sampler),
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}

/**
 * A node's inputs; none of the one that makes nothing of a text.
 * @param {unknown} kind
 * @param {Fields} inputs
 * @returns {Fields}
 */
function inputsOf(kind, inputs) {
  if (kind === "ConditioningZeroOut") return {};
  return Object.fromEntries(Object.entries(inputs).slice(0, MOST_INPUTS));
}

/** The inputs of a node; none of one that is not there. @param {Graph} graph @param {string} id @returns {Fields} */
const inputsAt = (graph, id) => graph.get(id) ?? {};

/** The sampler that begins with noise: the others go on with what it has made. @param {Graph} graph */
function firstSampler(graph) {
  const samplers = [...graph.keys()].filter((id) => samples(inputsAt(graph, id))).slice(0, MOST_SAMPLERS);
  const first = samplers.find((id) => {
    const before = [...upstream(graph, id, LATENTS)].map(([each]) => each);
    return !before.some((each) => each !== id && samplers.includes(each)) && promptAt(graph, id, "positive");
  });
  return first ?? samplers[0];
}

/** @param {Fields} inputs */
function samples(inputs) {
  const guided = isLink(inputs.positive) || isLink(inputs.guider);
  return guided && ["seed", "noise_seed", "noise"].some((name) => name in inputs);
}

/**
 * The text nearest before one of a sampler's conditionings.
 * @param {Graph} graph
 * @param {string} sampler
 * @param {Which} which
 * @returns {string}
 */
function promptAt(graph, sampler, which) {
  let given = inputsAt(graph, sampler);
  if (isLink(given.guider)) given = inputsAt(graph, given.guider[0]);
  const link = given[which] || (which === "positive" ? given.conditioning : undefined);
  for (const [, inputs] of behind(graph, [link], which)) {
    for (const field of [which, ...TEXTS]) {
      const text = resolved(graph, inputs[field], TEXTS, isText);
      if (text !== undefined) return text.replace(/(?<!\\)[[\]]/g, "\\$&"); // weights as here, but for these
    }
  }
  return "";
}

/**
 * Width and height of the latent that a sampler begins with.
 * @param {Graph} graph
 * @param {string} sampler
 * @returns {Partial<Box>}
 */
function sizeAt(graph, sampler) {
  for (const [, inputs] of upstream(graph, sampler, LATENTS)) {
    const [width, height] = ["width", "height"].map((side) =>
      resolved(graph, inputs[side], [side, ...NUMBERS], isNumber));
    if (width && height && width >= 1 && height >= 1) return { width: Math.trunc(width), height: Math.trunc(height) };
  }
  return {};
}

/**
 * The first number of these names: the sampler's own, or of what comes before it.
 * @param {Graph} graph
 * @param {string} sampler
 * @param {string[]} names
 * @param {string[]} through
 */
function valueAt(graph, sampler, names, through) {
  const before = [...upstream(graph, sampler, through)].map(([, inputs]) => inputs);
  for (const inputs of [inputsAt(graph, sampler), ...before]) {
    for (const name of names) {
      const value = resolved(graph, inputs[name], [...names, ...NUMBERS], isNumber);
      if (value !== undefined) return value;
    }
  }
  return undefined;
}

/**
 * A good value, or that of the node which a link leads to, or of those before it.
 * @template Value
 * @param {Graph} graph
 * @param {unknown} value
 * @param {string[]} names
 * @param {(value: unknown) => value is Value} good
 * @returns {Value | undefined}
 */
function resolved(graph, value, names, good) {
  if (good(value)) return value;
  if (!isLink(value)) return undefined;
  let looked = 0;
  for (const [, inputs] of behind(graph, [value])) {
    if ((looked += 1) > NEXT) break;
    for (const name of names) {
      const found = inputs[name];
      if (good(found)) return found;
    }
  }
  return undefined;
}

/**
 * The nodes before some inputs of a node, the nearest first.
 * @param {Graph} graph
 * @param {string} id
 * @param {string[]} through
 */
const upstream = (graph, id, through) => behind(graph, through.map((name) => inputsAt(graph, id)[name]));

/**
 * The nodes that links lead to, the nearest first, each once.
 * @param {Which} [which]  "positive" or "negative", where a node hands on one of the two in each output
 * @param {Graph} graph
 * @param {unknown[]} links
 * @returns {Generator<[string, Fields]>}
 */
function* behind(graph, links, which) {
  const seen = new Set();
  const queue = [...links];
  for (const link of queue) {
    if (!isLink(link) || !graph.has(link[0]) || seen.has(link[0])) continue;
    seen.add(link[0]);
    const inputs = inputsAt(graph, link[0]);
    yield [link[0], inputs];
    if (seen.size === NEAR) return;
    if (which && isLink(inputs.positive) && isLink(inputs.negative)) {
      queue.push(inputs[link[1] === 1 ? "negative" : "positive"]);
    } else if (which && isLink(inputs[which])) {
      queue.push(inputs[which]);
    } else {
      queue.push(...Object.values(inputs).filter(isLink));
    }
  }
}
