// What helps with a prompt: the style's words, how it is read, earlier ones, and the way to another.

import { BLEND } from "./link.js";
import { percent } from "./numbers.js";
import { PromptHistory } from "./prompt_history.js";
import { PromptTemplate } from "./prompt_template.js";
import { listed, text } from "./text.js";
import { hide, set, write } from "./unchanged.js";

const COUNT_MS = 400; // after the last change: nobody's picture waits for a count
const TIP_MS = 20_000;

const BLENDS = /** @type {(keyof typeof BLEND)[]} */ (Object.keys(BLEND));

/**
 * How a prompt is read, as the server says.
 * @typedef {object} Tokens
 * @property {number} tokens
 * @property {number} size  of a chunk
 * @property {number} chunks
 * @property {number} cut  tokens that are left out
 * @property {{ text: string, chunk: number, weight: number }[]} parts
 */

/** @template {string} Id @param {Id} name */
const byId = (name) => document.getElementById(name);

/** The words of a style around a prompt, as the server puts them. @param {Style} style @param {string} prompt */
export function inStyle({ prompt: template }, prompt) {
  if (template.includes("{prompt}")) return template.replaceAll("{prompt}", prompt);
  return [prompt, template].filter(Boolean).join(", ");
}

export class PromptTools {
  /**
   * @param {import("./live.js").Lightning} lightning  the page's live loop
   * @param {PageConfig} config  its styles and tips
   */
  constructor(lightning, { styles, tips }) {
    this.lightning = lightning;
    this.styles = styles;
    // A public screen has none.
    this.history = byId("prompt-history") && new PromptHistory((entry) => this.restore(entry), () => this.forget());
    this.forgottenAt = 0; // number of the last request when all earlier prompts were forgotten
    this.template = byId("prompt-template") && new PromptTemplate(lightning); // nor a batch
    this.counted = ""; // what was counted last
    /** @type {import("./morph.js").Morph | null} the strip between two pictures, once it was opened */
    this.morphing = null;
    this.wire(tips);
  }

  /** @param {string[]} tips */
  wire(tips) {
    /** @type {Record<string, () => unknown>} */
    const actions = {
      tokens: () => this.openRead(Boolean(byId("tokens-read").hidden)),
      "prompt-history-open": () => this.history?.open(),
      "morph-open": () => this.morph(),
      "blend-clear": () => this.clearBlend(),
    };
    byId("prompt-tools").addEventListener("click", ({ target }) => actions[target.closest("button")?.id ?? ""]?.());
    let tip = 0;
    setInterval(() => {
      if (document.hidden || byId("prompt-tip").matches(":hover")) return;
      tip = (tip + 1) % tips.length;
      byId("prompt-tip").textContent = tips[tip];
    }, TIP_MS);
  }

  /** Shows what a request says; called with each change. @param {Asked} request */
  show(request) {
    const style = this.styles.find(({ name }) => name === request.style);
    const words = style ? inStyle(style, request.prompt) : "";
    write(byId("style-preview"), words);
    set(byId("style-preview"), "title", style?.negative_prompt ? text("style.without", { words: style.negative_prompt }) : "");
    this.showBlend(request);
    this.template?.show(request.prompt);
    clearTimeout(this.timer);
    const { prompt } = request;
    this.timer = setTimeout(() => this.count(prompt, request.style ?? ""), COUNT_MS);
  }

  // Tokens -----------------------------------------------------------------------------------

  /**
   * Asks how a prompt is read, once the picture that was asked for is there.
   * @param {string} prompt
   * @param {string} style
   */
  async count(prompt, style) {
    const key = JSON.stringify([prompt, style]);
    this.counting?.abort();
    if (key === this.counted || !prompt.trim()) return;
    const { answered, panel } = this.lightning;
    if (panel.faults.shown) return; // the server would say the same of it
    if (!answered || !panel.online) {
      this.timer = setTimeout(() => this.count(prompt, style), COUNT_MS);
      return;
    }
    const { signal } = (this.counting = new AbortController());
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ prompt, style });
    const answer = await fetch(new URL("../tokens", import.meta.url), { method: "POST", headers, body, signal }).catch(() => null);
    const read = answer?.ok ? await answer.json().catch(() => null) : null;
    if (!read || signal.aborted) return;
    this.counted = key;
    this.showRead(read);
  }

  /** @param {Tokens} read */
  showRead({ tokens, size, chunks, cut, parts }) {
    const button = byId("tokens");
    button.textContent = text("tokens.count", { tokens, most: size * chunks });
    button.dataset.kind = cut ? "problem" : "";
    const read = chunks > 1 ? text("tokens.chunks", { chunks, size }) : text("tokens.read");
    button.title = cut ? text("tokens.cut", { count: cut }) : read;
    const box = byId("tokens-read");
    box.replaceChildren();
    let last = 0;
    for (const { text: words, chunk, weight } of parts) {
      if (chunk !== last) {
        const what = chunk === chunks ? text("tokens.unread") : text("tokens.part", { part: chunk + 1 });
        box.append(Object.assign(document.createElement("b"), { textContent: ` ${what} ` }));
      }
      last = chunk;
      const part = Object.assign(document.createElement(chunk === chunks ? "s" : "span"), { textContent: `${words} ` });
      if (weight !== 1) {
        part.className = weight > 1 ? "more" : "less";
        part.title = text("tokens.weight", { weight });
        part.append(Object.assign(document.createElement("sup"), { textContent: String(Number(weight.toFixed(2))) }), " ");
      }
      box.append(part);
    }
  }

  /** @param {boolean} open */
  openRead(open) {
    byId("tokens-read").hidden = !open;
    byId("prompt-tools").classList.toggle("reading", open); // which shows the style's words, too
    byId("tokens").setAttribute("aria-expanded", String(open));
  }

  // Variations -------------------------------------------------------------------------------

  /** @param {Asked} request */
  showBlend({ variation_strength: some, variation_seed: seed, morph_strength: far, morph_prompt: prompt }) {
    const words = listed([
      some && text("blend.seed", { share: percent(some), seed }),
      far && text("blend.prompt", { share: percent(far), prompt }),
    ]);
    hide(byId("blend"), !words);
    write(byId("blend").firstElementChild, words);
  }

  clearBlend() {
    const { lightning } = this;
    for (const name of BLENDS) delete lightning.request[name];
    lightning.mark();
    lightning.submit();
    byId("style").querySelector("select").focus();
  }

  async morph() {
    const { Morph } = await import("./morph.js");
    this.morphing ??= new Morph(this.lightning);
    this.morphing.open();
  }

  // History ----------------------------------------------------------------------------------

  /**
   * A picture is finished, so that its prompt may be one to come back to.
   * @param {Asked} request
   * @param {number} sequence  of the request
   */
  finished({ prompt, negative_prompt, style }, sequence) {
    if (sequence <= this.forgottenAt) return;
    this.history?.note({ prompt, negative_prompt, style: style ?? "" });
  }

  /** No word of what has been asked for so far comes back. */
  forget() {
    this.forgottenAt = this.lightning.sequence;
    this.lightning.ghost.forget();
  }

  /** @param {import("./prompt_history.js").Entry} entry */
  restore(entry) {
    const { lightning } = this;
    lightning.recalled.take({ ...lightning.request, ...entry });
    lightning.submit();
    lightning.controls.field("prompt").focus();
  }
}
