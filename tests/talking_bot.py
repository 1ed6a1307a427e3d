"""Our own server and bot over real sockets, with a voice and a model that need no package: for tests of calls.

The voice is a beep of 60 ms a character. The model follows a script: it is told what to answer to which words.
"""

from __future__ import annotations

import asyncio
import copy
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    FunctionCallFromLLM,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TTSAudioRawFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings, STTSettings, TTSSettings
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService
from pipecat.utils.errors import ErrorCategory

import bot
from calls.call import Call
from calls.store import CallStore
from carriers import carrier_for
from conversation import pipeline
from emulator import PhoneNetwork
from emulator.account import Account, Application, OwnNumber
from emulator.carriers.credentials import Credentials
from emulator.line.impairments import IDEAL, Profile
from emulator.network import BOT_NUMBER
from server import create_app, uvicorn_config
from settings import load_settings
from tests.cloud_host import cloud_host
from web.health import WARMING_UP

MS_PER_CHARACTER = 60
API_KEY = "a key for tests"

Reply = str | tuple[str, dict[str, str]] | ErrorCategory
"""Words to say, the name and arguments of a tool to call, or how the model fails."""


QUICK_AGENT = """
greeting = "Hello."
instructions = "Answer in one word."
tools = ["end_call", "take_message", "transfer_call", "send_digits"]
[transfers.desk]
number = "+12025550111"
spoken = "the desk"
ring_timeout_secs = 5
[transfers.boss]
number = "+12025550112"
spoken = "the boss"
ring_timeout_secs = 5
warm = true
[limits]
max_duration_secs = {max_duration_secs}
notice_secs = {notice_secs}
silence_secs = {silence_secs}
[lines]
goodbye = "Bye."
silence_prompts = ["Still there?", "Hello again?"]
silence_goodbye = "I hear nothing."
time_notice = "One moment left."
time_goodbye = "Time is up."
transfer_announce = "One moment."
still_trying = "Still ringing."
transfer_busy = "It is busy."
transfer_no_answer = "No answer."
transfer_declined_by = "They declined."
transfer_voicemail = "A machine."
transfer_error = "It failed."
reconnected = "Back again."
briefing = "For you: {{ reason }}. 1 or 2?"
briefing_again = "Again."
briefing_declined = "All right."
briefing_unanswered = "Nobody."
briefing_gone = "They left."
"""
"""An agent of few words, with limits that a test can wait for."""


class Beeps(TTSService):
    """A voice that beeps for as long as somebody would speak."""

    def __init__(self) -> None:
        super().__init__(
            push_start_frame=True, push_stop_frames=True, sample_rate=8000, settings=TTSSettings()
        )

    def can_generate_metrics(self) -> bool:
        return False

    async def run_tts(self, text: str, context_id: str):
        if "VOICELESS" in text:
            yield ErrorFrame("the voice's provider says no", category=ErrorCategory.AUTHENTICATION)
            return
        count = len(text) * MS_PER_CHARACTER * 8
        samples = np.sin(np.arange(count) * 2 * np.pi * 440 / 8000) * 8000
        yield TTSAudioRawFrame(samples.astype(np.int16).tobytes(), 8000, 1, context_id=context_id)


class Deaf(STTService):
    """Ears that hear nothing; callers in these tests press keys."""

    def __init__(self) -> None:
        super().__init__(settings=STTSettings())

    async def run_stt(self, audio: bytes):
        yield None


class Script(LLMService):
    """A model that answers by script: `answers` gets the caller's last words."""

    def __init__(self, answers: Callable[[str], list[Reply]], contexts: list[list[dict]]) -> None:
        super().__init__(settings=LLMSettings())
        self._answers = answers
        self._contexts = contexts

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        self._contexts.append(copy.deepcopy(frame.context.get_messages()))
        await self.push_frame(LLMFullResponseStartFrame())
        for reply in self._answers(_last_words(frame.context)):
            if isinstance(reply, str):
                await self._push_llm_text(reply)
            elif isinstance(reply, ErrorCategory):
                await self.push_error("the model's provider says no", category=reply)
            else:
                name, arguments = reply
                call = FunctionCallFromLLM(name, uuid.uuid4().hex, arguments, frame.context)
                await self.run_function_calls([call])
        await self.push_frame(LLMFullResponseEndFrame())


