"""Ultravox on this machine: calls are made and joined, and a model speaks what a test says.

Written from Ultravox's documentation: "Create Call" with its OpenAPI schema
(https://docs.ultravox.ai/api-reference/calls/calls-post), "WebSocket Integration" (https://docs.ultravox.ai/apps/websockets),
"Protocol & Data Messages" (https://docs.ultravox.ai/apps/datamessages) and "Async Tools"
(https://docs.ultravox.ai/tools/async-tools). What they do not have is refused; where they are silent it is as hard as
may be: words come in pieces behind their sound, a result that comes twice is an error, and nothing is said while a tool
runs.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import WSMsgType, web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator, model_validator
from pydantic.alias_generators import to_camel

from tests.fake_realtime import MS_PER_CHARACTER, Calls, Reply, Says
from tests.fake_services import tone

TOOL_SECS = 2.5
"""How long a tool may take. Source: "Async Tools"."""

PIECE_SECS = 0.04


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=False)


class _Parameter(_Strict):
    name: str
    location: Literal["PARAMETER_LOCATION_BODY"]
    """"Only body parameters are allowed for client tools.\""""
    json_schema: dict[str, Any] = Field(alias="schema")
    required: bool = False


class _Tool(_Strict):
    model_tool_name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    description: str
    dynamic_parameters: list[_Parameter] = []
    timeout: str | None = Field(None, pattern=r"^\d+(\.\d+)?s$")
    client: dict[str, Any] = Field(max_length=0)


class _Selected(_Strict):
    temporary_tool: _Tool


class _Message(_Strict):
    role: Literal[
        "MESSAGE_ROLE_USER", "MESSAGE_ROLE_AGENT", "MESSAGE_ROLE_TOOL_CALL", "MESSAGE_ROLE_TOOL_RESULT"
    ]
    text: str
    invocation_id: str | None = None
    tool_name: str | None = None


class _FirstSpeaker(_Strict):
    user: dict[str, Any] | None = None
    agent: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one(self) -> _FirstSpeaker:
        assert (self.user is None) != (self.agent is None), "exactly one of user or agent should be set"
        return self


class _Socket(_Strict):
    input_sample_rate: int
    output_sample_rate: int | None = None
    client_buffer_size_ms: int = 60
    data_messages: dict[str, bool] = {}


class _Medium(_Strict):
    server_web_socket: _Socket


class CallMade(_Strict):
    """The body of "Create Call", as far as calls over WebSockets go."""

    system_prompt: str
    medium: _Medium
    temperature: float = Field(0, ge=0, le=1)
    model: str = "ultravox-v0.7"
    voice: str | None = None
    language_hint: str | None = Field(None, max_length=16)
    max_duration: str = "3600s"
    recording_enabled: bool = False
    first_speaker_settings: _FirstSpeaker = _FirstSpeaker.model_validate({"agent": {}})
    initial_messages: list[_Message] = []
    selected_tools: list[_Selected] = []
    vad_settings: dict[str, Any] = {}
    metadata: dict[str, str] = {}


class UserText(_Strict):
    """`user_text_message`."""

    type: Literal["user_text_message"]
    text: str
    urgency: Literal["immediate", "soon", "later"] = "soon"


class Forced(_Strict):
    """`forced_agent_message`."""

    type: Literal["forced_agent_message"]
    content: str = ""
    uninterruptible: bool = False
    urgency: Literal["immediate", "soon"] = "soon"


class ToolResult(_Strict):
    """`client_tool_result`."""

    type: Literal["client_tool_result"]
    invocation_id: str
    result: str
    agent_reaction: Literal["speaks", "listens", "speaks-once"] = "speaks"

    @field_validator("result")
    @classmethod
    def _has_words(cls, result: str) -> str:
        assert result, "a result has words, unless it is an error"
        return result


DATA: TypeAdapter[UserText | Forced | ToolResult] = TypeAdapter(UserText | Forced | ToolResult)

Answers = Callable[[str], Reply]
"""What the model says to the last words of the conversation."""


