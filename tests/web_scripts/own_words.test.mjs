// No page and no script has words of its own: all that is read stands in the text files.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const FOLDER = new URL("../../assets/web/", import.meta.url);
const LITERAL = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g;
// Two words, one with a capital, or one beside a value (which is a 0 here).
const WORDS = /[A-Za-z]{2,},? [a-z]{2,}|^.[A-Z][a-z]+[?!.]?.$|\b0 [a-z]+|[a-z]:? 0\b/;
// Even a single small word, where it is what an element says.
const SAID = /\b(?:textContent|title|placeholder|ariaLabel|alt)\s*[=:](?!=)(?:[^;,\n]*?[=:?|])?\s*(?!.\w+\.\w)(["'`][^"'`]*[a-z]{2}[^"'`]*["'`])/g;

/** The strings in a script that look like something to be read. */
function wordsIn(script) {
  const bare = script.replace(/\/\*.*?\*\/|(^|\s)\/\/[^\n]*$/gms, "").replace(/console\.warn\(.*?\);|[!=]== *"[^"]*"/gs, "");
  const asked = reduced(bare, /\b(?:text|parts|percent|milliseconds)\((?:[^()]|\([^()]*\))*\)/g, "0");
  const plain = reduced(asked, /\$\{[^{}`]*\}/g, "0");
  const literals = plain.match(LITERAL) ?? [];
  const markup = literals.filter((each) => /^.\s*</.test(each));
  return [
    ...literals.filter((each) => !markup.includes(each) && WORDS.test(each)),
    ...markup.flatMap((each) => each.match(/>\s*[A-Za-z][^<]*</g) ?? []),
    ...[...plain.matchAll(SAID)].map(([, literal]) => literal),
  ];
}

/** Replaces again and again, as long as there is something. */
function reduced(source, pattern, by) {
  const next = source.replace(pattern, by);
  return next === source ? source : reduced(next, pattern, by);
}

// What is no words: keys, selectors, fonts, names of classes and of this program.
const NO_WORDS = /^.(?:Tab|End|Enter|Escape|Esc|Home|Files|Lightning|auto|said without|prompt-note prompt-hint)(.)$|system-ui|textarea|canvas|\bimg\b|\bbdi\b|^.keys\.\w+.$/;
/** @type {Record<string, RegExp>} what else is none, by script */
const OF_FILE = {
  "batch_run.js": /goes on here/, // to other tabs' scripts
  "compare_axes.js": /0 at night/, // for a model, which reads English
  "desk.js": /--host/, // an option
  "marked.js": /trainedAlgorithmicMedia/, // a term of the IPTC
  "morph.js": /0 at night/,
  "picture_settings.js": /./, // as other programs write them into pictures
  "picture_texts.js": /Exif/,
  "language.js": /English|Deutsch/, // each language has its own name
};

test("no script has words of its own", () => {
  const scripts = readdirSync(FOLDER).filter((name) => name.endsWith(".js") && !/^text_/.test(name));
  assert.ok(scripts.length > 60);
  for (const name of scripts) {
    const found = wordsIn(readFileSync(new URL(name, FOLDER), "utf8"));
    assert.deepEqual(found.filter((each) => !NO_WORDS.test(each) && !OF_FILE[name]?.test(each)), [], name);
  }
});

test("no page and no rule has, either", () => {
  for (const name of readdirSync(FOLDER).filter((each) => each.endsWith(".html"))) {
    const page = readFileSync(new URL(name, FOLDER), "utf8").replace(/<noscript>.*?<\/noscript>|<!--.*?-->|<script.*?<\/script>/gs, "");
    const words = page.match(/>\s*[A-Za-z][^<]*<|(?<!data-text-)\b(?:alt|title|placeholder|aria-label)="[^"]+"/g) ?? [];
    assert.deepEqual(words.filter((each) => !/^>\s*(Lightning)\s*<$/.test(each)), [], name);
  }
  for (const name of readdirSync(FOLDER).filter((each) => each.endsWith(".css"))) {
    const rules = readFileSync(new URL(name, FOLDER), "utf8");
    assert.deepEqual(rules.match(/content:[^;]*"[^";]*[A-Za-z][^";]*"/g) ?? [], [], name);
  }
});

test("words would be found", () => {
  const found = {
    'say("It was not painted.")': 1,
    'button.textContent = on ? "Stop" : "Paint"': 3,
    'element("option", { value, textContent: "nothing" })': 1,
    "say(`${count} painted`)": 1,
    'title = style ? `without: ${style.words}` : ""': 2,
    "box.innerHTML = '<p>Pin</p>'": 1,
    'throw new Error(`At most ${most} pictures.`)': 1,
    'say(text("compare.nothing")); // this is no string': 0,
    'field.title = text(on ? "timer.start" : "timer.stop", { name: `${a} b` })': 0,
  };
  for (const [script, count] of Object.entries(found)) assert.equal(wordsIn(script).length, count, script);
});
