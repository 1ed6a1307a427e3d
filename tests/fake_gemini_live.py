"""Google's Live API on this machine: a model that speaks what a test says, and hears turns as it is told.

Written from Google's "Live API - WebSockets API reference" (https://ai.google.dev/api/live: `BidiGenerateContentSetup`,
`...ClientContent`, `...RealtimeInput`, `...ToolResponse`, `...ServerContent`, `...ToolCall`). Their library is the
judge: every message that comes in or goes out is read with its types (`google.genai.types`), which allow no unknown
field. Where several readings are possible the server takes the harshest:

- It hears nothing before the initial history is complete, where the setup announces one, and does not answer that
  (`HistoryConfig`).
- A model of the third generation answers a completed turn of content only with the next realtime input (Pipecat's
  service, which was tried with it, sends a blank).
- Content breaks off what the model says, and a call of a tool that it waits for, of which nothing is said and whose
  result gets no answer any more (https://discuss.ai.google.dev, "with behavior BLOCKING, an interrupting turn drops the
  pending function call").
- A tool's result is answered, unless it belongs to a call that does not block and is to be silent
  (`FunctionResponseScheduling`).
- A transcript of the caller has no order with the model's turn (`LiveServerContent`): it may come late.

Their client speaks TLS alone, whatever address it is given, so the server has a certificate of its own.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import itertools
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.genai import types
from websockets.asyncio.server import ServerConnection

from tests.fake_realtime import MS_PER_CHARACTER, Calls, Reply
from tests.fake_services import tone

HZ = 24000
"""What the API's sound is sampled with."""

Answers = Callable[[list[types.Content]], Reply | None]
"""What the model says to the contents of the conversation; None for nothing at all."""


