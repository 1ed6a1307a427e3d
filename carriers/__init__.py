"""Phone companies: what they do differently, behind one protocol.

The carriers' SDKs take long to import, so each is loaded with the first call that needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from carriers.carrier import Carrier
    from carriers.checks import AccountChecks
    from settings import Settings

__all__ = [
    "carrier_for",
    "checks_for",
    "credential_notes",
    "credential_problems",
    "dialling_mode",
    "known_carriers",
    "signs_addresses",
]


def known_carriers() -> tuple[str, ...]:
    """The names that `carrier_for` understands."""
    return ("twilio", "telnyx")


def signs_addresses(name: str) -> bool:
    """Whether a carrier's signature covers the address that it calls, so that nothing in it can be changed.

    Twilio's does. Telnyx signs a time and the body, not the address, and whether it signs requests for instructions is
    not documented.

    Args:
        name: One of `known_carriers()`.
    """
    return name == "twilio"


def dialling_mode(name: str, settings: Settings) -> str:
    """The mode of the calls that we make at a carrier, and of those that its numbers should bring.

    Args:
        name: One of `known_carriers()`.
        settings: Where the operator has chosen.
    """
    return settings.telnyx_mode if name == "telnyx" and settings.telnyx_mode != "texml" else ""


def carrier_for(name: str, settings: Settings, mode: str = "") -> Carrier | None:
    """The carrier of a call, ready to act on it.

    Args:
        name: One of `known_carriers()`.
        settings: Where the credentials are.
        mode: The call's: `carriers.carrier.MARKUP` or `CALL_CONTROL`; for a new call, `dialling_mode`.

    Returns:
        None when there are no credentials for REST, no such carrier, or the carrier has no such mode. The caller
        closes what it got with `aclose()`.
    """
    carrier: Carrier | None = None
    if name == "twilio" and mode == "" and settings.twilio_account_sid:
        from carriers.twilio.carrier import TwilioCarrier

        twilio = TwilioCarrier.from_settings(settings)
        carrier = twilio if twilio.configured else None
    elif name == "telnyx" and mode == "" and settings.telnyx_api_key:
        from carriers.telnyx.carrier import TelnyxCarrier

        carrier = TelnyxCarrier.from_settings(settings)
    elif name == "telnyx" and mode == "call_control" and settings.telnyx_api_key:
        from carriers.telnyx.call_control import TelnyxCallControl

        carrier = TelnyxCallControl.from_settings(settings)
    return carrier


def checks_for(name: str, settings: Settings) -> AccountChecks | None:
    """Questions about the account at a carrier; None without credentials. Close it with `aclose()`.

    Args:
        name: One of `known_carriers()`.
        settings: Where the credentials are.
    """
    if (
        name == "twilio"
        and settings.twilio_account_sid
        and (settings.twilio_auth_token or settings.twilio_api_key)
    ):
        from carriers.twilio.checks import TwilioChecks

        return TwilioChecks(settings)
    if name == "telnyx" and settings.telnyx_api_key:
        from carriers.telnyx.checks import TelnyxChecks

        return TelnyxChecks(settings)
    return None


def credential_problems(settings: Settings) -> list[str]:
    """Credentials that cannot work: one line each, with cause and fix."""
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
    if settings.pipecat_cloud_public_key and not settings.pipecat_cloud_agent:
        problems.append(
            "PIPECAT_CLOUD_PUBLIC_KEY is set, but PIPECAT_CLOUD_AGENT is not: set it to AGENT.ORGANIZATION"
        )
    if settings.telnyx_public_key:
        from carriers.signatures import read_telnyx_public_key

        try:
            read_telnyx_public_key(settings.telnyx_public_key)
        except ValueError as error:
            problems.append(f"TELNYX_PUBLIC_KEY {error}")
    if settings.telnyx_api_base_url and not settings.telnyx_api_base_url.rstrip("/").endswith("/v2"):
        problems.append("TELNYX_API_BASE_URL must end with /v2, for example https://api.telnyx.eu/v2")
    return problems


def credential_notes(settings: Settings) -> list[str]:
    """What works only in part with these credentials: one line each."""
    notes = []
    if settings.twilio_account_sid and not settings.twilio_auth_token:
        notes.append(
            "TWILIO_AUTH_TOKEN is not set: Twilio's webhooks cannot be verified and are refused; set it "
            "beside the API key"
        )
    if settings.telnyx_api_key and not settings.telnyx_public_key:
        notes.append(
            "TELNYX_PUBLIC_KEY is not set: Telnyx's status callbacks cannot be verified and are refused; "
            "copy it from the portal, Keys & Credentials"
        )
    return notes
