"""A turn is measured from the caller's last sound to the bot's first one, and recorded once it is known how it went."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
from pipecat.observers.user_bot_latency_observer import (
    LatencyBreakdown,
    LatencyContribution,
    LatencyOwnerKind,
    MeasuredFrom,
)

from calls.call import Call
from calls.events.talk import Detached, Interrupted, Responded, TurnMeasured
from calls.states import CallState
from conversation.measuring import Waits

RATE = 8000


class Line:
    """A line on which the caller has been silent for a while, and the bot can be heard from a moment on."""

    hears_hz = RATE

    def __init__(self, silent_secs):
        self.silent_secs, self.beginnings = silent_secs, []

    @property
    def voice(self):
        return self

    def heard_lately(self, secs):
        loud = np.random.default_rng(1).normal(0, 4000, round((secs - self.silent_secs) * RATE))
        return loud.astype("<i2").tobytes() + bytes(2 * round(self.silent_secs * RATE))

    def began_after(self, moment):
        return next((one for one in self.beginnings if one >= moment), None)


class Session(SimpleNamespace):
    def record(self, event):
        self.call.record(event)


def a_session():
    call = Call(carrier="c", carrier_call_id="CA1")
    call.move(CallState.IN_PROGRESS, cause="x")
    return Session(call=call, is_detached=False)


def breakdown(ms, to=MeasuredFrom.USER_SILENCE):
    parts = [
        ("endpointing_wait", "config: VAD stop_secs", "setting", 200),
        ("llm_inference", "Model#12", "service", ms - 200),
    ]
    return LatencyBreakdown(
        contributions=[
            LatencyContribution(
                key=key,
                label=key,
                owner=owner,
                owner_kind=LatencyOwnerKind(kind),
                start_time=0,
                duration_secs=took / 1000,
            )
            for key, owner, kind, took in parts
        ],
        measured_from=to,
        total_secs=ms / 1000,
    )


def turns(session):
    return [event for event in session.call.events if isinstance(event, TurnMeasured)]


async def test_both_ends_are_those_of_the_sound():
    line, session = Line(0.26), a_session()
    waits = Waits(session, (), line)
    now = time.monotonic()
    waits._silent_at = now - 0.76  # 60 ms before the detector's moment
    await waits._over(None, breakdown(700))
    assert turns(session) == [] and isinstance(session.call.events[-1], Responded)
    line.beginnings = [now - 5, now + 0.05, now + 9]
    session.is_detached = True
    session.record(Interrupted(heard=""))
    session.record(Detached(reason="x"))
    [turn] = turns(session)
    assert abs(turn.response_ms - 810) <= 5 and turn.by_sound and not turn.interrupted
    assert [(part["stage"], part["owner"]) for part in turn.parts] == [
        ("end_of_turn", "VAD stop_secs"),
        ("model", "Model"),
        ("line", "sound"),
    ]
    assert sum(part["ms"] for part in turn.parts) == turn.response_ms
    assert abs(turn.parts[0]["ms"] - 260) <= 5


async def test_a_turn_that_the_caller_cuts_off_says_so_and_the_next_one_does_not():
    session = a_session()
    waits = Waits(session)
    await waits._over(None, breakdown(700))
    session.record(Interrupted(heard="We"))
    await waits._over(None, breakdown(500))
    await waits._over(None, breakdown(400, MeasuredFrom.CLIENT_CONNECTED))
    waits.end()
    assert [(one.n, one.to, one.response_ms, one.interrupted, one.by_sound) for one in turns(session)] == [
        (0, "caller", 700, True, False),
        (1, "caller", 500, False, False),
        (2, "call", 400, False, False),
    ]
    kinds = [type(event) for event in session.call.events if isinstance(event, Responded | TurnMeasured)]
    assert kinds == [Responded, TurnMeasured] * 3
    session.record(Detached(reason="x"))
    assert len(turns(session)) == 3 and session.call._watchers == []


@pytest.mark.parametrize("off_secs", [-0.6, 1.9])
async def test_a_silence_that_is_far_from_what_the_detector_says_is_not_believed(off_secs):
    line, session = Line(0.2), a_session()
    waits = Waits(session, (), line)
    waits._silent_at = time.monotonic() - 0.7 - off_secs
    await waits._over(None, breakdown(700))
    waits.end()
    assert [(one.response_ms, one.by_sound) for one in turns(session)] == [(700, False)]


async def test_the_first_sound_of_a_long_turn_is_not_forgotten():
    line, session = Line(0.2), a_session()
    waits = Waits(session, (), line)
    now = time.monotonic()
    waits._silent_at = now - 0.7
    await waits._over(None, breakdown(700))
    line.beginnings = [now + 0.02]
    session.call.record(Responded(to="x", ms=1))  # whatever happens next
    line.beginnings = [now + 30]
    waits.end()
    assert turns(session)[0].response_ms < 750


def test_how_long_the_caller_is_silent_is_looked_up_on_the_line():
    waits = Waits(a_session(), (), Line(0.4))
    before = time.monotonic()
    heard_at = waits._last_heard()
    assert before - 0.42 <= heard_at <= time.monotonic() - 0.38
    assert Waits(a_session())._last_heard() is None
