"""The real server as a process of its own, with the voice and the model of `tests.talking_bot`.

`python -m tests.quick_server`; the settings are in the environment. Without `QUICK_SERVER_TALKS` it is not to talk, and
loads nothing before it serves.
"""

from __future__ import annotations

import os
import socket
from unittest.mock import patch

from conversation import pipeline
from server import create_app, uvicorn_config
from settings import load_settings
from tests.talking_bot import Beeps, Deaf, Reply, Script
from web.stopping import StoppingServer


def answers(words: str) -> list[Reply]:
    """Say goodbye after the key 2."""
    return [("end_call", {"farewell": "Bye."})] if "2" in words else ["Anything else?"]


async def load_nothing() -> None:
    """Be ready at once."""


def main() -> None:
    """Serve until told to stop."""
    with (
        patch.object(pipeline.services, "build_stt", lambda *_: Deaf()),
        patch.object(pipeline.services, "build_llm", lambda *_, **__: Script(answers, [])),
        patch.object(pipeline.services, "build_tts", lambda *_: Beeps()),
        socket.create_server(("127.0.0.1", int(os.environ["PORT"]))) as listener,
    ):
        app = create_app(
            load_settings(), warm_up=None if os.environ.get("QUICK_SERVER_TALKS") else load_nothing
        )
        StoppingServer(uvicorn_config(app), app.state.service.drain).run(sockets=[listener])


if __name__ == "__main__":
    main()
