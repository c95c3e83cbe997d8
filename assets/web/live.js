// The live loop in the page: every change of the prompt or a control becomes a request, numbered;
// what comes back is painted. `globalThis.lightning` is what the page's events and tests talk to.

import { EventsLink, SocketLink } from "./link.js";
import { Painter } from "./painter.js";
import { Panel } from "./panel.js";
import { Room } from "./room.js";
import { Waterfall } from "./waterfall.js";
import { markChips, wireChips } from "./words.js";

const MAX_SEED = 2 ** 32 - 1;
const REMEMBERED = 200; // requests and painted frames kept for times, downloads and tests
const PAUSE = 1500; // ms without a change after which a page that submits on Enter asks by itself
const TEXTS = ["prompt", "negative_prompt"];
const NUMBERS = ["num_inference_steps", "guidance_scale", "seed", "width", "height"];

class Lightning {
  constructor(values) {
    this.values = values; // as Gradio last told them: prompt, negative, steps, size, …
    this.request = requestOf(values);
    [this.seedLocked, this.budget] = values.slice(6);
    this.rolled = new Set(); // seeds put into the field by us, so that they are not news
    this.sequence = 0;
    this.sent = new Map(); // sequence -> { request, at, first, final }
    this.painted = [];
    this.paused = false;
    this.panel = new Panel();
    this.waterfall = new Waterfall();
    this.room = new Room((open) => this.link?.watch(open));
    this.painter = new Painter(document.getElementById("canvas"), (header) => this.show(header));
    this.box = document.querySelector("#prompt textarea, #prompt input");
  }

  // Changes ----------------------------------------------------------------------------------

  /** Reads a shared link over the page's own values. */
  readLink() {
    const link = new URLSearchParams(location.search);
    for (const name of TEXTS) if (link.has(name)) this.request[name] = link.get(name);
    for (const name of NUMBERS) {
      const text = link.get(name);
      if (text !== null) this.request[name] = text.trim() && isFinite(text) ? Number(text) : text;
    }
  }

  /** The values of all components, in Gradio's order. */
  componentValues() {
    const r = this.request;
    const size = `${r.width}x${r.height}`;
    return [
      r.prompt, r.negative_prompt, r.num_inference_steps, size, r.guidance_scale, r.seed,
      this.seedLocked, this.budget,
    ];
  }

