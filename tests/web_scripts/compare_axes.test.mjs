// What can be compared, and how values are written.

import assert from "node:assert/strict";
import { test } from "node:test";

import { axes, cellsOf } from "../../assets/web/compare_axes.js";

const LIMITS = { steps: [1, 2, 4, 8], sizes: [[512, 512], [640, 384]], maxSeed: 2 ** 32 - 1, maxGuidance: 2 };
const REQUEST = {
  prompt: "a fox", negative_prompt: "", num_inference_steps: 4, guidance_scale: 0, seed: 7, width: 512, height: 512,
};
const AXES = axes(REQUEST, LIMITS);

test("every axis can read what it begins with", () => {
  for (const [name, axis] of Object.entries(AXES)) {
    const values = axis.read(axis.begin);
    assert.ok(values.length > 1, name);
    for (const value of values) assert.deepEqual(Object.keys({ ...REQUEST, ...axis.change(value) }), Object.keys(REQUEST));
  }
});

test("weights are an axis where another server has others", () => {
  assert.ok(!("weights" in AXES));
  const { weights } = axes(REQUEST, LIMITS, ["Lightning", "Lightning LoRA"]);
  assert.deepEqual(weights.read(weights.begin), ["Lightning", "Lightning LoRA"]);
  assert.throws(() => weights.read("SDXL"), /among Lightning, Lightning LoRA/);
  const [, cell] = cellsOf(REQUEST, { axis: weights, values: ["Lightning", "Lightning LoRA"] }, null);
  assert.equal(cell.name, "Lightning LoRA");
  assert.equal(cell.request.weights, "Lightning LoRA");
});

test("numbers are written one by one, as ranges, and as ranges with a step", () => {
  assert.deepEqual(AXES.seed.read("1, 4-6,9"), [1, 4, 5, 6, 9]);
  assert.deepEqual(AXES.guidance_scale.read("0-2:0.5"), [0, 0.5, 1, 1.5, 2]);
  assert.deepEqual(AXES.guidance_scale.read("0.1-0.3:0.1"), [0.1, 0.2, 0.3]);
});

test("what cannot be is told in words that name it", () => {
  const refused = {
    "seed x": /"x" is no number/,
    "seed 5-3": /ends before it begins/,
    "seed 1-2:0": /never ends/,
    "seed 1.5": /"1.5": values are whole/,
    "seed ": /no values/,
    "seed 1-99": /may have 16 values/,
    "num_inference_steps 3": /one of 1, 2, 4, 8/,
    "size 100x100": /one of 512x512, 640x384/,
    "guidance_scale 3": /from 0 to 2/,
    "prompt a||b": /words, parted by \|/,
  };
  for (const [given, words] of Object.entries(refused)) {
    const [name, ...text] = given.split(" ");
    assert.throws(() => AXES[name].read(text.join(" ")), words, given);
  }
});

test("the first seeds go on from the request's own, around the end of all seeds", () => {
  const last = axes({ ...REQUEST, seed: LIMITS.maxSeed }, LIMITS);
  assert.deepEqual(last.seed.read(last.seed.begin).slice(0, 3), [LIMITS.maxSeed, 0, 1]);
});

test("cells come row by row, each with its own request and name", () => {
  const across = { axis: AXES.num_inference_steps, values: [1, 8] };
  const down = { axis: AXES.negative_prompt, values: ["", "fog"] };
  const cells = cellsOf(REQUEST, across, down);
  assert.deepEqual(cells.map(({ name }) => name), [
    "Steps 1 · nothing left out", "Steps 8 · nothing left out", "Steps 1 · without fog", "Steps 8 · without fog",
  ]);
  assert.deepEqual(cells[3].request, { ...REQUEST, num_inference_steps: 8, negative_prompt: "fog" });
  assert.equal(cellsOf(REQUEST, across, null).length, 2);
});

test("there is an end to how many are compared", () => {
  const sixteen = { axis: AXES.seed, values: AXES.seed.read("0-15") };
  assert.throws(() => cellsOf(REQUEST, sixteen, sixteen), /At most 64/);
});
