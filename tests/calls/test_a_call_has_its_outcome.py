"""How a call ended, and what it has achieved, are two things."""

from datetime import UTC, datetime, timedelta

import pytest

from calls.events.lifecycle import BriefingStarted, Connected, TransferEnded, TurnedAway
from calls.events.people import Reviewed
from calls.events.talk import BotHeard, CallerSaid, DtmfReceived, MessageTaken, VoicemailLeft
from calls.outcome import Outcome, achieved, overruled
from calls.states import CallState, EndedBy
from calls.transfer import TransferOutcome
from carriers.carrier import Direction

BEGUN = datetime(2026, 11, 26, 9, tzinfo=UTC)
SAID, HEARD = CallerSaid("Are you open?"), BotHeard("We are.")
NOTHING, KEY = CallerSaid(" "), DtmfReceived("1")
LEFT = MessageTaken(message="Call me.")
THROUGH = TransferEnded("desk", TransferOutcome.CONNECTED)
BUSY_DESK = TransferEnded("desk", TransferOutcome.BUSY)
IN, OUT = Direction.INBOUND, Direction.OUTBOUND
DONE, FAILED = CallState.COMPLETED, CallState.FAILED
CALLER, BOT, ERROR = EndedBy.CALLER, EndedBy.BOT, EndedBy.ERROR


def outcome(events, state=DONE, *, direction=IN, by=CALLER, secs=60.0):
    return achieved(
        events,
        state=state,
        direction=direction,
        ended_by=by,
        answered_at=None if secs is None else BEGUN,
        ended_at=BEGUN + timedelta(seconds=secs or 0),
    )


@pytest.mark.parametrize(
    ("found", "events", "known"),
    [
        ("answered", [SAID, HEARD], {}),
        ("answered", [SAID, HEARD], {"by": BOT, "secs": 3}),
        ("answered", [KEY], {}),
        ("answered", [SAID, BUSY_DESK], {}),
        ("answered", [BriefingStarted()], {"direction": OUT, "by": BOT}),
        ("answered", [HEARD], {"direction": OUT}),
        ("message", [SAID, LEFT], {}),
        ("message", [SAID, BUSY_DESK, LEFT], {}),
        ("message", [SAID, LEFT], {"state": FAILED, "by": ERROR}),
        ("transferred", [SAID, THROUGH], {"by": EndedBy.HUMAN}),
        ("transferred", [SAID, LEFT, THROUGH], {}),
        ("transferred", [BriefingStarted(), Connected()], {"direction": OUT}),
        ("abandoned", [HEARD], {}),
        ("abandoned", [HEARD, NOTHING], {"by": BOT}),
        ("abandoned", [SAID], {"secs": 4.9}),
        ("abandoned", [HEARD], {"direction": OUT, "secs": 2}),
        ("abandoned", [], {"state": CallState.CANCELED, "secs": None}),
        ("voicemail", [], {"state": CallState.VOICEMAIL, "direction": OUT, "by": BOT}),
        ("voicemail", [HEARD, VoicemailLeft(True)], {"direction": OUT, "by": BOT}),
        ("turned_away", [TurnedAway("full", "say")], {"by": EndedBy.LIMIT}),
        ("turned_away", [TurnedAway("full", "busy")], {"state": CallState.BUSY, "secs": None}),
        ("busy", [], {"state": CallState.BUSY, "direction": OUT, "secs": None}),
        ("no_answer", [], {"state": CallState.NO_ANSWER, "direction": OUT, "secs": None}),
        ("no_answer", [], {"direction": OUT, "secs": None}),
        ("canceled", [], {"state": CallState.CANCELED, "direction": OUT, "by": BOT, "secs": None}),
        ("failed", [], {"state": FAILED, "direction": OUT, "by": ERROR, "secs": None}),
        ("failed", [], {"by": ERROR, "secs": None}),
        ("lost", [SAID], {"state": FAILED, "by": ERROR}),
        ("lost", [SAID], {"by": ERROR}),
    ],
)
def test_what_a_call_has_achieved(found, events, known):
    assert outcome(events, **known) == found


def test_every_outcome_can_come_true():
    cases = test_what_a_call_has_achieved.pytestmark[0].args[1]
    assert {case[0] for case in cases} == set(Outcome)


def test_a_call_that_lives_has_achieved_nothing_yet():
    assert outcome([SAID, LEFT], CallState.IN_PROGRESS) is None


def test_the_last_word_of_a_person_counts():
    first, last = Reviewed(outcome="lost"), Reviewed(outcome=None, note="x")
    assert overruled([SAID, first, last]) is last
    assert overruled([SAID]) is None
