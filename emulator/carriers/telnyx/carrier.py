"""Telnyx, as the network takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from aiohttp import web

from emulator.account import Account, Application
from emulator.carriers.carrier import Carrier, Control, Readings
from emulator.carriers.credentials import Credentials
from emulator.carriers.telnyx.control.call_control import CallControl
from emulator.carriers.telnyx.detection_words import TEXML
from emulator.carriers.telnyx.dialect import Telnyx
from emulator.carriers.telnyx.rest import TelnyxRest
from emulator.carriers.telnyx.rest_accounts import TelnyxAccount
from emulator.carriers.telnyx.rest_active_calls import TelnyxActiveCalls
from emulator.carriers.telnyx.rest_recordings import TelnyxRecordings
from emulator.carriers.telnyx.rest_texml import TexmlRest
from emulator.legs.delivery import EventHabits
from emulator.legs.dialect import Dialect
from emulator.legs.exchange import Exchange
from emulator.line.detected import Words
from emulator.requests import verb_of

_COMMANDS = {
    "hangup": "hang_up",
    "bridge": "connect",
    "send_dtmf": "digits",
    "streaming_start": "stream_start",
    "streaming_stop": "stream_stop",
}
_ERRORS = {
    401: ("10009", "Authentication failed"),
    403: ("10010", "Authorization failed"),
    404: ("10005", "Resource not found"),
    429: ("10011", "Too many requests"),
}


class TelnyxCarrier(Carrier):
    """Calls run TeXML, or do what a Call Control application commands."""

    name = "telnyx"
    title = "Telnyx"
    paths = ("/v2/",)
    takes_commands = True
    command_settings: ClassVar[Mapping[str, str]] = {"TELNYX_MODE": "call_control"}
    stream_attributes = ' bidirectionalMode="rtp"'
    word_sets: ClassVar[Mapping[str, Words]] = TEXML

    def dialect(self, credentials: Credentials, readings: Readings) -> Dialect:
        """TeXML's, read as is wanted."""
        dialect = Telnyx(credentials)
        dialect.signs_instructions = readings.signs_instructions
        dialect.detection_words = TEXML[readings.detection_words]
        return dialect

    def routes(
        self,
        exchange: Exchange,
        credentials: Credentials,
        account: Account,
        readings: Readings,
        control: Control | None,
    ) -> list[web.RouteDef]:
        """Commands, TeXML calls and their recordings, and the account."""
        commands = control if isinstance(control, CallControl) else None
        rest = TelnyxRest(credentials, exchange, commands)
        texml = TexmlRest(credentials, exchange, rest, call_ids=readings.texml_call_ids)
        return [
            *rest.routes(),
            *texml.routes(),
            *TelnyxRecordings(exchange.recordings, rest, texml).routes(),
            *TelnyxAccount(account, credentials, rest).routes(),
            *TelnyxActiveCalls(account, exchange, rest).routes(),
        ]

    def control(
        self, exchange: Exchange, credentials: Credentials, habits: EventHabits | None
    ) -> CallControl:
        """Call Control."""
        return CallControl(exchange, credentials, habits)

    def application(self, credentials: Credentials, *, commanded: bool) -> Application:
        """A TeXML application or a Voice API application, whose id is the connection's."""
        return Application(credentials.telnyx_connection_id, "call_control" if commanded else "texml")

    def verb_of(self, method: str, path: str, fields: Mapping[str, str]) -> str:
        """A command's own name, or what is asked of TeXML calls, whose documents are in `Texml`."""
        *_, before, last = ["", *path.split("/")]
        if before == "actions":
            return _COMMANDS.get(last, last)
        return "list" if last == "active_calls" else verb_of(method, path, fields, markup="Texml")

    def made_up_error(self, status: int) -> web.Response:
        """An error as Telnyx answers it, without a page about it."""
        code, title = _ERRORS.get(status, ("10007", "Error"))
        error = {"code": code, "title": title, "detail": f"{title} (made to happen by the emulator)"}
        return web.json_response({"errors": [error]}, status=status)


TELNYX = TelnyxCarrier()
