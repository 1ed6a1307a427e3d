"""What is said and heard waits a moment for more of it; what a caller was promised is in the database at once."""

import asyncio

import pytest

from calls.call import Call
from calls.database import writer
from calls.database.call_database import CallDatabase
from calls.events.talk import BotHeard, BotSaid, CallerSaid, DtmfReceived, MessageTaken
from calls.states import CallState, EndedBy
from calls.transfer import Resume, ResumeReason
from tests.calls_on_disk import rows, store_on

SOON_SECS = 0.15
"""Long enough for what is written at once, on a machine that has other things to do."""

LATER_SECS = 1.5


@pytest.fixture(autouse=True)
def _a_wait_that_is_seen(monkeypatch):
    monkeypatch.setattr(writer, "MAY_WAIT_SECS", 0.8)


def kinds(path) -> list[str]:
    return [kind for (kind,) in rows(path, "SELECT kind FROM call_events ORDER BY seq")]


async def a_call(store, name="CA1") -> Call:
    call = store.open(carrier="c", carrier_call_id=name)
    call.move(CallState.IN_PROGRESS, cause="answered")
    assert await store.flush()
    return call


TALK = [CallerSaid(text="Hello?"), BotSaid(text="Yes."), BotHeard(text="Yes."), DtmfReceived(digits="1")]


async def test_talk_waits_and_is_not_lost(tmp_path):
    path = tmp_path / "a.db"
    async with store_on(path) as store:
        call = await a_call(store)
        before = kinds(path)
        for event in TALK:
            call.record(event)
        await asyncio.sleep(SOON_SECS)
        assert kinds(path) == before
        await asyncio.sleep(LATER_SECS)
        assert kinds(path) == [*before, *(event.kind for event in TALK)]


PROMISES = {
    "a message": lambda call: call.record(MessageTaken(message="x")),
    "the end": lambda call: call.move(CallState.COMPLETED, cause="over"),
    "who ends it": lambda call: call.will_end(EndedBy.BOT, "goodbye"),
    "coming back": lambda call: call.expect_return(Resume(ResumeReason.TRANSFER)),
}


@pytest.mark.parametrize("promise", PROMISES)
async def test_a_promise_is_written_at_once_with_the_talk_before_it(tmp_path, promise):
    path = tmp_path / "a.db"
    async with store_on(path) as store:
        call = await a_call(store)
        call.record(TALK[0])
        await asyncio.sleep(0.05)
        PROMISES[promise](call)
        await asyncio.sleep(SOON_SECS)
        assert TALK[0].kind in kinds(path)
        assert not store._writer.has_unsaved(call)


async def test_flushing_waits_for_nothing(tmp_path):
    path = tmp_path / "a.db"
    async with store_on(path) as store:
        call = await a_call(store)
        call.record(TALK[0])
        async with asyncio.timeout(0.5):
            assert await store.flush()
        assert kinds(path)[-1] == TALK[0].kind


async def test_the_talk_of_many_calls_is_one_transaction(tmp_path, monkeypatch):
    path = tmp_path / "a.db"
    saved: list[int] = []
    save = CallDatabase.save

    async def noted(self, unsaved):
        saved.append(len(unsaved))
        return await save(self, unsaved)

    async with store_on(path) as store:
        calls = [await a_call(store, f"CA{number}") for number in range(20)]
        monkeypatch.setattr(CallDatabase, "save", noted)
        for call in calls:
            call.record(TALK[0])
            await asyncio.sleep(0.01)
        await asyncio.sleep(LATER_SECS)
        assert saved == [20]
