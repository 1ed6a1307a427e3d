"""What a hosted service has ready before it is needed: a voice its lines, a recogniser an ear for the first words.

`made_ready` is asked for every service that is built; `speak_ahead` has a voice speak at start what no call has had it
say yet.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from loguru import logger
from pipecat.frames.frames import ErrorFrame, TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.workers.runner import WorkerRunner

from conversation.ahead.connections import that_takes_spares
from conversation.ahead.first_heard import that_hears_from_the_start
from conversation.ahead.fixed import fixed_lines
from conversation.ahead.speaking import Keeping, KeepsLines, that_keeps_lines
from conversation.ahead.store import LineStore, line_store
from conversation.services.service import Service

if TYPE_CHECKING:
    from pipecat.services.tts_service import TTSService

    from conversation.agents.agent import Agent
    from settings import Settings

FOLDER = "voice-lines"
"""Where lines are kept, in `DATA_DIR`."""

LINE_SECS = 20.0
"""How long a voice may take over one line at start; the line is spoken in a call then."""

SECRET = ("key", "token", "secret", "password", "credential")
"""What the names of arguments have in them that are no part of how a voice sounds."""

Say = Callable[[str, str], Awaitable[str]]
"""Makes of a text what a voice speaks, as Pipecat's text transformers do."""


def made_ready(
    service: Service, built: Any, agent: Agent, settings: Settings, arguments: Mapping[str, Any]
) -> Any:
    """A service's class with what is ready ahead; a class of the owner's as it is.

    Nothing tells when an owner's own code speaks in another way than before.

    Args:
        service: The service.
        built: Its class.
        agent: Whose lines it says.
        settings: The folder, and its bound.
        arguments: What the class is built with.
    """
    if service.is_own:
        return built
    if service.kind == "stt":
        return that_hears_from_the_start(built)
    if service.kind == "tts" and settings.voice_cache_mb:
        texts = frozenset(fixed_lines(agent))
        plain = {
            name: value
            for name, value in arguments.items()
            if isinstance(value, str | int | float | bool) and not any(word in name for word in SECRET)
        }
        made_of = (
            service.name,
            service.import_path(settings),
            service.host(settings),
            repr(sorted(plain.items())),
        )
        return that_keeps_lines(built, Keeping(kept_lines(settings), texts, service.name, made_of))
    return built


def with_spares(service: Service, cls: Any, settings: Settings) -> Any:
    """A voice's class that takes connections which wait for it; any other as it is."""
    return cls if service.kind != "tts" or service.is_own else that_takes_spares(cls, settings.preconnect)


def kept_lines(settings: Settings) -> LineStore:
    """Where the lines of hosted voices are kept."""
    return line_store(settings.data_dir / FOLDER, settings.voice_cache_mb * 1024 * 1024)


def speak_ahead_later(agent: Agent, build: Callable[[], TTSService], say: Say, rate: int) -> None:
    """Have a voice speak an agent's fixed lines, as far as they are not kept, beside all else that the process does.

    Args:
        agent: Whose lines.
        build: Builds the voice, in a running loop.
        say: Makes the text fit for the voice.
        rate: Of the line, in Hz.
    """

    def work() -> None:
        with suppress(RuntimeError):  # the process ends, and nothing new can be begun
            asyncio.run(speak_ahead(agent, build, say, rate))

    # A daemon: a process that ends early does not wait for a provider.
    threading.Thread(target=work, name="lines-ahead", daemon=True).start()


async def speak_ahead(agent: Agent, build: Callable[[], TTSService], say: Say, rate: int) -> tuple[int, str]:
    """Have a voice speak an agent's fixed lines, one after the other, as far as they are not kept.

    The first line that fails is the last: the provider has its reasons, and calls ask it anyway.

    Args:
        agent: Whose lines.
        build: Builds the voice.
        say: Makes the text fit for the voice.
        rate: Of the line, in Hz.

    Returns:
        How many lines are kept now, and why no more of them are; nothing when all are.
    """
    lines, count = fixed_lines(agent), 0
    try:
        voice = build()
        if not isinstance(voice, KeepsLines):
            return 0, "what this voice says is not kept"
        voice.add_text_transformer(say)
        async with _Speaking(voice, rate) as speaking:
            for text in lines:
                if reason := await speaking.speak(text):
                    logger.warning(
                        f"agent {agent.name}: {len(lines) - count} of its {len(lines)} fixed lines are not spoken "
                        f"ahead ({reason}): the voice is asked when a call needs them"
                    )
                    return count, reason
                count += 1
    except Exception as error:  # whatever a vendor's library raises: no start and no call depends on it
        reason = type(error).__name__
        logger.warning(
            f"agent {agent.name}: its fixed lines are not spoken ahead ({reason}); calls ask the voice"
        )
        return count, reason
    return count, ""


class _Speaking:
    """A voice alone in a pipeline, which nobody hears."""

    def __init__(self, voice: KeepsLines, rate: int):
        self._worker = PipelineWorker(
            Pipeline([voice]),
            params=PipelineParams(audio_out_sample_rate=rate),
            enable_rtvi=False,
            enable_turn_tracking=False,
            idle_timeout_secs=None,
        )
        self._error = ""
        self._settled = asyncio.Event()
        self._kept = False
        voice.told = self._was_kept
        self._running: asyncio.Task[None] | None = None

        @self._worker.event_handler("on_pipeline_error")
        async def on_pipeline_error(_worker: Any, frame: ErrorFrame) -> None:
            self._error = self._error or " ".join(str(frame.error).split())[:200]
            self._settled.set()

    async def __aenter__(self) -> _Speaking:
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self._worker)
        self._running = asyncio.create_task(runner.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._worker.cancel(reason="all lines are spoken")
        if self._running is not None:
            await asyncio.wait({self._running}, timeout=LINE_SECS)

    async def speak(self, text: str) -> str:
        """Have a line spoken unless it is kept; return why it is not, nothing when it is."""
        self._kept = False
        self._settled.clear()
        await self._worker.queue_frame(TTSSpeakFrame(text, append_to_context=False))
        with suppress(TimeoutError):
            async with asyncio.timeout(LINE_SECS):
                await self._settled.wait()
        return "" if self._kept else self._error or f"not whole within {LINE_SECS:g} s"

    def _was_kept(self) -> None:
        self._kept = True
        self._settled.set()
