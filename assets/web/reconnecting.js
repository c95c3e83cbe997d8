// A WebSocket that comes back by itself, and how frames travel in one.

const FIRST_WAIT = 250; // ms before connecting again, doubled up to the last
const LAST_WAIT = 5000;
const OPEN_WITHIN = 5000; // ms for a handshake

/** Subclasses say what is done when it has `opened`, with what is `read`, and when it has `closed`. */
export class ReconnectingSocket {
  /** @param {() => string} url  where to, each time */
  constructor(url) {
    this.url = url;
    this.wait = FIRST_WAIT;
    this.frames = 0; // received by this connection
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    addEventListener("online", () => this.soon(0), { signal });
    addEventListener("pagehide", () => this.stop(), { signal });
    addEventListener("pageshow", (event) => event.persisted && this.soon(0), { signal });
    this.connect();
  }

  opened() {}
  /** @param {string | ArrayBuffer} _data */
  read(_data) {}
  /** @returns whether it shall be tried again */
  closed() {
    return true;
  }

  connect() {
    const url = new URL(this.url(), import.meta.url);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.frames = 0;
    const impatience = setTimeout(() => socket.close(), OPEN_WITHIN);
    socket.onopen = () => {
      clearTimeout(impatience);
      this.opened();
    };
    socket.onmessage = ({ data }) => this.read(data);
    socket.onclose = () => {
      clearTimeout(impatience);
      if (this.socket !== socket) return;
      this.socket = null;
      if (!this.closed()) {
        this.listeners.abort();
        return;
      }
      this.soon(this.wait * (0.75 + Math.random() / 2));
      this.wait = Math.min(this.wait * 2, LAST_WAIT);
    };
  }

  /** The server is there for this page: should the line break, it is tried again quickly. */
  welcomed() {
    this.wait = FIRST_WAIT;
  }

  /** Says that a frame has come: at once, so that the server never runs far ahead of a slow line. */
  acknowledge() {
    this.frames += 1;
    this.send(JSON.stringify({ seen: this.frames }));
  }

  /** @param {string} text */
  send(text) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(text);
  }

  /** @param {number} wait  ms */
  soon(wait) {
    clearTimeout(this.timer);
    if (!this.socket) this.timer = setTimeout(() => this.socket || this.connect(), wait);
  }

  stop() {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  /** For good. */
  end() {
    this.listeners.abort();
    this.stop();
  }
}

/** The header and the bytes of the picture in a message. @param {ArrayBuffer} data @returns {[FrameHeader, Uint8Array<ArrayBuffer>]} */
export function splitFrame(data) {
  const length = new DataView(data).getUint32(0);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  return [header, new Uint8Array(data, 4 + length)];
}
