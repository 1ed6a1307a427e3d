"""A real Chromium, the system's own, with a microphone that hears a file.

Playwright's wheel drives it and brings no browser; nothing is downloaded. Its own reduced build of Chromium has no
microphone at all, so the browser must be a whole one.
"""

from __future__ import annotations

import os
import shutil
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

RATE = 48_000
AXE = Path(__file__).parent / "axe" / "axe.min.js"
SERIOUS = ("serious", "critical")


def _missing(what: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"{what}: CI must have it")
    pytest.skip(what)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where the system's Chromium is."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        _missing("there is no Chromium on this machine: apt-get install chromium")
    try:
        import playwright  # noqa: F401
    except ImportError:
        _missing("playwright is not installed: make setup")
    return str(path)


class Watched:
    """A page of a browser, and all that it should not do.

    Attributes:
        complaints: Errors in the console and in scripts, and refused requests.
        strangers: Requests to other hosts.
    """

    def __init__(self, page: Any) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._request)
        page.on("requestfailed", self._failed)
        page.on("websocket", self._request)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _failed(self, request: Any) -> None:
        # A stream ends with its page
        if not (request.url.endswith("/feed") and request.failure == "net::ERR_ABORTED"):
            self.complaints.append(f"{request.url}: {request.failure}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "blob:http://127.0.0.1:")):
            self.strangers.append(request.url)

    def is_clean(self) -> None:
        assert self.complaints == [] and self.strangers == []

    async def findings(self) -> list[str]:
        """What axe-core has found that is serious, with the elements."""
        await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        result = await self.page.evaluate("axe.run({resultTypes: ['violations']})")
        return [
            f"{one['id']}: {one['help']} ({node['html'][:120]})"
            for one in result["violations"]
            if one["impact"] in SERIOUS
            for node in one["nodes"]
        ]


Opened = Callable[..., Any]


@pytest.fixture
def browser(chromium: str, tmp_path: Path) -> Opened:
    """Opens a page: `async with browser(url, microphone=samples, color_scheme="dark", viewport=...) as watched`."""

    @asynccontextmanager
    async def opened(
        url: str,
        *,
        microphone: np.ndarray | None = None,
        rate: int = RATE,
        allowed: bool = True,
        script: str = "",
        **context: Any,
    ) -> AsyncIterator[Watched]:
        from playwright.async_api import async_playwright

        wav = tmp_path / "microphone.wav"
        write(wav, np.zeros(rate, dtype=np.int16) if microphone is None else microphone, rate)
        arguments = [
            "--no-sandbox",
            "--use-fake-device-for-media-stream",
            # Once, and not over and over
            f"--use-file-for-fake-audio-capture={wav}%noloop",
            "--use-fake-ui-for-media-stream" if allowed else "--deny-permission-prompts",
        ]
        async with async_playwright() as playwright:
            started = await playwright.chromium.launch(executable_path=chromium, args=arguments)
            try:
                page = await (await started.new_context(**context)).new_page()
                watched = Watched(page)
                await page.add_init_script(script)
                await page.goto(url)
                yield watched
            finally:
                await started.close()

    return opened


def write(path: Path, samples: np.ndarray, rate: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
