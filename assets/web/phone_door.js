// The door of a hall: the code that lets a phone in, and what stands there once it may not stay.

import { text } from "./text.js";

const LENGTH = 4; // of a code

/** @template {string} Id @param {Id} name */
const byId = (name) => document.getElementById(name);

/** A code as it is, however it is written. @param {string} code */
const normal = (code) => code.toUpperCase().replace(/\s+/g, "");

export class PhoneDoor {
  /**
   * @param {string} code  of the address; empty: there is none yet
   * @param {() => void} enter  called once there is one, and when somebody who was sent away comes back
   */
  constructor(code, enter) {
    this.code = normal(code);
    byId("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      this.code = normal(byId("code").value);
      if (this.code.length === LENGTH) enter();
      else byId("code-problem").textContent = text("code.length", { length: LENGTH });
    });
    byId("back").addEventListener("click", enter);
  }

  /** Asks for the code. @param {string} problem  of the one before */
  ask(problem) {
    byId("ask").hidden = false;
    byId("code-problem").textContent = problem;
    if (this.code) byId("code").value = this.code;
  }

  /** Says why it is over, and whether one may come back. @param {string} words @param {boolean} back */
  close(words, back) {
    byId("over-words").textContent = words;
    byId("over").hidden = false;
    byId("back").hidden = !back;
  }

  /** Nothing stands there any more. */
  open() {
    byId("ask").hidden = byId("over").hidden = true;
  }
}
