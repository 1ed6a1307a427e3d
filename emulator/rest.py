"""The carriers' REST interfaces on localhost: what is needed to fetch a call, to change it and to end it.

Sources: Twilio docs, voice/api/call-resource, errors 20003, 20404, 21220; Telnyx docs, call commands, TeXML
REST, API error codes (90015, 90018, 10005, 10009), "duplicate command_id within 60 s is ignored".
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import time
from collections.abc import Awaitable, Callable
from email.utils import format_datetime
from typing import Any

from aiohttp import web

from emulator.call import Call
from emulator.credentials import Credentials
from emulator.faults import Faults
from emulator.leg import Leg
from emulator.twilio import API_VERSION

COMMAND_MEMORY_SECS = 60.0
TWIML_PARAMETER_LIMIT = 4000

Find = Callable[[str], Call | None]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RestServer:
    """Both carriers' REST servers on one port.

    Args:
        credentials: Whose requests are taken.
        find: A call by the carrier's id, also for some time after its end.
        port: Port on 127.0.0.1; 0 picks a free one.
        faults: What is to go wrong, and where requests are written down.
    """

    def __init__(
        self, credentials: Credentials, find: Find, *, port: int = 0, faults: Faults | None = None
    ) -> None:
        """Set up the routes; `start` listens."""
        self.port = port
        self._credentials = credentials
        self._find = find
        self._commands: dict[str, tuple[float, web.Response]] = {}
        app = web.Application(middlewares=[(faults or Faults()).rest, self._write_down])
        twilio = f"/{API_VERSION}/Accounts/{{account}}/Calls/{{call}}.json"
        app.router.add_get(twilio, self._twilio)
        app.router.add_post(twilio, self._twilio)
        app.router.add_get("/v2/calls/{call}", self._telnyx_call)
        app.router.add_post("/v2/calls/{call}/actions/{action}", self._telnyx_action)
        app.router.add_get("/v2/texml/Accounts/{account}/Calls/{call}", self._texml)
        app.router.add_post("/v2/texml/Accounts/{account}/Calls/{call}", self._texml)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)

    @property
    def url(self) -> str:
        """Base URL, for example `http://127.0.0.1:9321`."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: The port is taken.
        """
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    @web.middleware
    async def _write_down(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Every request is on its call's timeline; a refusal is an error, unless the call was over already."""
        call = self._find(request.match_info.get("call", ""))
        if call is None:
            return await handler(request)
        what = f"{request.method} {'…'.join(request.path.split(call.leg.call_id))}{await _named(request)}"
        call.timeline.note("rest", what)
        over = call.leg.ended
        response = await handler(request)
        if response.status >= 400:
            detail = response.text if isinstance(response, web.Response) else ""
            text = f"REST {what} -> {response.status} {detail}"
            if over:
                call.timeline.note("rest", text)
            else:
                call.fail(text)
        return response

    # Twilio

    async def _twilio(self, request: web.Request) -> web.Response:
        account = request.match_info["account"]
        call = self._find(request.match_info["call"])
        if not self._basic_auth(request):
            return _twilio_error(401, 20003, "Authenticate")
        if call is None or account != self._credentials.twilio_account_sid or call.leg.account_id != account:
            return _twilio_error(404, 20404, f"The requested resource {request.path} was not found")
        if request.method == "GET":
            return web.json_response(_twilio_call(call.leg))
        return _twilio_update(call, await _form(request))

    def _basic_auth(self, request: web.Request) -> bool:
        scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
        try:
            given = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return False
        known = (
            f"{self._credentials.twilio_account_sid}:{self._credentials.twilio_auth_token}",
            f"{self._credentials.twilio_api_key}:{self._credentials.twilio_api_secret}",
        )
        return scheme.lower() == "basic" and any(
            hmac.compare_digest(given.encode(), pair.encode()) for pair in known
        )

    # Telnyx

    async def _telnyx_call(self, request: web.Request) -> web.Response:
        call = self._find(request.match_info["call"])
        if not self._bearer(request):
            return _telnyx_unauthorized()
        if call is None:
            return _telnyx_error(404, "10005", "Resource not found", "The requested call does not exist")
        return web.json_response({"data": _telnyx_status(call.leg)})

    async def _telnyx_action(self, request: web.Request) -> web.Response:
        call, action = self._find(request.match_info["call"]), request.match_info["action"]
        if not self._bearer(request):
            return _telnyx_unauthorized()
        body = await _json_body(request)
        if body is None:
            return _telnyx_error(400, "10015", "Bad Request", "The request body is not a JSON object")
        command_id = str(body.get("command_id") or "")
        if command_id and (earlier := self._earlier(command_id)) is not None:
            return web.Response(status=earlier.status, text=earlier.text, content_type="application/json")
        response = _telnyx_command(call, action)
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

    async def _texml(self, request: web.Request) -> web.Response:
        call = self._find(request.match_info["call"])
        if not self._bearer(request):
            return _telnyx_unauthorized()
        if call is None or request.match_info["account"] != call.leg.account_id:
            return _telnyx_error(404, "10005", "Resource not found", "The requested call does not exist")
        if request.method == "GET":
            return web.json_response(_texml_call(call.leg))
        return _texml_update(call, await _form(request))

    def _bearer(self, request: web.Request) -> bool:
        expected = f"Bearer {self._credentials.telnyx_api_key}"
        return hmac.compare_digest(request.headers.get("Authorization", "").encode(), expected.encode())


async def _form(request: web.Request) -> dict[str, str]:
    if request.content_type == "application/json":
        return {name: str(value) for name, value in (await _json_body(request) or {}).items()}
    return {name: str(value) for name, value in (await request.post()).items()}


