// The battle on the desk: the plan, said anew each time, and orders until the server has done them.

import { isRunning, nameOf } from "./battle_words.js";
import { clock } from "./clock.js";
import { sure } from "./sure.js";
import { listed, parts, text } from "./text.js";

/**
 * What the presenter wants of battles.
 * @typedef {object} Plan
 * @property {string} target  "theme", "prompt" or "picture"
 * @property {string[]} lines
 * @property {number} seconds
 * @property {number} rounds
 * @property {string} players
 * @property {string} verdict
 * @property {boolean} turns
 * @property {string} name_a
 * @property {string} name_b
 */

/** What the server is to do once. @typedef {{ number: number, verb: string, side?: string, phone?: number }} Order */

/** @type {Plan} */
const PLAN = {
  target: "theme", lines: [], seconds: 60, rounds: 3, players: "lot", verdict: "hall", turns: false, name_a: "", name_b: "",
};
const SELECTS = /** @type {const} */ (["target", "players", "verdict"]);
const NUMBERS = /** @type {const} */ (["seconds", "rounds"]);
const NAMES = /** @type {const} */ (["name_a", "name_b"]);

/** @template {string} Name @param {Name} name */
const byId = (name) => document.getElementById(`desk-battle-${name}`);
const panel = () => document.getElementById("desk-battle");

export class DeskBattle {
  /**
   * @param {import("./desk.js").Desk} desk  says what this one wishes
   * @param {Partial<Plan>} kept  the plan of before the page was loaded again
   */
  constructor(desk, kept) {
    this.desk = desk;
    this.plan = { ...PLAN, ...(desk.audience ? {} : { players: "keyboards", verdict: "hands" }), ...kept };
    /** @type {({ on: false } & Partial<DeskBattleState>) | (DeskBattleState & { on: true })} */
    this.state = { on: false };
    /** @type {Order[]} */
    this.orders = []; // that the server has not told to be done
    this.number = 0;
    const style = { rel: "stylesheet", href: new URL("desk_battle.css", import.meta.url) };
    document.head.append(Object.assign(document.createElement("link"), style));
    for (const name of SELECTS) byId(name).addEventListener("change", () => this.set(name, byId(name).value));
    for (const name of NUMBERS) byId(name).addEventListener("change", () => this.set(name, Number(byId(name).value)));
    for (const name of NAMES) byId(name).addEventListener("change", () => this.set(name, byId(name).value));
    byId("turns").addEventListener("change", () => this.set("turns", byId("turns").checked));
    byId("lines").addEventListener("change", () => this.readLines());
    panel().addEventListener("click", ({ target }) => this.pressed(target.closest("button")));
    for (const box of this.sides()) {
      box.querySelector("input").addEventListener("change", ({ target }) => {
        if (target.value) this.order("seat", { side: box.dataset.side, phone: Number(target.value) });
        target.value = "";
      });
    }
    this.fill();
    this.show();
  }

  sides() {
    return panel().querySelectorAll(".battle-side");
  }

  /** What the desk says for it. */
  wish() {
    return { plan: this.plan, orders: this.orders };
  }

  /** @template {keyof Plan} Name @param {Name} name @param {Plan[Name]} value */
  set(name, value) {
    this.plan[name] = value;
    if (name === "target" && value === "theme" && this.plan.verdict === "likeness") {
      this.plan.verdict = this.desk.audience ? "hall" : "hands";
    }
    this.fill();
    this.desk.say();
    this.desk.keep();
    this.show();
  }

  readLines() {
    this.set("lines", byId("lines").value.split("\n").map((line) => line.trim()).filter(Boolean));
  }

  /** @param {string} verb @param {object} more */
  order(verb, more = {}) {
    this.orders.push({ number: (this.number += 1), verb, ...more });
    this.orders = this.orders.slice(-64);
    this.desk.say();
  }

  /** @param {HTMLButtonElement | null} button */
  pressed(button) {
    const { verb } = button?.dataset ?? {};
    if (!button || !verb) return;
    if (verb === "both") {
      this.openBoth();
      return;
    }
    if (verb === "ban" && !sure(button)) return;
    const side = button.closest("[data-side]")?.dataset.side;
    this.order(verb, side ? { side } : {});
  }

  openBoth() {
    const url = new URL("../battle", import.meta.url);
    const { codes } = this.state;
    if (!codes) return;
    url.searchParams.set("code", codes.a);
    url.searchParams.set("other", codes.b);
    if (!open(url, "_blank", "width=1100,height=800")) byId("problem").textContent = text("desk.no_boxes", { url: url.href });
  }

  // What is told -----------------------------------------------------------------------------

  /** @param {DeskBattleState} message */
  told(message) {
    this.orders = this.orders.filter((order) => order.number > message.done);
    const first = message.on && !this.state.on;
    this.state = /** @type {DeskBattleState & { on: true }} */ (message);
    if (first) panel().open = true;
    this.show();
  }

