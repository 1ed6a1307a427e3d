"""Listening in, in a real Chromium: the button gives sound, says why not, and stops."""

import asyncio

import pytest

from calls.listening import listeners
from emulator import Audio, HangUp, Wait, tone
from tests.browser.test_the_console_in_a_browser import answered, shows
from tests.talking_bot import QUICK_AGENT
from tests.web_service import until

LISTEN = '[monitoring]\nlisten = true\nannouncement = "Others may listen."\n'

LOUDEST = """async (secs) => {
  const { analyser } = document.getElementById("listen").ear;
  const samples = new Float32Array(analyser.fftSize);
  let loudest = 0;
  for (const end = performance.now() + 1000 * secs; performance.now() < end; ) {
    analyser.getFloatTimeDomainData(samples);
    loudest = Math.max(loudest, ...samples.map(Math.abs));
    await new Promise((done) => setTimeout(done, 20));
  }
  return loudest;
}"""


def heard(call):
    return str([event.data for event in call.events if event.kind == "bot_heard"])


@pytest.mark.timeout(120)
async def test_the_button_gives_sound_until_it_is_pressed_again(monkeypatch, tmp_path, browser):
    hums = [Audio(tone(20_000, frequency=1000), after_reply=False)]
    script = [Wait(5), *hums, HangUp()]
    async with answered(monkeypatch, tmp_path, browser, script, agent=QUICK_AGENT + LISTEN) as (
        _,
        watched,
        call,
    ):
        page = watched.page
        await page.click("#rows a.row")
        await until(lambda: "Others may listen." in heard(call))
        await page.keyboard.press("l")
        await shows(page, "#listen-button", "Stop")
        await shows(page, "#call-head", "1 person listens")
        await shows(page, "#lines", "listens in")
        await page.wait_for_selector("#listen-levels:not([hidden])")
        await asyncio.sleep(2)
        assert await page.evaluate(LOUDEST, 3) > 0.05
        assert await page.locator("#listen-caller").evaluate("(meter) => meter.value") > 0.05
        assert [one for one in await watched.findings() if "listen" in one] == []
        await page.click("#listen-button")
        await shows(page, "#listen-button", "Listen")
        await until(lambda: listeners(call.events) == [])
        await shows(page, "#lines", "listens no more")
        watched.is_clean()


async def test_it_says_why_nobody_may_listen(monkeypatch, tmp_path, browser):
    async with answered(monkeypatch, tmp_path, browser, [Wait(30)]) as (_, watched, _call):
        page = watched.page
        await page.click("#rows a.row")
        await page.click("#listen-button")
        await shows(page, "#listen-said", "write listen = true under [monitoring] in quick.toml")
        await shows(page, "#listen-button", "Listen")
        watched.complaints = [one for one in watched.complaints if "403" not in one]
        watched.is_clean()
