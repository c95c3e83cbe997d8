// A prompt battle as a hall sees it: two players, what they paint after, the clock, the score.
// All sizes are shares of its box, so that the desk's small wall is the same board.

import { called, nameOf } from "./battle_words.js";
import { Caption } from "./caption.js";
import { clock } from "./clock.js";
import { percent } from "./numbers.js";
import { text } from "./text.js";
import { WallPainter } from "./wall_painter.js";

/** @type {Side[]} */
const SIDES = ["a", "b"];
const LATE = 10; // seconds from which on the clock is urgent
const MARKUP = `
  <div class="board">
    <div class="board-middle">
      <p class="board-round"></p>
      <div class="board-target" hidden><canvas role="img" aria-label="${text("battle.target")}"></canvas></div>
      <div class="board-line"><p dir="auto"><span></span></p></div>
      <p class="board-clock" role="timer"></p>
      <p class="board-say"></p>
    </div>
    ${SIDES.map(
      (side) => `
    <div class="side" data-side="${side}">
      <p class="side-who"><i></i><bdi data-away="${text("battle.away")}"></bdi><span class="side-wins"></span></p>
      <div class="side-picture"><canvas role="img" aria-label="${text("stage.no_picture")}"></canvas><b class="side-figure"></b></div>
      <div class="side-words"><p dir="auto"><span></span><i aria-hidden="true"></i></p></div>
    </div>`,
    ).join("")}
    <p class="board-count" aria-hidden="true" hidden></p>
  </div>`;

export class Board {
  /**
   * @param {HTMLElement} box  it fills this one, whatever its shape
   * @param least  px of the smallest letters
   */
  constructor(box, least = 14) {
    box.innerHTML = MARKUP;
    this.root = box.firstElementChild;
    const within = (/** @type {string} */ selector) => this.root.querySelector(selector);
    this.find = within;
    const painter = (/** @type {string} */ selector) =>
      new WallPainter(/** @type {HTMLCanvasElement} */ (within(selector)), document.createElement("canvas"), () => {});
    /** @type {Record<string, WallPainter>} */
    this.painters = {
      target: painter(".board-target canvas"),
      a: painter('[data-side="a"] canvas'),
      b: painter('[data-side="b"] canvas'),
    };
    const words = (/** @type {string} */ selector, /** @type {number} */ scale) => new Caption(within(selector), { frame: this.root, scale, least });
    this.line = words(".board-line", 0.52);
    this.words = { a: words('[data-side="a"] .side-words', 0.56), b: words('[data-side="b"] .side-words', 0.56) };
  }

  /** @param {FrameHeader} header @param {Uint8Array<ArrayBuffer>} bytes */
  offer(header, bytes) {
    this.painters[header.place ?? ""]?.offer(header, bytes);
  }

  clear() {
    for (const painter of Object.values(this.painters)) painter.clear();
  }

  async settled() {
    await Promise.all(Object.values(this.painters).map((painter) => painter.settled()));
  }

  /**
   * @param {BoardState} state  as of the server's `views.board`, or of its desk
   * @param {{ crossfade?: boolean }} look
   */
  show(state, { crossfade = true } = {}) {
    const { root, find } = this;
    const { phase, sides, pictures, left, turn } = state;
    root.dataset.phase = phase;
    root.dataset.winner = (phase === "over" ? state.leader : state.winner) ?? "";
    for (const [place, painter] of Object.entries(this.painters)) {
      painter.fade = crossfade;
      if (!pictures.includes(place) && painter.picture) painter.clear();
    }
    write(find(".board-round"), phase === "over" ? text("battle.final") : text("battle.round", state));
    const final = phase === "over"; // the last round is told already
    find(".board-target").hidden = final || !pictures.includes("target");
    this.line.box.hidden = final || !state.line;
    this.line.write(state.line ?? "");
    this.line.fit();
    const timed = phase === "typing" || phase === "voting";
    const counts = phase === "countdown"; // over all, but for the target, which is looked at
    const over = counts && !pictures.includes("target");
    const score = phase === "over" ? `${sides.a.wins} : ${sides.b.wins}` : "";
    find(".board-clock").hidden = !(timed || score || (counts && !over));
    write(find(".board-clock"), timed ? clock(left ?? 0) : counts ? String(left) : score);
    root.classList.toggle("late", timed && (left ?? 0) <= LATE);
    find(".board-count").hidden = !over;
    write(find(".board-count"), String(left));
    write(find(".board-say"), say(state));
    for (const side of SIDES) this.showSide(side, sides[side], state, turn);
  }

  /** @param {Side} side @param {OpenSide} one @param {BoardState} state @param {Side | null} turn */
  showSide(side, { by, colour, here, prompt, hidden, wins, figure }, { phase, verdict, rounds }, turn) {
    const box = this.find(`[data-side="${side}"]`);
    box.style.setProperty("--side", colour);
    box.classList.toggle("away", Boolean(by) && !here);
    box.classList.toggle("waits", Boolean(turn) && turn !== side);
    write(box.querySelector(".side-who bdi"), by ? nameOf(by) : text("battle.who_plays"));
    const dots = "●".repeat(wins) + "○".repeat(Math.max(0, Math.ceil((rounds + 1) / 2) - wins));
    write(box.querySelector(".side-wins"), phase === "over" ? String(wins) : dots);
    box.querySelector(".side-wins").setAttribute("aria-label", text("battle.won", { count: wins }));
    this.words[side].write(hidden ? "…" : prompt);
    this.words[side].fit();
    box.querySelector("canvas").setAttribute("aria-label", prompt || text("stage.no_picture"));
    const shown = figure === null ? "" : verdict === "likeness" ? percent(figure / 100) : String(figure);
    write(box.querySelector(".side-figure"), shown);
  }
}



/** What the hall is told in words. @param {BoardState} state */
function say({ phase, asks, sides, winner, leader, votes, turn, target }) {
  const name = (/** @type {Side} */ side) => (sides[side].by ? called(sides[side].by) : side.toUpperCase());
  switch (phase) {
    case "gather": return asks && !(sides.a.by && sides.b.by) ? text("battle.who_plays_phone") : text("battle");
    case "painting": return text("battle.painting");
    case "countdown": return turn ? text("battle.types", { name: name(turn) }) : text(target === "picture" ? "battle.paint_this" : "battle.ready");
    case "typing": return turn ? text("battle.types", { name: name(turn) }) : "";
    case "settling": return text("battle.up");
    case "measuring": return text("battle.comparing");
    case "voting": return text("battle.vote") + (votes ? ` · ${votes}` : "");
    case "judging": return text("battle.hands");
    case "verdict": return winner ? text("battle.wins_round", { name: name(winner) }) : text("battle.tie");
    case "over": return leader ? text("battle.wins", { name: name(leader) }) : text("battle.draw");
    default: return "";
  }
}

/** @param {HTMLElement} element @param {string} words */
function write(element, words) {
  if (element.textContent !== words) element.textContent = words;
}
