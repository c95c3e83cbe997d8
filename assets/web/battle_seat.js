// One side of a battle at a keyboard: the target, the clock, a box to type in, the picture of it.

import { isRunning, nameOf, note } from "./battle_words.js";
import { clock } from "./clock.js";
import { GuestSocket } from "./guest_socket.js";
import { Painter } from "./painter.js";
import { fillIn, text } from "./text.js";

const PACE = 150; // ms between two prompts
const PATIENCE = 700; // ms that a refused word may yet become another one
const LATE = 10; // seconds
const MARKUP = `
  <header><p class="who"><i></i><bdi></bdi></p><p class="score"></p><output role="timer"></output></header>
  <p class="line" dir="auto"></p>
  <div class="pictures">
    <figure class="target" hidden><img data-text-alt="battle.target"><figcaption data-text="battle.paint_this"></figcaption></figure>
    <figure class="own"><canvas role="img" data-text-aria-label="battle.picture"></canvas></figure>
  </div>
  <p class="note" role="status"></p>
  <textarea rows="3" maxlength="300" dir="auto" spellcheck="false" autocomplete="off" autocapitalize="none" disabled></textarea>
  <p class="problem" role="alert"></p>`;

export class BattleSeat {
  /**
   * @param {string} code  of the side
   * @param {(why: string) => void} over  called with why it is
   */
  constructor(code, over) {
    this.code = code;
    this.over = over;
    this.sequence = 0;
    /** @type {PlayerState | null} */
    this.state = null;
    this.box = Object.assign(document.createElement("section"), { className: "seat", innerHTML: MARKUP });
    fillIn(this.box);
    /** @type {<Selector extends string>(selector: Selector) => BySelector<Selector>} */
    this.find = (selector) => this.box.querySelector(selector);
    this.text = this.find("textarea");
    this.text.addEventListener("input", () => this.typed());
    this.painter = new Painter(this.find("canvas"), () => {});
    this.socket = new GuestSocket(() => `../battle/live?${new URLSearchParams({ code })}`, /** @type {SeatHooks} */ ({
      welcome: ({ side }) => this.welcome(side),
      frame: (header, bytes) => this.painter.offer(header, bytes),
      battle: (state) => this.show(state),
      target: ({ picture }) => this.showTarget(picture),
      prompt: ({ problem, sequence }) => this.refused(problem, sequence),
      refused: ({ message, why }) => why !== "later" && this.over(message),
    }));
  }

  end() {
    this.socket.end();
  }

  /** @param {Side} side */
  welcome(side) {
    this.text.setAttribute("aria-label", text("battle.prompt_of", { side: side.toUpperCase() }));
    this.forgotten = true; // by the server: what was asked
  }

  typed() {
    this.sequence += 1;
    this.tell("");
    if (this.pacing) return;
    this.submit();
    const asked = this.sequence;
    this.pacing = setTimeout(() => {
      this.pacing = null;
      if (asked !== this.sequence) this.submit();
    }, PACE);
  }

  submit() {
    this.socket.send(JSON.stringify({ prompt: this.text.value, sequence: this.sequence, seed: 0 }));
    if (!this.text.value.trim()) this.empty();
  }

  /** Nothing is shown until a picture of what is typed from now on. */
  empty() {
    this.painter.clear();
    this.painter.skipTo(this.sequence, 0);
  }

  /** @param {string} problem @param {number} sequence */
  refused(problem, sequence) {
    if (sequence !== this.sequence) return;
    clearTimeout(this.doubt);
    this.doubt = setTimeout(() => sequence === this.sequence && this.tell(problem), problem ? PATIENCE : 0);
  }

  /** @param {string} problem */
  tell(problem) {
    clearTimeout(this.doubt);
    this.find(".problem").textContent = problem;
    this.text.setAttribute("aria-invalid", String(Boolean(problem)));
  }

  /** @param {string} picture */
  showTarget(picture) {
    this.find(".target").hidden = !picture;
    this.find(".target img").src = picture ? `data:image/jpeg;base64,${picture}` : "";
  }

  /** @param {PlayerState} state */
  show(state) {
    const before = this.state;
    this.state = state;
    const { side, sides, left, phase, line, round, rounds } = state;
    const begins = isRunning(phase) && !(before && isRunning(before.phase));
    if (begins) this.begin(state.prompt);
    else if (this.forgotten && state.types && this.text.value.trim()) this.submit();
    this.forgotten = false;
    this.box.style.setProperty("--side", sides[side ?? "a"].colour);
    this.find(".who bdi").textContent = nameOf(/** @type {Player} */ (sides[side ?? "a"].by));
    this.find(".score").textContent = `${text("battle.round", { round, rounds })} · ${sides.a.wins} : ${sides.b.wins}`;
    const timed = phase === "typing" && state.types;
    this.find("output").textContent = timed ? clock(left ?? 0) : "";
    this.find("output").classList.toggle("late", timed && (left ?? 0) <= LATE);
    this.find(".line").textContent = line ?? "";
    this.find(".note").textContent = note(state);
    const types = state.types && this.text.disabled;
    this.text.disabled = !state.types;
    if (types && !document.querySelector("textarea:focus")) this.text.focus();
  }

  /** A round begins, or the page was loaded again in the middle of one. @param {string} prompt */
  begin(prompt) {
    this.text.value = prompt;
    this.tell("");
    this.sequence += 1;
    this.empty();
    if (prompt) this.submit();
  }
}
