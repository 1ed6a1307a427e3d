"""Numbers, words, recordings and whole calls are forgotten after some days, one caller at once."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from calls.call_backs import CallBack, CallBacks
from calls.database.call_database import CallDatabase
from calls.errors import UnderWay
from calls.events.event import own_fields, private_fields
from calls.events.forgetting import FORGOTTEN, without_numbers, without_words
from calls.events.lifecycle import ErrorHappened, RecordingReported, TurnedAway
from calls.events.people import Reviewed
from calls.events.reading import KINDS
from calls.events.talk import (
    BotHeard,
    CallerSaid,
    MessageRecorded,
    MessageTaken,
    Responded,
    SummedUp,
    ToolUsed,
)
from calls.forgetting import Forgetting, Retention
from calls.kept_json import KeptJson
from calls.left_messages import Message, MessageBook
from calls.message_box import MESSAGE_BOX, note_message
from calls.outbox.notices import Channel, Way
from calls.recordings import recordings
from calls.searching import Filters
from calls.states import CallState
from calls.store import CallStore
from carriers.carrier import CallNotFound, CarrierUnavailable
from tests.calls_on_disk import rows, store_on

ANN, BOB = "+12025550143", "+12025550199"
OURS = "+14155550100"
DAYS = timedelta(days=1)


class Clock:
    """A clock that the test moves."""

    def __init__(self):
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Recordings:
    """A carrier that deletes recordings."""

    def __init__(self, failing: Exception | None = None):
        self.failing = failing
        self.deleted: list[str] = []

    async def delete_recording(self, recording_id: str) -> None:
        if self.failing is not None:
            raise self.failing
        self.deleted.append(recording_id)


def a_call(store, number: str, name: str, *, recorded: bool = False, over: bool = True):
    call = store.open(
        carrier="twilio",
        carrier_call_id=name,
        from_number=number,
        to_number=OURS,
        agent="receptionist",
        parameters={"name": "Ann Miller", "callback": number},
    )
    call.move(CallState.IN_PROGRESS, cause="answered")
    call.record(CallerSaid("My secret is Rosebud"))
    call.record(BotHeard("I heard Rosebud"))
    call.record(ToolUsed("look", {"word": "Rosebud"}, {"found": ["Rosebud"]}, ok=True))
    call.record(ErrorHappened(message=f"the number {number} was refused"))
    call.record(MessageTaken("Ann Miller", number, "Rosebud"))
    if recorded:
        call.record(
            RecordingReported(
                "completed", f"RE{name}", url="https://x.test/Rosebud", duration_secs=3, channels=2
            )
        )
    if over:
        call.move(CallState.COMPLETED, cause=f"hung up on {number}")
    return call


def forgetting(store, folder, carrier=None) -> Forgetting:
    return Forgetting(store, lambda _: carrier, folder, pause_secs=0)


def everything(file) -> str:
    """All that stands in the tables."""
    tables = ("calls", "call_events", "outbox", "kept_json", "call_backs")
    return "\n".join(str(row) for table in tables for row in rows(file, f"select * from {table}"))


def on_disk(folder) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file())


async def test_numbers_words_recordings_and_calls_go_in_their_own_time(tmp_path):
    clock, carrier, file = Clock(), Recordings(), tmp_path / "calls.db"
    retention = Retention(numbers=2, words=4, recordings=6, events=8)
    async with store_on(file, clock=clock) as store:
        call = a_call(store, ANN, "CA1", recorded=True)
        await KeptJson(store, call).call.set("note", "Rosebud")
        await KeptJson(store, call).caller.set("name", "Rosebud")
        await store.flush()
        forget = forgetting(store, tmp_path, carrier)

        async def after(days: int):
            clock.now += days * DAYS
            forget.purge_memory(retention)
            await forget.purge(retention)
            return await store.fetch(call.id)

        assert (await after(1)).from_number == ANN
        found = await after(2)
        assert (found.from_number, found.to_number, found.state) == (None, OURS, CallState.COMPLETED)
        assert ANN not in everything(file)
        assert "Rosebud" in everything(file)
        assert rows(file, "select kind from kept_json") == [
            ("call",)
        ]  # no other call of the caller's is left
        found = await after(2)
        assert (found.parameters, carrier.deleted) == ({}, [])
        assert [event.kind for event in found.events] == [event.kind for event in call.events]
        assert found.last(CallerSaid).text == FORGOTTEN
        assert found.last(ToolUsed).data["arguments"] == {}
        assert found.last(RecordingReported).url == "https://x.test/Rosebud"
        assert "Rosebud" not in everything(file).replace("https://x.test/Rosebud", "")
        assert len(await store.latest()) == 1
        found = await after(2)
        assert carrier.deleted == ["RECA1"]
        assert [(one.id, one.state) for one in recordings(found)] == [("RECA1", "deleted")]
        assert "Rosebud" not in everything(file)
        assert await after(2) is None
        assert rows(file, "select count(*) from call_events") == [(0,)]
        assert b"Rosebud" not in on_disk(tmp_path)  # overwritten, in the write-ahead log too


async def test_many_are_forgotten_in_small_transactions_and_running_calls_are_not_touched(tmp_path):
    clock = Clock()
    async with store_on(tmp_path / "calls.db", clock=clock) as store:
        for number in range(45):
            a_call(store, ANN, f"CA{number}")
        running = a_call(store, ANN, "CA99", over=False)
        await store.flush()
        clock.now += 30 * DAYS
        done = await forgetting(store, tmp_path).purge(Retention(words=5))
        assert done.calls == 45
        assert (await store.fetch(running.id)).last(CallerSaid).text == "My secret is Rosebud"
        assert await forgetting(store, tmp_path).purge(Retention(words=5)) == type(done)()
        assert await forgetting(store, tmp_path).purge(Retention()) == type(done)()


async def test_a_call_is_not_deleted_before_its_recording(tmp_path):
    clock, carrier = Clock(), Recordings(CarrierUnavailable("it does not answer"))
    async with store_on(tmp_path / "calls.db", clock=clock) as store:
        call = a_call(store, ANN, "CA1", recorded=True)
        await store.flush()
        clock.now += 30 * DAYS
        forget = forgetting(store, tmp_path, carrier)
        done = await forget.purge(Retention(recordings=60, events=5))
        assert (done.recordings_left, done.deleted) == (1, 0)
        kept = await store.fetch(call.id)
        assert (kept.from_number, kept.last(CallerSaid).text) == (None, FORGOTTEN)
        carrier.failing = CallNotFound("gone")
        assert (await forget.purge(Retention(recordings=60, events=5))).deleted == 1
        assert await store.fetch(call.id) is None


async def test_another_process_forgets_what_it_has_in_memory(tmp_path):
    file = tmp_path / "calls.db"
    async with store_on(file) as one, store_on(file) as other:
        call = a_call(one, ANN, "CA1")
        await one.flush()
        assert (await one.fetch(call.id)) is call
        await forgetting(other, tmp_path).erase(ANN)
        assert [found.from_number for found in await one.latest()] == [None]
        found = await one.restore("twilio", "CA1")
        assert (found.from_number, found.last(CallerSaid).text) == (None, FORGOTTEN)
        # What is written late of a call that was forgotten, as a summary is, comes without words.
        call.record(SummedUp("made", f"Ann of {ANN} likes Rosebud", None, {"flower": "Rosebud"}))
        await one.flush()
        assert "Rosebud" not in everything(file)
        assert ANN not in everything(file)
        assert (await one.fetch(call.id)).last(SummedUp).data["result"] == "made"


async def test_one_caller_is_erased_and_others_are_not(tmp_path):
    file, carrier = tmp_path / "calls.db", Recordings()
    book = MessageBook(tmp_path)
    async with store_on(file) as store:
        store.announce(lambda row, kind: [Way(Channel.WEBHOOK, 0)])
        theirs = [a_call(store, ANN, "CA1", recorded=True), a_call(store, f"sip:{ANN}@pbx.test", "CA2")]
        out = store.dial_out(carrier="twilio", from_number=OURS, to_number=ANN, agent="receptionist")
        out.move(CallState.FAILED, cause=f"{ANN} is no number")
        leg = store.dial_out(
            carrier="twilio",
            from_number=OURS,
            to_number="+12025550111",
            parameters={"role": "colleague", "for_call": theirs[0].id, "about": "Ann Miller, of Rosebud"},
        )
        leg.move(CallState.FAILED, cause="busy")
        others = a_call(store, BOB, "CA3")
        for call in (theirs[0], others):
            await KeptJson(store, call).caller.set("name", "Rosebud")
            await book.keep(
                Message(datetime.now(UTC), call.id, "receptionist", "Ann", call.from_number, "Rosebud")
            )
        await store.flush()
        done = await forgetting(store, tmp_path, carrier).erase(ANN)
        assert (done.calls, done.recordings, done.recordings_left, done.messages) == (4, 1, 0, 1)
        assert done.values == 1
        assert done.notices > 0
        assert carrier.deleted == ["RECA1"]
        assert ANN not in everything(file)
        assert rows(
            file, f"select count(*) from call_events where call_id = '{leg.id}' and data like '%Ann%'"
        ) == [(0,)]
        assert json.loads(rows(file, f"select parameters from calls where id = '{leg.id}'")[0][0]) == {
            "role": "colleague",
            "for_call": theirs[0].id,
        }
        kept = await store.fetch(others.id)
        assert (kept.from_number, kept.last(CallerSaid).text) == (BOB, "My secret is Rosebud")
        assert await KeptJson(store, others).caller.get("name") == "Rosebud"
        assert [json.loads(line)["callback_number"] for line in book.path.read_text().splitlines()] == [BOB]
        assert len(await store.latest()) == 5
        again = await forgetting(store, tmp_path, carrier).erase(ANN)
        assert (again.calls, again.messages) == (0, 0)


async def test_a_running_call_is_not_erased(tmp_path):
    file = tmp_path / "calls.db"
    async with store_on(file) as store, store_on(file) as other:
        a_call(store, ANN, "CA1")
        running = a_call(store, ANN, "CA2", over=False)
        await store.flush()
        before = everything(file)
        for asked in (store, other):
            with pytest.raises(UnderWay):
                await forgetting(asked, tmp_path).erase(ANN)
        assert everything(file) == before
        running.move(CallState.COMPLETED, cause="hung up")
        await store.flush()
        assert (await forgetting(other, tmp_path).erase(ANN)).calls == 2


async def test_a_recording_that_is_left_keeps_the_number_so_that_it_can_be_asked_again(tmp_path):
    carrier = Recordings(CarrierUnavailable("it does not answer"))
    async with store_on(tmp_path / "calls.db") as store:
        call = a_call(store, ANN, "CA1", recorded=True)
        await store.flush()
        done = await forgetting(store, tmp_path, carrier).erase(ANN)
        assert done.recordings_left == 1
        kept = await store.fetch(call.id)
        assert (kept.from_number, kept.last(CallerSaid).text) == (ANN, FORGOTTEN)
        carrier.failing = None
        assert (await forgetting(store, tmp_path, carrier).erase(ANN)).recordings == 1
        assert (await store.fetch(call.id)).from_number is None


async def test_without_a_database_the_calls_of_memory_are_forgotten(tmp_path):
    clock = Clock()
    store = CallStore(clock=clock)
    store.announce(lambda row, kind: [Way(Channel.WEBHOOK, 0)])
    call = a_call(store, ANN, "CA1")
    a_call(store, BOB, "CA2")
    await KeptJson(store, call).caller.set("name", "Ann")
    done = await forgetting(store, tmp_path).erase(ANN)
    assert (done.calls, done.deleted, done.values) == (1, 1, 1)
    assert [one.from_number for one in await store.latest()] == [BOB]
    assert not await store.outbox.is_empty()
    clock.now += 30 * DAYS
    assert forgetting(store, tmp_path).purge_memory(Retention(numbers=5)) == 1
    assert not await store.latest()


async def test_in_postgresql_it_is_the_same(url, tmp_path):
    clock, carrier = Clock(), Recordings()
    store = CallStore(CallDatabase(url), clock=clock)
    try:
        calls = [a_call(store, ANN, f"CA{number}", recorded=True) for number in range(25)]
        leg = store.dial_out(
            carrier="twilio",
            from_number=OURS,
            to_number="+12025550111",
            parameters={"role": "colleague", "for_call": calls[0].id, "about": "Rosebud"},
        )
        leg.move(CallState.FAILED, cause="busy")
        await KeptJson(store, calls[0]).caller.set("name", "Rosebud")
        entry = CallBack(ANN, "twilio", None, OURS, clock(), clock())
        assert await CallBacks(store).keep(entry)
        assert (await CallBacks(store).take(clock())).number == ANN
        assert await CallBacks(store).take(clock()) is None
        await store.flush()
        done = await forgetting(store, tmp_path, carrier).erase(ANN)
        assert (done.calls, done.recordings, done.values, done.call_backs) == (26, 25, 1, 1)
        found = await store.fetch(calls[3].id)
        assert (found.from_number, found.last(CallerSaid).text) == (None, FORGOTTEN)
        assert (await store.fetch(leg.id)).parameters == {"role": "colleague", "for_call": calls[0].id}
        clock.now += 30 * DAYS
        assert (await forgetting(store, tmp_path, carrier).purge(Retention(events=5))).deleted == 26
        assert not await store.latest()
    finally:
        await store.aclose(1)


async def test_messages_go_after_their_days_and_lines_that_are_none_stay(tmp_path):
    clock, book = Clock(), MessageBook(tmp_path)
    async with store_on(tmp_path / "calls.db", clock=clock) as store:
        await book.keep(Message(clock.now - 9 * DAYS, "call_1", "a", "Ann", ANN, "old"))
        await book.keep(Message(clock.now - 5 * DAYS, "call_2", "a", "Ann", ANN, "call me"))
        await book.keep(Message(clock.now, "call_3", "a", "Ann", ANN, "new"))
        book.path.write_text(book.path.read_text() + "not a message\n")
        done = await forgetting(store, tmp_path).purge(Retention(words=7, numbers=3))
        assert done.messages == 2
        lines = book.path.read_text().splitlines()
        assert [json.loads(line)["callback_number"] for line in lines[:2]] == [FORGOTTEN, ANN]
        assert lines[2:] == ["not a message"]
        assert book.path.stat().st_mode & 0o777 == 0o600
        await book.keep(Message(clock.now, "call_4", "a", "Ann", ANN, "newer"))
        assert len(book.path.read_text().splitlines()) == 4


async def test_a_recorded_message_goes_with_its_recording_its_number_and_its_caller(tmp_path):
    clock, book, carrier = Clock(), MessageBook(tmp_path), Recordings()
    async with store_on(tmp_path / "calls.db", clock=clock) as store:
        call = store.open(carrier="twilio", carrier_call_id="CA1", from_number=ANN, to_number=OURS, agent="a")
        call.record(TurnedAway(reason="full", how=MESSAGE_BOX))
        call.move(CallState.COMPLETED, cause="over")
        report = RecordingReported(
            "completed", "RE1", url="https://x.test/Rosebud", duration_secs=3, channels=1
        )
        call.record(report)
        await book.keep(note_message(call, clock.now))
        await store.flush()
        clock.now += 5 * DAYS
        assert (await forgetting(store, tmp_path, carrier).purge(Retention(recordings=3))).messages == 1
        assert carrier.deleted == ["RE1"]
        (kept,) = (json.loads(line) for line in book.path.read_text().splitlines())
        assert (kept["call_id"], kept["callback_number"]) == (call.id, ANN)
        assert "Rosebud" not in everything(tmp_path / "calls.db") + book.path.read_text()
        done = await forgetting(store, tmp_path, carrier).erase(ANN)
        assert (done.calls, done.messages) == (1, 1)
        assert ANN not in everything(tmp_path / "calls.db") + book.path.read_text()
        kept = await store.fetch(call.id)
        assert kept.last(MessageRecorded).callback_number == FORGOTTEN


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_private_field_of_any_kind_survives_but_a_recordings_address(kind):
    for one in KINDS[kind]:
        data = {field.name: "Rosebud" for field in own_fields(one)} | {"of_a_newer_version": "Rosebud"}
        left = without_words(kind, data)
        assert "of_a_newer_version" not in left
        for name in private_fields(one):
            assert left[name] == (FORGOTTEN if name != "url" else "Rosebud")


def test_numbers_are_found_wherever_they_stand():
    data = {"cause": f"busy: {ANN}", "recording_id": "2025550143", "deep": [{"callback_number": "five five"}]}
    assert without_numbers(data) == {
        "cause": f"busy: {FORGOTTEN}",
        "recording_id": "2025550143",
        "deep": [{"callback_number": FORGOTTEN}],
    }
    assert without_words("a_kind_of_a_newer_version", {"words": "Rosebud"}) == {}


async def test_what_is_made_of_a_calls_events_is_forgotten_with_them(tmp_path):
    clock, file = Clock(), tmp_path / "calls.db"
    async with store_on(file, clock=clock) as store:
        call = a_call(store, ANN, "CA1")
        call.record(Responded(to="caller", ms=700, stages={}))
        call.record(Reviewed(outcome="lost", note=f"Rosebud again, {ANN}", reviewed=True))
        await store.flush()
        looking, filters = store.looking, Filters(words=("rosebud",))
        assert len((await looking.find(filters, 9)).records) == 1
        made = str(rows(file, "select about, note from calls") + rows(file, "select words from call_words"))
        assert "Rosebud" in made and ANN in made and ANN[1:] in made
        clock.now += 3 * DAYS
        await forgetting(store, tmp_path).purge(Retention(numbers=2))
        tables = ("calls", "call_words", "call_turns", "messages")
        everywhere = str([rows(file, f"select * from {table}") for table in tables])
        assert ANN[1:] not in everywhere and "Rosebud" in everywhere
        clock.now += 3 * DAYS
        await forgetting(store, tmp_path).purge(Retention(words=4))
        everywhere = str([rows(file, f"select * from {table}") for table in tables]).casefold()
        assert "rosebud" not in everywhere and "miller" not in everywhere
        assert (await looking.find(filters, 9)).records == []
        [record] = (await looking.find(Filters(), 9)).records
        assert (record["outcome"], record["outcome_found"]) == ("lost", "message")
        assert (record["about"], record["note"], record["response_max_ms"]) == (None, None, 700)
        (await store.change(call.id)).record(Reviewed(note="Rosebud after all"))
        await store.flush()
        assert b"Rosebud after all" not in on_disk(tmp_path)
        clock.now += 3 * DAYS
        await forgetting(store, tmp_path).purge(Retention(events=8))
        assert [rows(file, f"select * from {table}") for table in tables] == [[], [], [], []]
        assert b"Rosebud" not in on_disk(tmp_path)


async def test_a_message_to_call_an_erased_number_back_is_forgotten_in_the_calls_of_others(tmp_path):
    file = tmp_path / "calls.db"
    async with store_on(file, clock=Clock()) as store:
        call = a_call(store, BOB, "CA1")
        call.record(MessageTaken("Ann Smith", ANN, "Tell her"))
        await store.flush()
        await forgetting(store, tmp_path).erase(ANN)
        left = rows(file, "select caller_name, callback_number, message from messages order by seq")
        assert left == [("Ann Miller", BOB, "Rosebud"), (FORGOTTEN, FORGOTTEN, FORGOTTEN)]
        assert "Ann Smith" not in everything(file) and (await store.fetch(call.id)).from_number == BOB
