// The telephone: what its buttons do, and what it says of a call.

import { Sound } from "./sound.js";
import { Wire } from "./wire.js";

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];
const AGAIN_MS = 2000;
const TAKEN = 4001;
const $ = (id) => document.getElementById(id);

const wire = new Wire($("wire"), $("rows"));
const sound = new Sound({
  spoken: (frame) => up && socket?.readyState === WebSocket.OPEN && socket.send(frame),
  level: (level) => ($("level-mic").value = meter(level)),
  played: (figures) => {
    $("level-ear").value = meter(figures.level);
    speaker = figures;
    showFigures();
  },
});

let socket = null;
let hello = null;
let urls = {};
let way = "";
let state = "none";
let up = false;
let answeredAt = 0;
let figures = null;
let speaker = { gaps: 0, waiting_ms: 0, dropped_ms: 0 };
let muted = false;

// From -60 dB to 0 dB of full scale
function meter(level) {
  return level > 0 ? Math.max(0, Math.min(100, (20 * Math.log10(level) + 60) / 0.6)) : 0;
}

function notice(text, bad = false) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
  $("notice").classList.toggle("bad", bad);
}

function show(next, text) {
  state = next;
  const rings = next === "incoming";
  $("call").textContent = rings ? "Answer" : "Call";
  $("hang-up").textContent = rings ? "Decline" : "Hang up";
  document.title = rings ? "☎ Softphone" : "Softphone";
  up = next === "up";
  $("state").textContent = text;
  $("dot").className = `dot ${{ up: "up", calling: "wait", ringing: "wait", incoming: "wait", none: "bad" }[next] ?? ""}`;
  const free = next === "ready" || next === "over";
  $("call").disabled = !free && !rings;
  $("hang-up").disabled = free || next === "none";
  $("mute").disabled = $("break").disabled = !up;
  for (const key of $("keypad").children) key.disabled = !up;
  for (const id of ["way", "url", "from", "to", "line", "parameters", "anybody", "add-person"]) $(id).disabled = !free;
  if (!up) $("clock").textContent = "";
}

