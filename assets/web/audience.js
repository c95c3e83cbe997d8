// A phone of the audience: joins, paints, sends. `globalThis.phone` is what tests talk to.

import { phoneLine } from "./line_words.js";
import { Painter } from "./painter.js";
import { PhoneBattle } from "./phone_battle.js";
import { PhoneDoor } from "./phone_door.js";
import { Hall } from "./phone_hall.js";
import { read, write } from "./phone_kept.js";
import { PhoneName } from "./phone_name.js";
import { PhoneSocket } from "./phone_socket.js";
import { fillIn, languageChoice, text } from "./text.js";

const PACE = 180; // ms between two prompts while somebody types
const PATIENCE = 700; // ms that a refused word may yet become another one

/** @template {string} Id @param {Id} name */
const byId = (name) => document.getElementById(name);
const newSeed = () => crypto.getRandomValues(new Uint32Array(1))[0];

export class PhonePage {
  constructor() {
    fillIn();
    for (const place of ["paint", "ask"]) byId(place).append(languageChoice());
    this.sequence = 0;
    this.painted = 0; // the sequence whose finished picture is shown
    this.open = true;
    /** @type {import("./line_words.js").Place} */
    this.line = { what: null };
    /** @type {Status | null} */
    this.status = null;
    /** @type {PhoneSocket | null} */
    this.socket = null; // from the first code on
    /** @type {import("./phone_kept.js").Kept} */
    this.keep = { token: "", prompt: "", seed: 0 }; // of the code
    /** @type {number | null} */
    this.losing = null;
    this.painter = new Painter(byId("picture"), (header) => this.show(header));
    this.hall = new Hall((message) => this.say(message));
    this.name = new PhoneName((message) => this.say(message));
    this.battle = new PhoneBattle((message) => this.say(message), (prompt) => this.play(prompt));
    this.door = new PhoneDoor(new URLSearchParams(location.search).get("code") ?? "", () => this.join());
    this.wire();
    if (this.door.code) this.join();
    else this.door.ask("");
  }

  wire() {
    byId("prompt").addEventListener("input", () => this.typed());
    byId("prompt").addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      byId("prompt").blur(); // and the keyboard goes
    });
    byId("again").addEventListener("click", () => {
      this.keep.seed = newSeed();
      this.typed();
    });
    byId("send").addEventListener("click", () => {
      byId("send").disabled = true;
      this.sending = this.sequence;
      this.tellSend("");
      this.say({ send: this.sequence });
    });
  }

  // The line ---------------------------------------------------------------------------------

  join() {
    this.socket?.end();
    const { code } = this.door;
    this.keep = { token: "", prompt: "", seed: newSeed(), ...read(code) };
    this.socket = new PhoneSocket(code, () => this.keep.token, {
      welcome: (message) => this.welcome(message),
      frame: (header, bytes) => this.painter.offer(header, bytes),
      hall: (message) => this.setHall(message),
      line: (message) => this.setLine(message),
      status: (message) => this.setStatus(message),
      error: (message) => this.refusedPrompt(message.sequence, message.message),
      prompt: (message) => this.refusedPrompt(message.sequence, message.problem),
      name: (message) => this.named(message),
      send: ({ problem }) => this.sent(problem),
      vote: ({ problem }) => this.hall.voted(problem),
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
    this.door.open();
    byId("lost").hidden = true;
    byId("paint").hidden = false;
    byId("number").textContent = number;
    byId("number").setAttribute("aria-label", text("phone.you", { number }));
    document.documentElement.style.setProperty("--mine", colour);
    if (!name && this.keep.name) this.say({ name: this.keep.name }); // the server was started anew
    else this.setName(name);
    if (token !== this.keep.token) this.painter.shown = 0;
    this.keep.token = token;
    this.store();
    this.sending = 0; // it may never have got there; a second time does no harm
    const url = new URL(location.href);
    url.searchParams.set("code", this.door.code);
    history.replaceState(null, "", url);
    if (first && !byId("prompt").value) byId("prompt").value = this.keep.prompt;
    this.forgotten = true; // by the server: what was asked
    this.update();
  }

  /** @param {Refusal} message */
  refused({ message, why }) {
    if (why === "later") {
      this.setState(message);
      if (byId("paint").hidden) this.door.ask(message);
      return;
    }
    this.socket?.end();
    if (why === "code") {
      // The presenter's laptop may come back: whoever was in tries again, whoever was not asks.
      if (byId("paint").hidden) this.door.ask(message);
      else this.retry = setTimeout(() => this.join(), 4000);
      return;
    }
    this.door.close(message, why === "taken");
    byId("paint").hidden = true;
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
    this.say({ prompt: byId("prompt").value, sequence: this.sequence, seed: this.keep.seed });
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
    this.painter.skipTo(this.sequence, 0);
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
    if (this.battle.playing) return "";
    if (!this.open) return text("phone.closed");
    if (this.status?.draining) return text("phone.draining");
    return this.status?.state === "loading" ? text("phone.loading") : phoneLine(this.line);
  }

  /** @param {string} words */
  setState(words) {
    if (byId("state").textContent !== words) byId("state").textContent = words;
  }

  /** @param {NameAnswer} answer */
  named({ name, problem }) {
    if (problem) {
      this.name.refused(problem);
      return;
    }
    this.name.open(false);
    this.setName(name);
  }

  /** @param {string} name */
  setName(name) {
    this.keep.name = name;
    this.store();
    this.name.show(name);
  }

  store() {
    write(this.door.code, this.keep);
  }
}

globalThis.phone = new PhonePage();
