"""A REST API that answers as it is told, over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from carriers.telnyx.call_control import TelnyxCallControl
from carriers.telnyx.carrier import TelnyxCarrier
from carriers.twilio.carrier import TwilioCarrier


@dataclass
class Answer:
    status: int = 200
    body: str = "{}"
    content_type: str = "application/json"
    delay_secs: float = 0.0
    hang_up: bool = False  # close the connection instead of answering
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def json(cls, status: int, content: object) -> Answer:
        return cls(status, json.dumps(content))


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: str


@dataclass
class FakeRest:
    """Gives its answers in turn, the last one again and again."""

    answers: list[Answer]
    url: str = ""
    requests: list[Request] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                method, path, _ = line.decode().split()
                headers = {}
                while (header := (await reader.readline()).decode().strip()) != "":
                    name, _, value = header.partition(":")
                    headers[name.lower()] = value.strip()
                body = (await reader.readexactly(int(headers.get("content-length", 0)))).decode()
                self.requests.append(Request(method, path, headers, body))
                answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
                await asyncio.sleep(answer.delay_secs)
                if answer.hang_up:
                    return
                content = answer.body.encode()
                head = f"HTTP/1.1 {answer.status} X\r\ncontent-type: {answer.content_type}\r\n"
                head += "".join(f"{name}: {value}\r\n" for name, value in answer.headers)
                writer.write(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def fake_rest(*answers: Answer) -> AsyncIterator[FakeRest]:
    fake = FakeRest(list(answers))
    server = await asyncio.start_server(fake.handle, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.close()


def twilio(url: str, **other: object) -> TwilioCarrier:
    return TwilioCarrier(**{"account_sid": "ACtest", "auth_token": "token", "base_url": url, **other})


def telnyx(url: str, **other: object) -> TelnyxCarrier:
    return TelnyxCarrier(**(_telnyx(url) | other))


def call_control(url: str, **other: object) -> TelnyxCallControl:
    return TelnyxCallControl(**(_telnyx(url) | other))


def _telnyx(url: str) -> dict[str, object]:
    return {"api_key": "KEY", "base_url": f"{url}/v2", "account_sid": "acc", "connection_id": "1234"}


def refused(build: object, status: int, code: str) -> Answer:
    """A carrier's own way to say no."""
    if build is twilio:
        return Answer.json(status, {"code": int(code), "message": "…", "status": status})
    return Answer.json(status, {"errors": [{"code": code, "title": "…"}]})


def ended(build: object) -> Answer:
    """A carrier's own way to say that the call is over."""
    return refused(build, 400, "21220") if build is twilio else refused(build, 422, "90018")
