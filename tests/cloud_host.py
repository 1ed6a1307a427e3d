"""A host like Pipecat Cloud for whole stories: the base application, and sessions that share no memory."""

from __future__ import annotations

import os
import socket
from contextvars import ContextVar
from types import ModuleType
from typing import Any
from unittest.mock import patch

import uvicorn
from fastapi import FastAPI

import bot
from calls.store import CallStore
from server import uvicorn_config
from tests.base_application import base_application

_sessions_store: ContextVar[CallStore] = ContextVar("store")


def cloud_host() -> FastAPI:
    """The host of our bot, each of whose sessions remembers its own call only."""
    module = ModuleType("bot")

    async def one_session(arguments: Any) -> None:
        # In the cloud each session is a process on some machine.
        _sessions_store.set(CallStore())
        await bot.bot(arguments)

    module.bot, module.readyz = one_session, bot.readyz  # type: ignore[attr-defined]
    return base_application(module)


def serve() -> int:
    """Serve at `PORT` until told to stop."""
    with (
        patch.object(bot, "default_store", lambda *_: _sessions_store.get()),
        socket.create_server(("127.0.0.1", int(os.environ["PORT"]))) as listener,
    ):
        uvicorn.Server(uvicorn_config(cloud_host())).run(sockets=[listener])
    return 0
