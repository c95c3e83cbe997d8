// The live loop in the page: every change of the prompt or a control becomes a request, numbered;
// what comes back is painted. `globalThis.lightning` is what the page's events and tests talk to.

import { Actions } from "./actions.js";
import { guesses } from "./completion.js";
import { Controls } from "./controls.js";
import { Drawer } from "./drawer.js";
import { Ghost } from "./ghost.js";
import { Keys } from "./keys.js";
import { ofLink } from "./link.js";
import { MetricsPanel } from "./metrics_panel.js";
import { Painter } from "./painter.js";
import { Panel } from "./panel.js";
import { PromptTools } from "./prompt_tools.js";
import { Recalled } from "./recalled.js";
import { told } from "./said.js";
import { text } from "./text.js";
import { Timeline } from "./timeline.js";
import { wayTo } from "./transport.js";
import { Waterfall } from "./waterfall.js";
import { markChips, wireChips } from "./words.js";

const REMEMBERED = 200; // requests and painted frames kept for times, downloads and tests
const PAUSE = 1500; // ms without a change after which a page that submits on Enter asks by itself

export class Lightning {
  /** @param {PageConfig} config  what the server says of the page, as ui/page.py writes it */
  constructor(config) {
    this.maxSeed = config.max_seed;
    this.paintsAhead = config.ahead;
    this.completions = config.completions;
    this.controls = new Controls(config.controls, (name, at) => this.changed(name, at));
    /** @type {Asked} */
    this.request = this.controls.request();
    /** @type {Asked | null} the request whose picture is on the canvas */
    this.current = null;
    const write = (/** @type {string} */ prompt) => this.controls.set("prompt", prompt);
    this.ghost = new Ghost(this.controls.field("prompt"), write);
    this.sequence = 0;
    /** @type {Map<number, { request: Asked, at: number, first?: number }>} */
    this.sent = new Map(); // sequence -> { request, at, first, final }
    /** @type {Partial<FrameHeader>[]} */
    this.painted = [];
    this.paused = false;
    this.empty = false; // whether the page says that the prompt is
    this.settled = 0; // the newest sequence that has its picture, or an error
    this.playing = false; // whether nobody is here, and the page plays by itself
    /** @type {import("./desk.js").Desk | null} the presenter's desk, where the page has one */
    this.desk = null;
    /** @type {import("./kiosk.js").Kiosk | null} begins anew, where that is asked for */
    this.kiosk = null;
    /** @type {import("./attract.js").Attract | null} plays while nobody is here, where that is asked for */
    this.attract = null;
    /** @type {import("./compare.js").Compare | null} the dialog that compares, once it was opened */
    this.comparison = null;
    /** @type {import("./batch.js").Batch | null} the dialog that paints a list, once it was opened */
    this.batch = null;
    this.drawer = new Drawer();
    this.panel = new Panel(this.controls, (element) => this.drawer.reveal(element));
    this.waterfall = new Waterfall();
    const engineRoom = document.getElementById("metrics-panel"); // a kiosk has none
    this.metrics = engineRoom && new MetricsPanel((open) => this.transport.watch(open));
    this.painter = new Painter(
      document.getElementById("canvas"),
      (header) => this.show(header),
      (header) => this.cannotShow(header),
    );
    this.styles = config.styles;
    this.compared = config.compared; // whether compare has another server's pictures, too
    this.tools = new PromptTools(this, config);
    this.timeline = document.getElementById("timeline") && new Timeline(this); // nor this one
    this.keys = document.getElementById("keys") && new Keys(); // nor this one
    this.actions = new Actions(this);
    this.recalled = new Recalled(this);
    this.readLink();
    this.wire();
    /** @type {TransportHooks} */
    const hooks = {
      received: (message, bytes) => this.receive(told(message), bytes),
      state: (state) => this.connectionChanged(state),
    };
    this.transport = wayTo(config.transport, hooks, (other) => (this.transport = other));
  }

  // Changes ----------------------------------------------------------------------------------

  /** Reads a shared link over the page's own values. */
  readLink() {
    Object.assign(this.request, ofLink(location.search, this.request));
    this.controls.show(this.request);
  }

