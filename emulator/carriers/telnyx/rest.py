"""Telnyx's REST interfaces to calls: Call Control (`control.call_control`), also to end a TeXML call, and TeXML calls.

What a request may have is in the tables `telnyx_call_control` and `telnyx_texml_rest` of `emulator.facts`. Sources of
the rest: Telnyx docs, call commands, TeXML REST, API error codes (90015, 90018, 10005, 10009, 10014, 10034), "duplicate
command_id within 60 s is ignored"; the shapes of the answers are those of Telnyx's API schema.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from emulator.account import Application
from emulator.carriers.credentials import Credentials
from emulator.carriers.telnyx.control.call_control import CallControl
from emulator.carriers.telnyx.control.controlled_call import ControlledCall
from emulator.carriers.telnyx.control.orders import COMMANDS as DOCUMENTED
from emulator.carriers.telnyx.control.orders import check, digits_of
from emulator.carriers.telnyx.control.payloads import status
from emulator.carriers.telnyx.control.recording_commands import COMMANDS
from emulator.carriers.telnyx.control.refusals import CommandRefused, not_ours
from emulator.facts import Violation, requests
from emulator.legs.call import Call
from emulator.legs.exchange import Exchange
from emulator.legs.leg import INBOUND, Leg
from emulator.legs.plan import AmdOrder, Fallback, GoTo, Inline, OutboundOrder, Reporting
from emulator.markup.dial_out import create_call
from emulator.markup.running import replace
from emulator.rest.reading import as_form, given_fields, joined, json_body, page_of

REQUESTS = requests("telnyx_texml_rest")
COMMAND_MEMORY_SECS = 60.0
FORM = "application/x-www-form-urlencoded"


class TelnyxRest:
    """The routes.

    Args:
        credentials: Whose requests are taken.
        exchange: The network's inside.
        control: Call Control's legs; None where it is not offered.
        texml_call_ids: Whether the answer to a new TeXML call names it.
    """

    def __init__(
        self,
        credentials: Credentials,
        exchange: Exchange,
        control: CallControl | None = None,
        *,
        texml_call_ids: bool = False,
    ) -> None:
        """Serve nothing yet."""
        self._control = control
        self._credentials = credentials
        self._exchange = exchange
        self._texml_call_ids = texml_call_ids
        self._commands: dict[str, tuple[float, web.Response]] = {}

    def routes(self) -> list[web.RouteDef]:
        """For the application."""
        texml = "/v2/texml/Accounts/{account}/Calls"
        return [
            web.post("/v2/calls", self._dial),
            web.get("/v2/calls/{call}", self._status),
            web.post("/v2/calls/{call}/actions/{action}", self._action),
            web.put("/v2/calls/{call}/actions/{action}", self._action),
            web.get(texml, self._list),
            web.post(texml, self._create),
            web.get(f"{texml}.json", self._list),
            web.post(f"{texml}.json", self._create),
            web.get(f"{texml}/{{call}}", self._texml),
            web.post(f"{texml}/{{call}}", self._texml),
        ]

    def bearer(self, request: web.Request) -> bool:
        """Whether the request has the account's API key."""
        expected = f"Bearer {self._credentials.telnyx_api_key}"
        return hmac.compare_digest(request.headers.get("Authorization", "").encode(), expected.encode())

    # Call Control

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

    # TeXML

    async def _list(self, request: web.Request) -> web.Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        query = await self.read(request, "list_calls")
        if isinstance(query, web.Response):
            return query
        page = page_of(self._exchange.listed, request)
        return web.json_response({"calls": [texml_call(leg) for leg in page.legs], **page.fields})

    async def _create(self, request: web.Request) -> web.Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        if request.content_type != "application/json":
            return error(415, "10014", "Unsupported Media Type", "A new call is asked for by a JSON object")
        body = await json_body(request)
        if body is None:
            return error(400, "10015", "Bad Request", "The request body is not a JSON object")
        if (found := REQUESTS["create_call"].violation(body, as_text=False)) is not None:
            return violated(found)
        form = as_form(body)
        order = read_order(form, self._method_of(form["ApplicationSid"]))
        if isinstance(order, web.Response):
            return order
        if not self._exchange.may_show(order.from_number):
            refused = not_ours("/From")
            return web.json_response(refused.body(), status=refused.status)
        call = await create_call(self._exchange, order)
        self._warn("create_call", body, call)
        answer = {"from": order.from_number, "to": order.to_number, "status": "queued"}
        if self._texml_call_ids:
            answer |= {"call_sid": call.leg.call_id, "sid": call.leg.call_id}
        return web.json_response(answer)

    async def _texml(self, request: web.Request) -> web.Response:
        call = self.named_call(request)
        if isinstance(call, web.Response):
            return call
        if request.method == "GET":
            query = await self.read(request, "fetch", call)
            return query if isinstance(query, web.Response) else web.json_response(texml_call(call.leg))
        form = await self.read(request, "update_call", call)
        if isinstance(form, web.Response):
            return form
        return _texml_update(call, form, self._method_of(call.leg.connection_id))

    def _method_of(self, application: str) -> str:
        """By which a TeXML application asks for documents where nothing else is said."""
        found = self._exchange.account.application(application, "texml")
        return (found or Application(application, "texml")).method

    async def read(
        self, request: web.Request, kind: str, call: Call | None = None
    ) -> dict[str, str] | web.Response:
        """The fields of a form or a query, or why the request is refused.

        Args:
            request: The request.
            kind: What it is for, a name of the table.
            call: Which call it is about, if any.
        """
        given = await given_fields(request)
        if (found := REQUESTS[kind].form_violation(given)) is not None:
            return violated(found)
        self._warn(kind, given, call)
        return joined(given)

    def _warn(self, kind: str, given: Mapping[str, Any], call: Call | None) -> None:
        for name in REQUESTS[kind].unknown(given):
            self._exchange.complain(f"{name[:40]} is no parameter of {kind} (TeXML): it has no effect", call)

    def named_call(self, request: web.Request) -> Call | web.Response:
        """The TeXML call of a request's path, or why the request is refused; what changes one must be a form."""
        if (refusal := self._refusal(request)) is not None:
            return refusal
        if request.content_type != FORM and request.body_exists:
            title = "Expected URL-encoded form Content-Type"
            return error(415, "10034", title, f"Must encode request as '{FORM}'")
        call = self._exchange.find(request.match_info["call"].removesuffix(".json"))
        if call is None:
            return error(404, "10005", "Resource not found", "The requested call does not exist")
        return call

    def _refusal(self, request: web.Request) -> web.Response | None:
        if not self.bearer(request):
            return unauthorized()
        known = request.match_info["account"] == self._credentials.telnyx_account_id
        if known and self._exchange.dialect.name == "telnyx":
            return None
        return error(404, "10005", "Resource not found", "The requested resource does not exist")


