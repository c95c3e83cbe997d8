// What a phone shows of the hall: the picture on the wall, with a vote, and what was sent.

import { credit } from "./credit.js";
import { text } from "./text.js";

/** @template {string} Id @param {Id} name */
const byId = (name) => document.getElementById(name);

export class Hall {
  /** @param {(message: object) => void} say  takes a message for the server */
  constructor(say) {
    /** @type {ShownPicture | null} */
    this.shown = null;
    /** @type {number | undefined} */
    this.asked = undefined; // the entry of the last vote
    byId("vote").addEventListener("click", () => {
      if (!this.shown) return;
      const { entry, voted } = this.shown;
      this.shown.voted = !voted;
      this.asked = entry;
      this.mark();
      say({ vote: entry, on: !voted });
    });
  }

  /** @param {HallState} state */
  show({ shown, sent }) {
    this.shown = shown;
    byId("shown").hidden = !shown;
    if (shown) {
      byId("shown-words").textContent = shown.prompt;
      byId("shown-by").replaceChildren(...(shown.own ? [text("phone.own")] : shown.by ? [credit(shown.by)] : []));
      byId("vote").disabled = shown.own;
      this.mark();
    }
    byId("sent").hidden = !sent.length;
    byId("sent-list").replaceChildren(...[...sent].reverse().map(item));
  }

  mark() {
    byId("vote").setAttribute("aria-pressed", String(Boolean(this.shown?.voted)));
  }

  /** A vote has been counted, or why not; the wall may show another picture by now. @param {string} problem */
  voted(problem) {
    if (problem && this.shown && this.shown.entry === this.asked) {
      this.shown.voted = !this.shown.voted;
      this.mark();
    }
  }
}

/** @param {HallState["sent"][number]} entry */
function item({ prompt, state }) {
  const line = document.createElement("li");
  line.dataset.state = state;
  for (const words of [prompt, text(`phone.sent.${state}`)]) {
    line.append(Object.assign(document.createElement("span"), { textContent: words, dir: "auto" }));
  }
  return line;
}
