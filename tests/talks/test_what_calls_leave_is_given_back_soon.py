"""What a session leaves is freed soon after its end, and what was loaded at the start is looked through but once."""

import asyncio
import gc
from collections import Counter

import pytest

from conversation.leftovers import Leftovers
from emulator import Digits, HangUp
from tests.talking_bot import talking
from tests.talks.test_calls_leave_no_session_behind import SESSION, answers, is_shared

SETTLES_SECS = 30.0


@pytest.fixture
def python_does_not_look():
    """Nothing is freed that is part of a circle, unless somebody asks for it."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


def sessions() -> dict[str, int]:
    """What there is of sessions now, by the names of its classes, except for what the collector leaves out."""
    there = [one for one in gc.get_objects() if type(one).__name__ in SESSION]
    return dict(Counter(type(one).__name__ for one in there if not is_shared(one)))


async def becomes(condition, secs=SETTLES_SECS):
    loop = asyncio.get_running_loop()
    deadline = loop.time() + secs
    while not condition() and loop.time() < deadline:
        await asyncio.sleep(0.05)
    return condition()


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_sessions_are_freed_without_waiting_for_python_to_look(
    monkeypatch, tmp_path, carrier, python_does_not_look
):
    async with talking(monkeypatch, tmp_path, carrier, answers) as bot:
        gc.unfreeze()
        before = sessions()
        gc.freeze()
        for script in ([Digits("1#")], [Digits("4#"), HangUp(after_reply=True)], [HangUp()]):
            await asyncio.gather(*(bot.network.call(bot.url, script) for _ in range(2)))

        # While this waits, nothing is unfrozen: the collector's runs would take longer, and be rarer, than a service's.
        await becomes(lambda: not sessions())
        gc.unfreeze()
        assert {name: n for name, n in sessions().items() if n > before.get(name, 0)} == {}


class Part:
    """Knows itself, as the parts of a session do."""

    def __init__(self):
        self.itself = self


def parts() -> int:
    return sum(isinstance(one, Part) for one in gc.get_objects())


async def test_what_was_loaded_is_left_out_of_all_looks(python_does_not_look):
    loaded = [Part()]
    leftovers = Leftovers(lambda: False)
    leftovers.loaded()
    assert loaded and parts() == 0, "it is still looked at"
    Part()
    leftovers.session_ended()
    assert parts() == 1
    assert await becomes(lambda: parts() == 0)
    leftovers.close()
    assert parts() == 1, "it is left out for good"


async def test_a_session_that_goes_on_while_things_are_loaded_is_freed_after_its_end(python_does_not_look):
    live = [Part()]
    leftovers = Leftovers(lambda: bool(live))
    leftovers.loaded()
    assert parts() == 1, "a session is left out, and would stay for good"
    live.clear()
    leftovers.session_ended()
    assert await becomes(lambda: parts() == 0)
    assert gc.get_freeze_count() > 0
    leftovers.close()
    assert parts() == 0


async def test_what_ends_a_little_later_than_its_call_is_freed_too(python_does_not_look):
    leftovers = Leftovers(lambda: False)
    leftovers.session_ended()
    await asyncio.sleep(1.0)
    Part()
    assert await becomes(lambda: parts() == 0)
    leftovers.close()


async def test_nothing_is_looked_for_after_the_service_was_closed(python_does_not_look):
    leftovers = Leftovers(lambda: False)
    leftovers.session_ended()
    leftovers.close()
    Part()
    assert not await becomes(lambda: parts() == 0, secs=0.5)
