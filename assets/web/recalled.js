// Settings of another time, of another program or of another dialog: shown with their seed locked, and
// painted only where somebody goes on from them.

import { fitted } from "./fitted.js";

export class Recalled {
  /** @param {import("./live.js").Lightning} lightning  the page's live loop */
  constructor(lightning) {
    this.lightning = lightning;
  }

  /** What the controls can say. @returns {import("./fitted.js").Limits} */
  get limits() {
    const { controls, maxSeed, styles } = this.lightning;
    return {
      steps: controls.choices("num_inference_steps").map(Number),
      sizes: controls.choices("size").map((size) => size.split("x").map(Number)),
      maxSeed,
      styles: styles.map(({ name }) => name),
      maxGuidance: Number(controls.field("guidance_scale").max),
    };
  }

  /** Shows a request that can be asked for here; asks for nothing. @param {Asked} request */
  take(request) {
    const { lightning } = this;
    lightning.request = request;
    lightning.controls.set("seed_lock", true);
    lightning.controls.show(request); // nothing new to the loop
    lightning.mark();
  }

  /**
   * Shows settings as far as they can be asked for here, and the picture where there is one; asks for nothing.
   * @param {Partial<Asked>} settings
   * @param {Blob | null} [picture]
   */
  show(settings, picture) {
    const { request, painter } = this.lightning;
    this.take(fitted(settings, request, this.limits)?.request ?? request);
    if (picture) painter.peek(picture);
  }

  /** Asks for what is shown, whose picture stays until its last step is painted. */
  paint() {
    const { lightning } = this;
    lightning.timeline?.stop();
    lightning.submit();
    lightning.painter.skipTo(lightning.sequence, lightning.request.num_inference_steps);
  }
}
