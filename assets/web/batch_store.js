// A batch in the browser's own database: its plan, what became of each picture, and the pictures.
// Where the database may not be used, all of it is in this tab's memory, and why is told.

import { isNamed } from "./problems.js";
import { text } from "./text.js";

const NAME = "lightning-batch";
const STORES = ["plan", "outcomes", "pictures"];

/** The browser refuses to keep it, with words for the visitor. */
export class NotKept extends Error {}

/** @template Value @param {IDBRequest<Value>} request @returns {Promise<Value>} */
const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

export class BatchStore {
  constructor() {
    /** @type {IDBDatabase | null | undefined} */
    this.database = undefined;
    this.problem = ""; // why nothing outlives this tab
    /** @type {BatchPlan | null} */
    this.plan = null; // { at, format, columns, pictures }
    /** @type {Map<number, Outcome>} */
    this.outcomes = new Map(); // number -> { number, file, seconds, model, notes, error, saved }
    /** @type {Map<number, Blob>} */
    this.memory = new Map(); // number -> blob, where there is no database
  }

  /** Reads what is kept, also by other tabs since. */
  async load() {
    if (this.problem) return;
    try {
      this.database ??= await open();
      const reading = this.database.transaction(STORES);
      const [plan, outcomes] = await Promise.all([
        done(reading.objectStore("plan").get(1)),
        done(reading.objectStore("outcomes").getAll()),
      ]);
      this.plan = plan ?? null;
      this.outcomes = new Map(outcomes.map((/** @type {Outcome} */ outcome) => [outcome.number, outcome]));
    } catch (problem) {
      console.warn("the batch is kept in memory:", problem);
      this.database = null;
      this.problem = text("batch.forbidden");
    }
  }

  /**
   * Begins a batch in place of the one before; null: with none.
   * @param {BatchPlan | null} plan
   * @throws NotKept
   */
  async begin(plan) {
    await this.write((stores) => {
      for (const store of Object.values(stores)) store.clear();
      if (plan) stores.plan.put(plan, 1);
    });
    this.memory.clear();
    this.plan = plan;
    this.outcomes = new Map();
  }

  /**
   * Keeps what became of a picture, with the picture where there is one: both, or neither.
   * @param {Outcome} outcome
   * @param {Blob | null} blob
   * @throws NotKept
   */
  async add(outcome, blob) {
    await this.write(({ outcomes, pictures }) => {
      outcomes.put(outcome);
      if (blob) pictures.put(blob, outcome.number);
    });
    if (!this.database && blob) this.memory.set(outcome.number, blob);
    this.outcomes.set(outcome.number, outcome);
  }

  /** Forgets what became of pictures, which are then painted again. @param {number[]} numbers */
  async retry(numbers) {
    await this.write(({ outcomes }) => numbers.forEach((number) => outcomes.delete(number)));
    for (const number of numbers) this.outcomes.delete(number);
  }

  /** Lets go of pictures that have been saved; what became of them is still known. @param {number[]} numbers */
  async letGo(numbers) {
    const gone = numbers.map((number) => ({ .../** @type {Outcome} */ (this.outcomes.get(number)), saved: true }));
    await this.write(({ outcomes, pictures }) => {
      for (const outcome of gone) {
        outcomes.put(outcome);
        pictures.delete(outcome.number);
      }
    });
    for (const outcome of gone) {
      this.outcomes.set(outcome.number, outcome);
      this.memory.delete(outcome.number);
    }
  }

  /**
   * A picture; undefined where there is none, or none any more.
   * @param {number} number
   * @returns {Promise<Blob | undefined>}
   */
  async picture(number) {
    if (!this.database) return this.memory.get(number);
    return done(this.database.transaction("pictures").objectStore("pictures").get(number));
  }

  /** Makes a change as a whole. @param {(stores: Record<string, IDBObjectStore>) => void} change */
  async write(change) {
    if (!this.database) return;
    const writing = this.database.transaction(STORES, "readwrite");
    try {
      change(Object.fromEntries(STORES.map((name) => [name, writing.objectStore(name)])));
      await new Promise((resolve, reject) => {
        writing.oncomplete = resolve;
        writing.onabort = () => reject(writing.error);
      });
    } catch (problem) {
      console.warn("the batch cannot be kept:", problem);
      const full = isNamed(problem, "QuotaExceededError");
      throw new NotKept(text(full ? "batch.no_room" : "batch.not_kept"));
    }
  }
}

function open() {
  const opening = indexedDB.open(NAME, 1);
  opening.onupgradeneeded = () => {
    const { result } = opening;
    result.createObjectStore("plan");
    result.createObjectStore("outcomes", { keyPath: "number" });
    result.createObjectStore("pictures");
  };
  return done(opening);
}
