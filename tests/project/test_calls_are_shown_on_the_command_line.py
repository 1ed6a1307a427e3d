"""`phonebot calls` shows what became of calls, with numbers and words only on request."""

import asyncio
import json

import pytest

from calls.database.call_database import CallDatabase
from calls.events.lifecycle import ErrorHappened, TransferEnded
from calls.events.talk import BotHeard, CallerSaid, MessageTaken, ToolUsed
from calls.states import CallState, EndedBy
from calls.store import CallStore
from calls.transfer import TransferOutcome
from commands.calls import list_calls, show_call
from tests.web_service import running

CALLER, OURS = "+12025550143", "+12025550100"
SAID = ("What does a crown cost?", "Around nine hundred.")
HIDDEN = {"numbers": False, "as_json": False}


async def a_talk(store: CallStore) -> str:
    call = store.open(
        carrier="twilio", carrier_call_id="CA1", from_number=CALLER, to_number=OURS, agent="receptionist"
    )
    call.move(CallState.IN_PROGRESS, cause="media stream")
    call.record(CallerSaid(text=SAID[0]))
    call.record(BotHeard(text=SAID[1]))
    call.record(ToolUsed(name="take_message", arguments={"message": SAID[0]}, result=SAID[0]))
    call.record(MessageTaken(caller_name="Ann", callback_number=CALLER, message=SAID[0]))
    call.record(ErrorHappened(message=f"{CALLER} is not reachable"))
    call.record(
        TransferEnded(outcome=TransferOutcome.FAILED, reason=f"no way to {CALLER}", destination="desk")
    )
    call.move(CallState.FAILED, cause=f"the carrier refuses {CALLER}", ended_by=EndedBy.ERROR)
    return call.id


@pytest.fixture
def kept(monkeypatch, tmp_path) -> str:
    """A talk in a database; its id."""
    url = f"sqlite+aiosqlite:///{tmp_path}/calls.db"
    monkeypatch.setenv("DATABASE_URL", url)

    async def keep() -> str:
        store = CallStore(CallDatabase(url))
        call_id = await a_talk(store)
        assert await store.aclose()
        return call_id

    return asyncio.run(keep())


def secrets_in(text: str) -> list[str]:
    return [secret for secret in (CALLER, CALLER[1:], OURS, *SAID, "Ann") if secret in text]


def test_a_list_has_neither_numbers_nor_words(kept, capsys):
    assert list_calls(10, url=None, **HIDDEN) == 0
    shown = capsys.readouterr().out
    assert secrets_in(shown) == []
    heading, line = shown.splitlines()
    assert heading.split() == [
        *("call", "began", "talk", "direction", "carrier", "agent", "outcome", "slowest", "end")
    ]
    assert (
        line.startswith(kept)
        and line.split()[4:9] == ["inbound", "twilio", "receptionist", "message", "failed,"]
        and "failed, by error: the carrier refuses" in line
    )


def test_numbers_are_listed_for_those_who_ask(kept, capsys):
    assert list_calls(10, url=None, numbers=True, as_json=False) == 0
    assert secrets_in(capsys.readouterr().out) == [CALLER, CALLER[1:], OURS]


@pytest.mark.parametrize("name", ["CA1", None])
def test_a_call_is_shown_by_either_id_without_what_was_said(kept, capsys, name):
    assert show_call(name or kept, url=None, words=False, **HIDDEN) == 0
    shown = capsys.readouterr().out
    assert secrets_in(shown) == []
    kinds = [line.split()[1] for line in shown.split("What happened\n")[1].splitlines()]
    assert kinds[:4] == ["state", "ringing", "state", "answered"]
    assert {"caller_said", "message_taken", "ended"} <= set(kinds)
    assert "name=take_message" in shown and "outcome=failed" in shown


def test_what_was_said_is_shown_for_those_who_ask(kept, capsys):
    assert show_call(kept, url=None, words=True, **HIDDEN) == 0
    shown = capsys.readouterr().out
    assert secrets_in(shown) == [*SAID, "Ann"]
    assert f"caller  {SAID[0]}\n  bot     {SAID[1]}" in shown
    assert show_call(kept, url=None, words=True, numbers=True, as_json=False) == 0
    assert f"callback_number={CALLER}" in capsys.readouterr().out


async def test_a_server_knows_what_its_database_does_not(kept, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("API_KEY", "secret")
    await asyncio.to_thread(show_call, kept, url=None, words=True, numbers=True, as_json=True)
    of_database = json.loads(capsys.readouterr().out)
    store = CallStore()
    async with running(tmp_path, api_key="secret", store=store) as service:
        other = await a_talk(store)
        assert (
            await asyncio.to_thread(show_call, other, url=service.url, words=True, numbers=True, as_json=True)
            == 0
        )
        of_server = json.loads(capsys.readouterr().out)
        assert of_server.keys() == of_database.keys()
        assert of_server["turns"] == of_database["turns"]
        assert await asyncio.to_thread(list_calls, 10, url=f"{service.url}/", **HIDDEN) == 0
        assert other in capsys.readouterr().out
        assert await asyncio.to_thread(show_call, "no/such", url=service.url, words=False, **HIDDEN) == 1
        monkeypatch.setenv("API_KEY", "wrong")
        assert await asyncio.to_thread(list_calls, 10, url=service.url, **HIDDEN) == 2
        assert "does not take this API_KEY" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variables", "url", "words"),
    [
        ({"DATABASE_URL": "memory", "PORT": "7999"}, None, "ask it with --url http://127.0.0.1:7999"),
        ({"DATABASE_URL": "sqlite+aiosqlite:////dev/null/calls.db"}, None, "/dev/null/calls.db"),
        ({"PORT": "no"}, None, "PORT is not usable"),
        ({}, "http://127.0.0.1:9", "API_KEY is not set"),
        ({"API_KEY": "k"}, "http://127.0.0.1:9", "leave --url out"),
    ],
)
def test_what_cannot_be_looked_up_is_one_line_with_the_fix(monkeypatch, capsys, variables, url, words):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert list_calls(10, url=url, **HIDDEN) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert words in line


def test_a_call_that_nobody_knows_is_not_an_empty_page(kept, capsys):
    assert show_call("CA2", url=None, words=False, **HIDDEN) == 1
    said = capsys.readouterr()
    assert said.out == "" and "no such call" in said.err