@dataclass
class LiveModel:
    """A session of the API over a WebSocket: `talk` is a peer for `tests.fake_services.socket_service`.

    A client that connects again begins a new session.

    Attributes:
        answers: What a turn of the model says.
        turns: What the caller is understood to say, one for each turn that the server hears.
        plays_out: Whether the end of a turn is only reported when its sound would have been played, as the API does for
            models that follow the playing.
        transcript_secs: How long after the end of a turn its transcript comes; the answer does not wait for it.
        think_secs: How long a turn of the model takes to its first sound.
        resumable: Whether a session can be resumed.
        keeps_dropping: Whether each connection is lost at the first sound that the caller sends.
        saying: What the model has said of its turn so far.
        faults: What the client did that the API does not allow.
        received: All messages of the client in the latest session, in order.
        contents: The conversation.
        heard: The caller's sound, 16-bit samples.
        sessions: How many were begun.
    """

    answers: Answers
    turns: list[str] = field(default_factory=list)
    plays_out: bool = False
    transcript_secs: float = 0.0
    think_secs: float = 0.0
    resumable: bool = False
    keeps_dropping: bool = False
    saying: str = ""
    faults: list[str] = field(default_factory=list)
    received: list[types.LiveClientMessage] = field(default_factory=list)
    contents: list[types.Content] = field(default_factory=list)
    heard: bytearray = field(default_factory=bytearray)
    sessions: int = 0
    _socket: ServerConnection | None = None
    _turn: asyncio.Task[None] | None = None
    _open_calls: set[str] = field(default_factory=set)
    _dropped_calls: set[str] = field(default_factory=set)
    _history_open: bool = False
    _owed: bool = False
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def setup(self) -> types.LiveClientSetup:
        """How the client has set the latest session up."""
        setup = self.received[0].setup
        assert setup is not None
        return setup

    async def talk(self, socket: ServerConnection) -> None:
        """Serve one session."""
        self._socket = socket
        self.sessions += 1
        self.received, self._open_calls, self._dropped_calls, self._owed = [], set(), set(), False
        try:
            async for raw in socket:
                message = types.LiveClientMessage.model_validate_json(raw)
                assert (message.setup is not None) == (not self.received), (
                    "the session is set up once, and first"
                )
                self.received.append(message)
                await self._take(message)
        except (AssertionError, ValueError) as error:
            self.faults.append(str(error))
            await socket.close(1007, "invalid argument")
        finally:
            for task in filter(None, (self._turn, *self._tasks)):
                task.cancel()

    async def caller_speaks(self) -> None:
        """The server hears the caller begin: a turn that is under way is cut off."""
        if self._open_calls:
            await self._send(toolCallCancellation={"ids": sorted(self._open_calls)})
        await self._interrupt()

    async def caller_pauses(self) -> None:
        """It hears the end of the caller's turn, transcribes it and answers."""
        said = self.turns.pop(0) if self.turns else ""
        if said and self.setup.input_audio_transcription is not None:
            await self._send_later(self.transcript_secs, {"inputTranscription": {"text": said}})
        self.contents.append(types.Content(role="user", parts=[types.Part(text=said)]))
        self._begin()

    async def drop(self) -> None:
        """Lose the connection."""
        assert self._socket is not None
        self._socket.transport.abort()

    async def _send_later(self, secs: float, content: dict[str, Any]) -> None:
        async def send() -> None:
            await asyncio.sleep(secs)
            await self._send(serverContent=content)

        if not secs:
            await self._send(serverContent=content)
            return
        task = asyncio.create_task(send())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, message: types.LiveClientMessage) -> None:
        if message.setup is not None:
            await self._set_up(message.setup)
        elif (content := message.client_content) is not None:
            await self._interrupt()  # "A message here will interrupt any current model generation."
            self.contents += content.turns or []
            if content.turn_complete:
                was_open, self._history_open = self._history_open, False
                self._owed = bool(self.contents) and self.contents[-1].role == "user"
                if self._owed and not was_open and not self._waits_for_realtime:
                    self._begin()
        elif (given := message.realtime_input) is not None:
            if given.audio is not None and not self._history_open:
                self.heard += given.audio.data or b""
                if self.keeps_dropping:
                    await self.drop()
            elif given.text and given.text.strip():
                await self._interrupt()
                self.contents.append(types.Content(role="user", parts=[types.Part(text=given.text)]))
                self._begin()
            elif given.text and self._owed:
                self._begin()
        elif message.tool_response is not None:
            for response in message.tool_response.function_responses or []:
                self._take_result(response)

    async def _set_up(self, setup: types.LiveClientSetup) -> None:
        history, resumption = setup.history_config, setup.session_resumption
        handle = resumption.handle if resumption is not None else None
        assert handle is None or handle == f"handle-{self.sessions - 1}", "a handle is of the session before"
        if handle is None:
            self.contents = []
        self._history_open = handle is None and bool(history and history.initial_history_in_client_content)
        await self._send(setupComplete={})

    @property
    def _waits_for_realtime(self) -> bool:
        return "gemini-3" in (self.setup.model or "")

    def _take_result(self, response: types.FunctionResponse) -> None:
        if response.id in self._dropped_calls:
            return
        assert response.id in self._open_calls, "a result belongs to a call"
        self._open_calls.discard(response.id)
        part = types.Part(function_response=response)
        self.contents.append(types.Content(role="user", parts=[part]))
        silent = response.scheduling is types.FunctionResponseScheduling.SILENT
        if not self._open_calls and not (silent and not self._blocks(response.name)):
            self._begin()

    def _blocks(self, name: str | None) -> bool:
        for tool in self.setup.tools or []:
            for declared in getattr(tool, "function_declarations", None) or []:
                if declared.name == name:
                    return declared.behavior is not types.Behavior.NON_BLOCKING
        raise AssertionError(f"{name} is no tool")

    def _begin(self) -> None:
        self._owed = False
        if self._turn is not None:
            self._turn.cancel()
        self._turn = asyncio.create_task(self._speak())

    async def _interrupt(self) -> None:
        self._dropped_calls |= self._open_calls
        self._open_calls.clear()
        if self._turn is None or self._turn.done():
            return
        self._turn.cancel()
        await asyncio.wait({self._turn})
        await self._send(serverContent={"interrupted": True})
        await self._send(serverContent={"turnComplete": True})

    async def _speak(self) -> None:
        reply = self.answers(self.contents)
        if reply is None:
            return
        if isinstance(reply, Calls):
            call = {"id": f"call-{next(self._numbers)}", "name": reply.name, "args": reply.arguments}
            self._open_calls.add(call["id"])
            part = types.Part(function_call=types.FunctionCall.model_validate(call))
            self.contents.append(types.Content(role="model", parts=[part]))
            await self._send(toolCall={"functionCalls": [call]})
            return
        await asyncio.sleep(self.think_secs)
        loop = asyncio.get_running_loop()
        begun, secs, self.saying = loop.time(), 0.0, ""
        words = reply.text.split(" ")
        for number, word in enumerate(words):
            text = word if number == 0 else f" {word}"
            length = len(text) * MS_PER_CHARACTER / 1000
            sound = base64.b64encode(tone(length, HZ)).decode()
            secs += length
            part = {"inlineData": {"mimeType": f"audio/pcm;rate={HZ}", "data": sound}}
            await self._send(serverContent={"modelTurn": {"role": "model", "parts": [part]}})
            await self._send(serverContent={"outputTranscription": {"text": text}})
            self.saying += text
            await asyncio.sleep(0.005)  # much faster than it is heard, as the API is
            if not reply.ends and number >= len(words) // 2:
                await self.drop()
                return
        self.contents.append(types.Content(role="model", parts=[types.Part(text=reply.text)]))
        await self._send(serverContent={"generationComplete": True})
        if self.plays_out:
            await asyncio.sleep(max(0.0, begun + secs - loop.time()))
        usage = {"promptTokenCount": 1, "responseTokenCount": 1, "totalTokenCount": 2}
        await self._send(serverContent={"turnComplete": True}, usageMetadata=usage)
        if self.resumable and self.setup.session_resumption is not None:
            handle = f"handle-{self.sessions}"
            await self._send(sessionResumptionUpdate={"newHandle": handle, "resumable": True})

    async def _send(self, **message: Any) -> None:
        types.LiveServerMessage.model_validate(message)
        assert self._socket is not None
        await self._socket.send(json.dumps(message))


def text_of(content: types.Content) -> str:
    """The words of one content; of a tool's result, what it says."""
    parts = content.parts or []
    return " ".join(
        str(part.function_response.response) if part.function_response else part.text or "" for part in parts
    )


def certificate(folder: Path) -> Path:
    """A file with a key, and a certificate for 127.0.0.1 that it has signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    file = folder / "live.pem"
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(pem)
    )
    return file


def tls(file: Path) -> ssl.SSLContext:
    """A server's context with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
