"""A vendor's recogniser on this machine, spoken to over a WebSocket, that misbehaves utterance by utterance on purpose.

What it sends and takes is in Deepgram's reference "Speech to Text: Streaming". An utterance ends when it is told to
finalize, and is answered by the next of the given ways, whatever connection it comes on; the last goes on.
"""

from __future__ import annotations

import json

from websockets.asyncio.server import ServerConnection

from tests.fake_services import Peer


def _results(text: str) -> str:
    alternative = {"transcript": text, "confidence": 0.99, "words": [], "languages": ["en"]}
    return json.dumps(
        {
            "type": "Results",
            "channel_index": [0, 1],
            "duration": 1.0,
            "start": 0.0,
            "is_final": True,
            "speech_final": True,
            "from_finalize": True,
            "channel": {"alternatives": [alternative]},
            "metadata": {
                "request_id": "1",
                "model_info": {"name": "m", "version": "1", "arch": "a"},
                "model_uuid": "1",
            },
        }
    )


def deepgram_ears(text: str, *ways: str, sound: bytearray | None = None) -> Peer:
    """Deepgram's recogniser, which understands everything as one text; `sound` gets all that it hears."""
    heard = 0

    async def listen(socket: ServerConnection) -> None:
        nonlocal heard
        way = ways[min(heard, len(ways) - 1)]
        audible = 0
        async for message in socket:
            if isinstance(message, bytes):
                if sound is not None:
                    sound.extend(message)
                audible += max(message, default=0) > 100
                if audible > 10 and way in ("closes", "aborts"):
                    heard += 1
                    if way == "aborts":
                        socket.transport.abort()
                    else:
                        await socket.close(1011)
                    return
            elif json.loads(message)["type"] == "CloseStream":
                return
            elif json.loads(message)["type"] == "Finalize" and audible:
                heard += 1
                if way == "understands":
                    await socket.send(_results(text))
                elif way == "sends garbage":
                    await socket.send("<html>no</html>")
                way, audible = ways[min(heard, len(ways) - 1)], 0

    return listen
