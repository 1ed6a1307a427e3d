"""The report of a call: what was said, heard and answered, how fast, and whether all of it went well."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from emulator.bot.server_api import HEARD, KEYS, SPOKEN, ServerEvent
from emulator.errors import EmulatorError
from emulator.legs.call import Call
from emulator.legs.plan import Loss
from emulator.line.caller import CallerLine
from emulator.line.codecs import FRAME_MS, SAMPLE_RATE, Pcm
from emulator.line.seams import Seam
from emulator.private import opener

Transcribe = Callable[[Pcm], str]
CLOCK_TOLERANCE_MS = 60
"""The line's clock counts whole frames and is ahead of the wall's by up to one."""


ABOUT = {
    "What are your opening hours?": re.compile(
        r"\b(open|opens|close|closes|closed|mon|tues|wednes|thurs|fri|satur|sun)(day)?\b", re.IGNORECASE
    )
}
"""Words of which a good answer has one, by line of the default story. For other lines the answer is not checked."""

SIMILAR = 0.5
"""How alike a line and what was understood of it must be: a wrong word is common on a phone line, a sentence is not."""


def _arrived(said: str | None, understood: str) -> bool:
    """Whether the caller's words arrived. What is in brackets (keys, recordings without a text) is not compared."""
    if not understood.strip():
        return False
    if not said or said.startswith("("):
        return True
    one, other = (re.sub(r"[^a-z0-9]", "", text.lower()) for text in (said, understood))
    return difflib.SequenceMatcher(None, one, other).ratio() >= SIMILAR


def _answers(turn: Turn) -> bool:
    """Whether the bot replied to what was asked, as far as that can be known."""
    about = ABOUT.get(turn.caller_said or "")
    reply = turn.bot_replied or turn.heard_by_caller
    return about is None or reply is None or about.search(reply) is not None


@dataclass
class Turn:
    """A line of the caller and what followed. The first turn is the bot's greeting, without a line.

    Attributes:
        caller_said: The scripted line; None for the greeting.
        bot_understood: What the bot's speech recognition made of it; None when the server does not tell.
        bot_replied: What the bot said by its own account; None when the server does not tell.
        heard_by_caller: What speech recognition understood at the caller's ear; None when it was off.
        response_ms: From the end of the line to the first audible reply; None without a reply.
    """

    caller_said: str | None
    bot_understood: str | None = None
    bot_replied: str | None = None
    heard_by_caller: str | None = None
    response_ms: int | None = None


@dataclass
class Report:
    """The outcome of one call; the keys of the JSON report are these names."""

    carrier: str
    call_id: str
    answered: bool
    first_audio_ms: int | None
    turns: list[Turn]
    ended_by: str
    goodbye_heard: bool
    hangup_after_goodbye_ms: int | None
    underruns: int
    marks_sent: int
    marks_returned: int
    recording: str | None
    errors: list[str] = field(default_factory=list)
    seams: list[Seam] = field(default_factory=list)
    """Where streams began, followed one another and ended, and what was lost of speech there."""
    handed_over: bool = False
    """Whether the call ended with a colleague; not in the JSON report."""
    left_as_planned: bool = False
    """Whether the caller hung up because the script says so; not in the JSON report."""

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values."""
        kept_out = ("handed_over", "left_as_planned")
        return {name: value for name, value in asdict(self).items() if name not in kept_out}

    def write(self, path: Path) -> None:
        """Write the report as JSON.

        Raises:
            EmulatorError: The file cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "w", encoding="utf-8", opener=opener) as file:
                file.write(json.dumps(self.as_dict(), indent=2, ensure_ascii=False) + "\n")
        except OSError as error:
            raise EmulatorError(f"the report {path} cannot be written: {error.strerror or error}") from None

    @property
    def shortcomings(self) -> list[str]:
        """Why the call was not a good one; empty if it was."""
        found = [] if self.answered else ["the call was not answered"]
        for turn in self.turns[1:]:
            if turn.response_ms is None:
                found.append(f"no reply to {turn.caller_said!r}")
            elif turn.bot_understood is not None and not _arrived(turn.caller_said, turn.bot_understood):
                found.append(f"the bot understood {turn.bot_understood!r} instead of {turn.caller_said!r}")
            elif not _answers(turn):
                found.append(
                    f"the reply to {turn.caller_said!r} is not about what was asked: {turn.bot_replied!r}"
                )
            elif (
                turn.bot_understood is None
                and turn.heard_by_caller is not None
                and not turn.heard_by_caller.strip()
            ):
                found.append(f"the reply to {turn.caller_said!r} could not be understood")
        if self.handed_over and self.ended_by in ("caller", "colleague"):
            pass  # A bot that has handed the call over is rid of it.
        elif self.left_as_planned and self.ended_by == "caller":
            pass  # People simply hang up when they know what they wanted to know.
        elif self.ended_by != "bot":
            found.append(f"the call was ended by: {self.ended_by}")
        elif not self.goodbye_heard:
            found.append("the bot hung up before its last words were heard")
        return found + self.errors

    @property
    def passed(self) -> bool:
        """Whether the call was answered, understood, replied to and ended properly, without any error.

        Properly means: by the bot, by a caller whose script ends like that, or by either person after the bot had
        handed the call over to a colleague.
        """
        return not self.shortcomings


