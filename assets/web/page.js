// The page begins: its live loop, and what else the server says that it has.

import { Lightning } from "./live.js";
import { text, wireLanguage } from "./text.js";

/** Called once, by the page's load event. */
export async function start() {
  /** @type {PageConfig} */
  const config = JSON.parse(document.getElementById("config").dataset.config ?? "");
  config.tips = config.tips.map((key) => text(key));
  const lightning = (globalThis.lightning = new Lightning(config));
  // In another language the page begins anew, with what has been typed.
  wireLanguage(/** @type {HTMLSelectElement} */ (document.querySelector("#masthead .language")), () => lightning.actions.address());
  document.querySelector(".gradio-container").dataset.started = "";
  globalThis.endLoadingSign?.(); // a page that shows this one within its own has no such head
  if (document.getElementById("desk")) {
    const { Desk } = await import("./desk.js");
    lightning.desk = new Desk(lightning);
  }
  if (config.attract || config.kiosk) {
    const { whileAlone } = await import("./alone.js");
    whileAlone(lightning, config);
  }
}
