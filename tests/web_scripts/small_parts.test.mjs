// Small modules without a page: times, players' names, a talk's script, files' names, stages.

import assert from "node:assert/strict";
import { test } from "node:test";

import { called, isRunning, nameOf } from "../../assets/web/battle_words.js";
import { clock } from "../../assets/web/clock.js";
import { pictureName } from "../../assets/web/files.js";
import { pause } from "../../assets/web/pause.js";
import { readScript } from "../../assets/web/script_file.js";
import { stages } from "../../assets/web/waterfall.js";

test("times as people read them", () => {
  assert.deepEqual([0, 9, 61, 3723, -5].map(clock), ["0:00", "0:09", "1:01", "1:02:03", "−0:05"]);
});

test("players have a number, and perhaps a name", () => {
  assert.equal(nameOf({ number: 3, name: "Ann" }), "3 Ann");
  assert.equal(called({ number: 3, name: "" }), "Number 3");
  assert.equal(called({ number: "", name: "Ann" }), "Ann");
  assert.deepEqual(["gather", "typing", "over"].map(isRunning), [false, true, false]);
});

test("a script is a text file in any Unicode encoding", () => {
  const text = "# notes\r\n\n a red fox \n葉の上の蛙\n";
  const wide = Buffer.from(`\ufeff${text}`, "utf16le");
  const swapped = Buffer.from(wide).swap16();
  for (const file of [Buffer.from(text), Buffer.from(`\ufeff${text}`), wide, swapped, wide.subarray(2)]) {
    assert.deepEqual(readScript(new Uint8Array(file)), ["a red fox", "葉の上の蛙"]);
  }
  assert.throws(() => readScript(new Uint8Array([0x89, 0x50, 0, 0, 1])), /no text file|older encoding/);
  assert.throws(() => readScript(new Uint8Array(Buffer.from("# only notes"))), /No prompt/);
});

test("the stages of a picture follow one another to the end of the page's own time", () => {
  const rows = stages({ queue: 1, embed: 2, steps: 30, decode: 5, encode: 3, total: 45 }, 60);
  assert.deepEqual(rows.map(({ start }) => start), [0, 1, 3, 33, 42, 45]);
  assert.equal(rows.at(-1).length, 15);
});

test("waiting ends early when it is aborted", async () => {
  const control = new AbortController();
  const waited = pause(1e9, control.signal);
  control.abort();
  await waited;
});

test("a picture's file is called what it shows", () => {
  assert.equal(pictureName({ prompt: "A Café, at night!", seed: 7 }), "a-cafe-at-night-7.png");
  assert.equal(pictureName({ prompt: "葉", seed: 0 }), "picture-0.png");
  assert.equal(pictureName({ prompt: "../x".repeat(99), seed: 1 }).length, 60 + "-1.png".length);
});
