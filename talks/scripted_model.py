"""A server that speaks OpenAI's chat completions with streaming and tools, and answers by rules: `talks.dialogue`.

The bot's own client, its tools, its streaming and its interruptions are used with it, and nothing outside is. It
refuses what OpenAI refuses, with its words, and keeps a count of what no model can use. Sources: OpenAI's API
reference, "Create chat completion" and "The chat completion chunk object"; openai SDK 2, types/chat.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Self

from aiohttp import web

from talks.agent_facts import AgentFacts
from talks.dialogue import Dialogue, Reply, text_of
from talks.understanding import KnownLine
from talks.words import words_of

ROLES = ("system", "developer", "user", "assistant", "tool")
FIRST_TOKEN_SECS = 0.25
"""About what the quickest hosted models take."""

TOKEN_SECS = 0.012
KEY = "scripted"
MODEL = "scripted"


class Refused(Exception):
    """OpenAI would not take this request (HTTP 400)."""


class ScriptedModel:
    """The server, on a free port of this machine. Use as an async context manager.

    Args:
        agents: Whose facts it may be sent.
        lines: What callers may say that it understands.
        first_token_secs: How long it thinks.
    """

    def __init__(
        self,
        agents: Sequence[AgentFacts],
        lines: Sequence[KnownLine] = (),
        *,
        first_token_secs: float = FIRST_TOKEN_SECS,
    ) -> None:
        """Prepare; entering the context starts it."""
        self.complaints: Counter[str] = Counter()
        """What was wrong with requests, and how often."""
        self.refused = 0
        """How many requests OpenAI would not have taken."""
        self.requests = 0
        self.cut_off = 0
        """How many answers nobody waited for to their end: they were interrupted."""
        self._agents = agents
        self._lines = lines
        self._first_token_secs = first_token_secs
        self._runner: web.AppRunner | None = None
        self._base = ""

    async def __aenter__(self) -> Self:
        """Start it."""
        application = web.Application()
        application.router.add_post("/v1/chat/completions", self._complete)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self._base = f"http://{host}:{port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop it."""
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def base_url(self) -> str:
        """Where a client finds it."""
        return self._base

    def environment(self) -> dict[str, str]:
        """The variables that make a server use it."""
        return {"LLM": "openai", "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": self._base, "OPENAI_MODEL": MODEL}

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return _error(401, "Incorrect API key provided.", "invalid_api_key")
        try:
            body = await request.json()
            messages, tools = checked(body)
        except (Refused, ValueError) as error:
            self.complaints[str(error)] += 1
            self.refused += 1
            return _error(400, str(error), "invalid_request_error")
        except ConnectionError:
            self.cut_off += 1  # it was interrupted before all of it was sent
            raise web.HTTPBadRequest from None
        self.complaints.update(shortcomings(messages))
        told = "\n".join(text_of(one) for one in messages if one["role"] in ("system", "developer"))
        agent = self._agent(told)
        lines = [line for line in self._lines if line.agent is agent]
        reply = Dialogue(told, tools, agent, lines).run(messages)
        await asyncio.sleep(self._first_token_secs)
        if not body.get("stream"):
            return web.json_response(_whole(reply))
        wants_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        return await self._stream(request, reply, wants_usage)

    def _agent(self, told: str) -> AgentFacts:
        """The agent that is told of: the one most of whose facts are there."""
        words = " ".join(words_of(told))

        def known(agent: AgentFacts) -> int:
            return sum(" ".join(words_of(answer)) in words for answer in agent.facts.values())

        return max(self._agents, key=known, default=AgentFacts())

    async def _stream(self, request: web.Request, reply: Reply, wants_usage: bool) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        try:
            await response.prepare(request)
            for chunk in chunks(reply, wants_usage):
                await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
                await asyncio.sleep(TOKEN_SECS)
            await response.write(b"data: [DONE]\n\n")
            await response.write_eof()
        except ConnectionError:
            self.cut_off += 1
        return response


