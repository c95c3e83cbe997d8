// Put into a page before it loads, by `bench browser`: notes keys, what is sent for them, and the
// frames of the browser that show their pictures, in ms by the page's own clock.

(steps) => {
  const events = new Map(); // Gradio's id -> what has been told of it
  const awaited = []; // pictures that Gradio's page does not show yet, oldest first
  let pressed = 0; // the last key
  let latest = null; // the picture that was drawn last
  let joined = Promise.resolve();
  let joining = 0; // what Gradio has not answered yet

  const probe = (globalThis.probe = {
    keys: [], // { text, at }
    sent: [], // { text, at }
    painted: [], // { text, step, final, received, at }
    problems: [],

    clear() {
      for (const each of ["keys", "sent", "painted"]) probe[each] = [];
    },

    finished(text) {
      return probe.painted.some((picture) => picture.final && picture.text === text);
    },

    /** Whether Gradio's page waits for nothing: it asks now and then twice for the same text. */
    rests() {
      return joining === 0 && [...events.values()].every((event) => event.completed);
    },

    /** What is on the screen: 16 x 16 pixels. */
    pixels() {
      const image = [...document.images].find(({ src }) => src.includes("file="));
      const small = Object.assign(document.createElement("canvas"), { width: 16, height: 16 });
      const context = small.getContext("2d");
      context.imageSmoothingQuality = "high";
      context.drawImage(image ?? document.getElementById("canvas"), 0, 0, 16, 16);
      return [...context.getImageData(0, 0, 16, 16).data].filter((_, place) => place % 4 < 3);
    },

    /** Called once our page has started. */
    watchOurs() {
      const { painter, transport } = globalThis.lightning;
      const { painted, offer } = painter;
      const { send, read } = transport;
      const arrivals = new WeakMap();
      let arrived = 0;
      transport.read = (data) => {
        arrived = performance.now();
        read.call(transport, data);
      };
      painter.offer = (header, bytes) => {
        arrivals.set(header, arrived);
        offer.call(painter, header, bytes);
      };
      painter.painted = (header) => {
        painted(header);
        const { sequence, prompt, step, final } = header;
        const asked = globalThis.lightning.sent.get(sequence)?.request.prompt;
        const words = asked?.trim().replaceAll(/\s+/g, " "); // as the server reads them
        const text = words === prompt ? asked : prompt;
        drawn({ text, step, final, received: arrivals.get(header) });
      };
      transport.send = (message) => {
        send.call(transport, message);
        const at = performance.now();
        const { request } = JSON.parse(message);
        if (request) probe.sent.push({ text: request.prompt, at });
      };
    },
  });

  // A frame shows what was drawn before its animation callbacks; the task after them comes when the
  // page's thread has handed it over.
  function drawn(picture) {
    latest = picture;
    requestAnimationFrame(() => {
      if (latest !== picture) return; // another one took its place in this frame
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => probe.painted.push({ ...picture, at: performance.now() });
      port2.postMessage(null);
    });
  }

  const first = { capture: true };
  addEventListener("keydown", ({ timeStamp }) => (pressed = timeStamp), first);
  addEventListener("input", ({ target }) => {
    if (target.matches("textarea")) probe.keys.push({ text: target.value, at: pressed });
  }, first);

  // Gradio ---------------------------------------------------------------------------------------

  const { fetch } = globalThis;
  globalThis.fetch = async (address, options) => {
    const url = String(address?.url ?? address);
    const at = performance.now();
    const joins = url.includes("/queue/join");
    joining += joins;
    const answer = await fetch(address, options).catch((problem) => {
      joining -= joins;
      throw problem;
    });
    if (joins) {
      const [text] = JSON.parse(options.body).data;
      probe.sent.push({ text, at });
      const read = answer.clone().json().finally(() => (joining -= 1));
      joined = read.then(({ event_id: id }) => {
        events.set(id, { text, step: 0, url: "", completed: false });
      });
    } else if (url.includes("/queue/data")) {
      listen(answer.clone().body).catch(() => {}); // the page has left
    }
    return answer;
  };

  async function listen(stream) {
    const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ; ) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      const received = performance.now();
      for (const line of lines) {
        if (line.startsWith("data:")) await told(JSON.parse(line.slice(5)), received);
      }
    }
  }

  async function told({ msg, event_id: id, output, success }, received) {
    if (msg !== "process_generating" && msg !== "process_completed") return;
    await joined;
    const event = events.get(id);
    event.completed = msg === "process_completed";
    if (!success) probe.problems.push(String(output?.error));
    if (!success || (msg === "process_completed" && event.step)) return; // a generator has ended
    event.step = msg === "process_completed" ? steps : event.step + 1;
    event.url = addressOf(output.data[0], event.url);
    const { text, step, url } = event;
    awaited.push({ text, step, final: step === steps, received, url });
    look();
  }

  /** A generator's later messages only tell what has changed. */
  function addressOf(picture, before) {
    if (!Array.isArray(picture)) return picture.url;
    const isAddress = ([action, path]) => action === "replace" && path.join() === "url";
    return picture.findLast(isAddress)?.[2] ?? before;
  }

  /** Whether the page shows one of the awaited pictures by now. */
  function look() {
    const fileOf = (url) => url.slice(url.indexOf("file="));
    const showing = ({ url }) => [...document.images].find(({ src }) => src.endsWith(fileOf(url)));
    const place = awaited.findLastIndex(showing);
    if (place < 0) return;
    const [picture] = awaited.splice(0, place + 1).slice(-1);
    showing(picture).decode().then(() => showing(picture) && drawn(picture), () => {});
  }

  const sources = { subtree: true, childList: true, attributeFilter: ["src"] };
  new MutationObserver(look).observe(document, sources);
};
