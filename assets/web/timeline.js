// The timeline: every finished picture with its settings, to go back to, name, pin, play and save.

import { pause } from "./pause.js";
import { wordsOf } from "./problems.js";
import { text } from "./text.js";
import { exported, EXPORTS } from "./timeline_exports.js";
import { TimelineMenu } from "./timeline_menu.js";
import { paintTrack } from "./timeline_replay.js";
import { TimelineStore } from "./timeline_store.js";
import { TimelineStrip } from "./timeline_strip.js";
import { readTrack } from "./timeline_track.js";

const THUMB = 96; // px of its height; twice what is shown
const PLAY_MS = 180; // for each picture that is played back

/** @template {string} Name @param {Name} name */
const byId = (name) => document.getElementById(`timeline-${name}`);
const LATEST_MS = 500; // until it is kept, however busy the page is
// Where a visitor goes on when what plays has ended.
const HERE = "here"; // from the picture that is shown
const ELSEWHERE = "elsewhere"; // with what was asked for instead
const idle = () =>
  new Promise((go) => (globalThis.requestIdleCallback ?? setTimeout)(go, { timeout: LATEST_MS }));

export class Timeline {
  /** @param {import("./live.js").Lightning} lightning  the page's live loop */
  constructor(lightning) {
    this.lightning = lightning;
    this.store = new TimelineStore(() => this.reload());
    this.menu = new TimelineMenu();
    this.strip = new TimelineStrip((id) => this.show(id), (id) => this.take(id));
    /** @type {number | null} */
    this.chosen = null; // id of the picture that is shown
    /** @type {AbortController | null} */
    this.running = null; // what plays or replays, until it is aborted
    /** @type {number | null} */
    this.first = null; // id of one that is to be seen beside the next that is chosen
    /** @type {number | null} */
    this.named = null; // id of the one whose name is typed
    this.told = ""; // why nothing is kept
    this.chosenAt = 0; // number of the last request when somebody last chose one
    /** @type {Map<string, number>} */
    this.removed = new Map(); // key -> number of the last request by then
    this.clearedAt = 0; // number of the last request when all were removed
    this.work = this.reload(); // one change after the other
    this.wire();
  }

  wire() {
    /** @type {Record<string, () => unknown>} */
    const actions = {
      play: () => (this.running ? this.stop(HERE) : this.play()),
      more: () => this.menu.open(!this.menu.isOpen),
      pin: () => this.change({ pinned: !this.entry?.pinned }),
      remove: () => this.remove(),
      pair: () => this.pair(this.first === null ? this.chosen : null),
      open: () => byId("file").click(),
      clear: () => this.clear(),
    };
    for (const [name, kind] of Object.entries(EXPORTS)) {
      actions[name] = () => exported(kind, this.entries, (words) => this.menu.say(words));
    }
    document.getElementById("timeline").addEventListener("click", ({ target }) => {
      actions[(target.closest("button")?.id ?? "").replace("timeline-", "")]?.();
    });
    // Another picture may be finished while a name is typed.
    byId("name").addEventListener("focus", () => (this.named = this.chosen));
    byId("name").addEventListener("change", ({ target }) => this.change({ name: target.value.trim() }, this.named));
    byId("file").addEventListener("change", ({ target }) => {
      if (target.files?.length) this.replay(target.files[0]);
      target.value = ""; // so that the same can be chosen again
    });
    document.addEventListener("keydown", ({ key }) => key === "Escape" && this.stop(HERE));
    // The next picture's words would undo what somebody has selected to type over.
    for (const kind of ["focusin", "pointerdown", "keydown"]) {
      document.addEventListener(kind, ({ target, isTrusted }) => {
        if (isTrusted && this.running && /** @type {Element} */ (target).closest?.("#prompt")) this.stop();
      });
    }
  }

  get entries() {
    return [...this.store.entries.values()];
  }

  get entry() {
    return this.chosen === null ? undefined : this.store.entries.get(this.chosen);
  }

  // Keeping ----------------------------------------------------------------------------------

  /**
   * Keeps a finished picture; never while somebody waits for the next one.
   * @param {Asked} request
   * @param {string} model
   * @param {BlobPart} bytes
   * @param {string} type
   * @param {number} milliseconds
   * @param {number} sequence  of the request
   */
  keep(request, model, bytes, type, milliseconds, sequence) {
    const blob = new Blob([bytes], { type });
    const key = JSON.stringify([model, ...Object.entries(request).sort().flat()]);
    const entry = { key, request, model, milliseconds, blob, at: Date.now() };
    this.work = this.work.then(async () => {
      await idle();
      const thumb = await thumbnail(blob).catch(() => blob);
      // Whoever has removed it since it was asked for does not want it back.
      if (sequence <= Math.max(this.clearedAt, this.removed.get(key) ?? 0)) return;
      const id = await this.store.add({ ...entry, thumb });
      if (sequence > this.chosenAt) this.chosen = id; // else somebody has gone elsewhere since it was asked for
      this.draw();
    });
  }

  async reload() {
    await this.store.load();
    this.draw();
  }

  draw() {
    if (!this.entry) this.chosen = this.entries.at(-1)?.id ?? null;
    if (this.first !== null && !this.store.entries.has(this.first)) this.pair(null);
    this.strip.draw(this.entries, this.chosen);
    byId("play").disabled = this.store.entries.size < 2;
    this.tell();
    this.menu.draw(this.entry, this.store.entries.size);
  }

