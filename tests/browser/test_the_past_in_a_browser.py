"""Calls of the past in a real Chromium: a search, a recording that plays from a line, charts, messages."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from desk.api_keys import Scope
from tests.browser.conftest import Watched
from tests.calls_on_disk import store_on
from tests.console.pages import console
from tests.console.week import ACCOUNT, Clock, carrier_with, cookies_of, week

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"

PATHS = ("/calls", "/calls?q=zzz", "/messages", "/messages?show=all", "/overview", "/overview?range=7d")


@asynccontextmanager
async def looking(tmp_path, browser, path="", *, scope=Scope.ADMIN, content=None, per_day=8, **options):
    """Somebody who looks back on a week of calls; `{}` in the path stands for the call with the recording."""
    now = datetime.now(UTC)
    clock = Clock(now)
    async with store_on(tmp_path / "calls.db", clock=clock) as store:
        await store.start()
        talk = await week(store, clock, now, per_day=per_day)
        clock.now = now + timedelta(seconds=1)
        async with (
            carrier_with(talk.wav() if content is None else content) as base,
            console(tmp_path, scope, store=store, **ACCOUNT, twilio_api_base_url=base) as desk,
        ):
            state = {"cookies": cookies_of(desk.service), "origins": []}
            url = f"{desk.service.url}/console{path.format(talk.call.id)}"
            async with browser(url, storage_state=state, **options) as watched:
                yield watched, talk, desk


def shows(page, selector: str, text: str):
    from playwright.async_api import expect

    return expect(page.locator(selector).first).to_contain_text(text, timeout=10_000)


async def becomes(page, expression: str) -> None:
    """Wait until something is so. Playwright's own function for that is kept from it by the pages' policy."""
    async with asyncio.timeout(10):
        while not await page.evaluate(expression):
            await asyncio.sleep(0.03)


async def position(page) -> float:
    return await page.evaluate("document.getElementById('audio').currentTime")


async def is_drawn(page) -> None:
    await page.locator("#wave").wait_for(state="visible", timeout=10_000)
    from playwright.async_api import expect

    await expect(page.locator("#audio")).not_to_have_attribute("controls", "", timeout=10_000)


def plays(watched: Watched) -> None:
    """A browser breaks off what it reads when another part is wanted, or another page: no fault."""
    watched.complaints = [one for one in watched.complaints if not one.endswith("net::ERR_ABORTED")]
    watched.is_clean()


async def test_a_search_finds_a_call_whose_recording_plays_from_a_line(tmp_path, browser):
    async with looking(tmp_path, browser, "/calls") as (watched, talk, _):
        page = watched.page
        await page.keyboard.press("/")
        await page.keyboard.type("invoice october")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**q=invoice**")
        assert await page.locator("table.past tbody tr").count() == 1
        # The whole row is the link, which lies over the words
        await page.locator("table.past tbody tr td.words").click(force=True)
        await page.wait_for_url(f"**/console/calls/{talk.call.id}")
        await is_drawn(page)
        line = page.locator("#lines .bot").filter(has_text="One moment, I'll see")
        begin = float(await line.get_attribute("data-ms")) / 1000 - 0.25
        await line.locator(".text").click()
        await becomes(page, "!document.getElementById('audio').paused")
        assert begin - 0.05 <= await position(page) < begin + 1.5
        await becomes(page, f"document.getElementById('audio').currentTime > {begin + 0.6}")
        assert "now-heard" in await line.get_attribute("class")
        assert await line.get_attribute("aria-current") == "true"
        assert page.url.endswith(f"#t={begin + 0.25:.1f}")
        await page.keyboard.press("Escape")
        await page.keyboard.press("Space")
        assert await page.evaluate("document.getElementById('audio').paused")
        plays(watched)


async def test_keys_move_through_the_recording(tmp_path, browser):
    async with looking(tmp_path, browser, "/calls/{}#t=17.4") as (watched, _, _):
        page = watched.page
        await is_drawn(page)
        await becomes(page, "Math.abs(document.getElementById('audio').currentTime - 17.15) < 0.1")
        await shows(page, "#clock", "0:17.4")
        await page.keyboard.press("ArrowLeft")
        await becomes(page, "Math.abs(document.getElementById('audio').currentTime - 12.15) < 0.1")
        for _ in range(2):
            await page.keyboard.press("ArrowRight")
        await becomes(page, "Math.abs(document.getElementById('audio').currentTime - 22.15) < 0.1")
        await page.keyboard.press("n")
        slow = page.locator("#lines li:has(.waited.slow)")
        begin = float(await slow.get_attribute("data-ms")) / 1000 - 0.25 - 2.05 - 0.5
        await becomes(page, f"Math.abs(document.getElementById('audio').currentTime - {begin}) < 0.1")
        await page.keyboard.press("ArrowDown")
        first = float(await page.locator("#lines > li").first.get_attribute("data-ms")) / 1000
        await becomes(page, f"document.getElementById('audio').currentTime <= {max(0, first - 0.25) + 0.1}")
        await page.keyboard.press("Enter")
        await becomes(page, "!document.getElementById('audio').paused")
        plays(watched)


async def test_one_side_alone_is_heard(tmp_path, browser):
    """Where only the caller speaks, the bot's side alone is silent."""
    script = """
        const connect = AudioNode.prototype.connect;
        AudioNode.prototype.connect = function (to, ...more) {
          if (to === this.context.destination) {
            (window.probes ??= []).push(window.probe ??= new AnalyserNode(this.context, { fftSize: 2048 }));
            connect.call(this, window.probe);
          }
          return connect.call(this, to, ...more);
        };
        window.loudest = async () => {
          let most = 0;
          const data = new Float32Array(2048);
          for (let n = 0; n < 12; n++) {
            await new Promise((done) => setTimeout(done, 50));
            window.probe.getFloatTimeDomainData(data);
            most = Math.max(most, ...data.map(Math.abs));
          }
          return most;
        };
    """
    async with looking(tmp_path, browser, "/calls/{}", script=script) as (watched, talk, _):
        page = watched.page
        await is_drawn(page)
        begin = next(begin for side, begin, end in talk.spoken if side == 0 and end - begin > 3)
        loud = {}
        for value in ("1", "0"):
            await page.select_option("#hear", value)
            await page.evaluate(f"document.getElementById('audio').currentTime = {begin - 0.2}")
            await page.evaluate("document.getElementById('audio').play()")
            loud[value] = await page.evaluate("window.loudest()")
            await page.evaluate("document.getElementById('audio').pause()")
        assert loud["1"] < 0.005 < 0.05 < loud["0"]
        plays(watched)


