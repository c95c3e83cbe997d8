// What buttons of the page do with what is asked for and with its picture: pause, save, share, vary.

import { copy } from "./clipboard.js";
import { pictureName, save } from "./files.js";
import { watchForPictures } from "./from_picture.js";
import { asLink } from "./link.js";
import { said } from "./said.js";
import { text } from "./text.js";

export class Actions {
  /** @param {import("./live.js").Lightning} lightning  the page's live loop */
  constructor(lightning) {
    this.lightning = lightning;
    /** @type {Record<string, () => unknown>} */
    const actions = {
      dice: () => lightning.controls.set("seed", lightning.randomSeed()),
      pause: () => this.pause(),
      download: () => this.download(),
      link: () => this.copyLink(),
      "compare-open": () => this.compare(),
      "batch-open": () => this.openBatch(),
    };
    document.addEventListener("click", ({ target }) => {
      const button = /** @type {Element} */ (target).closest?.("button");
      if (button) actions[button.id]?.();
    });
    const fromPicture = document.getElementById("from-picture"); // a kiosk has none
    if (fromPicture) watchForPictures(fromPicture, lightning);
  }

  /** Nothing more is painted, or all again. */
  pause() {
    const { lightning } = this;
    const paused = (lightning.paused = lightning.panel.paused = !lightning.paused);
    const button = document.getElementById("pause");
    button.textContent = text(paused ? "live.resume" : "live.pause");
    button.setAttribute("aria-pressed", String(paused));
    lightning.panel.show();
    if (paused) lightning.transport.send('{"pause": true}');
    else lightning.submit();
  }

  /** Saves the picture that is shown, lossless and with its settings inside. */
  async download() {
    const { current, panel } = this.lightning;
    if (!current) return;
    const answer = await fetch(new URL("../picture", import.meta.url), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(current),
    }).catch(() => null);
    if (!answer?.ok) {
      const problem = await answer?.json().catch(() => null);
      panel.note(problem?.detail ? said(problem.detail) : text("live.not_saved"), "problem");
      return;
    }
    const name = pictureName(current);
    save(await answer.blob(), name);
    panel.note(text("live.saved", { name }));
  }

  async copyLink() {
    const copied = await copy(this.address());
    this.lightning.panel.note(text(copied ? "live.link_copied" : "live.link_here"));
  }

  /** Puts what is asked for into the address bar, and returns it. */
  address() {
    const { request, current } = this.lightning;
    const link = asLink(location.href, { ...request, seed: request.seed ?? current?.seed });
    history.replaceState(history.state, "", link);
    return link;
  }

  /** Opens the dialog that varies what is asked for now. */
  async compare() {
    const { lightning } = this;
    const { Compare } = await import("./compare.js");
    lightning.comparison ??= new Compare(lightning);
    lightning.comparison.open();
  }

  /** Opens the dialog that paints a list. @param {string} [template]  a prompt to be put into it */
  async openBatch(template) {
    const { lightning } = this;
    const { Batch } = await import("./batch.js");
    lightning.batch ??= new Batch(lightning);
    lightning.batch.open(template);
  }
}
