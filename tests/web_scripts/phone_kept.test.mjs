// What a phone keeps of itself: by the code of a hall, and where it may not nothing.

import assert from "node:assert/strict";
import { test } from "node:test";

import { read, write } from "../../assets/web/phone_kept.js";

const KEPT = { token: "t", prompt: "a fox", seed: 7, name: "Ann" };

/** @param {(name: string, value?: string) => string | undefined} access */
const storage = (access) => {
  globalThis.localStorage = { getItem: (name) => access(name) ?? null, setItem: (name, value) => access(name, value) };
};

test("it is found again by the code alone", () => {
  const all = new Map();
  storage((name, value) => (value === undefined ? all.get(name) : void all.set(name, value)));
  write("ABCD", KEPT);
  assert.deepEqual([...all.keys()], ["lightning-audience-ABCD"]);
  assert.deepEqual(read("ABCD"), KEPT);
  assert.deepEqual(read("EFGH"), {});
});

test("what is damaged, or in a storage that is forbidden, is nothing", () => {
  storage(() => "{no JSON");
  assert.deepEqual(read("ABCD"), {});
  storage(() => {
    throw new Error("forbidden");
  });
  write("ABCD", KEPT);
  assert.deepEqual(read("ABCD"), {});
});