  wire() {
    this.box.addEventListener("input", (event) => {
      this.change({ prompt: this.box.value }, event.timeStamp);
    });
    // A prompt is one line; Enter has something to submit only where the page submits on Enter.
    this.box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      if (this.unasked) this.submit();
    });
    wireChips(() => this.box.value, (text) => put(this.box, text));
    this.box.focus();
    this.box.setSelectionRange(this.box.value.length, this.box.value.length);
    markChips(this.request.prompt);
    this.markNegative();
  }

  /** Gradio says that a component changed. The prompt's own listener has usually said so before. */
  changed(...values) {
    const known = this.values;
    this.values = values;
    const [prompt, negative, steps, size, guidance, seed, locked, budget] = values;
    const news = {};
    // What the field says now counts: Gradio may be telling of a moment ago.
    if (prompt === this.box.value) news.prompt = prompt;
    if (negative !== known[1]) news.negative_prompt = negative;
    if (steps !== known[2] && steps != null) news.num_inference_steps = steps;
    if (size !== known[3] && size) [news.width, news.height] = size.split("x").map(Number);
    if (guidance !== known[4]) news.guidance_scale = guidance;
    if (seed !== known[5] && !this.rolled.delete(seed)) news.seed = seed;
    this.seedLocked = locked;
    this.budget = budget; // from the next keystroke on; no picture depends on it
    this.change(news, performance.now());
  }

  /** Applies news, if they are any, and asks for the picture. */
  change(news, at) {
    const before = JSON.stringify(this.request);
    Object.assign(this.request, news);
    if (JSON.stringify(this.request) === before) return;
    if (!this.seedLocked && !("seed" in news)) this.putSeed(randomSeed());
    markChips(this.request.prompt);
    this.markNegative();
    if (this.submitOnEnter) this.submitLater();
    else this.submit(at);
  }

  /** Whether pictures are dear here: a change then waits for Enter or for a pause. */
  get submitOnEnter() {
    return Boolean(this.panel.status?.submit_on_enter);
  }

  submitLater() {
    this.unasked = true;
    clearTimeout(this.pauseTimer);
    this.pauseTimer = setTimeout(() => this.submit(), PAUSE);
  }

  submit(at = performance.now()) {
    clearTimeout(this.pauseTimer);
    this.unasked = false;
    if (!this.request.prompt.trim()) {
      this.panel.error({ field: "prompt", message: "The prompt is empty; the last picture stays." });
      return;
    }
    if (this.paused || !this.link) return;
    this.sequence += 1;
    this.sent.set(this.sequence, { request: { ...this.request }, at });
    this.sent.delete(this.sequence - REMEMBERED);
    const { sequence, request, budget } = this;
    this.link.send(JSON.stringify({ sequence, request, budget }));
  }

  // Seeds ------------------------------------------------------------------------------------

  /** The dice: the seed for Gradio's own field. */
  roll() {
    return randomSeed();
  }

  putSeed(seed) {
    this.request.seed = seed;
    if (this.rolled.size > REMEMBERED) this.rolled.clear();
    this.rolled.add(seed);
    put(document.querySelector("#seed input"), String(seed));
  }

  markNegative() {
    const acts = this.request.guidance_scale > 1;
    document.getElementById("negative").classList.toggle("resting", !acts);
  }

  // Answers ----------------------------------------------------------------------------------

  connect(way) {
    const hooks = {
      heard: (message, blob) => this.answer(message, blob),
      state: (state) => this.linkChanged(state),
    };
    const events = () => (this.link = new EventsLink(hooks));
    if (way === "events") events();
    else this.link = new SocketLink(hooks, way === "auto" ? events : null);
  }

  get transport() {
    return this.link?.name;
  }

  /** A hidden component of Gradio's brings a message. */
  hear(value) {
    this.link.hear?.(value);
  }

  /** A hidden button of Gradio's asks what to send. */
  takeMessage() {
    return this.link.takeMessage();
  }

  linkChanged(state) {
    this.panel.online = state === "open";
    this.panel.setLine({ what: null }); // a new connection stands in no line yet
    this.panel.show();
    if (state !== "open") return;
    if (this.room.open) this.link.watch(true);
    this.submit();
  }

  answer(message, blob) {
    if (message.type === "status") this.setStatus(message);
    else if (message.type === "load") this.room.show(message);
    else if (message.type === "frame") this.painter.offer(message, blob);
    else if (message.type === "line") this.panel.setLine(message);
    else if (message.type === "error" && this.isCurrent(message)) {
      this.unasked = this.submitOnEnter; // Enter tries again
      this.panel.error(message);
    }
  }

  /** When another model has taken over, what is asked now is painted again by it. */
  setStatus(status) {
    const before = this.panel.status;
    this.panel.setStatus(status);
    if (!before || before.model === status.model || status.state !== "ready") return;
    this.panel.note(`${status.title} paints from here on.`);
    this.submit();
  }

  isCurrent({ sequence }) {
    return sequence === 0 || sequence === this.sequence;
  }

  /** A frame is on the canvas. */
  show(header) {
    const { sequence, step, final, prompt, seed, model } = header;
    const asked = this.sent.get(sequence);
    const now = performance.now();
    let first = null;
    if (asked) {
      asked.request.seed = seed;
      if (!asked.first) first = asked.first = now - asked.at;
    }
    this.current = asked?.request ?? this.current;
    this.painted.push({ sequence, step, final, prompt, seed, model });
    if (this.painted.length > REMEMBERED) this.painted.shift();
    this.panel.painted(header, first, final && asked ? now - asked.at : null);
    if (asked && final) this.waterfall.finished(header, now - asked.at);
    if (asked && header.draft) this.panel.showDraft(header, asked.request);
    else if (asked) this.panel.showSize(header, asked.request);
  }

  // Actions ----------------------------------------------------------------------------------

  pause() {
    this.paused = !this.paused;
    this.panel.paused = this.paused;
    const button = document.getElementById("pause");
    button.textContent = this.paused ? "Resume" : "Pause";
    button.setAttribute("aria-pressed", String(this.paused));
    this.panel.show();
    if (this.paused) this.link.send('{"pause": true}');
    else this.submit();
  }

  /** Saves the picture that is shown, lossless and with its settings inside. */
  async download() {
    if (!this.current) return;
    const answer = await fetch(new URL("../picture", import.meta.url), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(this.current),
    }).catch(() => null);
    if (!answer?.ok) {
      const problem = await answer?.json().catch(() => null);
      this.panel.note(problem?.detail ?? "The picture could not be saved; try again.", "problem");
      return;
    }
    const anchor = document.createElement("a");
    anchor.href = URL.createObjectURL(await answer.blob());
    anchor.download = fileName(this.current);
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 10_000);
    this.panel.note(`Saved as ${anchor.download}`);
  }

  async copyLink() {
    const url = new URL(location.href);
    const wanted = { ...this.request, seed: this.request.seed ?? this.current?.seed };
    for (const name of [...TEXTS, ...NUMBERS]) {
      const value = wanted[name];
      if (value === "" || value == null) url.searchParams.delete(name);
      else url.searchParams.set(name, value);
    }
    history.replaceState(history.state, "", url);
    this.panel.note((await copy(url.href)) ? "Link copied" : "The link is in the address bar");
  }
}

// Helpers --------------------------------------------------------------------------------------

function requestOf([prompt, negative_prompt, num_inference_steps, size, guidance_scale, seed]) {
  const [width, height] = size.split("x").map(Number);
  return { prompt, negative_prompt, num_inference_steps, guidance_scale, seed, width, height };
}

function randomSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0] % (MAX_SEED + 1);
}

/** Puts a value into a field as if it had been typed. */
function put(field, value) {
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

function fileName({ prompt, seed }) {
  const words = prompt.normalize("NFKD").toLowerCase().match(/[a-z0-9]+/g) ?? [];
  return `${words.join("-").slice(0, 60) || "picture"}-${seed}.png`;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text); // only where the page is served securely
    return true;
  } catch {
    const field = Object.assign(document.createElement("textarea"), { value: text });
    document.body.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    return copied;
  }
}

/** Called once by the page's load event with all components' values; returns what they shall be. */
export function start(...values) {
  const lightning = new Lightning(values);
  globalThis.lightning = lightning;
  lightning.readLink();
  lightning.wire();
  const { transport } = JSON.parse(document.getElementById("config").dataset.config);
  lightning.connect(transport);
  lightning.values = lightning.componentValues();
  return lightning.values;
}
