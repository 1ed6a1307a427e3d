"""Telnyx's side of the wire: TeXML forms and the frames of media streaming.

Sources: Telnyx docs, media streaming over websockets (frames, modes, codecs, error codes), TeXML instruction
fetching, TeXML callbacks (status, stream), TeXML `<Stream>`; webhook fundamentals (signature).
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import time
import uuid
from datetime import UTC, datetime
from typing import Any

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
from emulator.carriers.telnyx.control.refusals import TOO_EARLY
from emulator.carriers.telnyx.detection_words import GUIDE
from emulator.carriers.telnyx.retries import TEXML_CALLBACK, TEXML_DOCUMENT
from emulator.documents.languages import verbs
from emulator.documents.parsing import Verb
from emulator.legs.dialect import (
    BotAudio,
    BotClear,
    BotMark,
    BotMessage,
    ConferenceEvent,
    Dialled,
    DialRules,
    Referred,
    Refused,
    StreamDialect,
)
from emulator.legs.leg import INBOUND, Leg
from emulator.line.codecs import FRAME_MS, SAMPLE_RATE, Pcm, decode, encode
from emulator.line.detected import Words

G711 = ("PCMU", "PCMA")
CODECS = (*G711, "G722", "OPUS", "AMR-WB", "L16")
SHORTEST_MESSAGE_MS = 20
LONGEST_MESSAGE_MS = 30_000
TOKEN_HEADER = "x-telnyx-streaming-auth-token"
"""Where `stream_auth_token` is sent: a header of the upgrade, and a field of the first frame."""

FILES = "/recordings"
"""Where recordings are; the documentation does not say where."""

USER_AGENT = "telnyx-webhooks"

_TITLES = {100003: "malformed_frame", 100004: "invalid_media"}


class TelnyxStream:
    """The frames of one stream.

    Args:
        leg: The call.
        parameters: The `<Parameter>`s of the document, sent as `custom_parameters`.
        encoding: What we send, `PCMU` or `PCMA`: told in `start.media_format`.
        bot_encoding: What the bot is to send (`bidirectionalCodec`).
        mode: `rtp` for raw audio, `mp3` (the carrier's default) for whole MP3 files.
        client_state: Call Control's, as the application gave it.
        auth_token: Call Control's `stream_auth_token`, repeated in the first frame.
    """

    def __init__(
        self,
        leg: Leg,
        parameters: dict[str, str],
        *,
        encoding: str,
        bot_encoding: str,
        mode: str,
        client_state: str | None = None,
        auth_token: str | None = None,
    ) -> None:
        """Begin a stream."""
        self.stream_id = str(uuid.uuid4())
        self._leg = leg
        self._parameters = parameters
        self._encoding = encoding
        self._bot_encoding = bot_encoding
        self._mode = mode
        self._client_state = client_state
        self._auth_token = auth_token
        self._sequence = 0
        self._chunk = 0
        self._user_id = str(uuid.uuid5(uuid.NAMESPACE_OID, leg.account_id))

    def _numbered(self, event: str, body: dict[str, Any]) -> dict[str, Any]:
        self._sequence += 1
        return {"event": event, "sequence_number": str(self._sequence), "stream_id": self.stream_id, **body}

    def opening(self) -> list[dict[str, Any]]:
        """`connected`, then `start`; the stream's id is at the top level."""
        start: dict[str, Any] = {
            "user_id": self._user_id,
            "call_control_id": self._leg.call_id,
            "call_session_id": self._leg.session_id,
            "from": self._leg.from_number,
            "to": self._leg.to_number,
            "tags": [],
            "client_state": self._client_state,
            "custom_parameters": self._parameters,
            "media_format": {"encoding": self._encoding, "sample_rate": SAMPLE_RATE, "channels": 1},
        }
        connected = {"event": "connected", "version": "1.0.0"}
        if self._auth_token is not None:
            connected[TOKEN_HEADER] = self._auth_token
        return [connected, self._numbered("start", {"start": start})]

    def media(self, frame: Pcm) -> dict[str, Any]:
        """20 ms in the leg's encoding."""
        self._chunk += 1
        payload = base64.b64encode(encode(self._encoding, frame)).decode()
        timestamp = str(self._chunk * FRAME_MS)
        media = {"track": "inbound", "chunk": str(self._chunk), "timestamp": timestamp, "payload": payload}
        return self._numbered("media", {"media": media})

    def lost(self) -> None:
        """Its numbers are missing."""
        self._chunk += 1
        self._sequence += 1

    def dtmf(self, digit: str) -> dict[str, Any]:
        """A key, with the time at which it was pressed."""
        occurred_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return self._numbered("dtmf", {"occurred_at": occurred_at, "dtmf": {"digit": digit}})

    def mark(self, name: str) -> dict[str, Any]:
        """A mark goes back."""
        return self._numbered("mark", {"mark": {"name": name}})

    def stop(self) -> dict[str, Any]:
        """The stream stopped or the call ended."""
        return self._numbered(
            "stop", {"stop": {"user_id": self._user_id, "call_control_id": self._leg.call_id}}
        )

    def read(self, raw: str | bytes) -> BotMessage:
        """Judge a frame; a bad one is answered with an `error` frame (100003, 100004)."""
        if isinstance(raw, bytes):
            return self._refused(100003, "binary frame; messages are JSON text")
        try:
            message = json.loads(raw)
        except ValueError:
            return self._refused(100003, "not JSON")
        event = message.get("event") if isinstance(message, dict) else None
        if event == "clear":
            return BotClear()
        body = message.get(event) if isinstance(event, str) else None
        if event not in ("media", "mark") or not isinstance(body, dict):
            return self._refused(100003, f"unknown or incomplete event {str(event)[:40]!r}")
        if event == "mark":
            name = body.get("name")
            return (
                BotMark(name)
                if isinstance(name, str)
                else self._refused(100003, "mark: the name is not a string")
            )
        if not isinstance(body.get("payload"), str):
            return self._refused(100003, "media: the payload is not a string")
        try:
            payload = base64.b64decode(body["payload"], validate=True)
        except (binascii.Error, ValueError):
            return self._refused(100004, "media: the payload is not base64")
        return self._audio(payload)

    def _audio(self, payload: bytes) -> BotMessage:
        if self._mode != "rtp":
            reason = "MP3 playback is not emulated" if payload[:3] == b"ID3" else "raw audio is not heard"
            return Refused("mp3-mode", f"{reason}: the stream is in mp3 mode; set it to rtp")
        if self._bot_encoding not in G711:
            return Refused(
                "codec", f"bidirectionalCodec {self._bot_encoding} is not emulated: the audio is dropped"
            )
        length_ms = len(payload) * 1000 // SAMPLE_RATE
        if not SHORTEST_MESSAGE_MS <= length_ms <= LONGEST_MESSAGE_MS:
            return Refused(
                "length", f"media of {length_ms} ms: a message has 20 ms to 30 s; the audio is dropped"
            )
        return BotAudio(decode(self._bot_encoding, payload))

    def _refused(self, code: int, detail: str) -> Refused:
        payload = {"code": code, "title": _TITLES[code], "detail": detail}
        answer = {"event": "error", "stream_id": self.stream_id, "payload": payload}
        return Refused(str(code), f"{_TITLES[code]}: {detail}", once=False, answer=answer)


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
        """The docs show ids of several shapes; a UUID."""
        return str(uuid.uuid4())

    def new_recording_id(self) -> str:
        """The docs show UUIDs."""
        return str(uuid.uuid4())

    def recordings_path(self, leg: Leg) -> str:
        """Not documented."""
        return FILES

    def recording_parameters(self, started_at: datetime, track: str) -> dict[str, str]:
        """Source: Telnyx docs, TeXML callbacks: nothing more."""
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
        """Whether requests for instructions are signed is not documented: they are not, unless somebody wants it."""
        if self.signs_instructions:
            return self.webhook_headers(url, body, parameters)
        return {"User-Agent": USER_AGENT}

    def progress_parameters(self, leg: Leg, event: str, sequence: int) -> dict[str, str]:
        """Source: Telnyx docs, TeXML callbacks "call initiated", "ringing", "answered" and "completed"."""
        return progress_parameters(leg, event, sequence)

    def amd_parameters(self, leg: Leg, answered_by: str, duration_ms: int) -> dict[str, str]:
        """Of the set that its words are of."""
        if self.detection_words is GUIDE:
            return guide_amd_parameters(leg, answered_by)
        return amd_parameters(leg, answered_by, duration_ms)

    def dial_parameters(self, leg: Leg, dialled: Dialled) -> dict[str, str]:
        """The shape of a status callback, of a call that goes on. Source: Telnyx docs, TeXML callbacks."""
        return dial_parameters(leg, dialled)

    def conference_dial_parameters(self, leg: Leg) -> dict[str, str]:
        """What is told after a conference is not documented; here it is a dial that was completed."""
        return {"DialCallStatus": "completed"}

    def conference_parameters(self, event: ConferenceEvent) -> dict[str, str]:
        """Source: Telnyx docs, TeXML callback "conference start" and its sisters."""
        return conference_parameters(event)

    def refer_parameters(self, leg: Leg, referred: Referred) -> dict[str, str]:
        """Source: Telnyx docs, TeXML refer."""
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
        """Not documented; nothing may depend on it."""
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
