"""A call's media socket is at one process, and all else at another: nobody can tell.

Two real servers on one database, and before them what a balancer does: the test decides who gets what.
"""

import asyncio
import json
import os
import socket
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from emulator import Colleague, Digits, HangUp, PhoneNetwork, Wait
from emulator.account import Account, Application, OwnNumber
from emulator.carriers.credentials import Credentials
from emulator.network import BOT_NUMBER
from settings import ROOT
from tests.calls_on_disk import url_of
from tests.postgres_server import postgres_server
from tests.receiver import free_port
from tests.talking_bot import API_KEY, QUICK_AGENT

DESK, BOSS = "+12025550111", "+12025550112"
KEY = {"Authorization": f"Bearer {API_KEY}"}
SETTLES_SECS = 15

LINES = pytest.mark.parametrize(
    ("carrier", "mode"), [("twilio", ""), ("telnyx", ""), ("telnyx", "call_control")]
)


@pytest.fixture(scope="module")
def server():
    with postgres_server() as url:
        yield url


@pytest.fixture
async def database(request, tmp_path):
    """A file, unless the test asks for a PostgreSQL."""
    if getattr(request, "param", "file") == "file":
        return url_of(tmp_path / "calls.db")
    import asyncpg

    server = request.getfixturevalue("server")
    connection = await asyncpg.connect(f"{server}/postgres")
    await connection.execute("create database one_call")
    await connection.close()
    return f"{server}/one_call"


@dataclass
class Balancer:
    """Sends media sockets to one server and all other connections to another."""

    sockets: int
    others: int
    url: str = ""
    seen: dict[int, int] = field(default_factory=dict)

    async def serve(self, reader, writer):
        try:
            first = await reader.readline()
            port = self.sockets if first.startswith(b"GET /ws") else self.others
            self.seen[port] = self.seen.get(port, 0) + 1
            there, back = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        back.write(first)
        await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))


async def _pass_on(reader, writer):
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass
    writer.close()


@asynccontextmanager
async def a_process(environment, port, name, tmp_path):
    log = (tmp_path / f"{name}.log").open("wb")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.quick_server"),
        cwd=ROOT,
        env={**os.environ, **environment, "PORT": str(port)},
        stdout=log,
        stderr=log,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 15)
            except TimeoutError:
                process.kill()
                await process.wait()
        log.close()


@dataclass
class Service:
    """Both servers. `a` has the media sockets, `b` the webhooks; either answers the API."""

    network: PhoneNetwork
    url: str
    a: httpx.AsyncClient
    b: httpx.AsyncClient
    process_a: asyncio.subprocess.Process
    process_b: asyncio.subprocess.Process
    balancer: Balancer

    def call(self, script, mode, **options):
        return asyncio.create_task(self.network.call(self.url, script, mode=mode, **options))

    async def live_call(self):
        """The id of the call that the bot has greeted, as `b` knows it."""
        async with asyncio.timeout(30):
            while True:
                for call in (await self.b.get("/calls")).json()["calls"]:
                    if call["state"] == "in_progress" and "Hello." in await self.heard(call["id"]):
                        return call["id"]
                await asyncio.sleep(0.05)

    async def look(self, call_id, of=None):
        return (await (of or self.b).get(f"/calls/{call_id}")).json()

    async def heard(self, call_id):
        return [one["text"] for one in (await self.look(call_id))["events"] if one["kind"] == "bot_heard"]

    async def until(self, call_id, condition):
        async with asyncio.timeout(SETTLES_SECS):
            while not condition(call := await self.look(call_id)):
                await asyncio.sleep(0.05)
        return call

    async def follow(self, http, call_id, after=0):
        """What an event stream has, to its end."""
        got, block = [], {}
        headers = {"Last-Event-ID": str(after)} if after else {}
        async with http.stream("GET", f"/calls/{call_id}/events", headers=headers) as answer:
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                block[name] = value
                if not line and "data" in block:
                    got.append((int(block["id"]), json.loads(block["data"])["kind"]))
                    block = {}
        return got


