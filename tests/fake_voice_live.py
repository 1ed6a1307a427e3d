"""Azure's Voice Live and Inworld's Realtime API on this machine.

Both speak OpenAI's protocol, Azure in the words of its beta, Inworld in those of today; so OpenAI's types judge each
event that comes in or goes out, but for `session.update` and `response.create`, where they have fields of their own.

Source: https://learn.microsoft.com/azure/ai-services/speech-service/voice-live-api-reference,
https://docs.inworld.ai/api-reference/realtimeAPI/realtime/realtime-websocket.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from openai.types.beta.realtime import RealtimeClientEvent, RealtimeServerEvent
from openai.types.beta.realtime.realtime_client_event_param import RealtimeClientEventParam
from pydantic import TypeAdapter
from websockets.asyncio.server import ServerConnection

from tests.fake_realtime import CLIENT, HZ, MS_PER_CHARACTER, PARAMS, SERVER, RealtimeModel
from tests.fake_services import tone

BETA_CLIENT: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)
BETA_PARAMS: TypeAdapter[Any] = TypeAdapter(RealtimeClientEventParam)
BETA_SERVER: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


@dataclass
class OwnSession(RealtimeModel):
    """A server whose sessions are set up in its own way."""

    client: ClassVar[TypeAdapter[Any]]
    params: ClassVar[TypeAdapter[Any]]
    server: ClassVar[TypeAdapter[Any]]
    of_session: ClassVar[frozenset[str]]
    """What `session.update` may have."""
    of_response: ClassVar[frozenset[str]]
    """What `response.create` may have."""

    def __post_init__(self) -> None:
        """Sound like the session wants it."""
        self.sound = lambda text: tone(len(text) * MS_PER_CHARACTER / 1000, self.hz())

    def hz(self) -> int:
        """What the session's sound is sampled with."""
        raise NotImplementedError

    def transcribes(self) -> bool:
        """Whether the session was told to write down what the caller says."""
        raise NotImplementedError

    async def talk(self, socket: ServerConnection) -> None:
        """Serve one session."""
        self._socket = socket
        self.session, self.items = {"id": "sess_1", "object": "realtime.session"}, []
        await self._send("session.created", session=self.session)
        async for message in socket:
            event = json.loads(message)
            kind = event["type"]
            if kind == "session.update":
                assert not set(event["session"]) - self.of_session
            elif kind == "response.create":
                assert not set(event.get("response") or {}) - self.of_response
            else:
                self.client.validate_python(event)
                unknown = set(event) - set(self.params.validate_python(event))
                assert not unknown, f"{kind} has no {unknown}"
            self.received.append(event)
            await self._take(event)

    async def _take(self, event: dict[str, Any]) -> None:
        await super()._take(event)
        if event["type"] == "session.update" and self.transcribes():
            self.session.setdefault("audio", {}).setdefault("input", {}).setdefault(
                "transcription", {"model": "m"}
            )

    def judge(self, event: dict[str, Any]) -> None:
        """Check what goes out."""
        if not event["type"].startswith("session."):
            self.server.validate_python(event)

    def words(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """An event in this server's words; None where it has none."""
        return event

    async def _send(self, kind: str, **fields: Any) -> None:
        event = self.words({"type": kind, "event_id": self._id("event"), **fields})
        if event is not None:
            self.judge(event)
            assert self._socket is not None
            await self._socket.send(json.dumps(event))


@dataclass
class VoiceLive(OwnSession):
    """Azure's."""

    client: ClassVar[TypeAdapter[Any]] = BETA_CLIENT
    params: ClassVar[TypeAdapter[Any]] = BETA_PARAMS
    server: ClassVar[TypeAdapter[Any]] = BETA_SERVER
    of_session: ClassVar[frozenset[str]] = frozenset(
        "instructions modalities voice input_audio_format output_audio_format input_audio_sampling_rate turn_detection "
        "input_audio_transcription input_audio_noise_reduction input_audio_echo_cancellation temperature tools "
        "tool_choice max_response_output_tokens".split()
    )
    of_response: ClassVar[frozenset[str]] = frozenset()

    def hz(self) -> int:
        """Source: "Audio formats": `pcm16` is sampled with 24 kHz, the others say it themselves."""
        kind = self.session.get("output_audio_format", "pcm16")
        return {"pcm16": HZ, "pcm16_8000hz": 8000, "pcm16_16000hz": 16000}[kind]

    def transcribes(self) -> bool:
        """Whether `input_audio_transcription` is there."""
        return bool(self.session.get("input_audio_transcription"))

    def words(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """The beta's."""
        kind = event["type"]
        if kind == "conversation.item.done":
            return None
        kind = kind.replace("conversation.item.added", "conversation.item.created").replace(
            "output_audio", "audio"
        )
        event = json.loads(json.dumps(event).replace('"output_audio"', '"audio"'))
        if kind == "response.function_call_arguments.done":
            event.pop("name")
        return event | {"type": kind}


@dataclass
class Inworld(OwnSession):
    """Inworld's."""

    client: ClassVar[TypeAdapter[Any]] = CLIENT
    params: ClassVar[TypeAdapter[Any]] = PARAMS
    server: ClassVar[TypeAdapter[Any]] = SERVER
    of_session: ClassVar[frozenset[str]] = frozenset(
        "type model instructions temperature output_modalities audio tools providerData".split()
    )
    of_response: ClassVar[frozenset[str]] = frozenset({"modalities"})

    def hz(self) -> int:
        """What `audio.output.format` says."""
        rate: int = self.session["audio"]["output"]["format"]["rate"]
        return rate

    def transcribes(self) -> bool:
        """Whether `audio.input.transcription` is there."""
        return bool(self.session.get("audio", {}).get("input", {}).get("transcription"))
