"""People who look at the console's page of live calls and listen in, a process of its own: `python -m bench.viewers`.

It reads words from its standard input, and answers each with the same word when it is done: `on` has all of them come,
`off` has them go. At the end of its input it prints what they have got, as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

if __name__ == "__main__":
    from environment import need_packages

    need_packages()

import aiohttp

COME_SECS = 10.0
"""How long all of them may take to get the first of what they came for."""


@dataclass
class People:
    """Those who look on.

    Parameters:
        url: The server.
        key: A key of its API.
        viewers: How many look at the page of live calls.
        listeners: How many listen in; two of them to the same call.
        got: What they have got: events of the page, messages with sound, and the bytes of each.
    """

    url: str
    key: str
    viewers: int
    listeners: int
    got: Counter[str] = field(default_factory=Counter)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _came: int = 0

    async def come(self) -> None:
        """Have all of them come.

        Raises:
            RuntimeError: They get nothing.
        """
        headers = {"Authorization": f"Bearer {self.key}"}
        self._http = aiohttp.ClientSession(
            self.url, headers=headers, timeout=aiohttp.ClientTimeout(total=None)
        )
        async with self._http.get("/calls", params={"live": "true", "limit": "100"}) as answer:
            calls = [call["id"] for call in (await answer.json())["calls"] if call["state"] == "in_progress"]
        if not calls and self.listeners:
            raise RuntimeError("nobody is on the line who could be listened to")
        heard = [calls[max(0, place - 1) % len(calls)] for place in range(self.listeners)]
        coming = [self._look() for _ in range(self.viewers)] + [self._listen(one) for one in heard]
        self._came = 0
        self._tasks = [asyncio.create_task(one) for one in coming]
        try:
            async with asyncio.timeout(COME_SECS):
                while self._came < len(self._tasks):
                    for task in self._tasks:
                        if task.done():
                            task.result()
                            raise RuntimeError("somebody who looks on was sent away")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise RuntimeError("not all who look on have got something") from None

    async def go(self) -> None:
        """Have all of them go.

        Raises:
            RuntimeError: Some have gone by themselves.
        """
        gone = sum(task.done() for task in self._tasks)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.close()
        self._tasks = []
        if gone:
            raise RuntimeError(f"{gone} of those who look on were sent away")

    async def _look(self) -> None:
        async with self._http.get("/console/live/feed") as answer:
            answer.raise_for_status()
            first = True
            async for line in answer.content:
                self._came, first = self._came + first, False
                self.got["events"] += not line.strip()
                self.got["event_bytes"] += len(line)

    async def _listen(self, call: str) -> None:
        async with self._http.ws_connect(f"/calls/{call}/listen") as socket:
            first = True
            async for message in socket:
                if message.type is aiohttp.WSMsgType.BINARY:
                    self._came, first = self._came + first, False
                    self.got["sounds"] += 1
                    self.got["sound_bytes"] += len(message.data)


async def attend(people: People) -> None:
    """Do what the standard input says, to its end."""
    while word := (await asyncio.to_thread(sys.stdin.readline)).strip():
        await (people.come() if word == "on" else people.go())
        print(word, flush=True)
    print(json.dumps(people.got), flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Look on."""
    parser = argparse.ArgumentParser(prog="python -m bench.viewers", description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True, help="the server, such as http://127.0.0.1:7860")
    parser.add_argument("--key", required=True, help="a key of its API")
    parser.add_argument("--viewers", type=int, default=10)
    parser.add_argument("--listeners", type=int, default=4)
    options = parser.parse_args(arguments)
    try:
        asyncio.run(attend(People(options.url, options.key, options.viewers, options.listeners)))
    except (RuntimeError, aiohttp.ClientError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
