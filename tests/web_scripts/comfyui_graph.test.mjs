// Graphs of ComfyUI: what they ask for is found by following links back, also in a stranger's.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ofGraph } from "../../assets/web/comfyui_graph.js";
import { parsed } from "../../assets/web/strange_json.js";

const node = (class_type, inputs) => ({ class_type, inputs });
const SIMPLE = {
  3: node("KSampler", { seed: 7, steps: 4, cfg: 1, positive: ["6", 0], negative: ["7", 0], latent_image: ["5", 0] }),
  5: node("EmptyLatentImage", { width: 640, height: 384 }),
  6: node("CLIPTextEncode", { text: "a [red] fox" }),
  7: node("CLIPTextEncode", { text: ["8", 0] }),
  8: node("PrimitiveString", { value: "fog" }),
};

test("a simple graph is read as a whole", () => {
  assert.deepEqual(ofGraph(SIMPLE), {
    prompt: "a \\[red\\] fox", negative_prompt: "fog", num_inference_steps: 4, guidance_scale: 1, seed: 7,
    width: 640, height: 384,
  });
});

test("of two samplers it is the one that begins with noise", () => {
  const refined = node("KSampler", { ...SIMPLE[3].inputs, seed: 9, latent_image: ["3", 0] });
  assert.equal(ofGraph({ 1: refined, ...SIMPLE }).seed, 7);
});

test("a sampler's parts may be nodes of their own, and nothing may be made of a text", () => {
  const graph = {
    ...SIMPLE,
    3: node("SamplerCustomAdvanced", { noise: ["10", 0], guider: ["11", 0], sigmas: ["12", 0], latent_image: ["5", 0] }),
    9: node("ConditioningZeroOut", { conditioning: ["6", 0] }),
    10: node("RandomNoise", { noise_seed: 11 }),
    11: node("CFGGuider", { cfg: 1.5, positive: ["6", 0], negative: ["9", 0] }),
    12: node("BasicScheduler", { steps: 8 }),
  };
  const { seed, num_inference_steps: steps, guidance_scale: guidance, negative_prompt: negative } = ofGraph(graph);
  assert.deepEqual([seed, steps, guidance, negative], [11, 8, 1.5, ""]);
});

test("circles, nonsense and crowds end", () => {
  const round = { 1: node("KSampler", { seed: 1, positive: ["2", 0], latent_image: ["2", 0] }), 2: node("X", { a: ["2", 0], b: ["1", 0] }) };
  assert.equal(ofGraph(round).prompt, "");
  for (const nonsense of [null, 5, "x", [], {}, { 1: null, 2: { inputs: 5 } }]) assert.equal(ofGraph(nonsense), null);
  const crowd = Object.fromEntries(Array.from({ length: 3000 }, (_, at) => [at, SIMPLE[3]]));
  assert.equal(ofGraph(crowd), null);
});

test("JSON of a stranger is read, also with the infinities that Python writes, or is nothing", () => {
  assert.deepEqual(parsed('{"a": NaN, "b": [-Infinity, "NaN"]}'), { a: null, b: [null, "NaN"] });
  assert.deepEqual([undefined, "", "{", "{NaN}"].map(parsed), Array(4).fill(undefined));
});
