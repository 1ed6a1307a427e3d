"""Lists with filters, a page at a time; searches; totals by hour or day; messages: with a database and without."""

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from calls.counting import DAY, HOUR, Range, TooMany, share
from calls.database import listing
from calls.database.call_database import CallDatabase
from calls.events.lifecycle import ErrorHappened, RecordingChanged, TransferStarted
from calls.events.people import MessageHandled, Reviewed
from calls.events.talk import BotHeard, CallerSaid, MessageTaken, Responded, SummedUp, TurnMeasured
from calls.searching import Filters, Place, understood
from calls.states import CallState, EndedBy
from calls.store import CallStore
from desk.deriving import derive_all
from tests.calls_on_disk import make_older, rows, store_on

BEGUN = datetime(2026, 3, 2, 9, tzinfo=UTC)
OURS = "+14155550100"


class Clock:
    def __init__(self):
        self.now = BEGUN

    def __call__(self):
        return self.now


@asynccontextmanager
async def in_memory(_tmp_path, clock):
    yield CallStore(clock=clock)


@asynccontextmanager
async def in_a_file(tmp_path, clock):
    async with store_on(tmp_path / "calls.db", clock=clock) as store:
        yield store


@asynccontextmanager
async def forgotten_by_memory(tmp_path, clock):
    """A store that has only what the database has."""
    async with store_on(tmp_path / "calls.db", clock=clock, limit=0) as store:
        yield store


EVERYWHERE = pytest.mark.parametrize("place", [in_memory, in_a_file, forgotten_by_memory])


class Calls:
    """Calls that a test makes, one a minute."""

    def __init__(self, store, clock):
        self.store, self.clock, self.made = store, clock, {}

    def one(
        self, name, *events, number="+12025550143", agent="receptionist", end=True, ms=(), secs=60, **known
    ):
        call = self.store.open(
            carrier="twilio", carrier_call_id=name, from_number=number, to_number=OURS, agent=agent, **known
        )
        call.move(CallState.IN_PROGRESS, cause="answered")
        for n, one in enumerate(ms):
            call.record(Responded(to="caller", ms=one, stages={"model": one}))
            parts = [{"stage": "model", "ms": one - 100}, {"stage": "line", "ms": 100}]
            call.record(TurnMeasured(n=n, to="caller", response_ms=one, parts=parts, after_answer_ms=400))
        for event in events:
            call.record(event)
        if end:
            self.clock.now += timedelta(seconds=secs)
            call.move(CallState.COMPLETED, cause="hung up", ended_by=EndedBy.CALLER)
        self.made[call.id] = name
        return call

    async def found(self, limit=100, before=None, **asked):
        await self.store.flush()
        page = await self.store.looking.find(Filters(**asked), limit, before)
        assert page.whole
        return [self.made[one["id"]] for one in page.records], page.next


@asynccontextmanager
async def calls_in(place, tmp_path):
    clock = Clock()
    async with place(tmp_path, clock) as store:
        yield Calls(store, clock)


@EVERYWHERE
async def test_each_filter_finds_its_calls_and_all_together_those_of_all(tmp_path, place):
    async with calls_in(place, tmp_path) as calls:
        calls.one("plain", CallerSaid("Are you open?"), ms=[700])
        calls.one(
            "message", CallerSaid("x"), MessageTaken("Ann", "", "Call me about the Invoice."), ms=[900, 2500]
        )
        calls.one("sales", CallerSaid("A quote, please."), agent="sales", number="+13105550199")
        calls.one(
            "recorded", CallerSaid("x"), RecordingChanged("in_progress", "RE1"), TransferStarted("desk")
        )
        calls.one(
            "broken",
            ErrorHappened("The model failed."),
            Reviewed(outcome="lost", note="Rang back.", reviewed=True),
        )
        half = calls.clock.now
        calls.one("talking", CallerSaid("Hello there."), end=False)

        async def found(**asked):
            names, more = await calls.found(**asked)
            assert more is None
            return names

        assert await found() == ["talking", "broken", "recorded", "sales", "message", "plain"]
        assert await found(outcome=("message",)) == ["message"]
        assert await found(outcome=("lost", "message")) == ["broken", "message"]
        assert await found(state=("in_progress",)) == await found(live=True) == ["talking"]
        assert await found(live=False, agent="sales") == ["sales"]
        assert await found(direction="outbound") == []
        assert await found(carrier="telnyx") == []
        assert await found(number="0199") == ["sales"]
        assert await found(since=half) == ["talking"]
        assert await found(until=BEGUN + timedelta(seconds=60)) == ["plain"]
        assert await found(slow_ms=2500) == ["message"]
        assert await found(slow_ms=2501) == []
        assert await found(has=("message",)) == ["message"]
        assert await found(has=("recording", "transfer")) == ["recorded"]
        assert await found(has=("recording", "error")) == []
        assert await found(has=("error",), reviewed=True) == ["broken"]
        assert "broken" not in await found(reviewed=False)
        assert await found(words=("invoice",)) == ["message"]
        assert await found(words=("open", "you")) == ["plain"]
        assert await found(words=("open", "invoice")) == []
        assert await found(words=("hello",)) == ["talking"]
        assert await found(words=("rang",)) == ["broken"]
        assert await found(words=("%",)) == await found(words=("_",)) == []


