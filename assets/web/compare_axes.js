// What can be compared: each axis by the field that it changes, and how its values are written.

import { text } from "./text.js";

const MOST_VALUES = 16; // of one axis
export const MOST_CELLS = 64;

/**
 * @typedef {object} Axis
 * @property {string} title
 * @property {string} begin  the values that it begins with, as they are written
 * @property {(text: string) => any[]} read  throws an Error with words for the visitor
 * @property {(value: any) => object} change  the fields of a request that a value sets
 * @property {(value: any) => string} [label]
 */

const numbers = (text) => text.split(",").map((part) => part.trim()).filter(Boolean);
const texts = (text) => text.split("|").map((part) => part.trim());

/**
 * Every axis: its title, how a request changes, the values that it begins with, how they are written.
 * @param request  that is varied
 * @param {import("./from_picture.js").Limits} limits
 * @param {string[]} weights  this server's, and those of the one that is compared with
 * @returns {Record<string, Axis>}
 */
export function axes(request, limits, weights = []) {
  const { seed, prompt, negative_prompt: negative } = request;
  const following = [0, 1, 2, 3, 4, 5].map((each) => ((seed ?? 0) + each) % (limits.maxSeed + 1));
  return {
    num_inference_steps: {
      title: "Steps",
      begin: limits.steps.join(", "),
      read: (text) => ranged(text, (value) => limits.steps.includes(value), `one of ${limits.steps.join(", ")}`),
      change: (steps) => ({ num_inference_steps: steps }),
    },
    seed: {
      title: "Seed",
      begin: following.join(", "),
      read: (text) =>
        ranged(text, (value) => Number.isInteger(value) && value >= 0 && value <= limits.maxSeed, `whole and from 0 to ${limits.maxSeed}`),
      change: (value) => ({ seed: value }),
    },
    guidance_scale: {
      title: "Guidance",
      begin: [0, 1.2, 1.5, 2].filter((each) => each <= limits.maxGuidance).join(", "),
      read: (text) =>
        ranged(text, (value) => value >= 0 && value <= limits.maxGuidance, `from 0 to ${limits.maxGuidance}`),
      change: (value) => ({ guidance_scale: value }),
    },
    size: {
      title: "Size",
      begin: limits.sizes.map((sides) => sides.join("x")).join(", "),
      read: (text) => {
        const known = limits.sizes.map((sides) => sides.join("x"));
        return checked(numbers(text), (size) => known.includes(size), `one of ${known.join(", ")}`);
      },
      change: (size) => {
        const [width, height] = size.split("x").map(Number);
        return { width, height };
      },
    },
    ...(limits.styles?.length && {
      style: {
        title: "Style",
        begin: `none, ${limits.styles.slice(0, 5).join(", ")}`,
        read: (text) => {
          const known = ["none", ...(limits.styles ?? [])];
          const wanted = numbers(text).map((name) => known.find((each) => each.toLowerCase() === name.toLowerCase()) ?? name);
          return checked(wanted, (name) => known.includes(name), `among ${known.join(", ")}`);
        },
        change: (name) => ({ style: name === "none" ? "" : name }),
        label: (name) => (name === "none" ? "no style" : name),
      },
    }),
    ...(weights.length > 1 && {
      weights: {
        title: text("compare.weights"),
        begin: weights.join(", "),
        read: (text) => checked(numbers(text), (name) => weights.includes(name), `among ${weights.join(", ")}`),
        change: (name) => ({ weights: name }),
        label: (name) => name,
      },
    }),
    prompt: {
      title: "Prompt",
      begin: `${prompt} | ${prompt} at night`,
      read: (text) => checked(texts(text), Boolean, "words, parted by |"),
      change: (words) => ({ prompt: words }),
    },
    negative_prompt: {
      title: "Negative prompt",
      begin: ` | ${negative || "fog"}`,
      read: (text) => checked(texts(text), () => true, "words, parted by |"),
      change: (words) => ({ negative_prompt: words }),
      label: (words) => (words ? `without ${words}` : "nothing left out"),
    },
  };
}

/** Numbers, also as ranges: "1, 4-7, 0-2:0.5". */
function ranged(text, good, may) {
  const found = [];
  for (const part of numbers(text)) {
    const [, first, last, step] = /^(\d+(?:\.\d+)?)\s*(?:-\s*(\d+(?:\.\d+)?)\s*(?::\s*(\d+(?:\.\d+)?))?)?$/.exec(part) ?? [];
    if (first === undefined) throw new Error(`"${part}" is no number; values are ${may}.`);
    const by = Number(step ?? 1);
    if (!(by > 0)) throw new Error(`"${part}" never ends.`);
    const count = last === undefined ? 1 : Math.floor((Number(last) - Number(first)) / by + 1e-9) + 1;
    if (count < 1) throw new Error(`"${part}" ends before it begins.`);
    for (let at = 0; at < Math.min(count, MOST_VALUES + 1); at += 1) found.push(Number((Number(first) + at * by).toFixed(6)));
  }
  return checked(found, good, may);
}

function checked(values, good, may) {
  if (!values.length) throw new Error("There are no values.");
  if (values.length > MOST_VALUES) throw new Error(`An axis may have ${MOST_VALUES} values.`);
  for (const value of values) if (!good(value)) throw new Error(`"${value}": values are ${may}.`);
  return values;
}

/**
 * The cells of a grid, row by row.
 * @param base  the request that they have in common
 * @param {{ axis: Axis, values: any[] }} across
 * @param {{ axis: Axis, values: any[] } | null} down
 * @returns {{ request: any, name: string }[]}
 */
export function cellsOf(base, across, down) {
  const rows = down ?? { axis: { title: "", change: () => ({}) }, values: [null] };
  if (across.values.length * rows.values.length > MOST_CELLS) throw new Error(`At most ${MOST_CELLS} pictures are compared.`);
  const name = ({ axis }, value) => (axis.label ?? ((each) => (axis.title === "Prompt" ? each : `${axis.title} ${each}`)))(value);
  return rows.values.flatMap((below) =>
    across.values.map((beside) => ({
      request: { ...base, ...rows.axis.change(below), ...across.axis.change(beside) },
      name: [name(across, beside), down && name(down, below)].filter(Boolean).join(" · "),
    })));
}
