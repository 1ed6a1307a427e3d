"""Processes on one database know at once what the others have written of a call, and do what is asked of them."""

import asyncio

import pytest

from calls import shared as sharing
from calls.errors import CarrierFailed, NoAnswer, UnderWay
from calls.events.event import OtherEvent
from calls.events.lifecycle import Answered, Ended, Ringing, TransferEnded, TransferStarted
from calls.events.talk import Attached, CallerSaid, Detached
from calls.following import follow
from calls.states import CallState, EndedBy
from calls.transfer import Resume, ResumeReason, TransferOutcome
from carriers.carrier import LineState, StatusUpdate
from tests.calls_on_disk import rows, url_of
from tests.sharing import process, two, until


@pytest.fixture(params=["file", "server"])
def address(request, tmp_path):
    return url_of(tmp_path / "calls.db") if request.param == "file" else request.getfixturevalue("url")


async def one_call(a, b):
    """A call that `a` talks on, and that `b` knows too."""
    ours = a.open(carrier="c", carrier_call_id="CA1", agent="receptionist")
    ours.apply(StatusUpdate("CA1", LineState.IN_PROGRESS))
    ours.record(Attached(stream_id="MZ1"))
    assert await a.flush()
    return ours, await b.restore("c", "CA1")


async def test_what_one_process_writes_wakes_whoever_waits_in_the_other(address):
    async with two(address) as (a, b):
        ours, theirs = await one_call(a, b)
        ours.record(TransferStarted("desk"))
        told = ours.news(TransferEnded)
        await until(lambda: theirs.transfer_under_way == "desk")
        waits = asyncio.create_task(ours.comes_true(lambda: ours.state is CallState.TRANSFERRED, 5))
        theirs.transfer_ended("desk", TransferOutcome.CONNECTED, "answered")
        assert (await asyncio.wait_for(told, 5)).outcome is TransferOutcome.CONNECTED
        assert await waits
        assert ours.transfer_under_way is None
        theirs.expect_return(Resume(ResumeReason.TRANSFER, "desk"))
        await until(lambda: ours.resume == theirs.resume)
        assert ours.take_return() is not None
        await until(lambda: theirs.resume is None)


async def test_both_keep_one_order_whoever_writes(address):
    async with two(address) as (a, b):
        ours, theirs = await one_call(a, b)
        for n in range(60):
            ours.record(CallerSaid(f"ours {n}"))
            theirs.record(OtherEvent("theirs", {"n": n}))
            await asyncio.sleep(0.005 * (n % 3))
        assert all(await asyncio.gather(a.flush(), b.flush()))
        read = await a.as_written(ours.id)
        everything = [(event.kind, dict(event.data)) for event in read.events]
        await until(lambda: len(ours.events) == len(theirs.events) == len(everything))
        for call in (ours, theirs):
            assert [(event.kind, dict(event.data)) for event in call.events] == everything
            assert sorted(map(id, call.arrived)) == sorted(map(id, call.events))


async def test_what_carriers_deliver_to_two_processes_happened_once(address):
    async with two(address) as (a, b):
        ours = a.open(carrier="c", carrier_call_id="CA1")
        ours.move(CallState.IN_PROGRESS, cause="media stream")
        ours.record(TransferStarted("desk"))
        await a.flush()
        theirs = await b.restore("c", "CA1")
        both = (ours, theirs)
        for call in both:
            call.transfer_ended("desk", TransferOutcome.BUSY, "the carrier says busy", bot_tells=False)
        await until(lambda: ours.has(TransferEnded) and len(ours.events) == len(theirs.events))
        for call in both:
            call.apply(StatusUpdate("CA1", LineState.COMPLETED))
        assert all(await asyncio.gather(a.flush(), b.flush()))
        written = await a.as_written(ours.id)
        for kind in (Ringing, Answered, TransferEnded, Ended):
            assert sum(isinstance(event, kind) for event in written.events) == 1, kind
        await until(lambda: [e.kind for e in ours.events] == [e.kind for e in written.events])
        await until(lambda: [e.kind for e in theirs.events] == [e.kind for e in written.events])


