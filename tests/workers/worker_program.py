"""A worker that starts in a moment, answers each request with what it is, and misbehaves as a test wants it to.

Its first argument is a folder. A file `exit` in it has the status with which it ends at its start, a file `unready`
keeps it from being ready. `GET /hang` stops its event loop, `GET /slow` takes two seconds, `GET /stubborn` has it
ignore SIGTERM.
"""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

from deployment.pulse import pulsing, take_post


def hang() -> None:
    time.sleep(60)


async def main(folder: Path, text: str) -> None:
    post = take_post(text)
    if (folder / "exit").exists():
        print("the settings are wrong", file=sys.stderr)
        sys.exit(int((folder / "exit").read_text()))
    asked: list[str] = []
    stopping = asyncio.Event()
    running: set[asyncio.Task[None]] = set()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_signal_handler(signal.SIGINT, stopping.set)
    loop.add_signal_handler(signal.SIGUSR1, asked.append, "drain")
    loop.add_signal_handler(signal.SIGUSR2, asked.append, "take calls")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.add(asyncio.current_task())
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
        if path == b"/hang":
            hang()
        elif path == b"/slow":
            await asyncio.sleep(2)
        elif path == b"/stubborn":
            loop.add_signal_handler(signal.SIGTERM, asked.append, "stop")
        body = json.dumps(
            {
                "pid": os.getpid(),
                "number": post.number,
                "first": post.first,
                "checked": post.checked,
                "settings": post.settings,
                "asked": asked,
            }
        ).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()
        running.discard(asyncio.current_task())

    listener = socket.socket(fileno=post.listener)
    server = await asyncio.start_server(answer, sock=listener)
    async with pulsing(
        post,
        serves=lambda: True,
        is_ready=lambda: not (folder / "unready").exists(),
        let_go=server.close,
        all_stop=lambda: None,
    ):
        await stopping.wait()
        server.close()
        await asyncio.gather(*running)


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
