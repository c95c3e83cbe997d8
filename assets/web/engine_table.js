// The table of engines, where there are several: how each is and what it has to do.

import { language, text } from "./text.js";
import { hide } from "./unchanged.js";

/** @type {("waiting" | "painting" | "given")[]} */
const COUNTS = ["waiting", "painting", "given"];

export class EngineTable {
  /** @param {HTMLElement} box  a table whose body is empty */
  constructor(box) {
    this.box = box;
    this.body = box.querySelector("tbody");
  }

  /** Writes one row for each; of one engine alone the other figures say enough. @param {EngineRow[]} engines */
  show(engines) {
    hide(this.box, engines.length === 0);
    this.body.replaceChildren(...engines.map(row));
  }
}

/** @param {EngineRow} engine */
function row(engine) {
  const line = document.createElement("tr");
  line.append(cell("th", engine.name), cell("td", text(`page.engines.${engine.state}`)));
  line.append(...COUNTS.map((name) => cell("td", engine[name].toLocaleString(language))));
  return line;
}

/** @param {"th" | "td"} kind @param {string} content */
function cell(kind, content) {
  const made = document.createElement(kind);
  if (kind === "th") made.setAttribute("scope", "row");
  made.textContent = content;
  return made;
}
