"""The second leg of a call: a colleague's phone rings, is answered, and both sides hear each other.

Sources: Twilio docs, voice/twiml/dial; Telnyx docs, TeXML dial. Not documented and chosen here: several nouns
that all fail are told by the ending that sounds most like a person (no answer before declined, busy, failed);
nothing but silence is heard until the other phone rings, and ringing stops when nothing rings any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from emulator.caller import Audio, Digits, HangUp, Manners, Wait
from emulator.codecs import Pcm
from emulator.colleague import (
    Colleague,
    ColleagueCall,
    Ending,
    ScriptedColleague,
    VoicemailBox,
    same_address,
    script_after_answer,
)
from emulator.dial import DialOrder
from emulator.earpiece import Earpiece
from emulator.leg import Dialled
from emulator.line import BOT, RINGING, OtherEnd, PhoneLine
from emulator.signals import key, ringing
from emulator.timeline import Timeline

COLLEAGUE = OtherEnd(
    "colleague", "caller_hears", "the caller hears the colleague", "the caller heard the colleague for"
)
CALLER = OtherEnd(
    "caller", "colleague_hears", "the colleague hears the caller", "the colleague heard the caller for"
)
RINGS = ("answers", "declines", "no_answer", "voicemail")
REFUSES: Mapping[str, tuple[Ending, str]] = {
    "declines": ("declined", "the colleague declines the call"),
    "busy": ("busy", "the colleague's line is busy"),
    "unreachable": ("failed", "the colleague cannot be reached"),
}
_TOLD_FIRST: tuple[Ending, ...] = ("completed", "no_answer", "declined", "busy", "failed", "canceled")


class _Wire:
    """Carries one mouth's frames to the other ear, as a line's stream."""

    def __init__(self, ear: Earpiece) -> None:
        self._ear = ear

    def say(self, frame: Pcm) -> None:
        self._ear.play(frame)

    def return_marks(self, names: list[str]) -> None:
        """A bridge has no marks."""


@dataclass
class _Attempt:
    record: ColleagueCall
    colleague: Colleague | None


class SecondLeg:
    """Carries out one `<Dial>`.

    Args:
        order: The verb.
        colleagues: Who can be called.
        scripts: Their prepared scripts, by number.
        line: The caller's line, which is the clock of both.
        timeline: Where it is written down.
        new_call_id: Makes the id of a second leg for an address.
        fail: Takes what did not go as scripted.
        ended_by: Who ends this when it is cancelled from outside.
    """

    def __init__(
        self,
        order: DialOrder,
        colleagues: Sequence[Colleague],
        scripts: Mapping[str, Sequence[Audio | Digits | Wait | HangUp]],
        line: PhoneLine,
        timeline: Timeline,
        new_call_id: Callable[[str], str],
        fail: Callable[[str], None],
        ended_by: Callable[[], str],
    ) -> None:
        """Prepare; nobody is called before `run`."""
        self._order = order
        self._scripts = scripts
        self._line = line
        self._timeline = timeline
        self._fail = fail
        self._ended_by = ended_by
        self._attempts = [
            _Attempt(
                ColleagueCall(address, new_call_id(address), order.caller_id),
                next((one for one in colleagues if same_address(one.number, address)), None),
            )
            for address in order.addresses
        ]
        self._talking: tuple[ColleagueCall, PhoneLine] | None = None
        self._star = asyncio.Event()

    @property
    def calls(self) -> list[ColleagueCall]:
        """The attempts, in the order of the document."""
        return [attempt.record for attempt in self._attempts]

    @property
    def bridged(self) -> bool:
        """Whether the two hear each other."""
        return self._talking is not None

    async def run(self) -> Dialled:
        """Ring, connect, and wait for the end. Cancelled, it hangs up whoever was called."""
        self._line.earpiece.clear()
        self._line.listen_to(RINGING)
        try:
            answered = await self._ring()
            if answered is not None:
                await self._talk(answered)
        finally:
            self._hang_up()
        told = min(self._attempts, key=lambda one: _TOLD_FIRST.index(one.record.outcome or "canceled"))
        record = told.record
        secs = (
            0 if record.answered_ms is None else round(((record.ended_ms or 0) - record.answered_ms) / 1000)
        )
        return Dialled(
            record.outcome or "canceled",
            record.call_id,
            bridged=record.bridged_ms is not None,
            duration_secs=secs,
            nobody_there=told.colleague is None,
        )

    def press(self, digit: str) -> None:
        """The caller presses a key: who is connected hears it."""
        if self._talking is None:
            self._timeline.note("note", f"key {digit} is heard by nobody while it rings")
            return
        record, line = self._talking
        record.keys += digit
        line.signal = chain(line.signal or (), key(digit))
        self._timeline.note("colleague_hears", f"the colleague hears key {digit}", digit=digit)
        if digit == "*" and self._order.hangup_on_star:
            self._star.set()

    async def _ring(self) -> _Attempt | None:
        """The one who answers first, or None."""
        tasks = {asyncio.create_task(self._try(attempt)): attempt for attempt in self._attempts}
        pending = set(tasks)
        try:
            async with asyncio.timeout(self._order.ring_secs):
                while pending:
                    done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        if task.result():
                            return tasks[task]
        except TimeoutError:
            for attempt in self._attempts:
                if attempt.record.outcome is None:
                    text = f"nobody answers within {self._order.ring_secs:g} s"
                    self._end(attempt.record, "no_answer", text)
        finally:
            self._line.signal = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return None

    async def _try(self, attempt: _Attempt) -> bool:
        record, colleague = attempt.record, attempt.colleague
        if colleague is None:
            self._end(record, "failed", f"there is nobody at {record.number}")
            return False
        if colleague.behaviour in RINGS:
            record.ringing_ms = self._line.now_ms
            self._timeline.note(
                "colleague_ringing", f"the phone at {record.number} rings", call_id=record.call_id
            )
            if self._line.signal is None:
                self._line.signal = ringing()
        if colleague.behaviour == "no_answer":
            await asyncio.Event().wait()
        await asyncio.sleep(colleague.answers_after_secs)
        if colleague.behaviour in REFUSES:
            self._end(record, *REFUSES[colleague.behaviour])
            if not any(one.ringing_ms is not None and one.outcome is None for one in self.calls):
                self._line.signal = None
            return False
        return True

    async def _talk(self, answered: _Attempt) -> None:
        record, colleague = answered.record, answered.colleague
        assert colleague is not None
        for other in self.calls:
            if other is not record and other.outcome is None:
                self._end(other, "canceled", "somebody else has answered")
        record.answered_ms = record.bridged_ms = self._line.now_ms
        line = PhoneLine(self._timeline, begins_ms=self._line.now_ms, other_end=CALLER)
        who = "a voicemail box answers" if colleague.behaviour == "voicemail" else "the colleague answers"
        self._timeline.note("colleague_answered", who, call_id=record.call_id)
        handset = (VoicemailBox if colleague.behaviour == "voicemail" else ScriptedColleague)(
            script_after_answer(colleague, self._scripts.get(colleague.number, ())),
            line,
            self._colleague_presses,
            self._timeline,
            self._fail,
            Manners(),
        )
        self._line.listen_to(COLLEAGUE)
        self._line.stream, line.stream = _Wire(line.earpiece), _Wire(self._line.earpiece)
        self._line.second = line
        self._talking = record, line
        self._timeline.note("colleague_bridged", "caller and colleague hear each other")
        script, star = asyncio.create_task(handset.run()), asyncio.create_task(self._star.wait())
        try:
            done, _ = await asyncio.wait(
                {script, star}, timeout=self._order.limit_secs, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            script.cancel()
            star.cancel()
            results = await asyncio.gather(script, star, return_exceptions=True)
        if isinstance(results[0], Exception):
            raise results[0]
        if script in done:
            self._end(record, "completed", "the colleague hangs up", "colleague")
        elif star in done:
            self._end(record, "completed", "the caller ends the conversation with *", "caller")
        else:
            self._end(record, "completed", f"the time limit of {self._order.limit_secs:g} s is over", "limit")

    def _colleague_presses(self, digit: str) -> None:
        self._line.signal = chain(self._line.signal or (), key(digit))
        text = f"the caller hears key {digit} from the colleague"
        self._timeline.note("keys_heard", text, digit=digit, by="colleague")

    def _hang_up(self) -> None:
        """Whatever is left of the second leg ends with the verb, and the caller's line is the bot's again."""
        for record in self.calls:
            if record.outcome is None and record.answered_ms is None:
                self._end(record, "canceled", "the phone stops ringing")
            elif record.outcome is None:
                by = self._ended_by()
                self._end(record, "completed", f"the colleague's call is over, ended by: {by}", by)
        self._line.signal = self._line.stream = self._line.second = None
        self._line.earpiece.clear()
        self._line.listen_to(BOT)
        if self._talking is not None:
            record, line = self._talking
            line.hang()
            self._talking = None
            nothing = np.zeros(0, dtype=np.int16)
            record.said, record.heard = (np.concatenate([nothing, *side]) for side in (line.said, line.heard))

    def _end(self, record: ColleagueCall, outcome: Ending, text: str, ended_by: str | None = None) -> None:
        record.outcome = outcome
        record.ended_ms = self._line.now_ms
        record.ended_by = ended_by
        kind = "colleague_hung_up" if record.answered_ms is not None else "colleague_not_reached"
        self._timeline.note(kind, text, outcome=outcome, by=ended_by)
