"""What the rest of the product knows of Telnyx."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carriers.carrier import CALL_CONTROL, MARKUP, Carrier
from carriers.checks import AccountChecks, Addresses, Finding, Verdict
from carriers.descriptor import CarrierDescriptor, StreamEncoding
from carriers.streams import Meanwhile
from carriers.telnyx import SIGNATURE_HEADER
from carriers.telnyx.variables import TelnyxVariables

if TYPE_CHECKING:
    from pydantic import SecretStr


class Telnyx(CarrierDescriptor[TelnyxVariables]):
    """Telnyx: calls run TeXML or, by commands, none.

    Telnyx signs a time and the body of a request, not its address; whether it signs requests for instructions is not
    documented. Those are GETs unless a TeXML application says otherwise, so that only a time would be signed.

    TeXML callbacks must get exactly 200. Source: Telnyx docs, API reference, TeXML callbacks.
    """

    name = "telnyx"
    title = "Telnyx"
    variables = TelnyxVariables
    rank = 2
    modes = (MARKUP, CALL_CONTROL)
    signature_header = SIGNATURE_HEADER
    verified_by = "TELNYX_PUBLIC_KEY"
    credentials = "TELNYX_API_KEY"
    cloud_bin = "a Telnyx TeXML Bin and choose it for your TeXML application"
    api_host = "api.telnyx.com"
    beside_credentials = frozenset({"TELNYX_CONNECTION_ID"})
    dials_again = True
    waiting_bin = "a TeXML Bin and choose that for `Failover URL`"

    def carrier(self, settings: TelnyxVariables, mode: str = MARKUP) -> Carrier:
        """Markup and webhooks, and REST where there is a key."""
        if mode == CALL_CONTROL:
            from carriers.telnyx.call_control import TelnyxCallControl

            return TelnyxCallControl.from_settings(settings)
        from carriers.telnyx.carrier import TelnyxCarrier

        return TelnyxCarrier.from_settings(settings)

    def can_act(self, settings: TelnyxVariables) -> bool:
        """Whether TELNYX_API_KEY is set."""
        return bool(settings.telnyx_api_key)

    def has_account(self, settings: TelnyxVariables) -> bool:
        """Whether TELNYX_API_KEY is set, which says whose account it is."""
        return bool(settings.telnyx_api_key)

    def is_mentioned(self, settings: TelnyxVariables) -> bool:
        """Whether one of the two keys is set."""
        return bool(settings.telnyx_api_key or settings.telnyx_public_key)

    def secrets(self, settings: TelnyxVariables) -> list[SecretStr]:
        """The API key."""
        return [settings.telnyx_api_key] if settings.telnyx_api_key is not None else []

    def dialling_mode(self, settings: TelnyxVariables) -> str:
        """What TELNYX_MODE says."""
        return CALL_CONTROL if settings.telnyx_mode == "call_control" else MARKUP

    def checks(self, settings: TelnyxVariables) -> AccountChecks | None:
        """Questions about the account."""
        if not settings.telnyx_api_key:
            return None
        from carriers.telnyx.checks import TelnyxChecks

        return TelnyxChecks(settings)

    def stream_encoding(self, settings: TelnyxVariables) -> StreamEncoding:
        """What TELNYX_CODEC says."""
        return StreamEncoding(settings.telnyx_codec, settings.telnyx_l16_byte_order)

    def problems(self, settings: TelnyxVariables) -> list[str]:
        """Complaints about a public key that is none, and a REST address without its version."""
        problems = []
        if settings.telnyx_public_key:
            from carriers.telnyx.signatures import read_public_key

            try:
                read_public_key(settings.telnyx_public_key)
            except ValueError as error:
                problems.append(f"TELNYX_PUBLIC_KEY {error}")
        if settings.telnyx_api_base_url and not settings.telnyx_api_base_url.rstrip("/").endswith("/v2"):
            problems.append("TELNYX_API_BASE_URL must end with /v2, for example https://api.telnyx.eu/v2")
        return problems

    def notes(self, settings: TelnyxVariables) -> list[str]:
        """A note where the public key is missing: without it callbacks cannot be verified."""
        if not settings.telnyx_api_key or settings.telnyx_public_key:
            return []
        return [
            "TELNYX_PUBLIC_KEY is not set: Telnyx's status callbacks cannot be verified and are refused; "
            "copy it from the portal, Keys & Credentials"
        ]

    def findings(self, settings: TelnyxVariables) -> list[Finding]:
        """Settings without the API key that they belong to, no way to dial, and a codec that TeXML does not have."""
        if not settings.telnyx_api_key:
            lone = [
                name
                for name in ("telnyx_public_key", "telnyx_connection_id", "telnyx_account_sid")
                if getattr(settings, name)
            ]
            text = "is set without TELNYX_API_KEY: set that, too, or unset it"
            return [Finding(Verdict.FAULT, name.upper(), text) for name in lone]
        found = []
        if not settings.telnyx_connection_id:
            text = "is not set: at Telnyx the bot answers, but places no calls"
            found.append(Finding(Verdict.NOTE, "TELNYX_CONNECTION_ID", text))
        if settings.telnyx_codec == "L16" and settings.telnyx_mode == "texml":
            text = (
                "is L16, which TeXML's documentation does not have: PCMU and PCMA are safe, or "
                "TELNYX_MODE=call_control"
            )
            found.append(Finding(Verdict.NOTE, "TELNYX_CODEC", text))
        return found

    def unused(self, name: str, settings: TelnyxVariables) -> str | None:
        """Why a setting is not needed: no calls, or calls of another codec or mode."""
        if name in ("telnyx_codec", "telnyx_l16_byte_order", "telnyx_mode") and not settings.telnyx_api_key:
            return "TELNYX_API_KEY is not set"
        if name == "telnyx_l16_byte_order" and settings.telnyx_codec != "L16":
            return "TELNYX_CODEC is not L16"
        if name == "telnyx_account_sid" and settings.telnyx_mode == "call_control":
            return "only calls of TeXML need it"
        return None

    def console_lines(self, ours: Addresses) -> list[str]:
        """What to enter in the portal, for each of the two kinds of applications."""
        return [
            "Paste into a Telnyx TeXML application:",
            f"  Webhook URL             POST           {ours.voice}",
            f"  Failover URL            POST           {ours.fallback}",
            f"  Status callback         POST           {ours.status}",
            "or into a Telnyx Voice API (Call Control) application:",
            f"  Webhook URL             POST           {ours.events}",
        ]

    def waiting_document(self, url: str, meanwhile: Meanwhile, *, is_kept: bool = False) -> str:
        """The kept one is for calls that begin, and is asked once: no other address of a call has one behind it."""
        from carriers.telnyx import texml

        return texml.waiting_document(
            url, meanwhile, texml.KEPT_WAIT_SECS if is_kept else texml.FIRST_WAIT_SECS
        )

    def cloud_document(self, host: str, agent: str) -> str:
        """The text of a TeXML Bin."""
        from carriers.telnyx import texml

        return texml.cloud_document(self.cloud_stream(host, agent)[0])

    def cloud_stream(self, host: str, agent: str) -> tuple[str, dict[str, str]]:
        """The agent is in the address's query. Source: Pipecat docs, guides/telephony/telnyx-websocket."""
        return f"wss://{host}/ws/telnyx?serviceHost={agent}", {}


CARRIER = Telnyx()
