"""The load generator, a process of its own: `python -m bench.load --url ws://127.0.0.1:7860/ws --calls 20`.

It opens one media socket for each call, as a carrier does, and says 20 ms on each of them every 20 ms. Calls are not in
step: their frames are spread over ten moments of those 20 ms. It prints `up` when all calls are up and `done` when it
has measured, waits for a line before it hangs up, and writes its figures to a file, for `bench.runs`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    from environment import need_packages

    need_packages()

import uvloop

from bench.caller import TURNS, Caller
from bench.recordings import Recordings
from emulator.carriers import CARRIERS
from emulator.errors import ModelsMissing
from emulator.legs.stream import StreamRefused
from emulator.line.codecs import FRAME_MS

SLOTS = 10
SLOT_SECS = FRAME_MS / SLOTS / 1000


class Load:
    """Calls that have begun, and the clock that steps them."""

    def __init__(self) -> None:
        """Nobody calls yet."""
        self.callers: list[Caller] = []
        self.late_ms: list[float] = []
        self._slots: list[list[Caller]] = [[] for _ in range(SLOTS)]
        self._tasks: dict[asyncio.Task[None], Caller] = {}

    def place(self, caller: Caller) -> None:
        """Let one more call begin."""
        # Three steps on: neighbours in time are no neighbours among the callers.
        self._slots[len(self.callers) * 3 % SLOTS].append(caller)
        self.callers.append(caller)
        self._tasks[asyncio.create_task(caller.run())] = caller

    def forget_lateness(self) -> None:
        """What was late until now was before the measurement."""
        self.late_ms.clear()

    async def keep_time(self) -> None:
        """Step the calls until cancelled; a frame that is late is sent at once."""
        loop = asyncio.get_running_loop()
        due, slot = loop.time(), 0
        while True:
            wait = due - loop.time()
            await asyncio.sleep(max(0.0, wait))
            if self._slots[slot]:
                self.late_ms.append(max(0.0, (loop.time() - due) * 1000))
            for caller in self._slots[slot]:
                caller.step()
            due += SLOT_SECS
            slot = (slot + 1) % SLOTS

    async def hang_up(self) -> None:
        """End all calls, and write down what went wrong with them."""
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        for caller, result in zip(self._tasks.values(), results, strict=True):
            if isinstance(result, Exception):
                what = str(result) if isinstance(result, StreamRefused) else repr(result)
                caller.figures.problems.append(what)


async def generate(options: argparse.Namespace) -> dict[str, object]:
    """Place the calls, and return what they have measured."""
    recordings = Recordings()
    load = Load()
    turns = () if options.listen else TURNS
    clock = asyncio.create_task(load.keep_time())
    for number in range(options.calls):
        url = options.url[number % len(options.url)]
        load.place(Caller(options.first + number, options.carrier, url, recordings, turns))
        await asyncio.sleep(options.ramp_secs)
    load.forget_lateness()
    used = time.process_time()
    print("up", flush=True)
    await asyncio.wait([clock], timeout=options.secs)
    if clock.done():
        clock.result()
    used = time.process_time() - used
    print("done", flush=True)
    # The other side is looked at while all calls are up.
    await asyncio.to_thread(sys.stdin.readline)
    clock.cancel()
    await load.hang_up()
    return {
        "calls": [caller.figures.as_dict() for caller in load.callers],
        "late_ms": [round(late, 1) for late in load.late_ms],
        "cpu_secs": used,
        "secs": options.secs,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Generate load."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--url", action="append", required=True, help="the bot's media socket; several in turn"
    )
    parser.add_argument("--carrier", choices=tuple(CARRIERS), default="twilio")
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--secs", type=float, default=25.0, help="after the last call has begun")
    parser.add_argument("--ramp-secs", type=float, default=0.25, help="from one call's beginning to the next")
    parser.add_argument("--first", type=int, default=0, help="the number of the first caller")
    parser.add_argument("--out", type=Path, required=True, help="where the figures are written, as JSON")
    parser.add_argument("--listen", action="store_true", help="callers say nothing")
    options = parser.parse_args(arguments)
    try:
        # Half the processor time of asyncio's own loop: the machine has few cores, and the bot wants them.
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures = runner.run(generate(options))
    except ModelsMissing as error:
        print(error, file=sys.stderr)
        return 2
    options.out.write_text(json.dumps(figures), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
