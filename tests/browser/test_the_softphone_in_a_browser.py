"""The softphone's page in a real Chromium, with a bot of tones: what is pressed, heard, shown, and what must not be."""

import hashlib
import json
import re
from base64 import b64decode
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from emulator.carriers.credentials import Credentials
from emulator.line.codecs import decode, loudness
from emulator.phone.choices import WAYS
from emulator.phone.serving import PhoneServer
from emulator.phone.softphone import PhoneOrder, Softphone
from emulator.phone.wishes import Person
from tests.browser.conftest import AXE, RATE
from tests.emulator.test_the_softphone_places_calls_for_a_page import dial
from tests.fake_bot import FakeBot, Line

DOCUMENT = '<Connect><Stream url="wss://HOST/ws" bidirectionalMode="rtp"/></Connect>'
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"


def hum(*parts: tuple[float, float]) -> np.ndarray:
    """A microphone's file: (seconds, level) one after the other, of a sound that is not suppressed as noise."""
    pieces = []
    for secs, level in parts:
        time = np.arange(int(secs * RATE)) / RATE
        voice = sum(np.sin(2 * np.pi * 140 * n * time) / n for n in range(1, 12))
        syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * time)
        pieces.append(voice * syllables * level * 12_000)
    return np.concatenate(pieces).astype(np.int16)


@asynccontextmanager
async def served(talk, documents=None, **order):
    documents = documents or {"/twilio/voice": DOCUMENT, "/telnyx/voice": DOCUMENT}
    async with FakeBot(talk, documents) as bot:
        async with Softphone(PhoneOrder(Credentials(), dict.fromkeys(WAYS, bot.url), **order)) as phone:
            server = PhoneServer(phone)
            await server.start()
            try:
                yield server, bot, phone
            finally:
                await server.stop()


def state(page, text: str):
    from playwright.async_api import expect

    return expect(page.locator("#state")).to_contain_text(text, timeout=15_000)


def shown(page, selector: str, text: str):
    from playwright.async_api import expect

    return expect(page.locator(selector).filter(has_text=text).first).to_be_visible(timeout=10_000)


def content(path: Path) -> bytes:
    return path.read_bytes()


async def call(page, way: str = "twilio") -> None:
    await state(page, "ready")
    await page.select_option("#way", way)
    await page.click("#call")
    await state(page, "up")


async def talks(line: Line) -> None:
    await line.beep(400)
    await line.mark("greeting")
    await line.caller_spoke()
    await line.beep(300)
    await line.mark("bye")
    while (message := await line.receive()) is not None and message.get("mark") != {"name": "bye"}:
        pass


async def waits(line: Line) -> None:
    await line.beep(200)
    await line.mark(HOSTILE)
    await line.until_closed()


async def plays_on(line: Line) -> None:
    await line.beep(8000)
    await line.until_closed()


@pytest.mark.parametrize("way", ["twilio", "telnyx"])
async def test_who_speaks_is_heard_and_answered(browser, way):
    async with (
        served(talks) as (server, bot, _),
        browser(server.url, microphone=hum((1.5, 0), (1.0, 0.5), (4, 0))) as watched,
    ):
        page = watched.page
        await call(page, way)
        await state(page, "over: the bot hung up")
        assert await page.inner_text("#marks") == "2 / 2"
        assert int((await page.inner_text("#response")).removesuffix(" ms").replace(",", "")) < 3000
        assert "echo cancelled, 8 kHz" in await page.inner_text("#microphone")
        media = bot.lines[0].of("media")
        loud = [loudness(decode("PCMU", b64decode(one["media"]["payload"]))) > 300 for one in media]
        assert 20 < sum(loud) < 80, "the second of sound arrives, and the rest is silence"
        sent, got = (int(n.replace(",", "")) for n in (await page.inner_text("#frames")).split(" / "))
        assert 0 <= sent - len(media) < 5 and got == 2  # the bot reads no more once it has heard enough
        watched.is_clean()


async def test_a_browser_that_connects_no_microphone_to_8_khz_speaks_at_its_own_rate(browser):
    """As Firefox does: then the program changes the rates."""
    script = """
        const connect = AudioContext.prototype.createMediaStreamSource;
        AudioContext.prototype.createMediaStreamSource = function (stream) {
            if (this.sampleRate === 8000) throw new DOMException("different sample-rate", "NotSupportedError");
            return connect.call(this, stream);
        };
    """
    async with (
        served(talks) as (server, bot, _),
        browser(server.url, microphone=hum((1.5, 0), (1.0, 0.5), (4, 0)), script=script) as watched,
    ):
        page = watched.page
        await call(page)
        await state(page, "over: the bot hung up")
        assert await page.inner_text("#marks") == "2 / 2"
        assert re.search(r"4[48](\.1)? kHz", await page.inner_text("#microphone"))
        media = bot.lines[0].of("media")
        loud = [loudness(decode("PCMU", b64decode(one["media"]["payload"]))) > 300 for one in media]
        assert 20 < sum(loud) < 80
        watched.is_clean()


