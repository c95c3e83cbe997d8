// The dialog for many pictures: a list is checked, painted while somebody types on, and saved.

import { BatchList } from "./batch_list.js";
import { BatchRun } from "./batch_run.js";
import { BatchStore } from "./batch_store.js";
import { batchZips } from "./batch_zip.js";
import { save } from "./files.js";
import { lasting } from "./numbers.js";
import { wordsOf } from "./problems.js";
import { said } from "./said.js";
import { sure } from "./sure.js";
import { language, text } from "./text.js";

const SHOWN = 24; // pictures, the newest
const FAULTS = 200; // rows that are listed

/** @template {string} Id @param {Id} name */
const byId = (name) => document.getElementById(`batch-${name}`);
/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} kind
 * @param {Partial<HTMLElementTagNameMap[Tag]>} fields
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
const element = (kind, fields, ...children) => {
  const made = Object.assign(document.createElement(kind), fields);
  made.append(...children);
  return made;
};

export class Batch {
  /** @param {import("./live.js").Lightning} lightning  the page's live loop */
  constructor(lightning) {
    this.lightning = lightning;
    this.dialog = document.getElementById("batch");
    this.opener = document.getElementById("batch-open");
    this.store = new BatchStore();
    this.run = new BatchRun(this.store, (outcome, blob) => this.told(outcome, blob));
    /** @type {number[]} */
    this.saved = []; // numbers of the pictures in the last zip
    /** @type {number | undefined} */
    this.drawn = undefined; // when the batch began whose pictures are shown
    this.list = new BatchList(this);
    this.wire();
  }

