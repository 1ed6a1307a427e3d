"""Runs the hooks of an agent's own code: what it does besides tools when a call begins, goes on and ends.

A hook that fails or hangs costs the call nothing but a line in the log. docs/tools.md says what each is for.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from loguru import logger
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.ai_service import AIService
from pipecat.services.llm_service import LLMService
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService

from calls.call import Call
from calls.events.event import NOT_RECORDED
from calls.events.talk import Attached, BotHeard, CallerSaid
from conversation.session import Session
from conversation.tools.face import Face

PLACES = ("before_stt", "after_stt", "before_llm", "after_llm", "before_tts", "after_tts")
"""Where `processors` can put frame processors."""

SERVICES: Mapping[str, type[AIService]] = {"stt": STTService, "llm": LLMService, "tts": TTSService}
"""What `services` can give, and what each must be."""

WITH_VOICE: Mapping[str, type[AIService]] = {"voice": LLMService, "tts": TTSService}
"""The same for an agent with a `voice` of speech to speech."""

START_SECS = 1.5
"""How long the greeting waits for `on_call_start`, which then goes on beside it."""

BUILD_SECS = 2.0
"""How long `processors` and `services` may take: the caller hears nothing yet."""

TURN_SECS = 10.0
"""How long one `on_turn` may take; the next one waits for it."""

END_SECS = 30.0
"""How long `on_call_end` may take."""

_of_ends: dict[str, Callable[[], None]] = {}
"""What takes the watch for a call's end away, by the calls' ids: the latest session of a call tells of its end."""

_running: dict[str, set[asyncio.Task[None]]] = {}
"""The hooks that are at work, by the calls' ids."""


class Hooks:
    """The hooks of one session."""

    def __init__(self, session: Session, face: Face) -> None:
        """Initialize them.

        Args:
            session: The session.
            face: What the hooks get of it.
        """
        self._session = session
        self._face = face
        self._hooks = session.agent.code.hooks
        self._turns: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._seen = len(session.call.arrived)
        self._telling: asyncio.Task[None] | None = None
        self._stop: Callable[[], None] | None = None

    async def begin(self) -> None:
        """Run `on_call_start`, if this is the call's first session, and watch for what the other hooks are told of."""
        call = self._session.call
        if "on_turn" in self._hooks:
            self._telling = asyncio.create_task(self._tell_turns())
            self._stop = call.watch(self._look)
        if "on_call_end" in self._hooks:
            self._watch_the_end(call)
        if "on_call_start" in self._hooks and sum(isinstance(one, Attached) for one in call.events) <= 1:
            start = _spawn(call, self._run("on_call_start", END_SECS, self._face))
            await asyncio.wait({start}, timeout=START_SECS)

    async def processors(self) -> dict[str, list[FrameProcessor]]:
        """The agent's own frame processors by place; none where they cannot be used."""
        places: dict[str, list[FrameProcessor]] = {place: [] for place in PLACES}
        for place, given in (await self._built("processors")).items():
            wanted = given if isinstance(given, list | tuple) else [given]
            if place not in PLACES or not all(isinstance(one, FrameProcessor) for one in wanted):
                self._report("processors", f"gives something for {place!r} that cannot be used")
                continue
            places[place] += wanted
        return places

    async def services(self) -> dict[str, Any]:
        """The agent's own service objects by kind; none where they cannot be used."""
        services = {}
        wanted = SERVICES if self._session.agent.services.voice is None else WITH_VOICE
        for kind, service in (await self._built("services")).items():
            if kind not in wanted or not isinstance(service, wanted[kind]):
                self._report("services", f"gives something for {kind!r} that cannot be used")
                continue
            services[kind] = service
        return services

    async def close(self) -> None:
        """Stop, when the session is over. Turns that were not told yet are told first."""
        if self._stop is not None:
            self._stop()
        if self._telling is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(TURN_SECS):
                    await self._turns.join()
            self._telling.cancel()

    async def _built(self, name: str) -> dict[str, Any]:
        if name not in self._hooks:
            return {}
        try:
            async with asyncio.timeout(BUILD_SECS):
                given = self._hooks[name](self._face)
                if inspect.isawaitable(given):
                    given = await given
        except Exception as error:
            self._report(name, _why(error))
            return {}
        if not isinstance(given, Mapping):
            self._report(name, f"gives a {type(given).__name__} where a dict is needed")
            return {}
        return dict(given)

    async def _run(self, name: str, secs: float, *arguments: Any) -> None:
        try:
            async with asyncio.timeout(secs):
                await self._hooks[name](*arguments)
        except Exception as error:
            self._report(name, _why(error))

    def _report(self, name: str, what: str) -> None:
        session = self._session
        logger.error(f"call {session.call.id}: {name} of {session.agent.name}.py {what}")

    def _look(self) -> None:
        events = self._session.call.arrived
        for event in events[self._seen :]:
            if isinstance(event, CallerSaid | BotHeard) and event.text != NOT_RECORDED:
                self._turns.put_nowait(("caller" if isinstance(event, CallerSaid) else "bot", event.text))
        self._seen = len(events)

    async def _tell_turns(self) -> None:
        while True:
            who, text = await self._turns.get()
            await self._run("on_turn", TURN_SECS, self._face, who, text)
            self._turns.task_done()

    def _watch_the_end(self, call: Call) -> None:
        if before := _of_ends.pop(call.id, None):
            before()

        def look() -> None:
            if call.is_over and (stop := _of_ends.pop(call.id, None)):
                stop()
                _spawn(call, self._run("on_call_end", END_SECS, self._face))

        _of_ends[call.id] = call.watch(look)


async def hooks_are_done(call: Call) -> None:
    """Wait for the hooks of a call that is over: the process may end with it."""
    if tasks := _running.get(call.id):
        await asyncio.wait(set(tasks), timeout=END_SECS)


def _spawn(call: Call, work: Awaitable[None]) -> asyncio.Task[None]:
    async def run() -> None:
        await work

    task = asyncio.get_running_loop().create_task(run())
    tasks = _running.setdefault(call.id, set())
    tasks.add(task)

    def over(done: asyncio.Task[None]) -> None:
        tasks.discard(done)
        if not tasks:
            _running.pop(call.id, None)

    task.add_done_callback(over)
    return task


def _why(error: Exception) -> str:
    # The text of an error may hold the caller's words.
    return "took too long" if isinstance(error, TimeoutError) else f"failed: {type(error).__name__}"
