"""The console of a real service, asked as a browser asks it: logged in, page by page."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx

from desk.api_keys import FILE, Scope, add, new_key
from tests.web_service import Running, running


@dataclass
class Console:
    """A service with a console, and somebody who is logged in.

    Attributes:
        service: The service.
        http: The browser of whoever is logged in.
    """

    service: Running
    http: httpx.AsyncClient

    async def get(self, path: str, **options: Any) -> Shown:
        """A page as it is shown."""
        return Shown(await self.http.get(path, **options))

    async def post(self, path: str, **form: str) -> httpx.Response:
        """What a form of a page sends; where it leads is not followed."""
        headers = {"Origin": self.service.url, "Sec-Fetch-Site": "same-origin"}
        return await self.http.post(path, data=form, headers=headers)


class Shown(HTMLParser):
    """A page: its answer, its text, and its elements.

    Attributes:
        answer: The answer of the server.
        text: What is read on it, with single blanks.
        elements: Each element with its attributes.
    """

    def __init__(self, answer: httpx.Response):
        super().__init__()
        self.answer = answer
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._pieces: list[str] = []
        self.feed(answer.text)
        self.text = " ".join("".join(self._pieces).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._pieces.append(" ")

    def handle_data(self, data: str) -> None:
        self._pieces.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of a name."""
        return [attributes for name, attributes in self.elements if name == tag]

    def is_harmless(self) -> None:
        """Nothing runs that is not a file of ours, and nothing is loaded from elsewhere."""
        for tag, attributes in self.elements:
            assert not [name for name in attributes if name.startswith("on") or name == "style"], (
                tag,
                attributes,
            )
            for name in ("src", "href", "action"):
                target = attributes.get(name)
                assert target is None or re.match(r"/(?!/)|#|\?", target), (tag, attributes)
            assert tag != "script" or attributes.get("src"), "a script stands in the page"


class Stream:
    """A stream of changes to a page, as it comes in.

    Attributes:
        events: Each event: its name, or nothing, and its data.
        text: The data of all events.
    """

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.is_over = False

    @property
    def text(self) -> str:
        return "\n".join(data for _, data in self.events)

    async def read(self, answer: httpx.Response) -> None:
        name, data = "", []
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                data.append(line[6:])
            elif not line and data:
                self.events.append((name, "\n".join(data)))
                name, data = "", []
        self.is_over = True


@asynccontextmanager
async def streaming(http: httpx.AsyncClient, path: str) -> AsyncIterator[Stream]:
    """A stream that is read in the background."""
    stream = Stream()
    async with http.stream("GET", path, timeout=30) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store" and "content-encoding" not in answer.headers
        reading = asyncio.create_task(stream.read(answer))
        try:
            yield stream
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


@asynccontextmanager
async def console(tmp_path: Path, scope: Scope = Scope.ADMIN, **options: Any) -> AsyncIterator[Console]:
    """A service, and somebody with a key of this scope who is logged in; more options as of `running`."""
    key, kept = new_key("ann", scope, 0)
    add(tmp_path / "data" / FILE, kept)
    async with running(tmp_path, **options) as service:
        await log_in(service.http, service.url, key)
        yield Console(service, service.http)


async def log_in(http: httpx.AsyncClient, url: str, key: str) -> httpx.Response:
    """Log a browser in."""
    return await http.post("/console/login", data={"key": key}, headers={"Origin": url})
