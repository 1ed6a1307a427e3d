"""The page of calls: filters as plain forms send them, pages of the list, and what callers say stays words."""

import csv
import io
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from calls.database.call_database import CallDatabase
from calls.events.lifecycle import RecordingReported, TransferStarted
from calls.events.talk import MessageTaken
from calls.store import CallStore
from desk.api_keys import Scope
from tests.calls_on_disk import store_on
from tests.console.calls import MadeUp
from tests.console.pages import console
from web.console.asked import AskedCalls, Span, begin_of
from web.filters import zone_named

HOSTILE = "<img src=x onerror=\"alert(1)\"><script>alert('x')</script>"


def said(store, text, number="+12025550143", **known):
    return MadeUp(store, number, **known).answered().caller(text)


def listed(page):
    """The calls of the page, by the links of its rows."""
    return [one["href"].rpartition("/")[2] for one in page.all("a") if one.get("class") == "row"]


@pytest.fixture
async def desk(tmp_path):
    async with store_on(tmp_path / "calls.db") as store, console(tmp_path, store=store) as desk:
        yield desk


@pytest.mark.parametrize("path", ["/console/calls", "/console/messages", "/console/overview"])
@pytest.mark.parametrize("scope", list(Scope))
async def test_everybody_with_a_key_sees_the_pages_before_there_is_a_call(tmp_path, path, scope):
    async with console(tmp_path, scope) as desk:
        page = await desk.get(path)
        assert page.answer.status_code == 200
        page.is_harmless()
        assert page.answer.headers["cache-control"] == "no-store"
        assert page.answer.headers["content-security-policy"].startswith(
            "default-src 'none'; script-src 'self'"
        )


@pytest.mark.parametrize("path", ["/console/calls?q=x", "/console/messages", "/console/overview"])
async def test_a_stranger_is_sent_to_the_login(tmp_path, path):
    async with console(tmp_path) as desk:
        desk.http.cookies.clear()
        answer = await desk.http.get(path)
        assert answer.status_code == 303 and answer.headers["location"].startswith("/console/login?next=")


async def test_before_there_is_a_call_the_page_says_so(desk):
    assert "No call yet" in (await desk.get("/console/calls")).text
    assert "No such calls" in (await desk.get("/console/calls?q=crown")).text


async def test_each_filter_finds_its_calls(desk):
    store = desk.service.store
    crown = said(store, "A crown, please").happens(MessageTaken("Ann", "+1", "x")).ended().call
    slow = said(store, "Hello", "+13105550199").bot("Yes.", ms=1600).caller("Good.").bot("Bye.").ended().call
    out = said(store, "Who is there?", direction="outbound", agent="reminder").ended().call
    moved = said(store, "Billing!").happens(TransferStarted(destination="billing")).ended().call
    heard = said(store, "x").happens(
        RecordingReported(state="completed", recording_id="RE1", url=None, duration_secs=1, channels=2)
    )
    heard = heard.ended().call
    await store.flush()
    found = {
        "q=CROWN": [crown],
        "q=310+555-0199": [slow],
        "q=crown&outcome=message&agent=receptionist&direction=inbound&range=today&has=message": [crown],
        "slow=true": [slow],
        "direction=outbound": [out],
        "agent=reminder": [out],
        "has=transfer": [moved],
        "has=recording": [heard],
        "outcome=message": [crown],
        "q=nothing+of+the+kind": [],
        "until=2020-01-01T00:00:00%2B00:00": [],
        "since=2020-01-01T00:00:00+00:00&outcome=message": [crown],
    }
    for query, calls in found.items():
        assert listed(await desk.get(f"/console/calls?{query}")) == [one.id for one in calls], query
    all_of_them = [one.id for one in (heard, moved, out, slow, crown)]
    assert listed(await desk.get("/console/calls")) == all_of_them
    # As a form sends it of which nothing was filled in
    page = await desk.get("/console/calls?q=&outcome=&agent=&direction=&range=&has=")
    assert listed(page) == all_of_them


async def test_the_form_keeps_what_was_asked_for(desk):
    page = await desk.get("/console/calls?q=crown&outcome=lost&slow=true&range=7d")
    fields = {one.get("name"): one for one in page.all("input")}
    assert fields["q"]["value"] == "crown" and "checked" in fields["slow"]
    assert [one["value"] for one in page.all("option") if "selected" in one] == ["lost", "7d"]


@pytest.mark.parametrize(
    "query", ["outcome=splendid", "since=yesterday", "before=x", "has=luck", "q=" + "x" * 201, "range=99d"]
)
async def test_what_cannot_be_asked_for_is_said_on_a_page(desk, query):
    page = await desk.get(f"/console/calls?{query}")
    assert page.answer.status_code == 422 and "Calls" in page.text
    assert page.answer.headers["content-type"].startswith("text/html")


