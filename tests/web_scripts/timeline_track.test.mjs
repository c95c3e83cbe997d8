// A timeline as a file.

import assert from "node:assert/strict";
import { test } from "node:test";

import { readTrack, sameAs, trackOf } from "../../assets/web/timeline_track.js";

const REQUEST = {
  prompt: "a fox <b>", negative_prompt: "", num_inference_steps: 4, guidance_scale: 0, seed: 7, width: 512, height: 512,
};
const track = (fields) => new Blob([JSON.stringify({ kind: "lightning-track", version: 1, requests: [REQUEST], ...fields })]);

test("what is written is read again, without what is no field of a request", async () => {
  const text = trackOf([{ request: REQUEST, model: "miniature", name: "mine" }, { request: REQUEST, model: "x", name: "" }]);
  const read = await readTrack(new Blob([text]));
  assert.deepEqual(read, [{ request: REQUEST, model: "miniature", name: "mine" }, { request: REQUEST, model: "x", name: "" }]);
  assert.equal(JSON.parse(text).requests[0].name, "mine");
  assert.ok(!("name" in JSON.parse(text).requests[1]));
});

test("fields of another kind are left out", async () => {
  const odd = { ...REQUEST, seed: "7", width: null, more: 1 };
  const [{ request: read }] = await readTrack(track({ requests: [odd] }));
  assert.deepEqual(Object.keys(read), ["prompt", "negative_prompt", "num_inference_steps", "guidance_scale", "height"]);
});

test("what is no track is told why", async () => {
  const refused = [
    [new Blob(["x"]), /not JSON/],
    [new Blob(["null"]), /no track of this demo/],
    [track({ kind: "other" }), /no track of this demo/],
    [track({ requests: {} }), /no track of this demo/],
    [track({ version: 2 }), /newer version/],
    [track({ requests: [] }), /nothing in that track/],
    [track({ requests: [REQUEST, { seed: 1 }] }), /Picture 2 of that track has no prompt/],
    [track({ requests: [null] }), /Picture 1/],
    [track({ requests: Array(5001).fill(REQUEST) }), /may have 5000/],
    [{ size: 2 ** 25 }, /too large/],
  ];
  for (const [file, words] of refused) await assert.rejects(() => readTrack(file), words);
});

test("what is asked for is what a track wants, or not", () => {
  const asked = { ...REQUEST, style: "" };
  assert.ok(sameAs(REQUEST, asked));
  assert.ok(sameAs({ ...REQUEST, guidance_scale: 1 }, asked), "as good as none");
  for (const other of [{ seed: 8 }, { num_inference_steps: 2 }, { guidance_scale: 1.5 }, { style: "Anime" }]) {
    assert.ok(!sameAs({ ...REQUEST, ...other }, asked));
  }
});