  wire() {
    /** @type {Record<string, (button: HTMLButtonElement) => unknown>} */
    const actions = {
      close: () => this.dialog.close(),
      "choose-file": () => this.list.chooseFile(),
      "choose-words": () => byId("words").click(),
      paint: () => this.begin(),
      go: () => (this.run.running ? this.run.pause() : this.run.go()),
      retry: () => this.retry(),
      save: () => this.save(),
      room: () => this.makeRoom(),
      new: (button) => this.forget(button),
    };
    this.dialog.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (button?.dataset.number) this.use(Number(button.dataset.number));
      else if (button) actions[button.id.replace("batch-", "")]?.(button);
    });
    this.dialog.addEventListener("dragover", (event) => event.preventDefault());
    this.dialog.addEventListener("drop", (event) => {
      event.preventDefault();
      event.stopPropagation(); // it is no picture for the page
      const [file] = event.dataTransfer?.files ?? [];
      if (file && !this.store.plan) this.list.take(file);
    });
  }

  /** @param {string} [template]  a prompt to be put into the list */
  async open(template) {
    this.dialog.showModal();
    if (!this.run.running) await this.store.load();
    this.list.tellDefaults();
    await this.draw();
    this.focus();
    if (template) this.list.add(template);
  }

  // Painting ---------------------------------------------------------------------------------

  async begin() {
    if (!this.list.found) return;
    const { pictures, columns } = this.list.found;
    const format = pictures[0].file.split(".").at(-1) ?? "";
    if (!(await this.kept(this.store.begin({ at: Date.now(), format, columns, pictures })))) return;
    this.run.go();
    await this.draw();
    this.focus();
  }

  /** Goes to what is next: the list, its painting, or the zip once all is there. */
  focus() {
    if (!this.store.plan) byId("text").focus();
    else (byId("go").hidden ? byId("save") : byId("go")).focus();
  }

  /**
   * Something is new: of one picture, where there is an outcome.
   * @param {Outcome} [outcome]
   * @param {Blob | null} [blob]
   */
  told(outcome, blob) {
    if (outcome && blob) this.showPicture(outcome.number, blob);
    if (outcome && !outcome.error) this.drawProgress();
    else this.draw();
  }

  get known() {
    return [...this.store.outcomes.values()];
  }

  drawProgress() {
    const { run, store } = this;
    const total = store.plan?.pictures.length ?? 0;
    const failed = this.known.filter(({ error }) => error).length;
    const painted = store.outcomes.size - failed;
    const left = total - store.outcomes.size;
    const hours = run.running && run.perHour ? left / run.perHour : 0;
    const pace = run.running && run.perHour ? text("batch.pace", { count: run.perHour }) : "";
    this.opener.dataset.running = String(run.running);
    this.opener.title = total ? text("batch.painted", { painted, all: total }) : text("batch.about");
    if (!store.plan) return;
    byId("progress").max = total;
    byId("progress").value = store.outcomes.size;
    const sum = text("batch.sum", { painted: painted.toLocaleString(language), count: total });
    const sums = [sum, failed && text("batch.failed", { count: failed }), pace, hours && text("batch.left", { time: lasting(hours) })];
    byId("sums").textContent = sums.filter(Boolean).join(" · ");
    byId("go").textContent = text(run.running ? "live.pause" : store.outcomes.size ? "live.resume" : "paint.go");
    const waited = document.activeElement === byId("go");
    byId("go").hidden = !left;
    byId("run").classList.toggle("painted", !left);
    byId("retry").hidden = run.running || !failed;
    byId("save").disabled = !painted;
    if (waited && !left) byId("save").focus(); // what was pressed is gone
    byId("room").hidden = !run.full;
    byId("room").disabled = !this.saved.length;
    const words = run.words || store.problem || (run.running ? text("batch.gives_way") : "");
    this.say(run.full ? text("batch.full", { words }) : words, run.words && !run.running ? "problem" : "");
  }

  async draw() {
    const { plan } = this.store;
    byId("list").hidden = Boolean(plan);
    byId("run").hidden = !plan;
    if (plan?.at !== this.drawn) {
      byId("pictures").replaceChildren(); // they were another batch's
      this.saved = [];
    }
    this.drawn = plan?.at;
    this.drawProgress();
    if (!plan) return;
    const prompts = new Map(plan.pictures.map(({ number, line, request }) => [number, { line, prompt: request.prompt }]));
    const failed = this.known.filter(({ error }) => error);
    this.showFaults(failed.map(({ number, error }) => [text("batch.line", { line: prompts.get(number)?.line }), said(error), prompts.get(number)?.prompt]), failed.length);
    if (byId("pictures").childElementCount) return;
    for (const { number } of this.known.filter(({ file, saved }) => file && !saved).slice(-SHOWN)) {
      const blob = await this.store.picture(number);
      if (blob) this.showPicture(number, blob);
    }
  }

  /** @param {number} number @param {Blob} blob */
  showPicture(number, blob) {
    const { request } = this.pictureOf(number);
    const list = byId("pictures");
    if (list.querySelector(`[data-number="${number}"]`)) return;
    const name = text("batch.picture", request);
    const image = element("img", { alt: "", src: URL.createObjectURL(blob) });
    const button = element("button", { type: "button", title: name, ariaLabel: text("batch.go_on", { name }) }, image);
    button.dataset.number = String(number);
    image.onload = () => URL.revokeObjectURL(image.src);
    list.prepend(button);
    while (list.childElementCount > SHOWN) list.lastChild.remove();
  }

  /** A picture of the plan. @param {number} number */
  pictureOf(number) {
    return /** @type {BatchPicture} */ (this.store.plan?.pictures.find((each) => each.number === number));
  }

  /** Rows that are at fault or have failed. @param {(string | undefined)[][]} rows @param {number} all */
  showFaults(rows, all) {
    const items = rows.slice(0, FAULTS).map(([where, reason, prompt]) =>
      element("li", {}, element("b", { textContent: where }), " ", prompt ? element("bdi", { textContent: `${prompt}: ` }) : "", element("bdi", { textContent: reason })));
    if (all > items.length) items.push(element("li", { textContent: text("batch.more", { count: all - items.length }) }));
    byId("faults").replaceChildren(...items);
  }

  async retry() {
    const failed = this.known.filter(({ error }) => error).map(({ number }) => number);
    if (await this.kept(this.store.retry(failed))) this.run.go();
  }

  /** Whether the browser has kept a change; if not, why is said. @param {Promise<void>} change */
  async kept(change) {
    try {
      await change;
      return true;
    } catch (problem) {
      this.say(wordsOf(problem), "problem");
      return false;
    }
  }

  // Away -------------------------------------------------------------------------------------

  /** Goes on in the page from one of the pictures. @param {number} number */
  async use(number) {
    const { request } = this.pictureOf(number);
    const blob = await this.store.picture(number);
    this.dialog.close();
    this.lightning.recalled.show(request, blob);
    this.lightning.recalled.paint();
  }

  async save() {
    const { plan, outcomes } = this.store;
    if (!plan) return;
    const here = this.known.filter(({ file, saved }) => file && !saved);
    this.say(text("batch.zipping"));
    /** @type {Named[]} */
    const files = [];
    for (const { number, file } of here) {
      const blob = await this.store.picture(number);
      if (blob) files.push({ name: file, blob });
    }
    for await (const { name, blob } of batchZips(plan, outcomes, files)) save(blob, name);
    if (this.store.plan?.at !== plan.at) return; // another list has begun meanwhile
    this.saved = here.map(({ number }) => number);
    this.drawProgress();
    this.say(text("batch.saved", { count: here.length }));
  }

  /** Lets go of what the last zip holds. */
  async makeRoom() {
    if (!(await this.kept(this.store.letGo(this.saved)))) return;
    this.saved = [];
    this.run.full = false;
    byId("pictures").replaceChildren();
    this.run.pause();
    this.run.go();
  }

  /** Another list instead; asks once more where pictures would be lost. @param {HTMLButtonElement} button */
  async forget(button) {
    if (this.store.outcomes.size && !sure(button)) return;
    this.run.pause();
    if (!(await this.kept(this.store.begin(null)))) return;
    this.run.changed();
    byId("pictures").replaceChildren();
    this.list.take(null);
    await this.draw();
    if (this.list.waiting) this.list.add(this.list.waiting);
    byId("text").focus();
  }

  /** @param {string} words */
  say(words, kind = "") {
    if (byId("says").textContent !== words) byId("says").textContent = words;
    byId("says").dataset.kind = kind;
  }
}