async def test_a_long_list_has_pages_also_of_calls_that_began_at_the_same_time(tmp_path):
    now = datetime(2026, 11, 25, 9, tzinfo=UTC)
    async with (
        store_on(tmp_path / "calls.db", clock=lambda: now) as store,
        console(tmp_path, store=store) as desk,
    ):
        made = {said(store, "crown").ended().call.id for _ in range(120)}
        await store.flush()
        path, seen = "/console/calls?q=crown&range=", []
        for number in range(3):
            page = await desk.get(path)
            seen += listed(page)
            links = {one.get("rel"): one["href"] for one in page.all("a")}
            assert ("first" in links) == (number > 0)
            path = links.get("next")
        assert path is None
        assert len(seen) == 120 and set(seen) == made


async def test_the_csv_is_of_the_same_calls(desk):
    store = desk.service.store
    wanted = said(store, "A crown").bot("Yes.", ms=1700).ended().call
    said(store, "A crown").ended()
    await store.flush()
    page = await desk.get("/console/calls?q=crown&slow=true&range=30d&before=")
    [link] = [one["href"] for one in page.all("a") if one["href"].startswith("/calls.csv")]
    asked = parse_qs(urlsplit(link).query)
    assert asked["slow_ms"] == ["1500"] and "range" not in asked and len(asked["since"]) == 1
    answer = await desk.http.get(link)
    assert [row["id"] for row in csv.DictReader(io.StringIO(answer.text))] == [wanted.id]


async def test_who_may_only_look_on_sees_numbers_shortened_and_no_csv(tmp_path):
    async with console(tmp_path, Scope.VIEW) as desk:
        said(desk.service.store, "Call me on +1 202 555 0199").ended()
        page = await desk.get("/console/calls")
        assert "0143" in page.text and "5550143" not in page.answer.text and "555 0143" not in page.text
        assert "555 0199" not in page.text
        assert not [one for one in page.all("a") if "csv" in one["href"]]
        assert (await desk.http.get("/calls.csv")).status_code == 403
        # What is found would tell what is hidden
        assert not [one for one in page.all("input") if one.get("name") == "q"]
        refused = await desk.get("/console/calls?q=5550143")
        assert refused.answer.status_code == 403 and "looking for words or numbers" in refused.text


async def test_what_callers_say_stays_words(desk):
    store = desk.service.store
    said(store, HOSTILE, number="+12025550143", agent=HOSTILE).ended()
    await store.flush()
    for path in ("/console/calls", f"/console/calls?agent={HOSTILE}"):
        page = await desk.get(path)
        page.is_harmless()
        assert len(page.all("img")) == 0 and "<script>alert" in page.text
    (await desk.get(f"/console/calls?q={HOSTILE}")).is_harmless()


async def test_a_database_that_does_not_answer_is_told(tmp_path):
    (tmp_path / "file").write_text("no folder")
    store = CallStore(CallDatabase(f"sqlite+aiosqlite:///{tmp_path / 'file' / 'calls.db'}"))
    async with console(tmp_path, store=store) as desk:
        said(store, "x").ended()
        page = await desk.get("/console/calls")
        assert "The database does not answer" in page.text and len(listed(page)) == 1
        for path in ("/console/overview", "/console/messages"):
            page = await desk.get(path)
            assert page.answer.status_code == 503 and "the database does not answer" in page.text


def test_days_are_those_of_the_reader():
    berlin = zone_named("Europe/Berlin")
    now = datetime(
        2026, 3, 29, 22, 30, tzinfo=UTC
    )  # half past midnight there, on the day after the clocks changed
    assert begin_of(Span.TODAY, berlin, now) == datetime(2026, 3, 29, 22, tzinfo=UTC)
    assert begin_of(Span.WEEK, berlin, now) == datetime(2026, 3, 23, 23, tzinfo=UTC)
    assert begin_of(Span.MONTH, berlin, now) == datetime(2026, 2, 28, 23, tzinfo=UTC)


async def test_a_cookie_that_names_no_zone_is_none(desk):
    said(desk.service.store, "x").ended()
    for name in ("Mars/Base", "../../etc/passwd", "", "x" * 5000, "America"):
        desk.http.cookies.set("phonebot_zone", name)
        assert len(listed(await desk.get("/console/calls?range=today"))) == 1
    desk.http.cookies.set("phonebot_zone", "Asia/Tokyo")
    assert "days of Asia/Tokyo" in (await desk.get("/console/overview")).text


def test_an_address_says_the_same_again():
    asked = AskedCalls(q="a&b", outcome=["lost", "failed"], slow=True, since=datetime.now(UTC))
    again = parse_qs(urlsplit(asked.address("/console/calls", before="2~x")).query)
    assert again["outcome"] == ["lost", "failed"] and again["q"] == ["a&b"] and again["slow"] == ["true"]
    assert again["before"] == ["2~x"]
    assert AskedCalls().address("/console/calls") == "/console/calls" and not AskedCalls().narrows
    assert AskedCalls(since=datetime.now(UTC) - timedelta(days=1)).narrows
