"""deploy/caddy/Caddyfile, run by Caddy itself in front of two servers: where requests go while one of them cannot."""

import asyncio
import re
import shutil
import subprocess
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from twilio.request_validator import RequestValidator

from calls.store import CallStore
from settings import ROOT
from tests.cloud.test_proxies_of_the_documents_pass_calls_on import (
    HOST,
    PUBLIC,
    TWILIO,
    echo,
    free_port,
    proxy,
    unchecked,
)
from tests.web_service import Running, running, start_of, stream_of, streaming

OLDEST = (2, 11, 7)
"""Of Caddy: what compose.yaml has. Before, it lost the bodies of requests that it sent to the other server."""


def installed() -> tuple[int, ...]:
    """The version of Caddy; none is installed if it is empty."""
    if shutil.which("caddy") is None:
        return ()
    said = subprocess.run(
        ["caddy", "version"], capture_output=True, text=True, timeout=20, check=False
    ).stdout
    return tuple(int(part) for part in re.findall(r"\d+", said)[:3])


pytestmark = pytest.mark.skipif(
    installed() < OLDEST, reason=f"caddy {'.'.join(map(str, OLDEST))} or later is not installed here"
)

CADDYFILE = (ROOT / "deploy" / "caddy" / "Caddyfile").read_text(encoding="utf-8")
NOTICED_SECS = 3.0
"""How long the proxy may take to see that a server takes no calls: DRAIN_NOTICE_SECS of compose.yaml is longer."""


@dataclass
class Deployment:
    servers: list[Running]
    lives: list[AsyncExitStack]
    port: int
    http: httpx.AsyncClient
    log: Path

    async def call(self, call_id: str) -> httpx.Response:
        """A caller's first webhook."""
        form = {"CallSid": call_id, "From": "+14155550100", "To": "+14155550101"}
        signature = RequestValidator("token").compute_signature(f"{PUBLIC}/twilio/voice", form)
        return await self.http.post("/twilio/voice", data=form, headers={"X-Twilio-Signature": signature})

    async def who_has(self, call_id: str) -> int:
        """Which server a caller gets, who must get one."""
        answer = await self.call(call_id)
        assert answer.status_code == 200, answer.text
        taken = ["<Stream" in answer.text and has(one, call_id) for one in self.servers]
        assert sum(taken) == 1, answer.text
        return taken.index(True)

    def socket(self, document: str):
        url, _ = stream_of(document)
        here = {"host": "127.0.0.1", "port": self.port, "ssl": unchecked(), "server_hostname": HOST}
        return streaming(url, proxy=None, **here)


def has(server: Running, call_id: str) -> bool:
    return call_id in [call.carrier_call_id for call in server.app.state.service.room.running]


def written(folder: Path) -> Path:
    """The file as Caddy takes it here: certificates of its own making, and nothing outside of the folder."""
    house = "{\nadmin off\nlocal_certs\nskip_install_trust\nauto_https disable_redirects\n}\n"
    (folder / "Caddyfile").write_text(house + CADDYFILE, encoding="utf-8")
    return folder / "Caddyfile"


@pytest.fixture
async def deployment(tmp_path, monkeypatch):
    store = CallStore()  # the database that they share
    port = free_port()
    async with AsyncExitStack() as stack:
        lives, servers = [], []
        for name in ("bot1", "bot2"):
            (tmp_path / name).mkdir()
            lives.append(await stack.enter_async_context(AsyncExitStack()))
            options = {
                "run_bot": echo,
                "store": store,
                "public_url": PUBLIC,
                "api_key": "key",
                "max_calls": 0,
                **TWILIO,
            }
            servers.append(await lives[-1].enter_async_context(running(tmp_path / name, **options)))
        monkeypatch.setenv("BOT_HOST", f"{HOST}:{port}")
        monkeypatch.setenv("BOT_SERVERS", " ".join(f"127.0.0.1:{one.port}" for one in servers))
        command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(written(tmp_path))]
        await stack.enter_async_context(proxy(command, tmp_path, port))
        http = httpx.AsyncClient(
            base_url=f"https://127.0.0.1:{port}",
            headers={"Host": HOST},
            verify=unchecked(),
            trust_env=False,
            event_hooks={"request": [named]},
        )
        yield Deployment(servers, lives, port, await stack.enter_async_context(http), tmp_path / "proxy.log")


