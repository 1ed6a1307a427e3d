"""JSON messages around base64 audio, with `event` as the key of their kind: the form of many media streams."""

from __future__ import annotations

import binascii
import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

from pipecat.frames.frames import Frame, InputAudioRawFrame

from serializers.base import MediaStreamSerializer
from serializers.codecs import Codec
from serializers.frames import StreamStoppedFrame
from serializers.messages import SHORT_MESSAGE_CHARS, BadMessage, compose, decode_base64, section_of
from serializers.wire import WireFormat


class JsonStreamFormat(WireFormat):
    """First messages of that form: `connected`, and `start` with an object of that name."""

    def event_of(self, message: Mapping[str, Any]) -> Literal["connected", "start"] | None:
        """What its `event` says."""
        match message.get("event"):
            case "connected":
                return "connected"
            case "start":
                return "start"
        return None

    def claims(self, message: Mapping[str, Any]) -> bool:
        """Whether the call's id is there."""
        start = message.get("start")
        return isinstance(start, dict) and self.call_key in start


BEFORE_PAYLOAD = re.compile(
    r'\{"event":"media","sequence_?[nN]umber":"\d+",(?:"(?:streamSid|stream_id)":"([\w-]+)",)?'
    r'"media":\{"track":"inbound","chunk":"(\d{1,18})","timestamp":"\d+","payload":"',
    re.ASCII,
)
"""How audio begins, just as both carriers document it, the stream's id in it or behind. It needs no parser of JSON."""


class JsonStreamSerializer(MediaStreamSerializer):
    """Base of the serializers of such streams. A message with an event that is not documented is ignored."""

    _stream_id_key: str
    """The key of the stream's id in an incoming message."""

    _media_ends: tuple[str, str] | None = None

    def __init__(self, stream_id: str, *, inbound: Codec, outbound: Codec):
        """Create the serializer of one stream; see the base class."""
        super().__init__(stream_id, inbound=inbound, outbound=outbound)
        self._behind_payload = f'"}},"{self._stream_id_key}":"{stream_id}"}}'

    async def deserialize(self, data: str | bytes) -> Frame | None:
        """Turn one message of the carrier into a frame; see the base class."""
        plain = (
            self._plain_media(data) if isinstance(data, str) and len(data) <= SHORT_MESSAGE_CHARS else None
        )
        if plain is None:
            return await super().deserialize(data)
        chunk, wire = plain
        try:
            wire = self._in_order({"chunk": chunk}, wire)
            if wire and self._inbound.sample_rate == self._pipeline_rate and self.overhearing is None:
                return InputAudioRawFrame(self._inbound.decode(wire), self._pipeline_rate, 1)
            return await self._heard(wire)
        except Exception as error:
            self._ignore("failed", type(error).__name__)
        return None

    def _plain_media(self, text: str) -> tuple[str, bytes] | None:
        """Number and audio of a message that looks as documented; None for every other one, whatever it is."""
        match = BEFORE_PAYLOAD.match(text)
        if match is None:
            return None
        stream_id, chunk = match.groups()
        behind = self._behind_payload if stream_id is None else '"}}'
        if not text.endswith(behind) or (stream_id is not None and stream_id != self._stream_id):
            return None
        try:
            wire = decode_base64(text[match.end() : -len(behind)])
        except ValueError:
            return None
        return (chunk, wire) if wire and not len(wire) % self._inbound.sample_bytes else None

    async def _read_message(self, message: dict[str, Any]) -> Frame | None:
        stream_id = message.get(self._stream_id_key)
        if stream_id is not None and stream_id != self._stream_id:
            raise BadMessage("foreign_stream")
        match message.get("event"):
            case "media":
                return await self._read_media(section_of(message, "media"))
            case "mark":
                return self._mark_returned(section_of(message, "mark").get("name"))
            case "dtmf":
                return self._key_pressed(section_of(message, "dtmf").get("digit"))
            case "stop":
                self.stopped = True
                return StreamStoppedFrame()
            case "connected" | "start":
                return None  # the handshake has read them; a second one changes nothing
            case _:
                return self._read_other(message)

    async def _read_media(self, media: dict[str, Any]) -> Frame | None:
        if media.get("track", "inbound") not in ("inbound", "inbound_track"):
            raise BadMessage("outbound_track")
        try:
            wire = self._payload_of(media)
        except BadMessage as bad:
            self._ignore(bad.reason)
            wire = b""
        return await self._heard(self._in_order(media, wire))

    def _payload_of(self, media: dict[str, Any]) -> bytes:
        payload = media.get("payload")
        if not isinstance(payload, str) or not payload:
            raise BadMessage("bad_media")
        try:
            wire = decode_base64(payload)
        except ValueError:
            raise BadMessage("bad_base64") from None
        return self._whole_samples(wire)

    def _media_message(self, payload: bytes) -> str:
        if self._media_ends is None:
            empty = compose({"event": "media"} | self._address() | {"media": {"payload": ""}})
            before, _, after = empty.rpartition('""')
            self._media_ends = f'{before}"', f'"{after}'
        before, after = self._media_ends
        return f"{before}{binascii.b2a_base64(payload, newline=False).decode('ascii')}{after}"

    def _clear_message(self) -> str:
        return compose({"event": "clear"} | self._address())

    def _mark_message(self, name: str) -> str:
        return compose({"event": "mark"} | self._address() | {"mark": {"name": name}})

    @abstractmethod
    def _address(self) -> dict[str, str]:
        """The keys that every message to the carrier carries besides its event."""

    @abstractmethod
    def _read_other(self, message: dict[str, Any]) -> Frame | None:
        """Read an event that not all carriers have; raise `BadMessage` for an unknown one."""

    def _in_order(self, media: dict[str, Any], wire: bytes) -> bytes:
        """The audio that may be passed on after this chunk arrived."""
        return wire
