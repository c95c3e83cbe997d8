// The list of a batch before it is painted: written or opened, with lists for its wildcards, and checked.

import { checked, sourceOf } from "./batch_source.js";
import { wordsOf } from "./problems.js";
import { said } from "./said.js";
import { listed, text } from "./text.js";

/** @template {string} Id @param {Id} name */
const byId = (name) => document.getElementById(`batch-${name}`);

export class BatchList {
  /** @param {import("./batch.js").Batch} batch  the dialog that it stands in, and which says what is wrong */
  constructor(batch) {
    this.batch = batch;
    /** @type {File | null} */
    this.file = null; // the list, where it is one
    /** @type {File[]} */
    this.words = []; // files
    this.waiting = ""; // a prompt for the next list
    /** @type {CheckedList | null} */
    this.found = null; // what the server has found in the list
    this.edits = 0; // times; the answer to a check before the last one is of another list
    byId("list").addEventListener("submit", (event) => {
      event.preventDefault();
      this.check();
    });
    byId("list").addEventListener("input", () => this.edited());
    byId("file").addEventListener("change", ({ target }) => {
      if (target.files?.length) this.take(target.files[0]);
      target.value = ""; // so that the same can be chosen again
    });
    byId("words").addEventListener("change", ({ target }) => {
      this.words = [...(target.files ?? [])];
      byId("choose-words").textContent = this.words.length ? text("batch.lists", { count: this.words.length }) : text("batch.no_lists");
      this.edited();
    });
  }

  /** Says what rows are painted with that say nothing of it: what is asked for on the page. */
  tellDefaults() {
    const { num_inference_steps: steps, width, height, guidance_scale: guidance } = this.batch.lightning.request;
    const words = listed([text("steps", { count: steps }), `${width}x${height}`, guidance && text("drawer.guidance", { value: guidance })]);
    byId("defaults").textContent = text("batch.defaults", { words });
  }

  /** Opens the choice of files, or puts the file away. */
  chooseFile() {
    if (this.file) this.take(null);
    else byId("file").click();
  }

  /** Takes a file as the list; null: what is in the field. @param {File | null} file */
  take(file) {
    this.file = file;
    byId("text").disabled = Boolean(file);
    byId("text").value = file ? file.name : "";
    byId("choose-file").textContent = text(file ? "batch.without_file" : "batch.open_file");
    this.edited();
    if (file) this.check();
  }

  /** Names of the lists for wildcards. */
  get names() {
    return this.words.map(({ name }) => name.replace(/\.[^.]*$/, ""));
  }

  /** Puts a prompt below what stands here; while a batch is painted, into the next list. @param {string} prompt */
  add(prompt) {
    if (this.batch.store.plan) {
      this.waiting = prompt;
      this.batch.say(text("batch.waits"));
      return;
    }
    this.waiting = "";
    if (this.file) this.take(null);
    const lines = byId("text").value.split("\n").filter((line) => line.trim() && line !== prompt);
    byId("text").value = [...lines, prompt].join("\n");
    this.check();
  }

  /** What has been checked is no more what stands there. */
  edited() {
    this.edits += 1;
    this.found = null;
    byId("paint").hidden = true;
    this.batch.showFaults([], 0);
    this.batch.say("");
  }

  async check() {
    const { batch } = this;
    this.edited();
    const { edits } = this;
    batch.say(text("batch.checking"));
    const { prompt, seed, ...defaults } = batch.lightning.request;
    let found;
    try {
      const source = await sourceOf(this.file ?? byId("text").value, byId("kind").value, this.words);
      found = await checked({ ...source, defaults, format: byId("format").value });
    } catch (problem) {
      if (edits === this.edits) batch.say(wordsOf(problem), "problem");
      return;
    }
    if (edits !== this.edits) return;
    this.found = found;
    const { pictures, faults, bad_rows: bad } = found;
    batch.say(bad ? text("batch.bad", { count: bad }) : text("batch.good", { count: pictures.length }), bad ? "problem" : "");
    batch.showFaults(faults.map(({ line, reason }) => [text("batch.line", { line }), said(reason)]), bad);
    byId("paint").hidden = !pictures.length;
    byId("paint").textContent = text(bad ? "batch.paint_others" : "batch.paint", { count: pictures.length });
  }
}
