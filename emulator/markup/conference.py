"""`<Dial><Conference>`: named rooms of one account.

Sources: Twilio docs, voice/twiml/conference (a conference starts with two participants of whom one has
startConferenceOnEnter; only the first one's statusCallback counts; error 16025 for a label in use); Telnyx docs,
TeXML conference, callback "conference start". A participant does not hear the beep of its own entry, and hears silence
once the others have left. What a waitUrl other than "" would play is not fetched: it is music.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from urllib.parse import urljoin

from emulator.documents.parsing import Document, Verb
from emulator.legs.call import Call
from emulator.legs.dialect import ConferenceEvent
from emulator.legs.plan import GoTo, Reporting, Start
from emulator.line.other_end import BOT, PEOPLE, WAITING
from emulator.line.room import Room
from emulator.line.signals import beep, hold_music
from emulator.markup.dial import DialOrder

MOST_PARTICIPANTS = 250
EVENT_NAMES: Mapping[str, str] = {
    "conference-start": "start",
    "conference-end": "end",
    "participant-join": "join",
    "participant-leave": "leave",
}
NOT_EMULATED = ("record", "coach")


@dataclass(eq=False)
class Participant:
    """A leg in a conference, or waiting for the conference to begin.

    Attributes:
        starts: Whether the conference begins with this one.
        ends: Whether it ends when this one leaves.
        beeps: `true`, `false`, `onEnter` or `onExit`.
        out: Whether this one was put out, because the conference is over.
    """

    call: Call
    label: str | None = None
    muted: bool = False
    starts: bool = True
    ends: bool = False
    beeps: str = "true"
    music: bool = True
    out: bool = False


class Conference:
    """A room with a name.

    Args:
        conferences: Those of the network, where this one is listed as long as a participant is in it.
        conference_id: The carrier's id of it.
        name: As in the documents.
        limit: How many may come in.
        reporting: The first participant's status callback, or None.
    """

    def __init__(
        self, conferences: Conferences, conference_id: str, name: str, limit: int, reporting: Reporting | None
    ) -> None:
        """An empty conference."""
        self.name = name
        self.conference_id = conference_id
        self.limit = limit
        self.started = False
        self.participants: list[Participant] = []
        self.room = Room()
        self._conferences = conferences
        self._reporting = reporting
        self._told = 0
        self._last: asyncio.Task[None] | None = None
        conferences[name] = self

    def enter(self, new: Participant) -> None:
        """Let a participant in; the conference begins if it can."""
        self.participants.append(new)
        call = new.call
        call.timeline.note("conference", f"in the conference {self.name!r}", event="join", name=self.name)
        self._tell("participant-join", new)
        if self.started:
            self._seat(new)
        elif len(self.participants) >= 2 and any(one.starts for one in self.participants):
            self.started = True
            for one in self.participants:
                self._seat(one)
            self._tell("conference-start", new)
        else:
            call.line.listen_to(WAITING)
            call.line.signal = hold_music() if new.music else None
        if self.started and new.beeps in ("true", "onEnter"):
            self._beep(new)

    def leave(self, gone: Participant, reason: str) -> None:
        """Let a participant out; the conference is over with the last one, and with one whose `ends` is set."""
        if gone not in self.participants:
            return
        self.participants.remove(gone)
        self.room.leave(gone.call.line)
        gone.call.timeline.note(
            "conference", f"out of the conference {self.name!r}", event="leave", reason=reason
        )
        self._tell("participant-leave", gone, reason)
        if self.started and gone.beeps in ("true", "onExit"):
            self._beep(gone)
        if not self.participants:
            self._close(gone, "last-participant-left")
        elif gone.ends and not gone.out:
            # Out of the list at once: a new conference may begin under the same name.
            self._close(gone, "participant-with-end-conference-on-exit-left")

    def _close(self, last: Participant, reason: str) -> None:
        if self._conferences.get(self.name) is not self:
            return
        del self._conferences[self.name]
        for one in self.participants:
            one.out = True
        if self.started:
            self._tell("conference-end", last, reason)

    def _seat(self, one: Participant) -> None:
        one.call.line.signal = None
        one.call.timeline.note("conference", "the conference is under way", event="start", name=self.name)
        self.room.join(one.call.line, hears=PEOPLE, muted=one.muted)

    def _beep(self, because: Participant) -> None:
        for one in self.participants:
            if one is not because:
                one.call.line.signal = chain(one.call.line.signal or (), beep())

    def _tell(self, kind: str, participant: Participant, reason: str | None = None) -> None:
        if self._reporting is None or EVENT_NAMES[kind] not in self._reporting.events:
            return
        call = participant.call
        event = ConferenceEvent(
            kind,
            self.conference_id,
            self.name,
            self._told,
            call.leg,
            participant.label,
            {
                "Muted": participant.muted,
                "Hold": False,
                "Coaching": False,
                "EndConferenceOnExit": participant.ends,
                "StartConferenceOnEnter": participant.starts,
            },
            reason,
        )
        self._told += 1
        parameters = call.dialect.conference_parameters(event)
        self._last = asyncio.create_task(self._send(call, kind, parameters, self._last))
        call.in_background(_wait_for(self._last))

    async def _send(
        self, call: Call, kind: str, parameters: dict[str, str], before: asyncio.Task[None] | None
    ) -> None:
        assert self._reporting is not None
        if before is not None:
            await before
        await call.webhooks.notify(self._reporting.url, parameters, kind, self._reporting.method)


Conferences = dict[str, Conference]
"""The conferences of a network, by their names."""


async def join_conference(
    conferences: Conferences, call: Call, noun: Verb, order: DialOrder, document: Document
) -> Start | None:
    """Carry out `<Dial><Conference>`."""
    conference, participant = _admitted(conferences, call, noun, document)
    if conference is None or participant is None:
        return None
    star = False

    def press(digit: str) -> bool:
        nonlocal star
        star = star or (digit == "*" and order.hangup_on_star)
        return False

    line = call.line
    line.earpiece.clear()
    call.keypad = press
    conference.enter(participant)
    until_ms = line.now_ms + order.limit_secs * 1000
    reason = "participant_updated_via_api"
    try:
        while not participant.out and not star and line.now_ms < until_ms:
            await line.tick()
        reason = "conference_ended" if participant.out else "participant_left"
    finally:
        call.keypad = None
        started = conference.started
        conference.leave(participant, "participant_hung_up" if call.over else reason)
        line.signal = None
        line.earpiece.clear()
        line.listen_to(BOT)
    if started:
        call.left_by = "colleague"
    if order.action is None:
        return None
    url = urljoin(document.url or "", order.action)
    return GoTo(url, order.method, call.dialect.conference_dial_parameters(call.leg))


def _admitted(
    conferences: Conferences, call: Call, noun: Verb, document: Document
) -> tuple[Conference, Participant] | tuple[None, None]:
    """The room and the seat in it, or None with a warning where there is none to be had."""
    written = noun.attributes
    for name in NOT_EMULATED:
        if written.get(name, "do-not-record") not in ("do-not-record", "false"):
            call.fail(f"<Conference {name}> is not emulated and has no effect")
    if not noun.text:
        call.fail("<Conference> has no name; the call goes on with the next verb")
        return None, None
    conference = conferences.get(noun.text)
    if conference is None:
        limit = written.get("maxParticipants", "")
        reporting = None
        if url := written.get("statusCallback"):
            events = frozenset(written.get("statusCallbackEvent", "start end").split())
            method = written.get("statusCallbackMethod", "POST")
            reporting = Reporting(urljoin(document.url or "", url), events, method)
        most = int(limit) if limit.isdigit() else MOST_PARTICIPANTS
        conference = Conference(conferences, call.dialect.new_conference_id(), noun.text, most, reporting)
    label = written.get("participantLabel")
    if label is not None and any(one.label == label for one in conference.participants):
        call.fail(f"16025 the participantLabel {label[:40]!r} is in use; the call goes on with the next verb")
        return None, None
    if len(conference.participants) >= conference.limit:
        call.fail(f"the conference is full ({conference.limit}); the call goes on with the next verb")
        return None, None
    return conference, Participant(
        call,
        label,
        noun.flag("muted", False),
        noun.flag("startConferenceOnEnter", True),
        noun.flag("endConferenceOnExit", False),
        written.get("beep", "true"),
        written.get("waitUrl") != "",
    )


async def _wait_for(task: asyncio.Task[None]) -> None:
    await asyncio.gather(task, return_exceptions=True)
