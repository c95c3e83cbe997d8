// Files of strangers, changed at random but each time alike: tracks and pictures.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { settingsOf } from "../../assets/web/picture_settings.js";
import { pictureTexts } from "../../assets/web/picture_texts.js";
import { readTrack } from "../../assets/web/timeline_track.js";

const RUNS = 1_000; // for each file

/** Numbers below 1 that look random (mulberry32). */
function numbers(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let value = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A copy with a few bytes changed, a stretch of it gone or twice, or an end. */
function changed(bytes, next) {
  let copy = Uint8Array.from(bytes);
  const place = () => Math.floor(next() * copy.length);
  for (let times = 1 + Math.floor(next() * 4); times; times -= 1) {
    const [start, end] = [place(), place()].sort((a, b) => a - b);
    const kind = Math.floor(next() * 5);
    if (kind === 0) copy = copy.slice(0, end);
    else if (kind === 1) copy = Uint8Array.from([...copy.subarray(0, start), ...copy.subarray(end)]);
    else if (kind === 2) copy = Uint8Array.from([...copy.subarray(0, end), ...copy.subarray(start)]);
    else copy[start] = [0, 0xff, 0x7f, 0x22, Math.floor(next() * 256)][Math.floor(next() * 5)];
  }
  return copy;
}

test("a changed track is read, or refused in words", async () => {
  const request = { prompt: "a fox", seed: 7, width: 512, height: 512, morph_strength: 0.5, style: "Night" };
  const whole = new TextEncoder().encode(JSON.stringify({ kind: "lightning-track", version: 1, requests: [request, request] }));
  const next = numbers(1);
  let read = 0;
  for (let run = 0; run < RUNS; run += 1) {
    try {
      for (const { request: found } of await readTrack(new Blob([changed(whole, next)]))) {
        assert.equal(typeof found.prompt, "string");
        read += 1;
      }
    } catch (problem) {
      assert.equal(problem.constructor, Error, problem.stack);
      assert.match(problem.message, /\.$/);
    }
  }
  assert.ok(read > RUNS / 20);
});

test("a changed picture says something, or nothing", async () => {
  const next = numbers(2);
  for (const name of ["styles.png", "styles.jpg", "json.jpg", "json.webp"]) {
    const whole = readFileSync(new URL(`../upgrade/pictures/${name}`, import.meta.url));
    assert.equal(settingsOf((await pictureTexts(new Blob([whole]))).texts).seed, 7);
    for (let run = 0; run < RUNS; run += 1) {
      const found = await pictureTexts(new Blob([changed(whole, next)]));
      if (found) settingsOf(found.texts, found);
    }
  }
});
