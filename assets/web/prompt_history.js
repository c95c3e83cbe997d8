// Earlier prompts, kept in this browser alone: searched by words, restored by a click or Enter.

import { sure } from "./sure.js";
import { text } from "./text.js";

const NAME = "lightning-prompts";
const MOST = 500;
const SHOWN = 100;
const LONGEST = 2000; // characters; no model reads more
const STANDS = 1200; // ms that a prompt stands before it counts as one to come back to

/** A prompt to come back to. @typedef {{ prompt: string, negative_prompt: string, style: string }} Entry */

/** @template {string} Name @param {Name} name */
const byId = (name) => document.getElementById(`prompt-history-${name}`);

/**
 * `entries` with another before all; what it was typed on from makes way.
 * @param {Entry[]} entries
 * @param {Entry} entry
 */
export function noted(entries, entry) {
  const { prompt, style, negative_prompt: without } = entry;
  const [newest, ...older] = entries;
  const goesOn = newest && newest.style === style && prompt.startsWith(newest.prompt);
  const others = (goesOn ? older : entries).filter((each) =>
    each.prompt !== prompt || each.style !== style || each.negative_prompt !== without);
  return [entry, ...others].slice(0, MOST);
}

/** Those that hold all words of a search, wherever. @param {Entry[]} entries @param {string} search */
export function searched(entries, search) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const all = (/** @type {Entry} */ { prompt, style, negative_prompt: without }) => `${prompt} ${style} ${without}`.toLowerCase();
  return entries.filter((entry) => words.every((word) => all(entry).includes(word)));
}

export class PromptHistory {
  /**
   * @param {(entry: Entry) => void} restore  called with the entry that is chosen
   * @param {() => void} forgotten  called when all are forgotten
   */
  constructor(restore, forgotten) {
    this.restore = restore;
    this.forgotten = forgotten;
    this.problem = "";
    /** @type {Entry[]} */
    this.entries = [];
    this.entries = this.load();
    /** @type {Entry[]} those that are shown */
    this.found = [];
    this.dialog = document.getElementById("prompt-history");
    this.wire();
  }

  wire() {
    this.dialog.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (!button) return;
      if (button.id === "prompt-history-close") this.dialog.close();
      else if (button.id === "prompt-history-forget") this.forget(button);
      else this.take(Number(button.dataset.at));
    });
    byId("search").addEventListener("input", () => this.draw());
    this.dialog.addEventListener("keydown", (event) => this.press(event));
  }

  /** Arrows go through what is found, Enter in the search takes the first. @param {KeyboardEvent} event */
  press(event) {
    const buttons = [...byId("list").querySelectorAll("button")];
    const at = buttons.findIndex((each) => each === document.activeElement);
    const searching = document.activeElement === byId("search");
    if (event.key === "Enter" && searching && buttons.length) this.take(0);
    else if (event.key === "ArrowDown" && (searching || at >= 0)) buttons[Math.min(at + 1, buttons.length - 1)]?.focus();
    else if (event.key === "ArrowUp" && at >= 0) (buttons[at - 1] ?? byId("search")).focus();
    else return;
    event.preventDefault();
  }

  open() {
    this.entries = this.problem ? this.entries : this.load(); // another tab may have written
    byId("search").value = "";
    this.draw();
    this.dialog.showModal();
    byId("search").focus();
  }

  draw() {
    this.found = searched(this.entries, byId("search").value).slice(0, SHOWN);
    byId("list").replaceChildren(...this.found.map(({ prompt, style }, at) => {
      const item = document.createElement("li");
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: prompt, dir: "auto" });
      button.dataset.at = String(at);
      if (style) button.append(" ", Object.assign(document.createElement("small"), { textContent: style }));
      item.append(button);
      return item;
    }));
    const none = text(this.entries.length ? "history.none" : "history.empty");
    const sum = text("history.found", { found: this.found.length, all: this.entries.length });
    byId("says").textContent = this.problem || (this.found.length ? sum : none);
    byId("forget").disabled = !this.entries.length;
  }

  /** @param {number} at */
  take(at) {
    const entry = this.found[at];
    if (!entry) return;
    this.dialog.close();
    this.restore({ ...entry });
  }

  /** A prompt has been painted; it is kept once it stands, never while somebody types. @param {Entry} entry */
  note(entry) {
    clearTimeout(this.standing);
    if (entry.prompt.length > LONGEST) return;
    this.standing = setTimeout(() => {
      if (!this.problem) this.entries = this.load();
      this.entries = noted(this.entries, entry);
      this.save();
    }, STANDS);
  }

  /** @param {HTMLButtonElement} button */
  forget(button) {
    if (!sure(button)) return;
    clearTimeout(this.standing); // what would be kept in a moment is forgotten, too
    this.entries = [];
    this.save();
    this.forgotten();
    this.draw();
    byId("search").focus();
  }

  /** @returns {Entry[]} */
  load() {
    try {
      const kept = JSON.parse(localStorage.getItem(NAME) ?? "[]");
      const short = (/** @type {unknown} */ value) => (typeof value === "string" ? value.slice(0, LONGEST) : "");
      return (Array.isArray(kept) ? kept : []).slice(0, MOST)
        .filter((each) => typeof each?.prompt === "string" && each.prompt.trim())
        .map(({ prompt, negative_prompt: without, style }) => ({ prompt: short(prompt), negative_prompt: short(without), style: short(style) }));
    } catch (problem) {
      if (!(problem instanceof SyntaxError)) this.forbid(problem);
      return this.entries;
    }
  }

  save() {
    try {
      localStorage.setItem(NAME, JSON.stringify(this.entries));
      this.problem = "";
    } catch (problem) {
      this.forbid(problem);
    }
  }

  /** @param {unknown} problem */
  forbid(problem) {
    console.warn("prompts are kept in memory:", problem);
    this.problem = text("history.forbidden");
  }
}
