"""What a browser loads for a page, compressed, the first time; later it has all but the HTML."""

import gzip
from datetime import UTC, datetime

import pytest

from tests.calls_on_disk import store_on
from tests.console.pages import console
from tests.console.week import ACCOUNT, Clock, carrier_with, week

KB = 1000


async def weight(desk, path):
    """The bytes of a page and of all files that it names, as they are sent."""
    page = await desk.get(path)
    assert page.answer.headers["content-encoding"] == "gzip"
    bytes_sent = len(gzip.compress(page.answer.content, 5, mtime=0))
    files = [one["href"] for one in page.all("link")] + [one["src"] for one in page.all("script")]
    for file in files:
        answer = await desk.http.get(file)
        assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"], file
        bytes_sent += int(answer.headers["content-length"])
    return bytes_sent


@pytest.fixture
async def desk(tmp_path):
    now = datetime.now(UTC)
    clock = Clock(now)
    async with store_on(tmp_path / "calls.db", clock=clock) as store:
        talk = await week(store, clock, now, per_day=12)
        async with (
            carrier_with(talk.wav()) as base,
            console(tmp_path, store=store, **ACCOUNT, twilio_api_base_url=base) as desk,
        ):
            desk.call = talk.call
            yield desk


@pytest.mark.parametrize(
    ("path", "most_kb"),
    [
        ("/console/calls", 25),
        ("/console/calls?q=open", 25),
        ("/console/messages?show=all", 25),
        ("/console/overview?range=30d", 100),
        ("/console/calls/{}", 60),
    ],
)
async def test_a_page_weighs_little(desk, path, most_kb):
    assert await weight(desk, path.format(desk.call.id)) < most_kb * KB


async def test_so_does_a_waveform(desk):
    answer = await desk.http.get(f"/calls/{desk.call.id}/peaks")
    assert int(answer.headers["content-length"]) < 12 * KB
