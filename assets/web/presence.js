// Whether somebody is at the page: any touch, key, click, wheel or moved pointer says so.

// Before all others hear of it; `beforeinput` is what a touch keyboard or a voice does first.
const DOING = ["keydown", "pointerdown", "touchstart", "wheel", "beforeinput", "compositionstart", "dragenter", "drop"];

export class Presence {
  constructor() {
    this.at = performance.now(); // ms, when somebody was last here
    this.used = false; // whether anything was done since the page began, but for moving a pointer
    /** @type {(() => void)[]} */
    this.waiting = [];
    const options = { capture: true, passive: true };
    for (const type of DOING) addEventListener(type, (event) => this.notice(event, true), options);
    addEventListener("pointermove", (event) => {
      // A page that changes under a pointer at rest is told so, too.
      if (event.movementX || event.movementY) this.notice(event, false);
    }, options);
  }

  /** Seconds since somebody was here. */
  get away() {
    return (performance.now() - this.at) / 1000;
  }

  /**
   * Has it called, each time and at once, when somebody does something.
   * @param {() => void} back
   */
  onReturn(back) {
    this.waiting.push(back);
  }

  /**
   * @param {Event} event
   * @param {boolean} does  anything, but moving a pointer
   */
  notice({ isTrusted }, does) {
    if (!isTrusted) return; // the page's own
    this.at = performance.now();
    this.used ||= does;
    for (const back of this.waiting) back();
  }
}
