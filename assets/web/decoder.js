// Decodes pictures in a thread of their own: a key that is typed meanwhile delays none, nor they it.

export class Decoder {
  constructor() {
    this.worker = new Worker(new URL("./decode_worker.js", import.meta.url));
  }

  /**
   * Decodes a picture; one at a time.
   *
   * @returns an ImageBitmap; it is the caller's to close
   */
  async decode(bytes, type) {
    if (this.worker) {
      const answer = await this.ask({ bytes, type });
      if (answer) return answer;
      this.worker = null; // the thread could not be started: this one does it
    }
    return createImageBitmap(new Blob([bytes], { type }));
  }

  /** The worker's picture; null when there is no worker after all. */
  ask(message) {
    const { worker } = this;
    return new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => (data.problem ? reject(data.problem) : resolve(data.picture));
      worker.onerror = () => resolve(null);
      worker.postMessage(message);
    });
  }
}