@EVERYWHERE
async def test_a_list_goes_on_where_it_ended_also_among_calls_of_one_moment(tmp_path, place):
    async with calls_in(place, tmp_path) as calls:
        for number in range(11):
            calls.one(f"{number}", CallerSaid("word"), secs=0 if number % 4 else 60)
        whole, _ = await calls.found()
        assert len(whole) == 11
        for asked in ({}, {"words": ("word",)}):
            seen, before = [], None
            for page in range(6):
                names, before = await calls.found(limit=2, before=before, **asked)
                seen += names
                if page == 0:
                    calls.one(
                        f"later {len(asked)}", CallerSaid("word")
                    )  # what begins meanwhile is no part of it
                before = Place.read(str(before)) if before else None
            assert [name for name in seen if not name.startswith("later")] == whole
            assert before is None or "later" in str(seen)


@EVERYWHERE
async def test_a_record_has_what_is_made_of_the_events(tmp_path, place):
    async with calls_in(place, tmp_path) as calls:
        text = "I  would like to know " + "whether you are open " * 5
        call = calls.one("1", CallerSaid("DTMF: 12#"), CallerSaid(text), BotHeard("Yes."), ms=[700, 900, 800])
        call.record(SummedUp(result="made", summary="Opening hours of Zanzibar."))
        assert (await calls.found(words=("zanzibar",)))[0] == ["1"]  # what comes after the end counts
        [record] = (await calls.store.looking.find(Filters(), 1)).records
        assert record["about"].startswith("I would like to know whether") and len(record["about"]) == 80
        assert record["about"].endswith("…")
        assert (record["response_p50_ms"], record["response_max_ms"], record["responses"]) == (800, 900, 3)
        assert (record["first_words_ms"], record["talk_ms"], record["errors"]) == (400, 60000, 0)
        assert (record["outcome"], record["outcome_found"], record["has"]) == ("answered", "answered", "")


@EVERYWHERE
async def test_a_person_overrules_what_was_found_and_takes_it_back(tmp_path, place):
    async with calls_in(place, tmp_path) as calls:
        call_id = calls.one("1", CallerSaid("x")).id
        await calls.store.flush()
        call = await calls.store.change(call_id)
        call.record(Reviewed(outcome="abandoned", note="A prank.", reviewed=True, by="Ann"))
        assert (await calls.found(outcome=("abandoned",), reviewed=True))[0] == ["1"]
        [record] = (await calls.store.looking.find(Filters(), 1)).records
        assert (record["outcome_found"], record["note"]) == ("answered", "A prank.")
        (await calls.store.change(call_id)).record(Reviewed())
        assert (await calls.found(outcome=("answered",), reviewed=False))[0] == ["1"]


@EVERYWHERE
async def test_messages_are_listed_at_once_and_dealt_with(tmp_path, place):
    async with calls_in(place, tmp_path) as calls:
        looking = calls.store.looking
        ended = calls.one(
            "1", MessageTaken("Ann", "+12025550143", "Call me."), MessageTaken("Bob", "", "Me too.")
        )
        talking = calls.one("2", MessageTaken("Cid", "", "Now."), end=False, agent="sales")

        async def names(**asked):
            rows, more = await looking.messages(limit=10, **asked)
            assert more is None
            return [one["caller_name"] for one in rows]

        assert await names() == ["Cid", "Bob", "Ann"]
        assert await names(agent="sales") == ["Cid"]
        [[first], more] = await looking.messages(limit=1)
        [[second, third], end] = await looking.messages(limit=2, before=more)
        assert (first["caller_name"], second["caller_name"], third["caller_name"]) == ("Cid", "Bob", "Ann")
        assert end is None and third["from_number"] == "+12025550143"
        for one in (second, first):
            assert (await looking.message(ended if one is second else talking, one["seq"]))["message"] == one[
                "message"
            ]
            call = await calls.store.change(one["call_id"])
            call.record(MessageHandled(seq=one["seq"], handled=True, by="API"))
        await calls.store.flush()
        assert await names(open_only=True) == ["Ann"]
        assert await names(open_only=False) == ["Cid", "Bob"]
        assert (await looking.message(ended, second["seq"]))["handled_by"] == "API"
        (await calls.store.change(ended.id)).record(
            MessageHandled(seq=second["seq"], handled=False, by="API")
        )
        await calls.store.flush()
        assert await names(open_only=True) == ["Bob", "Ann"]
        assert await looking.message(ended, 1) is None


