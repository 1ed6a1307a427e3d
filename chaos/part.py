"""Plays one part: a server, the way to it, both carriers, the calls, and what goes wrong meanwhile."""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from aiohttp import web

from chaos import talk
from chaos.database import Postgres
from chaos.judging import Told, Verdict, Witnessed, judge
from chaos.placing import Placing
from chaos.proxy import Proxy
from chaos.schedule import Part, PlannedCall
from chaos.serving import Server, command_of
from chaos.troubles import Made, Troubles
from emulator import Account, OwnNumber, PhoneNetwork
from emulator.bot.served import printed_address
from emulator.network import BOT_NUMBER

CARRIERS = ("twilio", "telnyx")
SETTLES_SECS = 45.0
"""How long after the last call the API may take until it knows the end of all: the carriers' reports may never come."""

ASK_SECS = 5.0
LOOK_AGAIN_SECS = 0.5
WAITS_SECS = 2

WAIT_AND_ASK_AGAIN = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    f'<Response><Pause length="{WAITS_SECS}"/><Redirect method="POST">{{url}}</Redirect></Response>'
)
"""What the owner has left with each carrier for when the server does not answer: wait, and ask again."""


@dataclass
class Stage:
    """What calls are placed on.

    Attributes:
        server: The processes.
        proxy: The way to them.
        networks: A phone network for each carrier.
        placing: Places the calls.
    """

    server: Server
    proxy: Proxy
    networks: Mapping[str, PhoneNetwork]
    placing: Placing


@dataclass
class Played:
    """What came of a part.

    Attributes:
        verdicts: On its calls.
        made: Its troubles.
        others: What else went wrong.
        left_legs: Legs that were still open in the end, of calls that were not planned.
    """

    verdicts: list[Verdict] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    left_legs: int = 0


@asynccontextmanager
async def staged(
    directory: Path, mode: str, workers: int, database_url: str | None, at_once: int, *, room: int = 0
) -> AsyncIterator[Stage]:
    """Start the server, the way to it and the carriers. All of it has ended when the context is left.

    Args:
        directory: For the server's files, and its output in `server.log`.
        mode: How calls to Telnyx are placed: empty for TeXML, or `call_control`.
        workers: How many processes.
        database_url: Of a PostgreSQL; a file of SQLite's if None.
        at_once: How many calls at a time, at most.
        room: How many calls a process takes; 0 for any number.

    Raises:
        EmulatorError: The server does not start.
    """
    agents, story = await asyncio.to_thread(_write_files, directory)
    key, log = secrets.token_urlsafe(16), directory / "server.log"
    async with AsyncExitStack() as stack:
        networks = {
            name: await stack.enter_async_context(
                PhoneNetwork(name, account=Account([OwnNumber(BOT_NUMBER)]))
            )
            for name in CARRIERS
        }
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        proxy = await stack.enter_async_context(Proxy(port))
        voice_urls: dict[str, str] = {}  # printed by the server when it starts
        fallbacks = await stack.enter_async_context(_bins(voice_urls))
        told = networks["telnyx"].environment()
        environment = {
            **networks["twilio"].environment(),
            **{name: value for name, value in told.items() if name.startswith("TELNYX")},
            "PHONEBOT_ENV_FILE": "",
            "STORY": str(story),
            "AGENTS_DIR": str(agents),
            "AGENT": "chaos",
            "DATA_DIR": str(directory / "data"),
            "DATABASE_URL": database_url or "",
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "MAX_CALLS": str(room),
            "PUBLIC_URL": proxy.url,
            "TWILIO_FALLBACK_URL": fallbacks["twilio"],
            "API_KEY": key,
            "TELNYX_MODE": mode or "texml",
            "CALLER_ID": BOT_NUMBER,
            "VOICE_CACHE_MB": "0",
            "MAX_CONNECTIONS_PER_PEER": "1000",
            "DIAL_MAX_PER_NUMBER_PER_DAY": "100",
            "DIAL_MAX_PER_HOUR": "10000",
            "DIAL_MAX_AT_ONCE": str(at_once * 2),
            "DIAL_MAX_MINUTES_PER_DAY": "100000",
            "LOG_LEVEL": "INFO",
        }
        server = await stack.enter_async_context(
            Server(command_of(workers), environment, port, log, has_parent=workers > 1)
        )
        for name in CARRIERS:
            voice_urls[name] = printed_address(log, proxy.url, name) or f"{proxy.url}/{name}/voice"
        yield Stage(
            server, proxy, networks, Placing(networks, proxy.url, server.url, key, voice_urls, fallbacks)
        )


def _write_files(directory: Path) -> tuple[Path, Path]:
    """Write the agent and the bot's part: the folder of the one, and the file of the other."""
    agents, story = directory / "agents", directory / "part.json"
    agents.mkdir(parents=True)
    (agents / "chaos.toml").write_text(talk.AGENT, encoding="utf-8")
    story.write_text(talk.part(), encoding="utf-8")
    return agents, story