@pytest.mark.parametrize(
    ("content", "says"), [(b"<h1>Log in</h1>", "begin as a WAV file"), (b"", "cannot be played")]
)
async def test_a_recording_that_is_none_is_told(tmp_path, browser, content, says):
    async with looking(tmp_path, browser, "/calls/{}", content=content) as (watched, _, _):
        page = watched.page
        await shows(page, "#player-problem", "The recording cannot be played")
        assert await page.locator("#wave").is_hidden()
        await page.locator("#lines .bot").first.click()
        assert [one for one in watched.complaints if "502" not in one and "recording?" not in one] == []
        assert watched.strangers == []


async def test_charts_are_drawn_and_a_bar_leads_to_its_calls(tmp_path, browser):
    async with looking(tmp_path, browser, "/overview?range=7d", per_day=20) as (watched, _, _):
        page = watched.page
        assert await page.locator("canvas").count() == 3
        colours = """(canvas) => {
            const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
            const seen = new Set();
            for (let n = 0; n < data.length; n += 4) {
                if (data[n + 3] > 200) seen.add(data.slice(n, n + 3).join());
            }
            return seen.size;
        }"""
        await asyncio.sleep(0.5)  # they grow at first
        for number in range(3):
            assert await page.locator("canvas").nth(number).evaluate(colours) > 8
        place = await page.evaluate(
            """() => {
                const chart = Chart.getChart(document.querySelector('canvas'));
                const numbers = chart.data.datasets[0].data, found = numbers.findLastIndex((one) => one > 0);
                const bar = chart.getDatasetMeta(0).data[found], box = chart.canvas.getBoundingClientRect();
                return [box.left + bar.x, box.top + (bar.y + bar.base) / 2, numbers[found]];
            }"""
        )
        await page.mouse.click(place[0], place[1])
        await page.wait_for_url("**/console/calls?since=**outcome=answered**")
        assert await page.locator("table.past tbody tr").count() == place[2]
        watched.is_clean()


