// The two ways to the server. Each has send(text) and watch(on), which asks for the load; what comes
// back goes to the hooks: received(message, bytes of its picture) and state("open" | "closed").

import { ReconnectingSocket, splitFrame } from "./reconnecting.js";

const ASK_LOADING = 500; // ms between questions for the status, over events
const ASK_WATCHING = 1000;
const ASK_READY = 5000;
const STAY = 20000; // ms after which a tab that still sends asks for its stream to stay open

/**
 * The way that a page is told to take.
 * @param {PageConfig["transport"]} name
 * @param {TransportHooks} hooks
 * @param {(other: EventsTransport) => void} instead  called with the other way where "auto" finds that no socket opens
 * @returns {SocketTransport | EventsTransport}
 */
export function wayTo(name, hooks, instead) {
  if (name === "events") return new EventsTransport(hooks);
  return new SocketTransport(hooks, name === "auto" ? () => instead(new EventsTransport(hooks)) : null);
}

/** The page's WebSocket. */
export class SocketTransport extends ReconnectingSocket {
  name = "socket";

  /** @param {TransportHooks} hooks @param {(() => void) | null} gaveUp */
  constructor(hooks, gaveUp) {
    super(() => "../live");
    this.hooks = hooks;
    this.gaveUp = gaveUp; // called when the first handshake fails; null: try for ever
    this.everOpened = false;
  }

  opened() {
    this.everOpened = true;
    this.hooks.state("open");
  }

  closed() {
    if (!this.everOpened && this.gaveUp) {
      this.gaveUp(); // from here on the other way is the only one
      return false;
    }
    this.hooks.state("closed");
    return true;
  }

  /** @param {string | ArrayBuffer} data */
  read(data) {
    if (typeof data === "string") {
      const message = JSON.parse(data);
      if (message.type === "status") this.welcomed(); // not when the server is full
      this.hooks.received(message, null);
      return;
    }
    this.acknowledge();
    this.hooks.received(...splitFrame(data));
  }

  /** @param {boolean} on */
  watch(on) {
    this.send(JSON.stringify({ watch: on }));
  }
}

/** Gradio's events, through hidden components: slower, and works where no socket does. */
export class EventsTransport {
  name = "events";

  /** @param {TransportHooks} hooks */
  constructor(hooks) {
    this.hooks = hooks;
    /** @type {string[]} */
    this.messages = [];
    this.loading = true;
    this.watching = false;
    this.stays = 0; // performance.now() until which the stream need not be asked to stay open
    setTimeout(() => hooks.state("open"));
    this.askStatus();
  }

  /** @param {string} text */
  send(text) {
    this.messages.push(text);
    document.getElementById("events-send").click();
    if (performance.now() < this.stays) return;
    this.stays = performance.now() + STAY;
    document.getElementById("events-stay").click();
  }

  /** @param {boolean} on */
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

  /** Called by the hidden outputs with each new value. @param {string | unknown[]} value */
  take(value) {
    // Gradio sends later values as edits, and now and then hands the edit on as it came.
    const text = /** @type {string | undefined} */ (Array.isArray(value) ? value.flat(Infinity).at(-1) : value);
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

/** @param {string} uri */
function bytesOf(uri) {
  const text = atob(uri.slice(uri.indexOf(",") + 1));
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