  /** Says once that nothing more outlives this tab, and marks the menu's button, for it may be closed. */
  tell() {
    const { problem } = this.store;
    if (!problem || problem === this.told) return;
    this.told = problem;
    this.menu.say(problem);
    this.lightning.panel.note(problem);
    byId("more").title = problem;
    byId("more").classList.add("refused");
  }

  // Going back -------------------------------------------------------------------------------

  /** Shows a picture and its settings; asks for nothing. @param {number} id */
  show(id) {
    this.chosenAt = this.lightning.sequence;
    this.chosen = id;
    if (!this.entry) return;
    const { request, blob } = this.entry;
    this.strip.mark(id);
    this.menu.draw(this.entry, this.store.entries.size);
    this.lightning.recalled.show(request, blob);
  }

  /** Goes on from there: the same request, painted anew where it is no more remembered. @param {number} id */
  take(id) {
    if (this.first !== null && this.first !== id) this.slide(this.first, id);
    this.show(id);
    this.lightning.recalled.paint();
  }

  /** One of the two that are to be seen over one another; null: none after all. @param {number | null} first */
  pair(first) {
    this.first = first;
    byId("pair").setAttribute("aria-pressed", String(first !== null));
    this.menu.say(first === null ? "" : text("timeline.pair"));
  }

  /** Two pictures over one another. @param {number} first @param {number} second */
  async slide(first, second) {
    const both = [first, second].flatMap((id) => this.store.entries.get(id) ?? []);
    this.pair(null);
    this.menu.open(false);
    await this.lightning.actions.compare();
    this.lightning.comparison?.pair(both);
  }

  async play() {
    const entries = this.entries;
    const from = entries.findIndex(({ id }) => id === this.chosen);
    const shown = from < entries.length - 1 ? entries.slice(from) : entries;
    const end = await this.run(async (signal) => {
      for (const { id } of shown) {
        if (signal.aborted) return;
        if (this.store.entries.has(id)) this.show(id);
        await pause(PLAY_MS, signal);
      }
    });
    if (end === HERE && this.chosen !== null) this.take(this.chosen);
  }

  /** Paints a track that was dropped on the page; the menu says how far it is. @param {File} file */
  dropped(file) {
    this.menu.open(true);
    return this.replay(file);
  }

  /** Paints each request of a track, one after the other, and says what is not as it was. @param {File} file */
  async replay(file) {
    let cues;
    try {
      cues = await readTrack(file);
    } catch (problem) {
      this.menu.say(wordsOf(problem));
      return;
    }
    const named = async (/** @type {string} */ name) => {
      await this.work; // so that it is the chosen one
      if (!this.entry?.name) await this.change({ name });
    };
    await this.run((signal) => paintTrack(this.lightning, cues, signal, { say: (words) => this.menu.say(words), named }));
  }

  /**
   * Runs what can be stopped, in place of what runs.
   * @param {(signal: AbortSignal) => Promise<void>} work
   * @returns {Promise<typeof HERE | typeof ELSEWHERE>} where the visitor goes on after it
   */
  async run(work) {
    this.stop();
    const control = (this.running = new AbortController());
    byId("play").setAttribute("aria-pressed", "true");
    await work(control.signal);
    if (this.running === control) this.stop(HERE);
    return control.signal.reason;
  }

  /** Ends what runs: whoever asks for something else wants to see that. @param {typeof HERE | typeof ELSEWHERE} [where] */
  stop(where = ELSEWHERE) {
    this.running?.abort(where);
    this.running = null;
    byId("play").setAttribute("aria-pressed", "false");
  }

  // What the menu changes ---------------------------------------------------------------------

  /** @param {Partial<Moment>} fields @param {number | null} [id] */
  async change(fields, id = this.chosen) {
    if (id === null || !this.store.entries.has(id)) return;
    await this.store.change(id, fields);
    this.draw();
  }

  async remove() {
    const { entries, chosen } = this;
    if (chosen === null) return;
    const at = entries.findIndex(({ id }) => id === chosen);
    const gone = this.forget([chosen]);
    this.chosen = (entries[at + 1] ?? entries[at - 1])?.id ?? null; // at once: a second press is about that one
    this.draw();
    await gone;
  }

  /** Asks once more: what is gone is gone. */
  async clear() {
    const gone = this.entries.filter(({ pinned }) => !pinned).map(({ id }) => id);
    const sure = text("timeline.really", { count: gone.length });
    if (byId("clear").textContent !== sure) {
      byId("clear").textContent = sure;
      return;
    }
    this.menu.rest();
    this.clearedAt = this.lightning.sequence;
    await this.forget(gone);
    this.draw();
  }

  /** @param {number[]} ids */
  async forget(ids) {
    const { entries } = this.store;
    for (const id of ids) this.removed.set(entries.get(id)?.key ?? "", this.lightning.sequence);
    await this.store.remove(ids);
  }
}

/** @param {Blob} blob */
async function thumbnail(blob) {
  const picture = await createImageBitmap(blob, { resizeHeight: THUMB, resizeQuality: "medium" });
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext("bitmaprenderer")?.transferFromImageBitmap(picture);
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.85 });
}