async def test_without_scripts_there_are_tables_forms_and_the_browsers_own_player(tmp_path, browser):
    async with looking(tmp_path, browser, "/overview", java_script_enabled=False) as (watched, _, desk):
        page = watched.page
        assert await page.locator("table.data").first.is_visible()
        await page.select_option("[name=range]", "7d")
        await page.click("main button:text-is('Show')")
        assert await page.locator("table.data").first.locator("tbody tr").count() == 7
        await page.goto(f"{desk.service.url}/console/calls")
        await page.fill("[name=q]", "invoice october")
        await page.click("main button:text-is('Search')")
        await page.locator("a.row").first.click()
        assert await page.locator("audio[controls]").is_visible()
        assert not await page.locator("#play").is_visible()
        await page.select_option("#review-outcome", "answered")
        await page.fill("#review-note", HOSTILE)
        await page.check("[name=reviewed]")
        await page.click("main button:text-is('Save')")
        await shows(page, "#told", "It is kept with the call.")
        assert await page.input_value("#review-note") == HOSTILE
        await page.goto(f"{desk.service.url}/console/messages")
        rows = await page.locator("table.messages tbody tr").count()
        await page.locator("table.messages button").first.click()
        assert await page.locator("table.messages tbody tr").count() == rows - 1
        plays(watched)


async def test_who_only_looks_on_has_no_player(tmp_path, browser):
    async with looking(tmp_path, browser, "/calls/{}", scope=Scope.VIEW) as (watched, _, _):
        page = watched.page
        await shows(page, "#lines", "And which number can we reach you at, Ann?")
        assert await page.locator("audio, textarea, #player").count() == 0
        assert "5550143" not in await page.content()
        watched.is_clean()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
async def test_everybody_can_use_it(tmp_path, browser, scheme, size):
    """axe-core finds nothing serious on any page, and nothing is wider than the window."""
    viewport = {"width": size[0], "height": size[1]}
    async with looking(tmp_path, browser, "/calls", color_scheme=scheme, viewport=viewport) as (
        watched,
        talk,
        desk,
    ):
        page, found = watched.page, []
        for path in (*PATHS, f"/calls/{talk.call.id}"):
            await page.goto(f"{desk.service.url}/console{path}")
            if talk.call.id in path:
                await is_drawn(page)
            for one in await page.locator("details").all():
                await one.evaluate("one => { one.open = true; }")
            found += [f"{path}: {one}" for one in await watched.findings()]
            if not await page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
                found.append(f"{path}: wider than the window")
        assert found == []
        plays(watched)


async def test_colours_follow_the_scheme(tmp_path, browser):
    async with looking(tmp_path, browser, "/overview?range=7d", color_scheme="light") as (watched, _, _):
        page = watched.page
        axis = "Chart.getChart(document.querySelector('canvas')).options.color"
        light = await page.evaluate(axis)
        await page.emulate_media(color_scheme="dark")
        await becomes(page, f"{axis} !== '{light}'")
        assert light.startswith("rgb") and (await page.evaluate(axis)).startswith("rgb")
        watched.is_clean()
