"""Telnyx's dialect: the forms of TeXML, its signatures and its rules.

Sources: Telnyx docs, media streaming over websockets (modes, codecs), TeXML instruction fetching, TeXML callbacks
(status, stream), TeXML `<Stream>`; webhook fundamentals (signature).
"""

from __future__ import annotations

import secrets
import time
import uuid
from datetime import UTC, datetime

from emulator.carriers.credentials import Credentials
from emulator.carriers.signatures import telnyx_signature
from emulator.carriers.telnyx.callbacks import (
    amd_parameters,
    conference_parameters,
    dial_parameters,
    guide_amd_parameters,
    iso,
    progress_parameters,
    refer_parameters,
)
from emulator.carriers.telnyx.control.command_errors import TOO_EARLY
from emulator.carriers.telnyx.detection_words import GUIDE
from emulator.carriers.telnyx.retries import TEXML_CALLBACK, TEXML_DOCUMENT
from emulator.carriers.telnyx.stream_messages import CODECS, G711, TelnyxStream
from emulator.documents.languages import verbs
from emulator.documents.parsing import Verb
from emulator.legs.dialect import ConferenceEvent, Dialled, DialRules, RecordRules, Referred, StreamDialect
from emulator.legs.leg import INBOUND, Leg
from emulator.line.detected import Words

FILES = "/recordings"
"""Where recordings are; the documentation does not say where."""

USER_AGENT = "telnyx-webhooks"


