"""Anthropic's Messages API on this machine: what a streamed answer looks like, and a tool's call in one.

Source: Anthropic's API reference, "Streaming messages".
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.fake_services import HEADERS, Behaviour


def _event(kind: str, **data: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()


def _begin() -> bytes:
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": "fake",
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    return _event("message_start", message=message)


def _end(reason: str) -> bytes:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return _event("message_delta", delta=delta, usage={"output_tokens": 1}) + _event("message_stop")


def anthropic_words(text: str, *, stays: bool = False) -> Behaviour:
    """Answer, word by word; or stop in the middle of it."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(HEADERS + _begin())
        writer.write(_event("content_block_start", index=0, content_block={"type": "text", "text": ""}))
        for number, word in enumerate(text.split(" ")):
            piece = {"type": "text_delta", "text": word if number == 0 else f" {word}"}
            writer.write(_event("content_block_delta", index=0, delta=piece))
        await writer.drain()
        if stays:
            await asyncio.Event().wait()
        writer.write(_event("content_block_stop", index=0) + _end("end_turn"))

    return answer


def anthropic_calls(name: str, arguments: str) -> Behaviour:
    """Call a tool."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        block = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}
        writer.write(HEADERS + _begin() + _event("content_block_start", index=0, content_block=block))
        delta = {"type": "input_json_delta", "partial_json": arguments}
        writer.write(_event("content_block_delta", index=0, delta=delta))
        writer.write(_event("content_block_stop", index=0) + _end("tool_use"))

    return answer
