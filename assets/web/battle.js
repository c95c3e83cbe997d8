// The page of players at keyboards: one side of a battle, or both on one computer.
// `globalThis.battle` is what tests talk to.

import { BattleSeat } from "./battle_seat.js";
import { fillIn, languageChoice, text } from "./text.js";

const CODE_LENGTH = 4;

/** @template {string} Id @param {Id} name */
const byId = (name) => document.getElementById(name);
/** @param {string} code */
const normal = (code) => code.toUpperCase().replace(/\s+/g, "");

export class BattlePage {
  constructor() {
    const asked = new URLSearchParams(location.search);
    fillIn();
    byId("ask").append(languageChoice());
    /** @type {BattleSeat[]} */
    this.seats = [];
    byId("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      const code = normal(byId("code").value);
      if (code.length === CODE_LENGTH) this.play([code]);
      else byId("code-problem").textContent = text("code.length", { length: CODE_LENGTH });
    });
    const codes = ["code", "other"].map((name) => normal(asked.get(name) ?? "")).filter(Boolean);
    if (codes.length) this.play(codes);
    else this.ask("");
  }

  /** @param {string[]} codes */
  play(codes) {
    byId("ask").hidden = true;
    byId("game").hidden = false;
    byId("game").classList.toggle("both", codes.length > 1);
    this.seats = codes.map((code) => new BattleSeat(code, (message) => this.ask(message, code)));
    byId("game").replaceChildren(...this.seats.map((seat) => seat.box));
    const url = new URL(location.href);
    url.searchParams.set("code", codes[0]); // so that loading again is enough
    history.replaceState(null, "", url);
  }

  /** @param {string} problem */
  ask(problem, code = "") {
    for (const seat of this.seats) seat.end();
    byId("game").hidden = true;
    byId("ask").hidden = false;
    byId("code").value = code;
    byId("code-problem").textContent = problem;
    byId("code").focus();
  }
}

globalThis.battle = new BattlePage();
