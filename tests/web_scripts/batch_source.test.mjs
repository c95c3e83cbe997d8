// Lists before they are checked.

import assert from "node:assert/strict";
import { test } from "node:test";

import { wordsOf } from "../../assets/web/batch_source.js";

test("word lists in the encodings that editors save, and none that would be guessed", () => {
  const utf16 = (mark, letters) => Uint8Array.from([...mark, ...letters]).buffer;
  assert.equal(wordsOf(new TextEncoder().encode("\ufeffäpfel\n猫").buffer, "a.txt"), "äpfel\n猫");
  assert.equal(wordsOf(utf16([0xff, 0xfe], [0x2b, 0x73, 10, 0]), "a.txt"), "猫\n");
  assert.equal(wordsOf(utf16([0xfe, 0xff], [0x73, 0x2b]), "a.txt"), "猫");
  assert.throws(() => wordsOf(Uint8Array.from([0xe4, 112, 102]).buffer, "a.txt"), /a\.txt is in an older encoding/);
});
