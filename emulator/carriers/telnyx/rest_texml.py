"""Telnyx's REST interface to TeXML calls.

What a request may have is in the table `telnyx_texml_rest` of `emulator.facts`. Sources of the rest: Telnyx docs, TeXML
REST, API error codes (10005, 10014, 10034, 90034); the shapes of the answers are those of Telnyx's API schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from emulator.account import Application
from emulator.carriers.credentials import Credentials
from emulator.carriers.telnyx.control.command_errors import CommandRefused, not_ours
from emulator.carriers.telnyx.rest import TelnyxRest, object_of, violated
from emulator.facts import requests
from emulator.legs.call import Call
from emulator.legs.exchange import Exchange
from emulator.legs.leg import INBOUND, Leg
from emulator.legs.plan import AmdOrder, Fallback, GoTo, Inline, OutboundOrder, Reporting
from emulator.markup.dial_out import create_call
from emulator.markup.interpreter import replace
from emulator.rest.fields import as_form, given_fields, joined
from emulator.rest.paging import page_of

REQUESTS = requests("telnyx_texml_rest")
FORM = "application/x-www-form-urlencoded"


class TexmlRest:
    """The routes.

    Args:
        credentials: Whose requests are taken.
        exchange: The network's inside.
        rest: Checks the credentials of requests.
        call_ids: Whether the answer to a new call names it.
    """

    def __init__(
        self, credentials: Credentials, exchange: Exchange, rest: TelnyxRest, *, call_ids: bool = False
    ) -> None:
        """Serve nothing yet."""
        self._credentials = credentials
        self._exchange = exchange
        self._rest = rest
        self._call_ids = call_ids

    def routes(self) -> list[web.RouteDef]:
        """The routes, for the aiohttp application."""
        calls = "/v2/texml/Accounts/{account}/Calls"
        return [
            web.get(calls, self._list),
            web.post(calls, self._create),
            web.get(f"{calls}.json", self._list),
            web.post(f"{calls}.json", self._create),
            web.get(f"{calls}/{{call}}", self._call),
            web.post(f"{calls}/{{call}}", self._call),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        self.let_in(request)
        await self.read(request, "list_calls")
        page = page_of(self._exchange.listed, request)
        return web.json_response({"calls": [texml_call(leg) for leg in page.legs], **page.fields})

    async def _create(self, request: web.Request) -> web.Response:
        self.let_in(request)
        if request.content_type != "application/json":
            raise CommandRefused("10014")
        body = await object_of(request)
        if (found := REQUESTS["create_call"].violation(body, as_text=False)) is not None:
            raise violated(found)
        form = as_form(body)
        order = read_order(form, self._method_of(form["ApplicationSid"]))
        if not self._exchange.may_show(order.from_number):
            raise not_ours("/From")
        call = await create_call(self._exchange, order)
        self._warn("create_call", body, call)
        answer = {"from": order.from_number, "to": order.to_number, "status": "queued"}
        if self._call_ids:
            answer |= {"call_sid": call.leg.call_id, "sid": call.leg.call_id}
        return web.json_response(answer)

    async def _call(self, request: web.Request) -> web.Response:
        call = self.named_call(request)
        if request.method == "GET":
            await self.read(request, "fetch", call)
        else:
            form = await self.read(request, "update_call", call)
            _update(call, form, self._method_of(call.leg.connection_id))
        return web.json_response(texml_call(call.leg))

    def _method_of(self, application: str) -> str:
        """The HTTP method by which Telnyx asks a TeXML application for documents unless a request says otherwise."""
        found = self._exchange.account.application(application, "texml")
        return (found or Application(application, "texml")).method

    async def read(self, request: web.Request, kind: str, call: Call | None = None) -> dict[str, str]:
        """The fields of a form or a query.

        Args:
            request: The request.
            kind: What it is for, a name of the table.
            call: Which call it is about, if any.

        Raises:
            CommandRefused: They are not as documented.
        """
        given = await given_fields(request)
        if (found := REQUESTS[kind].form_violation(given)) is not None:
            raise violated(found)
        self._warn(kind, given, call)
        return joined(given)

    def _warn(self, kind: str, given: Mapping[str, Any], call: Call | None) -> None:
        for name in REQUESTS[kind].unknown(given):
            self._exchange.complain(f"{name[:40]} is no parameter of {kind} (TeXML): it has no effect", call)

    def named_call(self, request: web.Request) -> Call:
        """The TeXML call of a request's path.

        Raises:
            CommandRefused: There is none, or not for this key; or what is to change one is no form.
        """
        self.let_in(request)
        if request.content_type != FORM and request.body_exists:
            raise CommandRefused("10034")
        call = self._exchange.find(request.match_info["call"].removesuffix(".json"))
        if call is None:
            raise CommandRefused("10005", "The requested call does not exist")
        return call

    def let_in(self, request: web.Request) -> None:
        """Look at the key and the account of a request.

        Raises:
            CommandRefused: They are not the network's.
        """
        self._rest.let_in(request)
        known = request.match_info["account"] == self._credentials.telnyx_account_id
        if not known or self._exchange.dialect.name != "telnyx":
            raise CommandRefused("10005", "The requested resource does not exist")


def read_order(form: dict[str, str], method: str) -> OutboundOrder:
    """What a request for a new TeXML call orders, whose fields are as documented.

    Args:
        form: The fields.
        method: The application's HTTP method, for addresses whose method the fields do not give ("inherited from TeXML
            Application setting").

    Raises:
        CommandRefused: There is no document.
    """
    url, markup = form.get("Url"), form.get("Texml")
    if url is None and markup is None:
        raise CommandRefused(
            "10004", "The emulated application has no voice URL of its own: give Url or Texml"
        )
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


def _update(call: Call, fields: dict[str, str], method: str) -> None:
    if call.leg.ended:
        raise CommandRefused("90018")
    new_status, markup, url = fields.get("Status"), fields.get("Texml"), fields.get("Url")
    if new_status == "completed":
        call.hang_up("bot", "hang-up by REST")
    elif call.leg.answered_at is None and (markup is not None or url is not None):
        raise CommandRefused("90034")
    elif markup is not None:
        replace(call, Inline(markup))
    elif url is not None:
        method = fields.get("Method", method)
        replace(call, GoTo(url, method, voice=True), _fallback(fields, method))


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
