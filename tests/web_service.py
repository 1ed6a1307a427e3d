"""The real service on a real port of this machine, with a bot that the test wrote."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import uvicorn
import websockets
from fastapi import FastAPI
from pipecat.runner.types import WebSocketRunnerArguments

from calls.call import Call
from calls.store import CallStore
from deployment.banner import pasted_address
from server import create_app, listen, uvicorn_config
from settings import Settings, settings_class

AGENTS = {
    "receptionist": 'greeting = "Hello."\ninstructions = "Be kind."\n',
    "sales": 'greeting = "Hello."\ninstructions = "Sell."\n[lines]\ntechnical_problem = "Sales is sorry."\n',
    "broken": "greeting = ",
}


class TestSettings(settings_class()):
    """Settings that the environment of whoever runs the tests does not reach."""

    __test__ = False

    @classmethod
    def settings_customise_sources(cls, settings_cls: Any, init_settings: Any, **_: Any) -> tuple[Any, ...]:  # type: ignore[override]
        return (init_settings,)


def make_settings(**values: Any) -> Settings:
    return TestSettings(**{"data_dir": os.environ["DATA_DIR"], **values})


def write_agents(directory: Path) -> Path:
    directory.mkdir(exist_ok=True)
    for name, text in AGENTS.items():
        (directory / f"{name}.toml").write_text(text)
    return directory


@dataclass
class Running:
    app: FastAPI
    url: str
    http: httpx.AsyncClient
    store: CallStore

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def ws_url(self) -> str:
        return "ws" + self.url.removeprefix("http")

    def way_back_path(self, call: Call, route: str) -> str:
        """The address that a carrier is given for a call, without the host."""
        service = self.app.state.service
        return service.way_back._url(call, route).removeprefix(service.public_url)

    @property
    def telnyx_voice(self) -> str:
        """The path of the voice address that is printed for Telnyx."""
        service = self.app.state.service
        return pasted_address("telnyx", service.settings, "")

    async def post(self, path: str, **form: str) -> httpx.Response:
        return await self.http.post(path, data=form)


async def _silent_bot(arguments: WebSocketRunnerArguments) -> None:
    async for _ in arguments.websocket.iter_text():
        pass


@asynccontextmanager
async def running(
    tmp_path: Path,
    *,
    run_bot: Callable[[WebSocketRunnerArguments], Awaitable[None]] = _silent_bot,
    warm_up: Callable[[], Awaitable[None]] | None = None,
    store: CallStore | None = None,
    metrics_folder: str | None = None,
    **values: Any,
) -> AsyncIterator[Running]:
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    store = store or CallStore()
    own = {"agents_dir": write_agents(tmp_path / "agents"), "data_dir": tmp_path / "data", "port": port}
    settings = make_settings(**{**own, **values})
    app = create_app(settings, run_bot=run_bot, store=store, warm_up=warm_up, metrics_folder=metrics_folder)
    server = uvicorn.Server(uvicorn_config(app))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as http:
            yield Running(app, url, http, store)
    finally:
        server.should_exit = True
        await serving


async def until(condition: Callable[[], Any]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.02)


def start_of(carrier: str, call_id: str) -> str:
    """The first message of a media stream that says which call it is about."""
    start: dict[str, Any] = {"callSid": call_id, "streamSid": "MZ1", "accountSid": "AC1"}
    message: dict[str, Any] = {"event": "start", "streamSid": "MZ1", "start": start}
    if carrier == "telnyx":
        start = {"call_control_id": call_id, "media_format": {"encoding": "PCMU", "sample_rate": 8000}}
        message = {"event": "start", "stream_id": "s1", "start": start}
    return json.dumps(message)


@asynccontextmanager
async def streaming(
    url: str, carrier: str = "twilio", call_id: str = "CA1", **options: Any
) -> AsyncIterator[websockets.ClientConnection]:
    """A media socket that has said which call it is about."""
    async with websockets.connect(url, **options) as socket:
        await socket.send(start_of(carrier, call_id))
        yield socket


def stream_of(document: str) -> tuple[str, dict[str, str]]:
    """The address and parameters of a document's media stream."""
    stream = next(ElementTree.fromstring(document.encode()).iter("Stream"))
    return stream.attrib["url"], {p.attrib["name"]: p.attrib["value"] for p in stream}


def verbs(document: str) -> list[tuple[str, str | None]]:
    return [(verb.tag, verb.text) for verb in ElementTree.fromstring(document.encode())]
