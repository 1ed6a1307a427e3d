"""What is listed, searched and counted is the same in PostgreSQL."""

from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

from calls.counting import DAY, HOUR, Range, share
from calls.database.call_database import CallDatabase
from calls.events.people import MessageHandled
from calls.events.talk import CallerSaid, MessageTaken
from calls.forgetting import Forgetting
from calls.searching import Filters, Place, understood
from calls.store import CallStore
from tests.calls.test_calls_are_listed_searched_and_counted import BEGUN, Calls, Clock


async def test_lists_searches_counts_messages_and_forgetting(url, tmp_path):
    clock = Clock()
    store = CallStore(CallDatabase(url), clock=clock, limit=0)
    try:
        calls = Calls(store, clock)
        calls.one("1", CallerSaid("Grüße, 100% offen?"), ms=[700, 2000])
        calls.one("2", MessageTaken("Ann", "+12025550143", "Invoice."), ms=[500], secs=0)
        calls.one("3", CallerSaid("x"), agent="sales", secs=0)
        calls.one("4", CallerSaid("x"), number="+13105550199")
        await store.flush()
        of_one_moment = sorted(["2", "3", "4"], key=lambda name: _id(calls, name), reverse=True)
        assert (await calls.found())[0] == [*of_one_moment, "1"]
        first, before = await calls.found(limit=2)
        rest, end = await calls.found(limit=2, before=Place.read(str(before)))
        assert (sorted(first + rest), end) == (["1", "2", "3", "4"], None)
        assert (await calls.found(**understood("GRÜSSE 100")))[0] == ["1"]
        assert (await calls.found(words=("%",)))[0] == []
        assert (await calls.found(number="5550199", carrier="twilio", live=False))[0] == ["4"]
        assert (await calls.found(outcome=("message",), has=("message",), slow_ms=500, state=("completed",)))[
            0
        ] == ["2"]
        for bucket in (HOUR, DAY):
            of = Range.of(BEGUN, BEGUN + timedelta(hours=1), bucket, ZoneInfo("Asia/Kolkata"))
            total = (await store.looking.counts(of)).total
            assert (total.calls, share(total.responses, 50)) == (4, 700)
        [[message], _] = await store.looking.messages(limit=9, open_only=True, since=BEGUN.astimezone(UTC))
        call = await store.change(message["call_id"])
        call.record(MessageHandled(seq=message["seq"], handled=True, by="API"))
        await store.flush()
        assert await store.looking.messages(limit=9, open_only=True) == ([], None)
        clock.now += timedelta(minutes=1)
        await Forgetting(store, lambda _: None, tmp_path, pause_secs=0).erase("+12025550143")
        assert (await calls.found(words=("invoice",)))[0] == (await calls.found(number="0143"))[0] == []
        assert len((await store.looking.find(Filters(), 9)).records) == 4
    finally:
        await store.aclose()


def _id(calls, name):
    return next(call_id for call_id, known in calls.made.items() if known == name)
