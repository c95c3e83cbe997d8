// The wall's picture: as large as it gets, crossfaded or cut, its surround made of itself.

import { Painter } from "./painter.js";

const FADE = 260; // ms
const SURROUND = 48; // pixels of the surround's longer side; it is blurred anyway

export class WallPainter extends Painter {
  /**
   * @param {HTMLCanvasElement} canvas  as of `Painter`; the picture's box
   * @param {HTMLCanvasElement} surround  a canvas behind all; it takes the picture, tiny
   * @param {(header: FrameHeader) => void} painted
   */
  constructor(canvas, surround, painted) {
    super(canvas, painted);
    this.surround = surround;
    this.before = document.createElement("canvas"); // what a fade begins with
    this.fade = true;
    this.frame = 0; // of the animation
    /** @type {ImageBitmap | null} */
    this.drawn = null; // the picture that is drawn, or faded to
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
  }

  /**
   * The server decides what is newest: after a restart, or when the wall is no longer frozen.
   * @param {FrameHeader} header
   * @param {BufferSource} bytes
   */
  offer(header, bytes) {
    this.shown = -1;
    super.offer({ ...header, sequence: 0 }, bytes);
  }

  /** Resolves once what has been offered is shown. */
  async settled() {
    while (this.busy) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  draw() {
    const { picture, canvas, before } = this;
    if (!before) return; // within the constructor
    cancelAnimationFrame(this.frame);
    const first = !this.drawn;
    const news = picture && picture !== this.drawn;
    const same = before.width === canvas.width && before.height === canvas.height;
    this.drawn = picture;
    if (news) this.drawSurround(picture);
    if (!news || first || !this.fade || this.calm.matches || document.hidden) {
      super.draw();
      return;
    }
    if (!same) [before.width, before.height] = [canvas.width, canvas.height];
    const copy = /** @type {CanvasRenderingContext2D} */ (before.getContext("2d"));
    copy.globalCompositeOperation = "copy";
    copy.drawImage(canvas, 0, 0);
    const begun = performance.now();
    const step = () => {
      const share = Math.min(1, (performance.now() - begun) / FADE);
      if (share === 1) {
        super.draw();
        return;
      }
      this.mix(share);
      this.frame = requestAnimationFrame(step);
    };
    step();
  }

  /** What was shown before, and over it so much of the picture. @param {number} share */
  mix(share) {
    const { context, before, picture } = this;
    context.globalCompositeOperation = "copy";
    context.globalAlpha = 1;
    context.drawImage(before, 0, 0);
    context.globalCompositeOperation = "source-over";
    context.globalAlpha = share;
    if (picture) context.drawImage(picture, ...this.place(picture));
    context.globalAlpha = 1;
  }

  /** @param {ImageBitmap} picture */
  drawSurround(picture) {
    const { surround } = this;
    const scale = SURROUND / Math.max(picture.width, picture.height);
    surround.width = Math.max(1, Math.round(picture.width * scale));
    surround.height = Math.max(1, Math.round(picture.height * scale));
    surround.getContext("2d")?.drawImage(picture, 0, 0, surround.width, surround.height);
  }
}
