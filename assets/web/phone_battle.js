// A battle on a phone: who plays sees target and clock, everybody else may volunteer and vote.

import { clock } from "./clock.js";
import { isRunning, nameOf, note } from "./battle_words.js";
import { text } from "./text.js";

const LATE = 10; // seconds

/** @template {string} Name @param {Name} name */
const byId = (name) => document.getElementById(`battle-${name}`);

export class PhoneBattle {
  /**
   * @param {(message: object) => void} say  takes a message for the server
   * @param {(prompt: string) => void} begin  called with what the box shall hold when a round of this phone's own begins
   */
  constructor(say, begin) {
    this.begin = begin;
    /** @type {PhoneBattleState | null} */
    this.state = null;
    this.playing = false; // in a round that is on
    byId("volunteer").addEventListener("click", () => say({ volunteer: !this.state?.volunteer }));
    byId("decline").addEventListener("click", () => say({ decline: true }));
    byId("vote").addEventListener("click", ({ target }) => {
      const side = target.closest("button")?.dataset.side;
      if (side) say({ ballot: side });
    });
  }

  /** Whether this phone's member may type now. */
  get types() {
    return this.playing && Boolean(this.state?.types);
  }

  /** @param {TargetPicture} message */
  picture({ picture }) {
    byId("target").hidden = !picture;
    byId("target").src = picture ? `data:image/jpeg;base64,${picture}` : "";
  }

  /**
   * @param state  as of the server's `views.phone`; null: there is no battle
   * @param {PhoneBattleState | null} state
   */
  show(state) {
    const running = state !== null && isRunning(state.phase);
    const playing = running && state.side !== null;
    if (playing && !this.playing) this.begin(state.prompt);
    this.playing = playing;
    this.state = state;
    document.body.classList.toggle("playing", playing);
    document.body.classList.toggle("watching", running && !playing);
    const box = document.getElementById("battle");
    box.hidden = !state;
    if (!state) return;
    const { side, sides, left, line, choice, volunteer } = state;
    const types = side !== null && state.phase === "typing" && left !== null;
    box.classList.toggle("mine", side !== null);
    if (side !== null) box.style.setProperty("--side", sides[side].colour);
    byId("title").textContent = title(state, running);
    byId("line").textContent = line ?? "";
    byId("note").textContent = note(state);
    byId("clock").textContent = types ? clock(left) : "";
    byId("clock").classList.toggle("late", types && left <= LATE);
    byId("volunteer").hidden = side !== null || typeof volunteer !== "boolean";
    byId("volunteer").setAttribute("aria-pressed", String(Boolean(volunteer)));
    byId("volunteer").textContent = text(volunteer ? "battle.volunteered" : "battle.volunteer");
    byId("decline").hidden = side === null || state.phase !== "gather";
    byId("vote").hidden = side !== null || !state.may_vote;
    for (const button of byId("vote").querySelectorAll("button")) {
      const each = /** @type {Side} */ (button.dataset.side);
      const { by, colour } = sides[each];
      button.style.setProperty("--side", colour);
      button.querySelector("b").textContent = by ? nameOf(by) : each.toUpperCase();
      button.querySelector("span").textContent = state.prompts?.[each] ?? "";
      button.setAttribute("aria-pressed", String(choice === each));
    }
  }
}

/** @param {PhoneBattleState} state @param {boolean} running */
function title({ side, round, rounds, phase, may_vote: votes }, running) {
  if (side !== null && phase !== "over") return running ? text("battle.round", { round, rounds }) : text("battle.you_play");
  if (votes) return text("battle.who_is_better");
  return text("battle");
}
