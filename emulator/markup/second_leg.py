"""`<Dial>`: other phones ring, the first to answer is bridged with the caller, and the carrier reports how it ended.

Sources: Twilio docs, voice/twiml/{dial,number}; Telnyx docs, TeXML dial and number. Not documented and chosen here: if
several nouns all fail, the carrier reports the ending that sounds most like a person (no answer before declined, busy,
failed); nothing but silence is heard until the other phone rings, and ringing stops when nothing rings any more; the
caller hears ringing while a whisper is played; a second leg that hangs up in its whisper was `completed`, without
having been bridged.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import urljoin

import numpy as np

from emulator.documents.parsing import Document, Verb
from emulator.legs.amd import tell_in_background
from emulator.legs.call import Call
from emulator.legs.dialect import Dialled
from emulator.legs.leg import BY_DIAL
from emulator.legs.plan import CallPlan, GoTo, Start
from emulator.line.codecs import Pcm
from emulator.line.colleague import ColleagueCall, Ending, VoicemailBox
from emulator.line.other_end import BOT, CALLER, COLLEAGUE, RINGING
from emulator.line.room import Bridge
from emulator.line.signals import ringing
from emulator.markup.conference import Conferences, join_conference
from emulator.markup.dial import DialOrder, DialTarget, read_dial
from emulator.markup.dial_out import ring
from emulator.markup.interpreter import carry_out
from emulator.timeline import Entry

COPIED = {
    "caller_speech": ("colleague_speech", "{text}"),
    "digits": ("colleague_digits", "the colleague presses {text}"),
    "caller_hears": ("colleague_hears", "{text}"),
    "keys_heard": ("colleague_hears", "the colleague hears key {digit}"),
    "amd": ("note", "{text}"),
}
"""Entries of a second leg's timeline that are copied to the first one's, by kind: their kind and text there."""

_TOLD_FIRST: tuple[Ending, ...] = ("completed", "no_answer", "declined", "busy", "failed", "canceled")


async def dial(conferences: Conferences, call: Call, verb: Verb, document: Document) -> Start | None:
    """Carry out the verb.

    Args:
        conferences: Those of the network.
        call: Whose document it is.
        verb: The verb.
        document: Where it stands.
    """
    order, warnings = read_dial(verb, call.dialect.dial_rules, call.leg.from_number, document.url)
    for warning in warnings:
        call.fail(warning)
    if (room := verb.child("Conference")) is not None:
        return await join_conference(conferences, call, room, order, document)
    if not order.targets:
        call.fail("<Dial> has nobody to call; the call goes on with the next verb")
        return None
    dialling = Dialling(call, order)
    dialled = await dialling.run()
    if dialled.bridged:
        call.left_by = "colleague"
    if order.action is None:
        return None
    url = urljoin(document.url or "", order.action)
    return GoTo(url, order.method, call.dialect.dial_parameters(call.leg, dialled))


@dataclass(eq=False)
class _Attempt:
    target: DialTarget
    record: ColleagueCall
    leg: Call
    bridged: bool = False
    ended_by: str | None = None
    """Who ended the attempt, if it was not the second leg itself."""


class Dialling:
    """Carries out one `<Dial>`.

    Args:
        call: Whose document it is; its line hears the ringing.
        order: The verb.
        listed: Whether the second legs are the carrier's, to be found by REST.
    """

    def __init__(self, call: Call, order: DialOrder, *, listed: bool = True) -> None:
        """Prepare; `run` dials."""
        self._listed = listed
        self._call = call
        self._order = order
        self._attempts: list[_Attempt] = []
        self._room = Bridge()
        self._star = False

    @property
    def bridged(self) -> bool:
        """Whether a second leg was connected with the caller."""
        return any(attempt.bridged for attempt in self._attempts)

    async def run(self) -> Dialled:
        """Ring, connect, and wait for the end. Cancelled, it hangs up the legs that it dialled."""
        line = self._call.line
        for target in self._order.targets:
            self._attempts.append(await self._prepared(target))
        line.earpiece.clear()
        line.listen_to(RINGING)
        self._call.keypad = self._press
        try:
            for attempt in self._attempts:
                self._call.exchange.start(attempt.leg)
            while not self._settled():
                await line.tick()
        finally:
            self._hang_up()
        return self._result()

    async def _prepared(self, target: DialTarget) -> _Attempt:
        exchange, call = self._call.exchange, self._call
        person = exchange.person_at(target.address, call)
        leg = call.dialect.new_leg(
            self._order.caller_id, target.address, call.leg.codec, direction=BY_DIAL, parent=call.leg
        )
        plan = CallPlan(
            call.plan.server_url,
            () if person is None else await exchange.script_of(person),
            reporting=target.reporting,
            voice=call.plan.voice,
            people=call.plan.people,
            person=person,
        )
        second = exchange.new_call(leg, plan, lambda leg: self._be_second(attempt), listed=self._listed)
        record = ColleagueCall(target.address, leg.call_id, self._order.caller_id)
        attempt = _Attempt(target, record, second)
        second.report_to = call.fail
        second.timeline.listeners.append(lambda entry: self._tell(attempt, entry))
        call.colleagues.append(record)
        return attempt

    async def _be_second(self, attempt: _Attempt) -> None:
        """The life of a second leg."""
        leg, target = attempt.leg, attempt.target
        if not leg.exchange.may_show(self._order.caller_id, self._call):
            leg.end("nobody", f"{leg.dialect.not_ours}: the caller id is not the account's", ending="failed")
            return
        if not await ring(leg, self._order.ring_secs):
            return
        leg.answer()
        for other in self._attempts:
            if other is not attempt and other.leg.leg.answered_at is None:
                other.leg.hang_up("peer", "another phone has answered first", ending="canceled")
        if target.amd is not None:
            tell_in_background(leg, target.amd)
        if target.send_digits:
            await leg.line_verbs.play_keys(target.send_digits)
        if target.url is not None and not await carry_out(leg, GoTo(target.url, target.method)):
            return
        self._bridge(attempt)
        await asyncio.Event().wait()

    def _bridge(self, attempt: _Attempt) -> None:
        if self._call.over:
            return  # the first leg was hung up in this very moment, and this one is about to be
        record = attempt.record
        attempt.bridged = True
        record.bridged_ms = self._call.line.now_ms
        self._call.line.signal = None
        self._room.join(self._call.line, hears=COLLEAGUE)
        self._room.join(attempt.leg.line, hears=CALLER)
        attempt.leg.timeline.note("bridged", "the colleague hears the caller")
        self._call.timeline.note("colleague_bridged", "caller and colleague hear each other")

    def _settled(self) -> bool:
        for attempt in self._attempts:
            if not attempt.bridged or attempt.leg.gone.is_set():
                continue
            talked_ms = self._call.line.now_ms - (attempt.record.bridged_ms or 0)
            if self._star:
                attempt.ended_by = "caller"
                attempt.leg.hang_up("peer", "the caller ends the conversation with *")
            elif talked_ms >= self._order.limit_secs * 1000:
                attempt.leg.hang_up("limit", f"the time limit of {self._order.limit_secs:g} s is over")
            else:
                return False
        return all(attempt.leg.gone.is_set() for attempt in self._attempts)

    def _press(self, digit: str) -> bool:
        """Take a key of the caller on its way to the callee who is connected."""
        for attempt in self._attempts:
            if attempt.bridged and not attempt.leg.gone.is_set():
                attempt.record.keys += digit
                self._star = digit == "*" and self._order.hangup_on_star
        return False

    def _tell(self, attempt: _Attempt, entry: Entry) -> None:
        """Copy what happened on a second leg to the caller's timeline."""
        line, timeline, record = self._call.line, self._call.timeline, attempt.record
        if entry.kind == "ringing":
            record.ringing_ms = line.now_ms
            timeline.note("colleague_ringing", entry.text, call_id=record.call_id)
            if line.signal is None:
                line.signal = ringing()
        elif entry.kind == "answered":
            record.answered_ms = line.now_ms
            box = isinstance(attempt.leg.caller, VoicemailBox)
            who = "a voicemail box answers" if box else "the colleague answers"
            timeline.note("colleague_answered", who, call_id=record.call_id)
        elif entry.kind == "hang_up":
            self._close(attempt, entry.text, entry)
        elif entry.kind in COPIED and not attempt.leg.redirected:
            kind, text = COPIED[entry.kind]
            timeline.copy(
                entry, attempt.leg.timeline, kind, text.format(**({"text": entry.text} | entry.data))
            )

    def _close(self, attempt: _Attempt, text: str, entry: Entry | None = None) -> None:
        """A second leg is over, or has gone its own way."""
        record, leg, line = attempt.record, attempt.leg, self._call.line
        if record.outcome is not None:
            return
        answered = record.answered_ms is not None
        record.outcome = "completed" if answered else leg.leg.ending or "canceled"
        record.ended_ms = line.now_ms
        if answered:
            record.ended_by = attempt.ended_by or ("colleague" if leg.ended_by == "caller" else leg.ended_by)
            record.said, record.heard = _whole(leg.line.said), _whole(leg.line.heard)
            record.message = message_of(leg)
        elif not any(one.record.ringing_ms is not None and not one.record.outcome for one in self._attempts):
            line.signal = None
        kind = "colleague_hung_up" if answered else "colleague_not_reached"
        self._call.timeline.note(kind, text, outcome=record.outcome, by=record.ended_by)

    def _hang_up(self) -> None:
        """End the second legs that are left with the verb; the caller's line is the bot's again."""
        call = self._call
        call.keypad = None
        for attempt in self._attempts:
            leg = attempt.leg
            if leg.redirected:
                attempt.ended_by = "document"
                self._close(attempt, "the colleague's call was given something else to do")
            elif not leg.over and attempt.record.answered_ms is not None:
                # A second leg outlives neither the call nor the document.
                attempt.ended_by = call.ended_by if call.over else "document"
                leg.hang_up("peer", f"the colleague's call is over, ended by: {attempt.ended_by}")
            elif not leg.over:
                leg.hang_up("peer", "the phone stops ringing", ending="canceled")
        self._room.leave(call.line)
        call.line.signal = None
        call.line.earpiece.clear()
        call.line.listen_to(BOT)

    def _result(self) -> Dialled:
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
            nobody_there=told.leg.leg.nobody_there,
            redirected=told.leg.redirected,
        )


def message_of(call: Call) -> Pcm | None:
    """What a voicemail box has recorded on this leg: what it heard after its beep."""
    box = call.caller
    if not isinstance(box, VoicemailBox) or box.recording_from_ms is None:
        return None
    return _whole(call.line.heard)[box.recording_from_ms * 8 :]


def _whole(frames: list[Pcm]) -> Pcm:
    return np.concatenate([np.zeros(0, dtype=np.int16), *frames])