@asynccontextmanager
async def two_servers(tmp_path, carrier, database, *, talks=("a",), agent=QUICK_AGENT, **more):
    """Two servers with a phone network, for the time of a test.

    Args:
        tmp_path: The test's folder.
        carrier: Name of the carrier.
        database: Address of the calls' database.
        talks: Which of the servers are to get media sockets.
        agent: The agent's file.
        **more: Variables of their environment.
    """
    (tmp_path / "quick.toml").write_text(
        agent.replace("{max_duration_secs}", "60")
        .replace("{notice_secs}", "10")
        .replace("{silence_secs}", "30")
    )
    connection = Credentials().telnyx_connection_id
    account = Account(
        [OwnNumber(BOT_NUMBER, application=connection if carrier == "telnyx" else "")],
        applications=[Application(connection, "texml", method="POST")],
    )
    async with AsyncExitStack() as stack:
        network = await stack.enter_async_context(
            PhoneNetwork(carrier, signs_instructions=True, account=account)
        )
        balancer = Balancer(free_port(), free_port())
        listening = await asyncio.start_server(balancer.serve, "127.0.0.1", 0)
        stack.callback(listening.close)
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        environment = {
            **network.environment(),
            "PUBLIC_URL": url,
            "API_KEY": API_KEY,
            "CALLER_IDS": BOT_NUMBER,
            "DATA_DIR": str(tmp_path / "data"),
            "DATABASE_URL": database,
            "AGENTS_DIR": str(tmp_path),
            "AGENT": "quick",
            **more,
        }
        clients, processes = [], []
        for name, port in (("a", balancer.sockets), ("b", balancer.others)):
            own = {**environment, "QUICK_SERVER_TALKS": "yes" if name in talks else ""}
            process = await stack.enter_async_context(a_process(own, port, name, tmp_path))
            http = await stack.enter_async_context(
                httpx.AsyncClient(
                    base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30, headers=KEY
                )
            )
            async with asyncio.timeout(150):
                while True:
                    assert process.returncode is None, (tmp_path / f"{name}.log").read_text()
                    try:
                        if (await http.get("/readyz")).status_code == 200:
                            break
                    except httpx.TransportError:
                        pass
                    await asyncio.sleep(0.1)
            clients.append(http)
            processes.append(process)
        yield Service(network, url, *clients, *processes, balancer)


@pytest.mark.timeout(300)
@LINES
async def test_a_caller_is_put_through_pressed_for_and_hung_up_by_the_process_that_has_no_socket(
    tmp_path, database, carrier, mode
):
    await a_whole_call(tmp_path, database, carrier, mode)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("database", ["server"], indirect=True)
async def test_so_it_is_with_a_postgres(tmp_path, database):
    await a_whole_call(tmp_path, database, "telnyx", "call_control")