  /** @param {TargetPicture} message */
  picture({ picture }) {
    byId("picture").hidden = !picture;
    byId("picture").src = picture ? `data:image/jpeg;base64,${picture}` : "";
  }

  /** The plan into its fields, but for the one that is written in. */
  fill() {
    const { plan } = this;
    const write = (/** @type {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} */ field, /** @type {string} */ value) => {
      if (document.activeElement !== field) field.value = value;
    };
    for (const name of [...SELECTS, ...NUMBERS, ...NAMES]) write(byId(name), String(plan[name]));
    write(byId("lines"), plan.lines.join("\n"));
    byId("turns").checked = plan.turns;
    byId("lines-label").textContent = text(plan.target === "theme" ? "desk.themes" : "desk.secrets");
    byId("keyboards").hidden = plan.players !== "keyboards";
    const option = (/** @type {"verdict" | "players"} */ name, /** @type {string} */ value) => byId(name).querySelector(`option[value="${value}"]`);
    option("verdict", "likeness").disabled = plan.target === "theme";
    option("verdict", "hall").disabled = !this.desk.audience;
    for (const value of ["lot", "volunteers", "named"]) option("players", value).disabled = !this.desk.audience;
  }

  show() {
    const { state, plan } = this;
    const { on, phase } = state;
    byId("problem").textContent = state.problem ?? "";
    byId("on").hidden = !on;
    const running = on && isRunning(phase);
    const show = (/** @type {string} */ verb, /** @type {boolean} */ shown) => {
      for (const button of panel().querySelectorAll(`[data-verb="${verb}"]`)) button.hidden = !shown;
    };
    show("gather", !on);
    show("stop", on);
    if (!on) return;
    byId("score").replaceChildren(...this.score());
    const between = !running && phase !== "over";
    show("start", between);
    const start = byId("next").querySelector('button[data-verb="start"]');
    const extra = state.played >= plan.rounds && !state.leader;
    start.textContent = extra ? text("desk.one_more") : text("desk.start", { round: state.played + 1 });
    start.disabled = state.played >= plan.rounds && Boolean(state.leader);
    show("cut", phase === "typing" || phase === "voting");
    show("award", phase === "judging");
    show("cancel", running);
    show("paint", between && plan.target === "picture");
    byId("more").querySelector('[data-verb="paint"]').textContent = text(state.prepared ? "desk.other_target" : "desk.see_target");
    show("both", Boolean(state.codes) && !running);
    show("finish", phase === "verdict" || (phase === "gather" && state.played > 0));
    show("reset", state.played > 0);
    for (const box of this.sides()) this.showSide(box, state.sides[sideOf(box)], running);
    byId("volunteers").hidden = plan.players !== "volunteers" || running;
    const names = listed(state.volunteers.map((each) => nameOf(each)));
    byId("volunteers").textContent = names ? text("desk.volunteers", { names }) : text("desk.asked");
    this.showCodes();
  }

  score() {
    const { state } = this;
    if (!state.on) return [];
    const { a, b } = state.sides;
    const told = [listed([text(`desk.phase.${state.phase}`), state.left !== null && clock(state.left)])];
    if (state.phase !== "over") told.push(text("battle.round", state));
    if (state.votes && state.phase === "voting") told.push(text("desk.votes", state.votes));
    const score = Object.assign(document.createElement("b"), { textContent: `A ${a.wins} : ${b.wins} B` });
    return [score, ` ${told.join(" · ")}`];
  }

  /** @param {HTMLElement} box @param {OpenSide} side @param {boolean} running */
  showSide(box, { by, colour, here, prompt }, running) {
    const phones = this.plan.players !== "keyboards";
    box.style.setProperty("--side", colour);
    const who = by ? nameOf(by) : text("desk.nobody");
    box.querySelector("bdi").textContent = `${sideOf(box).toUpperCase()}: ${who}`;
    const words = by && !here ? text(phones ? "desk.away" : "desk.not_connected") : running ? prompt : "";
    box.querySelector("span").textContent = words;
    box.querySelector(".desk-row").hidden = !phones;
    const shown = { draw: !running && this.plan.players !== "named", vacate: !running && by, ban: Boolean(by) };
    for (const [verb, on] of Object.entries(shown)) box.querySelector(`[data-verb="${verb}"]`).hidden = !on;
    box.querySelector("label").hidden = running;
  }

  showCodes() {
    const { codes } = this.state;
    byId("codes").hidden = !codes;
    if (!codes) return;
    const { host, hostname } = new URL(import.meta.url);
    const here = /^(localhost|127\.|\[::1\])/.test(hostname);
    const [first] = here ? this.desk.addresses.map((url) => new URL(url).host) : [host];
    const code = (/** @type {Side} */ side) => Object.assign(document.createElement("b"), { textContent: codes[side] });
    const where = `${first ?? host}/battle`;
    byId("codes").replaceChildren(...parts("desk.codes", { where, a: code("a"), b: code("b") }));
  }
}

const sideOf = (/** @type {HTMLElement} */ box) => /** @type {Side} */ (box.dataset.side);
