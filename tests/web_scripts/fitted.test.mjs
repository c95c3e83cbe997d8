// Settings of another time or program, as far as they can be asked for here.

import assert from "node:assert/strict";
import { test } from "node:test";

import { fitted } from "../../assets/web/fitted.js";

const LIMITS = { steps: [1, 2, 4, 8], sizes: [[512, 512], [640, 384], [384, 640]], maxSeed: 2 ** 32 - 1, maxGuidance: 2 };
const NOW = {
  prompt: "before", negative_prompt: "rain", num_inference_steps: 4, guidance_scale: 0, seed: 1, width: 512, height: 512,
  style: "",
};

test("what can be asked for is taken as it is", () => {
  const same = { ...NOW, prompt: "a\n fox ", negative_prompt: "fog", guidance_scale: 1.5, seed: 9 };
  const { request, words } = fitted(same, NOW, LIMITS);
  assert.deepEqual(request, { ...same, prompt: "a fox" });
  assert.equal(words, "both prompts, 4 steps, 512 × 512, seed 9, guidance 1.5");
});

test("what cannot becomes the nearest that can, and both are told", () => {
  const theirs = { prompt: "x", num_inference_steps: 30, guidance_scale: 7, seed: 2 ** 33 + 5, width: 1344, height: 768 };
  const { request, words } = fitted(theirs, NOW, LIMITS);
  assert.deepEqual(request, {
    prompt: "x", negative_prompt: "", num_inference_steps: 8, guidance_scale: 2, seed: 5, width: 640, height: 384,
    style: "",
  });
  assert.match(words, /8 steps for 30, 640 × 384 for 1344 × 768, seed 5 for 8589934597, guidance 2 for 7/);
});

test("nonsense changes nothing", () => {
  const lies = { prompt: 5, num_inference_steps: -1, guidance_scale: NaN, seed: 1.5, width: 0, height: "x" };
  assert.equal(fitted(lies, NOW, LIMITS), null);
});
