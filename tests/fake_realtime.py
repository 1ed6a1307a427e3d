"""OpenAI's Realtime API on this machine: a model that speaks what a test says, and hears turns as it is told.

Written from OpenAI's "Realtime API reference" (client events, server events). The library of the same makers is the
judge: every event that comes in or goes out is read with its types (`openai.types.realtime`).
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from openai.types.realtime.realtime_client_event_param import RealtimeClientEventParam
from pydantic import TypeAdapter
from websockets.asyncio.server import ServerConnection

from tests.fake_services import tone

HZ = 24000
"""What the API's `audio/pcm` is sampled with."""

MS_PER_CHARACTER = 40

CLIENT: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)
PARAMS: TypeAdapter[Any] = TypeAdapter(RealtimeClientEventParam)
SERVER: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


@dataclass
class Says:
    """A response of words, spoken as a tone of their length."""

    text: str
    ends: bool = True
    """Whether the response is completed; otherwise the socket is dropped in mid-sentence."""


@dataclass
class Calls:
    """A response that calls a tool."""

    name: str
    arguments: dict[str, Any]


Reply = Says | Calls
Answers = Callable[[list[dict[str, Any]]], Reply]
"""What the model says to the items of the conversation."""


def last_text(items: list[dict[str, Any]]) -> str:
    """What was said last; Pipecat sends a session that goes on with a call all that was said before in one item."""
    content = items[-1].get("content") or [{}]
    text = content[0].get("text") or content[0].get("transcript") or ""
    if "previously saved conversation" not in text:
        return text
    return str(json.loads(text[text.index("[") : text.rindex("]") + 1])[-1]["content"])


