"""What one process does for all that share a database is done by one, and by another one soon after that one died."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from calls import shared as sharing
from calls.database.call_database import CallDatabase
from calls.events.talk import Attached
from calls.reconcile import LEASE, UNATTACHED, Reconciler
from calls.states import CallState
from calls.store import CallStore
from carriers.carrier import CarrierCall, LineState, StatusUpdate
from tests.calls_on_disk import url_of
from tests.sharing import process, two, until


@pytest.fixture(params=["file", "server"])
def address(request, tmp_path):
    return url_of(tmp_path / "calls.db") if request.param == "file" else request.getfixturevalue("url")


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(sharing, "BEAT_SECS", 0.1)
    monkeypatch.setattr(sharing, "DEAD_SECS", 0.6)


class Asked:
    """A carrier that says that every call has ended."""

    name = "c"

    def __init__(self):
        self.about = []

    async def fetch_call(self, call_id):
        self.about.append(call_id)
        return CarrierCall(call_id, LineState.COMPLETED)


async def test_one_of_two_has_a_lease(address):
    async with two(address) as (a, b):
        held = [await asyncio.gather(a.holds("sweep"), b.holds("sweep")) for _ in range(3)]
        assert held in ([[True, False]] * 3, [[False, True]] * 3)
        assert await b.holds("other")
        assert not await a.holds("other")


async def test_one_that_ends_leaves_its_leases(address):
    async with process(address) as b:
        async with process(address) as a:
            await until(lambda: not b.shared.alone)
            assert await a.holds("sweep")
            assert not await b.holds("sweep")
        assert await b.holds("sweep")


async def test_the_lease_of_a_dead_one_is_taken_over_and_not_given_back(address, quick):
    async with two(address) as (a, b):
        assert await a.holds("sweep")
        beat = a.shared._beat
        a.shared._beat = lambda: asyncio.sleep(0.05)  # it hangs
        await asyncio.sleep(0.2)
        assert not await b.holds("sweep")
        await until(lambda: not b.shared.lives(a.shared.me.id))
        assert await b.holds("sweep")
        a.shared._beat = beat
        await until(lambda: b.shared.lives(a.shared.me.id))
        assert not await a.holds("sweep")
        assert await b.holds("sweep")


async def test_a_holder_that_started_a_moment_ago_is_not_taken_for_dead(address):
    async with process(address) as a:
        await a._writer.ask(
            lambda database: database.do(
                lambda connection: (
                    connection.execute(
                        text("insert into processes (id, name, beat) values ('new', 'h/1', 1)")
                    )
                    and connection.execute(text("insert into leases (name, holder) values ('sweep', 'new')"))
                )
            )
        )
        a.shared._seen.pop("new", None)
        assert not await a.holds("sweep")


async def test_a_store_without_others_does_everything(tmp_path):
    assert await CallStore().holds("sweep")
    store = CallStore(CallDatabase(url_of(tmp_path / "calls.db")))
    assert await store.holds("sweep")


async def test_a_database_that_is_silent_leaves_it_as_it_was(address, monkeypatch):
    async with two(address) as (a, b):
        assert await a.holds("sweep")
        assert not await b.holds("sweep")

        async def silent(*_, **__):
            raise sharing.NoAnswer("away")

        for one in (a, b):
            monkeypatch.setattr(one.shared, "_do", silent)
        assert await a.holds("sweep")
        assert not await b.holds("sweep")
        monkeypatch.undo()


async def test_a_call_that_both_know_is_asked_about_by_one(address):
    async with two(address) as (a, b):
        ours = a.open(carrier="c", carrier_call_id="CA1", agent="receptionist")
        ours.apply(StatusUpdate("CA1", LineState.IN_PROGRESS))
        assert await a.flush()
        theirs = await b.restore("c", "CA1")
        later = a.now() + UNATTACHED + timedelta(seconds=1)
        carrier = Asked()
        sweeps = [Reconciler(store, lambda _: carrier) for store in (a, b)]
        assert sorted([await one.sweep(later) for one in sweeps]) == [0, 1]
        assert carrier.about == ["CA1"]
        await until(lambda: ours.is_over and theirs.is_over)


async def test_the_one_takes_up_what_it_does_not_know(address):
    async with two(address) as (a, b):
        assert await b.holds(LEASE)
        for name in ("CA1", "CA2"):
            a.open(carrier="c", carrier_call_id=name).apply(StatusUpdate(name, LineState.IN_PROGRESS))
        talks = a.find("c", "CA2")
        talks.record(Attached(stream_id="MZ1"))
        assert await a.flush()
        carrier = Asked()
        later = a.now() + UNATTACHED + timedelta(seconds=1)
        assert await Reconciler(b, lambda _: carrier).sweep(later) == 1
        assert carrier.about == ["CA1"]
        assert b.find("c", "CA2") is None  # the other one talks on it
        await until(lambda: a.find("c", "CA1").is_over)


async def test_what_the_database_does_not_know_yet_is_asked_about_by_whoever_knows(address, monkeypatch):
    async with two(address) as (a, b):
        assert await b.holds(LEASE)
        assert not await a.holds(LEASE)
        monkeypatch.setattr(a._writer, "has_unsaved", lambda call: True)
        call = a.open(carrier="c", carrier_call_id="CA1")
        call.apply(StatusUpdate("CA1", LineState.IN_PROGRESS))
        carrier = Asked()
        assert await Reconciler(a, lambda _: carrier).sweep(a.now() + timedelta(seconds=6)) == 1
        assert call.state is CallState.COMPLETED