@EVERYWHERE
async def test_calls_are_counted_by_hour_and_day(tmp_path, place):
    async with calls_in(place, tmp_path) as calls:
        times = [410, 520, 633, 747, 3210]
        calls.one("1", CallerSaid("x"), ms=times[:2])
        calls.one("2", CallerSaid("x"), MessageTaken("Ann"), ms=times[2:])
        calls.clock.now += timedelta(hours=1)
        calls.one("3", secs=2)
        calls.one("4", agent="sales", ms=[5000], end=False)
        await calls.store.flush()
        of = Range.of(BEGUN, BEGUN + timedelta(hours=2), HOUR, UTC)
        counts = await calls.store.looking.counts(of)
        first, second = counts.tallies
        assert (first.calls, dict(first.outcomes), first.talk_ms) == (
            2,
            {"answered": 1, "message": 1},
            120_000,
        )
        assert (second.calls, dict(second.outcomes)) == (2, {"abandoned": 1})
        assert sorted(first.responses.elements()) == [410, 520, 630, 740, 3210]
        assert (share(first.responses, 50), share(first.responses, 95)) == (630, 3210)
        assert sorted(first.first_words.elements()) == [400, 400]
        assert counts.total.calls == 4
        assert counts.stages_ms() == {
            **dict.fromkeys(("end_of_turn", "recogniser", "tool", "voice", "other"), 0),
            "model": round(sum(times) / 5) - 100,
            "line": 100,
        }
        assert counts.open_messages == 1
        assert (await calls.store.looking.counts(of, "sales")).total.calls == 1
        day = Range.of(BEGUN, BEGUN + timedelta(hours=1), DAY, UTC)
        assert [one.calls for one in (await calls.store.looking.counts(day)).tallies] == [4]


def test_days_are_those_of_a_time_zone_also_when_its_clocks_change():
    new_york = ZoneInfo("America/New_York")
    since = datetime(2026, 3, 7, 12, tzinfo=UTC)
    edges = Range.of(since, since + timedelta(days=2), DAY, new_york).edges
    assert [f"{edge:%d %H}" for edge in edges] == ["07 05", "08 05", "09 04", "10 04"]
    hours = Range.of(since, since + timedelta(hours=30), HOUR, new_york).edges
    assert {b - a for a, b in pairwise(hours)} == {timedelta(hours=1)}
    with pytest.raises(TooMany, match="ask for fewer, or for days"):
        Range.of(since, since + timedelta(days=60), HOUR, new_york)
    with pytest.raises(TooMany, match=r"ask for fewer$"):
        Range.of(since, since + timedelta(days=4000), DAY, new_york)


def test_what_is_typed_is_a_number_or_words():
    assert understood(" +1 (202) 555-01 ") == {"number": "120255501"}
    assert understood("Crown  COST") == {"words": ("crown", "cost")}
    assert understood("") == understood("\x00") == {"words": ()}
    assert len(understood("a " * 300)["words"]) <= 10
    assert understood("12 crowns") == {"words": ("12", "crowns")}


@pytest.mark.parametrize(
    "text", ["", "x", "~", "2026-03-02T09:00:00.000000Z~", "yesterday~call_1", "~call_1"]
)
def test_a_place_that_is_none_is_refused(text):
    with pytest.raises(ValueError):
        Place.read(text)


