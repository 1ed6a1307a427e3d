"""The HTTP side of a bot on Pipecat Cloud, by the rules of its base image.

* `/ws` accepts, decodes `?body=` (base64 of JSON of any kind; None without one, and when it cannot be decoded, with a
  line in the log) and calls `bot()` with `pipecatcloud`'s own arguments. What is not ASCII is decoded by nobody: that
  error ends the connection. When the bot is done, nothing is closed here.
* `/bot` starts a session without a socket: of a Daily room, when both headers name it, else a bare one.
* The session's id is the header `x-daily-session-id`, or None.
* An exception of the bot is a line in the log with its text; the answer of `/bot` is `{}` all the same.
* `/readyz` asks the bot's module, which answers with a bool or with an object that has `ready`.

Not here: `/api/offer` and `/whatsapp` (the image has them where aiortc is installed), observers of pipelines, a stop
that waits for sessions.

Source: daily-co/pipecat-cloud-images, pipecat-base/app.py 0.1.19, the newest version whose source was at hand; the
Dockerfile names a newer image, whose application is untried.

It knows nothing of the project but the module `bot`, so it also runs alone beside an unpacked one: `python app.py`.
"""

from __future__ import annotations

import base64
import binascii
import inspect
import json
import os
import sys
from types import ModuleType
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse
from loguru import logger
from pipecatcloud.agent import (
    DailySessionArguments,
    PipecatSessionArguments,
    SessionArguments,
    WebSocketSessionArguments,
)

SESSION_ID_HEADER = "x-daily-session-id"


def base_application(bot_module: ModuleType) -> FastAPI:
    """The application around a module with `bot(arguments)`, and perhaps with `readyz()`."""
    app = FastAPI()

    @app.get("/livez")
    async def alive() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    async def ready() -> JSONResponse:
        state = await _readiness(getattr(bot_module, "readyz", lambda: True))
        if isinstance(state, bool):
            return JSONResponse({"status": "ok" if state else "not ready"}, 200 if state else 503)
        return JSONResponse(state, 200 if state.get("ready") else 503)

    async def run(arguments: SessionArguments) -> None:
        with logger.contextualize(session_id=arguments.session_id):
            try:
                await bot_module.bot(arguments)
            except Exception as error:
                logger.error(f"Exception running bot(): {error}")

    @app.post("/bot")
    async def session(request: Request, body: dict[str, Any]) -> dict[str, Any]:
        headers = request.headers
        session_id, room = headers.get(SESSION_ID_HEADER), headers.get("x-daily-room-url")
        arguments: SessionArguments
        if room and (token := headers.get("x-daily-room-token")):
            arguments = DailySessionArguments(session_id=session_id, room_url=room, token=token, body=body)
        else:
            arguments = PipecatSessionArguments(session_id=session_id, body=body)
        await run(arguments)
        return {}

    @app.websocket("/ws")
    async def media(websocket: WebSocket) -> None:
        await websocket.accept()
        session_id = websocket.headers.get(SESSION_ID_HEADER)
        arguments = WebSocketSessionArguments(
            session_id=session_id, websocket=websocket, body=decoded_body(websocket.query_params.get("body"))
        )
        await run(arguments)

    return app


def decoded_body(encoded: str | None) -> Any:
    """What the bot gets as `body`: whatever JSON it is, or None."""
    if not encoded:
        return None
    try:
        return json.loads(base64.b64decode(encoded).decode("utf-8"))
    except (binascii.Error, UnicodeDecodeError, json.JSONDecodeError) as error:
        logger.error(f"Failed to decode body parameter: {error}")
        return None


async def _readiness(readyz: Any) -> bool | dict[str, Any]:
    try:
        state = readyz()
        state = await state if inspect.isawaitable(state) else state
    except Exception as error:
        return {"ready": False, "error": str(error)}
    return (
        state
        if isinstance(state, (bool, dict))
        else {"status": "error", "error": "invalid readyz return type"}
    )


if __name__ == "__main__":
    import bot

    logger.remove()
    logger.add(sys.stderr, level=os.environ.get("PIPECAT_LOG_LEVEL", "DEBUG").upper())
    # The image listens on all addresses.
    uvicorn.run(
        base_application(bot), host="127.0.0.1", port=int(os.environ.get("PORT", "8080")), log_level="warning"
    )
