"""Twilio's REST interface: create, list, fetch and change calls.

What a request may have is in the table `twilio_rest` of `emulator.facts`. Sources of the rest: Twilio docs,
voice/api/call-resource, errors 19056, 20001, 20003, 20404, 21205, 21218, 21220.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from email.utils import format_datetime
from typing import Any
from xml.etree import ElementTree

from aiohttp import web

from emulator.carriers.credentials import Credentials
from emulator.carriers.twilio.dialect import API_VERSION
from emulator.facts import requests
from emulator.legs.call import Call
from emulator.legs.exchange import Exchange
from emulator.legs.leg import Leg
from emulator.legs.plan import AmdOrder, Fallback, GoTo, Inline, OutboundOrder, Reporting
from emulator.markup.dial_out import create_call
from emulator.markup.interpreter import replace
from emulator.rest.fields import given_fields, joined
from emulator.rest.paging import page_of
from emulator.rest.refused import RequestRefused

REQUESTS = requests("twilio_rest")
RING_BUFFER_SECS = 5.0
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")


class TwilioRest:
    """The routes.

    Args:
        credentials: Whose requests are taken.
        exchange: The network's inside.
    """

    def __init__(self, credentials: Credentials, exchange: Exchange) -> None:
        """Serve nothing yet."""
        self._credentials = credentials
        self._exchange = exchange

    def routes(self) -> list[web.RouteDef]:
        """The routes, for the aiohttp application."""
        account = f"/{API_VERSION}/Accounts/{{account}}"
        return [
            web.get(f"{account}/Calls.json", self._list),
            web.post(f"{account}/Calls.json", self._create),
            web.get(f"{account}/Calls/{{call}}.json", self._fetch),
            web.post(f"{account}/Calls/{{call}}.json", self._update),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        self._let_in(request)
        await self.read(request, "list_calls")
        page = page_of(self._exchange.listed, request)
        return web.json_response({"calls": [call_resource(leg) for leg in page.legs], **page.fields})

    async def _create(self, request: web.Request) -> web.Response:
        self._let_in(request)
        order = read_order(await self.read(request, "create_call", told=False))
        if not self._exchange.may_show(order.from_number):
            raise TwilioRefused(
                400, 21210, "The source phone number provided is not yet verified for this account"
            )
        call = await create_call(self._exchange, order)
        self._warn("create_call", order.details, call)
        return web.json_response(call_resource(call.leg), status=201)

    async def _fetch(self, request: web.Request) -> web.Response:
        call = self.named_call(request)
        await self.read(request, "fetch", call)
        return web.json_response(call_resource(call.leg))

    async def _update(self, request: web.Request) -> web.Response:
        call = self.named_call(request)
        _update(call, await self.read(request, "update_call", call))
        return web.json_response(call_resource(call.leg))

    async def read(
        self, request: web.Request, kind: str, call: Call | None = None, *, told: bool = True
    ) -> dict[str, str]:
        """The fields of a request.

        Args:
            request: The request.
            kind: What it is for, a name of the table.
            call: Which call it is about, if any.
            told: Whether a parameter that does not exist becomes an error of the call here.

        Raises:
            TwilioRefused: They are not as documented.
        """
        given = await given_fields(request)
        if (found := REQUESTS[kind].form_violation(given)) is not None:
            raise TwilioRefused(400, int(found.code), str(found))
        if told:
            self._warn(kind, given, call)
        return joined(given)

    def _warn(self, kind: str, given: Mapping[str, Any], call: Call | None) -> None:
        for name in REQUESTS[kind].unknown(given):
            self._exchange.complain(f"20001 {name[:40]} is no parameter of {kind}: Twilio ignores it", call)

    def named_call(self, request: web.Request) -> Call:
        """The call of a request's path.

        Raises:
            TwilioRefused: There is none, or not for these credentials.
        """
        self._let_in(request)
        call = self._exchange.find(request.match_info["call"])
        if call is None:
            raise not_found(request)
        return call

    def _let_in(self, request: web.Request) -> None:
        self.let_in_to_account(request)
        if self._exchange.dialect.name != "twilio":
            raise not_found(request)

    def let_in_to_account(self, request: web.Request) -> None:
        """Look at a request to the account of its path.

        Raises:
            TwilioRefused: It is another account, the credentials are wrong, or the body is of the wrong type.
        """
        self.let_in(request)
        if request.match_info["account"] != self._credentials.twilio_account_sid:
            raise not_found(request)
        if request.body_exists and request.content_type not in FORM_TYPES:
            raise TwilioRefused(415, 19056, "Input request content type is invalid")

    def let_in(self, request: web.Request) -> None:
        """Look at a request that has no account in its path.

        Raises:
            TwilioRefused: The credentials are wrong.
        """
        if not self.by_token(request) and not self._by_key(request):
            raise TwilioRefused(401, 20003, "Authenticate")

    def by_token(self, request: web.Request) -> bool:
        """Whether a request comes with the account's own auth token."""
        return _basic_auth(request, self._credentials.twilio_account_sid, self._credentials.twilio_auth_token)

    def _by_key(self, request: web.Request) -> bool:
        return _basic_auth(request, self._credentials.twilio_api_key, self._credentials.twilio_api_secret)


def _basic_auth(request: web.Request, user: str, password: str) -> bool:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return False
    return scheme.lower() == "basic" and hmac.compare_digest(given, f"{user}:{password}".encode())


