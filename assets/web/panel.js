// What the page says: state, times, age, errors at their fields, words in use.

import { FieldFaults } from "./field_faults.js";
import { late } from "./late.js";
import { long, pageLine } from "./line_words.js";
import { percent } from "./numbers.js";
import { said } from "./said.js";
import { listed, text } from "./text.js";
import { Trace } from "./trace.js";
import { hide, set, write as writeTo } from "./unchanged.js";

const NOTE_MS = 6000; // what has been done is said for this long
const DRAFTING_MS = 1200; // after the last draft, so that the words stay between two keystrokes

/** @template {string} Id @param {Id} name */
const byId = (name) => document.getElementById(name);

/** @param {string} name @param {string} words */
function write(name, words) {
  const element = byId(name);
  if (element) writeTo(element, words);
}

export class Panel {
  /**
   * @param {import("./controls.js").Controls} controls  at which errors are told
   * @param {(box: Element) => void} reveal  shows a control, wherever it rests
   */
  constructor(controls, reveal) {
    this.controls = controls;
    this.faults = new FieldFaults(controls, reveal);
    /** @type {Status | null} */
    this.status = null;
    this.online = true;
    this.refusal = ""; // why the server ended the connection, when it said so
    this.paused = false;
    this.line = ""; // who is served before, and for about how long
    this.paintedAt = 0;
    this.steps = 0; // of the picture that is shown
    this.kind = ""; // of the note: "problem", "offline", or "" for what goes by itself
    this.stays = false; // whether an error is told until something else is asked for
    this.faulty = 0; // the number of the request that has it
    this.trace = new Trace(byId("trace"));
    this.tellLater = late(() => this.tellTimes());
    setInterval(() => this.writeAge(), 1000);
  }

  // State ------------------------------------------------------------------------------------

  /** @param {Status} status */
  setStatus(status) {
    this.status = status;
    this.refusal = "";
    this.offerSteps(status.limits.num_inference_steps);
    this.showModel(status);
    this.showLoading(status);
    this.show();
  }

  get state() {
    const { status } = this;
    if (!this.online) return "offline";
    if (!status) return "loading";
    if (status.draining) return "draining";
    return status.state === "ready" && this.paused ? "paused" : status.state;
  }

  show() {
    const { state, status } = this;
    const stage = byId("stage");
    stage.dataset.state = state;
    stage.dataset.painted = this.paintedAt ? "yes" : "no";
    byId("state").dataset.state = state;
    hide(byId("badge"), state !== "paused");
    const progress = status?.progress;
    const share = state === "loading" && progress != null ? percent(progress) : "";
    const lost = this.refusal || text("panel.lost");
    const waiting = state === "ready" && this.line;
    write("veil-text", state === "offline" ? lost : waiting || veil(state, status, share));
    byId("progress").hidden = state !== "loading";
    byId("progress").firstElementChild.style.transform = `scaleX(${progress ?? 0})`;
    const about = status ? [status.title, status.loading_model && text("panel.stand_in"), status.device] : [];
    const steps = this.steps && text("steps", { count: this.steps });
    const engines = status && status.engines > 1 && text("panel.engines", { ready: status.engines_ready, count: status.engines });
    const how = `${text(`state.${state}`)} ${share}`.trim();
    write("about", [...about, engines, steps, how, status && said(status.tier.replace(/^\w+, (?=getting)/, ""))].filter(Boolean).join(" · "));
    if (state === "failed" && this.paintedAt) this.note(status?.detail ?? "", "problem");
    if (state === "offline" && this.paintedAt) this.note(lost, "offline");
    else if (this.kind === "offline") this.note("");
  }

  /**
   * Where this page stands in line; not read aloud at each change, as it goes by itself.
   * @param {import("./line_words.js").Place} message
   */
  setLine(message) {
    const line = pageLine(message);
    if (line === this.line) return;
    this.line = line;
    write("place", line);
    this.show();
  }

  /** Words and examples are those of the model that paints. @param {Status} status */
  showModel({ model, title }) {
    document.title = document.title.replace(/(– ).*/, (_, dash) => dash + title);
    for (const each of document.querySelectorAll(".of-model")) {
      each.classList.toggle("away", !each.classList.contains(`of-${model}`));
    }
  }

  /** How far the model is that this one stands in for, or why it will not come. @param {Status} status */
  showLoading({ state, loading_model: model, loading_title: title, detail, progress }) {
    const failed = state === "ready" && !model && Boolean(detail);
    const loading = state === "ready" && Boolean(model);
    const box = byId("loading-model");
    box.hidden = !failed && !loading;
    box.dataset.kind = failed ? "problem" : "";
    // Every percent read aloud would be no help; a failure is.
    box.setAttribute("aria-live", failed ? "polite" : "off");
    write("loading-title", failed ? "" : title);
    write("loading-detail", failed || !detail ? detail : `: ${detail}`);
    write("loading-percent", loading ? percent(progress ?? 0) : "");
    const bar = byId("loading-bar");
    bar.hidden = !loading;
    bar.setAttribute("aria-valuenow", String(Math.round((progress ?? 0) * 100)));
    bar.firstElementChild.style.transform = `scaleX(${progress ?? 0})`;
  }

