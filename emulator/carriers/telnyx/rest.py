"""Telnyx's REST interface to commands: Call Control (`control.call_control`), also to end a TeXML call.

What a request may have is in the table `telnyx_call_control` of `emulator.facts`. Sources of the rest: Telnyx docs,
call commands, API error codes (90015, 90018, 10005, 10009), "duplicate command_id within 60 s is ignored"; the shapes
of the answers are those of Telnyx's API schema.
"""

from __future__ import annotations

import hmac
import time
from typing import Any

from aiohttp import web

from emulator.carriers.credentials import Credentials
from emulator.carriers.telnyx.control.call_control import CallControl
from emulator.carriers.telnyx.control.command_errors import CommandRefused
from emulator.carriers.telnyx.control.controlled_call import ControlledCall
from emulator.carriers.telnyx.control.orders import COMMANDS as DOCUMENTED
from emulator.carriers.telnyx.control.orders import check, digits_of
from emulator.carriers.telnyx.control.payloads import status
from emulator.carriers.telnyx.control.recording_commands import COMMANDS
from emulator.facts import Violation
from emulator.legs.call import Call
from emulator.legs.exchange import Exchange
from emulator.rest.fields import json_body

COMMAND_MEMORY_SECS = 60.0


class TelnyxRest:
    """The routes.

    Args:
        credentials: Whose requests are taken.
        exchange: The network's inside.
        control: Call Control's legs; None where it is not offered.
    """

    def __init__(
        self,
        credentials: Credentials,
        exchange: Exchange,
        control: CallControl | None = None,
    ) -> None:
        """Serve nothing yet."""
        self._control = control
        self._credentials = credentials
        self._exchange = exchange
        self._commands: dict[str, tuple[float, web.Response]] = {}

    def routes(self) -> list[web.RouteDef]:
        """The routes, for the aiohttp application."""
        return [
            web.post("/v2/calls", self._dial),
            web.get("/v2/calls/{call}", self._status),
            web.post("/v2/calls/{call}/actions/{action}", self._action),
            web.put("/v2/calls/{call}/actions/{action}", self._action),
        ]

    def bearer(self, request: web.Request) -> bool:
        """Whether the request has the account's API key."""
        expected = f"Bearer {self._credentials.telnyx_api_key}"
        return hmac.compare_digest(request.headers.get("Authorization", "").encode(), expected.encode())

    async def _status(self, request: web.Request) -> web.Response:
        call = self._exchange.find(request.match_info["call"])
        if not self.bearer(request):
            return unauthorized()
        if call is None:
            return error(404, "10005", "Resource not found", "The requested call does not exist")
        return web.json_response({"data": status(call.leg)})

    async def _dial(self, request: web.Request) -> web.Response:
        if not self.bearer(request):
            return unauthorized()
        if self._control is None:
            return error(404, "10005", "Resource not found", "The requested resource does not exist")
        body = await json_body(request)
        if body is None:
            return error(400, "10015", "Bad Request", "The request body is not a JSON object")
        reply = await self._control.dial(body)
        return web.json_response(reply.body, status=reply.status)

    async def _action(self, request: web.Request) -> web.Response:
        call, action = self._exchange.find(request.match_info["call"]), request.match_info["action"]
        if not self.bearer(request):
            return unauthorized()
        body = await json_body(request)
        if body is None:
            return error(400, "10015", "Bad Request", "The request body is not a JSON object")
        if self._control is not None and isinstance(call, ControlledCall):
            reply = await self._control.command(call, action, body)
            return web.json_response(reply.body, status=reply.status)
        command_id = str(body.get("command_id") or "")
        if command_id and (earlier := self._earlier(command_id)) is not None:
            return web.Response(status=earlier.status, text=earlier.text, content_type="application/json")
        response = await _command(call, action, body)
        if command_id:
            self._commands[command_id] = (time.monotonic(), response)
        return response

    def _earlier(self, command_id: str) -> web.Response | None:
        """The answer to the same command within 60 s; that the first answer is given again is not documented."""
        now = time.monotonic()
        self._commands = {
            key: kept for key, kept in self._commands.items() if now - kept[0] < COMMAND_MEMORY_SECS
        }
        kept = self._commands.get(command_id)
        return None if kept is None else kept[1]


def error(status: int, code: str, title: str, detail: str) -> web.Response:
    """An error as Telnyx answers it."""
    url = f"https://developers.telnyx.com/docs/overview/errors/{code}"
    body = {"code": code, "title": title, "detail": detail, "meta": {"url": url}}
    return web.json_response({"errors": [body]}, status=status)


def violated(found: Violation) -> web.Response:
    """A value is not as documented."""
    refused = CommandRefused(found.code, str(found), f"/{found.parameter}")
    return web.json_response(refused.body(), status=refused.status)


def unauthorized() -> web.Response:
    """The key is not the account's."""
    return error(401, "10009", "Authentication failed", "The API key is not valid")


def ended_already() -> web.Response:
    """The call takes no commands any more."""
    detail = "This call is no longer active and can't receive commands."
    return error(422, "90018", "Call has already ended", detail)


async def _command(call: Call | None, action: str, body: dict[str, Any]) -> web.Response:
    """A command for a TeXML call. That others than `hangup` are taken is not documented."""
    if call is None:
        return error(
            422, "90015", "Invalid Call Control ID", "The call control id is not one of this account"
        )
    if call.leg.ended:
        return ended_already()
    try:
        if action in DOCUMENTED:
            check(action, body)
            for name in DOCUMENTED[action].unknown(body):
                call.fail(f"{action} has no parameter {name[:40]}: it has no effect")
        if action == "hangup":
            call.hang_up("bot", "hang-up by REST")
        elif action == "send_dtmf" and call.leg.answered_at is not None:
            call.watch(call.line_verbs.play_keys(digits_of(body)[0]))
        elif action in COMMANDS:
            await COMMANDS[action](call, body)
        else:
            detail = f"The emulator does not know the command {action[:40]!r}"
            return error(404, "10005", "Resource not found", detail)
    except CommandRefused as refused:
        return web.json_response(refused.body(), status=refused.status)
    return web.json_response({"data": {"result": "ok"}})