@asynccontextmanager
async def _bins(voice_urls: Mapping[str, str]) -> AsyncIterator[dict[str, str]]:
    """Serve the documents that are kept at the carriers: their addresses, by carrier."""

    async def answer(request: web.Request) -> web.Response:
        url = voice_urls[request.match_info["carrier"]].replace("&", "&amp;")
        return web.Response(text=WAIT_AND_ASK_AGAIN.format(url=url), content_type="text/xml")

    app = web.Application()
    app.router.add_route("*", "/{carrier:" + "|".join(map(re.escape, CARRIERS)) + "}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield {name: f"{base}/{name}" for name in CARRIERS}
    finally:
        await runner.cleanup()


async def play(
    part: Part,
    directory: Path,
    *,
    workers: int,
    at_once: int,
    database: Postgres | None,
    tell: Callable[[str], None],
) -> Played:
    """Play a part, and judge its calls.

    Raises:
        EmulatorError: The server does not start.
    """
    url = database.url if database is not None else None
    async with staged(directory, part.mode, workers, url, at_once) as stage:
        troubles = Troubles(
            stage.server, workers > 1, stage.proxy, stage.networks, stage.placing, database, tell
        )
        witnessed = await _placed(part, stage, troubles, at_once)
        await _until_legs_are_over(stage)
        told = await told_of([one.call_id for one in witnessed if one.call_id], stage.placing)
        played = Played(made=troubles.made)
        for one in sorted(witnessed, key=lambda call: call.number):
            verdict = judge(one, troubles.touches(one.number), told.get(one.call_id))
            played.verdicts.append(verdict)
            await asyncio.to_thread(write_down, directory / "calls", one, verdict)
        for call in stage.placing.doubled:
            played.others.append(f"a call was placed a second time: {call.leg.call_id}")
        # What the verdicts count was ended when its caller had given up
        left = [
            call for network in stage.networks.values() for call in network.exchange.calls if not call.over
        ]
        played.left_legs = len(left)
        played.others += [f"a leg is still open at the carrier: {call.leg.call_id}" for call in left]
        return played


def write_down(folder: Path, call: Witnessed, verdict: Verdict) -> None:
    """Keep what happened in a call: made-up words and numbers alone."""
    folder.mkdir(exist_ok=True)
    zero = call.answered or 0.0
    lines = [
        f"call {call.name} [{call.call_id}]",
        *(
            f"touched by trouble {one.number} ({one.kind}) at {one.at - zero:.1f} s"
            for one in verdict.touches
        ),
        *(f"problem: {problem}" for problem in verdict.problems),
        *(f"heard at {one.start - zero:.1f} s, {one.share:.0%}: {one.text}" for one in call.heard),
        *(f"said at {one.start - zero:.1f} s: {one.text}" for one in call.said),
        *(f"lost: {text}" for text in verdict.lost),
        call.timeline,
    ]
    (folder / f"{call.number}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


async def _placed(part: Part, stage: Stage, troubles: Troubles, at_once: int) -> list[Witnessed]:
    """Place the calls and make the troubles, each at its time."""
    began = asyncio.get_running_loop().time()
    room = asyncio.Semaphore(at_once)

    async def until(secs: float) -> None:
        await asyncio.sleep(max(0.0, began + secs - asyncio.get_running_loop().time()))

    async def one_call(planned: PlannedCall) -> Witnessed:
        await until(planned.begins_secs)
        async with room:
            return await stage.placing.place(planned)

    async def all_troubles() -> None:
        for trouble in part.troubles:
            await until(trouble.at_secs)
            await troubles.make(trouble)

    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(one_call(planned)) for planned in part.calls]
        trouble = group.create_task(all_troubles())
        await asyncio.wait(calls)
        trouble.cancel()  # to whom should it happen
    return [call.result() for call in calls]


async def _until_legs_are_over(stage: Stage) -> None:
    """Give a moment to legs that end with others."""
    until = time.monotonic() + ASK_SECS
    calls = [call for network in stage.networks.values() for call in network.exchange.calls]
    while any(not call.over for call in calls) and time.monotonic() < until:
        await asyncio.sleep(LOOK_AGAIN_SECS)


async def told_of(
    call_ids: Sequence[str], placing: Placing, settles_secs: float = SETTLES_SECS
) -> dict[str, Told]:
    """What the API tells of calls that are over, once it knows that they are; without those that it does not know."""
    found: dict[str, Told] = {}
    until = time.monotonic() + settles_secs
    headers = {"Authorization": f"Bearer {placing.api_key}"}
    async with httpx.AsyncClient(
        base_url=placing.api, headers=headers, trust_env=False, timeout=ASK_SECS
    ) as http:
        while True:
            for call_id in call_ids:
                if call_id not in found or not found[call_id].ended:
                    if (answer := await _asked(http, call_id)) is not None:
                        found[call_id] = Told.read(answer)
            if all(call_id in found and found[call_id].ended for call_id in call_ids):
                return found
            if time.monotonic() > until:
                return found
            await asyncio.sleep(LOOK_AGAIN_SECS)


async def _asked(http: httpx.AsyncClient, call_id: str) -> dict[str, Any] | None:
    try:
        response = await http.get(f"/calls/{quote(call_id, safe='')}")
        answer = response.json()
    except (httpx.HTTPError, ValueError):
        return None
    return answer if response.status_code == 200 and isinstance(answer, dict) else None
