// Plays the recording of a call beside its lines. Without this script the browser's own player does.
"use strict";

(() => {
  const player = document.getElementById("player");
  if (!player) return;
  const by = (id) => document.getElementById(id);
  const audio = by("audio"), wave = by("wave"), play = by("play"), problem = by("player-problem");
  // The recording begins later than the call's clock, which the lines are on
  let offset = Number(player.dataset.offsetMs) / 1000, lines = [];
  spokenFrom(null);

  // A caller's words are known when they have ended: where they begin is heard, or else guessed by their length
  function spokenFrom(sound) {
    const found = [...document.querySelectorAll("#lines > li[data-ms]")]
      .map((line) => ({ line, begin: Number(line.dataset.ms) / 1000 - offset, wait: waitOf(line) }))
      .sort((a, b) => a.begin - b.begin);
    lines = found.map((one, place) => {
      if (!one.line.classList.contains("caller")) return one;
      const end = one.begin, before = found[place - 1]?.begin ?? 0;
      const guess = end - 0.4 - 0.06 * one.line.querySelector(".text").textContent.trim().length;
      const begin = sound ? soundBegins(sound, end) ?? guess : guess;
      return { ...one, begin: Math.max(0, before, begin) };
    }).sort((a, b) => a.begin - b.begin);
  }

  function soundBegins({ side, perSec }, end) {
    const loud = 4, apart = 0.9 * perSec;
    let at = Math.min(side.length - 1, Math.round(end * perSec)), first = null;
    for (const latest = at - 4 * perSec; at >= 0; at--) {
      if (side[at] >= loud) first = at;
      else if (first === null ? at < latest : first - at > apart) break;
    }
    return first === null ? null : first / perSec;
  }

  function waitOf(line) {
    const found = line.querySelector(".waited");
    return found ? { secs: Number(found.dataset.wait) / 1000, slow: found.classList.contains("slow") } : null;
  }

  function clockText(secs) {
    const tenths = Math.max(0, Math.round(secs * 10));
    return `${Math.floor(tenths / 600)}:${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
  }

  function seek(secs, { go = false } = {}) {
    audio.currentTime = Math.max(0, Math.min(secs, isFinite(audio.duration) ? audio.duration : secs));
    history.replaceState(null, "", `#t=${Math.max(0, audio.currentTime + offset).toFixed(1)}`);
    show();
    if (go) audio.play().catch(() => {});
  }

  // Where it is

  let heard = null;

  function show() {
    const now = audio.currentTime;
    by("clock").textContent = clockText(now + offset);
    let at = null;
    for (const one of lines) {
      if (one.begin > now + 0.05) break;
      at = one.line;
    }
    if (at === heard) return;
    for (const [line, on] of [[heard, false], [at, true]]) {
      line?.classList.toggle("now-heard", on);
      if (on) line?.setAttribute("aria-current", "true");
      else line?.removeAttribute("aria-current");
    }
    heard = at;
    if (at && by("keep-up").checked && !audio.paused) at.scrollIntoView({ block: "nearest" });
  }

  function frames() {
    show();
    if (!audio.paused) requestAnimationFrame(frames);
  }

  function state() {
    play.firstElementChild.textContent = audio.paused ? "▶" : "❚❚";
    play.lastElementChild.textContent = audio.paused ? "Play" : "Stop";
    frames();
  }

  for (const kind of ["play", "pause", "ended"]) audio.addEventListener(kind, state);
  for (const kind of ["timeupdate", "seeked", "loadedmetadata"]) audio.addEventListener(kind, show);

  const toggle = () => (audio.paused ? audio.play().catch(() => {}) : audio.pause());
  play.addEventListener("click", toggle);
  by("speed").addEventListener("change", (event) => { audio.playbackRate = Number(event.target.value); });

  // One side alone: as the two channels of the file

  let sides = null;

  by("hear").addEventListener("change", (event) => {
    if (!sides) {
      const context = new AudioContext(), split = context.createChannelSplitter(2);
      context.createMediaElementSource(audio).connect(split);
      sides = [0, 1].map((channel) => {
        const side = context.createGain();
        split.connect(side, channel);
        side.connect(context.destination);
        return side;
      });
    }
    sides.forEach((side, channel) => {
      side.gain.value = event.target.value === "both" || Number(event.target.value) === channel ? 1 : 0;
    });
  });

  // Lines

  by("lines").addEventListener("click", (event) => {
    const found = lines.find((one) => one.line === event.target.closest("li"));
    if (!found || event.target.closest("a, button, summary") || String(getSelection())) return;
    seek(found.begin, { go: true });
  });
  by("lines").addEventListener("focusin", (event) => {
    const found = lines.find((one) => one.line === event.target);
    if (found && event.target.matches(":focus-visible")) seek(found.begin);
  });

  function nextSlow() {
    const now = audio.currentTime;
    const slow = lines.filter((one) => one.wait?.slow);
    return slow.find((one) => one.begin - one.wait.secs > now + 0.2) ?? slow[0];
  }

  document.addEventListener("keydown", (event) => {
    const busy = event.target.closest("input, textarea, select, button, a, summary, audio, [contenteditable], dialog");
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open], :popover-open")) return;
    const found = event.key === "Enter" && lines.find((one) => one.line === event.target);
    if (found) seek(found.begin, { go: true });
    else if (busy) return;
    else if (event.key === " ") toggle();
    else if (event.key === "ArrowLeft") seek(audio.currentTime - 5);
    else if (event.key === "ArrowRight") seek(audio.currentTime + 5);
    else if (event.key === "n") {
      const slow = nextSlow();
      if (slow) seek(slow.begin - slow.wait.secs - 0.5);
    } else return;
    event.preventDefault();
  });

  // Addresses that name a moment of the call

  function toHash() {
    const found = /^#t=(\d+(?:\.\d+)?)$/.exec(location.hash);
    if (!found) return;
    seek(Number(found[1]) - offset);
    heard?.scrollIntoView({ block: "nearest" });
  }

  addEventListener("hashchange", toHash);
  if (audio.readyState > 0) toHash();
  else audio.addEventListener("loadedmetadata", toHash, { once: true });

  // What is wrong, in the server's words

  audio.addEventListener("error", async () => {
    let text = "The recording cannot be played.";
    try {
      const answer = await fetch(audio.src, { headers: { Range: "bytes=0-0" } });
      if (!answer.ok) text = `The recording cannot be played: ${(await answer.json()).error}`;
    } catch { /* the same */ }
    problem.textContent = text;
  });

  // The waveform

  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);

  function color(value) {
    probe.style.color = value;
    return getComputedStyle(probe).color;
  }

  function colors() {
    const side = (name) => ({
      waveColor: color(`color-mix(in srgb, var(--${name}) 55%, var(--card))`),
      progressColor: color(`var(--${name})`),
    });
    return { splitChannels: [side("accent"), side("bot")], cursorColor: color("var(--text)") };
  }

  function waits(regions) {
    regions.clearRegions();
    for (const one of lines) {
      if (!one.wait?.secs) continue;
      regions.addRegion({
        start: Math.max(0, one.begin - one.wait.secs),
        end: Math.max(0, one.begin),
        color: color(`color-mix(in srgb, var(--${one.wait.slow ? "bad" : "quiet"}) 28%, transparent)`),
        drag: false,
        resize: false,
      });
    }
  }

  async function drawn() {
    const answer = await fetch(player.dataset.peaks);
    if (!answer.ok) return;
    const found = await answer.json();
    if (!found.duration_secs || !found.sides.length) return;
    if (found.after_answer_ms !== null) offset = found.after_answer_ms / 1000;
    spokenFrom({ side: found.sides[0], perSec: found.per_sec });
    show();
    const sides = found.sides.map((side) => Float32Array.from(side, (one) => one / 100));
    wave.hidden = false;
    const regions = WaveSurfer.Regions.create();
    const surfer = WaveSurfer.create({
      container: wave,
      media: audio,
      peaks: sides,
      duration: found.duration_secs,
      height: 44,
      barWidth: 2,
      barGap: 1,
      barRadius: 1,
      normalize: true,
      dragToSeek: true,
      cspNonce: player.dataset.nonce,
      plugins: [regions],
      ...colors(),
      ...(sides.length === 1 ? { splitChannels: undefined, ...colors().splitChannels[0] } : {}),
    });
    surfer.on("ready", () => {
      waits(regions);
      audio.controls = false;
    });
    surfer.on("interaction", () => seek(audio.currentTime));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      surfer.setOptions(colors());
      waits(regions);
    });
  }

  for (const one of player.querySelectorAll("[data-needs-script]")) one.hidden = false;
  drawn().catch(() => {});
  state();
})();
