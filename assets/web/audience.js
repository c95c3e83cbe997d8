// A phone of the audience: joins, paints, sends. `globalThis.phone` is what tests talk to.

import { Painter } from "./painter.js";
import { PhoneBattle } from "./phone_battle.js";
import { PhoneSocket } from "./phone_socket.js";
import { Hall } from "./phone_hall.js";
import { fillIn, languageChoice, text } from "./text.js";

const PACE = 180; // ms between two prompts while somebody types
const PATIENCE = 700; // ms that a refused word may yet become another one
const CODE_LENGTH = 4;
const KEPT = "lightning-audience"; // by code: token, prompt and seed

/** What a phone keeps of itself. @typedef {{ token: string, prompt: string, seed: number, name?: string }} Kept */

/** @template {string} Id @param {Id} name */
const byId = (name) => document.getElementById(name);
/** @param {string} code */
const normal = (code) => code.toUpperCase().replace(/\s+/g, "");
const newSeed = () => crypto.getRandomValues(new Uint32Array(1))[0];

export class PhonePage {
  constructor() {
    this.code = normal(new URLSearchParams(location.search).get("code") ?? "");
    fillIn();
    for (const place of ["paint", "ask"]) byId(place).append(languageChoice());
    this.sequence = 0;
    this.painted = 0; // the sequence whose finished picture is shown
    this.open = true;
    /** @type {Pick<Line, "what"> & Partial<Line>} */
    this.line = { what: null };
    /** @type {Status | null} */
    this.status = null;
    /** @type {PhoneSocket | null} */
    this.socket = null; // from the first code on
    /** @type {Kept} */
    this.keep = { token: "", prompt: "", seed: 0 }; // of the code
    this.seed = 0;
    /** @type {number | null} */
    this.losing = null;
    this.painter = new Painter(byId("picture"), (header) => this.show(header));
    this.hall = new Hall((message) => this.say(message));
    this.battle = new PhoneBattle((message) => this.say(message), (prompt) => this.play(prompt));
    this.wire();
    if (this.code) this.join();
    else this.ask("");
  }