async def a_whole_call(tmp_path, database, carrier, mode):
    async with two_servers(tmp_path, carrier, database) as service:
        people = [Colleague(DESK, 0.2, "busy")]
        calling = service.call([Wait(60)], mode, colleagues=people)
        call_id = await service.live_call()
        streams = [asyncio.create_task(service.follow(one, call_id)) for one in (service.a, service.b)]

        answer = await service.b.post(f"/calls/{call_id}/transfer", json={"destination": "nobody"})
        assert (answer.status_code, "desk, boss" in answer.json()["error"]) == (422, True)
        answer = await service.b.post(f"/calls/{call_id}/transfer", json={"destination": "desk"})
        assert answer.status_code == 202, answer.text
        second = await service.b.post(f"/calls/{call_id}/transfer", json={"destination": "desk"})
        assert (second.status_code, "being put through" in second.json()["error"]) == (409, True)
        call = await service.until(
            call_id, lambda call: [one["outcome"] for one in call["transfers"]] == ["busy"]
        )
        async with asyncio.timeout(SETTLES_SECS):
            while "It is busy." not in await service.heard(call_id):
                await asyncio.sleep(0.05)

        answer = await service.b.post(f"/calls/{call_id}/digits", json={"digits": "1"})
        assert answer.status_code == 200, answer.text
        assert "digits_sent" in [event["kind"] for event in answer.json()["events"]]
        await asyncio.sleep(3)  # at Twilio the bot comes back on another stream

        answer = await service.b.post(f"/calls/{call_id}/hangup")
        assert answer.status_code == 200, answer.text
        result = await calling
        call = await service.until(call_id, lambda call: call["state"] == "completed")
        assert (call["ended_by"], call["end_cause"]) == ("human", "API")
        # Who hangs up by the API does not wait for the bot to finish
        assert [error for error in result.report.errors if "last words were not heard" not in error] == []

        on_a, on_b = await asyncio.wait_for(asyncio.gather(*streams), 10)
        shorter = min(len(on_a), len(on_b))
        assert on_a[:shorter] == on_b[:shorter]
        assert [number for number, _ in on_b] == list(range(1, len(on_b) + 1))
        again = await service.follow(service.b, call_id, after=on_b[4][0])
        assert again[: len(on_b) - 5] == on_b[5:]
        kinds = [kind for _, kind in again]
        assert {"transfer_started", "transfer_ended", "digits_sent", "ended"} <= set(kinds)
        assert kinds.count("transfer_ended") == kinds.count("ended") == 1
        # It was so indeed
        assert service.balancer.seen[service.balancer.sockets] >= 1
        assert service.balancer.seen[service.balancer.others] >= 1
        for one in (service.a, service.b):
            known = await service.look(call_id, one)
            assert (known["state"], known["ended_by"]) == ("completed", "human")


@pytest.mark.timeout(300)
@LINES
async def test_a_colleague_gets_the_caller_and_the_bot_of_the_other_process_leaves(
    tmp_path, database, carrier, mode
):
    async with two_servers(tmp_path, carrier, database) as service:
        desk = Colleague(DESK, 0.2, "answers", [Wait(3), HangUp()])
        calling = service.call([Wait(30)], mode, colleagues=[desk])
        call_id = await service.live_call()
        answer = await service.b.post(f"/calls/{call_id}/transfer", json={"destination": "desk"})
        assert answer.status_code == 202, answer.text
        await service.until(call_id, lambda call: call["state"] == "transferred")
        result = await calling
        call = await service.until(call_id, lambda call: call["state"] == "completed")
    assert result.report.errors == []
    assert call["ended_by"] == "human"
    assert [one["outcome"] for one in call["transfers"]] == ["connected"]


@pytest.mark.timeout(300)
async def test_a_process_that_was_killed_is_told_of_within_the_time_out(tmp_path, database):
    async with two_servers(tmp_path, "telnyx", database) as service, AsyncExitStack() as stack:
        calling = service.call([Wait(20)], "call_control")
        call_id = await service.live_call()
        # Who has the sockets then takes them and says nothing: the caller cannot come back at once
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        service.balancer.sockets = silent.getsockname()[1]
        service.process_a.kill()
        began = time.monotonic()
        asking = asyncio.create_task(
            service.b.post(f"/calls/{call_id}/transfer", json={"destination": "desk"})
        )
        await asyncio.sleep(0.2)
        answer = await service.b.post(f"/calls/{call_id}/hangup")
        assert answer.status_code == 200, answer.text
        answer = await asking
        assert (answer.status_code, "has died, or hangs" in answer.json()["error"]) == (504, True)
        assert time.monotonic() - began < 5
        await calling
        call = await service.until(call_id, lambda call: call["state"] not in ("in_progress", "ringing"))
        assert (call["state"], call["ended_by"]) == ("completed", "human")


@pytest.mark.timeout(300)
async def test_keys_that_callers_press_end_the_call_as_ever(tmp_path, database):
    async with two_servers(tmp_path, "twilio", database) as service:
        result = await service.call([Wait(3), Digits("2#"), Wait(10)], "")
        calls = (await service.b.get("/calls")).json()["calls"]
        call = await service.until(calls[0]["id"], lambda call: call["state"] == "completed")
    assert len(calls) == 1  # the socket was no other call, however fast it came
    assert result.report.errors == []
    assert call["ended_by"] == "bot"
