"""The frames of Telnyx's media streaming.

Source: Telnyx docs, media streaming over websockets (frames, modes, codecs, error codes).
"""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from datetime import UTC, datetime
from typing import Any

from emulator.legs.dialect import BotAudio, BotClear, BotMark, BotMessage, Refused
from emulator.legs.leg import Leg
from emulator.line.codecs import FRAME_MS, SAMPLE_RATE, Pcm, decode, encode

G711 = ("PCMU", "PCMA")
CODECS = (*G711, "G722", "OPUS", "AMR-WB", "L16")
SHORTEST_MESSAGE_MS = 20
LONGEST_MESSAGE_MS = 30_000
TOKEN_HEADER = "x-telnyx-streaming-auth-token"
"""Where `stream_auth_token` is sent: a header of the upgrade, and a field of the first frame."""

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
