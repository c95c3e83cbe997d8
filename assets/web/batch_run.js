// Paints what is missing of a batch, one request a picture; paused by another tab that goes on.

import { pause } from "./pause.js";

const AT_ONCE = 4; // pictures: a browser opens six connections to a server, and the page needs some
const WAITS = [1, 2, 4, 8, 16]; // seconds before each new try where the server is busy
const LATELY = 30; // pictures whose pace is the pace
const LOCKED = [401, 403]; // whoever has logged in again can go on
const BUSY = [429, 503];

export class BatchRun {
  /**
   * @param store  a BatchStore
   * @param tell   is called when something is new; with an outcome and a blob when a picture is
   */
  constructor(store, tell) {
    this.store = store;
    this.tell = tell;
    this.control = null; // while it runs
    this.words = ""; // why it waits, or has halted
    this.full = false; // whether it has halted for want of room
    this.times = []; // ms, when the last pictures came
    this.channel = new BroadcastChannel("lightning-batch");
    this.channel.onmessage = () => this.elsewhere();
  }

  get running() {
    return Boolean(this.control);
  }

  get left() {
    const { plan, outcomes } = this.store;
    return plan ? plan.pictures.filter(({ number }) => !outcomes.has(number)) : [];
  }

  /** Pictures an hour at the pace of the last ones; 0 before it is known. */
  get perHour() {
    const [first, last] = [this.times[0], this.times.at(-1)];
    return this.times.length > 1 ? Math.round(((this.times.length - 1) / (last - first)) * 3_600_000) : 0;
  }

  /** Goes on with what is missing, until all is there or it is paused. */
  async go() {
    this.pause();
    const control = (this.control = new AbortController());
    const { signal } = control;
    this.channel.postMessage("goes on here");
    this.words = "";
    this.full = false;
    this.times = [performance.now()];
    this.tell();
    await this.store.load(); // another tab may have painted some
    if (signal.aborted) return;
    const waiting = this.left.values();
    const work = async () => {
      for (const picture of waiting) {
        if (signal.aborted) return;
        await this.paint(picture, signal);
      }
    };
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, work));
    } catch ({ message }) {
      if (!signal.aborted) this.words = message;
    }
    if (this.control === control) this.pause(this.words);
  }

  pause(words = "") {
    this.control?.abort();
    this.control = null;
    this.words = words;
    this.tell();
  }

  /** The batch is another than before; in other tabs it does not go on. */
  changed() {
    this.channel.postMessage("changed");
    this.tell();
  }

  /** Another tab goes on, or has changed the batch. */
  async elsewhere() {
    if (this.running) this.pause("It goes on in another tab.");
    await this.store.load();
    this.tell();
  }

  async paint({ number, request, file }, signal) {
    const begun = performance.now();
    const { blob = null, model = "", notes = [], error = "", seconds = 0 } = await this.ask(request, signal);
    if (signal.aborted) return;
    const took = seconds || (blob ? (performance.now() - begun) / 1000 : 0);
    const outcome = { number, file: blob ? file : "", seconds: took, model, notes, error };
    try {
      await this.store.add(outcome, blob);
    } catch (problem) {
      this.full = true;
      throw problem;
    }
    if (signal.aborted) return;
    this.times = [...this.times, performance.now()].slice(-LATELY);
    this.words = "";
    this.tell(outcome, blob);
  }

  /** A picture, or why there is none; patiently where the server is busy, gone or starting. */
  async ask(request, signal) {
    const url = new URL(`../picture?yields=1&format=${this.store.plan.format}`, import.meta.url);
    const headers = { "Content-Type": "application/json" };
    const options = { method: "POST", headers, body: JSON.stringify(request), signal };
    let refused = 0;
    for (let tries = 0; ; tries += 1) {
      const answer = await fetch(url, options).catch(() => null);
      const blob = answer?.ok ? await answer.blob().catch(() => null) : null;
      if (blob) return { blob, ...aboutOf(answer.headers) };
      const words = answer?.ok ? "" : await wordsOf(answer);
      if (signal.aborted) return {};
      const status = answer && !answer.ok ? answer.status : 0;
      if (LOCKED.includes(status)) throw new Error(words);
      if (status && !BUSY.includes(status)) return { error: words };
      // One that is refused again and again by a server that paints others is at fault itself.
      if (status === 503 && (await ready(signal))) refused += 1;
      if (refused > WAITS.length) return { error: words };
      if (status !== 429) this.say(words || "The server does not answer; it is asked again.");
      const wait = status === 429 ? 1 : WAITS[Math.min(tries, WAITS.length - 1)];
      await pause(1000 * Math.max(wait, Number(answer?.headers.get("Retry-After") ?? 0)), signal);
    }
  }

  say(words) {
    this.words = words;
    this.tell();
  }
}

/** What is known of a picture beside its pixels. */
function aboutOf(headers) {
  const stages = headers.get("Server-Timing") ?? "";
  const of = (stage) => Number(new RegExp(`\\b${stage};dur=([\\d.]+)`).exec(stages)?.[1] ?? 0);
  return {
    seconds: (of("total") - of("queue")) / 1000,
    model: headers.get("X-Model") ?? "",
    notes: JSON.parse(headers.get("X-Warnings") ?? "[]"),
  };
}

async function wordsOf(answer) {
  return (await answer?.json().catch(() => null))?.detail ?? "";
}

/** Whether the server paints at all. */
async function ready(signal) {
  const answer = await fetch(new URL("../readyz", import.meta.url), { signal }).catch(() => null);
  return Boolean(answer?.ok);
}