  wire() {
    byId("prompt").addEventListener("input", () => this.typed());
    byId("prompt").addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      byId("prompt").blur(); // and the keyboard goes
    });
    byId("again").addEventListener("click", () => {
      this.seed = newSeed();
      this.typed();
    });
    byId("send").addEventListener("click", () => {
      byId("send").disabled = true;
      this.sending = this.sequence;
      this.tellSend("");
      this.say({ send: this.sequence });
    });
    byId("rename").addEventListener("click", () => this.openNaming(Boolean(byId("naming").hidden)));
    byId("naming").addEventListener("submit", (event) => {
      event.preventDefault();
      this.say({ name: byId("new-name").value });
    });
    byId("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      this.code = normal(byId("code").value);
      if (this.code.length === CODE_LENGTH) this.join();
      else byId("code-problem").textContent = text("code.length", { length: CODE_LENGTH });
    });
    byId("back").addEventListener("click", () => this.join());
  }

  // The line ---------------------------------------------------------------------------------

  join() {
    this.socket?.end();
    this.keep = { token: "", prompt: "", seed: newSeed(), ...read(this.code) };
    this.seed = this.keep.seed;
    this.socket = new PhoneSocket(this.code, () => this.keep.token, {
      welcome: (message) => this.welcome(message),
      frame: (header, bytes) => this.painter.offer(header, bytes),
      hall: (message) => this.setHall(message),
      line: (message) => this.setLine(message),
      status: (message) => this.setStatus(message),
      error: (message) => this.refusedPrompt(message.sequence, message.message),
      prompt: (message) => this.refusedPrompt(message.sequence, message.problem),
      name: (message) => this.named(message),
      send: ({ problem }) => this.sent(problem),
      vote: ({ problem }) => this.hall.refused(problem),
      target: (message) => this.battle.picture(message),
      refused: (message) => this.refused(message),
      lost: () => (this.losing ??= setTimeout(() => (byId("lost").hidden = false), 1500)),
    });
  }

  /** @param {PhoneWelcome} message */
  welcome({ token, number, colour, name }) {
    clearTimeout(this.losing ?? undefined);
    this.losing = null;
    const first = byId("paint").hidden;
    for (const part of ["ask", "over", "lost"]) byId(part).hidden = true;
    byId("paint").hidden = false;
    byId("number").textContent = number;
    byId("number").setAttribute("aria-label", text("phone.you", { number }));
    document.documentElement.style.setProperty("--mine", colour);
    if (!name && this.keep.name) this.say({ name: this.keep.name }); // the server was started anew
    else this.named({ name, problem: "" });
    if (token !== this.keep.token) this.painter.shown = 0;
    this.keep.token = token;
    this.store();
    const url = new URL(location.href);
    url.searchParams.set("code", this.code);
    history.replaceState(null, "", url);
    if (first && !byId("prompt").value) byId("prompt").value = this.keep.prompt;
    this.forgotten = true; // by the server: what was asked
    this.update();
  }

  /** @param {Refusal} message */
  refused({ message, why }) {
    if (why === "later") {
      this.setState(message);
      if (byId("paint").hidden) this.ask(message);
      return;
    }
    this.socket?.end();
    if (why === "code") {
      // The presenter's laptop may come back: whoever was in tries again, whoever was not asks.
      if (byId("paint").hidden) this.ask(message);
      else this.retry = setTimeout(() => this.join(), 4000);
      return;
    }
    byId("over-words").textContent = message;
    byId("over").hidden = false;
    byId("paint").hidden = true;
    byId("back").hidden = why !== "taken";
  }

  /** @param {string} problem */
  ask(problem) {
    byId("ask").hidden = false;
    byId("code-problem").textContent = problem;
    if (this.code) byId("code").value = this.code;
  }

  /** @param {object} message */
  say(message) {
    this.socket?.send(JSON.stringify(message));
  }

  // Painting ---------------------------------------------------------------------------------

  typed() {
    if (!this.battle.playing) {
      this.keep.prompt = byId("prompt").value;
      this.store();
    }
    this.tellPrompt("");
    this.tellSend("");
    this.sequence += 1; // what is shown is of other words from now on
    this.update();
    if (this.pacing) return;
    this.submit();
    this.asked = this.sequence;
    this.pacing = setTimeout(() => {
      this.pacing = null;
      if (this.asked !== this.sequence) this.submit();
    }, PACE);
  }

  submit() {
    if (!this.sequence) this.sequence = 1;
    this.say({ prompt: byId("prompt").value, sequence: this.sequence, seed: this.seed });
  }

  /** @param {FrameHeader} header */
  show(header) {
    if (header.final) this.painted = header.sequence;
    byId("empty").hidden = true;
    byId("picture").setAttribute("aria-label", text("phone.picture", { prompt: byId("prompt").value }));
    this.update();
  }

  /** @param {number} sequence @param {string} problem */
  refusedPrompt(sequence, problem) {
    if (sequence && sequence !== this.sequence) return;
    clearTimeout(this.doubt);
    this.doubt = setTimeout(() => sequence && sequence !== this.sequence || this.tellPrompt(problem), PATIENCE);
  }

  /** @param {string} problem */
  tellPrompt(problem) {
    clearTimeout(this.doubt);
    byId("prompt-problem").textContent = problem;
    byId("prompt").setAttribute("aria-invalid", String(Boolean(problem)));
  }

  /** @param {string} problem */
  sent(problem) {
    if (problem) this.sending = 0;
    this.tellSend(problem || text("phone.has_it"), !problem);
    this.update();
  }

  /** @param {string} words */
  tellSend(words, good = false) {
    byId("send-problem").textContent = words;
    byId("send-problem").classList.toggle("good", good);
  }

  // What is shown ----------------------------------------------------------------------------

  /** @param {HallState} message */
  setHall(message) {
    const opens = !this.open && message.open;
    this.open = message.open;
    this.hall.show(message);
    const { types } = this.battle;
    this.battle.show(message.battle);
    if ((opens || this.forgotten) && byId("prompt").value.trim()) this.submit();
    this.forgotten = false;
    this.update();
    if (!types && this.battle.types) byId("prompt").focus();
  }

  /** A round of this phone's own begins, or goes on where the page was loaded again. @param {string} prompt */
  play(prompt) {
    this.sequence += 1;
    this.painter.clear();
    byId("prompt").value = prompt;
    byId("empty").hidden = false;
    this.tellPrompt("");
  }

  /** @param {Line} message */
  setLine(message) {
    this.line = message;
    this.update();
  }

  /** @param {Status} message */
  setStatus(message) {
    this.status = message;
    this.update();
  }

  update() {
    const ready = this.painted === this.sequence && Boolean(byId("prompt").value.trim());
    const { playing, types } = this.battle;
    byId("send").disabled = !(ready && this.open && this.sending !== this.sequence);
    byId("again").disabled = !this.open;
    byId("prompt").disabled = !this.open || (playing && !types);
    this.setState(this.words());
  }

  /** The state in a few words; none while all is as one would think. */
  words() {
    const { what, ahead, seconds } = this.line;
    if (this.battle.playing) return "";
    if (!this.open) return text("phone.closed");
    if (this.status?.draining) return text("phone.draining");
    if (this.status?.state === "loading") return text("phone.loading");
    const timed = (/** @type {string} */ words) => (seconds == null ? words : text("about", { words, time: about(seconds) }));
    if (what === "seat") return timed(ahead ? text("phone.line", { count: ahead }) : text("phone.next"));
    if (what === "picture") return timed(text("phone.soon"));
    return "";
  }

  /** @param {string} words */
  setState(words) {
    if (byId("state").textContent !== words) byId("state").textContent = words;
  }

  /** @param {boolean} open */
  openNaming(open) {
    byId("naming").hidden = !open;
    byId("rename").setAttribute("aria-expanded", String(open));
    byId("name-problem").textContent = "";
    if (open) byId("new-name").focus();
  }

  /** @param {NameAnswer} answer */
  named({ name, problem }) {
    byId("name-problem").textContent = problem;
    if (problem) return;
    this.keep.name = name;
    this.store();
    byId("name").textContent = name;
    byId("rename").textContent = text(name ? "phone.change_name" : "phone.add_name");
    byId("new-name").value = name;
    this.openNaming(false);
  }

  store() {
    const { token, prompt, name } = this.keep;
    try {
      localStorage.setItem(`${KEPT}-${this.code}`, JSON.stringify({ token, prompt, name, seed: this.seed }));
    } catch {
      // it is known for as long as the page is open
    }
  }
}

/** @param {string} code @returns {Partial<Kept>} */
function read(code) {
  try {
    return JSON.parse(localStorage.getItem(`${KEPT}-${code}`) ?? "{}");
  } catch {
    return {};
  }
}

/** @param {number} seconds */
const about = (seconds) =>
  seconds < 60 ? text("seconds", { count: seconds }) : text("minutes", { count: Math.ceil(seconds / 60) });

globalThis.phone = new PhonePage();
