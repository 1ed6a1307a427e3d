"""`phonebot phone`, a real Chromium, and the bot as it is: a call on each carrier that it understands and ends.

With `SOFTPHONE_PICTURES=FOLDER` the page is kept as a picture after each call.
"""

import os
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from settings import ROOT
from tests.browser.callers import need_the_local_stack, spoken, started
from tests.receiver import free_port

WAYS = ("twilio", "telnyx", "telnyx_call_control")


@pytest.fixture(scope="module")
def softphone(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the page, with our server beside it; both are started by the command."""
    need_the_local_stack()
    folder = tmp_path_factory.mktemp("softphone")
    command = [sys.executable, ROOT / "phonebot.py", "phone", "--port", "0"]
    command += ["--url", f"http://127.0.0.1:{free_port()}", "--server-log", folder / "server.log"]
    with started(command, "softphone: ", folder / "output", {"AGENT": "receptionist"}) as output:
        yield output.read_text().split("softphone: ")[1].split()[0]


@pytest.fixture(scope="module")
def microphone() -> np.ndarray:
    """A caller who listens to the greeting, asks, listens, and says goodbye."""
    return spoken(8.0, "What are your opening hours?", 11.0, "Thank you, goodbye.", 30.0)


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
        assert any(one.startswith("hang_up: POST ") for one in requests), requests
        assert await page.locator("#rows .outcome.bad-text").count() == 0
        if folder := os.environ.get("SOFTPHONE_PICTURES"):
            await page.screenshot(path=f"{folder}/{way}.png")
        watched.is_clean()
