"""The actions of a flow. Words are heard to their end, a goodbye before the line drops, and a transfer is ours.

Pipecat's own `tts_say` and `end_conversation` put frames into the pipeline which a barge-in drops: the goodbye is cut,
or Flows waits for ever for the frame behind it. Ours take their place by Flows' public `register_action`.

Source of what Flows expects of an action: pipecat/flows/actions.py of Pipecat 1.14. Behind `tts_say` and `function` it
waits for an `ActionFinishedFrame` at the end of the pipeline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from loguru import logger
from pipecat.flows import FlowManager
from pipecat.flows.actions import ActionFinishedFrame, FunctionActionFrame
from pipecat.frames.frames import Frame

from calls.errors import NotDone
from calls.states import EndedBy
from conversation.agents.flow import END_CONVERSATION, PLACEHOLDER, TRANSFER, TTS_SAY, in_state
from conversation.public import BotSession
from conversation.session import Session
from conversation.tools.tool import TIMEOUT_SECS

REPLY_SECS = 20.0
"""How long an action waits for the reply before it to be spoken; by then something else has been done about it."""

BEHIND = "behind_the_reply"
"""The key of an action that is one of a node's `post_actions`, so that the model's reply comes first."""

COMES = "phonebot_comes_to_node"
"""The type of the action that is put before all others of a node."""


class Actions:
    """Runs a flow's actions on one call."""

    def __init__(
        self, session: Session, face: BotSession, comes: Callable[[str], None], after: Callable[[], None]
    ) -> None:
        """Initialize it.

        Args:
            session: The session.
            face: The same, as owners' code gets it.
            comes: Told of the node that the conversation has come to.
            after: Called when a handler of the owner's has run.
        """
        self._session = session
        self._face = face
        self._comes = comes
        self._after = after
        self._said_before = 0.0
        self._transfer: asyncio.Task[None] | None = None

    def register(self, manager: FlowManager) -> None:
        """Take the places of Pipecat's actions."""
        manager.register_action(COMES, self._come)
        manager.register_action(TTS_SAY, self._say)
        manager.register_action(END_CONVERSATION, self._end)
        manager.register_action("function", self._function)
        manager.register_action(TRANSFER, self._put_through)

    async def run_handler(self, action: dict[str, Any], manager: FlowManager) -> None:
        """Run an action's handler, which is the owner's. Whatever it does, the flow goes on."""
        handler = action["handler"]
        try:
            async with asyncio.timeout(TIMEOUT_SECS):
                await handler({**action, "type": action.get("own_type", action["type"])}, manager)
        except Exception as error:
            # The text of an error may hold the caller's words.
            logger.error(
                f"call {self._session.call.id}: the flow's handler {getattr(handler, '__name__', '')} failed: "
                f"{type(error).__name__}"
            )
        finally:
            self._after()

    async def _come(self, action: dict[str, Any], _manager: FlowManager) -> None:
        self._said_before = self._session.playout.said_in_all_secs
        if action["ends"]:
            # What is said from here on is the goodbye, and nothing that the caller says would be answered.
            self._session.announcing = True
        if action["waits"]:
            self._session.listens()
        self._comes(action["node"])

    async def _say(self, action: dict[str, Any], manager: FlowManager) -> None:
        session, text = self._session, str(action["text"])
        await self._behind_the_reply(action, manager)
        if action.get("barge_in"):
            said = await session.say(text, remember=False)
        else:
            announcing, session.announcing = session.announcing, True
            before = session.playout.said_in_all_secs
            try:
                await session.say_to_the_end(text)
            finally:
                session.announcing = announcing
            said = session.playout.said_in_all_secs > before
        if said and action.get("append_text_to_context", True):
            await session.remember([{"role": "assistant", "content": text}])
        await _queue(manager, ActionFinishedFrame())

    async def _end(self, action: dict[str, Any], manager: FlowManager) -> None:
        session = self._session
        await self._behind_the_reply(action, manager)
        text = filled(str(action.get("text") or ""), manager.state)
        if not text and session.playout.said_in_all_secs == self._said_before:
            text = session.render(session.agent.lines.goodbye)
        session.finish(text, ended_by=EndedBy.BOT, cause="the flow has ended")

    def end_again(self, text: str | None, manager: FlowManager) -> None:
        """Say the last words to a caller whose stream was lost before they were heard.

        Args:
            text: The words; None where the conversation does not end.
            manager: Its state is filled in.
        """
        if text is not None:
            words = filled(text, manager.state) or self._session.render(self._session.agent.lines.goodbye)
            self._session.finish(words, ended_by=EndedBy.BOT, cause="the flow has ended")

    async def _function(self, action: dict[str, Any], manager: FlowManager) -> None:
        await self._behind_the_reply(action, manager)
        await self.run_handler(action, manager)
        await _queue(manager, ActionFinishedFrame())

    async def _put_through(self, action: dict[str, Any], manager: FlowManager) -> None:
        """Begin a transfer. The flow goes on to the node, in which the caller is when nobody takes the call."""
        reason = filled(str(action.get("reason") or ""), manager.state)
        self._transfer = asyncio.create_task(self._hand_over(str(action["destination"]), reason))

    async def _hand_over(self, destination: str, reason: str) -> None:
        session = self._session
        try:
            back = await self._face.transfer(destination, reason)
        except NotDone as error:
            logger.warning(f"call {session.call.id}: the flow puts nobody through: {error}")
            await session.say(session.render(session.agent.brain.transfer_unavailable), remember=False)
            await session.note("The caller could not be put through, and was told so. Offer another way.")
            return
        if back is not None:
            await session.note(
                f"The caller was put through to {destination}. The outcome is {back.outcome}; the caller was told, and "
                "is with you again."
            )

    async def _behind_the_reply(self, action: dict[str, Any], manager: FlowManager) -> None:
        """Wait until all that is in the pipeline has gone through it, if the reply comes first."""
        if not action.get(BEHIND):
            return
        passed = asyncio.Event()

        async def here(_action: dict[str, Any], _manager: FlowManager) -> None:
            passed.set()

        await _queue(manager, FunctionActionFrame(action={}, function=here))
        with suppress(TimeoutError):
            async with asyncio.timeout(REPLY_SECS):
                await passed.wait()


async def _queue(manager: FlowManager, frame: Frame) -> None:
    frame.interruptible = False  # a barge-in would drop it, and Flows would wait for it for ever
    await manager.worker.queue_frame(frame)


def filled(text: str, state: dict[str, Any]) -> str:
    """Fill the names of a flow's state in, as Pipecat does in prompts; a name that is not there becomes nothing."""

    def value(found: Any) -> str:
        if found[1]:
            return str(found[0][1:])
        current: Any = state
        if not in_state(found[2], state):
            return ""
        for part in found[2].split("."):
            current = current[part]
        return str(current)

    return PLACEHOLDER.sub(value, text)
