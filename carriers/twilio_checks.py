"""What a Twilio account looks like from outside.

Sources: Twilio docs, iam/api/account, phone-numbers/api/incomingphonenumber-resource, voice/api/outgoing-caller-ids,
usage/api/applications.
"""

from __future__ import annotations

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
from carriers.errors import CarrierRejected
from carriers.twilio_api import TwilioApi

if TYPE_CHECKING:
    from settings import Settings

NUMBERS = "Twilio numbers"
MOST_NUMBERS = 100


class TwilioChecks:
    """Questions about the account of TWILIO_ACCOUNT_SID."""

    def __init__(self, settings: Settings):
        """Keep the credentials; the token and the API key are tried one by one."""
        self._sid = settings.twilio_account_sid or ""
        self._base_url = settings.twilio_api_base_url
        self._region = settings.twilio_region
        token = settings.twilio_auth_token
        secret = settings.twilio_api_secret
        self._by_token = self._api(settings, self._sid, token.get_secret_value()) if token else None
        self._by_key = (
            self._api(settings, settings.twilio_api_key, secret.get_secret_value())
            if settings.twilio_api_key and secret
            else None
        )

    @staticmethod
    def _api(settings: Settings, user: str, password: str) -> TwilioApi:
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
            where = f" of region {self._region}" if self._region else ""
            return [
                Finding(
                    Verdict.FAULT,
                    subject,
                    f"Twilio does not take it for TWILIO_ACCOUNT_SID ({error.status}): copy both again from the "
                    f'console, "Account Info"{where}; every webhook is refused with a wrong token',
                )
            ]
        if account.status and account.status != "active":
            text = f"the account is {account.status}: no call can be made or answered; see Twilio's console"
            return [Finding(Verdict.FAULT, "TWILIO_ACCOUNT_SID", text)]
        found = [Finding(Verdict.OK, subject, "Twilio takes it")]
        if account.type == "Trial":
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
            text = (
                f"Twilio does not take it with TWILIO_API_SECRET for TWILIO_ACCOUNT_SID ({error.status}): make a "
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
            elif number.voice_application_sid:
                found.append(await self._application(number.voice_application_sid, where, addresses))
            else:
                found.append(Configured(where, number.voice_url, number.voice_method, addresses.voice))
        return routed(NUMBERS, found, elsewhere)

    async def _application(self, sid: str, where: str, addresses: Addresses) -> Configured:
        application: Any = await self._api_used.ask(
            lambda client: client.applications(sid).fetch_async(), timeout_secs=CHECK_TIMEOUT_SECS
        )
        where = f"{where}, by a TwiML app,"
        return Configured(where, application.voice_url, application.voice_method, addresses.voice)

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
