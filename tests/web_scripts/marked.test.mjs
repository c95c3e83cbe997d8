// Files that are put together in the page say that a model has made what is in them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { marked } from "../../assets/web/marked.js";
import { pictureTexts } from "../../assets/web/picture_texts.js";

const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABpfZFQAAAAABJRU5ErkJggg==";
const SOURCE = /<Iptc4xmpExt:DigitalSourceType>http:\/\/cv\.iptc\.org\/newscodes\/digitalsourcetype\/trainedAlgorithmicMedia</;

test("a PNG has it as a text, and all else as before", async () => {
  const plain = Buffer.from(PIXEL, "base64");
  const file = marked(new Blob([plain], { type: "image/png" }));
  assert.equal(file.type, "image/png");
  const { texts, width } = await pictureTexts(file);
  assert.match(texts["XML:com.adobe.xmp"], SOURCE);
  assert.equal(width, 1);
  const bytes = Buffer.from(await file.arrayBuffer());
  assert.deepEqual(bytes.subarray(0, 33), plain.subarray(0, 33));
  assert.deepEqual(bytes.subarray(-(plain.length - 33)), plain.subarray(33));
});
