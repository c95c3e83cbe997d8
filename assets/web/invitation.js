// The code that phones join by, on the wall: drawn from a path, so nothing is asked of anybody.

import { text } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";
const QUIET = 4; // modules of white around it, which cameras need

export class Invitation {
  /** @param {HTMLElement} box  holds a place for the code and a paragraph for the address */
  constructor(box) {
    this.box = box;
    this.place = box.querySelector("div");
    this.address = box.querySelector("p");
  }

  /** @param {Invited} message  url, size, path and whether it is large; no url: there is none */
  show({ url, size, path, large }) {
    this.box.hidden = !url;
    document.body.classList.toggle("inviting", Boolean(url) && !large);
    if (!url) return;
    this.box.classList.toggle("large", large);
    const side = size + 2 * QUIET;
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", `${-QUIET} ${-QUIET} ${side} ${side}`);
    svg.setAttribute("shape-rendering", "crispEdges");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", text("stage.qr", { url }));
    const modules = document.createElementNS(SVG, "path");
    modules.setAttribute("d", path);
    svg.append(modules);
    this.place.replaceChildren(svg);
    const { host, pathname, searchParams } = new URL(url);
    const code = Object.assign(document.createElement("b"), { textContent: searchParams.get("code") });
    // Where one line is too short it ends after the host.
    this.address.replaceChildren(host, document.createElement("wbr"), `${pathname}\u00a0`, code);
  }
}