async def named(request: httpx.Request) -> None:
    request.extensions["sni_hostname"] = HOST


async def test_a_server_that_drains_keeps_its_calls_and_gets_no_others(deployment):
    answer = await deployment.call("CA1")
    async with asyncio.timeout(30), deployment.socket(answer.text) as line:
        assert await line.recv() == start_of("twilio", "CA1").upper()
        opened = [bool(one.app.state.service.sockets) for one in deployment.servers].index(True)
        deployment.servers[opened].app.state.service.drain.begin()
        await asyncio.sleep(NOTICED_SECS)
        assert {await deployment.who_has(f"CA2{n}") for n in range(8)} == {1 - opened}
        await line.send("hello")
        assert await line.recv() == "HELLO"
    # and it is back when it takes calls again
    deployment.servers[opened].app.state.service.drain.undo()
    await asyncio.sleep(NOTICED_SECS)
    assert {await deployment.who_has(f"CA3{n}") for n in range(16)} == {0, 1}


async def test_callers_hear_politely_that_no_server_has_room(deployment):
    for one in deployment.servers:
        one.app.state.service.drain.begin()
    await asyncio.sleep(NOTICED_SECS)
    loop = asyncio.get_running_loop()
    asked = loop.time()
    answer = await deployment.call("CA1")
    assert answer.status_code == 200
    assert "all our lines are busy" in answer.text
    assert loop.time() - asked < 1
    # What running calls ask is answered, too
    assert (await deployment.http.get("/healthz")).json() == {"status": "ok"}


@pytest.mark.parametrize("gone", [0, 1])
async def test_nobody_finds_a_server_that_has_just_died(deployment, gone):
    await deployment.lives[gone].aclose()
    answers = [await deployment.call(f"CA{n}") for n in range(8)]
    assert {answer.status_code for answer in answers} == {200}, deployment.log.read_text()


async def test_the_oldest_caddy_that_will_do_is_what_compose_yaml_has():
    compose = (ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8")
    assert f":-caddy:{'.'.join(map(str, OLDEST))}}}" in compose


async def test_a_server_that_drains_answers_when_the_other_one_is_gone(deployment):
    deployment.servers[0].app.state.service.drain.begin()
    await deployment.lives[1].aclose()
    await asyncio.sleep(NOTICED_SECS)
    answer = await deployment.call("CA1")
    assert (answer.status_code, "all our lines are busy" in answer.text) == (200, True)


async def test_a_request_waits_for_a_server_that_is_started_anew(deployment):
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"POST" in head:
            assert b"CallSid=CA1" in await reader.read(1000)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    for life in deployment.lives:
        await life.aclose()
    asking = asyncio.create_task(deployment.call("CA1"))
    await asyncio.sleep(2)
    async with await asyncio.start_server(answer, "127.0.0.1", deployment.servers[0].port):
        assert (await asking).text == "ok", deployment.log.read_text()


async def test_without_any_server_a_carrier_is_told_so_to_ask_again(deployment):
    for life in deployment.lives:
        await life.aclose()
    assert (await deployment.http.get("/healthz", timeout=20)).status_code in (502, 503)


async def test_one_process_is_not_asked_through_the_proxy_whether_it_drains(deployment):
    for method in ("GET", "POST", "DELETE"):
        answer = await deployment.http.request(method, "/drain", headers={"Authorization": "Bearer key"})
        assert answer.status_code == 404
    assert not any(one.app.state.service.drain.announced for one in deployment.servers)
