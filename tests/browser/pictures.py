"""Makes the pictures of docs/console.md, of calls that nobody has made: `make pictures`. Needs Chromium.

They are the same each time, but for what the pages look like: the calls, the times and the clock are given.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from calls.events.talk import Attached
from calls.states import CallState
from desk.api_keys import Scope
from settings import ROOT
from tests.calls_on_disk import store_on
from tests.console.pages import console
from tests.console.week import ACCOUNT, Clock, Talk, carrier_with, cookies_of, week

NOW = datetime(2026, 11, 25, 19, 18, 2, tzinfo=UTC)
SIZE = {"width": 1280, "height": 860}
ZONE = "America/New_York"

PICTURES = {
    "console-call": "/calls/{call}#t=17.9",
    "console-live": "/",
    "console-overview": "/overview?range=7d",
}
"""The page of each picture, by the name of its file."""


async def made(folder: Path, browser: str) -> None:
    """Make all of them.

    Args:
        folder: Where to.
        browser: Where Chromium is.
    """
    from playwright.async_api import async_playwright

    clock = Clock(NOW)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["DATA_DIR"] = scratch
        async with store_on(Path(scratch) / "calls.db", clock=clock) as store:
            await store.start()
            talk = await week(store, clock, NOW)
            ringing = store.open(
                carrier="twilio",
                carrier_call_id="CA2",
                from_number="+12025550100",
                to_number="+12025550190",
                agent="reminder",
                direction="outbound",
            )
            ringing.move(CallState.RINGING, cause="ringing")
            ringing.record(Attached(stream_id="MZ2"))
            live = Talk(store, clock, NOW - timedelta(seconds=52), "+12025550177")
            live.bot("Thank you for calling Willow Dental. How can I help you?", stages=(0, 0, 0, 0, 380, 20))
            live.caller("My crown came off this morning.")
            live.bot("I am sorry to hear that. Can you come in at two?", stages=(200, 140, 1340, 0, 260, 30))
            live.caller("Two is fine, thank you.")
            clock.now = NOW
            await store.flush()
            async with (
                carrier_with(talk.wav()) as base,
                console(Path(scratch), Scope.ADMIN, store=store, **ACCOUNT, twilio_api_base_url=base) as desk,
                async_playwright() as playwright,
            ):
                started = await playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
                context = await started.new_context(
                    viewport=SIZE,  # type: ignore[arg-type]
                    color_scheme="light",
                    timezone_id=ZONE,
                    locale="en-US",
                    storage_state={"cookies": cookies_of(desk.service), "origins": []},  # type: ignore[typeddict-item]
                )
                page = await context.new_page()
                for name, path in PICTURES.items():
                    await page.goto(f"{desk.service.url}/console{path.format(call=talk.call.id)}")
                    if name == "console-call":
                        await page.locator("#wave").wait_for(state="visible")
                    await page.wait_for_timeout(1000)  # until charts and waveforms are drawn
                    await page.screenshot(path=folder / f"{name}.png")
                    print(f"{name}.png")
                await started.close()


def main() -> int:
    """Make the pictures; returns the exit status."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        print("there is no Chromium on this machine: apt-get install chromium", file=sys.stderr)
        return 1
    asyncio.run(made(ROOT / "docs", path))
    return 0


if __name__ == "__main__":
    sys.exit(main())
