"""The overview: its figures and tables, which charts are drawn from, and where their links lead."""

from datetime import UTC, datetime

import pytest

from calls.states import EndedBy
from tests.calls_on_disk import store_on
from tests.console.calls import MadeUp
from tests.console.pages import console
from tests.console.week import Clock, week


@pytest.fixture
async def desk(tmp_path):
    async with store_on(tmp_path / "calls.db") as store, console(tmp_path, store=store) as desk:
        yield desk


async def test_without_a_call_there_are_no_figures_and_no_error(desk):
    page = await desk.get("/console/overview")
    assert "0 in all a week ago" in page.text and "no response yet" in page.text
    assert "No response in this time" in page.text


async def test_its_figures_and_where_its_numbers_lead(desk):
    store = desk.service.store
    for ms in (600, 700, 2400):
        MadeUp(store).answered().caller("Hi").bot("Yes.", ms=ms).ended()
    failed = MadeUp(store).answered().caller("Hi").ended(EndedBy.ERROR, "broke").call
    await store.flush()
    page = await desk.get("/console/overview?range=7d")
    assert "Ended well 75.0 %" in page.text and "1 failed, lost or turned away" in page.text
    assert "Response, median 700 ms" in page.text and "95 of 100 within 2,400 ms" in page.text
    assert "end of speech" in page.text and "200 ms" in page.text
    [lost] = [one["href"] for one in page.all("a") if "outcome=lost" in one["href"]]
    led = await desk.get(lost)
    assert [one["href"] for one in led.all("a") if one.get("class") == "row"] == [
        f"/console/calls/{failed.id}"
    ]
    assert "any time" in led.text
    values = [one.get("data-v") for one in page.all("td") if "data-v" in one]
    assert "2400" in values and "3" in values
    page.is_harmless()


@pytest.mark.parametrize(("span", "rows"), [("today", None), ("7d", 7), ("30d", 30)])
async def test_a_week_is_counted_by_the_readers_days(tmp_path, span, rows):
    now = datetime.now(UTC)
    clock = Clock(now)
    async with (
        store_on(tmp_path / "calls.db", clock=clock) as store,
        console(tmp_path, store=store) as desk,
    ):
        await week(store, clock, now, per_day=6)
        desk.http.cookies.set("phonebot_zone", "America/New_York")
        page = await desk.get(f"/console/overview?range={span}&agent=receptionist")
        labels = [one for one in page.all("tr") if "data-label" in one]
        assert len(labels) == 3 * (rows or len(labels) / 3) and len(labels) <= 90
        assert "days of America/New_York" in page.text
        assert "agent=receptionist" in page.answer.text


async def test_an_agent_that_never_was_has_no_calls(desk):
    MadeUp(desk.service.store).answered().caller("Hi").ended()
    await desk.service.store.flush()
    page = await desk.get("/console/overview?agent=<script>")
    page.is_harmless()
    assert "Calls 0" in page.text


@pytest.mark.parametrize("query", ["range=99d", "agent=" + "x" * 200])
async def test_what_cannot_be_counted_is_said_on_a_page(desk, query):
    assert (await desk.get(f"/console/overview?{query}")).answer.status_code == 422
