// The audience on the desk: the switches, who is there, the tray, and what is left in the end.

import { said } from "./said.js";
import { listed, text } from "./text.js";
import { Tray } from "./tray.js";

const HALL = { open: true, anonymous: false, approval: true, votes: false, code: "none", address: "" };
const CHECKS = /** @type {const} */ (["anonymous", "approval", "votes"]);
const CHOICES = /** @type {const} */ (["code", "address"]);
const KINDS = /** @type {const} */ (["zip", "sheet"]);
const FILES = { zip: "audience.zip", sheet: "contact-sheet.jpg" };

/** @template {string} Name @param {Name} name */
const byId = (name) => document.getElementById(`desk-${name}`);

export class DeskAudience {
  /**
   * @param {import("./desk.js").Desk} desk  says what this one wishes
   * @param {Partial<typeof HALL>} kept  switches of before the page was loaded again
   */
  constructor(desk, kept) {
    this.desk = desk;
    this.hall = { ...HALL, ...kept };
    /** @type {{ number: number, verb: string, entry: number }[]} */
    this.acts = []; // that the server has not told to be done
    this.number = 0;
    const style = { rel: "stylesheet", href: new URL("tray.css", import.meta.url) };
    document.head.append(Object.assign(document.createElement("link"), style));
    this.tray = new Tray((verb, entry) => this.act(verb, entry));
    byId("hall-open").addEventListener("click", () => this.set("open", !this.hall.open));
    for (const name of CHECKS) {
      byId(`hall-${name}`).addEventListener("change", () => this.set(name, byId(`hall-${name}`).checked));
    }
    for (const name of CHOICES) {
      byId(`hall-${name}`).addEventListener("change", () => this.set(name, byId(`hall-${name}`).value));
    }
    for (const kind of KINDS) byId(kind).addEventListener("click", () => this.save(kind));
    this.show();
  }

  /** What the desk says for it. */
  wish() {
    return { audience: this.hall, acts: this.acts };
  }

  /** @param {string} verb @param {number} entry */
  act(verb, entry) {
    this.acts.push({ number: (this.number += 1), verb, entry });
    this.acts = this.acts.slice(-64);
    this.desk.say();
  }

  /** @param {keyof typeof HALL} name @param {string | boolean} value */
  set(name, value) {
    Object.assign(this.hall, { [name]: value });
    this.desk.say();
    this.show();
    this.desk.keep();
  }

  /** @param {Thumbnail} message */
  picture({ entry, picture }) {
    this.tray.picture(entry, `data:image/jpeg;base64,${picture}`);
  }

  /** @param {TrayState} message */
  told(message) {
    this.acts = this.acts.filter((act) => act.number > message.done);
    const { phones, painting, line, waiting, released, gallery, url, addresses } = message;
    const count = phones ? text("hall.phones", { count: phones }) : text("hall.no_phones");
    const doing = [text("hall.painting", { count: painting }), line && text("hall.line", { count: line })];
    byId("phones").textContent = listed([count, ...doing]);
    byId("join").textContent = url || text("hall.no_address");
    byId("join").classList.toggle("alarm", !url);
    this.offer(addresses);
    this.tray.show(waiting, released);
    byId("audience-title").textContent = waiting.length ? text("hall.waiting", { count: waiting.length }) : text("hall.title");
    byId("shown").hidden = !gallery;
    byId("shown").querySelector("summary").textContent = text("hall.shown", { count: gallery });
  }

  /** The addresses of this computer, where it has several. @param {string[]} addresses */
  offer(addresses) {
    byId("addresses").hidden = addresses.length < 2;
    const select = byId("hall-address");
    if ([...select.options].map((each) => each.value).join() === addresses.join()) return;
    select.replaceChildren(...addresses.map((each) => new Option(each.replace(/^https?:\/\//, ""), each)));
    select.value = addresses.includes(this.hall.address) ? this.hall.address : addresses[0];
  }

  show() {
    const { hall } = this;
    byId("hall-open").setAttribute("aria-pressed", String(hall.open));
    byId("hall-open").textContent = text(hall.open ? "hall.open" : "hall.closed");
    byId("hall-code").value = hall.code;
    for (const name of CHECKS) byId(`hall-${name}`).checked = hall[name];
  }

  /** Fetched with the presenter's token, which shall stand in no address. @param {"zip" | "sheet"} kind */
  async save(kind) {
    const { code, token } = this.desk.state;
    const body = JSON.stringify({ code, token, kind });
    const headers = { "Content-Type": "application/json" };
    const url = new URL("../stage/gallery", import.meta.url);
    const answer = await fetch(url, { method: "POST", headers, body }).catch(() => null);
    const problem = answer?.ok ? "" : said((await answer?.json().catch(() => null))?.detail) || text("hall.offline");
    byId("gallery-problem").textContent = problem;
    if (!answer || problem) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = FILES[kind];
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }
}
