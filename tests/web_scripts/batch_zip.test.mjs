// A batch's zips: every picture once, and in each zip the manifest of all.

import assert from "node:assert/strict";
import { test } from "node:test";

import { batchZips } from "../../assets/web/batch_zip.js";

const request = { prompt: "a fox", seed: 1 };
const pictures = [1, 2, 3].map((number) => ({ number, line: number, file: "", template: "a fox", request }));
const outcomes = new Map([1, 2, 3].map((number) =>
  [number, { number, file: `${number}.png`, seconds: 1, model: "m", notes: [], error: "" }]));
const plan = { at: 0, format: "png", columns: ["number", "file", "prompt"], pictures };
const files = [1, 2, 3].map((number) => ({ name: `${number}.png`, blob: new Blob(["#".repeat(10)]) }));

/** The names in a zip's directory, which is at its end. */
async function namesIn(blob) {
  const text = Buffer.from(await blob.arrayBuffer()).toString("latin1");
  return text.split("PK\x01\x02").slice(1).map((entry) => entry.slice(42, 42 + entry.charCodeAt(24)));
}

/** Each zip's name, with the names of its files. */
async function zipped(most) {
  const found = [];
  for await (const { name, blob } of batchZips(plan, outcomes, files, most)) found.push([name, await namesIn(blob)]);
  return found;
}

test("one zip holds all, with the manifest as CSV and JSON", async () => {
  const manifest = ["manifest.csv", "manifest.json"];
  assert.deepEqual(await zipped(), [["lightning-batch.zip", ["1.png", "2.png", "3.png", ...manifest]]]);
});

test("what is too large for one is several, numbered", async () => {
  const manifest = ["manifest.csv", "manifest.json"];
  assert.deepEqual(await zipped(25), [
    ["lightning-batch-1-of-2.zip", ["1.png", "2.png", ...manifest]],
    ["lightning-batch-2-of-2.zip", ["3.png", ...manifest]],
  ]);
});
