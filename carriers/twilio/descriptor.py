"""What the rest of the product knows of Twilio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carriers.carrier import MARKUP, Carrier
from carriers.checks import AccountChecks, Addresses, Finding, Verdict
from carriers.descriptor import CarrierDescriptor
from carriers.streams import Meanwhile
from carriers.twilio import SIGNATURE_HEADER
from carriers.twilio.variables import TwilioVariables

if TYPE_CHECKING:
    from pydantic import SecretStr


class Twilio(CarrierDescriptor[TwilioVariables]):
    """Twilio: every call runs by documents, and every request is signed, its address included."""

    name = "twilio"
    title = "Twilio"
    variables = TwilioVariables
    rank = 1
    signature_header = SIGNATURE_HEADER
    signs_addresses = True
    signs_upgrades = True
    callback_status = 204
    verified_by = "TWILIO_AUTH_TOKEN"
    credentials = "TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"
    cloud_bin = "a Twilio TwiML Bin and choose it for your number"
    api_host = "api.twilio.com"
    # Five attempts more where no connection was made, or a proxy answers for us with 5xx; not where an answer was late:
    # that request may have been taken. Source: Twilio docs, usage/webhooks/webhooks-connection-overrides.
    connection_overrides = "rc=5&rp=ct,5xx&ct=2000&rt=8000"
    waiting_bin = "a TwiML Bin and choose that for `Primary handler fails`"

    def carrier(self, settings: TwilioVariables, mode: str = MARKUP) -> Carrier:
        """Markup and webhooks, and REST where there are credentials."""
        from carriers.twilio.carrier import TwilioCarrier

        return TwilioCarrier.from_settings(settings)

    def can_act(self, settings: TwilioVariables) -> bool:
        """Whether there are an account and a password of one of the two kinds."""
        key, secret = settings.twilio_api_key, settings.twilio_api_secret
        return bool(settings.twilio_account_sid and (settings.twilio_auth_token or (key and secret)))

    def has_account(self, settings: TwilioVariables) -> bool:
        """Whether TWILIO_ACCOUNT_SID is set."""
        return bool(settings.twilio_account_sid)

    def is_mentioned(self, settings: TwilioVariables) -> bool:
        """Whether the account, its token or an API key is set."""
        return bool(settings.twilio_account_sid or settings.twilio_auth_token or settings.twilio_api_key)

    def secrets(self, settings: TwilioVariables) -> list[SecretStr]:
        """The auth token, and the secret of the API key."""
        given = (settings.twilio_auth_token, settings.twilio_api_secret)
        return [secret for secret in given if secret is not None]

    def checks(self, settings: TwilioVariables) -> AccountChecks | None:
        """Questions about the account; the token and the API key are tried one by one."""
        if not (settings.twilio_account_sid and (settings.twilio_auth_token or settings.twilio_api_key)):
            return None
        from carriers.twilio.checks import TwilioChecks

        return TwilioChecks(settings)

    def problems(self, settings: TwilioVariables) -> list[str]:
        """Complaints about an account without a password, a password without an account, and half an API key."""
        problems = []
        sid, token = settings.twilio_account_sid, settings.twilio_auth_token
        key, secret = settings.twilio_api_key, settings.twilio_api_secret
        if sid and not sid.startswith("AC"):
            problems.append(
                "TWILIO_ACCOUNT_SID does not start with AC: copy the Account SID; an API key is TWILIO_API_KEY"
            )
        if (token or key or secret) and not sid:
            problems.append(
                "TWILIO_ACCOUNT_SID is not set, but other Twilio credentials are: set it (AC…), or unset them"
            )
        if bool(key) != bool(secret):
            missing, given = "TWILIO_API_SECRET", "TWILIO_API_KEY"
            if not key:
                missing, given = given, missing
            problems.append(f"{missing} is not set, but {given} is: the two belong together")
        elif sid and not token and not key:
            problems.append(
                "TWILIO_ACCOUNT_SID is set without a password: set TWILIO_AUTH_TOKEN, or TWILIO_API_KEY with "
                "TWILIO_API_SECRET"
            )
        return problems

    def notes(self, settings: TwilioVariables) -> list[str]:
        """A note where the auth token is missing: without it webhooks cannot be verified."""
        if not settings.twilio_account_sid or settings.twilio_auth_token:
            return []
        return [
            "TWILIO_AUTH_TOKEN is not set: Twilio's webhooks cannot be verified and are refused; set it "
            "beside the API key"
        ]

    def findings(self, settings: TwilioVariables) -> list[Finding]:
        """A fault where the API key is another id, such as the account's."""
        if not settings.twilio_api_key or settings.twilio_api_key.startswith("SK"):
            return []
        text = "does not start with SK: copy the key's SID, and set the account's apart"
        return [Finding(Verdict.FAULT, "TWILIO_API_KEY", text)]

    def unused(self, name: str, settings: TwilioVariables) -> str | None:
        """Why region and edge change nothing: the address that they are parts of was replaced as a whole."""
        if name in ("twilio_region", "twilio_edge") and settings.twilio_api_base_url:
            return "TWILIO_API_BASE_URL is set"
        return None

    def console_lines(self, ours: Addresses) -> list[str]:
        """What to enter in the console for a number."""
        return [
            "Paste into a Twilio number (Voice configuration):",
            f"  A call comes in         Webhook, POST  {ours.voice}",
            f"  Call status changes     POST           {ours.status}",
            f"  Primary handler fails   Webhook, POST  {ours.fallback}",
        ]

    def waiting_document(self, url: str, meanwhile: Meanwhile, *, is_kept: bool = False) -> str:
        """The same, whoever keeps it: when nobody answers, Twilio asks the fallback address, and so the kept one."""
        from carriers.twilio import twiml

        return twiml.waiting_document(url, meanwhile)

    def cloud_document(self, host: str, agent: str) -> str:
        """The text of a TwiML Bin."""
        from carriers.twilio import twiml

        return twiml.cloud_document(*self.cloud_stream(host, agent))


CARRIER = Twilio()