function send(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function connect() {
  const secure = location.protocol === "https:" ? "wss" : "ws";
  const opened = new WebSocket(`${secure}://${location.host}/line`);
  socket = opened;
  opened.binaryType = "arraybuffer";
  opened.onmessage = ({ data }) => {
    if (typeof data !== "string") return sound.play(data);
    return heard(JSON.parse(data));
  };
  opened.onclose = ({ code }) => {
    show("none", "not connected");
    if (code === TAKEN) {
      notice("Another page has the phone. Close it, then load this page again.", true);
    } else {
      notice("The softphone's program does not answer: is it still running?", true);
      setTimeout(connect, AGAIN_MS);
    }
  };
}

function heard(message) {
  if (message.hello) begin(message.hello);
  if (message.refused) refused(message.refused);
  if (message.rows) {
    $("wire-hint").hidden = true;
    wire.add(message.rows);
    $("save").disabled = false;
  }
  if (message.figures) {
    figures = message.figures;
    showFigures();
  }
  if (message.response_ms !== undefined) $("response").textContent = `${message.response_ms.toLocaleString("en")} ms`;
  if (message.said) said(message.said);
  if (message.state) changed(message);
}

function refused(text) {
  notice(text, true);
  if (state === "calling") show("ready", "ready");
}

// Where the phone is reached by calls that a server places
function wait() {
  send({ do: "wait", way, from: $("from").value.trim() || hello.from });
}

function clear() {
  sound.reset();
  wire.clear();
  $("said").replaceChildren();
  $("response").textContent = "–";
  figures = null;
  notice("");
}

function changed(message) {
  if (message.state === "calling") {
    show("calling", "calling");
  } else if (message.state === "ringing") {
    show("ringing", "ringing");
  } else if (message.state === "incoming") {
    clear();
    show("incoming", `${message.from} is calling you`);
    $("call").focus();
  } else if (message.state === "up") {
    wire.zero(message.answered);
    answeredAt = performance.now();
    show("up", "up");
  } else if (message.state === "over") {
    show("over", ended(message));
    if (message.error) notice(message.error, true);
    else if (message.errors?.length) notice(message.errors.join("\n"), true);
    $("recording").hidden = !message.recorded;
    $("call").focus();
    wait();
  }
}

function ended(message) {
  if (message.error) return "no call";
  const who = { bot: "the bot hung up", caller: "you hung up", colleague: "the colleague hung up", error: "the call broke" };
  const goodbye = message.goodbye_heard ? `, ${message.hangup_after_goodbye_ms} ms after its goodbye was heard` : "";
  const put = (message.colleagues ?? []).map((one) => `; ${one.number}: ${(one.outcome ?? "unknown").replace("_", " ")}`);
  return `over: ${who[message.ended_by] ?? `ended by ${message.ended_by}`}${goodbye}${put.join("")}`;
}

function showFigures() {
  if (!figures) return;
  const gaps = [figures.mouth_gaps, speaker.gaps, figures.bot_gaps];
  $("gaps").textContent = gaps.join(" / ");
  $("gaps").classList.toggle("bad", gaps.some((one) => one > 0));
  $("marks").textContent = `${figures.marks_sent} / ${figures.marks_returned}`;
  $("frames").textContent = `${figures.frames_out.toLocaleString("en")} / ${figures.frames_in.toLocaleString("en")}`;
  $("buffers").textContent = `${figures.mouth_ms} / ${speaker.waiting_ms} / ${figures.bot_ms} ms`;
}

function said({ t, who, text }) {
  const item = document.createElement("li");
  for (const [name, value] of [["when", wire.clock(t)], [who, who === "caller" ? "you" : who], ["", text]]) {
    const part = document.createElement("span");
    part.className = name;
    part.textContent = value;
    item.append(part);
  }
  $("said-hint").hidden = true;
  $("said").append(item);
  $("said").scrollTop = $("said").scrollHeight;
}

function fill(select, options) {
  select.replaceChildren(...Object.entries(options).map(([value, text]) => new Option(text, value)));
}

function addPerson({ number = "", manner = "answers" } = {}) {
  const item = $("person").content.cloneNode(true).firstElementChild;
  fill(item.querySelector(".manner"), hello.manners);
  item.querySelector(".number").value = number;
  item.querySelector(".manner").value = manner;
  item.querySelector(".remove").onclick = () => {
    item.remove();
    $("add-person").focus();
  };
  $("people").append(item);
  return item;
}

function begin(given) {
  const first = hello === null;
  hello = given;
  if (first) {
    for (const one of given.ways) urls[one.name] = one.url;
    fill($("way"), Object.fromEntries(given.ways.map((one) => [one.name, one.title])));
    fill($("line"), Object.fromEntries(given.lines.map((one) => [one, one])));
    fill($("anybody"), given.manners);
    way = $("way").value = given.way;
    $("url").value = urls[way];
    $("from").value = given.from;
    $("to").value = given.to;
    $("line").value = given.line;
    $("anybody").value = given.anybody;
    $("parameters").value = Object.entries(given.parameters).map(([name, value]) => `${name}=${value}`).join("\n");
    given.people.forEach(addPerson);
    for (const [name, title] of Object.entries(given.troubles)) {
      const label = document.createElement("label");
      label.className = "check";
      const box = document.createElement("input");
      box.type = "checkbox";
      box.value = name;
      label.append(box, ` ${title}`);
      $("troubles").append(label);
    }
    $("said-hint").textContent = given.tells
      ? "What the bot understands and says, as its server tells it."
      : "This server is not asked what the bot understood: give --api-key.";
  }
  send({ do: "troubles", troubles: troubles() });
  wait();
  notice("");
  show("ready", "ready");
}

function troubles() {
  return [...$("troubles").querySelectorAll("input:checked")].map((box) => box.value);
}

function parameters() {
  const pairs = $("parameters").value.split("\n").filter((line) => line.includes("="));
  return Object.fromEntries(pairs.map((line) => [line.slice(0, line.indexOf("=")).trim(), line.slice(line.indexOf("=") + 1)]));
}

async function call(event) {
  event.preventDefault();
  if ($("call").disabled) return;
  const rings = state === "incoming";
  notice("");
  if (!rings) show("calling", "asking for the microphone");
  try {
    await sound.open();
  } catch (error) {
    const why = navigator.mediaDevices ? error.message : "this address is not a secure one: open it as http://127.0.0.1";
    notice(`There is no microphone (${why}). Allow it for this page, or plug one in.`, true);
    if (!rings) show("ready", "ready");
    return;
  }
  $("microphone").textContent = sound.about;
  if (rings) {
    send({ do: "pick_up", rate: sound.rate });
    return;
  }
  clear();
  show("calling", "calling");
  const people = [...$("people").children]
    .map((item) => ({ number: item.querySelector(".number").value.trim(), manner: item.querySelector(".manner").value }))
    .filter((one) => one.number);
  send({
    do: "call", way, url: $("url").value, from: $("from").value, to: $("to").value, line: $("line").value,
    parameters: parameters(), people, anybody: $("anybody").value, rate: sound.rate,
  });
}

function press(digit) {
  if (!up) return;
  send({ do: "press", digit });
  const key = [...$("keypad").children].find((one) => one.textContent === digit);
  key?.classList.add("down");
  setTimeout(() => key?.classList.remove("down"), 150);
}

function hangUp() {
  send({ do: "hang_up" });
}

function mute() {
  muted = !muted;
  sound.muted = muted;
  $("mute").setAttribute("aria-pressed", String(muted));
  $("mute").textContent = muted ? "Unmute" : "Mute";
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([wire.text()], { type: "application/x-ndjson" }));
  link.download = "wire.jsonl";
  link.click();
  URL.revokeObjectURL(link.href);
}

for (const digit of KEYS) {
  const key = document.createElement("button");
  key.type = "button";
  key.textContent = digit;
  key.setAttribute("aria-label", { "*": "star", "#": "pound" }[digit] ?? digit);
  key.onclick = () => press(digit);
  $("keypad").append(key);
}
$("order").onsubmit = call;
$("hang-up").onclick = hangUp;
$("mute").onclick = mute;
$("save").onclick = save;
$("break").onclick = () => send({ do: "break_socket" });
$("add-person").onclick = () => addPerson().querySelector(".number").focus();
$("troubles").onchange = () => send({ do: "troubles", troubles: troubles() });
$("way").onchange = () => {
  urls[way] = $("url").value;
  way = $("way").value;
  $("url").value = urls[way];
  wait();
};
$("from").onchange = wait;
$("filters").onchange = ({ target }) => $("rows").classList.toggle(`no-${target.value}`, !target.checked);
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=checkbox]), textarea, select");
  if (!$("shortcuts").checked || typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (KEYS.includes(event.key)) press(event.key);
  else if (event.key.toLowerCase() === "m" && !$("mute").disabled) mute();
  else if (event.key.toLowerCase() === "h" && !$("hang-up").disabled) hangUp();
});
setInterval(() => {
  if (!up) return;
  const secs = Math.floor((performance.now() - answeredAt) / 1000);
  $("clock").textContent = `${Math.floor(secs / 60)}:${String(secs % 60).padStart(2, "0")}`;
}, 250);
show("none", "not connected");
connect();