  /** Says at the sizes when the picture has another one than was asked for. @param {Box} size @param {Asked} asked */
  showSize({ width, height }, asked) {
    const same = width === asked.width && height === asked.height;
    set(this.controls.box("size"), "data-painted", same ? "" : text("panel.size", { width, height }));
  }

  /**
   * Says how a draft differs from what was asked for, as long as drafts come.
   * @param {FrameHeader} header
   * @param {Asked} asked
   */
  showDraft({ num_inference_steps: steps, width, height, draft }, asked) {
    const how = [
      steps !== asked.num_inference_steps && text("steps", { count: steps }),
      width * height < asked.width * asked.height && `${width} × ${height}`,
      text("panel.quick"),
    ];
    write("drafting", text("panel.drafts", { words: listed(how), budget: draft?.budget }));
    clearTimeout(this.drafting);
    this.drafting = setTimeout(() => write("drafting", ""), DRAFTING_MS);
  }

  /** @param {number[]} available */
  offerSteps(available) {
    for (const input of this.controls.box("num_inference_steps").querySelectorAll("input")) {
      const label = /** @type {HTMLLabelElement} */ (input.closest("label"));
      const absent = !available.includes(Number(input.value));
      input.disabled = absent;
      label.classList.toggle("absent", absent);
      label.title = absent ? text("panel.no_checkpoint") : "";
    }
  }

  // Pictures ---------------------------------------------------------------------------------

  /**
   * A frame is on the canvas; `first` and `final` are ms since its keystroke, where known.
   * @param {FrameHeader} header
   * @param {number | null} first
   * @param {number | null} final
   */
  painted(header, first, final) {
    // A draft's own steps are told by `showDraft`.
    const steps = (header.draft && this.steps) || header.num_inference_steps;
    const news = !this.paintedAt || this.steps !== steps;
    this.paintedAt = performance.now();
    this.steps = steps;
    if (news) this.show();
    set(byId("canvas"), "aria-label", header.prompt);
    this.trace.add(first, final);
    this.tellLater();
    this.drawSteps((header.step / header.num_inference_steps) * steps, steps, header.final);
    if (this.stays || header.sequence < this.faulty) return; // of what was asked for before
    this.clearErrors();
    write("prompt-note", header.notes.join(" "));
  }

  tellTimes() {
    this.trace.draw(); // first: it reads computed colours, which after a change would take another pass of styles
    const [first, final] = this.trace.newest;
    if (first != null) write("first-paint", String(Math.round(first)));
    if (final != null) write("final", String(Math.round(final)));
    this.writeAge();
  }

  /** @param {number} done @param {number} steps @param {boolean} final */
  drawSteps(done, steps, final) {
    const box = byId("steps-done");
    while (box.childElementCount < steps) box.append(document.createElement("i"));
    while (box.childElementCount > steps) box.lastElementChild.remove();
    [...box.children].forEach((mark, place) => mark.classList.toggle("done", place < done));
    box.classList.toggle("final", final);
  }

  writeAge() {
    if (!this.paintedAt) return;
    const seconds = Math.floor((performance.now() - this.paintedAt) / 1000);
    const age = long(seconds, Math.floor);
    write("age", seconds < 1 ? text("panel.now") : text("panel.ago", { age }));
  }

  // Words ------------------------------------------------------------------------------------

  /** @param {string} words */
  note(words, kind = "") {
    clearTimeout(this.silence);
    if (words && !kind) this.silence = setTimeout(() => this.note(""), NOTE_MS);
    this.kind = words ? kind : "";
    write("note", words);
    byId("note").dataset.kind = this.kind;
  }

  /**
   * @param {{ sequence?: number, field: string | null, message: string }} fault
   * @param {boolean} [stays]  whatever comes of what was asked for before
   */
  error({ sequence, field, message }, stays = false) {
    this.clearErrors();
    this.stays = stays;
    this.faulty = sequence ?? 0;
    if (sequence === 0) this.refusal = message;
    if (!this.faults.show(field, message)) this.note(message, "problem");
  }

  clearErrors() {
    this.stays = false;
    this.faults.clear();
    if (this.kind === "problem" && this.state !== "failed") this.note("");
  }
}

/** @param {Panel["state"]} state @param {Status | null} status @param {string} share */
function veil(state, status, share) {
  if (state === "failed") return status?.detail || text("panel.failed");
  if (state === "loading") return `${status?.detail || text("panel.loading")} ${share}`.trim();
  return text("panel.first");
}
