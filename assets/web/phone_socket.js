// A phone's line to the server: says who it is first, and passes on what comes.

import { ReconnectingSocket, splitFrame } from "./reconnecting.js";

export class PhoneSocket extends ReconnectingSocket {
  /**
   * @param token  a function: by what the server knows this phone; empty: it does not
   * @param hooks  by type of message, with the message; frame(header, bytes), lost()
   */
  constructor(code, token, hooks) {
    super(() => `../audience/live?${new URLSearchParams({ code })}`);
    this.token = token;
    this.hooks = hooks;
  }

  opened() {
    this.send(JSON.stringify({ join: this.token() }));
  }

  read(data) {
    if (typeof data !== "string") {
      this.acknowledge();
      this.hooks.frame(...splitFrame(data));
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "welcome") this.welcomed();
    this.hooks[message.type]?.(message);
  }

  closed() {
    this.hooks.lost();
    return true;
  }
}
