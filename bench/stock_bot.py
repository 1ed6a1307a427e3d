"""A phone bot as Pipecat ships it: `python -m bench.stock_bot -t twilio`, under its own development runner.

It has the framework's serializers, FastAPI transport, Silero detector and default turn strategies with Smart Turn, at
the 8 kHz of a phone line; nothing of the product is in it. Source: docs.pipecat.ai, pages on TwilioFrameSerializer,
TelnyxFrameSerializer and FastAPIWebsocketTransport, and the installed source of Pipecat 1.14 (`runner`, `turns`).

It is the fair rival: its native libraries' threads are set to one by the environment that the bench gives it, and it
logs no more than the product does.
"""

from __future__ import annotations

import sys
from typing import Any

if __name__ == "__main__":
    from environment import need_packages

    need_packages()

from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.runner.types import RunnerArguments
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.serializers.telnyx import TelnyxFrameSerializer
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

from bench.scripted import GREETING, ScriptedLLM, ScriptedSTT, ScriptedTTS

LINE_HZ = 8000


def _serializer(carrier: str, call: Any) -> FrameSerializer:
    # Nothing is hung up by REST: the callers here close their sockets.
    if carrier == "telnyx":
        return TelnyxFrameSerializer(
            stream_id=call["stream_id"],
            call_control_id=call["call_id"],
            outbound_encoding=call["outbound_encoding"],
            inbound_encoding="PCMU",
            params=TelnyxFrameSerializer.InputParams(auto_hang_up=False),
        )
    return TwilioFrameSerializer(
        stream_sid=call["stream_id"],
        call_sid=call["call_id"],
        params=TwilioFrameSerializer.InputParams(auto_hang_up=False),
    )


async def bot(runner_args: RunnerArguments) -> None:
    """Talk on one media socket; the runner finds this function by its name."""
    _log_as_the_product_does()
    websocket: Any = getattr(runner_args, "websocket", None)
    carrier, call = await parse_telephony_websocket(websocket)
    transport = FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            add_wav_header=False,
            serializer=_serializer(carrier, call),
        ),
    )
    context = LLMContext()
    aggregators = LLMContextAggregatorPair(
        context, user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
    )
    pipeline = Pipeline(
        [
            transport.input(),
            ScriptedSTT(),
            aggregators.user(),
            ScriptedLLM(),
            ScriptedTTS(),
            transport.output(),
            aggregators.assistant(),
        ]
    )
    worker = PipelineWorker(
        pipeline, params=PipelineParams(audio_in_sample_rate=LINE_HZ, audio_out_sample_rate=LINE_HZ)
    )

    @transport.event_handler("on_client_connected")
    async def connected(_transport: Any, _client: Any) -> None:
        await worker.queue_frame(TTSSpeakFrame(GREETING))

    @transport.event_handler("on_client_disconnected")
    async def hung_up(_transport: Any, _client: Any) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=runner_args.handle_sigint)
    await runner.add_workers(worker)
    await runner.run()


_quiet = False


def _log_as_the_product_does() -> None:
    """From INFO on. The runner sets DEBUG when it starts, so this waits for the first call."""
    global _quiet
    if not _quiet:
        _quiet = True
        logger.remove()
        logger.add(sys.stderr, level="INFO")


if __name__ == "__main__":
    from pipecat.runner.run import main

    main()
