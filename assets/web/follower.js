// Follows a wall over its read-only socket: one for a screen, and one for the desk's small picture.

import { ReconnectingSocket, splitFrame } from "./reconnecting.js";
import { told } from "./said.js";

export class Follower extends ReconnectingSocket {
  /**
   * @param {() => Record<string, string>} query  what the server is told of this screen, { code, size } or { code, desk }
   * @param {ScreenHooks} hooks  scene(message), frame(header, bytes), refused(message), lost(), and if wanted
   *   invitation(message)
   * @param {number} every  ms that a picture is looked at before the next is asked for
   */
  constructor(query, hooks, every = 0) {
    super(() => `../stage/follow?${new URLSearchParams(query())}`);
    this.hooks = hooks;
    this.every = every;
  }

  /** @param {string | ArrayBuffer} data */
  read(data) {
    if (typeof data !== "string") {
      const { socket } = this;
      if (this.every) setTimeout(() => socket === this.socket && this.acknowledge(), this.every);
      else this.acknowledge();
      this.hooks.frame(...splitFrame(data));
      return;
    }
    const message = told(JSON.parse(data));
    if (message.type === "scene") {
      this.welcomed();
      this.hooks.scene(message);
    } else if (message.type === "invitation") this.hooks.invitation?.(message);
    else this.hooks.refused(message);
  }

  closed() {
    this.hooks.lost();
    return true;
  }
}
