"""`phonebot webhooks` lists what the owner's systems were not told of, and has it sent again."""

import asyncio
from datetime import UTC, datetime

import pytest

from calls.database.call_database import CallDatabase
from calls.outbox.notices import Channel, Way
from calls.states import CallState, EndedBy
from calls.store import CallStore
from commands.webhooks import list_undelivered, send_again
from deployment.checkup import database_findings
from settings import load_settings

CALLER = "+12025550143"


@pytest.fixture
def given_up(monkeypatch, tmp_path) -> list[str]:
    """The ids of two notices that were given up, of one call."""
    url = f"sqlite+aiosqlite:///{tmp_path}/calls.db"
    monkeypatch.setenv("DATABASE_URL", url)

    async def keep() -> list[str]:
        store = CallStore(CallDatabase(url))
        store.announce(lambda row, kind: [Way(Channel.WEBHOOK)])
        call = store.open(carrier="twilio", carrier_call_id="CA1", from_number=CALLER)
        call.move(CallState.IN_PROGRESS, cause="answered")
        call.move(CallState.COMPLETED, cause="over", ended_by=EndedBy.CALLER)
        await store.flush()
        ids = []
        while parcels := await store.outbox.lease(datetime.now(UTC), 10):
            for parcel in parcels:
                parcel.attempts, parcel.trouble = 3, "example.com answered 500"
                parcel.body = CALLER
                await store.outbox.keep_body(parcel)
                await store.outbox.give_up(parcel)
                ids.append(parcel.id)
        await store.aclose()
        return ids

    return asyncio.run(keep())


def test_it_is_listed_without_numbers_and_words(given_up, capsys):
    assert list_undelivered() == 0
    shown = capsys.readouterr().out
    assert [line.split()[0] for line in shown.splitlines()] == ["id", *given_up]
    assert "call.started" in shown and "call.ended" in shown and "example.com answered 500" in shown
    assert CALLER not in shown


def test_one_is_sent_again_or_all(given_up, capsys):
    assert send_again(given_up[1]) == 0
    assert capsys.readouterr().out.startswith("1 to be sent again")
    assert list_undelivered() == 0
    assert given_up[1] not in capsys.readouterr().out
    assert send_again(None) == 0
    assert capsys.readouterr().out.startswith("1 to be sent again")
    assert list_undelivered() == 0
    assert capsys.readouterr().out == "nothing is undelivered\n"


async def test_the_doctor_says_how_many(given_up):
    (note,) = [one for one in await database_findings(load_settings()) if one.subject == "webhooks"]
    assert note.text.startswith("2 could not be told")


def test_an_id_that_nothing_has_is_one_line(given_up, capsys):
    assert send_again("msg_none") == 1
    assert "msg_none" in capsys.readouterr().err


def test_without_a_database_only_the_server_knows(monkeypatch, capsys):
    monkeypatch.setenv("DATABASE_URL", "memory")
    assert list_undelivered() == 2
    assert "DATABASE_URL is memory" in capsys.readouterr().err
