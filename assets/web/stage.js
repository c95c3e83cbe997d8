// The wall: shows what its presenter lets a hall see. `globalThis.wall` is what tests talk to.

import { Board } from "./battle_board.js";
import { Caption } from "./caption.js";
import { credit } from "./credit.js";
import { Follower } from "./follower.js";
import { Invitation } from "./invitation.js";
import { milliseconds } from "./numbers.js";
import { fillIn, languageChoice, text } from "./text.js";
import { WallPainter } from "./wall_painter.js";

const IDLE = 2500; // ms after which the cursor is hidden
const TELL_LOST = 3000; // ms without a line before a hall is told; most are over by then
const CODE_LENGTH = 4;

/** @template {string} Id @param {Id} name */
const byId = (name) => document.getElementById(name);

export class Wall {
  constructor() {
    this.code = normal(new URLSearchParams(location.search).get("code") ?? "");
    fillIn();
    byId("ask").append(languageChoice());
    /** @type {number | null} */
    this.losing = null;
    /** @type {Scene | null} */
    this.scene = null;
    /** @type {FrameHeader | null} */
    this.painted = null; // header of the picture that is shown
    this.painter = new WallPainter(byId("picture"), byId("surround"), (header) => this.show(header));
    this.caption = new Caption(byId("caption"));
    this.invitation = new Invitation(byId("invitation"));
    /** @type {Follower | null} */
    this.follower = null; // from the first code on
    /** @type {Board | null} */
    this.board = null; // of battles, from the first one on
    this.keepAwake();
    this.hideCursor();
    byId("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      this.enter();
    });
    byId("code").addEventListener("input", () => {
      byId("problem").textContent = "";
      if (normal(byId("code").value).length === CODE_LENGTH) this.enter();
    });
    if (this.code) this.follow();
    else this.ask("");
  }

  // The line ---------------------------------------------------------------------------------

  follow() {
    this.follower?.end();
    this.follower = new Follower(() => ({ code: this.code, size: ownSize() }), {
      scene: (scene) => this.setScene(scene),
      invitation: (message) => this.invitation.show(message),
      frame: (header, bytes) => this.offer(header, bytes),
      refused: (message) => this.refused(message),
      lost: () => this.lost(),
    });
  }

  lost() {
    this.losing ??= setTimeout(() => (byId("lost").hidden = !this.scene), TELL_LOST);
  }

  found() {
    clearTimeout(this.losing ?? undefined);
    this.losing = null;
    byId("lost").hidden = true;
  }

  /**
   * One that has been on a wall waits for its presenter; a new one asks for another code.
   * @param {Refusal} refusal
   */
  refused({ message, unknown }) {
    if (this.scene) return;
    if (unknown) this.follower?.end();
    this.ask(message);
  }

  /** @param {string} problem */
  ask(problem) {
    byId("ask").hidden = false;
    byId("problem").textContent = problem;
    byId("code").value = this.code;
    byId("code").focus();
    byId("code").select();
  }

  enter() {
    this.code = normal(byId("code").value);
    if (this.code.length === CODE_LENGTH) this.follow();
    else byId("problem").textContent = text("code.length", { length: CODE_LENGTH });
  }

  // What is seen -----------------------------------------------------------------------------

  /** @param {FrameHeader} header @param {Uint8Array<ArrayBuffer>} bytes */
  offer(header, bytes) {
    if (header.place) this.battle().offer(header, bytes);
    else this.painter.offer(header, bytes);
  }

  battle() {
    return (this.board ??= new Board(byId("battle")));
  }

  /** @param {Scene} scene */
  async setScene(scene) {
    if (!this.scene) this.begin();
    this.scene = scene;
    this.found();
    const { look } = scene;
    // At once; and what has been taken off the wall goes at once, too.
    const empty = !scene.picture && !scene.battle && Boolean(this.painted);
    const nothing = scene.blank || empty;
    if (nothing) byId("blank").hidden = false;
    this.painter.fade = look.crossfade;
    document.body.classList.toggle("plain", !look.surround);
    document.body.dataset.caption = look.caption;
    document.body.classList.toggle("sent", scene.sent); // nobody types it
    this.caption.write(nothing && !scene.blank ? (scene.prompt ?? "") : scene.prompt);
    this.caption.fit();
    this.showFigures();
    this.showCredit();
    if (!scene.blank) this.showBattle(scene.battle, look);
    if (nothing) return;
    await (scene.battle ? this.battle() : this.painter).settled(); // what comes with the return is there when the curtain goes up
    if (this.scene === scene) byId("blank").hidden = true;
  }

  /** @param {BoardState | null} battle @param {Look} look */
  showBattle(battle, look) {
    byId("battle").hidden = !battle;
    document.body.classList.toggle("fighting", Boolean(battle));
    document.body.classList.toggle("gathering", battle?.phase === "gather");
    if (battle) this.battle().show(battle, look);
    else this.board?.clear();
  }

  begin() {
    byId("ask").hidden = true;
    byId("wall").hidden = false;
    byId("waiting").hidden = Boolean(this.painted);
    byId("hint").hidden = !document.fullscreenEnabled;
    const url = new URL(location.href);
    url.searchParams.set("code", this.code); // so that loading again is enough
    history.replaceState(null, "", url);
    document.title = text("stage.title_code", { code: this.code });
  }

  /** @param {FrameHeader} header */
  show(header) {
    this.painted = header;
    byId("waiting").hidden = true;
    byId("picture").setAttribute("aria-label", this.scene?.prompt ?? "");
    this.showFigures();
  }

  showFigures() {
    const { painted, scene } = this;
    const shown = painted && scene?.look.figures;
    byId("figures").hidden = !shown;
    if (!shown) return;
    const { num_inference_steps: steps, step, final, timings, cached } = painted;
    const done = final || step === steps ? steps : text("stage.of", { step, steps });
    const time = cached ? text("stage.memory") : milliseconds(timings.total ?? 0);
    byId("figures").textContent = text("stage.steps", { time, done, count: steps });
  }

  /** Who has painted it, and how many like it. */
  showCredit() {
    const { by = null, votes = null } = this.scene ?? {};
    byId("credit").hidden = !by && votes === null;
    const hearts = votes === null ? [] : [Object.assign(document.createElement("b"), { textContent: `♥ ${votes}` })];
    byId("credit").replaceChildren(...(by ? [credit(by)] : []), ...hearts);
  }

  // The screen -------------------------------------------------------------------------------

  /** Browsers let go of the lock whenever the page is hidden, and have none on plain http. */
  keepAwake() {
    const lock = () => {
      if (!document.hidden) navigator.wakeLock?.request("screen").catch(() => {});
    };
    document.addEventListener("visibilitychange", lock);
    lock();
  }

  hideCursor() {
    const moved = () => {
      document.body.classList.remove("idle");
      clearTimeout(this.idle);
      this.idle = setTimeout(() => document.body.classList.add("idle"), IDLE);
    };
    addEventListener("pointermove", moved);
    moved();
    const toggle = () => {
      if (document.fullscreenElement) document.exitFullscreen();
      else document.documentElement.requestFullscreen?.().catch(() => {});
    };
    addEventListener("dblclick", () => byId("ask").hidden && toggle());
    addEventListener("keydown", (event) => {
      if (event.target === byId("code")) return;
      if (event.key.toLowerCase() === "f") toggle();
      else passOn(event);
    });
  }
}

/**
 * A presenter's remote is heard by whichever window was clicked last: the desk gets its keys.
 * @param {KeyboardEvent} event
 */
function passOn(event) {
  try {
    globalThis.opener?.lightning?.desk?.key(event);
  } catch {
    // it is another site's page by now
  }
}

/** @param {string} code */
const normal = (code) => code.toUpperCase().replace(/\s+/g, "");

function ownSize() {
  const ratio = globalThis.devicePixelRatio || 1;
  return [innerWidth, innerHeight].map((side) => Math.round(side * ratio)).join("x");
}

globalThis.wall = new Wall();
