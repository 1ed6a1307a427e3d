"""JSON messages around base64 audio, with `event` as the key of their kind: the form of many media streams."""

from __future__ import annotations

import base64
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

from pipecat.frames.frames import Frame

from serializers.base import MediaStreamSerializer
from serializers.frames import StreamStoppedFrame
from serializers.messages import BadMessage, compose, decode_base64, section_of
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


class JsonStreamSerializer(MediaStreamSerializer):
    """Base of the serializers of such streams. A message with an event that is not documented is ignored."""

    _stream_id_key: str
    """The key of the stream's id in an incoming message."""

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
        media = {"payload": base64.b64encode(payload).decode("ascii")}
        return compose({"event": "media"} | self._address() | {"media": media})

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
