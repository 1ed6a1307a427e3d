"""Vendors' voices on this machine, spoken to over WebSockets, that misbehave sentence by sentence on purpose.

What they send and take is in Deepgram's reference "Text to Speech: Streaming", in Cartesia's "Text-to-Speech
(WebSocket)" and in ElevenLabs' "Multi-Context WebSocket". A sentence is answered by the next of the given ways,
whatever connection it comes on; the last goes on. `asked` gets what the voice was to say.
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from websockets.asyncio.server import ServerConnection

from tests.fake_services import Peer, tone

SPEAKS = "speaks"
SECS = 0.4


async def _misbehave(socket: ServerConnection, way: str) -> None:
    if way == "closes":
        await socket.close(1011)
    elif way == "says that it goes away":
        await socket.close(1001)
    elif way == "aborts":
        socket.transport.abort()
    elif way == "sends garbage":
        await socket.send("<html>no</html>")


def deepgram_voice(*ways: str, late_secs: float = 0.0, asked: list[str] | None = None) -> Peer:
    """Deepgram's voice; it speaks what it was sent when it is told to flush, after a while perhaps."""
    said = 0

    async def talk(socket: ServerConnection) -> None:
        nonlocal said
        async for message in socket:
            told: dict[str, Any] = json.loads(message)
            if told["type"] == "Clear":
                await socket.send(json.dumps({"type": "Cleared", "sequence_id": 0}))
            elif told["type"] == "Close":
                return
            elif told["type"] == "Speak" and asked is not None:
                asked.append(told["text"])
            elif told["type"] == "Flush":
                way = ways[min(said, len(ways) - 1)]
                said += 1
                await asyncio.sleep(late_secs)
                if way in (SPEAKS, "stops in mid-audio", "aborts in mid-audio"):
                    await socket.send(tone(SECS, 8000))
                if way in (SPEAKS, "gives no audio"):
                    await socket.send(json.dumps({"type": "Flushed", "sequence_id": 0}))
                elif way == "aborts in mid-audio":
                    await asyncio.sleep(0.1)
                    await _misbehave(socket, "aborts")
                else:
                    await _misbehave(socket, way)

    return talk


def cartesia_voice(*ways: str, late_secs: float = 0.0, asked: list[str] | None = None) -> Peer:
    """Cartesia's voice; it times its words, and may be late with them."""
    said = 0

    async def talk(socket: ServerConnection) -> None:
        nonlocal said
        gave: set[str] = set()
        async for message in socket:
            told: dict[str, Any] = json.loads(message)
            if told.get("cancel"):
                continue
            about = {"context_id": told["context_id"], "status_code": 206, "done": False}
            if told["transcript"].strip():
                if asked is not None:
                    asked.append(told["transcript"])
                way = ways[min(said, len(ways) - 1)]
                said += 1
                await asyncio.sleep(late_secs)
                if way in (SPEAKS, "stops in mid-audio", "stops in mid-words"):
                    words = told["transcript"].split()
                    # The whole sentence's times come before its sound
                    lasts = SECS * (4 if way == "stops in mid-words" else 1)
                    starts = [lasts / len(words) * number for number in range(len(words))]
                    times = {"words": words, "start": starts, "end": starts}
                    await socket.send(json.dumps({**about, "type": "timestamps", "word_timestamps": times}))
                    data = base64.b64encode(tone(SECS, 8000)).decode()
                    await socket.send(json.dumps({**about, "type": "chunk", "data": data}))
                if way in (SPEAKS, "gives no audio"):
                    gave.add(told["context_id"])
                elif way == "reports an error":
                    await socket.send(json.dumps({**about, "type": "error", "error": "no"}))
                else:
                    await _misbehave(socket, way)
            if not told["continue"] and told["context_id"] in gave:
                await socket.send(json.dumps({**about, "type": "done", "done": True}))

    return talk


def elevenlabs_voice(*ways: str, late_secs: float = 0.0, asked: list[str] | None = None) -> Peer:
    """ElevenLabs' voice; it times its letters, and is done with a context when that is closed."""
    said = 0

    async def talk(socket: ServerConnection) -> None:
        nonlocal said
        texts: dict[str, str] = {}
        async for message in socket:
            told: dict[str, Any] = json.loads(message)
            context = told.get("context_id", "")
            texts[context] = texts.get(context, "") + told.get("text", "")
            if not told.get("close_context"):
                continue
            text = texts.pop(context).strip()
            if not text:
                continue
            if asked is not None:
                asked.append(text)
            way = ways[min(said, len(ways) - 1)]
            said += 1
            await asyncio.sleep(late_secs)
            if way in (SPEAKS, "stops in mid-audio"):
                ms = round(SECS * 1000 / len(text))
                times = {
                    "chars": list(text),
                    "charStartTimesMs": [ms * number for number in range(len(text))],
                    "charDurationsMs": [ms] * len(text),
                }
                data = base64.b64encode(tone(SECS, 8000)).decode()
                spoken = {
                    "contextId": context,
                    "audio": data,
                    "normalizedAlignment": times,
                    "alignment": times,
                }
                await socket.send(json.dumps(spoken))
            if way in (SPEAKS, "gives no audio"):
                await socket.send(json.dumps({"contextId": context, "isFinal": True}))
            else:
                await _misbehave(socket, way)

    return talk
