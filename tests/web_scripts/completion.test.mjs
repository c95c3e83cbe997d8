// What will probably be typed next.

import assert from "node:assert/strict";
import { test } from "node:test";

import { complete, guesses, remember } from "../../assets/web/completion.js";

const WORDS = ["house", "horse", "hour", "a"];

test("the rest of a word, the likeliest first", () => {
  assert.equal(complete("a red ho", WORDS, []), "use");
  assert.equal(complete("a red hor", WORDS, []), "se");
});

test("what was typed before comes first", () => {
  assert.equal(complete("a ho", WORDS, ["hotel"]), "tel");
});

test("nothing after a whole word, one letter, a space or a number", () => {
  for (const prompt of ["a house", "h", "a house ", "42", ""]) assert.equal(complete(prompt, WORDS, []), "");
});

test("capitals stay capitals", () => {
  assert.equal(complete("A HO", WORDS, []), "USE");
  assert.equal(complete("Ho", WORDS, []), "use");
});

test("nothing where letters run from the right, nor in a text without end", () => {
  assert.equal(complete("בית ho", WORDS, []), "");
  assert.equal(complete(`${"x ".repeat(1001)}ho`, WORDS, []), "");
});

test("a guess is the completed prompt, then other step counts, the nearest first", () => {
  const request = { prompt: "a ho", num_inference_steps: 4 };
  assert.deepEqual(guesses(request, "use", [1, 2, 4, 8]), [
    { prompt: "a house" },
    { num_inference_steps: 2 },
    { num_inference_steps: 8 },
    { num_inference_steps: 1 },
  ]);
  assert.deepEqual(guesses(request, "", [4]), []);
});

test("words of a finished prompt are remembered, the newest first, each once", () => {
  assert.deepEqual(remember("A red Fox, 2 x", ["fox", "sea"]), ["red", "fox", "sea"]);
  const many = Array.from({ length: 600 }, (_, place) => `w${"abcdefghij"[place % 10].repeat(1 + place / 10)}`);
  assert.equal(remember(many.join(" "), []).length <= 500, true);
});
