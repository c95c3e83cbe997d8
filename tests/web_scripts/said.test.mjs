// The server's sentences in another language: recognised, with their values, and left alone otherwise.

import assert from "node:assert/strict";
import { test } from "node:test";

// As a browser would say it, before the language is read.
Object.defineProperty(globalThis, "navigator", { value: { languages: ["de-CH", "en"] } });
const { said, told } = await import("../../assets/web/said.js");
const { language } = await import("../../assets/web/text.js");

test("a sentence with its values", () => {
  assert.equal(language, "de");
  assert.equal(said("seed: must be a whole number from 0 to 4294967295."), "seed: muss eine ganze Zahl von 0 bis 4294967295 sein.");
  assert.equal(said("num_inference_steps: must be one of 2, 4, 8 (each has its own checkpoint)."), "num_inference_steps: möglich sind 2, 4, 8 (jede Zahl hat ihren eigenen Checkpoint).");
  assert.equal(said("64 pages are open already, as many as this server takes; try again in a minute."), "Es sind schon 64 Seiten offen, mehr nimmt dieser Server nicht; versuch es in einer Minute.");
});

test("the sentence with more words of its own wins", () => {
  assert.match(said("3 pictures are being painted for you or wait already; try again in a moment."), /^3 Bilder von dir/);
  assert.match(said("3 pictures are being painted or wait already; try again in a moment."), /^3 Bilder werden/);
});

test("a sentence within a sentence", () => {
  assert.equal(said("Miniature goes on without SDXL-Lightning: The engine has stopped."), "Miniature macht ohne SDXL-Lightning weiter: Das Modell läuft nicht mehr.");
});

test("what is not known stays, and a value is no pattern", () => {
  for (const each of ["Something new.", "", "a red fox"]) assert.equal(said(each), each);
  assert.equal(said(undefined), undefined);
  assert.equal(said("style: there is no style '$& (.*)\n{known}'; the styles are: Anime."), "style: einen Stil '$& (.*)\n{known}' gibt es nicht; die Stile sind: Anime.");
});

test("only what people read of a message", () => {
  const message = { type: "error", sequence: 3, field: "seed", message: "The engine has stopped.", prompt: "Time is up." };
  assert.deepEqual(told(message), { ...message, message: "Das Modell läuft nicht mehr." });
  assert.deepEqual(told({ type: "frame", notes: ["The negative prompt acts only above guidance 1."] }).notes, ["Der negative Prompt wirkt nur bei Guidance über 1."]);
});
