"""A process that is to stop knows which others would go on with its calls, and not who is to stop, too."""

import pytest

from calls import shared
from calls.database.processes import Offer
from tests.calls_on_disk import url_of
from tests.sharing import two, until


@pytest.fixture
async def pair(tmp_path, monkeypatch):
    monkeypatch.setattr(shared, "BEAT_SECS", 0.05)
    async with two(url_of(tmp_path / "calls.db")) as (a, b):
        a.shared.offer = Offer("ours")
        yield a.shared, b.shared


async def test_only_what_was_offered_after_the_moment_counts(pair):
    one, other = pair
    other.offer = Offer("ours", 3)
    await until(lambda: one.room_elsewhere({}) == 3)
    since = one.beats
    assert one.room_elsewhere(since) is None
    await until(lambda: one.room_elsewhere(since) is not None)
    assert one.room_elsewhere(since) == 3
    assert one.has_neighbour


async def test_who_is_to_stop_too_is_no_successor(pair):
    one, other = pair
    other.offer = Offer("ours", 3)
    await until(lambda: one.room_elsewhere({}) == 3)
    since = one.beats
    other.offer = Offer("ours", 0)  # it got the signal a moment later
    seen = set()
    await until(
        lambda: seen.add(one.room_elsewhere(since)) or one.beats[other.me.id] > since[other.me.id] + 5
    )
    assert seen == {None, 0}
    assert not one.has_neighbour


async def test_a_process_of_another_deployment_is_none(pair):
    one, other = pair
    other.offer = Offer("theirs", 3)
    await until(lambda: one.beats[other.me.id] > 5)
    assert one.room_elsewhere({}) == 0


async def test_a_dead_process_is_none(pair, monkeypatch):
    one, other = pair
    other.offer = Offer("ours", 3)
    await until(lambda: one.room_elsewhere({}) == 3)
    monkeypatch.setattr(shared, "DEAD_SECS", 0.0)
    assert one.room_elsewhere({}) == 0
