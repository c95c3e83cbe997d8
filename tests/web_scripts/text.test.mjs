// The words of the pages: every language says all of it, with the same values in it.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { LANGUAGES, text } from "../../assets/web/text.js";

const FOLDER = new URL("../../assets/web/", import.meta.url);
const PANELS = new URL("../../lightning_demo/web/ui/", import.meta.url);
const WORDS = {};
for (const code of Object.keys(LANGUAGES)) WORDS[code] = (await import(new URL(`text_${code}.js`, FOLDER))).default;
const places = (words) => [...words.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
// A text in another language may have fewer plural forms, or more.
const FORM = /\.(zero|one|two|few|many|other)$/;

// Whose texts are all in the files.
const DONE = [
  "audience.html", "audience.js", "battle.html", "battle.js", "battle_board.js", "battle_seat.js", "battle_words.js",
  "invitation.js", "phone_battle.js", "phone_hall.js", "stage.html", "stage.js",
  "drawer.js", "from_picture.js", "keys.js", "live.js", "panel.js", "picture_dialog.js", "waterfall.js",
].map((name) => [name, readFileSync(new URL(name, FOLDER), "utf8")]);

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
  assert.equal(text("no.such.key"), "no.such.key");
});

test("every key that is asked for is there, and every one that is there is asked for", () => {
  const sources = readdirSync(FOLDER).filter((name) => /\.(js|html)$/.test(name) && !/^text_/.test(name));
  const panels = readdirSync(PANELS).filter((name) => name.endsWith(".py")).map((name) => new URL(name, PANELS));
  const all = [...sources.map((name) => new URL(name, FOLDER)), ...panels].map((file) => readFileSync(file, "utf8")).join("\n");
  const there = new Set(Object.keys(WORDS.en).map((key) => key.replace(FORM, "")));
  const asked = [...all.matchAll(/\btext\("([\w.]+)"|data-text(?:-[\w-]+)?="([\w.]+)"/g)].map(([, one, two]) => one ?? two);
  for (const key of asked) assert.ok(there.has(key), key);
  for (const key of there) {
    const named = all.includes(`"${key}"`) || all.includes(`\`${key.slice(0, key.lastIndexOf(".") + 1)}\${`);
    assert.ok(named, `${key} is asked for nowhere`);
  }
});

test("no page and no script that has been done has words of its own", () => {
  for (const [name, source] of DONE) {
    const shown = name.endsWith(".html")
      ? source.replace(/<noscript>.*?<\/noscript>|<!--.*?-->|<script.*?<\/script>/gs, "").match(/>\s*[A-Za-z][^<]*</g) ?? []
      : source.replace(/\/\*.*?\*\/|(^|\s)\/\/[^\n]*$/gms, "").match(/(["'`])[A-Z]?[a-z]+,? [a-z ,]+[^"'`\n]*\1|(["'`])[A-Z][a-z]+\2/g) ?? [];
    const own = shown.filter((each) => !/^>\s*(Lightning)\s*<$/.test(each));
    assert.deepEqual(own.filter((each) => !ALLOWED.test(each)), [], name);
  }
});

// Names of keys, of the program, and of what browsers have.
const ALLOWED = /^["'`](Tab|End|Enter|Escape|Space|Esc|Period|Lightning|Files|said without)["'`]$|Page [↓↑]|^"textarea, /;
