"""The strangers' process: `python -m attack.strangers` reads what they know and writes what the server gave them."""

from __future__ import annotations

import argparse
import json
import socket
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from attack.drawn import draw_tries
from attack.knowledge import Knowledge
from attack.raw_requests import Try, statuses
from attack.tries import Tries

AT_ONCE = 4
DRAWN = 0.4
"""The part of the tries that Hypothesis draws."""

SILENT = 40
"""Connections that say nothing, all along."""

MAX_EXAMPLES = 8


class Outcome:
    """What the server answered to the tries. Safe to use from several threads."""

    def __init__(self, port: int, rate: float):
        self.tried: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.examples: list[str] = []
        self._port = port
        self._lock = threading.Lock()
        self._every_secs = 1 / rate
        self._next = time.monotonic()

    def send(self, attempt: Try) -> None:
        """Send a try when its time has come, and judge the answer."""
        with self._lock:
            due = self._next = max(self._next + self._every_secs, time.monotonic() - 1)
        time.sleep(max(0.0, due - time.monotonic()))
        answers = statuses(self._port, attempt)
        with self._lock:
            self.tried[attempt.kind] += 1
            if any(status == 101 or 200 <= status < 300 for status in answers) and not attempt.public:
                self.accepted[attempt.kind] += 1
                self._example("accepted", answers, attempt)
            if any(status >= 500 for status in answers):
                self.failed[attempt.kind] += 1
                self._example("failed", answers, attempt)

    def _example(self, what: str, answers: list[int], attempt: Try) -> None:
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(f"{what} {answers}: {attempt.data[:700]!r}")


def main() -> int:
    """Try; the last line of the output is one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m attack.strangers", description=__doc__)
    parser.add_argument("--tries", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True, help="tries a second at most")
    arguments = parser.parse_args()
    known = Knowledge.from_json(sys.stdin.read())
    outcome = Outcome(known.port, arguments.rate)
    silent = [socket.create_connection(("127.0.0.1", known.port)) for _ in range(SILENT)]
    drawn = int(arguments.tries * DRAWN)
    by_hand = iter(Tries(arguments.seed, known))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        drawing = pool.submit(draw_tries, arguments.seed, drawn, outcome.send)
        sent = [pool.submit(outcome.send, next(by_hand)) for _ in range(arguments.tries - drawn)]
        for one in [drawing, *sent]:
            one.result()
    while sum(outcome.tried.values()) < arguments.tries:  # Hypothesis draws none twice, and may have run out
        outcome.send(next(by_hand))
    for connection in silent:
        connection.close()
    print(
        json.dumps(
            {
                "tried": dict(outcome.tried),
                "accepted": dict(outcome.accepted),
                "failed": dict(outcome.failed),
                "examples": outcome.examples,
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
