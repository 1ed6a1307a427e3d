"""What a call takes along is believed by a machine whose clock differs a little, of that call and for its time."""

import time
from hashlib import sha256

import pytest
from loguru import logger

from calls.call import Call
from calls.carried import LIFETIME_SECS, Carried, carry, read_carried
from calls.clocks import LEEWAY_SECS
from calls.events.talk import CallerSaid, LanguageChanged
from calls.store import CallStore

NOW = 1_763_712_000.0
SECRET = "a secret of all machines"


@pytest.fixture
def lines():
    found: list[str] = []
    sink = logger.add(lambda message: found.append(str(message)), level="WARNING", format="{message}")
    yield found
    logger.remove(sink)


@pytest.fixture
def at(monkeypatch):
    """Sets the clock of the machine that is asked next."""

    def set_clock(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: NOW + seconds)

    return set_clock


def a_call() -> Call:
    call = CallStore().open(carrier="twilio", carrier_call_id="CA1", direction="inbound", agent="sales")
    call.record(CallerSaid(text="Two roses, please."))
    return call


def said_before(carried: Carried | None) -> list[str] | None:
    return carried and [event.data["text"] for event in carried.events]


@pytest.mark.parametrize("ahead_secs", [-4.0, -1.0, -0.4, 0.0, 0.4, 4.0])
def test_a_clock_that_differs_a_little_loses_no_conversation(at, lines, ahead_secs):
    at(0)
    parameters = carry(a_call(), SECRET)
    at(ahead_secs)
    assert said_before(read_carried(parameters, SECRET, "CA1")) == ["Two roses, please."]
    assert (parameters, lines) == ({}, [])


def test_a_clock_that_differs_more_is_named(at, lines):
    at(0)
    parameters = carry(a_call(), SECRET)
    at(-30)
    assert read_carried(parameters, SECRET, "CA1") is None
    assert len(lines) == 1
    assert "30 s in the future by the clock of this machine" in lines[0] and "NTP" in lines[0]


def test_it_is_believed_for_as_long_as_a_call_can_last(at, lines):
    at(0)
    call = a_call()
    young, old = carry(call, SECRET), carry(call, SECRET)
    at(LIFETIME_SECS + LEEWAY_SECS - 1)
    assert said_before(read_carried(young, SECRET, "CA1")) == ["Two roses, please."]
    at(LIFETIME_SECS + LEEWAY_SECS + 1)
    assert read_carried(old, SECRET, "CA1") is None
    assert len(lines) == 1 and "by the clock of this machine" in lines[0]


@pytest.mark.parametrize(("secret", "call_id"), [(SECRET, "CA2"), ("another secret", "CA1"), (None, "CA1")])
def test_it_is_believed_of_its_own_call_only_and_with_the_secret(at, secret, call_id):
    at(0)
    assert read_carried(carry(a_call(), SECRET), secret, call_id) is None


def test_the_language_of_a_call_is_taken_along_though_the_talk_is_too_long_for_it(at):
    at(0)
    call = CallStore().open(carrier="twilio", carrier_call_id="CA1", direction="inbound", agent="sales")
    call.record(LanguageChanged(language="es", why="key"))
    for number in range(60):
        call.record(CallerSaid(text=sha256(bytes([number])).hexdigest()))  # which cannot be packed smaller
    carried = read_carried(carry(call, SECRET), SECRET, "CA1")
    assert carried is not None and 0 < len(carried.events) < 61
    assert [event.language for event in carried.events if isinstance(event, LanguageChanged)] == ["es"]
