// The presenter's desk: says what the wall shall show, all of it each time, and shows what it does.

import { Autotype } from "./autotype.js";
import { DeskAudience } from "./desk_audience.js";
import { DeskBattle } from "./desk_battle.js";
import { DeskWall } from "./desk_wall.js";
import { DESK_LETTERS, PAGES, writes } from "./keys.js";
import { Script } from "./script.js";
import { listed, parts, text } from "./text.js";
import { Timer } from "./timer.js";
import { openOnOtherScreen } from "./wall_window.js";

const KEPT = "lightning-desk"; // in this tab's storage: a page that is loaded again goes on
/** @type {Look} */
const LOOK = { caption: "beside", crossfade: true, surround: true, figures: false, previews: true };
const CHECKS = /** @type {const} */ (["crossfade", "surround", "figures", "previews"]);

/** What the presenter switches. @typedef {"blank" | "frozen"} Switch */

/** @template {string} Name @param {Name} name */
const byId = (name) => document.getElementById(`desk-${name}`);

export class Desk {
  /** @param {import("./live.js").Lightning} lightning  the page's live loop */
  constructor(lightning) {
    this.lightning = lightning;
    this.panel = document.getElementById("desk");
    // Gradio would rewrite its rules, and every page would have them.
    const style = { rel: "stylesheet", href: new URL("desk.css", import.meta.url) };
    document.head.append(Object.assign(document.createElement("link"), style));
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
    this.state = { code: "", token: "", frozen: false, blank: false, big: false, ...kept };
    this.state.look = { ...LOOK, ...kept.look };
    this.presenting = false; // whether the server has said so, on this connection
    /** @type {string[]} */
    this.addresses = []; // of this server, for other computers
    this.taken = false; // by another tab: this one does not take it back by itself
    this.wall = new DeskWall();
    const write = (/** @type {string} */ line) => lightning.controls.set("prompt", line);
    this.autotype = new Autotype(write, (typing) => this.showTyping(typing));
    this.script = new Script((line, slowly) => this.perform(line, slowly));
    this.timer = new Timer();
    this.audience = byId("audience") ? new DeskAudience(this, kept.audience) : null;
    this.battle = new DeskBattle(this, kept.battle);
    this.wire();
    this.show();
    if (kept.open) this.panel.open = true;
    this.connected();
  }

  wire() {
    this.panel.addEventListener("toggle", () => {
      this.keep();
      this.connected();
    });
    const actions = {
      blank: () => this.toggle("blank"),
      freeze: () => this.toggle("frozen"),
      open: () => this.openWall(),
      here: () => this.say(),
      previous: () => this.script.step(-1),
      next: () => this.script.step(1),
      type: () => (this.autotype.running ? this.autotype.stop() : this.script.type()),
      load: () => this.script.choose(),
    };
    for (const [name, action] of Object.entries(actions)) byId(name).addEventListener("click", action);
    byId("login").addEventListener("submit", (event) => {
      event.preventDefault();
      this.say({ password: byId("password").value });
      byId("password").value = "";
    });
    byId("words").addEventListener("change", () => this.setLook("caption", byId("words").value));
    for (const name of CHECKS) {
      byId(name).addEventListener("change", () => this.setLook(name, byId(name).checked));
    }
    byId("big").addEventListener("change", () => {
      this.state.big = byId("big").checked;
      this.show();
    });
    document.addEventListener("keydown", (event) => this.key(event), { capture: true });
    document.addEventListener("pointerdown", ({ target, isTrusted }) => {
      if (isTrusted && /** @type {Element} */ (target).closest?.("#prompt")) this.autotype.stop();
    });
  }

  // The line ---------------------------------------------------------------------------------

  /** Called when there is a line to the server, and when the desk is opened. */
  connected() {
    const { transport } = this.lightning;
    if (!this.panel.open || this.taken) return;
    if (transport.name === "socket") this.say();
    else this.problem(text("desk.only_socket"));
  }

  lost() {
    this.presenting = false;
    this.show();
  }

  /** Says what this tab wants of its wall. @param {object} more */
  say(more = {}) {
    const { lightning, state } = this;
    const { code, token, frozen, blank, look } = state;
    const empty = !lightning.request.prompt.trim();
    const present = { code, token, frozen, blank, look, empty, ...this.audience?.wish(), battle: this.battle.wish(), ...more };
    lightning.transport.send(JSON.stringify({ sequence: lightning.sequence, present }));
  }

  /** The prompt's box was emptied, which asks for no picture. */
  emptied() {
    if (this.presenting) this.say();
  }

