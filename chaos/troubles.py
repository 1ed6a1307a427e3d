"""Makes things go wrong, and writes down which calls were touched by it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from chaos.database import Postgres
from chaos.judging import Touch
from chaos.placing import Placing
from chaos.processes import holders
from chaos.proxy import Proxy
from chaos.schedule import (
    CUT,
    DATABASE,
    DEPLOY,
    DRAIN,
    HANG,
    KILL,
    REST,
    SLOW,
    STALL,
    WEBHOOKS,
    Trouble,
)
from chaos.serving import Server
from chaos.witness import stream_port
from emulator import PhoneNetwork
from emulator.faults import Fault, RestFault, WebhookFault

One = TypeVar("One")

LATENCY_SECS = 0.25
REST_SILENT_SECS = 15.0

REST_FAULTS: Sequence[tuple[str, RestFault]] = (
    ("429 with Retry-After", RestFault(status=429, retry_after_secs=1)),
    ("500", RestFault(status=500)),
    ("no answer", RestFault(silent_secs=REST_SILENT_SECS)),
    ("done, but the answer is lost", RestFault(lost=True)),
)

WEBHOOK_FAULTS: Sequence[tuple[str, Sequence[WebhookFault]]] = (
    ("twice", [WebhookFault(twice=True, chance=0.7)]),
    ("late", [WebhookFault(late_secs=3.0, chance=0.7)]),
    ("out of order", [WebhookFault(swapped=True, chance=0.7)]),
    ("never", [WebhookFault(name=name, lost=True) for name in ("completed", "call.hangup", "stream")]),
)
"""What is never sent is a report of what has happened. A carrier sends the question of what to do with a call again."""


@dataclass
class Made:
    """A trouble that was made.

    Attributes:
        trouble: As planned.
        what: What it was, in words.
        at: When, on the monotonic clock; None if there was nothing to do it to.
        touched: The calls that were touched, by their numbers.
    """

    trouble: Trouble
    what: str = ""
    at: float | None = None
    touched: list[int] = field(default_factory=list)


@dataclass
class Troubles:
    """Makes the troubles of a part.

    Attributes:
        server: The processes.
        has_parent: Whether the server has a parent that watches its processes.
        proxy: The way to it.
        networks: The carriers.
        placing: Knows which calls go on.
        database: A PostgreSQL that can be restarted, or None.
        tell: Takes a line about each trouble.
    """

    server: Server
    has_parent: bool
    proxy: Proxy
    networks: Mapping[str, PhoneNetwork]
    placing: Placing
    database: Postgres | None
    tell: Callable[[str], None]
    made: list[Made] = field(default_factory=list)

    def touches(self, number: int) -> list[Touch]:
        """What a call was touched by, in the order of time."""
        found = [
            Touch(one.trouble.number, one.trouble.kind, one.at)
            for one in self.made
            if one.at is not None and number in one.touched
        ]
        return sorted(found, key=lambda touch: touch.at)

    async def make(self, trouble: Trouble) -> None:
        """Make it, and let it last as long as it is to."""
        made = Made(trouble)
        self.made.append(made)
        kind = trouble.kind
        if kind in (KILL, HANG, DRAIN):
            await self._to_a_process(made)
        elif kind == DEPLOY:
            await self._deploy(made)
        elif kind == CUT:
            self._cut(made)
        elif kind in (SLOW, STALL):
            await self._slow(made)
        elif kind == REST:
            text, fault = _picked(REST_FAULTS, trouble.pick)
            await self._faults(made, text, [fault])
        elif kind == WEBHOOKS:
            text, faults = _picked(WEBHOOK_FAULTS, trouble.pick)
            await self._faults(made, text, faults)
        elif kind == DATABASE:
            await self._restart_the_database(made)

    def _began(self, made: Made, what: str, touched: Sequence[int]) -> None:
        made.at, made.what, made.touched = time.monotonic(), what, list(touched)
        self.tell(f"{made.trouble.number}: {what}, {len(touched)} call(s) touched")

    def _nothing(self, made: Made, why: str) -> None:
        made.what = why
        self.tell(f"{made.trouble.number}: no {made.trouble.kind}: {why}")

    # Processes

    def talkers(self) -> dict[int, list[int]]:
        """The calls that each process has a media socket of, by their numbers; also of those that have none."""
        workers = self.server.workers()
        having = holders(self.server.port, workers)
        calls: dict[int, list[int]] = {pid: [] for pid in workers}
        for number, port in self._ports().items():
            connection = self.proxy.open.get(port)
            pid = having.get(connection.behind) if connection is not None else None
            if pid is not None:
                calls[pid].append(number)
        return calls

    def _ports(self) -> dict[int, int]:
        found = {number: stream_port(one.call) for number, one in list(self.placing.live.items())}
        return {number: port for number, port in found.items() if port is not None}

    async def _to_a_process(self, made: Made) -> None:
        talkers = await asyncio.to_thread(self.talkers)
        # Who talks is worth more trouble than who does not
        pids = [pid for pid, calls in talkers.items() if calls] or list(talkers)
        if not pids:
            self._nothing(made, "no process is there")
            return
        pid = _picked(pids, made.trouble.pick)
        number = {KILL: signal.SIGKILL, HANG: signal.SIGSTOP, DRAIN: signal.SIGTERM}[made.trouble.kind]
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            self._nothing(made, "the process has just ended")
            return
        self._began(made, f"{number.name} to process {pid}", talkers[pid])
        if made.trouble.kind == HANG and not self.has_parent:
            await asyncio.sleep(made.trouble.lasts_secs)  # nobody watches it: it goes on by itself
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    async def _deploy(self, made: Made) -> None:
        parent = self.server.parent
        if parent is None:
            self._nothing(made, "no parent is there")
            return
        talkers = await asyncio.to_thread(self.talkers)
        os.kill(parent, signal.SIGHUP)
        self._began(
            made, "SIGHUP: all processes are replaced", [one for calls in talkers.values() for one in calls]
        )

    # The way

    def _cut(self, made: Made) -> None:
        ports = self._ports()
        if not ports:
            self._nothing(made, "no media socket is open")
            return
        number, port = _picked(sorted(ports.items()), made.trouble.pick)
        if self.proxy.cut(port):
            self._began(made, "a media socket is cut", [number])
        else:
            self._nothing(made, "the media socket has just closed")

    async def _slow(self, made: Made) -> None:
        secs = made.trouble.lasts_secs
        if made.trouble.kind == STALL:
            self._began(made, f"nothing comes through for {secs:g} s", list(self._ports()))
            self.proxy.stall(secs)
            await asyncio.sleep(secs)
            return
        self._began(made, f"all is {LATENCY_SECS:g} s late for {secs:g} s", list(self._ports()))
        self.proxy.latency_secs = LATENCY_SECS
        try:
            await asyncio.sleep(secs)
        finally:
            self.proxy.latency_secs = 0.0

    # The carriers and the database

    async def _faults(self, made: Made, text: str, faults: Sequence[Fault]) -> None:
        secs = made.trouble.lasts_secs
        self._began(made, f"{made.trouble.kind} for {secs:g} s: {text}", list(self.placing.live))
        for network in self.networks.values():
            network.faults.faults[:0] = faults
        try:
            await asyncio.sleep(secs)
        finally:
            for network in self.networks.values():
                network.faults.faults[:] = [one for one in network.faults.faults if one not in faults]

    async def _restart_the_database(self, made: Made) -> None:
        if self.database is None:
            self._nothing(made, "there is none")
            return
        self._began(made, f"the database is away for {made.trouble.lasts_secs:g} s", list(self.placing.live))
        await self.database.stop()
        try:
            await asyncio.sleep(made.trouble.lasts_secs)
        finally:
            await self.database.start()


def kinds(*, has_parent: bool, has_database: bool) -> list[str]:
    """The kinds of trouble that can be made."""
    found = [KILL, HANG, DRAIN, CUT, SLOW, STALL, REST, WEBHOOKS]
    return found + [DEPLOY] * has_parent + [DATABASE] * has_database


def _picked(ones: Sequence[One], pick: float) -> One:
    return ones[min(int(pick * len(ones)), len(ones) - 1)]
