// The two ways to the server. Each has send(text) and watch(on), which asks for the load; what comes
// back goes to the hooks: received(message, bytes of its picture) and state("open" | "closed").

const FIRST_WAIT = 250; // ms before connecting again, doubled up to the last
const LAST_WAIT = 5000;
const OPEN_WITHIN = 5000; // ms for the first handshake before the other way is tried
const ASK_LOADING = 500; // ms between questions for the status, over events
const ASK_WATCHING = 1000;
const ASK_READY = 5000;
const STAY = 20000; // ms after which a tab that still sends asks for its stream to stay open

/** A WebSocket that comes back by itself. */
export class SocketTransport {
  name = "socket";

  constructor(hooks, gaveUp) {
    this.hooks = hooks;
    this.gaveUp = gaveUp; // called when the first handshake fails; null: try for ever
    this.wait = FIRST_WAIT;
    this.opened = false;
    this.connect();
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    addEventListener("online", () => this.soon(0), { signal });
    addEventListener("pagehide", () => this.stop(), { signal });
    addEventListener("pageshow", (event) => event.persisted && this.soon(0), { signal });
  }

  connect() {
    const url = new URL("../live", import.meta.url);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.frames = 0;
    const impatience = setTimeout(() => socket.close(), OPEN_WITHIN);
    socket.onopen = () => {
      clearTimeout(impatience);
      this.opened = true;
      this.hooks.state("open");
    };
    socket.onmessage = ({ data }) => this.read(data);
    socket.onclose = () => {
      clearTimeout(impatience);
      if (this.socket !== socket) return;
      this.socket = null;
      if (!this.opened && this.gaveUp) {
        this.listeners.abort(); // from here on the other way is the only one
        this.gaveUp();
        return;
      }
      this.hooks.state("closed");
      this.soon(this.wait * (0.75 + Math.random() / 2));
      this.wait = Math.min(this.wait * 2, LAST_WAIT);
    };
  }

  read(data) {
    if (typeof data === "string") {
      const message = JSON.parse(data);
      if (message.type === "status") this.wait = FIRST_WAIT; // not when the server is full
      this.hooks.received(message, null);
      return;
    }
    // Said at once, so that the server never runs far ahead of a slow line.
    this.frames += 1;
    this.send(JSON.stringify({ seen: this.frames }));
    const length = new DataView(data).getUint32(0);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    this.hooks.received(header, new Uint8Array(data, 4 + length));
  }

  send(text) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(text);
  }

  watch(on) {
    this.send(JSON.stringify({ watch: on }));
  }

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
}

/** Gradio's events, through hidden components: slower, and works where no socket does. */
export class EventsTransport {
  name = "events";

  constructor(hooks) {
    this.hooks = hooks;
    this.messages = [];
    this.loading = true;
    this.watching = false;
    this.stays = 0; // until when the stream need not be asked to stay
    setTimeout(() => hooks.state("open"));
    this.askStatus();
  }

  send(text) {
    this.messages.push(text);
    document.getElementById("events-send").click();
    if (performance.now() < this.stays) return;
    this.stays = performance.now() + STAY;
    document.getElementById("events-stay").click();
  }

  watch(on) {
    this.watching = on;
    this.send(JSON.stringify({ watch: on }));
    clearTimeout(this.timer);
    this.askStatus();
  }

  /** Called by the hidden button's event: the message to send. */
  takeMessage() {
    return this.messages.shift() ?? '{"seen": 0}';
  }

  /** Called by the hidden outputs with each new value. */
  take(value) {
    // Gradio sends later values as edits, and now and then hands the edit on as it came.
    const text = Array.isArray(value) ? value.flat(Infinity).at(-1) : value;
    if (!text) return;
    const message = JSON.parse(text);
    if (message.type === "status") {
      this.loading = message.state === "loading" || message.loading_model !== "";
    }
    const { picture, load, ...header } = message;
    if (load) this.hooks.received(load, null);
    this.hooks.received(header, picture ? bytesOf(picture) : null);
  }

  askStatus() {
    document.getElementById("events-ask-status").click();
    const wait = this.loading ? ASK_LOADING : this.watching ? ASK_WATCHING : ASK_READY;
    this.timer = setTimeout(() => this.askStatus(), wait);
  }
}

function bytesOf(uri) {
  const text = atob(uri.slice(uri.indexOf(",") + 1));
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
