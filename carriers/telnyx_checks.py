"""What a Telnyx account looks like from outside.

Sources: telnyx SDK, `types/numbers_phone_number_detailed.py`, `types/texml_application.py`,
`types/call_control_application.py`, `types/verified_number.py`. `GET /v2/whoami` is in no SDK; see `telnyx_api.whoami`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from carriers.checks import (
    CHECK_TIMEOUT_SECS,
    Addresses,
    Configured,
    Finding,
    Verdict,
    answers,
    routed,
    shown,
)
from carriers.errors import CallNotFound, CarrierUnauthorized
from carriers.telnyx_api import API_BASE_URL, TelnyxApi

if TYPE_CHECKING:
    from settings import Settings

NUMBERS = "Telnyx numbers"
MOST_NUMBERS = 100
TEXML = "TeXML application"
VOICE_API = "Voice API application"


class TelnyxChecks:
    """Questions about the account of TELNYX_API_KEY."""

    def __init__(self, settings: Settings):
        """Keep the credentials."""
        key = settings.telnyx_api_key
        self._settings = settings
        self._api = TelnyxApi(
            api_key=key.get_secret_value() if key else None, base_url=settings.telnyx_api_base_url
        )

    def base_url(self) -> str:
        """Where the REST API is."""
        return self._settings.telnyx_api_base_url or API_BASE_URL

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    async def credentials(self) -> list[Finding]:
        """Try the API key, and compare the account's ID and the application with the settings."""
        try:
            organization = await self._api.organization_id(timeout_secs=CHECK_TIMEOUT_SECS)
        except CarrierUnauthorized as error:
            text = f'Telnyx does not take it ({error.status}): copy it again from the portal, "API Keys"'
            return [Finding(Verdict.FAULT, "TELNYX_API_KEY", text)]
        found = [Finding(Verdict.OK, "TELNYX_API_KEY", "Telnyx takes it")]
        found.append(self._account(organization))
        if self._settings.telnyx_connection_id:
            found += await answers(
                [self._connection(self._settings.telnyx_connection_id)], "TELNYX_CONNECTION_ID"
            )
        return found

    def _account(self, organization: str) -> Finding:
        subject, given = "TELNYX_ACCOUNT_SID", self._settings.telnyx_account_sid
        if given is None:
            return Finding(Verdict.OK, subject, "not set: Telnyx tells it for the API key")
        if given == organization:
            return Finding(Verdict.OK, subject, "the organization of the API key")
        text = (
            "is not the organization of TELNYX_API_KEY: every transfer, recording and call of TeXML is answered 404; "
            "leave it empty, and Telnyx is asked for it"
        )
        return Finding(Verdict.FAULT, subject, text)

    async def _connection(self, connection_id: str) -> list[Finding]:
        subject = "TELNYX_CONNECTION_ID"
        wanted = VOICE_API if self._settings.telnyx_mode == "call_control" else TEXML
        kind, _ = await self._application(connection_id)
        if kind is None:
            text = f"the account has no application of this ID: copy that of a {wanted} from the portal"
            return [Finding(Verdict.FAULT, subject, text)]
        if kind != wanted:
            text = (
                f"is a {kind}, but TELNYX_MODE={self._settings.telnyx_mode} makes calls with a {wanted}: set that "
                "one's ID, or change TELNYX_MODE"
            )
            return [Finding(Verdict.FAULT, subject, text)]
        return [Finding(Verdict.OK, subject, f"a {kind} of the account")]

    async def _application(self, connection_id: str) -> tuple[str | None, Any]:
        """What kind of application an ID is of, and what it says; None for neither kind."""
        try:
            texml = await self._api.ask(
                lambda client: client.texml_applications.retrieve(connection_id),
                timeout_secs=CHECK_TIMEOUT_SECS,
            )
            return TEXML, texml.data
        except CallNotFound:
            pass
        try:
            voice = await self._api.ask(
                lambda client: client.call_control_applications.retrieve(connection_id),
                timeout_secs=CHECK_TIMEOUT_SECS,
            )
            return VOICE_API, voice.data
        except CallNotFound:
            return None, None

    async def routing(self, addresses: Addresses) -> list[Finding]:
        """Where the calls to the account's numbers go."""
        listed: Any = await self._api.ask(
            lambda client: _first_page(client.phone_numbers.list(page_size=MOST_NUMBERS)),
            timeout_secs=CHECK_TIMEOUT_SECS,
        )
        by_connection: dict[str, list[str]] = {}
        elsewhere = []
        for number in listed.data or []:
            if number.connection_id:
                by_connection.setdefault(str(number.connection_id), []).append(shown(number.phone_number))
            else:
                elsewhere.append(
                    f"the number {shown(number.phone_number)} belongs to no application: assign it to one in the portal"
                )
        applications = await asyncio.gather(*(self._application(one) for one in by_connection))
        found: list[Configured] = []
        for (connection_id, numbers), (kind, application) in zip(
            by_connection.items(), applications, strict=True
        ):
            where = f"the {kind} of {', '.join(numbers)}"
            if kind is None or application is None:
                elsewhere.append(
                    f"the connection {connection_id} of {', '.join(numbers)} is no TeXML and no Voice API application: "
                    "its calls do not come here"
                )
            elif kind == TEXML:
                found.append(
                    Configured(where, application.voice_url, application.voice_method, addresses.voice)
                )
            else:
                found.append(Configured(where, application.webhook_event_url, None, addresses.events or ""))
        return routed(NUMBERS, found, elsewhere)

    async def caller_id(self, number: str, subject: str) -> list[Finding]:
        """Whether the number is the account's own, or verified."""
        digits = number.removeprefix("+")
        listed: Any = await self._api.ask(
            lambda client: _first_page(
                client.phone_numbers.list(filter={"phone_number": digits}, page_size=20)
            ),
            timeout_secs=CHECK_TIMEOUT_SECS,
        )
        if any(one.phone_number == number for one in listed.data or []):
            return [Finding(Verdict.OK, subject, "a number of the Telnyx account")]
        try:
            await self._api.ask(
                lambda client: client.verified_numbers.retrieve(number), timeout_secs=CHECK_TIMEOUT_SECS
            )
        except CallNotFound:
            text = (
                "is no number of the Telnyx account and no verified number: calls that the bot places are refused "
                "(D38); set one of your numbers, or verify this one in the portal"
            )
            return [Finding(Verdict.FAULT, subject, text)]
        return [Finding(Verdict.OK, subject, "a verified number of the Telnyx account")]


async def _first_page(pages: Any) -> Any:
    return await pages
