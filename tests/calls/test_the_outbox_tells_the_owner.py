"""The owner's systems hear of each call at least once, in order, whatever their receiver does in between."""

import asyncio
import json
import sqlite3
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta

import pytest
from loguru import logger

from calls.colleague import Colleague
from calls.database.errors import DatabaseUnavailable
from calls.events.event import NOT_RECORDED, without_words
from calls.events.lifecycle import RecordingReported, TransferEnded, TransferStarted
from calls.events.reading import read_event
from calls.events.talk import (
    Attached,
    BotHeard,
    BotSaid,
    CallerSaid,
    Detached,
    Interrupted,
    MessageTaken,
    ToolUsed,
)
from calls.outbox import sender as sender_module
from calls.outbox import webhooks
from calls.outbox.notices import Channel, Kind, Way
from calls.outbox.parcels import LEASE_SECS, PAUSES_SECS, TRIED_FOR
from calls.outbox.receivers import Receiver as Address
from calls.outbox.receivers import wrong_with_secret, wrong_with_url
from calls.outbox.sender import Sender
from calls.states import CallState, EndedBy
from calls.store import CallStore
from calls.transfer import TransferOutcome
from tests.calls_on_disk import change, rows, store_on
from tests.receiver import SECRET, free_port, receiving

NUMBER = "+12025550143"
STORES = pytest.mark.parametrize("kept", ["file", "memory"])


class Clock:
    """The store's time, which a test may put forward."""

    def __init__(self):
        self.ahead = timedelta()

    def __call__(self):
        return datetime.now(UTC) + self.ahead


class Everything:
    """An owner who wants all kinds by webhook."""

    def __init__(self, url, secret=SECRET, patience_secs=5.0):
        self.url, self.secret, self.patience_secs = url, secret, patience_secs

    def wants(self, row, kind):
        return [Way(Channel.WEBHOOK, self.patience_secs if kind is Kind.CALL_ENDED else 0.0)]

    def receiver(self, agent):
        return Address(self.url, self.secret) if self.url else None

    def mailbox(self, agent):
        return None

    def sums_up_secs(self, agent):
        return None


@asynccontextmanager
async def a_store(kept, tmp_path, clock):
    if kept == "memory":
        yield CallStore(clock=clock)
        return
    async with store_on(tmp_path / "calls.db", clock=clock) as store:
        yield store


