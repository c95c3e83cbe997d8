// Chips: a word takes the place of another of its kind.

import assert from "node:assert/strict";
import { test } from "node:test";

import { withWord } from "../../assets/web/words.js";

const COLOURS = ["red", "green", "dark green", "blau"];

test("a word takes the place of another of its kind", () => {
  assert.equal(withWord("a red house", "blue", COLOURS), "a blue house");
  assert.equal(withWord("A RED house", "blue", COLOURS), "A blue house");
});

test("of several the last one, and of two at one place the longer one", () => {
  assert.equal(withWord("a red house, a green tree", "blue", COLOURS), "a red house, a blue tree");
  assert.equal(withWord("a fir tree", "oak", ["fir", "fir tree"]), "a oak");
});

test("parts of words are left alone, in any alphabet", () => {
  assert.equal(withWord("a bored cat", "blue", COLOURS), "a bored cat blue");
  assert.equal(withWord("ein blaues Haus", "rot", COLOURS), "ein blaues Haus rot");
});

test("without another it stands at the end", () => {
  assert.equal(withWord("a house  ", "blue", COLOURS), "a house blue");
  assert.equal(withWord("  ", "blue", COLOURS), "blue");
});

test("words with signs of patterns are words", () => {
  assert.equal(withWord("a (x) b", "y", ["c.*"]), "a (x) b y");
  assert.equal(withWord("made of c++ now", "rust", ["c++"]), "made of rust now");
});
