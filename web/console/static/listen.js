// Listening in on a live call: the button, the socket, and what is shown of it. The sound is ear-worklet.js's.
"use strict";

(() => {
  const box = document.getElementById("listen");
  const button = document.getElementById("listen-button");
  const said = document.getElementById("listen-said");
  const levels = document.getElementById("listen-levels");
  const meters = [document.getElementById("listen-caller"), document.getElementById("listen-bot")];

  const AGAIN = 4001; // the bot's session is over, and the call perhaps goes on
  const TRIES = 20;
  const PAUSE_MS = 1500;
  const FIRST_HZ = 8000;

  let wanted = false; // whether the person wants to listen
  let socket = null;
  let context = null;
  let ear = null;
  let tries = 0;

  function show(text) {
    said.textContent = text;
  }

  function showState() {
    button.textContent = wanted ? "Stop" : "Listen";
    button.setAttribute("aria-pressed", String(wanted));
    levels.hidden = !wanted;
  }

  // A socket that is refused tells a page nothing of why, so it is asked before.
  async function whyNot() {
    const answer = await fetch(box.dataset.listen, { headers: { Accept: "application/json" } });
    if (answer.ok) return "";
    const type = answer.headers.get("Content-Type") || "";
    return type.includes("json") ? (await answer.json()).error : `the server answers ${answer.status}`;
  }

  // At the telephone's rate: the browser brings it to that of the loudspeaker.
  function open(rate) {
    context = new AudioContext({ sampleRate: rate });
    context.resume();
  }

  async function begin(start) {
    const rate = Math.max(start.caller.sample_rate, start.bot.sample_rate);
    if (context.sampleRate !== rate) {
      context.close();
      open(rate);
    }
    const mine = context;
    mine.loaded = mine.loaded || mine.audioWorklet.addModule(box.dataset.ear);
    await mine.loaded;
    if (context !== mine) return;
    if (ear !== null) ear.disconnect();
    ear = new AudioWorkletNode(context, "ear", { numberOfInputs: 0, outputChannelCount: [1] });
    ear.port.onmessage = (event) => {
      meters.forEach((meter, side) => (meter.value = event.data[side]));
    };
    ear.port.postMessage({ start });
    const analyser = context.createAnalyser();
    ear.connect(analyser).connect(context.destination);
    box.ear = { context, analyser }; // for tests, which hear by it
    show("");
  }

  // Messages come while the sound is being set up: they are taken one after the other.
  let taking = Promise.resolve();

  function take(mine, data) {
    taking = taking
      .then(() => (socket === mine ? taken(data) : null))
      .catch((error) => socket === mine && stop(`no sound: ${error.message}`));
  }

  async function taken(data) {
    if (typeof data !== "string") {
      if (ear !== null) ear.port.postMessage({ pieces: data }, [data]);
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "start") {
      tries = 0;
      await begin(message);
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
    const mine = new WebSocket(address);
    socket = mine;
    mine.binaryType = "arraybuffer";
    mine.onmessage = (event) => take(mine, event.data);
    mine.onclose = (event) => {
      if (socket !== mine) return; // it was closed here
      socket = null;
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
    const before = socket;
    socket = null;
    if (before !== null) before.close(1000);
    if (ear !== null) ear.disconnect();
    if (context !== null) context.close();
    ear = context = null;
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
    open(FIRST_HZ); // now, while browsers know that the person has asked for sound
    connect();
  });

  // The page follows the call: when that is over there is nothing to hear
  document.addEventListener("htmx:sse:after:message", () => {
    if (document.querySelector("#call-head [data-secs]")) return;
    if (wanted) stop("");
    box.hidden = true;
  });

  addEventListener("pagehide", () => wanted && stop(""));

  box.hidden = false;
})();