class TwilioRefused(RequestRefused):
    """A request is answered with an error.

    Args:
        status: The HTTP status.
        code: Twilio's code.
        message: Twilio's sentence.
    """

    def __init__(self, status: int, code: int, message: str) -> None:
        """Refuse."""
        super().__init__(f"{code} {message}")
        self.status = status
        self._code = code
        self._message = message

    def body(self) -> dict[str, Any]:
        """An error as Twilio writes it."""
        more_info = f"https://www.twilio.com/docs/errors/{self._code}"
        return {"code": self._code, "message": self._message, "more_info": more_info, "status": self.status}


def not_found(request: web.Request) -> TwilioRefused:
    """There is nothing at this address for these credentials."""
    return TwilioRefused(404, 20404, f"The requested resource {request.path} was not found")


def read_order(form: dict[str, str]) -> OutboundOrder:
    """What a request for a new call orders, whose fields are as documented.

    Raises:
        TwilioRefused: There is no document, or it is no XML.
    """
    url = form.get("Url")
    markup = None if url else form.get("Twiml")  # Twiml is ignored if there is a Url
    if url is None and markup is None:
        raise TwilioRefused(400, 21205, "Url parameter is required")
    _check_twiml(markup)
    events = frozenset(form.get("StatusCallbackEvent", "completed").split())
    callback = form.get("StatusCallback")
    return OutboundOrder(
        form["To"],
        form["From"],
        url,
        markup,
        form.get("Method", "POST"),
        int(form.get("Timeout", "60")) + RING_BUFFER_SECS,
        int(form["TimeLimit"]) if "TimeLimit" in form else None,
        form.get("SendDigits"),
        Reporting(callback, events, form.get("StatusCallbackMethod", "POST")) if callback else None,
        _detection(form),
        _fallback(form),
        form,
    )


def _fallback(form: dict[str, str]) -> Fallback | None:
    url = form.get("FallbackUrl")
    return Fallback(url, form.get("FallbackMethod", "POST")) if url else None


def _detection(form: dict[str, str]) -> AmdOrder | None:
    kind = form.get("MachineDetection")
    if kind is None:
        return None
    in_background = form.get("AsyncAmd") == "true"
    return AmdOrder(
        kind == "DetectMessageEnd",
        in_background,
        form.get("AsyncAmdStatusCallback") if in_background else None,
        form.get("AsyncAmdStatusCallbackMethod", "POST"),
        int(form.get("MachineDetectionTimeout", "30")),
        int(form.get("MachineDetectionSpeechThreshold", "2400")),
        int(form.get("MachineDetectionSpeechEndThreshold", "1200")),
        int(form.get("MachineDetectionSilenceTimeout", "5000")),
    )


def _check_twiml(markup: str | None) -> None:
    """Refuse a document in a request that is no XML. Anything else shows when it is carried out."""
    try:
        ElementTree.fromstring(markup or "<Response/>")
    except ElementTree.ParseError as problem:
        raise TwilioRefused(400, 12100, f"Twiml is not well-formed XML: {problem}") from None


def _update(call: Call, form: dict[str, str]) -> None:
    if call.leg.ended:
        raise TwilioRefused(400, 21220, "Call is not in-progress. Cannot redirect.")
    status, markup, url = form.get("Status"), form.get("Twiml"), form.get("Url")
    if markup is not None and url is not None:
        raise TwilioRefused(400, 21218, "Url and Twiml cannot be given together")
    if status == "completed":
        call.hang_up("bot", "hang-up by REST")
    elif status == "canceled":
        if call.leg.answered_at is not None:
            raise TwilioRefused(400, 21220, "Call is not ringing. Cannot cancel.")
        call.hang_up("bot", "cancelled by REST")
    elif call.leg.answered_at is None and (markup is not None or url is not None):
        raise TwilioRefused(400, 21220, "Call is not in-progress. Cannot redirect.")
    elif markup is not None:
        _check_twiml(markup)
        replace(call, Inline(markup))
    elif url is not None:
        replace(call, GoTo(url, form.get("Method", "POST"), voice=True), _fallback(form))


def call_resource(leg: Leg) -> dict[str, Any]:
    """A call resource; the fields and types of the API's schema."""
    base = f"/{API_VERSION}/Accounts/{leg.account_id}/Calls/{leg.call_id}"

    def date(moment: Any) -> str | None:
        return format_datetime(moment) if moment else None

    return {
        "sid": leg.call_id,
        "account_sid": leg.account_id,
        "api_version": API_VERSION,
        "answered_by": leg.answered_by,
        "caller_name": "",
        "date_created": date(leg.created_at),
        "date_updated": date(leg.ended_at or leg.answered_at or leg.created_at),
        "direction": leg.direction,
        "duration": str(leg.duration_secs) if leg.ended else None,
        "end_time": date(leg.ended_at),
        "forwarded_from": None,
        "from": leg.from_number,
        "from_formatted": leg.from_number,
        "group_sid": None,
        "parent_call_sid": leg.parent_id,
        "phone_number_sid": "PN" + "0" * 32,
        "price": None,
        "price_unit": "USD",
        "queue_time": "0",
        "start_time": date(leg.answered_at),
        "status": "queued" if leg.status == "initiated" else leg.status,
        "subresource_uris": {"recordings": f"{base}/Recordings.json", "streams": f"{base}/Streams.json"},
        "to": leg.to_number,
        "to_formatted": leg.to_number,
        "trunk_sid": None,
        "uri": f"{base}.json",
    }