@dataclass
class RealtimeModel:
    """One session of the API over a WebSocket: `talk` is a peer for `tests.fake_services.socket_service`.

    Attributes:
        answers: What a response says.
        turns: What the caller is understood to say, one for each turn that the server hears.
        received: All events of the client, in order.
        items: The conversation.
        heard: The caller's audio, 16-bit samples at 24 kHz.
        word_secs: How long a word takes to be made; far less than to be heard, as with the API.
        sound: What words sound like.
    """

    answers: Answers
    turns: list[str] = field(default_factory=list)
    received: list[dict[str, Any]] = field(default_factory=list)
    items: list[dict[str, Any]] = field(default_factory=list)
    heard: bytearray = field(default_factory=bytearray)
    session: dict[str, Any] = field(default_factory=dict)
    word_secs: float = 0.005
    sound: Callable[[str], bytes] = lambda text: tone(len(text) * MS_PER_CHARACTER / 1000, HZ)
    _socket: ServerConnection | None = None
    _responding: asyncio.Task[None] | None = None
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The client's events of one type."""
        return [event for event in self.received if event["type"] == kind]

    async def talk(self, socket: ServerConnection) -> None:
        """Serve one session."""
        self._socket = socket
        self.session = {"type": "realtime", "id": "sess_1", "object": "realtime.session"}
        await self._send("session.created", session=self.session)
        async for message in socket:
            event = json.loads(message)
            CLIENT.validate_python(event)
            unknown = set(event) - set(PARAMS.validate_python(event))
            assert not unknown, f"{event['type']} has no {unknown}"
            self.received.append(event)
            await self._take(event)

    async def caller_speaks(self) -> None:
        """The server's own turn detection hears the caller begin: a response under way is cut off."""
        item = self._id("item")
        await self._send("input_audio_buffer.speech_started", item_id=item, audio_start_ms=0)
        await self._cancel("turn_detected")

    async def caller_pauses(self) -> None:
        """It hears the end of the turn, transcribes it and answers."""
        item = self._id("item")
        await self._send("input_audio_buffer.speech_stopped", item_id=item, audio_end_ms=1000)
        await self._commit(item)
        await self._respond()

    async def _take(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind == "session.update":
            self.session |= {name: value for name, value in event["session"].items() if name != "type"}
            await self._send("session.updated", session=self.session)
        elif kind == "input_audio_buffer.append":
            self.heard += base64.b64decode(event["audio"])
        elif kind == "input_audio_buffer.commit":
            await self._commit(self._id("item"))
        elif kind == "input_audio_buffer.clear":
            await self._send("input_audio_buffer.cleared")
        elif kind == "conversation.item.create":
            await self._add({"id": self._id("item")} | event["item"])
        elif kind == "conversation.item.truncate":
            shortened = {name: event[name] for name in ("item_id", "content_index", "audio_end_ms")}
            await self._send("conversation.item.truncated", **shortened)
        elif kind == "response.create":
            await self._respond()
        elif kind == "response.cancel":
            if not self._is_responding:
                await self._refuse(
                    "response_cancel_not_active", "Cancellation failed: no active response found"
                )
            await self._cancel("client_cancelled")
        else:
            raise AssertionError(f"{kind} is not served here")

    async def _commit(self, item: str) -> None:
        before = self.items[-1]["id"] if self.items else None
        await self._send("input_audio_buffer.committed", item_id=item, previous_item_id=before)
        content = [{"type": "input_audio", "transcript": None}]
        await self._add({"id": item, "type": "message", "role": "user", "content": content})
        transcribes = self.session.get("audio", {}).get("input", {}).get("transcription")
        if self.turns and transcribes:
            said = self.turns.pop(0)
            content[0]["transcript"] = said  # type: ignore[assignment]
            usage = {"type": "duration", "seconds": 1.0}
            await self._send(
                "conversation.item.input_audio_transcription.completed",
                item_id=item,
                content_index=0,
                transcript=said,
                usage=usage,
            )

    async def _add(self, item: dict[str, Any]) -> None:
        before = self.items[-1]["id"] if self.items else None
        item = {"object": "realtime.item", "status": "completed"} | item
        self.items.append(item)
        await self._send("conversation.item.added", item=item, previous_item_id=before)
        await self._send("conversation.item.done", item=item, previous_item_id=before)

    async def _respond(self) -> None:
        if self._is_responding:
            await self._refuse(
                "conversation_already_has_active_response", "Conversation already has an active response"
            )
            return
        self._responding = asyncio.create_task(self._response())

    @property
    def _is_responding(self) -> bool:
        return self._responding is not None and not self._responding.done()

    async def _refuse(self, code: str, message: str) -> None:
        error = {"type": "invalid_request_error", "code": code, "message": message}
        await self._send("error", error=error | {"event_id": None, "param": None})

    async def _cancel(self, reason: str) -> None:
        if self._responding is not None and not self._responding.done():
            self._responding.cancel(reason)
            await asyncio.wait({self._responding})

    async def _response(self) -> None:
        number = self._id("resp")
        response = {"id": number, "object": "realtime.response", "status": "in_progress", "output": []}
        await self._send("response.created", response=response)
        reply = self.answers(self.items)
        item = self._id("item")
        try:
            if isinstance(reply, Calls):
                await self._call(number, item, reply)
            else:
                await self._say(number, item, reply)
        except asyncio.CancelledError as cancelled:
            details = {"type": "cancelled", "reason": str(cancelled)}
            await self._send(
                "response.done", response=response | {"status": "cancelled", "status_details": details}
            )
            return
        await self._send(
            "response.done", response=response | {"status": "completed", "output": [self.items[-1]]}
        )

    async def _say(self, response: str, item: str, reply: Says) -> None:
        message = {
            "id": item,
            "object": "realtime.item",
            "type": "message",
            "role": "assistant",
            "content": [],
        }
        about = {"response_id": response, "output_index": 0}
        part = {**about, "item_id": item, "content_index": 0}
        await self._send("response.output_item.added", **about, item=message | {"status": "in_progress"})
        await self._send(
            "conversation.item.added", item=message | {"status": "in_progress"}, previous_item_id=None
        )
        await self._send("response.content_part.added", **part, part={"type": "audio", "transcript": ""})
        words = reply.text.split(" ")
        for number, word in enumerate(words):
            text = word if number == 0 else f" {word}"
            await self._send("response.output_audio_transcript.delta", **part, delta=text)
            audio = self.sound(text)
            await self._send("response.output_audio.delta", **part, delta=base64.b64encode(audio).decode())
            await asyncio.sleep(self.word_secs)
            if not reply.ends and number >= len(words) // 2:
                assert self._socket is not None
                self._socket.transport.abort()
                return
        await self._send("response.output_audio.done", **part)
        await self._send("response.output_audio_transcript.done", **part, transcript=reply.text)
        spoken = {"type": "output_audio", "transcript": reply.text}
        self.items.append(message | {"status": "completed", "content": [spoken]})
        await self._send("response.output_item.done", **about, item=self.items[-1])
        await self._send("conversation.item.done", item=self.items[-1], previous_item_id=None)

    async def _call(self, response: str, item: str, reply: Calls) -> None:
        arguments = json.dumps(reply.arguments)
        call = {
            "id": item,
            "object": "realtime.item",
            "type": "function_call",
            "name": reply.name,
            "call_id": self._id("call"),
            "arguments": arguments,
        }
        about = {"response_id": response, "output_index": 0}
        part = {**about, "item_id": item, "call_id": call["call_id"]}
        begun = call | {"status": "in_progress", "arguments": ""}
        await self._send("response.output_item.added", **about, item=begun)
        await self._send("conversation.item.added", item=begun, previous_item_id=None)
        await self._send("response.function_call_arguments.delta", **part, delta=arguments)
        await self._send(
            "response.function_call_arguments.done", **part, name=reply.name, arguments=arguments
        )
        self.items.append(call | {"status": "completed"})
        await self._send("response.output_item.done", **about, item=self.items[-1])
        await self._send("conversation.item.done", item=self.items[-1], previous_item_id=None)

    async def _send(self, kind: str, **fields: Any) -> None:
        event = {"type": kind, "event_id": self._id("event"), **fields}
        SERVER.validate_python(event)
        assert self._socket is not None
        await self._socket.send(json.dumps(event))

    def _id(self, kind: str) -> str:
        return f"{kind}_{next(self._numbers)}"
