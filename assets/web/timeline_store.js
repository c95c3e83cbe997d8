// Where finished pictures are kept: in the browser's own database, within a budget of bytes. Where it
// may not be used, or is full, in this tab's memory, and why is told. Nothing leaves the browser.

import { isNamed } from "./problems.js";
import { text } from "./text.js";

const NAME = "lightning-timeline";
const BUDGET = 64 * 2 ** 20; // bytes of pictures
const MOST = 500; // pictures

/** @template Value @param {IDBRequest<Value>} request @returns {Promise<Value>} */
const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

export class TimelineStore {
  /**
   * @param {() => void} changed  called when another tab has kept or removed something
   * @param {{ budget?: number, most?: number }} limits  for tests
   */
  constructor(changed, { budget = BUDGET, most = MOST } = {}) {
    /** @type {IDBDatabase | null | undefined} */
    this.database = undefined;
    this.budget = budget;
    this.most = most;
    /** @type {Map<number, Moment>} */
    this.entries = new Map(); // id -> entry, the oldest first
    this.problem = ""; // why nothing outlives this tab
    this.channel = new BroadcastChannel(NAME);
    this.channel.onmessage = changed;
  }

  /** Reads what is kept. */
  async load() {
    if (this.problem) return;
    try {
      this.database ??= await open();
      const all = await done(this.pictures("readonly").getAll());
      this.entries = new Map(all.map((/** @type {Moment} */ entry) => [entry.id, entry]));
    } catch (problem) {
      this.forbid(text("timeline.forbidden"), problem);
    }
  }

  /**
   * Keeps one picture.
   * @param {NewMoment} entry  key, request, model, at, milliseconds, blob, thumb; `key` is its own alone
   * @returns its id; of another with the same key, that one's
   */
  async add(entry) {
    for (const { id, key } of this.entries.values()) if (key === entry.key) return id;
    const whole = { name: "", pinned: false, ...entry };
    const kept = await this.write(async (pictures) => {
      // Another tab may have kept it since.
      const known = /** @type {Moment | undefined} */ (await done(pictures.index("key").get(entry.key)));
      return known ?? { ...whole, id: Number(await done(pictures.add(whole))) };
    });
    const own = kept ?? { ...whole, id: Math.max(0, ...this.entries.keys()) + 1 };
    this.entries.set(own.id, own);
    await this.trim(own.id);
    this.channel.postMessage("changed");
    return own.id;
  }

  /**
   * Changes `name` or `pinned`; asked of the database at once, for the page may be left the next moment.
   * @param {number} id
   * @param {Partial<Moment>} fields
   */
  async change(id, fields) {
    const entry = { .../** @type {Moment} */ (this.entries.get(id)), ...fields };
    this.entries.set(id, entry);
    await this.write((pictures) => {
      const changed = done(pictures.put(entry));
      pictures.transaction.commit?.(); // else not before the answer, which a page that is left never gets
      return changed;
    });
    this.channel.postMessage("changed");
  }

  /** @param {number[]} ids */
  async remove(ids) {
    for (const id of ids) this.entries.delete(id);
    await this.write((pictures) => Promise.all(ids.map((id) => done(pictures.delete(id)))));
    this.channel.postMessage("changed");
  }

  /** Removes the oldest that nobody has pinned, until all is within the budget. @param {number} newest */
  async trim(newest) {
    const entries = [...this.entries.values()];
    let bytes = entries.reduce((sum, { blob }) => sum + blob.size, 0);
    /** @type {number[]} */
    const gone = [];
    for (const { id, pinned, blob } of entries) {
      if (bytes <= this.budget && entries.length - gone.length <= this.most) break;
      if (pinned || id === newest) continue;
      gone.push(id);
      bytes -= blob.size;
    }
    if (gone.length) await this.remove(gone);
  }

  /**
   * What a change of the database gives, once it is on the disk; null where there is none, or none any more.
   * @template Value
   * @param {(pictures: IDBObjectStore) => Promise<Value>} change
   */
  async write(change) {
    if (!this.database) return null;
    try {
      const pictures = this.pictures("readwrite");
      const writing = pictures.transaction;
      const finished = new Promise((go, no) => {
        writing.oncomplete = go;
        writing.onabort = () => no(writing.error);
      });
      return (await Promise.all([change(pictures), finished]))[0];
    } catch (problem) {
      const full = isNamed(problem, "QuotaExceededError");
      this.forbid(text(full ? "timeline.full" : "timeline.refused"), problem);
      return null;
    }
  }

  /** @param {IDBTransactionMode} mode */
  pictures(mode) {
    return /** @type {IDBDatabase} */ (this.database).transaction("pictures", mode).objectStore("pictures");
  }

  /** @param {string} words @param {unknown} problem */
  forbid(words, problem) {
    console.warn("the timeline is kept in memory:", problem);
    this.database = null;
    this.problem = words;
  }
}

function open() {
  const opening = indexedDB.open(NAME, 1);
  opening.onupgradeneeded = () => {
    const pictures = opening.result.createObjectStore("pictures", { keyPath: "id", autoIncrement: true });
    pictures.createIndex("key", "key", { unique: true });
  };
  return done(opening);
}