async def _named(request: web.Request) -> str:
    """The fields of a request for the timeline: short values as they are, long ones by their length."""
    if request.method == "GET":
        return ""
    fields = await _form(request)
    return "".join(f" {name}={_shown(fields[name])}" for name in sorted(fields))


def _shown(value: str) -> str:
    return value if len(value) <= 24 else f"({len(value)} characters)"


async def _json_body(request: web.Request) -> dict[str, Any] | None:
    text = await request.text()
    try:
        body = json.loads(text) if text.strip() else {}
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _twilio_error(status: int, code: int, message: str) -> web.Response:
    more_info = f"https://www.twilio.com/docs/errors/{code}"
    return web.json_response(
        {"code": code, "message": message, "more_info": more_info, "status": status}, status=status
    )


def _twilio_update(call: Call, form: dict[str, str]) -> web.Response:
    if call.leg.ended:
        return _twilio_error(400, 21220, "Call is not in-progress. Cannot redirect.")
    status, markup, url = form.get("Status"), form.get("Twiml"), form.get("Url")
    if markup is not None and url is not None:
        return _twilio_error(400, 21218, "Url and Twiml cannot be given together")
    if status == "completed":
        call.hang_up("bot", "hang-up by REST")
    elif status == "canceled":
        if call.leg.answered_at is not None:
            return _twilio_error(400, 21220, "Call is not ringing. Cannot cancel.")
        call.hang_up("bot", "cancelled by REST")
    elif status is not None:
        return _twilio_error(400, 21218, f"Invalid Status: {status[:20]}")
    elif markup is not None:
        if len(markup) > TWIML_PARAMETER_LIMIT:
            return _twilio_error(400, 32018, "Twiml parameter is longer than 4000 characters")
        call.update(markup=markup)
    elif url is not None:
        call.update(url, form.get("Method", "POST"))
    return web.json_response(_twilio_call(call.leg))


def _twilio_call(leg: Leg) -> dict[str, Any]:
    """A call resource; the fields and types of the API's schema."""
    base = f"/{API_VERSION}/Accounts/{leg.account_id}/Calls/{leg.call_id}"

    def date(moment: Any) -> str | None:
        return format_datetime(moment) if moment else None

    return {
        "sid": leg.call_id,
        "account_sid": leg.account_id,
        "api_version": API_VERSION,
        "answered_by": None,
        "caller_name": "",
        "date_created": date(leg.created_at),
        "date_updated": date(leg.ended_at or leg.answered_at or leg.created_at),
        "direction": "inbound",
        "duration": str(leg.duration_secs) if leg.ended else None,
        "end_time": date(leg.ended_at),
        "forwarded_from": None,
        "from": leg.from_number,
        "from_formatted": leg.from_number,
        "group_sid": None,
        "parent_call_sid": None,
        "phone_number_sid": "PN" + "0" * 32,
        "price": None,
        "price_unit": "USD",
        "queue_time": "0",
        "start_time": date(leg.answered_at),
        "status": leg.status,
        "subresource_uris": {"recordings": f"{base}/Recordings.json", "streams": f"{base}/Streams.json"},
        "to": leg.to_number,
        "to_formatted": leg.to_number,
        "trunk_sid": None,
        "uri": f"{base}.json",
    }


def _telnyx_error(status: int, code: str, title: str, detail: str) -> web.Response:
    url = f"https://developers.telnyx.com/docs/overview/errors/{code}"
    error = {"code": code, "title": title, "detail": detail, "meta": {"url": url}}
    return web.json_response({"errors": [error]}, status=status)


def _telnyx_unauthorized() -> web.Response:
    return _telnyx_error(401, "10009", "Authentication failed", "The API key is not valid")


def _ended_already() -> web.Response:
    detail = "This call is no longer active and can't receive commands."
    return _telnyx_error(422, "90018", "Call has already ended", detail)


def _telnyx_command(call: Call | None, action: str) -> web.Response:
    if call is None:
        return _telnyx_error(
            422, "90015", "Invalid Call Control ID", "The call control id is not one of this account"
        )
    if call.leg.ended:
        return _ended_already()
    if action != "hangup":
        return _telnyx_error(
            404, "10005", "Resource not found", f"The emulator does not know the command {action[:40]!r}"
        )
    call.hang_up("bot", "hang-up by REST")
    return web.json_response({"data": {"result": "ok"}})


def _telnyx_status(leg: Leg) -> dict[str, Any]:
    return {
        "record_type": "call",
        "call_control_id": leg.call_id,
        "call_leg_id": leg.leg_id,
        "call_session_id": leg.session_id,
        "client_state": None,
        "is_alive": not leg.ended,
        "call_duration": leg.duration_secs,
        "start_time": (leg.answered_at or leg.created_at).isoformat(),
        "end_time": leg.ended_at.isoformat() if leg.ended_at else None,
    }


def _texml_update(call: Call, fields: dict[str, str]) -> web.Response:
    if call.leg.ended:
        return _ended_already()
    status, markup, url = fields.get("Status"), fields.get("Texml"), fields.get("Url")
    if status == "completed":
        call.hang_up("bot", "hang-up by REST")
    elif status is not None:
        return _telnyx_error(422, "10015", "Invalid parameter", f"Status {status[:20]!r} is not `completed`")
    elif markup is not None:
        call.update(markup=markup)
    elif url is not None:
        call.update(url, fields.get("Method", "POST"))
    return web.json_response(_texml_call(call.leg))


def _texml_call(leg: Leg) -> dict[str, Any]:
    return {
        "sid": leg.call_id,
        "account_sid": leg.account_id,
        "from": leg.from_number,
        "to": leg.to_number,
        "status": leg.status,
        "direction": "inbound",
        "duration": str(leg.duration_secs),
    }