async def test_whatever_is_asked_for_is_found_in_an_index_alone(tmp_path):
    """A list of 50,000 calls must not be read whole for those few that are wanted."""
    async with store_on(tmp_path / "calls.db") as store:
        await store.start()
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'calls.db'}")
    plans = []

    @sa.event.listens_for(engine, "before_cursor_execute")
    def explain(connection, cursor, statement, parameters, *_):
        if statement.startswith("SELECT"):
            plan = (
                connection.connection.cursor()
                .execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
                .fetchall()
            )
            plans.append(" / ".join(row[3] for row in plan))

    everything = Filters(
        number="1",
        outcome=("answered",),
        state=("completed",),
        live=False,
        agent="a",
        direction="inbound",
        carrier="c",
        since=BEGUN,
        until=BEGUN + timedelta(days=1),
        slow_ms=1,
        has=("error",),
        reviewed=False,
    )
    with engine.connect() as connection:
        for filters in (Filters(), everything, Filters(slow_ms=9000), Filters(outcome=("busy",))):
            listing.find(connection, filters, 50, Place(BEGUN, "call_1"))
            assert "USING COVERING INDEX ix_calls_listing" in plans[-1], plans[-1]
            assert "created_at" in plans[-1] and "TEMP B-TREE" not in plans[-1], plans[-1]
        listing.find(connection, Filters(live=True), 50)
        assert "ix_calls_state_heard_at" in plans[-1], plans[-1]
        listing.find(connection, Filters(words=("a",), since=BEGUN), 50)
        assert "call_words USING INDEX" in plans[-1] and "TEMP B-TREE" not in plans[-1], plans[-1]
    engine.dispose()


async def test_calls_of_before_get_what_is_made_of_their_events(tmp_path):
    file, clock = tmp_path / "calls.db", Clock()
    async with store_on(file, clock=clock) as store:
        calls = Calls(store, clock)
        for number in range(45):
            calls.one(f"{number}", CallerSaid("rosebud"), MessageTaken("Ann"), ms=[700])
        calls.one("live", end=False)
        await store.flush()
    make_older(file, "0008")
    async with store_on(file, clock=clock) as store:
        calls.store = store
        assert await calls.found(words=("rosebud",)) == ([], None)
        assert await derive_all(store, pause_secs=0) == 45
        assert await derive_all(store, pause_secs=0) == 0
        assert len((await calls.found(words=("rosebud",), outcome=("message",), slow_ms=700))[0]) == 45
        found, _ = await store.looking.messages(limit=100)
        assert len(found) == 45
    assert rows(file, "select count(*) from call_turns") == [(45,)]


async def test_a_call_that_cannot_be_understood_holds_up_no_other(tmp_path):
    file, clock = tmp_path / "calls.db", Clock()
    async with store_on(file, clock=clock) as store:
        calls = Calls(store, clock)
        odd = calls.one("odd", CallerSaid("x"))
        calls.one("fine", CallerSaid("x"))
        await store.flush()
        ask = store.ask_database
        await ask(
            lambda database: database.do(
                lambda c: c.exec_driver_sql(
                    f"update calls set derived = 0, direction = 'sideways' where id = '{odd.id}'"
                )
            )
        )
        await ask(
            lambda database: database.do(
                lambda c: c.exec_driver_sql(
                    "update calls set derived = 0, outcome = null where carrier_call_id = 'fine'"
                )
            )
        )
        assert await derive_all(store, pause_secs=0) == 2
        assert (await calls.found(outcome=("answered",)))[0][0] == "fine"


async def test_a_list_goes_on_while_the_database_does_not_answer(tmp_path):
    (tmp_path / "file").write_text("no folder")
    store = CallStore(CallDatabase(f"sqlite+aiosqlite:///{tmp_path / 'file' / 'calls.db'}"))
    call = store.open(carrier="twilio", carrier_call_id="CA1")
    page = await store.looking.find(Filters(), 10)
    assert ([one["id"] for one in page.records], page.whole) == ([call.id], False)
    assert (await store.looking.find(Filters(carrier="telnyx"), 10)).records == []
    assert await store.looking.counts(Range.of(BEGUN, BEGUN + timedelta(days=1), DAY, UTC)) is None
    assert await store.looking.messages(limit=1) is None
    await store.aclose(0.1)


async def test_a_search_holds_up_nothing_that_is_written(tmp_path):
    async with store_on(tmp_path / "calls.db") as store:
        await store.start()
        slow = store.look(lambda connection: time.sleep(0.8) or 1)
        searching = asyncio.create_task(slow)
        await asyncio.sleep(0.1)
        store.open(carrier="twilio", carrier_call_id="CA1")
        begun = time.monotonic()
        assert await store.flush(5)
        assert time.monotonic() - begun < 0.5
        assert await searching == 1
