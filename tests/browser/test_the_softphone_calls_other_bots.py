"""`phonebot emulator phone` with a bot that runs already: Pipecat's runner, by its webhook and straight by its socket.

The runner was started with the variables that `phonebot emulator env` prints, so the bot's hang-up by REST comes to the
emulator; as Telnyx, whose sockets the runner answers as well, the bot is on a media socket without a webhook.
"""

import re
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from settings import ROOT
from tests.browser.callers import need_the_local_stack, spoken, started
from tests.receiver import free_port

PHONEBOT = [sys.executable, str(ROOT / "phonebot.py")]


@pytest.fixture(scope="module")
def softphone(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The address of the page, and the port of the runner."""
    need_the_local_stack()
    folder = tmp_path_factory.mktemp("softphone") / "output"
    port, rest = free_port(), free_port()
    url = f"http://127.0.0.1:{port}/"
    printed = subprocess.run(
        [*PHONEBOT, "emulator", "env", "--rest-port", str(rest)], capture_output=True, text=True, check=True
    )
    variables = dict(re.findall(r"export (\w+)=(\S+)", printed.stdout))
    runner = [sys.executable, ROOT / "bot.py", "-t", "twilio", "-x", f"localhost:{port}", "--port", port]
    phone = [
        *PHONEBOT,
        "emulator",
        "phone",
        "--port",
        "0",
        "--rest-port",
        rest,
        "--way",
        "twilio",
        "--url",
        url,
    ]
    with (
        started(runner, "Uvicorn running", folder, variables | {"PUBLIC_URL": "", "LOG_LEVEL": "INFO"}),
        started(phone, "softphone: ", folder) as output,
    ):
        yield output.read_text().split("softphone: ")[1].split()[0], port


@pytest.fixture(scope="module")
def microphone() -> np.ndarray:
    return spoken(9.0, "Thank you, goodbye.", 30.0)


async def test_pipecats_runner_is_called_by_its_webhook(softphone, microphone, browser):
    from playwright.async_api import expect

    url, _ = softphone
    async with browser(url, microphone=microphone) as watched:
        page = watched.page
        await page.click("#call")
        await expect(page.locator("#state")).to_have_text("up", timeout=30_000)
        await expect(page.locator("#state")).to_contain_text("over: the bot hung up", timeout=60_000)
        assert await page.locator("#notice").is_hidden(), await page.inner_text("#notice")
        assert "--api-key" in await page.inner_text("#said-hint")
        sent, returned = (await page.inner_text("#marks")).split(" / ")
        assert sent == returned != "0"
        requests = await page.locator("#rows .rest .brief").all_inner_texts()
        assert any(one.startswith("hang_up: POST ") for one in requests), requests
        watched.is_clean()


async def test_its_media_socket_is_called_without_a_webhook(softphone, microphone, browser):
    from playwright.async_api import expect

    url, port = softphone
    async with browser(url, microphone=microphone) as watched:
        page = watched.page
        await page.select_option("#way", "telnyx")
        await page.fill("#url", f"ws://127.0.0.1:{port}/ws")
        await page.click("#call")
        await expect(page.locator("#state")).to_have_text("up", timeout=30_000)
        await expect(page.locator("#state")).to_contain_text("over: the bot hung up", timeout=60_000)
        assert await page.locator("#rows .webhook").count() == 0
        sent, returned = (await page.inner_text("#marks")).split(" / ")
        assert sent == returned != "0"
        watched.is_clean()
