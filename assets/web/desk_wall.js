// What the wall shows now, small: the desk follows it as every screen does.

import { Board } from "./battle_board.js";
import { Follower } from "./follower.js";
import { Painter } from "./painter.js";
import { text } from "./text.js";

const EVERY = 200; // ms between pictures: the presenter's own picture comes first

/** @template {string} Name @param {Name} name */
const byId = (name) => document.getElementById(`desk-${name}`);

export class DeskWall {
  constructor() {
    /** @type {Painter | null} */
    this.painter = null;
    /** @type {Board | null} */
    this.board = null; // of battles, from the first one on
    /** @type {string | null} */
    this.code = null;
  }

  /** Follows the wall of a code, if it does not yet. @param {string} code */
  follow(code) {
    if (code === this.code) return;
    this.code = code;
    this.painter ??= new Painter(byId("picture"), () => {});
    this.follower?.end();
    this.follower = new Follower(() => ({ code, desk: "1" }), {
      scene: (scene) => this.show(scene),
      frame: (header, bytes) => this.paint(header, bytes),
      refused: () => {},
      lost: () => {},
    }, EVERY);
  }

  /** @param {FrameHeader} header @param {Uint8Array<ArrayBuffer>} bytes */
  paint(header, bytes) {
    if (header.place) {
      this.battle().offer(header, bytes);
      return;
    }
    if (!this.painter) return;
    this.painter.shown = -1; // the server says what is newest
    this.painter.offer({ ...header, sequence: 0 }, bytes);
  }

  battle() {
    if (!this.board) {
      const box = Object.assign(document.createElement("div"), { id: "desk-battle-fight", hidden: true });
      byId("caption").after(box);
      const style = { rel: "stylesheet", href: new URL("battle_board.css", import.meta.url) };
      document.head.append(Object.assign(document.createElement("link"), style));
      this.board = new Board(box, 7);
    }
    return this.board;
  }

  /** @param {Scene} scene */
  show({ blank, prompt, battle, look }) {
    byId("wall").dataset.blank = String(blank);
    byId("wall").classList.toggle("fighting", Boolean(battle));
    if (battle || this.board) byId("battle-fight")?.toggleAttribute("hidden", !battle);
    if (battle) {
      this.battle().show(battle, look);
      byId("battle-fight").hidden = false;
    }
    if (prompt !== null && byId("caption").textContent !== prompt) byId("caption").textContent = prompt;
    byId("caption").scrollTop = byId("caption").scrollHeight;
  }

  /** The state in a word. @param {{ blank: boolean, frozen: boolean }} state @param {boolean} presenting */
  say({ blank, frozen }, presenting) {
    const state = !presenting ? "offline" : blank ? "blank" : frozen ? "frozen" : "live";
    const words = text(`desk.wall.${state}`);
    byId("wall").dataset.state = state;
    if (byId("state").textContent !== words) byId("state").textContent = words;
  }
}
