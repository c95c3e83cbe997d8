// The script on the desk: where the talk is, and what comes next.

import { wordsOf } from "./problems.js";
import { readScript } from "./script_file.js";
import { text } from "./text.js";

const KEPT = "lightning-script";

/** @template {string} Name @param {Name} name */
const byId = (name) => document.getElementById(`desk-${name}`);

export class Script {
  /** @param {(line: string, slowly: boolean) => void} perform  takes a line, and whether it shall be typed slowly */
  constructor(perform) {
    this.perform = perform;
    const { lines = [], place = -1 } = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
    this.lines = lines;
    this.place = place;
    this.chooser = Object.assign(document.createElement("input"), { type: "file", accept: ".txt,.md,text/plain" });
    this.chooser.addEventListener("change", () => {
      if (this.chooser.files?.length) this.read(this.chooser.files[0]);
      this.chooser.value = "";
    });
    this.show();
  }

  choose() {
    this.chooser.click();
  }

  /** @param {File} file */
  async read(file) {
    try {
      this.lines = readScript(new Uint8Array(await file.arrayBuffer()));
      this.place = -1;
      byId("script-problem").textContent = "";
    } catch (problem) {
      byId("script-problem").textContent = wordsOf(problem); // and what was there stays
    }
    this.show();
  }

  /** @param {number} by */
  step(by) {
    const place = this.place + by;
    if (place < 0 || place >= this.lines.length) return;
    this.place = place;
    this.show();
    this.perform(this.lines[place], byId("types").checked);
  }

  /** Types the line where the talk is. */
  type() {
    if (this.place < 0) this.place = 0;
    if (!this.lines.length) return;
    this.show();
    this.perform(this.lines[this.place], true);
  }

  show() {
    const { lines, place } = this;
    const next = lines[place + 1];
    byId("line").textContent = lines[place] ?? "";
    byId("next-line").textContent = next ?? text(lines.length ? "script.last" : "script.one_a_line");
    byId("next-line").classList.toggle("note", !next);
    byId("next-line").dataset.then = text("script.then");
    const at = { place: Math.max(place + 1, 0), all: lines.length };
    byId("script-title").textContent = text(lines.length ? "script.place" : "script.title", at);
    byId("previous").disabled = place < 1;
    byId("next").disabled = place + 1 >= lines.length;
    byId("type").disabled = !lines.length;
    sessionStorage.setItem(KEPT, JSON.stringify({ lines, place }));
  }
}