  /** Takes a message that is the desk's, or nobody's. @param {DeskMessage} message */
  hear(message) {
    if (message.type === "wall") this.told(message);
    else if (message.type === "battle") this.battle.told(message);
    else if (message.type === "target") this.battle.picture(message);
    else if (message.type === "tray") this.audience?.told(message);
    else if (message.type.startsWith("thumbnail")) this.audience?.picture(message);
  }

  /** The server's answer: how the wall is, or why there is none. @param {WallAnswer} answer */
  told({ problem, needs, code, token, screens, addresses }) {
    this.problem(needs === "password" && problem === text("said.ask_password") ? "" : problem);
    byId("login").hidden = needs !== "password";
    this.taken = needs === "taken";
    byId("here").hidden = !this.taken;
    if (problem) {
      this.presenting = false;
      if (needs === "password" && !byId("login").contains(document.activeElement)) {
        byId("password").focus();
      }
    } else {
      const first = !this.presenting;
      Object.assign(this.state, { code, token });
      this.addresses = addresses;
      this.presenting = true;
      this.wall.follow(code);
      this.showScreens(screens.filter((screen) => !screen.desk));
      if (first) this.lightning.submit(); // what stands here already is for the wall, too
    }
    this.show();
  }

  // What the presenter does ------------------------------------------------------------------

  /** @param {Switch} name */
  toggle(name) {
    this.state[name] = !this.state[name];
    this.say();
    this.show();
  }

  /** @param {keyof Look} name @param {string | boolean} value */
  setLook(name, value) {
    this.state.look[name] = value;
    this.say();
    this.show();
  }

  /** @param {string} line @param {boolean} slowly */
  perform(line, slowly) {
    this.autotype.stop();
    if (slowly) this.autotype.type(line);
    else this.lightning.controls.set("prompt", line);
  }

  /** Presenter remotes are keyboards; letters are commands only where nobody writes. @param {KeyboardEvent} event */
  key(event) {
    if (!event.isTrusted) return;
    this.autotype.stop();
    if (!this.presenting || event.ctrlKey || event.metaKey) return;
    const letter = event.altKey ? event.code : writes(event.target) ? "" : event.key.toLowerCase();
    const command = PAGES[event.key] ?? DESK_LETTERS[letter];
    if (!command) return;
    event.preventDefault();
    if (event.repeat) return;
    if (typeof command === "number") this.script.step(command);
    else this.toggle(command);
  }

  async openWall() {
    const url = new URL("../stage", import.meta.url);
    url.searchParams.set("code", this.state.code);
    if (!(await openOnOtherScreen(url))) {
      this.problem(text("desk.no_window", { url: url.href }));
    }
  }

  // What is shown ----------------------------------------------------------------------------

  /** @param {string} words */
  problem(words) {
    byId("problem").textContent = words;
  }

  show() {
    const { state, presenting } = this;
    byId("on").hidden = !state.code || this.taken;
    this.wall.say(state, presenting);
    byId("blank").setAttribute("aria-pressed", String(state.blank));
    byId("freeze").setAttribute("aria-pressed", String(state.frozen));
    byId("code").textContent = state.code;
    this.showAddress();
    byId("words").value = state.look.caption;
    for (const name of CHECKS) byId(name).checked = state.look[name];
    byId("big").checked = state.big;
    document.documentElement.classList.toggle("desk-big", state.big && this.panel.open);
    this.keep();
  }

  /** Where another computer finds the wall: not under a name that means each computer itself. */
  showAddress() {
    const { host, hostname, pathname } = new URL("../stage", import.meta.url);
    const here = /^(localhost|127\.|\[::1\])/.test(hostname);
    const [first, ...others] = here ? this.addresses.map((url) => new URL(url).host) : [host];
    byId("address").title = others.length ? text("desk.or", { addresses: listed(others.map((name) => name + pathname)) }) : "";
    const option = Object.assign(document.createElement("b"), { textContent: "--host 0.0.0.0" });
    const words = first ? [text("desk.address", { address: first + pathname })] : parts("desk.hidden", { option });
    byId("address").replaceChildren(...words);
  }

  /** @param {Box[]} screens */
  showScreens(screens) {
    const sizes = screens.map(({ width, height }) => (width ? `${width} × ${height}` : text("desk.no_size")));
    const some = listed(sizes.slice(0, 3)) + (sizes.length > 3 ? " …" : "");
    byId("screens").textContent = sizes.length ? text("desk.screens", { count: sizes.length, sizes: some }) : text("desk.no_screen");
  }

  /** @param {boolean} typing */
  showTyping(typing) {
    byId("type").textContent = text(typing ? "desk.stop" : "desk.type");
    byId("type").setAttribute("aria-pressed", String(typing));
  }

  keep() {
    const kept = { ...this.state, open: this.panel.open, audience: this.audience?.hall, battle: this.battle?.plan };
    sessionStorage.setItem(KEPT, JSON.stringify(kept));
  }
}
