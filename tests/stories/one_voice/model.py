"""A model of OpenAI's Realtime API for a story: it answers keys, and speaks in the tones that stories hear."""

import asyncio
import os
import sys
from pathlib import Path

import numpy as np
from websockets.asyncio.server import serve

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests import tone_speech
from tests.fake_realtime import HZ, Calls, RealtimeModel, Says, last_text

WORD_FOR_WORD = "and nothing else: "


def answers(items):
    """What it says to keys, and to a line of the bot's."""
    words = last_text(items)
    if WORD_FOR_WORD in words:
        return Says(words.partition(WORD_FOR_WORD)[2])
    if words.endswith("1#"):
        return Says("We are open until six.")
    if words.endswith("0#"):
        return Calls("transfer_call", {"destination": "desk", "reason": "shoes"})
    return Calls("end_call", {})


def sound(text):
    """The words in tones, at the rate of the API."""
    samples = np.frombuffer(tone_speech.spoken(text), dtype="<i2").astype(float)
    times = HZ // 8000
    places = np.arange(len(samples) * times) / times
    return np.interp(places, np.arange(len(samples)), samples).astype("<i2").tobytes()


async def talk(socket):
    """Serve one session."""
    await RealtimeModel(answers, sound=sound).talk(socket)


def shake_hands(socket, request):
    """Answer who only wants to know whether it is there."""
    return socket.respond(404, "no") if request.path.startswith("/readyz") else None


async def main():
    """Serve at PORT."""
    async with serve(talk, "127.0.0.1", int(os.environ["PORT"]), process_request=shake_hands) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
