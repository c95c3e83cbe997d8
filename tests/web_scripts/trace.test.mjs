// Times of the last pictures: first paint and final, as far as they are known.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Trace } from "../../assets/web/trace.js";

globalThis.ResizeObserver = class {
  observe() {}
};

test("the newest times are told, though the picture that is being painted has no final one yet", () => {
  const trace = new Trace({ getContext: () => null });
  assert.deepEqual(trace.newest, [undefined, undefined]);
  trace.add(null, 90); // of a picture that was asked for before
  assert.deepEqual(trace.newest, [undefined, undefined]);
  trace.add(30, null);
  trace.add(null, 50);
  trace.add(20, null);
  assert.deepEqual(trace.newest, [20, 50]);
  trace.add(null, 40);
  assert.deepEqual(trace.newest, [20, 40]);
});

test("as many as the trace has room for", () => {
  const trace = new Trace({ getContext: () => null });
  for (let picture = 0; picture < 99; picture += 1) trace.add(picture, picture);
  assert.deepEqual([trace.times.length, trace.times[0], trace.times.at(-1)], [40, [59, 59], [98, 98]]);
});
