"""The HTTP side of a bot on Pipecat Cloud, by the rules of its base image.

`/ws` accepts, decodes `?body=` or leaves it None, and calls `bot()` with `pipecatcloud`'s own arguments; an exception
of the bot is a line in the log; when the bot is done, nothing is closed here. `/readyz` asks the bot's module.
Source: daily-co/pipecat-cloud-images, pipecat-base/app.py 0.1.19.

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
from fastapi import FastAPI, WebSocket
from fastapi.responses import JSONResponse
from loguru import logger
from pipecatcloud.agent import WebSocketSessionArguments

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
            state = {"status": "ok" if state else "not ready", "ready": state}
        return JSONResponse(state, 200 if state.get("ready") else 503)

    @app.websocket("/ws")
    async def media(websocket: WebSocket) -> None:
        await websocket.accept()
        session_id = websocket.headers.get(SESSION_ID_HEADER)
        arguments = WebSocketSessionArguments(
            session_id=session_id, websocket=websocket, body=decoded_body(websocket.query_params.get("body"))
        )
        with logger.contextualize(session_id=session_id):
            try:
                await bot_module.bot(arguments)
            except Exception as error:
                logger.error(f"Exception running bot(): {error}")

    return app


def decoded_body(encoded: str | None) -> Any:
    """What the bot gets as `body`: whatever JSON it is, or None."""
    if not encoded:
        return None
    try:
        return json.loads(base64.b64decode(encoded).decode("utf-8"))
    except (binascii.Error, ValueError) as error:
        logger.error(f"Failed to decode body parameter: {error}")
        return None


async def _readiness(readyz: Any) -> bool | dict[str, Any]:
    try:
        state = readyz()
        state = await state if inspect.isawaitable(state) else state
    except Exception as error:
        return {"ready": False, "error": str(error)}
    return (
        state if isinstance(state, (bool, dict)) else {"ready": False, "error": "invalid readyz return type"}
    )


if __name__ == "__main__":
    import bot

    logger.remove()
    logger.add(sys.stderr, level=os.environ.get("PIPECAT_LOG_LEVEL", "DEBUG").upper())
    # The image listens on all addresses.
    uvicorn.run(
        base_application(bot), host="127.0.0.1", port=int(os.environ.get("PORT", "8080")), log_level="warning"
    )