  wire() {
    const prompt = this.controls.field("prompt");
    // A prompt is one line; Enter has something to submit only where the page submits on Enter.
    prompt.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      if (this.unasked) this.submit();
    });
    wireChips(() => prompt.value, (prompt) => this.controls.set("prompt", prompt));
    prompt.focus();
    prompt.setSelectionRange(prompt.value.length, prompt.value.length);
    this.mark();
  }

  /**
   * A control may say something new; if it does, asks for the picture before all else.
   * @param {string} name
   * @param {number} at
   */
  changed(name, at) {
    const before = JSON.stringify(this.request);
    Object.assign(this.request, this.controls.fields(name));
    if (JSON.stringify(this.request) === before) return;
    this.timeline?.stop();
    const roll = name !== "seed" && !this.seedLocked && !this.playing;
    if (roll) this.request.seed = this.randomSeed();
    if (this.submitOnEnter) this.submitLater();
    else this.submit(at);
    if (roll) this.controls.set("seed", this.request.seed);
    this.mark();
  }

  get seedLocked() {
    return this.controls.value("seed_lock");
  }

  /** ms; a change of it asks for no picture, and counts from the next keystroke on. */
  get budget() {
    return this.controls.value("budget");
  }

  randomSeed() {
    return crypto.getRandomValues(new Uint32Array(1))[0] % (this.maxSeed + 1);
  }

  /** Shows which words the prompt uses, and whether the negative prompt acts. */
  mark() {
    markChips(this.request.prompt);
    const acts = this.request.guidance_scale > 1;
    this.controls.box("negative_prompt").classList.toggle("resting", !acts);
    this.tools.show(this.request);
    this.drawer.tell(this.request);
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
      this.panel.error({ field: "prompt", message: text("live.empty") }, true);
      this.empty = true;
      this.desk?.emptied();
      return;
    }
    if (this.empty) this.panel.clearErrors(); // not when the answer comes: that may take long
    this.empty = false;
    if (this.paused) return;
    this.sequence += 1;
    this.sent.set(this.sequence, { request: { ...this.request }, at });
    this.sent.delete(this.sequence - REMEMBERED);
    const { sequence, request, budget, ahead } = this;
    const how = this.playing ? { attract: true } : { budget, ahead };
    this.transport.send(JSON.stringify({ sequence, request, ...how }));
  }

  /** What may be asked for next; undefined where the next seed is not known. */
  get ahead() {
    const { paintsAhead, seedLocked, request, ghost, panel } = this;
    if (!paintsAhead || !seedLocked || request.seed === null) return undefined;
    return guesses(request, ghost.rest, panel.status?.limits.num_inference_steps ?? []);
  }

  // Answers ----------------------------------------------------------------------------------

  /** @param {"open" | "closed"} state */
  connectionChanged(state) {
    this.panel.online = state === "open";
    this.panel.setLine({ what: null }); // a new connection stands in no line yet
    this.panel.show();
    if (state !== "open") {
      this.attract?.stop();
      this.desk?.lost();
      return;
    }
    if (this.metrics?.open) this.transport.watch(true);
    this.desk?.connected(); // before the picture is asked for, so that the wall sees it, too
    this.submit();
  }

  /** @param {LiveMessage} message @param {Uint8Array<ArrayBuffer> | null} bytes */
  receive(message, bytes) {
    if (message.type === "status") this.setStatus(message);
    else if (message.type === "load") this.metrics?.show(message);
    else if (message.type === "frame") {
      this.metrics?.count(message);
      this.painter.offer(message, /** @type {BufferSource} */ (bytes));
    } else if (message.type === "line") this.panel.setLine(message);
    else if (message.type !== "error") this.desk?.hear(message);
    else if (this.playing) this.attract?.stop();
    else if (this.isCurrent(message)) {
      this.settled = this.sequence;
      this.unasked = this.submitOnEnter; // Enter tries again
      this.panel.error(message);
    }
  }

  /** When another model has taken over, it paints the current request anew. @param {Status} status */
  setStatus(status) {
    const before = this.panel.status;
    this.panel.setStatus(status);
    this.ghost.words = this.completions[status.model] ?? [];
    if (!before || before.model === status.model || status.state !== "ready") return;
    this.panel.note(text("live.from_here", status));
    this.submit();
  }

  /** Whether the newest request has its picture, or an error. */
  get answered() {
    return this.settled === this.sequence;
  }

  /** @param {{ sequence: number }} message */
  isCurrent({ sequence }) {
    return sequence === 0 || sequence === this.sequence;
  }

  /** A frame is on the canvas. @param {FrameHeader} header */
  show(header) {
    const { sequence, step, final, prompt, seed, model } = header;
    const asked = this.sent.get(sequence);
    const now = performance.now();
    // A picture may come after the error of what was asked for since.
    if (final) this.settled = Math.max(this.settled, sequence);
    /** @type {number | null} */
    let first = null;
    if (asked) {
      if (!asked.first) first = asked.first = now - asked.at;
      this.current = { ...asked.request, seed }; // of an empty field the server chose one
    }
    this.painted.push({ sequence, step, final, prompt, seed, model });
    if (this.painted.length > REMEMBERED) this.painted.shift();
    this.panel.painted(header, first, final && asked ? now - asked.at : null);
    if (asked && final) this.waterfall.finished(header, now - asked.at);
    if (asked && final && !header.draft && !this.playing) this.keep(model, now - asked.at, sequence);
    if (asked && header.draft) this.panel.showDraft(header, asked.request);
    else if (asked) this.panel.showSize(header, asked.request);
  }

  /** Nothing comes after a final frame: whoever waits for it is told. @param {FrameHeader} header */
  cannotShow({ sequence, final }) {
    if (final) this.receive({ type: "error", sequence, field: null, message: text("live.not_shown") }, null);
  }

  /** @param {string | undefined} model @param {number} milliseconds @param {number} sequence */
  keep(model, milliseconds, sequence) {
    const { current, painter, panel } = this;
    if (!current || !painter.last) return;
    this.tools.finished(current, sequence);
    const { bytes, header } = painter.last;
    const name = model || (panel.status?.model ?? "");
    this.timeline?.keep(current, name, bytes, header.media_type, milliseconds, sequence);
  }
}
