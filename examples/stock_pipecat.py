"""A phone bot of Pipecat's own parts, on the wire formats and the transport of `serializers/`: see docs/serializers.md.

    OPENAI_API_KEY=... python -m examples.stock_pipecat --port 7860

The number's voice webhook is `https://HOST/twilio/voice` or `https://HOST/telnyx/voice`, where HOST leads to this port.
Anyone who finds that address can talk to the bot at your expense: on the internet, check the carrier's signature first,
as `server.py` does.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any, Literal
from xml.sax.saxutils import quoteattr

import uvicorn
from fastapi import FastAPI, Request, Response, WebSocket
from loguru import logger
from openai import OpenAI, OpenAIError
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    EndWorkerFrame,
    Frame,
    FunctionCallResultProperties,
    TTSSpeakFrame,
    TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.dtmf_aggregator import DTMFAggregator
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.openai.stt import OpenAISTTService
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.transports.base_transport import BaseTransport
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams
from pipecat.workers.runner import WorkerRunner

from serializers import HandshakeError, UnsupportedEncoding, read_stream_start, serializer_for
from serializers.frames import MarkFrame, MarkReturnedFrame
from serializers.transport import PhoneTransport

PROMPT = "You answer the telephone of a bakery, in one or two short sentences. Call end_call when the caller is done."
GREETING = "Hello, this is the bakery. How can I help you?"
LAST_WORDS = "Thank you for calling. Goodbye."

DOCUMENTS = {
    "twilio": "<Response><Connect><Stream url={url}/></Connect><Hangup/></Response>",
    "telnyx": '<Response><Connect><Stream url={url} bidirectionalMode="rtp"/></Connect><Hangup/></Response>',
}
"""The document for a call: it opens the media socket; when that closes, the carrier goes on behind it, and hangs up."""

POLICY_VIOLATION = 1008
"""WebSocket close code for a peer that does not speak the protocol (RFC 6455, section 7.4.1)."""

app = FastAPI()


@app.api_route("/{carrier}/voice", methods=["GET", "POST"])
async def voice(carrier: Literal["twilio", "telnyx"], request: Request) -> Response:
    """Tell the carrier to connect the caller to the media socket."""
    url = quoteattr(f"wss://{request.headers['host']}/ws")
    return Response(DOCUMENTS[carrier].format(url=url), media_type="text/xml")


@app.websocket("/ws")
async def media(websocket: WebSocket) -> None:
    """Talk on a media socket until the pipeline ends or the caller hangs up."""
    await websocket.accept()
    try:
        serializer = serializer_for(await read_stream_start(websocket))
    except (HandshakeError, UnsupportedEncoding) as error:
        logger.warning(f"media socket refused: {error}")
        await websocket.close(POLICY_VIOLATION)
        return
    # The mark behind the last words tells when they were heard: no silence is needed after them.
    params = FastAPIWebsocketParams(audio_out_end_silence_secs=0)
    await talk(PhoneTransport(websocket, serializer, params))


class LastWords(FrameProcessor):
    """Ends the pipeline when the caller has heard the last words, which are those that cannot be interrupted."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Put a mark behind the last words, and wait for its return."""
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, TTSStoppedFrame) and not frame.interruptible:
            mark = MarkFrame("last words")
            mark.interruptible = False
            await self.push_frame(mark)
        elif isinstance(frame, MarkReturnedFrame):
            await self.push_frame(EndWorkerFrame())


async def end_call(params: FunctionCallParams) -> None:
    """End the call. Use it when the caller says goodbye or needs nothing more."""
    await params.result_callback("done", properties=FunctionCallResultProperties(run_llm=False))
    last_words = TTSSpeakFrame(LAST_WORDS)
    last_words.interruptible = False
    await params.llm.push_frame(last_words)


async def talk(transport: BaseTransport) -> None:
    """Run the pipeline of one call.

    Args:
        transport: The call's.
    """
    tts = OpenAITTSService()
    llm = OpenAILLMService(settings=OpenAILLMService.Settings(system_instruction=PROMPT))
    context = LLMContext(tools=[end_call])
    aggregators = LLMContextAggregatorPair(
        context, user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
    )
    pipeline = Pipeline(
        [
            transport.input(),
            DTMFAggregator(),
            OpenAISTTService(),
            aggregators.user(),
            llm,
            tts,
            LastWords(),
            transport.output(),
            aggregators.assistant(),
        ]
    )
    worker = PipelineWorker(pipeline)

    @transport.event_handler("on_client_connected")
    async def connected(_transport: Any, _websocket: Any) -> None:
        await worker.queue_frame(TTSSpeakFrame(GREETING))

    @transport.event_handler("on_client_disconnected")
    async def hung_up(_transport: Any, _websocket: Any) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A stock Pipecat bot on the telephone")
    parser.add_argument("--port", type=int, default=7860)
    port = parser.parse_args().port
    try:
        OpenAI()
    except OpenAIError as error:
        sys.exit(f"no call can be answered: {error}")
    # No pings: carriers do not document that they answer them. No access log: its lines would have callers' numbers.
    uvicorn.run(app, host="127.0.0.1", port=port, ws_ping_interval=None, access_log=False)
