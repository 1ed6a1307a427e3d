"""`phonebot calls` and `phonebot messages`: filters, following, messages, and texts that attack the terminal."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from calls.database.call_database import CallDatabase
from calls.events.talk import CallerSaid, MessageTaken, Responded, TurnMeasured
from calls.states import CallState, EndedBy
from calls.store import CallStore
from commands.calls import list_calls, show_call
from commands.filters import filters_of
from commands.messages import handle_message, list_messages
from commands.terminal import as_json, moment, printable
from settings import ROOT
from tests.web_service import running

CALLER = "+12025550143"
ATTACK = "\x1b]52;c;eA==\x07\x1b[2J\x9b31mred\u202eevil\r\nsecond [bold]line[/bold]"
ACTS = ("\x1b", "\x9b", "\x07", "\r", "\u202e")


def a_call(store, name, *events, agent="receptionist", end=True):
    call = store.open(carrier="twilio", carrier_call_id=name, from_number=CALLER, agent=agent)
    call.move(CallState.IN_PROGRESS, cause="media stream")
    for event in events:
        call.record(event)
    if end:
        call.move(CallState.COMPLETED, cause=ATTACK, ended_by=EndedBy.CALLER)
    return call


@pytest.fixture
def url(monkeypatch, tmp_path):
    url = f"sqlite+aiosqlite:///{tmp_path}/calls.db"
    monkeypatch.setenv("DATABASE_URL", url)
    return url


def keep(url, *made):
    async def run():
        store = CallStore(CallDatabase(url))
        calls = [a_call(store, name, *events) for name, *events in made]
        assert await store.aclose()
        return calls

    return asyncio.run(run())


def turn(ms):
    parts = [{"stage": "model", "ms": ms - 20}, {"stage": "line", "ms": 20}]
    return TurnMeasured(n=0, to="caller", response_ms=ms, parts=parts, interrupted=True, after_answer_ms=9100)


def test_a_list_is_narrowed_down_and_goes_on(url, capsys):
    keep(
        url,
        ("CA1", CallerSaid("The invoice"), Responded("caller", 1), turn(2050)),
        ("CA2", CallerSaid("x"), MessageTaken("Ann")),
        ("CA3",),
    )
    options = {"url": None, "numbers": False, "as_json": True}

    def names(query="", before=None, limit=9, **asked):
        assert list_calls(limit, filters=filters_of(**asked), query=query, before=before, **options) == 0
        found = json.loads(capsys.readouterr().out)
        return [one["carrier_call_id"] for one in found["calls"]], found["next"]

    assert names("INVOICE") == (["CA1"], None)
    assert names(outcome=["message"]) == (["CA2"], None)
    assert names(slow_ms=2000, since="1h", has=[])[0] == ["CA1"]
    assert names(until="1d")[0] == names(agent="sales")[0] == names(live=True)[0] == []
    first, before = names(limit=2)
    assert (first, names(limit=2, before=before)) == (["CA3", "CA2"], (["CA1"], None))
    assert list_calls(9, before="x", **options) == 2
    assert "give what the list before has said" in capsys.readouterr().err


def test_filters_that_are_not_understood_are_named_with_those_that_are(capsys):
    for asked, words in (
        ({"outcome": ["splendid"]}, "--outcome splendid: use transferred, message"),
        ({"state": ["done"]}, "--state done: use queued"),
        ({"has": ["luck"]}, "--has luck: use error, message, recording, transfer"),
        ({"direction": "up"}, "--direction up: use inbound, outbound"),
        ({"since": "\x1b[2Jnoon"}, "\\x1b[2Jnoon is no time: write it like 2026-11-26"),
    ):
        assert filters_of(**asked) is None
        assert words in capsys.readouterr().err


def test_times_are_written_as_people_write_them():
    assert moment("2026-11-26T09:30:00+02:00").isoformat() == "2026-11-26T09:30:00+02:00"
    assert moment("2026-11-26").tzinfo is not None
    assert abs(moment("2h").timestamp() - time.time() + 7200) < 5
    for text in ("", "tomorrow", "99999999d", "-1h"):
        with pytest.raises(ValueError, match="is no time"):
            moment(text)


def test_no_text_of_a_callers_acts_on_the_terminal(url, capsys):
    [call, _] = keep(url, ("CA1", CallerSaid(ATTACK), MessageTaken(ATTACK, CALLER, ATTACK)), (ATTACK,))
    shown = {"numbers": True, "words": True}
    assert list_calls(9, url=None, as_json=False, **shown) == 0
    assert show_call(call.id, url=None, as_json=False, **shown) == 0
    assert list_messages(9, url=None, as_json=False, **shown) == 0
    printed = capsys.readouterr().out
    assert "\\x1b]52;c;eA==\\x07\\x1b[2J\\x9b31mred\\u202eevil  second [bold]line[/bold]" in printed
    assert show_call(call.id, url=None, as_json=True, **shown) == 0
    assert list_messages(9, url=None, as_json=True, **shown) == 0
    in_json = capsys.readouterr().out
    for act in ACTS:
        assert act not in printed and act not in in_json
    assert show_call("\x1b[2J", url="http://127.0.0.1:9", as_json=False, **shown) == 2
    assert "\x1b" not in capsys.readouterr().err


ACTING = (*range(32), *range(127, 160), 0x2028, 0x202E, 0xFEFF, 0xD800)


@pytest.mark.parametrize("letter", map(chr, ACTING), ids=map(hex, ACTING))
def test_each_character_that_a_terminal_acts_on_is_shown_otherwise(letter):
    assert printable(f"a{letter}b").isprintable()
    text = as_json({"x": f"a{letter}b"}, indent=None)
    assert text.isprintable() and json.loads(text) == {"x": f"a{letter}b"}


def test_what_people_write_stays_as_it_is():
    for text in ("Grüße, ¿qué? 你好 नमस्ते 🙂", "می\u200cخواهم"):
        assert printable(text) == text
        assert text in as_json([text])


def test_a_call_is_shown_with_what_its_turns_were_waited_for(url, capsys):
    [call] = keep(url, ("CA1", CallerSaid("x"), Responded("caller", 1), turn(2050)))
    assert show_call(call.id, url=None, words=False, numbers=False, as_json=False) == 0
    shown = capsys.readouterr().out
    assert "What was waited for\n      9.1 s   2,050 ms  model=2030 line=20 (cut off)\n" in shown
    assert "  responses    1, median 2,050 ms, slowest 2,050 ms\n" in shown
    assert "  first words  9,100 ms\n" in shown


def test_a_terminal_gets_a_table_of_its_width(url, monkeypatch, capsys):
    keep(url, ("CA1", CallerSaid("x" * 300)))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "170")
    assert list_calls(9, url=None, numbers=False, words=True, as_json=False) == 0
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)  # of rich: bold, and colours
    assert max(map(len, shown.splitlines())) <= 170 and "call_" in shown and "\x1b" not in shown


def test_messages_are_listed_and_done(url, capsys):
    [call] = keep(url, ("CA1", MessageTaken("Ann", CALLER, "Call me.")))
    hidden = {"url": None, "numbers": False, "words": False, "as_json": False}
    assert list_messages(9, **hidden) == 0
    heading, line = capsys.readouterr().out.splitlines()
    assert heading.split() == ["call", "seq", "at", "agent", "done"]
    assert CALLER not in line and "Ann" not in line and "Call" not in line
    name, seq = line.split()[:2]
    assert name == call.id
    assert list_messages(9, **{**hidden, "numbers": True, "words": True}) == 0
    assert f"Ann   {CALLER}  Call me." in capsys.readouterr().out
    assert handle_message(name, int(seq), handled=True, url=None) == 0
    assert list_messages(9, **hidden) == 0
    assert capsys.readouterr().out.splitlines() == ["done", "no open messages"]
    assert list_messages(9, only_open=None, **hidden) == 0
    assert "phonebot messages" in capsys.readouterr().out
    assert handle_message(name, int(seq) + 1, handled=True, url=None) == 1
    assert handle_message("CA7", 1, handled=True, url=None) == 1
    assert "no such message" in capsys.readouterr().err


def test_a_list_of_messages_goes_on(url, capsys):
    taken = [MessageTaken(f"Nr {number}", CALLER, "Call me.") for number in range(5)]
    keep(url, ("CA1", *taken))
    options = {"url": None, "numbers": False, "words": False, "as_json": True}
    seen, place = [], None
    for _ in range(3):
        assert list_messages(2, before=place, **options) == 0
        found = json.loads(capsys.readouterr().out)
        seen += [one["caller_name"] for one in found["messages"]]
        place = found["next"]
    assert place is None and seen == [f"Nr {number}" for number in (4, 3, 2, 1, 0)]
    assert list_messages(2, before="\x1b[2J", **options) == 2
    assert "--before is no place in the list" in capsys.readouterr().err


async def test_a_server_is_asked_in_the_same_way(url, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("API_KEY", "secret")
    store = CallStore()
    async with running(tmp_path, api_key="secret", store=store) as service:
        a_call(store, "CA1", CallerSaid("The invoice"), MessageTaken("Ann", CALLER, "Call me."))
        a_call(store, "CA2", agent="sales")
        options = {"url": service.url, "numbers": False, "as_json": True}
        filters = filters_of(since="1h", outcome=["message"], has=["message"], live=False, slow_ms=0)
        assert (
            await asyncio.to_thread(list_calls, 9, filters=filters_of(since="1h", agent="sales"), **options)
            == 0
        )
        assert [one["carrier_call_id"] for one in json.loads(capsys.readouterr().out)["calls"]] == ["CA2"]
        assert await asyncio.to_thread(list_calls, 9, filters=filters, query="invoice", **options) == 0
        assert json.loads(capsys.readouterr().out)["calls"] == []  # no response was measured in it
        assert await asyncio.to_thread(list_messages, 9, words=False, since=moment("1h"), **options) == 0
        found = json.loads(capsys.readouterr().out)
        [message] = found["messages"]
        assert found["next"] is None
        beyond = f"2020-01-01T00:00:00.000000Z~{message['call_id']}~1"
        assert await asyncio.to_thread(list_messages, 9, words=False, before=beyond, **options) == 0
        assert json.loads(capsys.readouterr().out)["messages"] == []
        done = await asyncio.to_thread(
            handle_message, message["call_id"], message["seq"], handled=True, url=service.url
        )
        assert done == 0
        assert await asyncio.to_thread(list_messages, 9, words=False, **options) == 0
        assert '"messages": []' in capsys.readouterr().out
        assert await asyncio.to_thread(handle_message, "CA1", 99, handled=True, url=service.url) == 1


def begun(command, **variables):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env={**os.environ, **variables}, **pipes)


@pytest.mark.parametrize("where", ["file", "server"])
async def test_calls_are_followed_until_they_are_not(url, tmp_path, where):
    store = CallStore(CallDatabase(url))
    async with running(tmp_path, api_key="secret", store=store) as service:
        more = ["--url", service.url] if where == "server" else []
        command = [
            sys.executable,
            str(ROOT / "phonebot.py"),
            "calls",
            "tail",
            "--agent",
            "receptionist",
            *more,
        ]
        with begun(command, API_KEY="secret", DATABASE_URL=url) as tail:
            try:
                lines = []

                def read():
                    for line in tail.stdout:
                        lines.append(line)
                        if " ended " in line:
                            return

                reading = asyncio.create_task(asyncio.to_thread(read))
                for number in range(60):  # it takes a while to begin
                    if lines:
                        break
                    a_call(store, f"CA{number}", CallerSaid(ATTACK), end=False)
                    a_call(store, f"CB{number}", agent="sales")
                    await asyncio.sleep(0.5)
                for call in store.live():
                    call.move(CallState.COMPLETED, cause="over", ended_by=EndedBy.BOT)
                await asyncio.wait_for(reading, 20)
            finally:
                tail.send_signal(signal.SIGINT)
            assert await asyncio.to_thread(tail.wait, 20) == 0
    said = "".join(lines)
    assert " caller_said" in said and " state " in said
    assert "evil" not in said and not any(act in said for act in ACTS)
    sales = {call.id for call in store.list() if call.agent == "sales"}
    assert sales and not any(name in said for name in sales)
