"""One bot session on a call: what it may say, and how it lets go.

The call lives at the carrier; an attachment comes and goes with a media socket. It is handed to the tools, so what a
tool promises ("I will hang up") is kept here, outside of any frame that a barge-in could drop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loguru import logger
from pipecat.frames.frames import EndFrame, Frame, TTSSpeakFrame
from pipecat.pipeline.worker import PipelineWorker

from calls.call import Call, EndedBy
from calls.control import CallControl
from calls.playout import Playout
from calls.store import CallStore
from calls.transcript import Message
from conversation.agents import Agent
from serializers.frames import MarkFrame

SPEAKING_SECS_PER_CHARACTER = 1 / 12
"""A slow speaker's pace, to bound how long some words can take."""

VOICE_SECS = 10.0
"""How long a voice service may take before the first sound of a goodbye, on top of speaking it."""

MARK_SECS = 2.0
"""How long after its last audio was sent a goodbye's mark may take to come back."""

DROP_SECS = 3.0
"""How long the carrier may take to close the socket after it confirmed a hang-up."""


class Attachment:
    """A bot session that is attached to a call.

    Parameters:
        call: The call; its events and state are kept in `store`.
        control: What may be done to the call.
        agent: What the bot is.
        variables: What the agent's templates are rendered with.
        data_dir: Where messages for the business are kept.
        history: The conversation on this call's earlier attachments, which this one goes on with.
        playout: What the caller has heard on this attachment.
        ending: True once a goodbye was promised; from then on the caller cannot interrupt.
    """

    def __init__(
        self,
        *,
        call: Call,
        store: CallStore,
        control: CallControl,
        agent: Agent,
        variables: Mapping[str, Any],
        data_dir: Path,
        history: Sequence[Message] = (),
    ):
        """Attach to a call; `worker` must be set before anything is said."""
        self.call = call
        self.store = store
        self.control = control
        self.agent = agent
        self.variables = dict(variables)
        self.data_dir = data_dir
        self.history = tuple(history)
        self.playout = Playout()
        self.ending = False
        self.worker: PipelineWorker | None = None
        self._finish: asyncio.Task[None] | None = None
        self._detached = asyncio.Event()

    def record(self, kind: str, **data: Any) -> None:
        """Add an event to the call's history."""
        self.store.record(self.call, kind, **data)

    def render(self, template: str) -> str:
        """Fill in an agent's template for this call."""
        return self.agent.render(template, self.variables)

    async def say(self, text: str) -> None:
        """Speak a sentence of the agent's own, which a barge-in may cut short."""
        await self._queue(TTSSpeakFrame(text))

    def finish(self, farewell: str, *, ended_by: EndedBy, cause: str) -> asyncio.Task[None]:
        """Say goodbye, wait until it was heard, hang up. A second call joins the first.

        Args:
            farewell: The last words; empty to let what is being said be the last.
            ended_by: Who ends the call.
            cause: Why, for the call's record.

        Returns:
            The running goodbye; it ends when the line was dropped.
        """
        if self._finish is None:
            self.ending = True
            self._finish = asyncio.create_task(self._say_goodbye(farewell, ended_by, cause))
        return self._finish

    async def abandon(self, *, cause: str) -> None:
        """Close the socket without a word, for a bot without a voice; the carrier's document then has the say."""
        self.ending = True
        self.call.will_end(EndedBy.ERROR, cause)
        if self.worker is not None:
            await self.worker.cancel(reason=cause)

    async def settle(self) -> None:
        """Wait for a goodbye that is under way; called when the pipeline has ended."""
        if self._finish is not None:
            await asyncio.wait({self._finish}, timeout=DROP_SECS + MARK_SECS)

    def detached(self, reason: str) -> None:
        """Note that the media socket is gone. The first reason counts."""
        if not self._detached.is_set():
            self._detached.set()
            if self.playout.has_unheard:
                self.record("interrupted", heard="")
            # Nothing more will be heard, so a goodbye need not wait for it.
            self.playout.ended()
            self.record("detached", reason=reason)

    async def _say_goodbye(self, farewell: str, ended_by: EndedBy, cause: str) -> None:
        last = MarkFrame(self.playout.expect())
        last.interruptible = False
        frames: list[Frame] = [last]
        if farewell:
            words = TTSSpeakFrame(farewell)
            words.interruptible = False
            frames.insert(0, words)
        await self._queue(*frames)

        unheard = sum(len(chunk.text) for chunk in self.playout.pending) + len(farewell)
        heard = await self.playout.heard(
            last.mark, send_secs=VOICE_SECS + unheard * SPEAKING_SECS_PER_CHARACTER, return_secs=MARK_SECS
        )
        if self._detached.is_set():
            return  # the caller hung up first; what comes of a lost socket is said by the carrier's document
        if not heard:
            logger.warning(f"call {self.call.id}: hanging up without knowing that the goodbye was heard")
        if await self.control.hang_up(ended_by=ended_by, cause=cause):
            try:
                async with asyncio.timeout(DROP_SECS):
                    await self._detached.wait()
                    return
            except TimeoutError:
                logger.warning(
                    f"call {self.call.id}: the carrier left the socket open after the hang-up; closing it"
                )
        # No carrier, or it did not obey: without our socket its document runs out and the call ends.
        await self._queue(EndFrame())

    async def _queue(self, *frames: Frame) -> None:
        if self.worker is not None:
            await self.worker.queue_frames(list(frames))