@dataclass
class Ultravox:
    """The vendor, with one model for all calls.

    Attributes:
        answers: What a generation says.
        turns: What the caller is understood to say, one for each turn that the server hears.
        url: Where calls are made, once it is served.
        made: The calls, in order.
        received: All data messages of the client.
        said: What the model was told in each generation.
        told: The whole conversation, in words.
        heard: The caller's sound.
        plays_out: Whether sound comes as it is heard; otherwise at once, with the words behind it. The agent speaks
            until its sound is heard.
        makes_calls: The status that making a call is answered with.
        interruptions: How often the agent was cut off.
    """

    answers: Answers
    turns: list[str] = field(default_factory=list)
    url: str = ""
    made: list[CallMade] = field(default_factory=list)
    received: list[UserText | Forced | ToolResult] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    heard: bytearray = field(default_factory=bytearray)
    plays_out: bool = True
    makes_calls: int = 201
    interruptions: int = 0
    _open: dict[str, CallMade] = field(default_factory=dict)
    _socket: web.WebSocketResponse | None = None
    _hz: int = 0
    _waiting: deque[Forced | str] = field(default_factory=deque)
    _speaking: asyncio.Task[None] | None = None
    _uninterruptible: bool = False
    _tool: str | None = None
    _tool_limit: asyncio.TimerHandle | None = None
    _settled: set[str] = field(default_factory=set)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def of(self, kind: type) -> list[Any]:
        """The client's data messages of one kind."""
        return [message for message in self.received if isinstance(message, kind)]

    async def caller_speaks(self) -> None:
        """The server hears the caller begin."""
        if not self._uninterruptible:
            await self._interrupt()

    async def caller_pauses(self) -> None:
        """It hears the end of the turn, transcribes it and answers."""
        text = self.turns.pop(0) if self.turns else ""
        if text:
            await self._transcript("user", text=text, final=True)
        self._ask(text)

    async def make(self, request: web.Request) -> web.Response:
        """Serve "Create Call"."""
        if request.headers.get("X-API-Key") != "k" or self.makes_calls != 201:
            status = self.makes_calls if self.makes_calls != 201 else 401
            return web.json_response({"detail": "no"}, status=status)
        assert set(request.query) <= {"enableGreetingPrompt", "priorCallId", "throttle"}
        made = CallMade.model_validate(await request.json())
        self.made.append(made)
        number = str(uuid.uuid4())
        self._open[number] = made
        join = f"{self.url.replace('http', 'ws').removesuffix('/api')}/calls/{number}/server_web_socket"
        return web.json_response({"callId": number, "joinUrl": join}, status=201)

    async def join(self, request: web.Request) -> web.StreamResponse:
        """Serve one call to the client that joins it."""
        number = request.match_info["number"]
        made = self._open.pop(number, None)
        if made is None:
            return web.Response(status=404)
        self._hz = (
            made.medium.server_web_socket.output_sample_rate
            or made.medium.server_web_socket.input_sample_rate
        )
        self._socket = socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.told = [message.text for message in made.initial_messages]
        self._waiting.clear()
        self._tool = None
        await self._send("call_started", callId=number)
        await self._state("listening")
        if made.first_speaker_settings.agent is not None:
            self._ask("(greet the caller)")
        try:
            async for message in socket:
                if message.type is WSMsgType.BINARY:
                    assert len(message.data) % 2 == 0
                    self.heard += message.data
                elif message.type is WSMsgType.TEXT:
                    data = DATA.validate_json(message.data)
                    self.received.append(data)
                    await self._take(data)
        finally:
            for task in (self._speaking, self._tool_limit):
                if task is not None:
                    task.cancel()
        return socket

    def drop(self) -> None:
        """Lose the connection, as a machine that goes down does."""
        assert self._socket is not None
        transport = self._socket._req.transport  # type: ignore[union-attr]
        assert transport is not None
        transport.abort()

    async def hang_up(self) -> None:
        """End the call in good order, as at the end of its longest duration."""
        assert self._socket is not None
        await self._socket.close()

    async def _take(self, data: UserText | Forced | ToolResult) -> None:
        if isinstance(data, ToolResult):
            assert data.invocation_id not in self._settled, "a tool has one result"
            if data.invocation_id != self._tool:
                return  # it took too long
            self._settle()
            self.told.append(data.result)
            if data.agent_reaction == "speaks":
                self._waiting.append(data.result)
        elif isinstance(data, Forced):
            if data.urgency == "immediate":
                await self._interrupt()
            self._waiting.append(data)
        elif data.urgency == "later":
            self.told.append(data.text)
        else:
            if data.urgency == "immediate" and not self._uninterruptible:
                await self._interrupt()
            self.told.append(data.text)
            self._waiting.append(data.text)
        self._go_on()

    def _settle(self) -> None:
        assert self._tool is not None
        self._settled.add(self._tool)
        self._tool = None
        if self._tool_limit is not None:
            self._tool_limit.cancel()

    def _ask(self, text: str) -> None:
        self.told.append(text)
        self._waiting.append(text)
        self._go_on()

    def _go_on(self) -> None:
        if self._tool is None and self._waiting and (self._speaking is None or self._speaking.done()):
            self._speaking = asyncio.create_task(self._generate())

    async def _interrupt(self) -> None:
        """Cut the agent off; forced messages that wait are still said."""
        if self._speaking is None or self._speaking.done():
            return
        self._speaking.cancel()
        await asyncio.wait({self._speaking})
        self.interruptions += 1
        await self._send("playback_clear_buffer")
        await self._state("listening")

    async def _generate(self) -> None:
        while self._waiting and self._tool is None:
            await self._next(self._waiting.popleft())

    async def _next(self, what: Forced | str) -> None:
        if isinstance(what, Forced):
            self._uninterruptible = what.uninterruptible
            try:
                await self._say(Says(what.content))
            finally:
                self._uninterruptible = False
            return
        await self._state("thinking")
        self.said.append(what)
        reply = self.answers(what)
        if isinstance(reply, Calls):
            await self._call(reply)
        else:
            await self._say(reply)

    async def _say(self, reply: Says) -> None:
        ordinal = next(self._numbers)
        await self._state("speaking")
        ends_at = asyncio.get_running_loop().time() + len(reply.text) * MS_PER_CHARACTER / 1000
        words = re.findall(r"\S+\s*", reply.text)
        for number, word in enumerate(words):
            length = len(word) * MS_PER_CHARACTER / 1000
            sound = tone(length, self._hz)
            size = int(PIECE_SECS * self._hz) * 2
            for start in range(0, len(sound), size):
                assert self._socket is not None
                await self._socket.send_bytes(sound[start : start + size])
                await asyncio.sleep(PIECE_SECS if self.plays_out else 0)
            await self._transcript("agent", delta=word, final=False, ordinal=ordinal)
            if not reply.ends and number >= len(words) // 2:
                self.drop()
                return
        await self._transcript("agent", text=reply.text, final=True, ordinal=ordinal)
        self.told.append(reply.text)
        await asyncio.sleep(max(0.0, ends_at - asyncio.get_running_loop().time()))
        await self._state("listening")

    async def _call(self, call: Calls) -> None:
        assert self._socket is not None
        [tool] = [
            selected.temporary_tool
            for selected in self.made[-1].selected_tools
            if selected.temporary_tool.model_tool_name == call.name
        ]
        self._tool = f"call_{next(self._numbers)}"
        limit = float(tool.timeout.removesuffix("s")) if tool.timeout else TOOL_SECS
        assert limit <= 40
        self._tool_limit = asyncio.get_running_loop().call_later(limit, self._takes_too_long)
        await self._send(
            "client_tool_invocation", toolName=call.name, invocationId=self._tool, parameters=call.arguments
        )

    def _takes_too_long(self) -> None:
        self._settle()
        self._ask("(the tool took too long)")

    async def _state(self, state: str) -> None:
        await self._send("state", state=state)

    async def _transcript(self, role: str, *, final: bool, ordinal: int | None = None, **words: str) -> None:
        given: dict[str, Any] = {"text": None, "delta": None} | words
        number = ordinal if ordinal is not None else next(self._numbers)
        await self._send("transcript", role=role, medium="voice", final=final, ordinal=number, **given)

    async def _send(self, kind: str, **fields: Any) -> None:
        assert self._socket is not None
        if not self._socket.closed:
            await self._socket.send_str(json.dumps({"type": kind, **fields}))


@asynccontextmanager
async def served(vendor: Ultravox) -> AsyncIterator[Ultravox]:
    """Serve it on a free port of this machine."""
    app = web.Application()
    app.router.add_post("/api/calls", vendor.make)
    app.router.add_get("/calls/{number}/server_web_socket", vendor.join)
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    vendor.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api"
    try:
        yield vendor
    finally:
        await runner.cleanup()
