// What a phone shows of the hall: the picture on the wall, with a vote, and what was sent.

import { credit } from "./credit.js";
import { text } from "./text.js";

const byId = (name) => document.getElementById(name);

export class Hall {
  /** @param say  takes a message for the server */
  constructor(say) {
    this.shown = null;
    byId("vote").addEventListener("click", () => {
      const { entry, voted } = this.shown;
      this.shown.voted = !voted;
      this.mark();
      say({ vote: entry, on: !voted });
    });
  }

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
    byId("vote").setAttribute("aria-pressed", String(this.shown.voted));
  }

  refused(problem) {
    if (problem && this.shown) {
      this.shown.voted = !this.shown.voted;
      this.mark();
    }
  }
}

function item({ prompt, state }) {
  const line = document.createElement("li");
  line.dataset.state = state;
  for (const words of [prompt, text(`phone.sent.${state}`)]) {
    line.append(Object.assign(document.createElement("span"), { textContent: words, dir: "auto" }));
  }
  return line;
}
