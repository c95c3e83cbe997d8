// The texts inside picture files, also of damaged ones and of those that mean harm.

import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync } from "node:zlib";

import { settingsIn, settingsOf } from "../../assets/web/picture_settings.js";
import { pictureTexts } from "../../assets/web/picture_texts.js";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const bytes = (text) => Buffer.from(text, "latin1");

function chunk(kind, data) {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  return Buffer.concat([length, bytes(kind), data, Buffer.alloc(4)]);
}

function png(...chunks) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(640, 0);
  header.writeUInt32BE(384, 4);
  return new Blob([Buffer.concat([Buffer.from(SIGNATURE), chunk("IHDR", header), ...chunks])]);
}

test("the three kinds of texts in PNG, and its size", async () => {
  const long = Buffer.concat([bytes("prompt\0\0\0\0\0"), Buffer.from("füchse", "utf8")]);
  const file = png(
    chunk("tEXt", bytes("parameters\0a fox")),
    chunk("zTXt", Buffer.concat([bytes("generation\0\0"), deflateSync(bytes("{}"))])),
    chunk("iTXt", long),
    chunk("tEXt", bytes("parameters\0another")),
  );
  assert.deepEqual(await pictureTexts(file), {
    texts: { parameters: "a fox", generation: "{}", prompt: "füchse" },
    width: 640,
    height: 384,
  });
});

test("what unpacks to more than a megabyte is left out, however small it is packed", async () => {
  const bomb = deflateSync(Buffer.alloc(2 ** 26));
  const file = png(chunk("zTXt", Buffer.concat([bytes("bomb\0\0"), bomb])), chunk("tEXt", bytes("a\0b")));
  assert.deepEqual((await pictureTexts(file)).texts, { a: "b" });
});

test("what is damaged gives nothing, and no error", async () => {
  const broken = png(chunk("zTXt", bytes("a\0\0no zlib")), bytes("\xff\xff\xff\xfftEXt"));
  assert.deepEqual((await pictureTexts(broken)).texts, {});
  for (const start of [[], [0x89], SIGNATURE, [0xff, 0xd8, 0xff, 0xe1, 0xff], [...bytes("RIFF....WEBPEXIF")]]) {
    const found = await pictureTexts(new Blob([Buffer.from(start)]));
    assert.deepEqual(found?.texts ?? {}, {});
  }
});

test("a huge file is not even read", async () => {
  assert.equal(await pictureTexts({ size: 2 ** 28 }), null);
});

test("the settings of AUTOMATIC1111, with a colon and commas in the prompt", () => {
  const parameters = "a fox, 4k: yes\nNegative prompt: fog\nSteps: 4, Sampler: Euler, CFG scale: 1.5, Seed: 7, Size: 512x768";
  assert.deepEqual(settingsOf({ parameters }), {
    prompt: "a fox, 4k: yes", negative_prompt: "fog", num_inference_steps: 4, guidance_scale: 1.5, seed: 7, width: 512, height: 768,
  });
  assert.deepEqual(settingsOf({ parameters: "only: words" }), { prompt: "only: words", negative_prompt: "" });
});

test("our own settings come before all others, and only those", () => {
  const generation = JSON.stringify({ prompt: "ours", seed: 1, script: "<script>" });
  assert.deepEqual(settingsOf({ generation, parameters: "theirs" }), { prompt: "ours", seed: 1 });
  assert.equal(settingsOf({ prompt: "[1, 2" }), null);
});

test("a JPEG tells its size and our settings in XMP, whatever comes first", async () => {
  const segment = (kind, data) => {
    const head = Buffer.from([0xff, kind, 0, 0]);
    head.writeUInt16BE(2 + data.length, 2);
    return Buffer.concat([head, data]);
  };
  const xmp = bytes('http://ns.adobe.com/xap/1.0/\0<a><lightning:generation>{"prompt": "a &lt;b&gt; &amp;amp;"}</lightning:generation>');
  const frame = Buffer.from([8, 0x75, 0x30, 0x75, 0x30, 3]); // 30,000 pixels each way
  const file = new Blob([Buffer.concat([Buffer.from([0xff, 0xd8]), segment(0xe1, xmp), segment(0xc2, frame), Buffer.from([0xff, 0xda, 0, 2])])]);
  assert.deepEqual(await pictureTexts(file), { texts: { generation: '{"prompt": "a <b> &amp;"}' }, width: 30000, height: 30000 });
  assert.deepEqual(await settingsIn(file), { found: { width: 30000, height: 30000, prompt: "a <b> &amp;" }, large: true });
});
