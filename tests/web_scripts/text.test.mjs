// The words of the pages: every language says all of it, with the same values in it.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { decimal, dollars, lasting, milliseconds, percent } from "../../assets/web/numbers.js";
import { LANGUAGES, listed, parts, text } from "../../assets/web/text.js";

const FOLDER = new URL("../../assets/web/", import.meta.url);
const PANELS = new URL("../../lightning_demo/web/ui/", import.meta.url);
const WORDS = {};
for (const code of Object.keys(LANGUAGES)) WORDS[code] = (await import(new URL(`text_${code}.js`, FOLDER))).default;
const places = (words) => [...words.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
// A text in another language may have fewer plural forms, or more.
const FORM = /\.(zero|one|two|few|many|other)$/;

test("every language has every text, and the same values in each", () => {
  for (const [code, words] of Object.entries(WORDS)) {
    assert.deepEqual(Object.keys(words).sort(), Object.keys(WORDS.en).sort(), code);
    for (const [key, each] of Object.entries(words)) {
      assert.ok(each.trim() === each && each, `${code}: ${key}`);
      assert.deepEqual(places(each), places(WORDS.en[key]), `${code}: ${key}`);
    }
  }
});

test("only names and marks are the same in German or Chinese as in English", () => {
  const same = Object.entries(WORDS.en).filter(([key, words]) => WORDS.zh[key] === words).map(([key]) => key);
  assert.deepEqual(same.filter((key) => !["phone.example", "stage.steps.one"].includes(key)), []);
  for (const words of Object.values(WORDS.de)) assert.doesNotMatch(words, /\b(Sie|Ihr|Ihre|Ihnen)\b/);
});

test("plurals and values", () => {
  assert.equal(text("phone.line", { count: 1 }), "In line: 1 before you");
  assert.equal(text("stage.steps", { time: "9 ms", done: "1", count: 1 }), "9 ms · 1 step");
  assert.equal(text("stage.steps", { time: "9 ms", done: "4", count: 4 }), "9 ms · 4 steps");
  assert.equal(text("phone.you", { number: "<b>{count}" }), "You are number <b>{count}");
  assert.equal(text("seconds", { count: 5 }), "5 s");
  assert.equal(text("from_picture.variation", { strength: 0.5 }), "variation 0.5");
  assert.equal(text("from_picture.seed", { seed: 4294967295 }), "seed 4294967295");
  assert.equal(text("no.such.key"), "no.such.key");
  assert.equal(text("batch.paint", { count: 12345 }), "Paint 12,345 pictures");
  assert.equal(text("batch.paint", { count: 1 }), "Paint 1 picture");
});

test("a text takes elements, and its own words in any order", () => {
  const [one, other] = [{ a: 1 }, { b: 2 }];
  assert.deepEqual(parts("desk.codes", { where: "here/battle", a: one, b: other }).filter(Boolean), [
    "Open ", "here/battle", " and type, for A ", one, ", for B ", other,
  ]);
});

test("what a text's own elements are put into", () => {
  for (const words of Object.values(WORDS)) {
    for (const [key, each] of Object.entries(words)) {
      if (/\{\d\}/.test(each)) assert.ok(key.startsWith("page."), key); // others have no elements
    }
  }
});

test("lists and numbers", () => {
  assert.equal(listed(["one", "", false, "two", 0, "{three}"]), "one, two, {three}");
  assert.equal(listed([undefined]), "");
  assert.deepEqual([percent(0.426), milliseconds(1234.5), milliseconds(9.04, 1), decimal(2, 1)], ["43 %", "1235 ms", "9.0 ms", "2.0"]);
  assert.deepEqual([dollars(0.0123, 3), dollars(1234.5, 0)], ["$0.012", "$1,235"]);
  assert.deepEqual([1 / 7200, 0.5, 2.04].map(lasting), ["1 s", "30 min", "2.0 h"]);
});

test("every key that is asked for is there, and every one that is there is asked for", () => {
  const sources = readdirSync(FOLDER).filter((name) => /\.(js|html)$/.test(name) && !/^text_/.test(name));
  const panels = readdirSync(PANELS).filter((name) => name.endsWith(".py")).map((name) => new URL(name, PANELS));
  const all = [...sources.map((name) => new URL(name, FOLDER)), ...panels].map((file) => readFileSync(file, "utf8")).join("\n");
  const there = new Set(Object.keys(WORDS.en).map((key) => key.replace(FORM, "")));
  const calls = [...all.matchAll(/\b(?:text|parts)\(((?:[^()]|\([^()]*\))*)\)/g)].flatMap(([, given]) => [...given.matchAll(/"(\w+(?:\.\w+)+)"/g)]);
  const marks = [...all.matchAll(/data-text(?:-[\w-]+)?="([\w.]+)"/g)];
  const asked = [...calls, ...marks].map(([, key]) => key);
  assert.ok(asked.length > 250, String(asked.length));
  for (const key of asked) assert.ok(there.has(key), key);
  for (const key of there) {
    if (key.startsWith("said.")) continue; // the server's sentences, by which they are known
    const begins = [...key.matchAll(/[._]/g)].map(({ index }) => key.slice(0, index + 1)); // in Python
    const named = all.includes(`"${key}"`) || begins.some((each) => all.includes(`"${each}{`)) || all.includes(`\`${key.slice(0, key.lastIndexOf(".") + 1)}\${`);
    assert.ok(named, `${key} is asked for nowhere`);
  }
});