@asynccontextmanager
async def telling(store, owner):
    running = asyncio.create_task(Sender(store, owner).run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(sender_module, "LOOK_SECS", 0.05)
    monkeypatch.setattr(sender_module, "IDLE_LOOK_SECS", 0.2)


def a_call(store, name="CA1", **more):
    known = {"from_number": NUMBER, "to_number": "+12025550100", "agent": "sales"}
    call = store.open(carrier="twilio", carrier_call_id=name, **(known | more))
    call.move(CallState.IN_PROGRESS, cause="answered")
    return call


def talk(call):
    call.record(Attached(stream_id="MZ1"))
    call.record(BotSaid(text="Hello."))
    call.record(BotHeard(text="Hello."))
    call.record(CallerSaid(text="I want a bicycle."))
    call.record(BotSaid(text="Which one? We have many."))
    call.record(Interrupted(heard="Which one?"))
    call.record(ToolUsed(name="find", arguments={"what": "bicycle"}, result={"ok": True}, ok=True))
    call.record(MessageTaken(caller_name="Ann", callback_number=NUMBER, message="Call me."))
    call.record(TransferStarted("desk", warm=True))
    call.record(TransferEnded("desk", TransferOutcome.BUSY, "486"))


def hang_up(call, *, detached=True):
    call.move(CallState.COMPLETED, cause="hung up", ended_by=EndedBy.CALLER)
    if detached:
        call.record(Detached(reason="stop"))


def recorded(url="https://api.twilio.com/RE1"):
    return RecordingReported(state="completed", recording_id="RE1", url=url, duration_secs=12, channels=2)


@STORES
async def test_a_call_is_told_from_its_beginning_to_its_recording(tmp_path, kept):
    async with receiving() as receiver, a_store(kept, tmp_path, Clock()) as store:
        async with telling(store, Everything(receiver.url)):
            call = a_call(store, parameters={"order": 7})
            talk(call)
            await receiver.has("call.started", "message.taken")
            hang_up(call)
            await receiver.has("call.ended")
            call.record(recorded())
            await receiver.has("recording.ready")
    assert receiver.kinds() == ["call.started", "message.taken", "call.ended", "recording.ready"]
    assert len(set(receiver.ids)) == 4
    started, message, ended, recording = receiver.taken
    assert started["data"]["call"] == {
        "id": call.id,
        "carrier": "twilio",
        "carrier_call_id": "CA1",
        "direction": "inbound",
        "agent": "sales",
        "from_number": NUMBER,
        "to_number": "+12025550100",
        "parameters": {"order": 7},
        "created_at": started["data"]["call"]["created_at"],
        "answered_at": started["timestamp"],
        "ended_at": None,
    }
    assert message["data"]["message"]["message"] == "Call me."
    assert recording["data"]["recording"] == {
        "id": "RE1",
        "state": "completed",
        "url": "https://api.twilio.com/RE1",
        "duration_secs": 12,
        "channels": 2,
    }
    data = ended["data"]
    assert (data["state"], data["ended_by"], data["cause"]) == ("completed", "caller", "hung up")
    assert [(one["role"], one["text"], one["interrupted"]) for one in data["transcript"]] == [
        ("bot", "Hello.", False),
        ("caller", "I want a bicycle.", False),
        ("bot", "Which one?", True),
    ]
    assert [(one["name"], one["ok"]) for one in data["tools"]] == [
        ("find", True),
        ("take_message", True),
        ("transfer_call", False),
    ]
    assert [(one["destination"], one["warm"], one["outcome"]) for one in data["transfers"]] == [
        ("desk", True, "busy")
    ]
    assert data["messages"] == [message["data"]["message"]]
    assert data["latency"]["replies"] == 1
    assert data["latency"]["first_words_ms"] >= 0
    assert data["after_call"] is None


@STORES
async def test_nobody_is_asked_when_nobody_wants_to_be_told(tmp_path, kept):
    class Nobody(Everything):
        def wants(self, row, kind):
            return []

    async with receiving() as receiver, a_store(kept, tmp_path, Clock()) as store:
        async with telling(store, Nobody(receiver.url)):
            hang_up(a_call(store))
            await store.flush()
            await asyncio.sleep(0.3)
        assert await store.outbox.is_empty()
    assert receiver.got == []


async def test_without_an_owner_nothing_is_put_into_the_outbox(tmp_path):
    async with store_on(tmp_path / "calls.db") as store:
        hang_up(a_call(store))
        await store.flush()
    assert rows(tmp_path / "calls.db", "select count(*) from outbox") == [(0,)]


@STORES
async def test_the_end_waits_for_what_was_heard_last(tmp_path, kept):
    async with receiving() as receiver, a_store(kept, tmp_path, Clock()) as store:
        async with telling(store, Everything(receiver.url)):
            call = a_call(store)
            call.record(Attached(stream_id="MZ1"))
            hang_up(call, detached=False)
            await receiver.has("call.started")
            await asyncio.sleep(0.7)
            assert receiver.kinds() == ["call.started"]
            call.record(BotHeard(text="Goodbye."))
            call.record(Detached(reason="stop"))
            await receiver.has("call.ended")
    assert [one["text"] for one in receiver.taken[-1]["data"]["transcript"]] == ["Goodbye."]


@STORES
async def test_the_end_does_not_wait_forever_for_a_session_that_died(tmp_path, kept):
    async with receiving() as receiver, a_store(kept, tmp_path, Clock()) as store:
        async with telling(store, Everything(receiver.url, patience_secs=1)):
            call = a_call(store)
            call.record(Attached(stream_id="MZ1"))
            hang_up(call, detached=False)
            await receiver.has("call.ended")


@STORES
@pytest.mark.parametrize("trouble", [500, 404, "redirect", "close", 429])
async def test_a_receiver_that_fails_gets_the_same_again_later(tmp_path, kept, trouble):
    clock = Clock()
    async with receiving(trouble) as receiver, a_store(kept, tmp_path, clock) as store:
        async with telling(store, Everything(receiver.url)):
            call = a_call(store)
            while not receiver.got:
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.3)
            assert receiver.taken == []
            hang_up(call)
            await asyncio.sleep(0.4)
            assert len(receiver.got) == 1  # the later notice stays behind the earlier one
            clock.ahead += timedelta(seconds=PAUSES_SECS[0] * 1.2)
            await receiver.has("call.started", "call.ended")
    assert receiver.kinds() == ["call.started", "call.ended"]
    assert receiver.ids[0] == receiver.ids[1]
    assert receiver.bodies[0] == receiver.bodies[1]


