"""What a frame of 20 ms costs on its way off the wire and onto it: our serializers beside Pipecat's."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from pipecat.frames.frames import OutputAudioRawFrame
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.serializers.telnyx import TelnyxFrameSerializer
from pipecat.serializers.twilio import TwilioFrameSerializer

from bench.arithmetic import ratio
from emulator.carriers import CARRIERS
from emulator.carriers.carrier import Readings
from emulator.carriers.credentials import Credentials
from emulator.documents.parsing import Verb
from emulator.line.codecs import FRAME_SAMPLES, SAMPLE_RATE
from serializers import serializer_for
from serializers.start import StreamStart

FRAMES = 2000
ROUNDS = 9
STREAM, CALL = "stream", "call"


def _ours(carrier: str) -> FrameSerializer:
    return serializer_for(StreamStart(carrier=carrier, stream_id=STREAM, call_id=CALL))


def _pipecats(carrier: str) -> FrameSerializer:
    if carrier == "telnyx":
        params = TelnyxFrameSerializer.InputParams(auto_hang_up=False)
        return TelnyxFrameSerializer(STREAM, "PCMU", "PCMU", params=params)
    return TwilioFrameSerializer(STREAM, params=TwilioFrameSerializer.InputParams(auto_hang_up=False))


MAKERS: dict[str, Callable[[str], FrameSerializer]] = {"ours": _ours, "stock": _pipecats}


async def measure_serializers() -> dict[str, dict[str, tuple[float, float]]]:
    """The processor time of decoding and of encoding a frame, in µs, by carrier and bot.

    The pipeline has the 8 kHz of the line. Rounds of both take turns, and the quickest of each counts: whatever else
    the machine does only adds to it.
    """
    return {carrier: await _of(carrier) for carrier in CARRIERS}


def serializer_ratio(measured: dict[str, dict[str, tuple[float, float]]]) -> float | None:
    """Ours over Pipecat's, encoding and decoding together, of all carriers."""
    ours, stock = (sum(sum(one[bot]) for one in measured.values()) for bot in MAKERS)
    return ratio(ours, stock)


async def _of(carrier: str) -> dict[str, tuple[float, float]]:
    messages = _messages(carrier)
    noise = np.random.default_rng(1).normal(0.0, 3000.0, FRAME_SAMPLES).astype(np.int16).tobytes()
    frame = OutputAudioRawFrame(noise, SAMPLE_RATE, 1)
    rounds: dict[str, list[tuple[float, float]]] = {bot: [] for bot in MAKERS}
    for _ in range(ROUNDS):
        for bot, make in MAKERS.items():
            rounds[bot].append(await _round(make(carrier), messages, frame))
    return {bot: (min(one[0] for one in took), min(one[1] for one in took)) for bot, took in rounds.items()}


async def _round(
    serializer: FrameSerializer, messages: list[str], frame: OutputAudioRawFrame
) -> tuple[float, float]:
    setup: Any = SimpleNamespace(audio_in_sample_rate=SAMPLE_RATE)
    await serializer.setup(setup)
    began = time.process_time()
    heard = [await serializer.deserialize(message) for message in messages]
    decoded = time.process_time()
    sent = [await serializer.serialize(frame) for _ in range(FRAMES)]
    encoded = time.process_time()
    assert all(heard) and all(sent), f"{type(serializer).__name__} does not take the emulator's frames"
    return (decoded - began) * 1e6 / FRAMES, (encoded - decoded) * 1e6 / FRAMES


def _messages(carrier: str) -> list[str]:
    dialect = CARRIERS[carrier].dialect(Credentials(), Readings())
    leg = dialect.new_leg("+12025550143", "+12025550100", "PCMU")
    stream, _ = dialect.open_stream(leg, Verb("Stream", {"bidirectionalMode": "rtp"}), {})
    stream.stream_id = STREAM
    random = np.random.default_rng(2)
    frames = random.normal(0.0, 3000.0, (FRAMES, FRAME_SAMPLES)).astype(np.int16)
    return [json.dumps(stream.media(frame), separators=(",", ":")) for frame in frames]
