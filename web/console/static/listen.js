// Listening in on a live call: the button, the socket, and what is shown of it. The sound is ear-worklet.js's.
"use strict";

(() => {
  const box = document.getElementById("listen");
  const button = document.getElementById("listen-button");
  const said = document.getElementById("listen-said");
  const count = document.getElementById("listeners");
  const meters = [document.getElementById("listen-caller"), document.getElementById("listen-bot")];

  const AGAIN = 4001; // the bot's session is over, and the call perhaps goes on
  const TRIES = 20;
  const PAUSE_MS = 1500;

  let wanted = false; // whether the person wants to listen
  let socket = null;
  let context = null;
  let ear = null;
  let tries = 0;

  function show(text) {
    said.textContent = text;
  }

  function showListeners(n) {
    count.textContent = n === 0 ? "" : n === 1 ? "1 person listens" : `${n} people listen`;
  }

  function showState() {
    button.textContent = wanted ? "Stop" : "Listen";
    button.setAttribute("aria-pressed", String(wanted));
  }

  // A socket that is refused tells a page nothing of why, so it is asked before.
  async function whyNot() {
    const answer = await fetch(box.dataset.listen, { headers: { Accept: "application/json" } });
    if (answer.ok) {
      showListeners((await answer.json()).listeners.length);
      return "";
    }
    const type = answer.headers.get("Content-Type") || "";
    return type.includes("json") ? (await answer.json()).error : `the server answers ${answer.status}`;
  }

  async function begin(start) {
    const rate = Math.max(start.caller.sample_rate, start.bot.sample_rate);
    if (context === null || context.sampleRate !== rate) {
      if (context !== null) await context.close();
      // The browser brings the telephone's rate to that of the loudspeaker.
      context = new AudioContext({ sampleRate: rate });
      await context.audioWorklet.addModule(box.dataset.ear);
    } else if (ear !== null) {
      ear.disconnect();
    }
    ear = new AudioWorkletNode(context, "ear", { numberOfInputs: 0, outputChannelCount: [1] });
    ear.port.onmessage = (event) => {
      meters.forEach((meter, side) => (meter.value = event.data[side]));
    };
    ear.port.postMessage({ start });
    const analyser = context.createAnalyser();
    ear.connect(analyser).connect(context.destination);
    box.ear = { context, analyser }; // for tests, which hear by it
    await context.resume();
    show("");
  }

  // Messages come while the sound is being set up: they are taken one after the other.
  let taking = Promise.resolve();

  function take(event) {
    taking = taking.then(() => taken(event.data)).catch((error) => stop(`no sound: ${error.message}`));
  }

  async function taken(data) {
    if (!wanted) return;
    if (typeof data !== "string") {
      if (ear !== null) ear.port.postMessage({ pieces: data }, [data]);
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "start") {
      tries = 0;
      showListeners(message.listeners);
      await begin(message);
    } else if (message.type === "listeners") {
      showListeners(message.listeners);
    } else if (message.type === "silent") {
      if (ear !== null) ear.port.postMessage({ forget: true });
      show(message.silent ? "silent: nothing may be heard now" : "");
    }
  }

  async function connect() {
    let reason;
    try {
      reason = await whyNot();
    } catch {
      reason = "the server cannot be reached";
    }
    if (!wanted) return;
    if (reason) {
      again(reason);
      return;
    }
    const address = new URL(box.dataset.listen, location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    socket.onmessage = take;
    socket.onclose = (event) => {
      socket = null;
      if (!wanted) return;
      if (event.code === AGAIN || event.code === 1006) {
        tries = Math.max(tries, 1);
        again(event.reason || "the connection was lost");
      } else {
        stop(event.reason);
      }
    };
  }

  // A first try that is refused tells why; one after a session that has ended is made again for a while.
  function again(reason) {
    if (tries === 0 || tries > TRIES) {
      stop(reason);
      return;
    }
    tries += 1;
    show(`listening again: ${reason}`);
    setTimeout(() => wanted && connect(), PAUSE_MS);
  }

  function stop(reason) {
    wanted = false;
    tries = 0;
    showState();
    show(reason || "");
    if (socket !== null) socket.close(1000);
    if (ear !== null) ear.disconnect();
    if (context !== null) context.close();
    socket = ear = context = null;
    delete box.ear;
    meters.forEach((meter) => (meter.value = 0));
  }

  button.addEventListener("click", () => {
    if (wanted) {
      stop("");
      return;
    }
    wanted = true;
    showState();
    show("connecting");
    connect();
  });

  document.addEventListener("keydown", (event) => {
    const plain = !(event.ctrlKey || event.metaKey || event.altKey || event.repeat);
    const typing = event.target.closest?.("input, textarea, select, dialog, [contenteditable]");
    if (event.key === "l" && plain && !typing && !event.defaultPrevented) button.click();
  });

  addEventListener("pagehide", () => wanted && stop(""));

  box.hidden = false;
})();