@STORES
async def test_a_receiver_that_hangs_is_let_go_and_holds_up_nobody_else(tmp_path, kept, monkeypatch):
    monkeypatch.setattr(webhooks.post, "__kwdefaults__", {"secs": 0.5})
    clock = Clock()
    async with receiving(30.0) as receiver, a_store(kept, tmp_path, clock) as store:
        async with telling(store, Everything(receiver.url)):
            a_call(store)
            while not receiver.got:
                await asyncio.sleep(0.02)
            other = a_call(store, "CA2")
            await receiver.has("call.started")
            assert receiver.taken[0]["data"]["call"]["id"] == other.id
            await asyncio.sleep(0.8)
            clock.ahead += timedelta(seconds=10)
            async with asyncio.timeout(10):
                while len(receiver.taken) < 2:
                    await asyncio.sleep(0.02)
    assert receiver.ids[0] == receiver.ids[2]


@STORES
async def test_a_receiver_that_is_away_for_an_hour_gets_everything_in_order(tmp_path, kept):
    clock, port = Clock(), free_port()
    async with a_store(kept, tmp_path, clock) as store:
        async with telling(store, Everything(f"http://127.0.0.1:{port}/")):
            call = a_call(store)
            talk(call)
            hang_up(call)
            while clock.ahead < timedelta(hours=1):
                await asyncio.sleep(0.12)
                clock.ahead += timedelta(minutes=5)
            async with receiving(port=port) as receiver:
                async with asyncio.timeout(20):
                    while len(receiver.taken) < 3:
                        await asyncio.sleep(0.1)
                        clock.ahead += timedelta(minutes=5)
    assert receiver.kinds() == ["call.started", "message.taken", "call.ended"]
    assert clock.ahead < timedelta(hours=23)


@STORES
async def test_410_is_listed_at_once_and_can_be_sent_again(tmp_path, kept):
    async with receiving(410) as receiver, a_store(kept, tmp_path, Clock()) as store:
        async with telling(store, Everything(receiver.url)):
            call = a_call(store)
            async with asyncio.timeout(10):
                while not store.outbox or not await store.outbox.undelivered():
                    await asyncio.sleep(0.05)
            (parcel,) = await store.outbox.undelivered()
            assert (parcel.call_id, parcel.kind, parcel.attempts) == (call.id, "call.started", 1)
            assert "410" in parcel.trouble and NUMBER not in parcel.trouble
            hang_up(call)
            await receiver.has("call.ended")  # the next one is tried
            assert await store.outbox.again(store.now(), "msg_none") == 0
            assert await store.outbox.again(store.now(), parcel.id) == 1
            await receiver.has("call.started")
            assert await store.outbox.undelivered() == []
    assert receiver.ids[0] == receiver.ids[-1] == parcel.id


@STORES
async def test_after_a_day_it_is_listed_as_undelivered(tmp_path, kept):
    clock = Clock()
    async with a_store(kept, tmp_path, clock) as store:
        async with telling(store, Everything(f"http://127.0.0.1:{free_port()}/")):
            a_call(store)
            async with asyncio.timeout(30):
                while not store.outbox or not await store.outbox.undelivered():
                    await asyncio.sleep(0.1)
                    clock.ahead += timedelta(minutes=30)
            (parcel,) = await store.outbox.undelivered()
        assert await store.outbox.is_empty()
    assert parcel.attempts >= len(PAUSES_SECS)
    assert timedelta(hours=12) < clock.ahead < TRIED_FOR + timedelta(hours=6)
    assert "could not be reached" in parcel.trouble


async def test_what_a_dead_process_had_begun_is_done_by_another_and_never_at_the_same_time(tmp_path):
    clock = Clock()
    async with (
        receiving() as receiver,
        store_on(tmp_path / "calls.db", clock=clock) as dead,
        store_on(tmp_path / "calls.db", clock=clock) as store,
    ):
        owner = Everything(receiver.url)
        dead.announce(owner.wants)
        a_call(dead)
        await dead.flush()
        assert len(await dead.outbox.lease(dead.now(), 10)) == 1
        assert await store.outbox.lease(store.now(), 10) == []
        async with telling(store, owner):
            await asyncio.sleep(0.5)
            assert receiver.got == []
            clock.ahead += timedelta(seconds=LEASE_SECS + 1)
            await receiver.has("call.started")
    assert len(receiver.got) == 1


