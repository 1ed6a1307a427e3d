"""A host like Pipecat Cloud: media sockets at `/ws` and nothing else, and sessions that share no memory."""

from __future__ import annotations

import os
import socket
from contextvars import ContextVar
from unittest.mock import patch

import uvicorn
from fastapi import FastAPI, WebSocket
from pipecat.runner.types import WebSocketRunnerArguments

import bot
from calls.store import CallStore
from server import uvicorn_config

_sessions_store: ContextVar[CallStore] = ContextVar("store")


def cloud_host() -> FastAPI:
    """The host; `GET /readyz` is there for who starts it."""
    app = FastAPI()

    @app.get("/readyz")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.websocket("/ws")
    async def media(websocket: WebSocket) -> None:
        await websocket.accept()
        # In the cloud each session is a process on some machine.
        _sessions_store.set(CallStore())
        await bot.bot(WebSocketRunnerArguments(websocket=websocket, body={}))

    return app


def serve() -> int:
    """Serve at `PORT` until told to stop."""
    with (
        patch.object(bot, "default_store", lambda *_: _sessions_store.get()),
        socket.create_server(("127.0.0.1", int(os.environ["PORT"]))) as listener,
    ):
        uvicorn.Server(uvicorn_config(cloud_host())).run(sockets=[listener])
    return 0
