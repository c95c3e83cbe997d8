// What a page does while nobody is at it: it plays (--attract), and begins anew (--kiosk).

import { Attract } from "./attract.js";
import { Kiosk } from "./kiosk.js";
import { Presence } from "./presence.js";

/**
 * @param {import("./live.js").Lightning} lightning
 * @param {PageConfig} config  with the seconds of both; 0: it does not
 */
export function whileAlone(lightning, { attract, kiosk }) {
  // Gradio would rewrite its rules, and every page would have them.
  const style = { rel: "stylesheet", href: new URL("alone.css", import.meta.url) };
  document.head.append(Object.assign(document.createElement("link"), style));
  const presence = new Presence();
  if (attract) lightning.attract = new Attract(lightning, presence, attract);
  if (kiosk) lightning.kiosk = new Kiosk(lightning, presence, kiosk);
}
