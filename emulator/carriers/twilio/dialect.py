"""Twilio's dialect: the forms of its webhooks, its signatures and its rules.

Sources: Twilio docs, voice/twiml (request parameters), voice/twiml/stream, usage/security (signatures), error 31941; a
live capture of the upgrade's headers for the user agent.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import urlsplit, urlunsplit

from emulator.carriers.credentials import Credentials
from emulator.carriers.signatures import twilio_signature
from emulator.carriers.twilio.stream_messages import TwilioStream, new_sid
from emulator.documents.languages import verbs
from emulator.documents.parsing import Verb
from emulator.legs.delivery import NOT_CONNECTED, Delivery
from emulator.legs.dialect import ConferenceEvent, Dialled, DialRules, RecordRules, Referred, StreamDialect
from emulator.legs.leg import INBOUND, STATUSES, Leg
from emulator.line.colleague import Ending
from emulator.line.detected import EVERY_WORD

API_VERSION = "2010-04-01"
PARAMETER_LIMIT = 500

SIP_CODES: dict[Ending, str] = {
    "completed": "200",
    "busy": "486",
    "declined": "603",
    "no_answer": "487",
    "failed": "480",
    "canceled": "487",
}

REQUEST = Delivery(connect_secs=5.0, pauses=(0.0,), policy=frozenset({NOT_CONNECTED}), refused="15003 ")
"""How requests for documents and callbacks are made. Sources: usage/webhooks/webhooks-connection-overrides, errors
11205 (two attempts of 5 s to connect, 15 s in all) and 15003. That there is no pause is not documented."""


class Twilio:
    """Twilio's dialect. Source of the verbs: Twilio docs, voice/twiml."""

    name = "twilio"
    language = "twiml"
    known_verbs = verbs(language)
    content_types: frozenset[str] | None = frozenset({"text/xml", "application/xml", "text/html"})
    answers_before_webhook = False
    connect_action = True
    mustache = False
    # A least timeLimit is not documented; the longest call is 24 h.
    dial_rules = DialRules(timeouts=(5, 600), limits=(1, 86400), buffer_secs=5)
    record_rules = RecordRules(
        timeout_secs=5.0,
        waits_for_speech=False,
        asks_when_empty=False,
        asks_when_hung_up=True,
        asks_itself=True,
        tells_action=True,
        dual=False,
        reports_after_call=False,
    )
    play_keys = "0123456789ABCD*#wW"
    detection_words = EVERY_WORD
    keeps_order = True
    document_delivery = REQUEST
    callback_delivery = REQUEST
    connection_overrides = True
    falls_back_always = True
    numbers_have_addresses = True
    fallback_has_method = True
    reconnects = False
    not_ours = "13214"
    too_early = ""

    def __init__(self, credentials: Credentials) -> None:
        """Sign with this account's auth token."""
        self._credentials = credentials

    def new_leg(
        self,
        from_number: str,
        to_number: str,
        codec: str,
        *,
        direction: str = INBOUND,
        parent: Leg | None = None,
    ) -> Leg:
        """A ringing call, or a queued one that a server has ordered; streams are always µ-law."""
        return Leg(
            new_sid("CA"),
            self._credentials.twilio_account_sid,
            from_number,
            to_number,
            direction=direction,
            parent_id=None if parent is None else parent.call_id,
            status="ringing" if direction == INBOUND else "queued",
        )

    def new_conference_id(self) -> str:
        """A ConferenceSid."""
        return new_sid("CF")

    def new_recording_id(self) -> str:
        """A RecordingSid."""
        return new_sid("RE")

    def recordings_path(self, leg: Leg) -> str:
        """Where a leg's recordings are. Source: Twilio docs, voice/api/recording, "fetch a recording's media file"."""
        return f"/{API_VERSION}/Accounts/{leg.account_id}/Recordings"

    def recording_parameters(self, started_at: datetime, track: str) -> dict[str, str]:
        """Fields of a recording's callback that only Twilio sends. Source: Twilio docs, call resource."""
        return {
            "RecordingStartTime": format_datetime(started_at),
            "RecordingTrack": track,
            "ErrorCode": "0",
        }

    def webhook_parameters(self, leg: Leg) -> dict[str, str]:
        """The standard voice parameters; the geography of the numbers is unknown and therefore blank."""
        parent = {} if leg.parent_id is None else {"ParentCallSid": leg.parent_id}
        places = [
            f"{who}{what}"
            for who in ("From", "To", "Caller", "Called")
            for what in ("City", "State", "Zip", "Country")
        ]
        return {
            "AccountSid": leg.account_id,
            "ApiVersion": API_VERSION,
            "CallSid": leg.call_id,
            "CallStatus": leg.status,
            "Called": leg.to_number,
            "Caller": leg.from_number,
            "Direction": leg.direction,
            "From": leg.from_number,
            "To": leg.to_number,
            **parent,
            **dict.fromkeys(places, ""),
        }

    def webhook_headers(self, url: str, body: bytes, parameters: dict[str, str]) -> dict[str, str]:
        """`X-Twilio-Signature` over the URL and the form."""
        signature = twilio_signature(url, parameters, self._credentials.twilio_auth_token)
        return {
            "X-Twilio-Signature": signature,
            "User-Agent": "TwilioProxy/1.1",
            "I-Twilio-Idempotency-Token": secrets.token_hex(16),
        }

    def instruction_headers(self, url: str, body: bytes, parameters: dict[str, str]) -> dict[str, str]:
        """All webhooks are signed alike."""
        return self.webhook_headers(url, body, parameters)

    def progress_parameters(self, leg: Leg, event: str, sequence: int) -> dict[str, str]:
        """The form of a status callback. Source: Twilio docs, call resource, status callbacks.

        Which `SipResponseCode` goes with which ending is not documented; here it is the one that SIP has for it.
        """
        parameters = self.webhook_parameters(leg) | {
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(sequence),
            "Timestamp": format_datetime(datetime.now(UTC)),
        }
        if event != "completed":
            return parameters
        duration = leg.duration_secs
        parameters |= {"CallDuration": str(duration), "Duration": str(-(-duration // 60))}
        if leg.ending is not None:
            parameters["SipResponseCode"] = "404" if leg.nobody_there else SIP_CODES[leg.ending]
        return parameters

    def amd_parameters(self, leg: Leg, answered_by: str, duration_ms: int) -> dict[str, str]:
        """The form with the result. Source: Twilio docs, answering machine detection, AsyncAmdStatusCallback."""
        return {
            "AccountSid": leg.account_id,
            "AnsweredBy": answered_by,
            "CallSid": leg.call_id,
            "MachineDetectionDuration": str(duration_ms),
        }

    def dial_parameters(self, leg: Leg, dialled: Dialled) -> dict[str, str]:
        """The fields for a `<Dial action>`, without a duration when the second leg was redirected.

        Source: Twilio docs, voice/twiml/dial, parameters of the action.

        That a rejected call is `busy`, and that an unanswered one has a duration of 0, is not documented.
        """
        parameters = {
            "DialCallStatus": STATUSES[dialled.ending],
            "DialCallSid": dialled.call_id,
            "DialBridged": str(dialled.bridged).lower(),
        }
        return parameters | ({} if dialled.redirected else {"DialCallDuration": str(dialled.duration_secs)})

    def conference_dial_parameters(self, leg: Leg) -> dict[str, str]:
        """The fields after a conference: `answered`, no sid and no duration. Source: Twilio docs, voice/twiml/dial."""
        return {"DialCallStatus": "answered", "DialBridged": "true"}

    def conference_parameters(self, event: ConferenceEvent) -> dict[str, str]:
        """The form of a conference's callback. Source: Twilio docs, voice/twiml/conference, status callbacks."""
        parameters = {
            "AccountSid": event.leg.account_id,
            "ConferenceSid": event.conference_id,
            "FriendlyName": event.name,
            "SequenceNumber": str(event.sequence),
            "StatusCallbackEvent": event.kind,
            "Timestamp": format_datetime(datetime.now(UTC)),
        }
        if event.kind == "conference-end":
            ended = {"CallSidEndingConference": event.leg.call_id}
            return parameters | ended | {"ReasonConferenceEnded": event.reason or ""}
        if event.kind.startswith("participant-"):
            parameters["CallSid"] = event.leg.call_id
            parameters |= {name: str(value).lower() for name, value in event.flags.items()}
            if event.label is not None:
                parameters["ParticipantLabel"] = event.label
        if event.kind == "participant-leave":
            parameters["ParticipantCallStatus"] = event.leg.status
            parameters["ReasonParticipantLeft"] = event.reason or ""
        return parameters

    def refer_parameters(self, leg: Leg, referred: Referred) -> dict[str, str]:
        """The fields for a `<Refer action>`. Source: Twilio docs, voice/twiml/refer."""
        parameters = {"ReferSipResponseCode": str(referred.refer_code)}
        if referred.status is not None:
            parameters["ReferCallStatus"] = referred.status
        if referred.notify_code is not None:
            parameters["NotifySipResponseCode"] = str(referred.notify_code)
        return parameters

    def stream_event(
        self, leg: Leg, stream_id: str, name: str | None, event: str, error: str | None
    ) -> dict[str, str]:
        """The form of a stream's callback. Source: Twilio docs, voice/twiml/stream, status callbacks."""
        parameters = {
            "AccountSid": leg.account_id,
            "CallSid": leg.call_id,
            "StreamSid": stream_id,
            "StreamName": name or stream_id,
            "StreamEvent": f"stream-{event}",
            "Timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        return parameters | ({"StreamError": error} if error else {})

    def stream_url(self, url: str) -> tuple[str, list[str]]:
        """Twilio dials a stream without the query string of its URL."""
        parts = urlsplit(url)
        if not parts.query:
            return url, []
        warning = "Twilio drops the query string of a <Stream> URL; use the path or <Parameter>"
        return urlunsplit(parts._replace(query="")), [warning]

    def socket_headers(self, signed_url: str) -> dict[str, str]:
        """The upgrade is signed over the wss form of the URL; the header's name is in lower case."""
        signature = twilio_signature(signed_url, {}, self._credentials.twilio_auth_token)
        return {"x-twilio-signature": signature, "accept-encoding": "gzip"}

    def user_agent(self) -> str:
        """As seen in a live capture."""
        return "Twilio.TmeWs/1.0"

    def open_stream(
        self, leg: Leg, stream: Verb, parameters: dict[str, str]
    ) -> tuple[StreamDialect, list[str]]:
        """A bidirectional stream: only `inbound_track` (31941), parameters below 500 characters."""
        warnings = [
            f"<Parameter> {name[:40]!r}: name and value together have {len(name) + len(value)} characters, "
            f"{PARAMETER_LIMIT} are too many"
            for name, value in parameters.items()
            if len(name) + len(value) >= PARAMETER_LIMIT
        ]
        track = stream.attributes.get("track", "inbound_track")
        if track != "inbound_track":
            warnings.append(f"31941 track {track!r} cannot be used with <Connect>; only inbound_track")
        return TwilioStream(leg, parameters), warnings