def make_report(
    call: Call,
    *,
    transcribe: Transcribe | None = None,
    server_events: Sequence[ServerEvent] | None = None,
    recording: str | None = None,
) -> Report:
    """Judge a call that is over.

    Args:
        call: The call.
        transcribe: Writes down what is said in 8 kHz audio; slow, may be called in a thread.
        server_events: What the server recorded, or None when it does not tell.
        recording: Where the audio was written.
    """
    hearing = call.line.hearing
    goodbye_end = hearing.last_audible_ms
    lines = _lines_to_the_bot(call)
    last_line_end = lines[-1].end_ms if lines else 0
    spoke_last = goodbye_end is not None and goodbye_end > last_line_end
    cut = any(_is_of_the_last_words(loss, call) for loss in call.losses)
    by_bot = call.ended_by == "bot"
    gap = None if goodbye_end is None or call.bot_left_ms is None else max(0, call.bot_left_ms - goodbye_end)
    turns = _turns(call)
    if server_events is not None:
        _add_server_events(call, turns, server_events)
    if transcribe is not None:
        _add_transcripts(call, turns, transcribe)
    errors = list(call.errors)
    if by_bot and cut:
        errors.append(
            f"{sum(loss.audible_ms for loss in call.losses[-1:])} ms of the bot's last words were not heard"
        )
    return Report(
        carrier=call.dialect.name,
        call_id=call.leg.call_id,
        answered=call.leg.answered_at is not None,
        first_audio_ms=hearing.bursts[0].start_ms if hearing.bursts else None,
        turns=turns,
        ended_by=call.ended_by,
        goodbye_heard=by_bot and spoke_last and not cut,
        hangup_after_goodbye_ms=gap if by_bot and spoke_last else None,
        underruns=call.line.earpiece.underruns,
        marks_sent=call.marks_sent,
        marks_returned=call.marks_returned,
        recording=recording,
        errors=errors,
        seams=list(call.line.seams.found),
        handed_over=call.handed_over,
        left_as_planned=call.caller.left_as_planned,
    )


def _is_of_the_last_words(loss: Loss, call: Call) -> bool:
    """Whether lost audio was of the bot's last words. Words that a `clear` took back count only if none followed."""
    hearing = call.line.hearing
    if not hearing.bursts or loss.at_ms < hearing.bursts[-1].start_ms:
        return False
    reached_ms = loss.at_ms + call.line.impairments.ear_ms + 2 * FRAME_MS
    return not (loss.taken_back and hearing.bursts[-1].end_ms > reached_ms)


def _lines_to_the_bot(call: Call) -> list[CallerLine]:
    """The caller's lines without those said to a colleague, which are no turns of the conversation with the bot."""
    spans = call.line.people
    return [
        line for line in call.caller.lines if not any(start <= line.start_ms < end for start, end in spans)
    ]


def _turns(call: Call) -> list[Turn]:
    hearing = call.line.hearing
    turns = [Turn(None, response_ms=hearing.bursts[0].start_ms if _greeting_heard(call) else None)]
    for line in _lines_to_the_bot(call):
        reply = hearing.reply_to(line.start_ms, line.end_ms)
        limit = _next_start(call.caller.lines, line)
        heard = reply is not None and (limit is None or reply.start_ms < limit)
        response = max(0, reply.start_ms - line.end_ms) if reply is not None and heard else None
        turns.append(Turn(line.said, response_ms=response))
    return turns


def _greeting_heard(call: Call) -> bool:
    bursts = call.line.hearing.bursts
    return bool(bursts) and (not call.caller.lines or bursts[0].start_ms < call.caller.lines[0].start_ms)


def _next_start(lines: Sequence[CallerLine], line: CallerLine) -> int | None:
    index = lines.index(line) + 1
    return lines[index].start_ms if index < len(lines) else None


def _add_server_events(call: Call, turns: list[Turn], events: Sequence[ServerEvent]) -> None:
    """Events belong to the turn in whose time they fall: from the start of its line to the start of the next."""
    if call.answered_wall is None:
        return
    starts = [
        call.answered_wall + timedelta(milliseconds=line.start_ms - CLOCK_TOLERANCE_MS)
        for line in _lines_to_the_bot(call)
    ]
    understood: list[list[str]] = [[] for _ in turns]
    replied: list[list[str]] = [[] for _ in turns]
    for event in events:
        index = sum(start <= event.at for start in starts)
        if event.kind in (HEARD, KEYS):
            understood[index].append(event.text)
        elif event.kind == SPOKEN:
            replied[index].append(event.text)
    for turn, heard, said in zip(turns, understood, replied, strict=True):
        turn.bot_understood = " ".join(heard).strip() if turn.caller_said is not None or heard else None
        turn.bot_replied = " ".join(said).strip()


def _add_transcripts(call: Call, turns: list[Turn], transcribe: Transcribe) -> None:
    """What the bot was saying when a line began still belongs to the turn before it."""
    heard = np.concatenate(call.line.heard) if call.line.heard else np.zeros(0, dtype=np.int16)
    for start_ms, end_ms in call.line.people:
        # Silence in place of what the colleague said: it is not the bot's.
        heard[start_ms * SAMPLE_RATE // 1000 : end_ms * SAMPLE_RATE // 1000] = 0
    cuts = [0]
    for line in _lines_to_the_bot(call):
        speaking = [
            burst.end_ms
            for burst in call.line.hearing.bursts
            if burst.start_ms < line.start_ms <= burst.end_ms
        ]
        cuts.append(max([line.start_ms, *speaking]))
    cuts.append(len(heard) * 1000 // SAMPLE_RATE)
    for turn, start_ms, end_ms in zip(turns, cuts[:-1], cuts[1:], strict=True):
        turn.heard_by_caller = transcribe(
            heard[start_ms * SAMPLE_RATE // 1000 : end_ms * SAMPLE_RATE // 1000]
        )
