"""What the person at the terminal sees: a live transcript, then the timeline and a summary."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np

from emulator.bot.server_api import SPOKEN, ServerEvent
from emulator.legs.call import Call
from emulator.line.codecs import SAMPLE_RATE, Pcm
from emulator.line.colleague import ColleagueCall
from emulator.line.seams import told
from emulator.report import Report
from emulator.timeline import Entry, Timeline, clock_text

LIVE = {
    "answered": "call",
    "stream_open": "call",
    "socket_closed": "call",
    "hang_up": "call",
    "digits": "keys",
    "fallback": "carrier",
    "warning": "!",
    "say": "carrier",
    "event": "event",
    "keys_heard": "keys",
    "colleague_ringing": "call",
    "colleague_answered": "call",
    "colleague_not_reached": "call",
    "colleague_hung_up": "call",
}


class LiveTranscript:
    """Prints a call while it happens.

    The bot's words come from the server's own events when it has them, else from the local ears after each
    utterance.

    Args:
        out: Prints a line.
        transcribe: The local ears, or None.
    """

    def __init__(self, out: Callable[[str], None], transcribe: Callable[[Pcm], str] | None) -> None:
        """Print nothing yet."""
        self._out = out
        self._transcribe = transcribe
        self._call: Call | None = None
        self._server_tells = False
        self._listening: set[asyncio.Task[None]] = set()

    def attach(self, call: Call) -> None:
        """Follow this call."""
        self._call = call
        call.timeline.listeners.append(self._entry)

    def server_event(self, event: ServerEvent) -> None:
        """Print what the server says the bot says."""
        self._server_tells = True
        call = self._call
        if event.kind == SPOKEN and event.text and call is not None and call.answered_wall is not None:
            at_ms = round((event.at - call.answered_wall).total_seconds() * 1000)
            self._line(at_ms, "bot", event.text)

    async def finish(self) -> None:
        """Wait for what is still being written down."""
        await asyncio.gather(*self._listening, return_exceptions=True)

    def _entry(self, entry: Entry) -> None:
        if entry.kind in ("caller_speech", "colleague_speech"):
            if entry.data.get("edge") == "start":
                self._line(entry.at_ms, entry.kind.removesuffix("_speech"), entry.text)
        elif entry.kind == "bot_speech" and entry.data.get("edge") == "stop":
            self._bot_spoke(entry)
        elif entry.kind in LIVE:
            self._line(entry.at_ms, LIVE[entry.kind], entry.text)

    def _bot_spoke(self, entry: Entry) -> None:
        if self._server_tells or self._call is None:
            return
        if self._transcribe is None:
            self._line(entry.data["start_ms"], "bot", entry.text)
            return
        heard = np.concatenate(self._call.line.heard)
        start_ms, end_ms = entry.data["start_ms"], entry.data["end_ms"]
        segment = heard[start_ms * SAMPLE_RATE // 1000 : end_ms * SAMPLE_RATE // 1000]
        task = asyncio.get_running_loop().create_task(self._write_down(segment, start_ms))
        self._listening.add(task)
        task.add_done_callback(self._listening.discard)

    async def _write_down(self, segment: Pcm, start_ms: int) -> None:
        assert self._transcribe is not None
        text = await asyncio.to_thread(self._transcribe, segment)
        self._line(start_ms, "bot", text or "(something that could not be understood)")

    def _line(self, at_ms: int, who: str, text: str) -> None:
        self._out(f"{clock_text(at_ms):<11}{who:<9}{text}")


def timeline_text(timeline: Timeline) -> str:
    """The timeline for people: runs of marks are folded into one line."""
    lines: list[str] = []
    folded: list[Entry] = []

    def unfold() -> None:
        if folded:
            sent = sum(entry.kind == "mark_sent" for entry in folded)
            text = f"{sent} sent, {len(folded) - sent} returned"
            lines.append(f"  {clock_text(folded[0].at_ms):<11}{'marks':<22}{text}")
            folded.clear()

    for entry in timeline.entries:
        if entry.kind in ("mark_sent", "mark_returned"):
            folded.append(entry)
            continue
        unfold()
        lines.append(f"  {clock_text(entry.at_ms):<11}{entry.kind.replace('_', ' '):<22}{entry.text}")
    unfold()
    return "\n".join(lines)


def summary_text(report: Report) -> str:
    """The result in a few lines."""
    responses = [turn.response_ms for turn in report.turns[1:] if turn.response_ms is not None]
    replies = f"{len(responses)} of {len(report.turns) - 1} lines"
    if responses:
        replies += f", median {median(responses):.0f} ms, slowest {max(responses)} ms"
    ending = report.ended_by
    if report.goodbye_heard:
        ending += f", goodbye heard, hung up {report.hangup_after_goodbye_ms} ms after it"
    first = "never" if report.first_audio_ms is None else f"{report.first_audio_ms} ms after the answer"
    rows = [
        ("call", f"{report.carrier} {report.call_id}"),
        ("answered", "yes" if report.answered else "no"),
        ("first audio", first),
        ("replies", replies),
        ("underruns", str(report.underruns)),
        ("marks", f"{report.marks_sent} sent, {report.marks_returned} returned"),
        *([("lost", told(report.seams))] if any(seam.lost_ms for seam in report.seams) else []),
        ("ended by", ending),
        ("recording", report.recording or "none (give --record FILE.wav)"),
    ]
    lines = [f"  {name:<13}{value}" for name, value in rows]
    verdict = "Good call." if report.passed else "Not a good call:"
    return "\n".join([*lines, "", verdict, *(f"  - {text}" for text in report.shortcomings)])


def colleagues_text(colleagues: Sequence[ColleagueCall]) -> str:
    """How each attempt to reach a colleague went, one line an attempt."""
    lines: list[str] = []
    for one in colleagues:
        parts = [one.outcome.replace("_", " ") if one.outcome else "unknown"]
        if one.answered_ms is not None and one.ended_ms is not None:
            parts.append(f"answered {clock_text(one.answered_ms)}")
            parts.append(f"{(one.ended_ms - one.answered_ms) / 1000:.1f} s, ended by: {one.ended_by}")
        lines.append(f"  {one.number:<25}{', '.join(parts)}")
    return "\n".join(lines)


def turns_text(report: Report) -> str:
    """What each side said, and what the other made of it."""
    lines: list[str] = []
    for turn in report.turns:
        lines.append(f"  caller      {turn.caller_said}" if turn.caller_said is not None else "  (greeting)")
        if turn.bot_understood:
            lines.append(f"  understood  {turn.bot_understood}")
        if turn.bot_replied:
            lines.append(f"  bot said    {turn.bot_replied}")
        if turn.heard_by_caller is not None:
            lines.append(f"  heard       {turn.heard_by_caller or '(nothing)'}")
        if turn.response_ms is not None:
            lines.append(f"  after       {turn.response_ms} ms")
        lines.append("")
    return "\n".join(lines).rstrip()
