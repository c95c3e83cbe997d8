// How long the last pictures took, and the small live trace of it under the picture.

const LENGTH = 40; // pictures

/** First paint and final, ms; null: none yet. @typedef {[number, number | null]} Times */

const SERIES = [[1, "--trace-final"], [0, "--trace-first"]];

export class Trace {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    /** @type {Times[]} */
    this.times = []; // the oldest first
    this.ratio = 1; // the screen's pixels to one of the page's
    // Its size is known from here: to ask for it would be to lay out the page.
    new ResizeObserver(([{ contentRect }]) => this.fit(contentRect)).observe(canvas);
  }

  /** @param {Box} size */
  fit({ width, height }) {
    this.ratio = globalThis.devicePixelRatio || 1;
    this.canvas.width = width * this.ratio;
    this.canvas.height = height * this.ratio;
    this.draw();
  }

  /** Times of the newest picture, ms; null: none yet. @param {number | null} first @param {number | null} final */
  add(first, final) {
    if (first != null) this.times = [...this.times, /** @type {Times} */ ([first, null])].slice(-LENGTH);
    const last = this.times.at(-1);
    if (final != null && last) last[1] = final;
  }

  /** First paint and final as they were last known. */
  get newest() {
    const newest = (/** @type {0 | 1} */ which) => this.times.findLast((each) => each[which] != null)?.[which];
    return [newest(0), newest(1)];
  }

  draw() {
    const { canvas, context, ratio, times } = this;
    const { width, height } = canvas;
    const style = getComputedStyle(canvas);
    // An outlier, such as the first picture that waits for the model, is cut off: it would flatten
    // all others.
    const known = times.map(([first, final]) => final ?? first).sort((a, b) => a - b);
    const top = Math.max(50, 3 * (known[known.length >> 1] ?? 0));
    const bar = width / LENGTH;
    const left = width - times.length * bar;
    context.clearRect(0, 0, width, height);
    for (const [which, color] of /** @type {[number, string][]} */ (SERIES)) {
      context.fillStyle = style.getPropertyValue(color);
      times.forEach((each, place) => {
        if (each[which] == null) return;
        const size = Math.min(height, Math.max(ratio, (height * each[which]) / top));
        context.fillRect(left + place * bar, height - size, bar - ratio, size);
      });
    }
  }
}