async def test_many_processes_send_each_notice_once(tmp_path):
    count = 40
    async with receiving() as receiver:
        owner = Everything(receiver.url)
        async with (
            store_on(tmp_path / "calls.db") as one,
            store_on(tmp_path / "calls.db") as two,
            store_on(tmp_path / "calls.db") as three,
        ):
            async with telling(one, owner), telling(two, owner), telling(three, owner):
                for number in range(count):
                    hang_up(a_call((one, two, three)[number % 3], f"CA{number}"))
                async with asyncio.timeout(30):
                    while len(receiver.taken) < 2 * count:
                        await asyncio.sleep(0.05)
                await asyncio.sleep(0.3)
    assert len(receiver.got) == len(set(receiver.ids)) == 2 * count
    seen: dict[str, list[str]] = {}
    for notice in receiver.taken:
        seen.setdefault(notice["data"]["call"]["id"], []).append(notice["type"])
    assert set(map(tuple, seen.values())) == {("call.started", "call.ended")}


async def test_a_database_that_is_away_costs_no_notice(tmp_path):
    folder = tmp_path / "data"
    folder.write_text("in the way")
    async with receiving() as receiver, store_on(folder / "calls.db") as store:
        async with telling(store, Everything(receiver.url)):
            call = a_call(store)
            hang_up(call)
            await asyncio.sleep(0.5)
            assert receiver.got == []
            folder.unlink()
            await receiver.has("call.started", "call.ended", secs=30)


async def test_what_was_delivered_is_written_as_soon_as_others_let_it(tmp_path):
    file = tmp_path / "calls.db"
    async with store_on(file, busy_secs=0.05) as store:
        store.announce(Everything("http://127.0.0.1/").wants)
        a_call(store)
        await store.flush()
        (parcel,) = await store.outbox.lease(store.now(), 10)
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("begin immediate")
            with pytest.raises(DatabaseUnavailable):
                await store.outbox.lease(store.now(), 10)
            written = asyncio.create_task(store.outbox.delivered(parcel))
            assert await asyncio.wait({written}, timeout=0.5) == (set(), {written})
            other.execute("rollback")
        await written
    assert rows(file, "select count(*) from outbox") == [(0,)]


async def test_what_was_delivered_leaves_no_words_in_the_outbox(tmp_path):
    async with receiving(500) as receiver, store_on(tmp_path / "calls.db") as store:
        async with telling(store, Everything(receiver.url)):
            call = a_call(store)
            while not receiver.got:
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.2)
            ((body, trouble),) = rows(tmp_path / "calls.db", "select body, trouble from outbox")
            assert NUMBER in body and NUMBER not in trouble
            change(tmp_path / "calls.db", "update outbox set due_at = event_at")
            await receiver.has("call.started")
            hang_up(call)
            await receiver.has("call.ended")
            await asyncio.sleep(0.2)
        assert rows(tmp_path / "calls.db", "select count(*) from outbox") == [(0,)]


@STORES
async def test_words_off_the_record_stay_out(tmp_path, kept):
    async with receiving() as receiver, a_store(kept, tmp_path, Clock()) as store:
        async with telling(store, Everything(receiver.url)):
            call = a_call(store)
            call.record(without_words(CallerSaid(text="four one one one")))
            call.record(
                without_words(ToolUsed(name="pay", arguments={"card": "4111"}, result="done", ok=True))
            )
            hang_up(call)
            await receiver.has("call.ended")
    data = receiver.taken[-1]["data"]
    assert [one["text"] for one in data["transcript"]] == [NOT_RECORDED]
    assert data["tools"][0]["arguments"] == {}
    assert "4111" not in json.dumps(data)


@STORES
async def test_the_leg_to_a_colleague_is_no_call_of_its_own(tmp_path, kept):
    async with receiving() as receiver, a_store(kept, tmp_path, Clock()) as store:
        async with telling(store, Everything(receiver.url)):
            leg = Colleague("call_1", "CA1", "desk", "money").as_parameters()
            hang_up(a_call(store, "CA2", parameters=leg))
            hang_up(a_call(store, "CA3"))
            await receiver.has("call.ended")
            await asyncio.sleep(0.3)
    assert {notice["data"]["call"]["carrier_call_id"] for notice in receiver.got} == {"CA3"}


