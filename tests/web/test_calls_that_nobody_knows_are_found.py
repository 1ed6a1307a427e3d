"""Calls that are up at a carrier and unknown here: left, ended or adopted, after two looks; and the reverse."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from loguru import logger

from calls.database.errors import DatabaseUnavailable
from calls.states import CallState, EndedBy
from calls.store import CallStore
from calls.transfer import ResumeReason
from carriers.carrier import CALL_CONTROL, MARKUP, CarrierUnavailable, Direction, LineState
from carriers.live_calls import LiveCall
from deployment.banner import addresses
from desk import unknown_calls
from desk.unknown_calls import AGAIN_SECS, ENDED_FOR, EVERY_SECS, FIRST_LOOK_SECS, Lookout
from server import create_app
from tests.calls_on_disk import store_on
from tests.fake_carrier import FakeCarrier
from tests.web_service import make_settings, running, write_agents

NUMBER, CALLER = "+14155550100", "+12025550143"
UP = LiveCall("CA1", Direction.INBOUND, CALLER, NUMBER)
PUBLIC = "https://bot.example.com"


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 5, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Listing(FakeCarrier):
    """Lists calls that are up, and does what it is asked."""

    name = "twilio"
    ignores_repeated_commands = False

    def __init__(self, *up, mode=MARKUP, fails=None):
        super().__init__(calls={one.id: LineState.IN_PROGRESS for one in up})
        self.mode, self.up, self.fails = mode, list(up), fails
        self.documents, self.streams, self.asked = [], [], []

    async def live_calls(self, ours, caller_ids):
        self.asked.append((ours, caller_ids))
        if isinstance(self.fails, list):
            raise CarrierUnavailable("503")
        return self.up

    def stream_document(self, stream):
        return f"<Connect>{stream.stream_url}</Connect>"

    async def update_document(self, call_id, document):
        if self.fails:
            raise self.fails
        self.documents.append((call_id, document))

    async def start_stream(self, call_id, stream, *, command_id=None):
        if self.fails:
            raise self.fails
        self.streams.append((call_id, stream))


class Place:
    def __init__(self, tmp_path, wants, carrier, *, store=None, **settings):
        self.clock = Clock()
        self.store = store or CallStore(clock=self.clock)
        settings = make_settings(
            agents_dir=write_agents(tmp_path / "agents"),
            data_dir=tmp_path / "data",
            public_url=PUBLIC,
            unknown_calls=wants,
            stream_token_secret="s" * 32,
            **settings,
        )
        self.service = create_app(settings, run_bot=None, store=self.store).state.service
        self.carrier = carrier
        self.service._carriers = {
            (name, mode): carrier if (name, mode) == (carrier.name, carrier.mode) else None
            for name in ("twilio", "telnyx")
            for mode in (MARKUP, CALL_CONTROL)
        }
        self.lookout = Lookout(self.service, addresses(settings, PUBLIC))

    async def looks(self, times=2):
        for _ in range(times):
            await self.lookout.look()

    @property
    def call(self):
        return self.store.find(self.carrier.name, "CA1")


async def test_by_default_nothing_is_done_and_one_line_says_so(tmp_path):
    place = Place(tmp_path, "leave", Listing(UP))
    lines = []
    sink = logger.add(lines.append, level="INFO", format="{message}")
    try:
        await place.looks(1)
        assert lines == []
        await place.looks(4)
    finally:
        logger.remove(sink)
    (line,) = lines
    assert "UNKNOWN_CALLS is leave" in line
    assert not any(secret in line for secret in (NUMBER, CALLER, "CA1"))
    assert place.call is None
    assert (place.carrier.hung_up, place.carrier.documents) == ([], [])


async def test_ending_takes_two_looks(tmp_path):
    place = Place(tmp_path, "end", Listing(UP))
    await place.looks(1)
    assert place.carrier.hung_up == []
    await place.looks(1)
    assert place.carrier.hung_up == ["CA1"]
    assert (place.call.state, place.call.ended_by) == (CallState.COMPLETED, EndedBy.ERROR)
    assert place.call.end_cause == unknown_calls.CAUSE
    assert (place.call.from_number, place.call.to_number) == (CALLER, NUMBER)
    # It is known now, and the list still has it for a while.
    await place.looks(3)
    assert place.carrier.hung_up == ["CA1"]


async def test_a_call_that_was_unknown_once_only_is_no_unknown_call(tmp_path):
    place = Place(tmp_path, "end", Listing(UP))
    await place.looks(1)
    place.carrier.up = []
    await place.looks(1)
    place.carrier.up = [UP]
    await place.looks(1)
    assert place.carrier.hung_up == []


async def test_a_call_that_is_known_is_left_alone(tmp_path):
    place = Place(tmp_path, "end", Listing(UP))
    call = place.store.open(carrier="twilio", carrier_call_id="CA1")
    call.move(CallState.IN_PROGRESS, cause="answered")
    await place.looks(4)
    assert place.carrier.hung_up == []
    assert not call.is_over


async def test_a_call_that_another_process_knows_is_left_alone(tmp_path):
    async with store_on(tmp_path / "a.db") as theirs, store_on(tmp_path / "a.db") as ours:
        call = theirs.open(carrier="twilio", carrier_call_id="CA1")
        call.move(CallState.IN_PROGRESS, cause="answered")
        await theirs.flush()
        place = Place(tmp_path, "end", Listing(UP), store=ours)
        await place.looks(4)
        assert place.carrier.hung_up == []


async def test_of_several_processes_one_deals_with_a_call(tmp_path):
    async with store_on(tmp_path / "a.db") as one, store_on(tmp_path / "a.db") as other:
        carrier = Listing(UP)
        places = [Place(tmp_path, "adopt", carrier, store=store) for store in (one, other)]
        await asyncio.gather(*(place.looks(2) for place in places))
        assert len(carrier.documents) == 1


async def test_while_the_database_does_not_answer_no_call_is_taken_for_unknown(tmp_path, monkeypatch):
    place = Place(tmp_path, "end", Listing(UP))

    async def fails(call_id):
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(place.store, "as_written", fails)
    await place.looks(4)
    assert place.carrier.hung_up == []


async def test_adopting_connects_the_caller_with_the_bot(tmp_path):
    place = Place(tmp_path, "adopt", Listing(UP))
    await place.looks(1)
    assert place.carrier.documents == []
    await place.looks(1)
    ((call_id, document),) = place.carrier.documents
    assert call_id == "CA1"
    assert "wss://bot.example.com/ws/twilio/" in document
    call = place.call
    assert (call.state, call.agent, call.resume.reason) == (
        CallState.IN_PROGRESS,
        "receptionist",
        ResumeReason.LOST,
    )
    assert call in place.service.room.running
    await place.looks(2)
    assert len(place.carrier.documents) == 1
    assert place.carrier.hung_up == []


async def test_where_commands_run_the_call_its_stream_is_begun(tmp_path):
    carrier = Listing(LiveCall("CA1", agent="sales"), mode=CALL_CONTROL)
    carrier.name = "telnyx"
    place = Place(tmp_path, "adopt", carrier, telnyx_mode="call_control")
    await place.looks()
    ((call_id, _),) = carrier.streams
    assert (call_id, place.call.agent, place.call.mode) == ("CA1", "sales", CALL_CONTROL)


async def test_a_call_that_cannot_be_adopted_is_ended(tmp_path):
    carrier = Listing(UP, fails=CarrierUnavailable("unreachable", nothing_done=False))
    place = Place(tmp_path, "adopt", carrier)
    await place.looks()
    assert carrier.hung_up == ["CA1"]
    assert place.call.ended_by is EndedBy.ERROR


async def test_a_service_without_room_adopts_nobody(tmp_path):
    place = Place(tmp_path, "adopt", Listing(UP))
    place.service.room.draining = True
    await place.looks(3)
    assert (place.carrier.documents, place.carrier.hung_up) == ([], [])
    place.service.room.draining = False
    await place.looks(1)
    assert len(place.carrier.documents) == 1


@pytest.mark.parametrize("wants", ["leave", "end", "adopt"])
async def test_a_call_that_is_over_here_and_up_there_is_hung_up_again(tmp_path, wants):
    place = Place(tmp_path, wants, Listing(UP))
    call = place.store.open(carrier="twilio", carrier_call_id="CA1")
    call.move(CallState.COMPLETED, cause="a report")
    place.clock.now += ENDED_FOR - timedelta(seconds=1)
    await place.looks(3)
    assert place.carrier.hung_up == []  # the list may be old
    place.clock.now += timedelta(seconds=1)
    await place.looks(1)
    assert place.carrier.hung_up == []
    await place.looks(1)
    assert place.carrier.hung_up == ["CA1"]
    assert call.end_cause == "a report"


async def test_a_carrier_that_does_not_answer_is_asked_again_later(tmp_path):
    place = Place(tmp_path, "end", Listing(UP, fails=[]))
    await place.looks(2)
    place.carrier.fails = None
    await place.looks(2)
    assert place.carrier.hung_up == ["CA1"]


async def test_the_carrier_is_told_what_is_ours(tmp_path):
    place = Place(tmp_path, "leave", Listing(), caller_id=NUMBER)
    await place.looks(1)
    ((ours, caller_ids),) = place.carrier.asked
    assert ours.voice == f"{PUBLIC}/twilio/voice"
    assert caller_ids == (NUMBER,)


async def test_it_looks_soon_again_once_it_has_found_something(tmp_path, monkeypatch):
    slept = []

    async def sleep(secs):
        slept.append(secs)
        if len(slept) == 4:
            raise asyncio.CancelledError

    place = Place(tmp_path, "leave", Listing())
    looks_once = place.lookout.look
    monkeypatch.setattr(unknown_calls.asyncio, "sleep", sleep)
    looked = []

    async def look():
        looked.append(len(slept))
        await looks_once()
        place.carrier.up = [UP] if len(looked) == 1 else place.carrier.up

    monkeypatch.setattr(place.lookout, "look", look)
    with pytest.raises(asyncio.CancelledError):
        await place.lookout.run()
    assert slept == [FIRST_LOOK_SECS, EVERY_SECS, AGAIN_SECS, EVERY_SECS]


async def test_a_look_that_breaks_is_not_the_last_one(tmp_path, monkeypatch):
    monkeypatch.setattr(unknown_calls, "FIRST_LOOK_SECS", 0.0)
    monkeypatch.setattr(unknown_calls, "EVERY_SECS", 0.01)
    place = Place(tmp_path, "end", Listing(UP))
    looks = 0

    async def look():
        nonlocal looks
        looks += 1
        raise RuntimeError("a bug")

    monkeypatch.setattr(place.lookout, "look", look)
    running = asyncio.create_task(place.lookout.run())
    async with asyncio.timeout(3):
        while looks < 3:
            await asyncio.sleep(0.005)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(("public_url", "looks"), [(PUBLIC, 1), ("http://127.0.0.1:7860", 0), (None, 0)])
async def test_a_service_that_no_carrier_can_call_does_not_look(tmp_path, monkeypatch, public_url, looks):
    begun = []

    async def run(lookout):
        begun.append(lookout)

    monkeypatch.setattr(Lookout, "run", run)
    async with running(tmp_path, public_url=public_url) as service:
        assert (await service.http.get("/healthz")).status_code == 200
    assert len(begun) == looks