class Telnyx:
    """Telnyx's TeXML dialect. Source of the verbs: Telnyx docs, TeXML verbs."""

    name = "telnyx"
    language = "texml"
    known_verbs = verbs(language)
    # "Must return 200 with <Response>" is all that is documented about the answer.
    content_types: frozenset[str] | None = None
    answers_before_webhook = True
    connect_action = False
    mustache = True
    dial_rules = DialRules(timeouts=(5, 120), limits=(60, 14400), amd_timeout_unit=0.001)
    record_rules = RecordRules(
        timeout_secs=0.0,
        waits_for_speech=True,
        asks_when_empty=True,
        asks_when_hung_up=False,
        asks_itself=False,
        tells_action=False,
        dual=True,
        reports_after_call=True,
    )
    play_keys = "0123456789*#w"
    keeps_order = False
    document_delivery = TEXML_DOCUMENT
    callback_delivery = TEXML_CALLBACK
    connection_overrides = False
    falls_back_always = False
    numbers_have_addresses = False
    fallback_has_method = False
    # The default of `enableReconnect`; whether it also dials after a clean close is not documented (here: no).
    reconnects = True
    not_ours = "D38"
    too_early = TOO_EARLY
    signs_instructions = False
    detection_words: Words = GUIDE

    def __init__(self, credentials: Credentials) -> None:
        """Sign with this account's key."""
        self._credentials = credentials
        self._key = credentials.telnyx_key

    def new_leg(
        self,
        from_number: str,
        to_number: str,
        codec: str,
        *,
        direction: str = INBOUND,
        parent: Leg | None = None,
    ) -> Leg:
        """A call whose CallSid is its call_control_id; the second leg of a call is of the same session."""
        return Leg(
            "v3:" + secrets.token_urlsafe(40),
            self._credentials.telnyx_account_id,
            from_number,
            to_number,
            session_id=str(uuid.uuid4()) if parent is None else parent.session_id,
            leg_id=str(uuid.uuid4()),
            connection_id=self._credentials.telnyx_connection_id,
            codec=codec,
            direction=direction,
            parent_id=None if parent is None else parent.call_id,
            status="ringing" if direction == INBOUND else "queued",
        )

    def new_conference_id(self) -> str:
        """A UUID: Telnyx's documentation shows conference ids of several shapes."""
        return str(uuid.uuid4())

    def new_recording_id(self) -> str:
        """A UUID, as Telnyx's documentation shows."""
        return str(uuid.uuid4())

    def recordings_path(self, leg: Leg) -> str:
        """Where a leg's recordings are on this server; Telnyx's documentation does not say where theirs are."""
        return FILES

    def recording_parameters(self, started_at: datetime, track: str) -> dict[str, str]:
        """Fields of a recording's callback that only Telnyx sends: none. Source: Telnyx docs, TeXML callbacks."""
        return {}

    def webhook_parameters(self, leg: Leg) -> dict[str, str]:
        """The parameters of an instruction fetch."""
        sip = leg.from_number.startswith("sip") or leg.to_number.startswith("sip")
        return {
            "AccountSid": leg.account_id,
            "CallSid": leg.call_id,
            "CallSidLegacy": leg.call_id,
            "CallStatus": leg.status,
            "CallerId": leg.from_number,
            "CallingPartyType": "sip" if sip else "pstn",
            "ConnectionId": leg.connection_id,
            "From": leg.from_number,
            "FromSipUri": _sip_uri(leg.from_number, "192.0.2.10"),
            "To": leg.to_number,
            "ToSipUri": _sip_uri(leg.to_number, "sip.telnyx.com"),
        }

    def webhook_headers(self, url: str, body: bytes, parameters: dict[str, str]) -> dict[str, str]:
        """The two signature headers, over the raw body. For a GET the body is empty (not documented)."""
        timestamp = str(int(time.time()))
        return {
            "Telnyx-Signature-Ed25519": telnyx_signature(body, timestamp, self._key),
            "Telnyx-Timestamp": timestamp,
            "User-Agent": USER_AGENT,
        }

    def instruction_headers(self, url: str, body: bytes, parameters: dict[str, str]) -> dict[str, str]:
        """Unsigned unless the network's `signs_instructions` is on: what Telnyx does is not documented."""
        if self.signs_instructions:
            return self.webhook_headers(url, body, parameters)
        return {"User-Agent": USER_AGENT}

    def progress_parameters(self, leg: Leg, event: str, sequence: int) -> dict[str, str]:
        """The form of a status callback.

        Source: Telnyx docs, TeXML callbacks "call initiated", "ringing", "answered" and "completed".
        """
        return progress_parameters(leg, event, sequence)

    def amd_parameters(self, leg: Leg, answered_by: str, duration_ms: int) -> dict[str, str]:
        """The fields that go with the words in use: those of the guide, or of the callback reference."""
        if self.detection_words is GUIDE:
            return guide_amd_parameters(leg, answered_by)
        return amd_parameters(leg, answered_by, duration_ms)

    def dial_parameters(self, leg: Leg, dialled: Dialled) -> dict[str, str]:
        """The shape of a status callback, of a call that goes on. Source: Telnyx docs, TeXML callbacks."""
        return dial_parameters(leg, dialled)

    def conference_dial_parameters(self, leg: Leg) -> dict[str, str]:
        """The request after a conference is not documented; here it is that of a dial that was completed."""
        return {"DialCallStatus": "completed"}

    def conference_parameters(self, event: ConferenceEvent) -> dict[str, str]:
        """A conference's callback. Source: Telnyx docs, TeXML callback "conference start" and its sisters."""
        return conference_parameters(event)

    def refer_parameters(self, leg: Leg, referred: Referred) -> dict[str, str]:
        """The fields for a `<Refer action>`. Source: Telnyx docs, TeXML refer."""
        return refer_parameters(referred)

    def stream_event(
        self, leg: Leg, stream_id: str, name: str | None, event: str, error: str | None
    ) -> dict[str, str]:
        """The TeXML stream callback. A failure is `stream-error` (so the reference; the guide: `stream-failed`)."""
        parameters = {
            "AccountSid": leg.account_id,
            "CallSid": leg.call_id,
            "CallSidLegacy": leg.call_id,
            "StreamSid": stream_id,
            "StreamName": name or stream_id,
            "StreamEvent": f"stream-{event}",
            "Timestamp": iso(datetime.now(UTC)),
        }
        return parameters | ({"StreamError": error} if error else {})

    def stream_url(self, url: str) -> tuple[str, list[str]]:
        """Telnyx keeps the query string."""
        return url, []

    def socket_headers(self, signed_url: str) -> dict[str, str]:
        """TeXML streams carry neither a signature nor a token."""
        return {}

    def user_agent(self) -> str:
        """A made-up user agent: Telnyx's is not documented, and nothing may depend on it."""
        return "telnyx-media-streaming"

    def open_stream(
        self, leg: Leg, stream: Verb, parameters: dict[str, str]
    ) -> tuple[StreamDialect, list[str]]:
        """Modes and codecs of TeXML `<Stream>`; the defaults stand in for those that are unknown."""
        mode = "rtp" if stream.attributes.get("bidirectionalMode") == "rtp" else "mp3"
        bot_encoding = stream.attributes.get("bidirectionalCodec", "PCMU")
        if bot_encoding not in CODECS:
            bot_encoding = "PCMU"
        encoding = stream.attributes.get("codec", "default")
        # Transcoding works between PCMU and PCMA only; everything else means the leg's own codec.
        encoding = encoding if encoding in G711 else leg.codec
        dialect = TelnyxStream(leg, parameters, encoding=encoding, bot_encoding=bot_encoding, mode=mode)
        return dialect, []


def _sip_uri(address: str, host: str) -> str:
    return address if "@" in address else f"{address}@{host}"