def _last_words(context: LLMContext) -> str:
    last = context.get_messages()[-1]
    return str(last.get("content", "")) if last.get("role") == "user" else f"({last.get('role')})"


@dataclass
class Talking:
    """A running server and the phone network that calls it."""

    url: str
    network: PhoneNetwork
    store: CallStore
    environment: dict[str, str] = field(default_factory=dict)
    contexts: list[list[dict]] = field(default_factory=list)
    """What the model was shown, each time that it was asked."""
    app: FastAPI | None = None

    async def lose_streams(self, call: Call) -> None:
        """Close the media sockets of a call, as a process that dies would."""
        assert self.app is not None
        assert await self.app.state.service.close_sockets(call)


@asynccontextmanager
async def talking(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path,
    carrier: str,
    answers: Callable[[str], list[Reply]],
    *,
    max_duration_secs: float = 60,
    notice_secs: float = 10,
    silence_secs: float = 30,
    webhooks: bool = True,
    agent: str = QUICK_AGENT,
    voice: Callable[[], TTSService] = Beeps,
    ears: Callable[[], STTService] = Deaf,
    model: Callable[[], LLMService] | None = None,
    line: Profile = IDEAL,
    **environment: str,
) -> AsyncIterator[Talking]:
    """Run the server on a free port, pointed at a phone network of its own, with `agent` on the line.

    Without `webhooks`, it is a host like Pipecat Cloud: it has media sockets at `/ws`, and nothing else.
    """
    store = CallStore()
    contexts: list[list[dict]] = []
    limits = {
        "{max_duration_secs}": max_duration_secs,
        "{notice_secs}": notice_secs,
        "{silence_secs}": silence_secs,
    }
    for name, value in limits.items():
        agent = agent.replace(name, str(value))
    (tmp_path / "quick.toml").write_text(agent)
    monkeypatch.setattr(bot, "default_store", lambda *_: store)
    monkeypatch.setattr(pipeline.services, "build_stt", lambda *_: ears())
    monkeypatch.setattr(
        pipeline.services, "build_llm", lambda *_, **__: model() if model else Script(answers, contexts)
    )
    monkeypatch.setattr(pipeline.services, "build_tts", lambda *_: voice())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        # What is signed is a form, so the application asks by POST.
        connection = Credentials().telnyx_connection_id
        account = Account(
            [OwnNumber(BOT_NUMBER, application=connection if carrier == "telnyx" else "")],
            applications=[Application(connection, "texml", method="POST")],
        )
        async with PhoneNetwork(carrier, signs_instructions=True, account=account, line=line) as network:
            given = {
                **network.environment(),
                "PUBLIC_URL": url,
                "PORT": str(port),
                "API_KEY": API_KEY,
                "CALLER_IDS": BOT_NUMBER,
                "DATA_DIR": str(tmp_path),
                "AGENTS_DIR": str(tmp_path),
                "AGENT": "quick",
                **environment,
            }
            for name, value in given.items():
                monkeypatch.setenv(name, value)
            app = create_app(load_settings(), store=store) if webhooks else cloud_host()
            if not webhooks and (prepared := carrier_for(carrier, load_settings())):
                await prepared.prepare()  # the host asks `readyz` before it sends a call
                await prepared.aclose()
            server = uvicorn.Server(uvicorn_config(app))
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            while not server.started or (webhooks and app.state.service.readiness.reason == WARMING_UP):
                await asyncio.sleep(0.01)
            try:
                yield Talking(url, network, store, given, contexts, app)
            finally:
                server.should_exit = True
                await serving
