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

    def let_in(self, request: web.Request) -> None:
        """Look at the API key of a request.

        Raises:
            CommandRefused: It is not the account's.
        """
        expected = f"Bearer {self._credentials.telnyx_api_key}"
        if not hmac.compare_digest(request.headers.get("Authorization", "").encode(), expected.encode()):
            raise CommandRefused("10009", "The API key is not valid")

    async def _status(self, request: web.Request) -> web.Response:
        call = self._exchange.find(request.match_info["call"])
        self.let_in(request)
        if call is None:
            raise CommandRefused("10005", "The requested call does not exist")
        return web.json_response({"data": status(call.leg)})

    async def _dial(self, request: web.Request) -> web.Response:
        self.let_in(request)
        if self._control is None:
            raise CommandRefused("10005", "The requested resource does not exist")
        body = await object_of(request)
        reply = await self._control.dial(body)
        return web.json_response(reply.body, status=reply.status)

    async def _action(self, request: web.Request) -> web.Response:
        call, action = self._exchange.find(request.match_info["call"]), request.match_info["action"]
        self.let_in(request)
        body = await object_of(request)
        if self._control is not None and isinstance(call, ControlledCall):
            reply = await self._control.command(call, action, body)
            return web.json_response(reply.body, status=reply.status)
        command_id = str(body.get("command_id") or "")
        if command_id and (earlier := self._earlier(command_id)) is not None:
            return web.Response(status=earlier.status, text=earlier.text, content_type="application/json")
        try:
            await _command(call, action, body)
            response = web.json_response({"data": {"result": "ok"}})
        except CommandRefused as refused:
            response = refused.response()
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


async def object_of(request: web.Request) -> dict[str, Any]:
    """The JSON object of a request.

    Raises:
        CommandRefused: The body is something else.
    """
    body = await json_body(request)
    if body is None:
        raise CommandRefused("10015", "The request body is not a JSON object")
    return body


def violated(found: Violation) -> CommandRefused:
    """A value is not as documented."""
    return CommandRefused(found.code, str(found), f"/{found.parameter}")


async def _command(call: Call | None, action: str, body: dict[str, Any]) -> None:
    """A command for a TeXML call. That others than `hangup` are taken is not documented."""
    if call is None:
        raise CommandRefused("90015", "The call control id is not one of this account")
    if call.leg.ended:
        raise CommandRefused("90018")
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
        raise CommandRefused("10005", f"The emulator does not know the command {action[:40]!r}")
