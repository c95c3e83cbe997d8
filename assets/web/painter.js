// Paints frames on one canvas: never an older one after a newer, and only the newest waiting one.

import { Decoder } from "./decoder.js";

/**
 * A frame that waits, or a picture of another time, which is `aside`.
 * @typedef {{ header: FrameHeader, bytes: BufferSource, aside?: false }} Frame
 * @typedef {{ header: { media_type: string }, bytes: Blob, aside: true }} Aside
 * @typedef {Frame | Aside} Offered
 */

export class Painter {
  /**
   * @param {HTMLCanvasElement} canvas  fills its box; pictures are fitted into it, scaled smoothly, never stretched
   * @param {(header: FrameHeader) => void} painted  called with a frame's header once it is on the canvas
   * @param {(header: FrameHeader) => void} failed  called instead where it cannot be shown
   */
  constructor(canvas, painted, failed = () => {}) {
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.decoder = new Decoder();
    this.painted = painted;
    this.failed = failed;
    this.shown = 0; // the newest sequence ever offered
    this.step = 0; // its furthest step
    /** @type {Offered | null} what is decoded next */
    this.next = null;
    /** @type {Aside | null} what is shown after that */
    this.aside = null;
    this.busy = false;
    /** @type {ImageBitmap | null} */
    this.picture = null; // what is shown
    /** @type {Offered | null} what `picture` was decoded from */
    this.last = null;
    this.cleared = 0; // times; a picture that is decoded across one is not shown
    new ResizeObserver(() => this.fit()).observe(canvas.parentElement);
    this.fit();
  }

  /** A frame has come. @param {FrameHeader} header @param {BufferSource} bytes  the encoded picture */
  offer(header, bytes) {
    const { sequence, step } = header;
    if (sequence < this.shown || (sequence === this.shown && step < this.step)) return;
    this.shown = sequence;
    this.step = step;
    this.next = { header, bytes };
    this.aside = null;
    if (!this.busy) this.pump();
  }

  /**
   * Shows a picture of another time, until the next frame. A frame that waits is painted first: its
   * request would seem unanswered, and its picture would not be kept.
   * @param {Blob} picture
   */
  peek(picture) {
    this.aside = { header: { media_type: picture.type }, bytes: picture, aside: true };
    if (!this.busy) this.pump();
  }

  /**
   * Leaves out a request's frames before this step: what is shown is as good.
   * @param {number} sequence
   * @param {number} step
   */
  skipTo(sequence, step) {
    this.shown = sequence;
    this.step = step;
  }

  // Decoding one at a time: two at once may finish in either order.
  async pump() {
    this.busy = true;
    for (let frame = this.take(); frame; frame = this.take()) {
      const { header, bytes } = frame;
      const { cleared, canvas } = this;
      const { width, height } = canvas;
      try {
        const picture = await this.decoder.decode(bytes, header.media_type, this.canvas);
        if (cleared !== this.cleared) {
          picture.close();
          continue;
        }
        this.picture?.close();
        this.picture = picture;
        this.draw();
        // The box has changed meanwhile: the picture is too small or too large for it.
        if (canvas.width !== width || canvas.height !== height) this.next ??= frame;
        if (frame === this.last) continue; // in another size
        this.last = frame;
        if (!frame.aside) this.painted(frame.header);
      } catch (problem) {
        console.warn("a frame could not be shown as it should", problem);
        if (!frame.aside && frame !== this.last && cleared === this.cleared) this.failed(frame.header);
      }
    }
    this.busy = false;
  }

  /** What waits and is to be decoded now. */
  take() {
    const frame = this.next ?? this.aside;
    if (this.next) this.next = null;
    else this.aside = null;
    return frame;
  }

  /** Nothing is shown until the next frame. */
  clear() {
    this.cleared += 1;
    this.next = this.aside = this.last = null;
    this.picture?.close();
    this.picture = null;
    this.draw();
  }

  fit() {
    const box = this.canvas.parentElement.getBoundingClientRect();
    const ratio = globalThis.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(box.width * ratio));
    const height = Math.max(1, Math.round(box.height * ratio));
    if (this.canvas.width === width && this.canvas.height === height) return;
    this.canvas.width = width;
    this.canvas.height = height;
    this.draw(); // until it is there in the new size
    // What is being decoded is newer, and will be decoded again where it is of the old size.
    if (this.busy || !this.last) return;
    this.next = this.last;
    this.pump();
  }

  draw() {
    const { canvas, context, picture } = this;
    context.clearRect(0, 0, canvas.width, canvas.height); // the page's colour shows through
    if (!picture) return;
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, ...this.place(picture));
  }

  /** Left, top, width and height of a picture on the canvas. @param {ImageBitmap} picture @returns {[number, number, number, number]} */
  place(picture) {
    const { canvas } = this;
    const scale = Math.min(canvas.width / picture.width, canvas.height / picture.height);
    const [width, height] = [picture.width * scale, picture.height * scale].map(Math.round);
    return [(canvas.width - width) >> 1, (canvas.height - height) >> 1, width, height];
  }
}
