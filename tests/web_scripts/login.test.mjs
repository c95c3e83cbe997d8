// What the login page says when too many passwords were tried.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { runInNewContext } from "node:vm";

const SCRIPT = readFileSync(new URL("../../assets/web/login.js", import.meta.url), "utf-8");

/** A page with that script, and a server that gives these answers, one after another. */
function page(...answers) {
  const elements = [];
  const document = {
    getElementById: (id) => elements.find((element) => element.id === id) ?? null,
    createElement: () => ({ style: {}, setAttribute(name, value) { this[name] = value; } }),
    body: { prepend: (element) => elements.unshift(element) },
  };
  const context = { document, location: { href: "http://127.0.0.1:7860/" }, URL };
  context.window = context;
  context.fetch = async (path) => {
    const answer = new Response(JSON.stringify(answers.shift()[1]), { status: answers.status ?? 200 });
    return Object.defineProperty(answer, "url", { value: `http://127.0.0.1:7860${path}` });
  };
  const fetched = context.fetch;
  context.fetch = async (path) => {
    answers.status = answers[0][0];
    return fetched(path);
  };
  runInNewContext(SCRIPT, context);
  return { fetch: (path) => context.window.fetch(path), said: () => elements[0] };
}

const WORDS = "Too many passwords were tried; wait 8 seconds.";

test("who has tried too many is told so, until the next answer", async () => {
  const { fetch, said } = page([400, {}], [429, { detail: WORDS }], [400, {}]);
  await fetch("/login");
  assert.ok(said().hidden);
  const answer = await fetch("/demo/login"); // below a proxy's path
  assert.deepEqual([said().textContent, said().role, said().hidden], [WORDS, "alert", false]);
  assert.equal((await answer.json()).detail, WORDS, "Gradio can read it, too");
  await fetch("/login");
  assert.ok(said().hidden && !said().textContent);
});

test("what else is refused is not the login's", async () => {
  const { fetch, said } = page([429, { detail: WORDS }]);
  await fetch("/v1/pictures");
  assert.equal(said(), undefined);
});
