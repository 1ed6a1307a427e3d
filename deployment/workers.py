"""Several processes on one port: the small parent process that starts them, watches them and starts them anew.

`server.py` checks the configuration, opens the port, says what to paste where, and then becomes this program
(`become_parent` in `deployment/worker_plan.py`): the same process with nothing of the service loaded. It runs by its
path and needs only the standard library, so that it starts in a moment, takes few MB, and has no reason to fail.

Each worker is a new Python, and no fork of a loaded one: native libraries do not survive a fork, and after an update
SIGHUP brings new code. All of them accept from the same listening socket, so a connection goes to one that has time for
it. With a socket each (SO_REUSEPORT) the kernel would go on handing connections to one that hangs.

Between the parent and a worker is a pair of sockets. A worker sends a byte from its event loop twice a second
(`deployment/pulse.py`): `SERVING`, or `READY` once everything is loaded. The end of the socket tells it that the parent
is gone.

Signals: SIGTERM and SIGINT are passed on and waited for, the second one ends what is left; SIGUSR1 and SIGUSR2 are
passed on; SIGHUP replaces the workers, one after the other, each once its successor is ready. Who is replaced gives up
the port (`LEAVE`), so that new calls come to the others; who is stopped with all others keeps it for its calls.
"""

from __future__ import annotations

import json
import logging
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

USAGE_ERROR = 2
"""Exit status of a worker whose configuration is at fault: starting it again cannot help."""

SERVING = b"s"
READY = b"r"
"""A worker's pulses: it answers webhooks; it has loaded what calls need, too."""

STOP = b"t"
"""What the parent tells all workers before it passes a signal on that ends them all."""

LEAVE = b"l"
"""What the parent tells a worker that another one replaces: to give up the port, and to end when its calls have."""

START_SECS = 120
"""How long a worker may take until its event loop runs."""

READY_SECS = 300
"""How long a successor may take to load its models before the worker that it was to replace stays."""

ABORT_SECS = 1
"""How long a worker that hangs has to write down where, until it is killed."""

FORCED_SECS = 10
"""How long a worker may take to end after the second signal."""

EARLY_SECS = 10
"""A worker that ends sooner than this after its start is not started again and again without a pause."""

PAUSES_SECS = (0, 1, 2, 4, 8, 16, 30)
"""Before the next start, by how many early ends there were in a row; the last one from then on."""

TRIES = 5
"""How often the first worker is started before nothing at all has come up, and the service gives up."""

TICK_SECS = 0.5
STOPPED_SECS = 3
"""After a longer time without a look at the workers it was not they who stood still, but the machine."""

log = logging.getLogger("deployment.workers")


@dataclass(frozen=True)
class Plan:
    """What the parent is told.

    Parameters:
        command: Starts a worker; `Post` follows as JSON, as the last argument.
        listener: The file descriptor of the listening socket.
        workers: How many.
        watchdog_secs: How long a worker may give no pulse; 0 for any time.
        settings: What the workers' settings are to be, whatever the environment and `.env` say.
        log_level: Of the parent's own lines, in the words of `logging`.
        metrics: The folder in which the workers keep the values of their metrics; empty for none.
    """

    command: Sequence[str]
    listener: int
    workers: int
    watchdog_secs: float
    settings: dict[str, Any] = field(default_factory=dict)
    log_level: str = "INFO"
    metrics: str = ""


@dataclass(frozen=True)
class Post:
    """What a worker is told.

    Parameters:
        number: From 1; a worker that takes another's place has its number.
        listener: The file descriptor of the listening socket.
        parent: The file descriptor of the socket to the parent.
        first: Whether it is the one of a start that does what is to be done once.
        checked: Whether the configuration has been looked at just now.
        settings: Values that win over the environment and `.env`.
    """

    number: int
    listener: int
    parent: int
    first: bool
    checked: bool
    settings: dict[str, Any]


class Worker:
    """A worker process, as its parent sees it."""

    def __init__(self, number: int, process: subprocess.Popen[bytes], pulses: socket.socket):
        self.number = number
        self.process = process
        self.pulses = pulses
        self.started = time.monotonic()
        self.pulsed: float | None = None
        self.ready = False
        self.aborted: float | None = None

    def __str__(self) -> str:
        return f"Worker {self.number} (process {self.process.pid})"

    @property
    def serves(self) -> bool:
        """Whether it answers webhooks, or did."""
        return self.pulsed is not None

    def shift(self, secs: float) -> None:
        """Count a time for nothing in which the whole machine, or only the parent, stood still."""
        self.started += secs
        if self.pulsed is not None:
            self.pulsed += secs