def read_order(form: dict[str, str], method: str) -> OutboundOrder | web.Response:
    """A request for a new TeXML call whose fields are as documented, or why it is refused.

    Args:
        form: The fields.
        method: The application's, by which is asked where they do not say otherwise ("inherited from TeXML Application
            setting").
    """
    url, markup = form.get("Url"), form.get("Texml")
    if url is None and markup is None:
        detail = "The emulated application has no voice URL of its own: give Url or Texml"
        return error(422, "10004", "Missing required parameter", detail)
    events = frozenset(form.get("StatusCallbackEvent", "completed").split())
    callback = form.get("StatusCallback")
    return OutboundOrder(
        form["To"],
        form["From"],
        None if markup else url,
        markup,
        form.get("UrlMethod", method),
        int(form.get("Timeout", "30")),
        int(form["TimeLimit"]) if "TimeLimit" in form else None,
        None,
        Reporting(callback, events, form.get("StatusCallbackMethod", "POST")) if callback else None,
        _detection(form, method),
        _fallback(form, form.get("UrlMethod", method)),
        form,
    )


def _fallback(form: dict[str, str], method: str) -> Fallback | None:
    url = form.get("FallbackUrl")
    return Fallback(url, form.get("FallbackMethod", method)) if url else None


def _detection(form: dict[str, str], method: str) -> AmdOrder | None:
    """`MachineDetectionTimeout` and its kin are in milliseconds here."""
    kind = form.get("MachineDetection")
    if kind not in ("Enable", "DetectMessageEnd"):
        return None  # none, or `Disable`
    in_background = form.get("AsyncAmd") == "true"
    return AmdOrder(
        kind == "DetectMessageEnd",
        in_background,
        form.get("AsyncAmdStatusCallback") if in_background else None,
        form.get("AsyncAmdStatusCallbackMethod", method),
        int(form.get("MachineDetectionTimeout", "30000")) / 1000,
        int(form.get("MachineDetectionSpeechThreshold", "2400")),
        int(form.get("MachineDetectionSpeechEndThreshold", "1200")),
        int(form.get("MachineDetectionSilenceTimeout", "5000")),
    )


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


def _texml_update(call: Call, fields: dict[str, str], method: str) -> web.Response:
    if call.leg.ended:
        return ended_already()
    new_status, markup, url = fields.get("Status"), fields.get("Texml"), fields.get("Url")
    if new_status == "completed":
        call.hang_up("bot", "hang-up by REST")
    elif call.leg.answered_at is None and (markup is not None or url is not None):
        return error(422, "90034", "Call not answered yet", "This call can't receive this command yet.")
    elif markup is not None:
        replace(call, Inline(markup))
    elif url is not None:
        method = fields.get("Method", method)
        replace(call, GoTo(url, method, voice=True), _fallback(fields, method))
    return web.json_response(texml_call(call.leg))


def texml_call(leg: Leg) -> dict[str, Any]:
    """A TeXML call resource; the fields and words of the API's schema."""

    def date(moment: datetime | None) -> str | None:
        return moment.isoformat() if moment else None

    found = {None: None, "human": "human", "unknown": "not_sure"}
    return {
        "sid": leg.call_id,
        "account_sid": leg.account_id,
        "answered_by": found.get(leg.answered_by, "machine"),
        "caller_name": "",
        "date_created": date(leg.created_at),
        "date_updated": date(leg.ended_at or leg.answered_at or leg.created_at),
        "direction": "inbound" if leg.direction == INBOUND else "outbound",
        "duration": str(leg.duration_secs),
        "end_time": date(leg.ended_at),
        "from": leg.from_number,
        "from_formatted": leg.from_number,
        "parent_call_sid": leg.parent_id,
        "price": None,
        "price_unit": "USD",
        "start_time": date(leg.answered_at),
        "status": "ringing" if leg.status in ("queued", "initiated") else leg.status,
        "to": leg.to_number,
        "to_formatted": leg.to_number,
        "uri": f"/v2/texml/Accounts/{leg.account_id}/Calls/{leg.call_id}",
    }
