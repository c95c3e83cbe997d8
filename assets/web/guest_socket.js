// The line of a talk's guest, a phone or a keyboard, to the server: passes on what comes.

import { ReconnectingSocket, splitFrame } from "./reconnecting.js";
import { told } from "./said.js";

/** @template {FrameHook} Hooks @extends {ReconnectingSocket} */
export class GuestSocket extends ReconnectingSocket {
  /**
   * @param {() => string} url  where to, each time
   * @param {Hooks} hooks  by type of message, with the message; frame(header, bytes)
   */
  constructor(url, hooks) {
    super(url);
    this.hooks = hooks;
  }

  /** @param {string | ArrayBuffer} data */
  read(data) {
    if (typeof data !== "string") {
      this.acknowledge();
      this.hooks.frame(...splitFrame(data));
      return;
    }
    const message = told(JSON.parse(data));
    if (message.type === "welcome") this.welcomed();
    const hooks = /** @type {Record<string, (message: object) => void>} */ (/** @type {unknown} */ (this.hooks));
    hooks[message.type]?.(message);
  }
}
