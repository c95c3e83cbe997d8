// What can be compared: each axis by the field that it changes, and how its values are written.

import { text } from "./text.js";

const MOST_VALUES = 16; // of one axis
export const MOST_CELLS = 64;

/** What an axis sets, as it is written. @typedef {string | number} Written */

/** An axis with its values. @typedef {{ axis: Axis, values: Written[] }} Values */

/**
 * A request of a grid; its name, and that for a file. `weights` are another server's.
 * @typedef {{ request: Asked & { weights?: string }, name: string, file: string }} Cell
 */

/**
 * @typedef {object} Axis
 * @property {string} title
 * @property {string} begin  the values that it begins with, as they are written
 * @property {(text: string) => Written[]} read  throws an Error with words for the visitor
 * @property {(value: Written) => object} change  the fields of a request that a value sets
 * @property {(value: Written) => string} [label]  what a value is called; else the title and the value
 * @property {(value: Written) => string} file  the same for a file's name, which is English everywhere
 */

// Keyboards for Chinese write a comma and a bar of their own.
/** @param {string} line */
const numbers = (line) => line.split(/[,，]/).map((part) => part.trim()).filter(Boolean);
/** @param {string} line */
const texts = (line) => line.split(/[|｜]/).map((part) => part.trim());

/**
 * Every axis: its title, how a request changes, the values that it begins with, how they are written.
 * @param {Asked} request  that is varied
 * @param {import("./fitted.js").Limits} limits
 * @param {string[]} weights  this server's, and those of the one that is compared with
 * @returns {Record<string, Axis>}
 */
export function axes(request, limits, weights = []) {
  const { seed, prompt, negative_prompt: negative } = request;
  const following = [0, 1, 2, 3, 4, 5].map((each) => ((seed ?? 0) + each) % (limits.maxSeed + 1));
  const oneOf = (/** @type {(string | number)[]} */ values) => text("axis.one_of", { values: values.join(", ") });
  const [none, most] = [text("axis.none"), limits.maxGuidance];
  return {
    num_inference_steps: {
      title: text("axis.steps"),
      begin: limits.steps.join(", "),
      read: (line) => ranged(line, (value) => limits.steps.includes(value), oneOf(limits.steps)),
      change: (steps) => ({ num_inference_steps: steps }),
      file: (steps) => `steps-${steps}`,
    },
    seed: {
      title: text("axis.seed"),
      begin: following.join(", "),
      read: (line) =>
        ranged(line, (value) => Number.isInteger(value) && value >= 0 && value <= limits.maxSeed, text("axis.whole", { most: limits.maxSeed })),
      change: (value) => ({ seed: value }),
      file: (value) => `seed-${value}`,
    },
    guidance_scale: {
      title: text("axis.guidance"),
      begin: [0, 1.2, 1.5, 2].filter((each) => each <= most).join(", "),
      read: (line) => ranged(line, (value) => value >= 0 && value <= most, text("axis.from_to", { most })),
      change: (value) => ({ guidance_scale: value }),
      file: (value) => `guidance-${value}`,
    },
    size: {
      title: text("axis.size"),
      begin: limits.sizes.map((sides) => sides.join("x")).join(", "),
      read: (line) => {
        const known = limits.sizes.map((sides) => sides.join("x"));
        return checked(numbers(line), (size) => known.includes(size), oneOf(known));
      },
      change: (size) => {
        const [width, height] = String(size).split("x").map(Number);
        return { width, height };
      },
      file: (size) => `size-${size}`,
    },
    ...(limits.styles?.length && {
      style: {
        title: text("axis.style"),
        begin: [none, ...limits.styles.slice(0, 5)].join(", "),
        read: (line) => {
          const known = [none, ...(limits.styles ?? [])];
          const wanted = numbers(line).map((name) => known.find((each) => each.toLowerCase() === name.toLowerCase()) ?? name);
          return checked(wanted, (name) => known.includes(name), text("axis.among", { values: known.join(", ") }));
        },
        change: (name) => ({ style: name === none ? "" : name }),
        label: (name) => (name === none ? text("axis.no_style") : String(name)),
        file: (name) => (name === none ? "no-style" : String(name)),
      },
    }),
    ...(weights.length > 1 && {
      weights: {
        title: text("compare.weights"),
        begin: weights.join(", "),
        read: (line) => checked(numbers(line), (name) => weights.includes(name), text("axis.among", { values: weights.join(", ") })),
        change: (name) => ({ weights: name }),
        label: String,
        file: String,
      },
    }),
    prompt: {
      title: text("axis.prompt"),
      begin: `${prompt} | ${prompt} at night`, // for a model, which reads English
      read: (line) => checked(texts(line), Boolean, text("axis.words")),
      change: (words) => ({ prompt: words }),
      label: String,
      file: String,
    },
    negative_prompt: {
      title: text("axis.negative"),
      begin: ` | ${negative || "fog"}`,
      read: (line) => checked(texts(line), () => true, text("axis.words")),
      change: (words) => ({ negative_prompt: words }),
      label: (words) => (words ? text("drawer.without", { words }) : text("axis.nothing_out")),
      file: (words) => (words ? `without-${words}` : "nothing-left-out"),
    },
  };
}

/**
 * Numbers, also as ranges: "1, 4-7, 0-2:0.5".
 * @param {string} line
 * @param {(value: number) => boolean} good
 * @param {string} may
 */
function ranged(line, good, may) {
  const found = [];
  for (const part of numbers(line)) {
    const [, first, last, step] = /^(\d+(?:\.\d+)?)\s*(?:-\s*(\d+(?:\.\d+)?)\s*(?::\s*(\d+(?:\.\d+)?))?)?$/.exec(part) ?? [];
    if (first === undefined) throw new Error(text("axis.no_number", { part, may }));
    const by = Number(step ?? 1);
    if (!(by > 0)) throw new Error(text("axis.endless", { part }));
    const count = last === undefined ? 1 : Math.floor((Number(last) - Number(first)) / by + 1e-9) + 1;
    if (count < 1) throw new Error(text("axis.backwards", { part }));
    for (let at = 0; at < Math.min(count, MOST_VALUES + 1); at += 1) found.push(Number((Number(first) + at * by).toFixed(6)));
  }
  return checked(found, good, may);
}

/** @template Value @param {Value[]} values @param {(value: Value) => unknown} good @param {string} may */
function checked(values, good, may) {
  if (!values.length) throw new Error(text("axis.empty"));
  if (values.length > MOST_VALUES) throw new Error(text("axis.most", { most: MOST_VALUES }));
  for (const value of values) if (!good(value)) throw new Error(text("axis.wrong", { value, may }));
  return values;
}

/**
 * The cells of a grid, row by row.
 * @param {Asked} base  the request that they have in common
 * @param {Values} across
 * @param {Values | null} down
 * @returns {Cell[]}
 */
export function cellsOf(base, across, down) {
  const rows = down ?? { axis: { title: "", change: () => ({}), file: () => "" }, values: [""] };
  if (across.values.length * rows.values.length > MOST_CELLS) throw new Error(text("compare.most", { most: MOST_CELLS }));
  const name = (/** @type {Values} */ { axis }, /** @type {Written} */ value) => axis.label?.(value) ?? `${axis.title} ${value}`;
  return rows.values.flatMap((below) =>
    across.values.map((beside) => ({
      request: { ...base, ...rows.axis.change(below), ...across.axis.change(beside) },
      name: [name(across, beside), down && name(down, below)].filter(Boolean).join(" · "),
      file: [across.axis.file(beside), rows.axis.file(below)].filter(Boolean).join("-"),
    })));
}
