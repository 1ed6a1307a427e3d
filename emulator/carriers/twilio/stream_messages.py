"""The frames of Twilio's Media Streams.

Sources: Twilio docs, voice/media-streams/websocket-messages, errors 31950 and 31951.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from typing import Any

from emulator.legs.dialect import BotAudio, BotClear, BotMark, BotMessage, Refused
from emulator.legs.leg import Leg
from emulator.line.codecs import FRAME_MS, Pcm, decode, encode

_SHAPES: dict[str, tuple[frozenset[str], str | None, frozenset[str]]] = {
    "media": (frozenset({"event", "streamSid", "media"}), "media", frozenset({"payload"})),
    "mark": (frozenset({"event", "streamSid", "mark"}), "mark", frozenset({"name"})),
    "clear": (frozenset({"event", "streamSid"}), None, frozenset()),
}


def new_sid(prefix: str) -> str:
    """A Twilio identifier: two letters and 32 hexadecimal digits."""
    return prefix + secrets.token_hex(16)


class TwilioStream:
    """The frames of one bidirectional stream: what looks like a number is a string, except in `mediaFormat`."""

    def __init__(self, leg: Leg, parameters: dict[str, str]) -> None:
        """Begin a stream with the `<Parameter>`s of the document."""
        self.stream_id = new_sid("MZ")
        self._leg = leg
        self._parameters = parameters
        self._sequence = 0
        self._chunk = 0
        self._elapsed_ms = 0

    def _numbered(self, event: str, body: dict[str, Any]) -> dict[str, Any]:
        self._sequence += 1
        return {"event": event, "sequenceNumber": str(self._sequence), "streamSid": self.stream_id, **body}

    def opening(self) -> list[dict[str, Any]]:
        """`connected`, then `start` with sequence number 1."""
        start = {
            "accountSid": self._leg.account_id,
            "streamSid": self.stream_id,
            "callSid": self._leg.call_id,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": self._parameters,
        }
        return [
            {"event": "connected", "protocol": "Call", "version": "1.0.0"},
            self._numbered("start", {"start": start}),
        ]

    def media(self, frame: Pcm) -> dict[str, Any]:
        """20 ms of µ-law; the timestamp is ms since the stream's start."""
        self._chunk += 1
        self._elapsed_ms += FRAME_MS
        payload = base64.b64encode(encode("PCMU", frame)).decode()
        timestamp = str(self._elapsed_ms)
        media = {"track": "inbound", "chunk": str(self._chunk), "timestamp": timestamp, "payload": payload}
        return self._numbered("media", {"media": media})

    def lost(self) -> None:
        """Its time passes; messages are numbered without a gap."""
        self._elapsed_ms += FRAME_MS

    def dtmf(self, digit: str) -> dict[str, Any]:
        """A key; its track is called `inbound_track` here."""
        return self._numbered("dtmf", {"dtmf": {"track": "inbound_track", "digit": digit}})

    def mark(self, name: str) -> dict[str, Any]:
        """A mark goes back."""
        return self._numbered("mark", {"mark": {"name": name}})

    def stop(self) -> dict[str, Any]:
        """The stream stopped or the call ended; no reason is given."""
        return self._numbered(
            "stop", {"stop": {"accountSid": self._leg.account_id, "callSid": self._leg.call_id}}
        )

    def read(self, raw: str | bytes) -> BotMessage:
        """Judge a frame: exactly the documented keys, this stream's SID, base64 µ-law (errors 31950 and 31951)."""
        if isinstance(raw, bytes):
            return Refused("31950", "binary frame; messages are JSON text")
        try:
            message = json.loads(raw)
        except ValueError:
            return _invalid("not JSON")
        if not isinstance(message, dict):
            return _invalid("not a JSON object")
        event = message.get("event")
        if not isinstance(event, str) or event not in _SHAPES:
            return _invalid(f"unknown event {str(event)[:40]!r}")
        keys, inner, inner_keys = _SHAPES[event]
        if difference := _difference(message, keys):
            return _invalid(f"{event}: {difference}")
        if message["streamSid"] != self.stream_id:
            return _invalid(f"{event}: streamSid is not this stream's")
        if inner is None:
            return BotClear()
        body = message[inner]
        if not isinstance(body, dict):
            return _invalid(f"{event}: `{inner}` is not an object")
        if difference := _difference(body, inner_keys):
            return _invalid(f"{event}.{inner}: {difference}")
        if event == "mark":
            name = body["name"]
            return BotMark(name) if isinstance(name, str) else _invalid("mark: the name is not a string")
        try:
            return BotAudio(decode("PCMU", base64.b64decode(body["payload"], validate=True)))
        except (binascii.Error, TypeError, ValueError):
            return _invalid("media: the payload is not base64")


def _invalid(text: str) -> Refused:
    return Refused("31951", f"invalid message: {text}")


def _difference(found: dict[str, Any], expected: frozenset[str]) -> str:
    missing, extra = sorted(expected - found.keys()), sorted(found.keys() - expected)
    parts = [f"missing {', '.join(missing)}"] if missing else []
    parts += [f"extra field {', '.join(key[:40] for key in extra)}"] if extra else []
    return "; ".join(parts)