def checked(body: Any) -> tuple[list[Mapping[str, Any]], dict[str, list[str]]]:
    """The messages and the tools of a request; of each tool the values of its first parameter with a choice.

    Raises:
        Refused: OpenAI would not take it.
    """
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        raise Refused("you must provide a model parameter")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused("Invalid 'messages': empty array.")
    open_calls: list[str] = []
    for place, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role not in ROLES:
            raise Refused(f"Invalid value for 'messages[{place}].role': {role!r}.")
        if open_calls and role != "tool":
            raise Refused(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                f"'tool_call_id': messages[{place}] is of {role}."
            )
        if role == "tool":
            if message.get("tool_call_id") not in open_calls:
                raise Refused(
                    "messages with role 'tool' must be a response to a preceding message with 'tool_calls': "
                    f"messages[{place}]."
                )
            open_calls.remove(message["tool_call_id"])
        calls = message.get("tool_calls") or []
        open_calls += [str(call.get("id")) for call in calls]
        if role != "assistant" or not calls:
            if not isinstance(message.get("content"), (str, list)):
                raise Refused(f"Invalid value for 'messages[{place}].content': expected a string.")
    if open_calls:
        raise Refused(
            "An assistant message with 'tool_calls' must be followed by tool messages: the last has none."
        )
    return messages, dict(_tool(place, tool) for place, tool in enumerate(body.get("tools") or []))


def _tool(place: int, tool: Any) -> tuple[str, list[str]]:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise Refused(f"Missing required parameter: 'tools[{place}].function.name'.")
    parameters = function.get("parameters") or {"type": "object", "properties": {}}
    if parameters.get("type") != "object":
        raise Refused(f"Invalid schema for function {function['name']!r}: schema must be of type 'object'.")
    for one in (parameters.get("properties") or {}).values():
        if one.get("enum"):
            return function["name"], [str(value) for value in one["enum"]]
    return function["name"], []


def shortcomings(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """What OpenAI takes, and what helps no model."""
    found = []
    systems = [place for place, one in enumerate(messages) if one["role"] in ("system", "developer")]
    if not systems:
        found.append("no system message: the model is told nothing")
    elif systems[0] != 0:
        found.append("the first system message is not the first message")
    if any(
        one["role"] in ("user", "assistant") and not one.get("tool_calls") and not text_of(one).strip()
        for one in messages
    ):
        found.append("a message without words")
    if messages[-1]["role"] == "assistant":
        found.append("asked to answer after its own words")
    return found


def chunks(reply: Reply, wants_usage: bool = False) -> list[dict[str, Any]]:
    """An answer in pieces, as OpenAI streams it."""
    first: dict[str, Any] = {"role": "assistant", "content": "" if reply.text else None}
    deltas: list[tuple[dict[str, Any], str | None]] = [(first, None)]
    words = reply.text.split(" ") if reply.text else []
    deltas += [({"content": word if not place else f" {word}"}, None) for place, word in enumerate(words)]
    if reply.tool is not None:
        function = {"name": reply.tool, "arguments": ""}
        call = {"index": 0, "id": f"call_{uuid.uuid4().hex[:20]}", "type": "function", "function": function}
        deltas.append(({"tool_calls": [call]}, None))
        arguments = json.dumps(dict(reply.arguments))
        for at in range(0, len(arguments), 12):
            piece = {"index": 0, "function": {"arguments": arguments[at : at + 12]}}
            deltas.append(({"tool_calls": [piece]}, None))
    deltas.append(({}, "stop" if reply.tool is None else "tool_calls"))
    head = {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": MODEL,
    }
    found = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
        for delta, reason in deltas
    ]
    if wants_usage:
        usage = {"prompt_tokens": 1, "completion_tokens": len(deltas), "total_tokens": len(deltas) + 1}
        found.append({**head, "choices": [], "usage": usage})
    return found


def _whole(reply: Reply) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.tool is not None:
        function = {"name": reply.tool, "arguments": json.dumps(dict(reply.arguments))}
        message["tool_calls"] = [
            {"id": f"call_{uuid.uuid4().hex[:20]}", "type": "function", "function": function}
        ]
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": MODEL,
        "choices": [
            {"index": 0, "message": message, "finish_reason": "stop" if reply.tool is None else "tool_calls"}
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def _error(status: int, text: str, code: str) -> web.Response:
    return web.json_response(
        {"error": {"message": text, "type": code, "param": None, "code": code}}, status=status
    )