async def test_the_first_end_and_the_first_word_of_who_ends_it_stay(address):
    async with two(address) as (a, b):
        ours, theirs = await one_call(a, b)
        theirs.will_end(EndedBy.HUMAN, "API")
        ours.apply(StatusUpdate("CA1", LineState.COMPLETED))  # it has not heard of that
        await b.flush()
        await a.flush()
        written = await b.as_written(ours.id)
        assert (written.ended_by, written.end_cause) == (
            EndedBy.HUMAN,
            "API",
        ) or written.ended_by is EndedBy.CALLER
        assert [event.ended_by for event in written.events if isinstance(event, Ended)] == [written.ended_by]
        await until(lambda: theirs.is_over and ours.ended_by is theirs.ended_by is written.ended_by)


async def test_a_note_that_was_written_first_is_what_the_end_is_put_down_to(address):
    async with two(address) as (a, b):
        ours, theirs = await one_call(a, b)
        loop = asyncio.get_running_loop()
        # What `b` writes is not taken in by `a` before its own end
        a.shared._loop = None
        theirs.will_end(EndedBy.HUMAN, "API")
        assert await b.flush()
        await asyncio.sleep(0.1)
        assert ours.ending is None
        ours.apply(StatusUpdate("CA1", LineState.COMPLETED))
        a.shared._loop = loop
        assert await a.flush()
        await until(lambda: ours.ended_by is EndedBy.HUMAN and theirs.ended_by is EndedBy.HUMAN)
        written = await b.as_written(ours.id)
        assert [event.ended_by for event in written.events if isinstance(event, Ended)] == [EndedBy.HUMAN]


async def test_an_event_stream_has_each_event_once_in_order_in_each_process(address):
    async with two(address) as (a, b):
        ours, theirs = await one_call(a, b)

        async def followed(store, call, after=0):
            return [(number, event.kind) async for number, event in follow(store, call, after)]

        streams = [asyncio.create_task(followed(*of)) for of in ((a, ours), (b, theirs), (b, theirs, 4))]
        for n in range(30):
            ours.record(CallerSaid(f"{n}"))
            theirs.record(OtherEvent("theirs", {"n": n}))
            await asyncio.sleep(0.01)
        ours.apply(StatusUpdate("CA1", LineState.COMPLETED))
        first, second, later = await asyncio.wait_for(asyncio.gather(*streams), 10)
        # What the other wrote after the end may be behind it
        assert [number for number, _ in first] == list(range(1, len(first) + 1))
        shorter = min(len(first), len(second))
        assert first[:shorter] == second[:shorter]
        assert ("ended" in [kind for _, kind in first]) and later[0][0] == 5
        assert [kind for _, kind in first].count("caller_said") == 30


async def test_an_event_stream_needs_no_other_process(tmp_path):
    async with process(url_of(tmp_path / "calls.db")) as store:
        call = store.open(carrier="c", carrier_call_id="CA1")
        stream = follow(store, call)
        got = [await anext(stream) for _ in range(2)]
        call.record(CallerSaid("hello"))
        got.append(await asyncio.wait_for(anext(stream), 1))
        assert [(number, event.kind) for number, event in got] == [
            (1, "state"),
            (2, "ringing"),
            (3, "caller_said"),
        ]
        await stream.aclose()


