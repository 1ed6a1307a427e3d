"""What a Twilio account looks like from outside.

Sources: Twilio docs, iam/api/account, phone-numbers/api/incomingphonenumber-resource, voice/api/outgoing-caller-ids,
usage/api/applications, voice/api/dialingpermissions-country-resource, api/errors/{13227, 21215}.
"""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Any

from carriers.checks import (
    CHECK_TIMEOUT_SECS,
    Addresses,
    Configured,
    Destination,
    Destinations,
    Finding,
    Verdict,
    answers,
    countries,
    not_allowed,
    routed,
    shown,
)
from carriers.errors import CallNotFound, CarrierRejected
from carriers.twilio.api import TwilioApi
from carriers.twilio.meanings import ACCOUNT_INACTIVE, RESTRICTED

if TYPE_CHECKING:
    from twilio.rest import Client

    from carriers.twilio.variables import TwilioVariables

NUMBERS = "Twilio numbers"
DIALLING = "Twilio dialling"
MOST_NUMBERS = 100
MOST_COUNTRIES = 1000
"""The longest page; there are some 220."""

SHARED = {"CA": "US"}
"""Countries whose permission is another one's: Twilio calls it "United States/Canada"."""


class TwilioChecks:
    """Questions about the account of TWILIO_ACCOUNT_SID."""

    def __init__(self, settings: TwilioVariables):
        """Keep the credentials; the token and the API key are tried one by one."""
        self._sid = settings.twilio_account_sid or ""
        self._base_url = settings.twilio_api_base_url
        self._region = settings.twilio_region
        self._trial = False
        token = settings.twilio_auth_token
        secret = settings.twilio_api_secret
        self._by_token = self._api(settings, self._sid, token.get_secret_value()) if token else None
        self._by_key = (
            self._api(settings, settings.twilio_api_key, secret.get_secret_value())
            if settings.twilio_api_key and secret
            else None
        )

    @staticmethod
    def _api(settings: TwilioVariables, user: str, password: str) -> TwilioApi:
        return TwilioApi(
            account_sid=settings.twilio_account_sid,
            login=(user, password),
            region=settings.twilio_region,
            edge=settings.twilio_edge,
            base_url=settings.twilio_api_base_url,
        )

    @property
    def _api_used(self) -> TwilioApi:
        api = self._by_key or self._by_token
        assert api is not None
        return api

    def base_url(self) -> str:
        """Where the REST API is."""
        return self._base_url or "https://api.twilio.com"

    async def aclose(self) -> None:
        """Close the connections."""
        for api in (self._by_token, self._by_key):
            if api is not None:
                await api.aclose()

    async def credentials(self) -> list[Finding]:
        """Try the token, and the API key with its secret."""
        questions = []
        if self._by_token is not None:
            questions.append(self._try_token(self._by_token))
        if self._by_key is not None:
            questions.append(self._try_key(self._by_key))
        return await answers(questions, "Twilio")

    async def _try_token(self, api: TwilioApi) -> list[Finding]:
        subject = "TWILIO_AUTH_TOKEN"
        try:
            account = await api.ask(
                lambda client: client.api.v2010.accounts(self._sid).fetch_async(),
                timeout_secs=CHECK_TIMEOUT_SECS,
            )
        except CarrierRejected as error:
            if error.code in ACCOUNT_INACTIVE:
                return [Finding(Verdict.FAULT, "TWILIO_ACCOUNT_SID", str(error))]
            where = f" of region {self._region}" if self._region else ""
            return [
                Finding(
                    Verdict.FAULT,
                    subject,
                    f"Twilio does not take it for TWILIO_ACCOUNT_SID ({error.answer}): copy both again from the "
                    f'console, "Account Info"{where}, the live ones; every webhook is refused with a wrong token',
                )
            ]
        if account.status and account.status != "active":
            text = f"the account is {account.status}: no call can be made or answered; see Twilio's console"
            return [Finding(Verdict.FAULT, "TWILIO_ACCOUNT_SID", text)]
        found = [Finding(Verdict.OK, subject, "Twilio takes it")]
        if account.type == "Trial":
            self._trial = True
            text = "a trial account: callers hear a notice first, and only verified numbers can be called"
            found.append(Finding(Verdict.NOTE, "TWILIO_ACCOUNT_SID", text))
        return found

    async def _try_key(self, api: TwilioApi) -> list[Finding]:
        # Not the account itself: standard API keys may not read that.
        try:
            await api.ask(
                lambda client: client.incoming_phone_numbers.list_async(limit=1),
                timeout_secs=CHECK_TIMEOUT_SECS,
            )
        except CarrierRejected as error:
            if error.code in RESTRICTED:
                text = f"is restricted, so not everything can be looked at. {error}"
                return [Finding(Verdict.NOTE, "TWILIO_API_KEY", text)]
            text = (
                f"Twilio does not take it with TWILIO_API_SECRET for TWILIO_ACCOUNT_SID ({error.answer}): make a "
                'new key in the console, "API keys & tokens", or unset both'
            )
            return [Finding(Verdict.FAULT, "TWILIO_API_KEY", text)]
        return [Finding(Verdict.OK, "TWILIO_API_KEY", "Twilio takes it")]

    async def routing(self, addresses: Addresses) -> list[Finding]:
        """Where the calls to the account's numbers go."""
        numbers = await self._api_used.ask(
            lambda client: client.incoming_phone_numbers.list_async(limit=MOST_NUMBERS),
            timeout_secs=CHECK_TIMEOUT_SECS,
        )
        found: list[Configured] = []
        elsewhere: list[str] = []
        for number in numbers:
            where = f"the number {shown(number.phone_number)}"
            if number.trunk_sid:
                elsewhere.append(
                    f"{where} belongs to a SIP trunk: its calls go there, whatever its address is"
                )
            else:
                try:
                    found.append(await self._configured(number, where, addresses))
                except CallNotFound:
                    text = "belongs to a TwiML app that does not exist: choose another in the console"
                    elsewhere.append(f"{where} {text}")
        return routed(NUMBERS, found, elsewhere)

    async def _configured(self, number: Any, where: str, addresses: Addresses) -> Configured:
        """What counts for a number: its own addresses, or those of its TwiML app."""
        wrong = _why_no_calls_come(number)
        settings = number
        if number.voice_application_sid:
            settings = await self._api_used.ask(
                lambda client: client.applications(number.voice_application_sid).fetch_async(),
                timeout_secs=CHECK_TIMEOUT_SECS,
            )
            where = f"{where}, by a TwiML app,"
        return Configured(
            where,
            settings.voice_url,
            settings.voice_method,
            addresses.voice,
            fallback=settings.voice_fallback_url,
            fallback_expected=addresses.fallback,
            status=settings.status_callback,
            status_expected=addresses.status,
            wrong=wrong,
        )

    async def dialling(self, destinations: Destinations, addresses: Addresses | None) -> list[Finding]:
        """Whether the account's permissions have the countries, and a trial account the numbers."""
        wanted = [one for one in (*destinations.transfers, *destinations.calls) if one.country]
        questions = []
        if wanted:
            questions.append(self._countries(wanted))
        if self._trial and destinations.transfers:
            questions.append(self._verified(destinations))
        return await answers(questions, DIALLING)

    async def _countries(self, wanted: list[Destination]) -> list[Finding]:
        await asyncio.to_thread(importlib.import_module, "twilio.rest.voice")
        closed = await self._api_used.ask(self._closed_countries, timeout_secs=CHECK_TIMEOUT_SECS)
        names = {one.iso_code for one in closed}
        missing = not_allowed(wanted, lambda country: SHARED.get(country, country) not in names)
        if not missing:
            return [Finding(Verdict.OK, DIALLING, f"calls may go to {countries(wanted)}")]
        return [
            Finding(
                Verdict.FAULT,
                DIALLING,
                f"calls to {line} are switched off, and refused (21215, 13227): allow them in the console, "
                '"Voice", "Settings", "Geo permissions"',
            )
            for line in missing
        ]

    async def _closed_countries(self, client: Client) -> list[Any]:
        if self._base_url:
            client.voice.base_url = self._base_url.rstrip("/")
        countries: list[Any] = await client.voice.v1.dialing_permissions.countries.list_async(
            low_risk_numbers_enabled=False, page_size=MOST_COUNTRIES
        )
        return countries

    async def _verified(self, destinations: Destinations) -> list[Finding]:
        verified = await self._api_used.ask(
            lambda client: client.outgoing_caller_ids.list_async(limit=MOST_NUMBERS),
            timeout_secs=CHECK_TIMEOUT_SECS,
        )
        known = {one.phone_number for one in verified}
        return [
            Finding(
                Verdict.FAULT,
                DIALLING,
                f"{shown(one.number)} ({one.where}) is not verified, and a trial account calls verified numbers only: "
                'verify it in the console, "Verified Caller IDs", or upgrade the account',
            )
            for one in destinations.transfers
            if one.number and one.number not in known
        ]

    async def caller_id(self, number: str, subject: str) -> list[Finding]:
        """Whether the number is the account's own, or a verified caller ID."""
        own, verified = (
            await self._api_used.ask(
                lambda client: client.incoming_phone_numbers.list_async(phone_number=number, limit=1),
                timeout_secs=CHECK_TIMEOUT_SECS,
            ),
            await self._api_used.ask(
                lambda client: client.outgoing_caller_ids.list_async(phone_number=number, limit=1),
                timeout_secs=CHECK_TIMEOUT_SECS,
            ),
        )
        if any(one.phone_number == number for one in own):
            return [Finding(Verdict.OK, subject, "a number of the Twilio account")]
        if any(one.phone_number == number for one in verified):
            return [Finding(Verdict.OK, subject, "a verified caller ID of the Twilio account")]
        text = (
            "is no number of the Twilio account and no verified caller ID: every call that the bot places is refused; "
            'set one of your numbers, or verify this one in the console, "Verified Caller IDs"'
        )
        return [Finding(Verdict.FAULT, subject, text)]


def _why_no_calls_come(number: Any) -> tuple[str, ...]:
    wrong = []
    if isinstance(number.capabilities, dict) and number.capabilities.get("voice") is False:
        wrong.append('takes no calls, for it is a number without voice: buy one with "Voice"')
    if number.voice_receive_mode == "fax":
        wrong.append('takes calls for faxes: choose "Voice Calls" in the number\'s voice configuration')
    return tuple(wrong)
