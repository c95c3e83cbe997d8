// What of a prompt is a template, and of how many pictures: as the server counts them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { picturesOf, promptsOf } from "../../assets/web/prompt_template.js";

test("alternatives are counted as lightning_demo/studio/templates.py paints them", () => {
  for (const [template, count] of [
    ["a cat", 1],
    ["a {house, boat} at {sunset, night}", 4],
    ["{a wide, wet street|a lake}", 2],
    ["{a, {b, c} d {e, f}, g}", 6],
    ["{a {b, c}, d|e}", 3],
    ["{a}", 1],
    ["{}", 1],
    ["{a,}", 2],
    ["one, two | three", 1],
    ["\\{a, b\\}", 1],
    ["{a\\, b, c\\|d}", 2],
    ["\\\\{a, b\\\\}", 1],
  ]) assert.equal(promptsOf(template), count, template);
});

test("what is still being typed is none, and neither is what is too deep", () => {
  for (const template of ["{", "a {house, ", "a }", "{a}}{", `${"{".repeat(20)}a,b${"}".repeat(20)}`]) assert.equal(promptsOf(template), 0, template);
  assert.equal(promptsOf(`${"{".repeat(19)}a,b${"}".repeat(19)}`), 2);
});

test("a long one is counted at once", () => {
  assert.equal(promptsOf("{a, b}".repeat(17_000)), Infinity);
  assert.equal(promptsOf("{".repeat(100_000)), 0);
});

test("a wildcard makes one where there is such a list", () => {
  assert.equal(picturesOf("a __animal__", []), 0);
  assert.equal(picturesOf("a __animal__", ["animal"]), 1);
  assert.equal(picturesOf("{a, the} __pets/animal__", ["pets/animal"]), 2);
  assert.equal(picturesOf("a cat", ["animal"]), 0);
  assert.equal(picturesOf("a {cat", ["animal"]), 0);
});
