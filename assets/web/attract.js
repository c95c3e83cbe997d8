// Attract mode: while nobody is at the page its examples type themselves. Whoever comes back, by a
// touch, a key or a pointer, finds the page as it was.

import { Autotype } from "./autotype.js";
import { text } from "./text.js";

const LOOK = 1000; // ms between two looks at whether nobody is there
const HOLD = 5000; // ms that a finished picture stays; the device rests meanwhile
const PATIENCE = 20_000; // ms for a picture: others come first, and then there is none
const STILL = matchMedia("(prefers-reduced-motion: reduce)");

export class Attract {
  /**
   * @param {import("./live.js").Lightning} lightning  the page's live loop
   * @param {import("./presence.js").Presence} presence  who knows whether somebody is there
   * @param {number} seconds  without anybody, after which it begins
   */
  constructor(lightning, presence, seconds) {
    this.lightning = lightning;
    this.presence = presence;
    this.seconds = seconds;
    this.refused = -Infinity; // when it was last ended by something else than a person
    /** @type {{ request: Asked, current: Asked | null, field: Partial<HTMLTextAreaElement> } | null} the page as it was, while it plays */
    this.kept = null;
    this.place = -1; // of the example
    this.autotype = new Autotype((line) => this.write(line), (typing) => typing || this.typed());
    this.sign = Object.assign(document.createElement("p"), { id: "attract-sign", hidden: true });
    this.sign.textContent = text("attract.sign");
    document.getElementById("stage").append(this.sign);
    presence.onReturn(() => this.stop());
    document.addEventListener("visibilitychange", () => document.hidden && this.stop());
    this.timer = setInterval(() => this.look(), LOOK);
  }

  get running() {
    return this.kept !== null;
  }

  /** The examples of the model that paints. */
  get examples() {
    /** @type {NodeListOf<HTMLElement>} */
    const chips = document.querySelectorAll(".examples:not(.away) [data-example]");
    return [...chips].map((chip) => chip.dataset.example ?? "");
  }

  /** Whether it may play: nobody is here, sees a wall from here, or waits for a picture. */
  get may() {
    const { lightning, presence, refused, seconds } = this;
    const { panel, desk, ghost, timeline } = lightning;
    const rested = performance.now() - refused > 1000 * seconds;
    if (presence.away < seconds || !rested || document.hidden || ghost.composing) return false;
    if (panel.state !== "ready" || panel.line || lightning.submitOnEnter) return false;
    if (desk?.presenting || desk?.autotype.running || timeline?.running) return false;
    return lightning.answered && this.examples.length > 1;
  }

  look() {
    if (!this.running && this.may) this.start();
  }

  start() {
    const { lightning } = this;
    const field = lightning.controls.field("prompt");
    const { selectionStart, selectionEnd, scrollLeft, scrollTop } = field;
    this.kept = {
      request: { ...lightning.request },
      current: lightning.current, // that of the picture, where the prompt has been emptied since
      field: { selectionStart, selectionEnd, scrollLeft, scrollTop },
    };
    lightning.playing = lightning.ghost.resting = true;
    lightning.ghost.show("");
    this.sign.hidden = false;
    this.next();
  }

  /** Ends it and gives the page back. */
  stop() {
    const { kept, lightning } = this;
    if (!kept) return;
    this.kept = null;
    clearTimeout(this.holding);
    this.autotype.stop();
    this.sign.hidden = true;
    if (this.presence.away > 1) this.refused = performance.now();
    const field = lightning.controls.field("prompt");
    lightning.request = { ...kept.request }; // nothing new to the loop, which asks once
    lightning.controls.set("prompt", kept.request.prompt);
    lightning.playing = lightning.ghost.resting = false;
    Object.assign(field, kept.field);
    lightning.mark();
    if (!kept.request.prompt.trim() && kept.current) {
      lightning.request = { ...kept.current };
      lightning.submit();
      lightning.request = { ...kept.request };
    }
    lightning.submit();
  }

  next() {
    const { examples } = this;
    if (examples.length < 2) {
      this.stop();
      return;
    }
    const now = this.lightning.request.prompt;
    this.place = (this.place + 1) % examples.length;
    if (examples[this.place] === now) this.place = (this.place + 1) % examples.length;
    const line = examples[this.place];
    if (STILL.matches) {
      this.write(line);
      this.typed();
    } else this.autotype.type(line, common(now, line));
  }

  /** @param {string} line */
  write(line) {
    this.lightning.controls.set("prompt", line);
  }

  /** A line stands there: its picture stays for a while. */
  typed() {
    if (!this.running) return;
    const begun = performance.now();
    const wait = () => {
      const late = performance.now() - begun > PATIENCE;
      if (late) this.stop(); // others have the device
      else if (this.lightning.answered) this.holding = setTimeout(() => this.next(), HOLD);
      else this.holding = setTimeout(wait, 100);
    };
    wait();
  }
}

/** What two lines begin with alike, up to a word. @param {string} one @param {string} other */
function common(one, other) {
  let length = 0;
  while (length < other.length && one[length] === other[length]) length += 1;
  return other.slice(0, other.slice(0, length).lastIndexOf(" ") + 1);
}
