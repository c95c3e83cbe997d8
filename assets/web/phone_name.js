// The name that a phone may have beside its number.

import { text } from "./text.js";

/** @template {string} Id @param {Id} name */
const byId = (name) => document.getElementById(name);

export class PhoneName {
  /** @param {(message: object) => void} say  takes a message for the server */
  constructor(say) {
    byId("rename").addEventListener("click", () => this.open(Boolean(byId("naming").hidden)));
    byId("naming").addEventListener("submit", (event) => {
      event.preventDefault();
      say({ name: byId("new-name").value });
    });
  }

  /** @param {boolean} open */
  open(open) {
    byId("naming").hidden = !open;
    byId("rename").setAttribute("aria-expanded", String(open));
    byId("name-problem").textContent = "";
    if (open) byId("new-name").focus();
  }

  /** @param {string} problem  why the name is not taken */
  refused(problem) {
    byId("name-problem").textContent = problem;
  }

  /** One that is typed stays. @param {string} name  that the server has taken; empty: none */
  show(name) {
    byId("name").textContent = name;
    byId("rename").textContent = text(name ? "phone.change_name" : "phone.add_name");
    if (byId("naming").hidden) byId("new-name").value = name;
  }
}
