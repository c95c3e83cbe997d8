// What older versions of the page have written: links, tracks and pictures.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { asLink, ofLink } from "../../assets/web/link.js";
import { settingsIn } from "../../assets/web/picture_settings.js";
import { readTrack } from "../../assets/web/timeline_track.js";

const OLD = new URL("../upgrade/", import.meta.url);
const read = (name) => new Blob([readFileSync(new URL(name, OLD))]);
const PAGE = {
  prompt: "", negative_prompt: "", num_inference_steps: 4, guidance_scale: 0, seed: null, width: 256, height: 256, style: "",
};

test("links of the first version, and of those with styles and morphs", () => {
  const [first, blended] = readFileSync(new URL("links.txt", OLD), "utf-8").trim().split("\n").map((line) => new URL(line));
  const known = { ...PAGE, seed: 0 };
  assert.deepEqual({ ...known, ...ofLink(first.search, known) }, {
    ...known, prompt: "a fox & <b>", negative_prompt: "fog", num_inference_steps: 8, guidance_scale: 1.5, seed: 7, height: 384,
  });
  assert.deepEqual(ofLink(blended.search, known), {
    prompt: "a fox", num_inference_steps: 2, guidance_scale: 0, seed: 7, width: 256, height: 256, style: "Night",
    variation_seed: 3, variation_strength: 0.25, morph_prompt: "a lake", morph_strength: 0.5,
  });
  const again = asLink("http://127.0.0.1:7860/?morph_prompt=gone", ofLink(first.search, known));
  assert.deepEqual(ofLink(new URL(again).search, known), ofLink(first.search, known));
});

test("a link that says no number is shown as it is, and what is no field is not read", () => {
  assert.deepEqual(ofLink("?num_inference_steps=many&seed=&__proto__=1&limits=2", { ...PAGE, seed: 0 }), {
    num_inference_steps: "many", seed: "",
  });
});

test("tracks of the first version, and of those with styles and morphs", async () => {
  const request = {
    prompt: "a fox <b>", negative_prompt: "fog", num_inference_steps: 4, guidance_scale: 1.5, seed: 7, width: 256, height: 384,
  };
  assert.deepEqual(await readTrack(read("tracks/first.json")), [
    { request, model: "miniature", name: "mine" }, { request, model: "miniature", name: "" },
  ]);
  const [, styled] = await readTrack(read("tracks/styles.json"));
  assert.deepEqual(styled.request, {
    ...request, style: "Night", variation_seed: 3, variation_strength: 0.25, morph_prompt: "a lake", morph_strength: 0.5,
  });
});

test("pictures of every version bring their settings along", async () => {
  const names = readdirSync(new URL("pictures/", OLD));
  assert.ok(names.length > 10);
  for (const name of names) {
    const { found } = await settingsIn(read(`pictures/${name}`));
    assert.deepEqual([found.prompt, found.negative_prompt], ["ein Füchschen, <b> & a \"red\" boat", "fog, people"], name);
    assert.deepEqual([found.seed, found.num_inference_steps, found.guidance_scale], [7, 8, 1.5], name);
    assert.equal(found.style, /^(styles|json|template)/.test(name) ? "Night" : undefined, name);
    assert.equal(found.template, /^template/.test(name) ? "ein Füchschen, <b> & a \"{red, blue}\" __thing__" : undefined, name);
  }
});
