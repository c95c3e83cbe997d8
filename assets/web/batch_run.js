// Paints what is missing of a batch, several at a time; paused by another tab that goes on.

import { NotKept } from "./batch_store.js";
import { pictures, Refused } from "./batch_stream.js";
import { pause } from "./pause.js";
import { wordsOf } from "./problems.js";
import { said } from "./said.js";
import { text } from "./text.js";

const STREAMS = 2; // so that the model has something to do while one of them begins anew
const OF_EACH = 8; // pictures
const WAITS = [1, 2, 4, 8, 16]; // seconds before each new try where the server is busy or gone
const BUSY = [429, 502, 503, 504]; // statuses of a server, or of a proxy before one that starts
const LATELY = 30; // pictures whose pace is the pace

export class BatchRun {
  /**
   * @param {import("./batch_store.js").BatchStore} store  a BatchStore
   * @param {(outcome?: Outcome, blob?: Blob | null) => void} tell  is called when something is new; with an outcome and a blob when a picture is
   */
  constructor(store, tell) {
    this.store = store;
    this.tell = tell;
    /** @type {AbortController | null} */
    this.control = null; // while it runs
    this.words = ""; // why it waits, or has halted
    this.full = false; // whether it has halted for want of room
    /** @type {number[]} */
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
    const [first, last] = [this.times[0], this.times[this.times.length - 1]];
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
    const { left } = this;
    const work = async () => {
      while (left.length && !signal.aborted) await this.paint(left.splice(0, OF_EACH), signal);
    };
    try {
      await Promise.all(Array.from({ length: STREAMS }, work));
    } catch (problem) {
      if (signal.aborted) return;
      this.words = wordsOf(problem);
      this.full = problem instanceof NotKept;
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
    if (this.running) this.pause(text("batch.elsewhere"));
    await this.store.load();
    this.tell();
  }

  /**
   * Paints some of them, patiently where the server is busy, gone or starting.
   * @param {BatchPicture[]} some
   * @param {AbortSignal} signal
   */
  async paint(some, signal) {
    let missing = some;
    for (let tries = 0; missing.length && !signal.aborted; tries += 1) {
      const before = missing.length;
      let wait = WAITS[Math.min(tries, WAITS.length - 1)];
      try {
        missing = await this.ask(missing, signal);
      } catch (problem) {
        if (signal.aborted || problem instanceof NotKept) throw problem;
        const refused = problem instanceof Refused ? problem : null;
        if (refused && !BUSY.includes(refused.status)) throw problem;
        missing = missing.filter(({ number }) => !this.store.outcomes.has(number));
        wait = Math.max(wait, refused?.seconds ?? 0);
        this.say(refused ? refused.message : text("batch.asked_again"));
      }
      if (missing.length < before) tries = 0;
      if (missing.length) await pause(1000 * wait, signal);
    }
  }

  /**
   * Asks once; returns those that are to be asked for again.
   * @param {BatchPicture[]} some
   * @param {AbortSignal} signal
   */
  async ask(some, signal) {
    const begun = performance.now();
    const again = new Set(some);
    const { format } = /** @type {BatchPlan} */ (this.store.plan);
    const requests = some.map(({ request, template }) => ({ ...request, template }));
    for await (const [place, about, blob] of pictures(requests, format, signal)) {
      if (about.again) this.say(said(about.error ?? ""));
      else {
        again.delete(some[place]);
        await this.keep(some[place], { seconds: (performance.now() - begun) / 1000, ...about }, blob, signal);
      }
    }
    return [...again];
  }

  /**
   * @param {BatchPicture} picture
   * @param {Partial<Outcome> & { seconds: number }} about
   * @param {Blob | null} blob
   * @param {AbortSignal} signal
   */
  async keep({ number, file }, { seconds, model = "", notes = [], error = "" }, blob, signal) {
    const outcome = { number, file: blob ? file : "", seconds: blob ? seconds : 0, model, notes, error };
    await this.store.add(outcome, blob);
    if (signal.aborted) return;
    this.times = [...this.times, performance.now()].slice(-LATELY);
    this.words = "";
    this.tell(outcome, blob);
  }

  /** @param {string} words */
  say(words) {
    this.words = words;
    this.tell();
  }
}
