"""Twilio, as the network takes it."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from emulator.account import Account
from emulator.carriers.carrier import Carrier, Control, Readings
from emulator.carriers.credentials import Credentials
from emulator.carriers.twilio.dialect import API_VERSION, Twilio
from emulator.carriers.twilio.rest import TwilioRest
from emulator.carriers.twilio.rest_accounts import TwilioAccount
from emulator.carriers.twilio.rest_recordings import TwilioRecordings
from emulator.legs.dialect import Dialect
from emulator.legs.exchange import Exchange
from emulator.requests import verb_of

_ERRORS = {
    401: (20003, "Authenticate"),
    403: (20006, "Access Denied"),
    404: (20404, "The requested resource was not found"),
    429: (20429, "Too Many Requests"),
}


class TwilioCarrier(Carrier):
    """Calls run TwiML; its REST interface is Twilio's 2010 API, and the countries' of its Voice API."""

    name = "twilio"
    title = "Twilio"
    paths = (f"/{API_VERSION}/", "/v1/")

    def dialect(self, credentials: Credentials, readings: Readings) -> Dialect:
        """Twilio's."""
        return Twilio(credentials)

    def routes(
        self,
        exchange: Exchange,
        credentials: Credentials,
        account: Account,
        readings: Readings,
        control: Control | None,
    ) -> list[web.RouteDef]:
        """Calls, their recordings, and the account."""
        rest = TwilioRest(credentials, exchange)
        return [
            *rest.routes(),
            *TwilioRecordings(exchange.recordings, rest).routes(),
            *TwilioAccount(account, credentials, rest).routes(),
        ]

    def verb_of(self, method: str, path: str, fields: Mapping[str, str]) -> str:
        """An update's document is in `Twiml`."""
        return verb_of(method, path, fields, markup="Twiml")

    def made_up_error(self, status: int) -> web.Response:
        """An error as Twilio answers it, without a page about it."""
        code, message = _ERRORS.get(status, (20500, "Internal Server Error"))
        body = {"code": code, "message": message, "more_info": "", "status": status}
        return web.json_response(body, status=status)


TWILIO = TwilioCarrier()
