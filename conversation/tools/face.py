"""The session as an owner's tools and hooks get it: `conversation.public.BotSession`, in front of our own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import httpx
from pipecat.frames.frames import TTSSpeakFrame
from pipecat.services.llm_service import LLMService

from calls.errors import NotDone, NotPossible
from calls.events.lifecycle import ErrorHappened
from calls.events.talk import MessageTaken
from calls.kept_json import KeptJson
from calls.left_messages import Message, MessageBook
from calls.policy import country_of
from calls.recordings import change_recording
from calls.states import EndedBy
from conversation.handover import put_through
from conversation.language.farewell import is_farewell
from conversation.language.spoken_numbers import Fit, fit, spoken_number
from conversation.lines.fixed import DEFAULT
from conversation.lines.names import listed, name_of
from conversation.public import CallFacts, NotReached
from conversation.session import Session
from conversation.tools.http_client import shared_client

MAX_EXTENSION = 6
"""Digits up to which a call-back number may be an extension of the business's own."""


RELEASE_SECS = 5.0
"""How long it may take to give back what a session's tools have opened."""


class Face:
    """Implements `BotSession` for one session."""

    def __init__(self, session: Session) -> None:
        """Initialize it.

        Args:
            session: The session.
        """
        self._session = session
        self.llm: LLMService[Any] | None = None
        """The model that talks in it, once there is one."""
        self._at_the_end: list[Callable[[], Awaitable[None]]] = []
        self._left: dict[tuple[str, str, str], asyncio.Task[None]] = {}
        self.caller_left = False
        """Whether the caller was put through, so that nobody is there to be answered."""

    def at_the_end(self, release: Callable[[], Awaitable[None]]) -> None:
        """Have something given back when the session is over, such as a connection that a tool has opened."""
        self._at_the_end.append(release)

    async def close(self) -> None:
        """Give back what the tools have opened, within `RELEASE_SECS`."""
        releases, self._at_the_end = self._at_the_end, []
        if not releases:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(RELEASE_SECS):
                await asyncio.gather(*(release() for release in releases), return_exceptions=True)

    @property
    def call(self) -> CallFacts:
        """What is known of the call now."""
        call = self._session.call
        return CallFacts(
            id=call.id,
            carrier=call.carrier,
            carrier_call_id=call.carrier_call_id,
            direction=call.direction.value,
            from_number=call.from_number,
            to_number=call.to_number,
            parameters=dict(call.parameters),
            state=call.state.value,
        )

    @property
    def agent(self) -> str:
        """The agent's name."""
        return self._session.agent.name

    @property
    def variables(self) -> dict[str, Any]:
        """What templates are filled in with."""
        return self._session.variables

    @property
    def http(self) -> httpx.AsyncClient:
        """The shared client."""
        return shared_client()

    @property
    def store(self) -> KeptJson:
        """Small JSON values of the call and of the caller."""
        return KeptJson(self._session.store, self._session.call)

    @property
    def destinations(self) -> Mapping[str, str]:
        """Where the caller can be put through to."""
        agent = self._session.agent
        if not self._session.control.can_transfer:
            return {}
        return {
            name: agent.own(target.description or target.spoken) or name
            for name, target in agent.transfers.items()
        }

    def render(self, template: str, **more: Any) -> str:
        """Fill a template in."""
        return self._session.render(template, **more)

    async def say(self, text: str) -> bool:
        """Say a sentence. What a tool says belongs to its call, whose result comes last in the model's context."""
        return await self._session.say(text, remember=False)

    async def say_to_the_end(self, text: str) -> bool:
        """Say words that no barge-in cuts short."""
        return await self._session.say_to_the_end(text)

    @property
    def languages(self) -> Mapping[str, str]:
        """The languages that the conversation can be in."""
        tongue = self._session.tongue
        spoken = tongue.spoken if tongue is not None else ()
        return {tag: name_of(tag, DEFAULT) for tag in spoken} if len(spoken) > 1 else {}

    async def change_language(self, language: str) -> None:
        """Go on in another language."""
        tongue = self._session.tongue
        tag = tongue.speaks(language) if tongue is not None else None
        if tag is None:
            names = listed(list(self.languages.values()), DEFAULT) or name_of(
                self._session.agent.language, DEFAULT
            )
            raise NotPossible(f"you do not speak that language. Tell the caller that you speak {names}.")
        await self._session.change_language(tag, "tool")

    async def note(self, text: str) -> None:
        """Tell the model something."""
        await self._session.note(text)

    async def transfer(self, destination: str, reason: str = "") -> NotReached | None:
        """Put the caller through and wait for the outcome."""
        handover = put_through(self._session, destination, reason)
        result = await handover.outcome()
        outcome = result.not_reached
        if outcome is None:
            # The bot has no one to talk to: the caller talks with a colleague, or has hung up.
            self.caller_left = True
            return None
        # From where the model's words begin, so that its next ones come after. It is not to be remembered, as words of
        # its own at the end the model would take for its answer; the tool's result tells it.
        words = TTSSpeakFrame(handover.what_is_told(outcome), append_to_context=False)
        if self.llm is not None:
            await self.llm.push_frame(words)
        return NotReached(outcome.value, result.detail)

    async def finish(self, farewell: str | None = None, *, cause: str = "finish") -> None:
        """Say goodbye and hang up."""
        session = self._session
        if farewell is None:
            farewell = session.render(session.agent.lines.goodbye)
        if is_farewell(await session.latest_reply(), farewell):
            farewell = ""  # the model has written it already, and it is on its way to the caller
        session.finish(farewell, ended_by=EndedBy.BOT, cause=cause, unless_more=True)

    async def record(self, action: str) -> None:
        """Change the recording of the call."""
        session = self._session
        if session.agent.recording.enabled:
            # A recording that begins only now would record the very words that a pause is asked for.
            await session.recording_settled.wait()
        if action == "start":
            await change_recording(session.control, action, session.agent.recording.format)
        else:
            await change_recording(session.control, action)

    async def send_digits(self, digits: str) -> None:
        """Press keys for the other side."""
        session = self._session
        # Keys cut words short that are being said: where the document changes for them, the stream ends.
        await session.say_to_the_end("")
        await session.control.send_digits(re.sub(r"[\s().-]", "", digits))
        session.listens()

    async def leave_message(self, text: str, *, caller_name: str = "", callback_number: str = "") -> None:
        """Keep a message for the business, once however often it is left in the call."""
        session = self._session
        region = country_of(session.control.our_number) or country_of(session.call.other_number)
        digits = spoken_number(callback_number)
        if len(digits) > MAX_EXTENSION and fit(digits, region) is not Fit.YES:
            raise NotPossible(
                "the call-back number cannot be a telephone number. Ask the caller to say it again, digit by digit, "
                "and read it back."
            )
        if not text.strip():
            raise NotPossible("the message is empty. Ask the caller what the message is.")
        message = Message(
            taken_at=datetime.now(UTC),
            call_id=session.call.id,
            agent=session.agent.name,
            caller_name=caller_name,
            callback_number=callback_number or str(session.variables.get("caller_number") or ""),
            text=text,
        )
        same = (text, caller_name, message.callback_number)
        if same not in self._left:
            self._left[same] = asyncio.create_task(self._keep(message))
        try:
            # Who speaks meanwhile interrupts the tool; the message is kept all the same, and a second call finds it.
            await asyncio.shield(self._left[same])
        except NotDone:
            self._left.pop(same, None)
            raise

    async def _keep(self, message: Message) -> None:
        session = self._session
        try:
            await MessageBook(session.data_dir).keep(message)
        except OSError as error:
            session.record(ErrorHappened(message=f"message not kept: {error.strerror}"))
            raise NotDone("it could not be stored. Apologise and ask the caller to ring again.") from error
        session.record(
            MessageTaken(
                caller_name=message.caller_name,
                callback_number=message.callback_number,
                message=message.text,
            )
        )
