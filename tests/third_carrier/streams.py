"""Larkline's media sockets: audio in binary frames, everything else in JSON, with `type` as the key of its kind."""

from serializers.base import MediaStreamSerializer
from serializers.codecs import codec_for
from serializers.frames import StreamStoppedFrame
from serializers.messages import BadMessage, compose, short_text
from serializers.parameters import SERVICE_HOST_PARAMETER
from serializers.start import StreamStart, checked_id, checked_service_host
from serializers.wire import WireFormat


class LarklineSerializer(MediaStreamSerializer):
    def __init__(self, start):
        super().__init__(start.stream_id, inbound=codec_for("PCMA"), outbound=codec_for("PCMA"))

    async def _read_binary(self, data):
        return await self._heard(self._whole_samples(data))

    async def _read_message(self, message):
        match message.get("type"):
            case "key":
                return self._key_pressed(message.get("value"))
            case "cue.reached":
                return self._mark_returned(message.get("cue"))
            case "line.closed":
                self.stopped = True
                return StreamStoppedFrame()
            case "line.open":
                return None  # the handshake has read it
        raise BadMessage("unknown_event")

    def _media_message(self, payload):
        return payload

    def _clear_message(self):
        return compose({"type": "flush"})

    def _mark_message(self, name):
        return compose({"type": "cue", "cue": name})


class LarklineStreams(WireFormat):
    name = "larkline"
    title = "Larkline"
    rank = 3
    call_key = "call"

    def event_of(self, message):
        return {"line.ready": "connected", "line.open": "start"}.get(message.get("type"))

    def claims(self, message):
        return self.event_of(message) == "start" and "call" in message

    def parse_start(self, message, *, query, passed):
        note = message.get("note")
        known = {**passed, **(note if isinstance(note, dict) else {})}
        return StreamStart(
            carrier=self.name,
            stream_id=checked_id("line", message.get("line")),
            call_id=checked_id("call", message.get("call")),
            from_number=short_text(message.get("caller")),
            to_number=short_text(message.get("called")),
            service_host=checked_service_host(known.pop(SERVICE_HOST_PARAMETER, None)),
            parameters=known,
        )

    def serializer(self, start, options):
        return LarklineSerializer(start)


WIRE_FORMAT = LarklineStreams()
