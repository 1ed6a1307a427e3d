"""The server under test: how it is started for a story, and how a story finds it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from emulator.errors import EmulatorError
from emulator.served import ServedBot
from emulator.stories.story import Story

STORY_VARIABLE = "STORY"
"""The variable that tells a server which story is played: the path of its file, for bots with a part in it."""


@dataclass(frozen=True)
class Scene:
    """What a server is started for.

    Attributes:
        story: The story.
        carrier: On which it is played.
        environment: The variables that the server needs, besides those of its address.
        directory: For the server's output; it is there.
    """

    story: Story
    carrier: str
    environment: dict[str, str] = field(repr=False)
    directory: Path


Server = Callable[[Scene], AbstractAsyncContextManager[str]]
"""Starts the server for a story and gives its base URL; when the context is left it has stopped."""


def command_server(command: str) -> Server:
    """A server that is started by a command on a free port of this machine.

    It is told PORT and PUBLIC_URL, and is ready when `GET /readyz` answers.
    """

    @asynccontextmanager
    async def serve(scene: Scene) -> AsyncIterator[str]:
        port = _free_port()
        base = f"http://127.0.0.1:{port}"
        environment = scene.environment | {"PORT": str(port), "PUBLIC_URL": base, "PYTHONUNBUFFERED": "1"}
        served = ServedBot(command, base, environment, scene.directory / "server.log")
        await served.start()
        try:
            await served.wait_until_ready(lambda _: None)
            yield base
        finally:
            await served.stop()

    return serve


def running_server(base: str) -> Server:
    """A server that runs already; a story cannot configure it."""

    @asynccontextmanager
    async def serve(scene: Scene) -> AsyncIterator[str]:
        if scene.story.agent is not None or scene.story.settings:
            raise EmulatorError(
                f"{scene.story.file}: `agent` and `settings` need a server that is started for the story: "
                'give --serve "python server.py" instead of --url'
            )
        yield base

    return serve


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
