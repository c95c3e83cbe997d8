// A phone's line to the server: says who it is first.

import { GuestSocket } from "./guest_socket.js";

/** @extends {GuestSocket<PhoneHooks>} */
export class PhoneSocket extends GuestSocket {
  /**
   * @param {string} code
   * @param {() => string} token  by what the server knows this phone; empty: it does not
   * @param {PhoneHooks} hooks  by type of message, with the message; frame(header, bytes), lost()
   */
  constructor(code, token, hooks) {
    super(() => `../audience/live?${new URLSearchParams({ code })}`, hooks);
    this.token = token;
  }

  opened() {
    this.send(JSON.stringify({ join: this.token() }));
  }

  closed() {
    this.hooks.lost();
    return true;
  }
}
