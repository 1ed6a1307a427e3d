"""What was counted of hours and days that are over is not counted again for each who looks, and yet put right."""

import asyncio
from datetime import UTC, datetime, timedelta

from calls import kept_tallies
from calls.counting import DAY, HOUR, Counts, Range
from calls.kept_tallies import KeptTallies

NOW = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)
DAYS = Range.of(NOW - timedelta(days=4), NOW, DAY, UTC)


class Database:
    def __init__(self):
        self.asked, self.calls, self.answers = [], 1, True

    async def ask(self, of, agent):
        self.asked.append((len(of.edges) - 1, agent))
        if not self.answers:
            return None
        counts = Counts.nothing(of)
        counts.open_messages = self.calls
        for tally in counts.tallies:
            tally.calls = self.calls
        return counts


def calls(counts):
    return [one.calls for one in counts.tallies]


async def test_only_what_may_have_changed_is_counted_again():
    database = Database()
    kept = KeptTallies(database.ask)
    assert calls(await kept.count(DAYS, None, NOW)) == [1] * 5
    database.calls = 2
    again = await kept.count(DAYS, None, NOW)
    assert calls(again) == [1, 1, 1, 1, 2] and again.range == DAYS and again.open_messages == 2
    tomorrow = NOW + timedelta(days=1)
    of = Range.of(tomorrow - timedelta(days=4), tomorrow, DAY, UTC)
    assert calls(await kept.count(of, None, tomorrow)) == [1, 1, 1, 2, 2]
    assert calls(await kept.count(DAYS, "sales", NOW)) == [2] * 5
    assert database.asked == [(5, None), (1, None), (2, None), (5, "sales")]


async def test_an_hour_that_has_just_ended_is_counted_each_time():
    database = Database()
    kept = KeptTallies(database.ask)
    of = Range.of(NOW - timedelta(hours=4), NOW, HOUR, UTC)
    assert len(calls(await kept.count(of, None, NOW))) == 5
    database.calls = 2
    assert calls(await kept.count(of, None, NOW)) == [1, 1, 2, 2, 2]


async def test_a_range_that_is_over_as_a_whole_is_known():
    database = Database()
    kept = KeptTallies(database.ask)
    of = Range(DAYS.edges[:-1])
    first = await kept.count(of, None, NOW)
    assert calls(first) == calls(await kept.count(of, None, NOW)) == [1] * 4
    assert database.asked == [(4, None), (0, None)]


async def test_what_is_kept_for_long_is_counted_again_beside_who_looks(monkeypatch):
    database = Database()
    kept = KeptTallies(database.ask)
    await kept.count(DAYS, None, NOW)
    database.calls = 2
    monkeypatch.setattr(kept_tallies, "AGAIN_SECS", -1.0)
    assert calls(await kept.count(DAYS, None, NOW)) == [1, 1, 1, 1, 2]
    await asyncio.sleep(0)
    monkeypatch.setattr(kept_tallies, "AGAIN_SECS", 300.0)
    assert calls(await kept.count(DAYS, None, NOW)) == [2] * 5


async def test_nothing_is_kept_of_a_database_that_does_not_answer(monkeypatch):
    database = Database()
    kept = KeptTallies(database.ask)
    database.answers = False
    assert await kept.count(DAYS, None, NOW) is None
    database.answers = True
    assert calls(await kept.count(DAYS, None, NOW)) == [1] * 5


async def test_no_more_than_so_much_is_kept(monkeypatch):
    monkeypatch.setattr(kept_tallies, "MOST_KEPT", 3)
    database = Database()
    kept = KeptTallies(database.ask)
    await kept.count(DAYS, None, NOW)
    assert len(kept._kept) == 3
    assert calls(await kept.count(DAYS, None, NOW)) == [1] * 5
