// What the scripts say in another language than English, and what stays English there.

import assert from "node:assert/strict";
import { test } from "node:test";

Object.defineProperty(globalThis, "navigator", { value: { languages: ["xx", "de-AT", "en"] } }); // before the texts are chosen
const { language, listed, text } = await import("../../assets/web/text.js");
const { decimal, dollars, lasting, milliseconds, percent } = await import("../../assets/web/numbers.js");
const { axes, cellsOf } = await import("../../assets/web/compare_axes.js");
const { trackOf } = await import("../../assets/web/timeline_track.js");

const REQUEST = {
  prompt: "a fox", negative_prompt: "", num_inference_steps: 4, guidance_scale: 0, seed: 7, width: 512, height: 512,
};
const AXES = axes(REQUEST, { steps: [1, 4], sizes: [[512, 512]], maxSeed: 99, maxGuidance: 2, styles: ["Night"] });

test("the first language of the browser's that there is", () => {
  assert.equal(language, "de");
  assert.equal(text("batch.sum", { painted: "1.234", count: 12345 }), "1.234 von 12.345 Bildern");
  assert.equal(text("batch.bad", { count: 1 }), "1 Zeile kann nicht gemalt werden");
});

test("numbers are written as there", () => {
  assert.deepEqual([decimal(1234.5, 1), percent(0.5), milliseconds(9.04, 1), lasting(2)], ["1234,5", "50 %", "9,0 ms", "2,0 h"]);
  assert.match(dollars(0.0123, 3), /^0,012\s\$$/u);
  assert.equal(text("drawer.guidance", { value: 1.5 }), "Guidance 1,5");
  assert.equal(listed(["eins", "zwei"]), "eins, zwei");
});

test("values are written as everywhere, and so are names of files and what is in them", () => {
  assert.equal(AXES.guidance_scale.begin, "0, 1.2, 1.5, 2");
  assert.deepEqual(AXES.seed.read("1，4-6"), [1, 4, 5, 6]); // a comma of Chinese keyboards
  const cells = cellsOf(REQUEST, { axis: AXES.num_inference_steps, values: [4] }, { axis: AXES.style, values: AXES.style.read("Keiner, night") });
  assert.deepEqual(cells.map(({ name }) => name), ["Schritte 4 · kein Stil", "Schritte 4 · Night"]);
  assert.deepEqual(cells.map(({ file }) => file), ["steps-4-no-style", "steps-4-Night"]);
  assert.deepEqual(cells.map(({ request }) => request.style), ["", "Night"]);
  assert.throws(() => AXES.seed.read("x"), /„x“ ist keine Zahl; möglich: ganze Zahlen von 0 bis 99\./);
  assert.equal(JSON.parse(trackOf([])).kind, "lightning-track");
});
