"""A worker's side of its parent (`deployment/workers.py`): signs of life, and what is done when the parent is gone."""

from __future__ import annotations

import asyncio
import faulthandler
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from loguru import logger

from deployment.workers import LEAVE, READY, SERVING, STOP, Post

PULSE_SECS = 0.5
LOOK_SECS = 0.02


def take_post(text: str) -> Post:
    """Read what the parent says, and keep its file descriptors from programs that this worker starts.

    From now on SIGABRT, which the parent sends to a worker that hangs, writes to stderr where each thread is: names
    of files and functions, and no values.

    Args:
        text: A `Post` as JSON.
    """
    post = Post(**json.loads(text))
    for descriptor in (post.listener, post.parent):
        os.set_inheritable(descriptor, False)
    faulthandler.enable()
    return post


@asynccontextmanager
async def pulsing(
    post: Post,
    *,
    serves: Callable[[], bool],
    is_ready: Callable[[], bool],
    let_go: Callable[[], None],
    all_stop: Callable[[], None],
) -> AsyncIterator[None]:
    """Send pulses from this event loop while the body runs, and end with the parent.

    When another worker takes this one's place, or the parent is gone, this process gives up the port, so that the
    others or the next parent have it, and gets SIGTERM.

    Args:
        post: What the parent said.
        serves: Whether webhooks are answered; before that there are no pulses.
        is_ready: Whether calls would be answered at once.
        let_go: Closes the listening socket.
        all_stop: Called when the parent stops all workers, at about the time of the signal.
    """
    # A task, and not uvicorn's `callback_notify`: that goes by the time of day, which may jump
    loop = asyncio.get_running_loop()
    with socket.socket(fileno=post.parent) as parent:
        parent.setblocking(False)

        def listen_to_parent() -> None:
            try:
                heard = parent.recv(4096)
            except BlockingIOError:
                return
            except OSError:
                heard = b""
            if STOP in heard:
                all_stop()
            if heard and LEAVE not in heard:
                return
            loop.remove_reader(parent)
            if not heard:
                logger.error("The parent process is gone: this worker gives up the port, and ends")
            let_go()
            signal.raise_signal(signal.SIGTERM)

        async def pulse() -> None:
            while not serves():  # noqa: ASYNC110 - uvicorn has an attribute for it and no event
                await asyncio.sleep(LOOK_SECS)
            ready = False
            while True:
                ready = ready or is_ready()
                # A parent that does not read for a while, or is gone, is no reason to stop
                with suppress(OSError):
                    parent.send(READY if ready else SERVING)
                await asyncio.sleep(PULSE_SECS)

        loop.add_reader(parent, listen_to_parent)
        pulses = asyncio.create_task(pulse(), name="pulse")
        try:
            yield
        finally:
            loop.remove_reader(parent)
            pulses.cancel()