@STORES
async def test_what_a_call_has_brought_along_was_told_of_where_it_was(tmp_path, kept):
    """Without a common store a caller who is back is a new call to the process, with a past."""
    async with receiving() as receiver, a_store(kept, tmp_path, Clock()) as store:
        async with telling(store, Everything(receiver.url)):
            call = store.open(carrier="twilio", carrier_call_id="CA1", agent="sales")
            before = store.now() - timedelta(minutes=1)
            call.events.append(read_event(before, "bot_heard", {"text": "Hello."}))
            call.events.append(read_event(before, "message_taken", {"message": "Call me."}))
            call.move(CallState.IN_PROGRESS, cause="media stream")
            hang_up(call, detached=False)
            await receiver.has("call.ended")
            await asyncio.sleep(0.2)
    assert receiver.kinds() == ["call.ended"]
    data = receiver.taken[0]["data"]
    assert [one["text"] for one in data["transcript"]] == ["Hello."]
    assert [one["message"] for one in data["messages"]] == ["Call me."]


async def test_a_call_that_rang_at_another_process_begins_where_it_is_answered(tmp_path):
    async with (
        receiving() as receiver,
        store_on(tmp_path / "calls.db") as one,
        store_on(tmp_path / "calls.db") as two,
    ):
        owner = Everything(receiver.url)
        one.announce(owner.wants)
        one.open(carrier="twilio", carrier_call_id="CA1")
        await one.flush()
        async with telling(two, owner):
            call = await two.restore("twilio", "CA1")
            call.move(CallState.IN_PROGRESS, cause="media stream")
            await receiver.has("call.started")
            hang_up(call)
            await receiver.has("call.ended")
    assert len(receiver.got) == 2


@STORES
async def test_a_call_that_nobody_answered_has_an_end_and_no_beginning(tmp_path, kept):
    async with receiving() as receiver, a_store(kept, tmp_path, Clock()) as store:
        async with telling(store, Everything(receiver.url)):
            call = store.dial_out(carrier="twilio", from_number="+12025550100", to_number=NUMBER)
            call.move(CallState.BUSY, cause="busy")
            await receiver.has("call.ended")
    assert receiver.kinds() == ["call.ended"]
    assert receiver.taken[0]["data"]["state"] == "busy"
    assert receiver.taken[0]["data"]["talk_secs"] == 0


@STORES
async def test_neither_words_nor_numbers_nor_addresses_are_logged(tmp_path, kept):
    lines = []
    sink = logger.add(lambda line: lines.append(str(line)), level="TRACE")
    try:
        async with receiving(500, 410) as receiver, a_store(kept, tmp_path, Clock()) as store:
            async with telling(store, Everything(receiver.url + "s3cret-path")):
                call = a_call(store)
                while len(receiver.got) < 1:
                    await asyncio.sleep(0.02)
                hang_up(a_call(store, "CA2"))
                talk(call)
                await receiver.has("call.ended")
                await asyncio.sleep(0.2)
    finally:
        logger.remove(sink)
    assert any("500" in line for line in lines) and any("410" in line for line in lines)
    secret = ("s3cret", NUMBER, "bicycle", "Ann", SECRET)
    assert not [line for line in lines if any(part in line for part in secret)]


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("https://example.com/hook", None),
        ("http://127.0.0.1:9/hook", None),
        ("http://localhost/hook", None),
        ("http://example.com/hook", "https"),
        ("http://127.0.0.1.example.com/", "https"),
        ("ftp://127.0.0.1/", "https"),
        ("https://", "address"),
        ("hook", "address"),
        ("https://example.com:x/", "port"),
    ],
)
def test_words_go_to_encrypted_addresses_or_to_this_machine(url, wrong):
    found = wrong_with_url(url)
    assert (found is None) if wrong is None else (wrong in found)


@pytest.mark.parametrize(
    ("secret", "fine"),
    [
        (SECRET, True),
        (SECRET.removeprefix("whsec_"), True),
        ("whsec_c2hvcnQ=", False),
        ("hunter2!", False),
        ("", False),
    ],
)
def test_a_secret_is_one_that_the_specification_allows(secret, fine):
    assert (wrong_with_secret(secret) is None) is fine
