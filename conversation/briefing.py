"""The bot's session with a colleague who is asked to take a caller.

It runs on the colleague's own leg. The bot says what the call is about and asks for a key: 1 connects the two, 2
declines. A voicemail box can press no key, so it never gets the caller. If the carrier's detection says that a machine
has answered, the bot asks only once and waits less: it may be a person after all, who presses a key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from loguru import logger
from pipecat.frames.frames import Frame, InputAudioRawFrame, InputDTMFFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_transport import BaseTransport
from pipecat.workers.runner import WorkerRunner

from calls.colleague import Colleague
from calls.errors import NotDone
from calls.events.lifecycle import (
    Accepted,
    AnswererDetected,
    BriefingStarted,
    CallerGone,
    Connected,
    ConnectFailed,
    Declined,
)
from calls.states import CallState, EndedBy
from calls.transferring import connect
from conversation import services
from conversation.dead_air.trouble import note_failover
from conversation.failover.build import Lists
from conversation.handover import SURELY_MACHINES
from conversation.heard.context import InterruptionsUnderWay
from conversation.heard.marks import SpokenMarks
from conversation.pipeline import AUDIO_OUT_HZ
from conversation.services.service import PHONE_HZ
from conversation.session import SOCKET_CLOSED, Session, attached_to
from settings import Settings

ACCEPT, DECLINE = "1", "2"

KEY_SECS = 6.0
"""How long the bot waits for a colleague's key: after the briefing, and once more after it was repeated."""

A_MACHINE = "a machine answered"

MACHINE_KEY_SECS = 3.0
"""The same for a colleague's phone that a machine has answered, by the carrier's detection."""


class Keys(FrameProcessor):
    """Takes the keys that a colleague presses."""

    def __init__(self, pressed: asyncio.Queue[str]):
        """Initialize the processor.

        Args:
            pressed: Where the keys go.
        """
        super().__init__()
        self._pressed = pressed

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take keys; pass everything on but sound, which nobody listens to."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            return
        if isinstance(frame, InputDTMFFrame):
            self._pressed.put_nowait(frame.button.value)
        await self.push_frame(frame, direction)


async def run_briefing(
    session: Session, colleague: Colleague, transport: BaseTransport, settings: Settings
) -> None:
    """Ask a colleague, and do what they choose.

    Args:
        session: The session on the colleague's call.
        colleague: What that call is about.
        transport: The phone's.
        settings: Keys and choices for the voice service.
    """
    choice = services.resolve(session.agent, settings)
    listed = Lists(choice, settings, partial(note_failover, session), lambda: session.agent)
    tts = listed.voices() or services.build_tts(choice, session.agent, settings)
    pressed: asyncio.Queue[str] = asyncio.Queue()
    session.line = marks = SpokenMarks(session, InterruptionsUnderWay())
    worker = PipelineWorker(
        Pipeline([transport.input(), Keys(pressed), tts, marks, transport.output()]),
        params=PipelineParams(audio_in_sample_rate=PHONE_HZ, audio_out_sample_rate=AUDIO_OUT_HZ),
        enable_rtvi=False,
        enable_turn_tracking=False,
        idle_timeout_secs=None,
    )
    session.worker = worker
    talk: asyncio.Task[None] | None = None

    @transport.event_handler("on_client_connected")
    async def on_client_connected(_transport: Any, _client: Any) -> None:
        nonlocal talk
        talk = asyncio.create_task(_Talk(session, colleague, pressed).run())

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(_transport: Any, _client: Any) -> None:
        session.detached(SOCKET_CLOSED)
        await worker.cancel(reason="the media socket is gone")

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    try:
        await runner.run()
    finally:
        session.detached("pipeline ended")
        if talk is not None:
            # The session may be connecting the two just now, which is what has ended our stream.
            _, unfinished = await asyncio.wait({talk}, timeout=KEY_SECS)
            for task in unfinished:
                task.cancel()
        await session.settle()


