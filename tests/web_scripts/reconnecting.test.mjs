// Pages whose server goes away: on a clock of the test's own, with sockets that a server may refuse.

import assert from "node:assert/strict";
import { test } from "node:test";

const clock = { now: 0, timers: new Map(), numbers: 0 };

globalThis.setTimeout = (run, wait = 0) => {
  clock.timers.set(++clock.numbers, { run, at: clock.now + wait });
  return clock.numbers;
};
globalThis.clearTimeout = (number) => clock.timers.delete(number);
globalThis.addEventListener = () => {};

/** Lets so many milliseconds pass. */
function pass(milliseconds) {
  const end = clock.now + milliseconds;
  for (;;) {
    const due = [...clock.timers].filter(([, { at }]) => at <= end).sort((a, b) => a[1].at - b[1].at);
    if (!due.length) break;
    const [number, { run, at }] = due[0];
    clock.timers.delete(number);
    clock.now = at;
    run();
  }
  clock.now = end;
}

/** A server that can be killed, and the sockets that it has. */
const server = { up: true, sockets: new Set(), attempts: [] };

globalThis.WebSocket = class {
  static OPEN = 1;

  constructor() {
    server.attempts.push(clock.now);
    setTimeout(() => {
      if (!server.up) return this.onclose();
      server.sockets.add(this);
      this.readyState = 1;
      this.onopen();
    }, 5);
  }

  close() {
    server.sockets.delete(this);
  }
};

function kill() {
  server.up = false;
  const sockets = [...server.sockets];
  server.sockets.clear();
  for (const socket of sockets) socket.onclose();
}

// Numbers that look like chance, the same each time.
let seed = 1;
Math.random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;

const { ReconnectingSocket } = await import("../../assets/web/reconnecting.js");

class Page extends ReconnectingSocket {
  opened() {
    this.since = clock.now;
    this.welcomed();
  }
}

/** The most of these times that are within so many milliseconds. */
const most = (times, within) => Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + within).length));

for (const seconds of [0.1, 3, 60]) {
  test(`fifty pages are back within ten seconds of a restart, not all at once: ${seconds} s`, () => {
    server.up = true;
    const pages = Array.from({ length: 50 }, () => new Page(() => "ws://localhost/live"));
    pass(1000);
    assert.equal(server.sockets.size, 50);
    kill();
    server.attempts = [];
    pass(1000 * seconds);
    assert.ok(server.attempts.length <= 50 * (3 + seconds / 3), "nobody knocks all the time");
    server.up = true;
    const back = clock.now;
    pass(10_000);
    assert.equal(server.sockets.size, 50);
    const times = pages.map(({ since }) => since);
    assert.ok(times.every((since) => since >= back));
    if (seconds > 1) assert.ok(most(times, 100) <= 15, `${most(times, 100)} in a tenth of a second`);
    for (const page of pages) page.end();
  });
}

test("who comes back waits longer each time, and not as long as the others", () => {
  server.up = false;
  server.attempts = [];
  const pages = [0, 1].map(() => new Page(() => "ws://localhost/live"));
  pass(30_000);
  assert.equal(new Set(server.attempts.slice(2)).size, server.attempts.length - 2);
  assert.ok(server.attempts.length < 2 * 13);
  for (const page of pages) page.end();
});