class Workers:
    """Keeps a number of workers running until it is told to stop.

    Parameters:
        plan: How many of what.
    """

    def __init__(self, plan: Plan):
        self._plan = plan
        self._selector = selectors.DefaultSelector()
        self._current: dict[int, Worker] = {}
        self._successor: Worker | None = None
        self._leaving: list[Worker] = []
        self._due: dict[int, float] = {1: 0}
        self._early: dict[int, int] = {}
        self._to_replace: deque[int] = deque()
        self._has_served = False
        self._draining = False
        self._signals: deque[int] = deque()
        self._stops = 0
        self._killing: float | None = None
        self._awake = time.monotonic()
        self._status: int | None = None
        # A terminal that is closed sends the signal that otherwise asks for new workers
        self._at_a_terminal = os.isatty(0)

    @property
    def _all(self) -> list[Worker]:
        successor = [self._successor] if self._successor else []
        return [*self._current.values(), *successor, *self._leaving]

    def run(self) -> int:
        """Start workers, and keep them running.

        Returns:
            The exit status: 0 after a signal, 2 when the configuration is at fault, 1 when no worker comes up.
        """
        asleep, awake = socket.socketpair()
        for end in (asleep, awake):
            end.setblocking(False)
        self._selector.register(asleep, selectors.EVENT_READ)
        signal.set_wakeup_fd(awake.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, lambda number, _: self._signals.append(number))
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to wake up
        while self._all or (self._status is None and not self._stops):
            self._sleep(asleep)
            while self._signals:
                self._take_signal(self._signals.popleft())
            self._bury()
            self._watch()
            if self._status is None and not self._stops:
                self._replace_next()
                self._start_due()
        if self._plan.metrics:
            shutil.rmtree(self._plan.metrics, ignore_errors=True)
        return self._status or 0

    def _sleep(self, asleep: socket.socket) -> None:
        """Until a worker pulses or ends, a signal comes, or something else is due."""
        now = time.monotonic()
        events = self._selector.select(min([TICK_SECS, *(max(0.0, due - now) for due in self._due.values())]))
        now = time.monotonic()
        if now - self._awake > STOPPED_SECS:
            for worker in self._all:
                worker.shift(now - self._awake)
        self._awake = now
        for key, _ in events:
            if key.data is None:
                with suppress(BlockingIOError):
                    while asleep.recv(4096):
                        pass
            else:
                self._hear(key.data, now)

    def _hear(self, worker: Worker, now: float) -> None:
        try:
            pulses = worker.pulses.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            pulses = b""
        if not pulses:
            self._selector.unregister(worker.pulses)
            return  # it is ending; should it not, it has no pulse
        if not worker.serves:
            log.info("%s serves, %.1f s after its start", worker, now - worker.started)
            if self._draining:
                worker.process.send_signal(signal.SIGUSR1)
            if not self._has_served:
                self._has_served = True
                self._due |= {number: now for number in range(2, self._plan.workers + 1)}
        worker.pulsed = now
        worker.ready = worker.ready or READY in pulses

    def _take_signal(self, number: int) -> None:
        if number == signal.SIGHUP and self._at_a_terminal and not os.isatty(0):
            number = signal.SIGTERM
        if number in (signal.SIGTERM, signal.SIGINT):
            self._stops += 1
            if self._stops == 2:
                self._killing = time.monotonic() + FORCED_SECS
            self._due.clear()
            self._to_replace.clear()
            for worker in self._all:
                with suppress(OSError):
                    worker.pulses.send(STOP)
                worker.process.send_signal(number)
        elif number in (signal.SIGUSR1, signal.SIGUSR2) and not self._stops:
            self._draining = number == signal.SIGUSR1
            # Before it serves, a worker does not know these signals, and would end by them
            for worker in self._all:
                if worker.serves:
                    worker.process.send_signal(number)
        elif number == signal.SIGHUP and not self._stops:
            log.info("The workers are replaced, one after the other")
            self._draining = False
            self._early.clear()
            self._due = dict.fromkeys(self._due, 0)
            self._to_replace.extend(
                number for number in range(1, self._plan.workers + 1) if number not in self._to_replace
            )

    def _bury(self) -> None:
        for worker in self._all:
            if worker.process.poll() is not None:
                with suppress(KeyError):
                    self._selector.unregister(worker.pulses)
                worker.pulses.close()
                self._forget_metrics(worker)
                self._go_on_without(worker)

    def _forget_metrics(self, worker: Worker) -> None:
        """Take out what a worker said of its present state; what it has counted stays in the sums of all.

        Source: prometheus_client/multiprocess.py, mark_process_dead; this process is to do without packages.
        """
        if self._plan.metrics:
            for file in Path(self._plan.metrics).glob(f"gauge_live*_{worker.process.pid}.db"):
                file.unlink(missing_ok=True)

    def _go_on_without(self, worker: Worker) -> None:
        how = _ending(worker.process.returncode)
        if worker in self._leaving:
            self._leaving.remove(worker)
            log.info("%s has left", worker)
            return
        if worker is self._successor:
            self._successor = None
        else:
            del self._current[worker.number]
        if self._stops or self._status is not None:
            return
        if worker.number in self._current:
            self._to_replace.clear()
            log.error("%s %s before it was ready: the others stay as they are", worker, how)
            return
        if self._successor is not None and self._successor.number == worker.number:
            self._current[worker.number], self._successor = self._successor, None
            log.error("%s %s: its successor is there already", worker, how)
            return
        if not self._has_served and worker.process.returncode == USAGE_ERROR:
            self._status = USAGE_ERROR  # it has said why
            return
        lived = time.monotonic() - worker.started
        early = self._early.get(worker.number, 0) + 1 if lived < EARLY_SECS or not worker.serves else 0
        if not self._has_served and early == TRIES:
            log.error("No worker comes up (%d tries): the lines above say why", TRIES)
            self._status = 1
            return
        self._start_later(worker.number, early, f"{worker} {how}")

    def _start_later(self, number: int, early: int, why: str) -> None:
        self._early[number] = early
        pause = PAUSES_SECS[min(max(early - 1, 0), len(PAUSES_SECS) - 1)]
        self._due[number] = time.monotonic() + pause
        log.error("%s: another one is started %s", why, f"in {pause} s" if pause else "at once")

    def _watch(self) -> None:
        now = time.monotonic()
        for worker in self._all:
            if self._killing is not None and now > self._killing:
                worker.process.send_signal(signal.SIGKILL)
            elif worker.aborted is not None:
                if now > worker.aborted + ABORT_SECS:
                    worker.process.send_signal(signal.SIGKILL)
            elif self._plan.watchdog_secs:
                limit = self._plan.watchdog_secs if worker.serves else START_SECS
                if now - (worker.pulsed or worker.started) > limit:
                    log.error("%s has given no sign of life for %g s: it is ended", worker, limit)
                    worker.aborted = now
                    worker.process.send_signal(signal.SIGABRT)

    def _replace_next(self) -> None:
        successor = self._successor
        if successor is not None:
            if successor.ready:
                leaving = self._current[successor.number]
                self._current[successor.number], self._successor = successor, None
                log.info("%s is ready, and its predecessor leaves", successor)
                self._leave(leaving)
            elif time.monotonic() - successor.started > READY_SECS:
                log.error("%s is not ready after %d s: the others stay as they are", successor, READY_SECS)
                self._to_replace.clear()
                self._leave(successor)
                self._successor = None
        elif self._to_replace and not self._leaving:
            number = self._to_replace.popleft()
            if number in self._current:  # else it is about to be started anew in any case
                try:
                    self._successor = self._started(number, checked=False)
                except OSError as error:
                    log.error("No process can be started (%s): the workers stay as they are", error.strerror)
                    self._to_replace.clear()

    def _leave(self, worker: Worker) -> None:
        """Have a worker finish its calls and end; others have the port."""
        self._leaving.append(worker)
        try:
            worker.pulses.send(LEAVE)
        except OSError:
            worker.process.send_signal(signal.SIGTERM)

    def _start_due(self) -> None:
        now = time.monotonic()
        for number in [number for number, due in self._due.items() if due <= now]:
            del self._due[number]
            try:
                self._current[number] = self._started(number, checked=True)
            except OSError as error:
                early = self._early.get(number, 0) + 1
                self._start_later(number, early, f"No process can be started ({error.strerror})")

    def _started(self, number: int, *, checked: bool) -> Worker:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        first = number == 1 and not self._has_served
        post = Post(number, self._plan.listener, theirs.fileno(), first, checked, self._plan.settings)
        try:
            with theirs:
                # A process group of its own: Ctrl-C in a terminal comes to the parent alone, which passes it on once
                process = subprocess.Popen(
                    [*self._plan.command, json.dumps(asdict(post))],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(self._plan.listener, theirs.fileno()),
                    process_group=0,
                )
        except OSError:
            ours.close()
            raise
        worker = Worker(number, process, ours)
        self._selector.register(ours, selectors.EVENT_READ, worker)
        return worker


def _ending(status: int) -> str:
    names = {number.value: number.name for number in signal.Signals}
    return f"has ended with status {status}" if status >= 0 else f"was ended by {names.get(-status, -status)}"


def main(arguments: Sequence[str]) -> int:
    """Run as the parent: the one argument is a `Plan` as JSON. Returns the exit status."""
    plan = Plan(**json.loads(arguments[0]))
    logging.raiseExceptions = False  # a log that nobody takes any more is no reason to complain in it
    logging.basicConfig(
        format="%(asctime)s.%(msecs)03d | %(levelname)-8s | %(name)s - %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
        level=plan.log_level,
    )
    return Workers(plan).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