class _Talk:
    """What is said and done on the colleague's leg."""

    def __init__(self, session: Session, colleague: Colleague, pressed: asyncio.Queue[str]) -> None:
        self._session = session
        self._call = session.call
        self._colleague = colleague
        self._pressed = pressed

    async def run(self) -> None:
        session, lines = self._session, self._session.agent.lines
        session.record(BriefingStarted())
        about = self._colleague.about
        stop = await self._watch_caller()
        try:
            for words in (about, f"{lines.briefing_again} {about}"):
                choice = await self._ask(words)
                if choice == ACCEPT:
                    await self._accept()
                    return
                if choice == DECLINE:
                    session.record(Declined())
                    await self._end(lines.briefing_declined, EndedBy.HUMAN, "declined")
                    return
                if choice is not None:
                    await self._end("", EndedBy.BOT, choice, CallState.VOICEMAIL)
                    return
                if session.is_detached:
                    return
                if self._call.has(CallerGone):
                    await self._end(lines.briefing_gone, EndedBy.CALLER, "the caller has hung up")
                    return
            await self._end(lines.briefing_unanswered, EndedBy.BOT, "no key was pressed")
        except Exception as error:
            logger.opt(exception=error).error(
                "call {}: the briefing failed: {}", self._call.id, type(error).__name__
            )
            session.record(ConnectFailed(reason=f"the briefing failed: {type(error).__name__}"))
            await self._end("", EndedBy.ERROR, "the briefing failed")
        finally:
            stop()

    async def _watch_caller(self) -> Callable[[], None]:
        """Note when the caller has hung up: the session with them may have died with its process, and say nothing."""
        caller = await self._session.store.fetch(self._colleague.for_call)
        if caller is None:
            return lambda: None

        def look() -> None:
            if caller.is_over and self._call.last(Accepted, CallerGone) is None:
                self._session.record(CallerGone())

        look()
        return caller.watch(look)

    async def _ask(self, words: str) -> str | None:
        """Say it, and wait for a key.

        Returns:
            The key; what ended the wait, in words, when no colleague is there to press one; None without a key in time.
        """
        session = self._session
        loop = asyncio.get_running_loop()
        said = loop.create_task(session.say_to_the_end(words))
        key = loop.create_task(self._key())
        changed = asyncio.Event()
        stop = self._call.watch(changed.set)
        detached = loop.create_task(session.wait_detached())
        deadline: float | None = None
        since = 0.0
        try:
            while True:
                changed.clear()
                if key.done():
                    return key.result()
                answered_by = self._call.last(AnswererDetected)
                who = answered_by.who if answered_by else None
                if who in SURELY_MACHINES:
                    return A_MACHINE
                if detached.done() or self._call.has(CallerGone):
                    return None
                if said.done() and deadline is None:
                    since = loop.time()
                    deadline = since + KEY_SECS
                if who == "machine" and deadline is not None:
                    deadline = min(deadline, since + MACHINE_KEY_SECS)
                if deadline is not None and loop.time() >= deadline:
                    return A_MACHINE if who == "machine" else None
                change = loop.create_task(changed.wait())
                waits: set[asyncio.Task[Any]] = {key, change, detached} | (set() if said.done() else {said})
                timeout = None if deadline is None else deadline - loop.time()
                try:
                    await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    change.cancel()
        finally:
            stop()
            for task in (said, key, detached):
                task.cancel()

    async def _key(self) -> str:
        while (key := await self._pressed.get()) not in (ACCEPT, DECLINE):
            pass
        return key

    async def _accept(self) -> None:
        session, lines = self._session, self._session.agent.lines
        session.record(Accepted())
        caller = await self._session.store.fetch(self._colleague.for_call)
        with_caller = attached_to(caller) if caller is not None else None
        # Before they are: what is still being said on either leg would be heard over the two. A session in another
        # process steps aside when it learns of `Accepted`.
        sessions = [one for one in (session, with_caller) if one is not None]
        for one in sessions:
            one.step_aside()
        try:
            await connect(session.control, caller)
        except NotDone as error:
            for one in sessions:
                one.step_back()
            session.record(ConnectFailed(reason=str(error)))
            await self._end(lines.briefing_gone, EndedBy.BOT, f"could not be connected: {error}")
            return
        session.record(Connected())
        self._call.move(CallState.TRANSFERRING, cause="takes the caller")
        self._call.move(CallState.TRANSFERRED, cause="talks with the caller")
        await session.let_go()

    async def _end(
        self, words: str, ended_by: EndedBy, cause: str, state: CallState = CallState.COMPLETED
    ) -> None:
        await self._session.finish(self._session.render(words), ended_by=ended_by, cause=cause, state=state)