async def test_who_talks_on_a_call_is_known_and_does_what_is_asked(address):
    asked = []

    async def obey(command):
        asked.append((command.call_id, command.what, dict(command.arguments)))
        if command.what == "refuse":
            raise UnderWay("not now")
        if command.what == "fail":
            raise CarrierFailed("it did not", uncertain=True)
        if command.what == "break":
            raise RuntimeError("a bug")
        return {"pressed": 2}

    async with two(address, obey_a=obey) as (a, b):
        ours, _ = await one_call(a, b)
        assert await a.shared.elsewhere(ours.id) is None
        place = await b.shared.elsewhere(ours.id)
        assert place == a.shared.me.id
        began = asyncio.get_running_loop().time()
        assert await b.shared.ask(place, ours.id, "press", {"digits": "1#"}) == {"pressed": 2}
        assert asyncio.get_running_loop().time() - began < 1
        assert asked == [(ours.id, "press", {"digits": "1#"})]
        with pytest.raises(UnderWay, match="not now"):
            await b.shared.ask(place, ours.id, "refuse", {})
        with pytest.raises(CarrierFailed) as failed:
            await b.shared.ask(place, ours.id, "fail", {})
        assert failed.value.uncertain
        with pytest.raises(Exception, match="its log has more"):
            await b.shared.ask(place, ours.id, "break", {})
        answers = await asyncio.gather(*(b.shared.ask(place, ours.id, "press", {"n": n}) for n in range(20)))
        assert answers == [{"pressed": 2}] * 20
        assert await b._writer.ask(lambda database: database.do(_count_commands)) == 0
        ours.record(Detached(reason="over"))
        await a.flush()
        assert await b.shared.elsewhere(ours.id) is None


def _count_commands(connection):
    return connection.exec_driver_sql("select count(*) from commands").scalar()


async def test_a_session_that_begins_before_the_last_one_is_gone_is_not_lost(tmp_path):
    async with two(url_of(tmp_path / "calls.db")) as (a, b):
        ours, _ = await one_call(a, b)
        ours.record(Attached(stream_id="MZ2"))
        await a.flush()
        ours.record(Detached(reason="the first one"))
        await a.flush()
        assert await b.shared.elsewhere(ours.id) == a.shared.me.id
        assert rows(tmp_path / "calls.db", "select stream_id from sessions") == [("MZ2",)]


async def test_a_process_that_does_not_answer_is_asked_no_more_after_a_while(address, monkeypatch):
    monkeypatch.setattr(sharing, "TAKE_SECS", 0.5)
    async with process(address) as b:
        async with process(address) as a:
            await until(lambda: not a.shared.alone and not b.shared.alone)
            ours, _ = await one_call(a, b)
            a.shared._begin = lambda commands: None  # it hangs
            place = await b.shared.elsewhere(ours.id)
            with pytest.raises(NoAnswer, match="nothing was done") as late:
                await b.shared.ask(place, ours.id, "press", {"digits": "1"})
            assert not late.value.uncertain
            assert await b._writer.ask(lambda database: database.do(_count_commands)) == 0
        # It has left in order
        await until(lambda: b.shared.alone)
        assert await b.shared.elsewhere(ours.id) is None


async def test_a_process_whose_count_stands_still_has_no_session_any_more(address, monkeypatch):
    monkeypatch.setattr(sharing, "DEAD_SECS", 2.5)
    async with two(address) as (a, b):
        ours, _ = await one_call(a, b)
        beat = a.shared._beat

        async def forget_to():
            a.shared._next_beat = a.shared._clock() + 0.2

        a.shared._beat = forget_to
        assert await b.shared.elsewhere(ours.id) == a.shared.me.id
        await until(lambda: b.shared.alone)
        assert await b.shared.elsewhere(ours.id) is None
        a.shared._beat = beat  # it was only slow
        await until(lambda: not b.shared.alone)
        assert await b.shared.elsewhere(ours.id) == a.shared.me.id


async def test_a_socket_that_is_faster_than_the_database_is_waited_for(address):
    async with two(address) as (a, b):
        await b.shared.catch_up(b.open(carrier="c", carrier_call_id="CA0"))
        ours = a.open(carrier="c", carrier_call_id="CA1")
        ours.expect_return(Resume(ResumeReason.DIGITS))
        await b.has_heard(ours.id, len(ours.events))  # at once: nothing is written yet
        theirs = b.get(ours.id)
        assert theirs is not None and len(theirs.events) == 2 and theirs.resume == ours.resume
        ours.record(CallerSaid("one moment"))
        await b.has_heard(ours.id, len(ours.events))
        assert theirs.has(CallerSaid)
