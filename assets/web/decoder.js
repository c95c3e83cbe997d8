// Decodes and scales pictures in a thread of their own: no key that is typed waits for a picture.

export class Decoder {
  constructor() {
    /** @type {Worker | null} null where it could not be started */
    this.worker = new Worker(new URL("./decode_worker.js", import.meta.url));
  }

  /**
   * Decodes a picture; one at a time.
   *
   * @param {BufferSource | Blob} bytes
   * @param {string} type
   * @param {Box} box  width and height in which it will be shown
   * @returns an ImageBitmap that fits the box; without the thread it has yet to be scaled. The caller
   *   closes it.
   */
  async decode(bytes, type, { width, height }) {
    if (this.worker) {
      const picture = await ask(this.worker, { bytes, type, width, height });
      if (picture) return picture;
      this.worker = null; // it could not be started
    }
    return createImageBitmap(new Blob([bytes], { type }));
  }
}

/** The worker's picture; null when there is no worker after all. @returns {Promise<ImageBitmap | null>} */
function ask(/** @type {Worker} */ worker, /** @type {object} */ message) {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => (data.problem ? reject(data.problem) : resolve(data.picture));
    worker.onerror = () => resolve(null);
    worker.postMessage(message);
  });
}
