// Words for who stands in line: on the page, and on a phone.

import assert from "node:assert/strict";
import { test } from "node:test";

import { long, pageLine, phoneLine } from "../../assets/web/line_words.js";

test("the page says how many are before, and about how long it takes", () => {
  assert.equal(pageLine({ what: null }), "");
  assert.equal(pageLine({ what: "seat", ahead: 0, seconds: 90 }), "All places are taken: you are next, about 2 min");
  assert.equal(pageLine({ what: "seat", ahead: 2, seconds: null }), "All places are taken: 2 people ahead of you");
  assert.equal(pageLine({ what: "picture", ahead: 1, seconds: 8 }), "1 person ahead, about 8 s");
  assert.equal(pageLine({ what: "picture", ahead: 0, seconds: null }), "You are next");
});

test("a phone says the same in less room", () => {
  assert.equal(phoneLine({ what: null }), "");
  assert.equal(phoneLine({ what: "seat", ahead: 3, seconds: 61 }), "In line: 3 before you, about 2 min");
  assert.equal(phoneLine({ what: "seat", ahead: 0, seconds: null }), "In line: you are next");
  assert.equal(phoneLine({ what: "picture", ahead: 5, seconds: 4 }), "Painting soon, about 4 s");
});

test("a time is in seconds below a minute", () => {
  assert.deepEqual([0, 59, 60, 119].map((seconds) => long(seconds, Math.floor)), ["0 s", "59 s", "1 min", "1 min"]);
});