async def test_keys_by_mouse_and_keyboard_mute_and_hang_up(browser):
    async with served(waits) as (server, bot, _), browser(server.url) as watched:
        page = watched.page
        await state(page, "ready")
        await page.locator("#url").focus()
        await page.keyboard.press("5")  # belongs to the address
        assert (await page.input_value("#url")).endswith("5")
        await page.fill("#url", bot.url)
        await call(page)
        await shown(page, "#rows .line", "media socket open")
        await page.click("#keypad >> text=1")
        await page.keyboard.press("#")
        await shown(page, "#rows .to-server .what", "dtmf")
        await page.keyboard.press("m")
        assert await page.get_attribute("#mute", "aria-pressed") == "true"
        await page.keyboard.press("m")
        assert await page.get_attribute("#mute", "aria-pressed") == "false"
        await page.uncheck("#shortcuts")
        await page.keyboard.press("9")
        await page.check("#shortcuts")
        await page.keyboard.press("h")
        await state(page, "over: you hung up")
        assert [one["dtmf"]["digit"] for one in bot.lines[0].of("dtmf")] == ["1", "#"]
        assert await page.locator("#call").evaluate("one => one === document.activeElement"), (
            "the next call is at hand"
        )
        watched.is_clean()


async def test_a_muted_microphone_is_silence_and_no_gap(browser):
    async with (
        served(waits) as (server, _, _),
        browser(server.url, microphone=hum((12, 0.5))) as watched,
    ):
        page = watched.page
        await call(page)
        await shown(page, "#rows .line", "caller starts to speak")
        await page.click("#mute")
        await shown(page, "#rows .line", "caller stops after")
        before = await page.inner_text("#gaps")
        await page.wait_for_timeout(1000)
        assert (await page.inner_text("#gaps")).split(" / ")[0] == before.split(" / ")[0]
        watched.is_clean()


async def test_what_strangers_write_stays_text(browser):
    """A mark, a webhook's answer and a number with markup in them: shown as they are, and nothing runs."""
    documents = {"/twilio/voice": f"{DOCUMENT}<Say>{HOSTILE.replace('<', '&lt;')}</Say>"}
    people = [Person(HOSTILE, "busy")]
    async with (
        served(waits, documents, people=people, from_number=f"sip:{HOSTILE[:20]}@x") as (server, _, _),
        browser(server.url) as watched,
    ):
        page = watched.page
        await call(page)
        await shown(page, "#rows .to-server .brief", "onerror")
        for row in await page.locator("#rows summary").all():
            await row.click()
        await shown(page, "#rows pre", "<script>document.title='owned'</script>".replace("'", "'"))
        assert await page.title() == "Softphone"
        assert await page.locator("#rows img, #rows script, #people img").count() == 0
        assert await page.input_value("#people .number") == HOSTILE
        watched.is_clean()


async def test_a_broken_socket_and_faults_are_seen(browser):
    async with served(waits) as (server, _, phone), browser(server.url) as watched:
        page = watched.page
        await call(page)
        await shown(page, "#rows .line", "media socket open")
        await page.check("#troubles >> text=REST answers 500")
        await page.click("#break")
        await shown(page, "#rows .is-fault", "the media socket breaks")
        await state(page, "over")
        assert "broke" in await page.inner_text("#notice")
        assert [type(one).__name__ for one in phone.network.faults.faults] == ["RestFault"]
        watched.is_clean()


