// What the console's pages do besides showing what the server has made. Without it they work, too.
"use strict";

const $ = (selector) => document.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// Times into the reader's own zone

const STYLES = {
  moment: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" },
  time: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
  day: { day: "numeric", month: "short", year: "numeric" },
};

function localTimes() {
  for (const one of $$("time[data-style]")) {
    const at = new Date(one.dateTime);
    if (isNaN(at)) continue;
    const text = at.toLocaleString(undefined, { ...STYLES[one.dataset.style], hourCycle: "h23" });
    if (one.textContent === text) continue;
    one.textContent = text;
    one.title = one.dateTime;
  }
}

// Seconds that go on: counted from what the server says, whatever this machine's clock is

function duration(secs) {
  const two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(secs / 3600), minutes = Math.floor(secs / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(secs % 60)}` : `${minutes}:${two(secs % 60)}`;
}

function tick() {
  const now = performance.now();
  for (const one of $$("[data-secs]")) {
    if (one.said !== one.dataset.secs) [one.said, one.from] = [one.dataset.secs, now];
    const text = duration(Number(one.said) + Math.floor((now - one.from) / 1000));
    if (one.textContent !== text) one.textContent = text;
  }
}

// The lines of a call

const following = () => $("#follow")?.checked;

function follow() {
  if (following()) $("#lines")?.lastElementChild?.scrollIntoView({ block: "nearest" });
}

let readTo = null;

function readAloud() {
  const last = $$("#lines .caller, #lines .bot").at(-1);
  if (!last) return;
  if (readTo !== null && last.id !== readTo && $("#aloud")?.checked) {
    $("#status").textContent = `${last.querySelector(".who").textContent}: ${last.querySelector(".text").textContent}`;
  }
  readTo = last.id;
}

for (const kind of ["events", "tools"]) {
  $(`#show-${kind}`)?.addEventListener("change", (event) => $("#lines").classList.toggle(`no-${kind}`, !event.target.checked));
}

// What the stream has brought

function renewed() {
  localTimes();
  tick();
  follow();
  readAloud();
}

document.addEventListener("htmx:sse:after:message", renewed);
// A stream that is lost is asked for again, ever more rarely; meanwhile the page says so
function lost(status) {
  // The session has ended, or the key is good for no more: the page says so when it is asked for anew
  if ([401, 403].includes(status)) location.reload();
  $("#stale").hidden = false;
}

document.addEventListener("htmx:sse:error", (event) => lost(event.detail.status));
document.addEventListener("htmx:sse:after:connection", () => ($("#stale").hidden = true));
document.addEventListener("htmx:response:error", (event) => {
  const { sourceElement, response } = event.detail.ctx;
  if (sourceElement.matches("[hx-sse\\:connect]")) lost(response.status);
});

// A form that was sent closes its sheet; what came of it is told on the page
document.addEventListener("htmx:after:request", (event) => {
  const form = event.detail.ctx.sourceElement;
  if (!form.matches("form")) return;
  form.closest("[popover]")?.hidePopover();
  if (event.detail.ctx.response.status < 400) form.reset();
});

// What is to be entered elsewhere
for (const button of $$("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
}

// Keys

let went = false;

function step(selector, by) {
  const all = $$(selector).filter((one) => one.offsetParent);
  const at = all.indexOf(document.activeElement);
  const next = at < 0 ? all.at(by > 0 ? 0 : -1) : all[at + by];
  next?.focus();
}

document.addEventListener("keydown", (event) => {
  const field = event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
  if (field || event.ctrlKey || event.metaKey || event.altKey || $("dialog[open], [popover]:popover-open")) return;
  if (went) {
    went = false;
    $(`[data-go="${CSS.escape(event.key)}"]`)?.click();
    return;
  }
  const button = $(`[data-key="${CSS.escape(event.key)}"]`);
  if (event.key === "g") went = true;
  else if (event.key === "?") $("#keys")?.showModal();
  else if (event.key === "j") step("a.row", 1);
  else if (event.key === "k") step("a.row", -1);
  else if (event.key === "ArrowDown" && $("#lines")) step("#lines > li", 1);
  else if (event.key === "ArrowUp" && $("#lines")) step("#lines > li", -1);
  else if (button) button.click();
  else return;
  event.preventDefault();
});

// Widths that the server has measured: a page has no style of its own in it

function widths() {
  for (const one of $$("[data-w]")) one.style.width = `${one.dataset.w}%`;
}

document.addEventListener("htmx:sse:after:message", widths);
widths();
localTimes();
tick();
follow();
readAloud();
setInterval(tick, 1000);