async def test_the_wire_is_filtered_opened_and_saved(browser, tmp_path):
    async with (
        served(talks) as (server, _, _),
        browser(server.url, microphone=hum((1, 0), (1, 0.5), (3, 0))) as watched,
    ):
        page = watched.page
        await call(page)
        await state(page, "over")
        kinds = {"socket": "media socket", "webhook": "webhooks", "line": "line"}
        for kind, label in kinds.items():
            assert await page.locator(f"#rows .{kind}").first.is_visible()
            await page.get_by_label(label, exact=True).uncheck()
            assert not await page.locator(f"#rows .{kind}").first.is_visible()
            await page.get_by_label(label, exact=True).check()
        await page.locator("#rows .webhook summary").first.click()
        await shown(page, "#rows .webhook pre", "answered 200")
        body = await page.locator("#rows .webhook pre").first.inner_text()
        assert "CallSid=CA" in body and "answered 200" in body and "<Stream" in body
        times = [float(one) for one in await page.locator("#rows .when").all_inner_texts()]
        assert times == sorted(times)
        async with page.expect_download() as download:
            await page.click("#save")
        rows = [json.loads(line) for line in content(await (await download.value).path()).splitlines()]
        assert {row["channel"] for row in rows} == set(kinds)
        assert sum(row["what"] == "media" and row["count"] for row in rows if row["channel"] == "socket") > 50
        async with page.expect_download() as download:
            await page.click("#recording")
        assert content(await (await download.value).path())[:4] == b"RIFF"
        watched.is_clean()


async def test_sound_that_comes_in_bursts_is_played_and_its_gaps_are_counted(browser):
    async with served(plays_on) as (server, _, _), browser(server.url) as watched:
        page = watched.page
        await call(page)
        await page.wait_for_timeout(1500)
        level = float(await page.locator("#level-ear").evaluate("meter => meter.value"))
        assert level > 60, "a beep at a third of full scale"
        before = int((await page.inner_text("#gaps")).split(" / ")[1])
        # The page's own thread stands still for longer than the buffer lasts
        await page.evaluate("const until = performance.now() + 400; while (performance.now() < until);")
        await page.wait_for_timeout(800)
        assert int((await page.inner_text("#gaps")).split(" / ")[1]) > before
        watched.is_clean()


async def test_a_call_of_a_server_is_answered_on_the_page(browser):
    async with (
        served(talks) as (server, bot, phone),
        browser(server.url, microphone=hum((1.5, 0), (1, 0.5), (4, 0))) as watched,
    ):
        page = watched.page
        await state(page, "ready")
        await dial(phone, bot.url)
        await state(page, "+12025550100 is calling you")
        await page.get_by_role("button", name="Answer").click()
        await state(page, "over: the bot hung up")
        assert await page.inner_text("#marks") == "2 / 2"
        await dial(phone, bot.url)
        await state(page, "is calling you")
        await page.get_by_role("button", name="Decline").click()
        await state(page, "over: you hung up")
        assert len(bot.lines) == 1
        watched.is_clean()


async def test_without_a_microphone_it_is_said_what_to_do(browser):
    async with served(waits) as (server, _, phone), browser(server.url, allowed=False) as watched:
        page = watched.page
        await state(page, "ready")
        await page.click("#call")
        await shown(page, "#notice", "There is no microphone")
        await state(page, "ready")
        assert not phone.busy


async def test_a_server_that_is_not_there_is_said(browser):
    async with served(waits) as (server, _, _), browser(server.url) as watched:
        page = watched.page
        await state(page, "ready")
        await page.fill("#url", "http://127.0.0.1:9")
        await page.click("#call")
        await shown(page, "#notice", "nothing listens at http://127.0.0.1:9")
        await state(page, "no call")
        watched.is_clean()


async def test_a_program_that_stops_and_is_started_again_is_found(browser):
    async with served(waits) as (server, _, phone), browser(server.url) as watched:
        page = watched.page
        await call(page)
        await server.stop()
        await state(page, "not connected")
        again = PhoneServer(phone, port=server.port)
        await again.start()
        try:
            await state(page, "ready")
        finally:
            await again.stop()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (360, 740)])
async def test_everybody_can_use_it(browser, scheme, size):
    """axe-core finds nothing serious, before a call and in one, and nothing is wider than the window."""
    viewport = {"width": size[0], "height": size[1]}
    async with (
        served(waits, people=[Person("+12025550111", "busy")]) as (server, _, _),
        browser(server.url, color_scheme=scheme, viewport=viewport) as watched,
    ):
        page = watched.page
        await state(page, "ready")
        await page.locator("form summary").click()
        assert await watched.findings() == []
        await call(page)
        await shown(page, "#rows .to-server .what", "mark")
        await page.locator("#rows summary").first.click()
        await page.click("#break")
        await state(page, "over")
        assert await watched.findings() == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        watched.is_clean()


def test_axe_is_the_published_one():
    assert hashlib.sha256(AXE.read_bytes()).hexdigest() == AXE_SHA256
    assert re.match(r"/\*! axe v\d+\.\d+\.\d+", AXE.read_text(encoding="utf-8"))
    assert "Mozilla Public License" in (AXE.parent / "LICENSE").read_text(encoding="utf-8")
