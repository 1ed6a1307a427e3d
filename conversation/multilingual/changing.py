"""Which language a conversation is in, and what a change of it takes along: texts, recogniser, voice, and the model.

The session's agent is the agent in that language (`Agent.in_language`), so whoever says a fixed line says it in the
right one. The event `language` keeps it with the call.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    Frame,
    LLMMessagesAppendFrame,
    STTUpdateSettingsFrame,
    TTSUpdateSettingsFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameProcessor

from calls.events.talk import LanguageChanged
from conversation.agents.agent import Agent
from conversation.failover.spare import Spare
from conversation.failover.switching import Switch
from conversation.lines.fixed import DEFAULT, primary
from conversation.lines.names import day, listed, name_of
from conversation.services.chosen import ServiceChoice
from conversation.services.in_languages import settings_in, spoken_languages
from conversation.services.service import Kind, ServiceError
from conversation.session import Session
from conversation.speakable import Aloud, SpeakableText
from settings import Settings


def languages_told(agent: Agent, spoken: Sequence[str]) -> str:
    """What a model is told of the languages of its agent; nothing for an agent that names none.

    Args:
        agent: The agent, in the language of the conversation.
        spoken: Those of its languages that its services speak.
    """
    if not agent.languages:
        return ""
    now = name_of(agent.language, DEFAULT)
    if len(spoken) < 2:
        return f"You speak {now} only. If the caller wants another language, say so."
    mine = listed([name_of(tag, DEFAULT) for tag in spoken], DEFAULT)
    return (
        f"You speak {mine}, and no other language. The conversation is in {now} now: answer in {now} only. When the "
        "caller wants another one of these languages, call change_language before you say anything else; when they "
        "want one that you do not speak, say which ones you do. What a colleague is told, such as the reason of a "
        f"transfer, is in {name_of(agent.home.language, DEFAULT)}."
    )


class Conversation:
    """The language of one session's conversation.

    Parameters:
        spoken: Those of the agent's languages that its services speak.
        heard: How many words the recogniser has heard of each language since the model was asked last.
    """

    def __init__(
        self,
        session: Session,
        choice: ServiceChoice,
        settings: Settings,
        services: Mapping[FrameProcessor, Kind],
        own: Collection[str],
        aloud: Aloud,
        words: FrameProcessor,
        told: Callable[[], str],
    ):
        """Initialize it.

        Args:
            session: The session.
            choice: The services by name.
            settings: Voices and keys.
            services: The services of the session, and what each is.
            own: The kinds of those among them that the agent's own code has made.
            aloud: Writes sentences for the voice.
            words: Makes sentences of what a model writes.
            told: What the model is told before the call, in the language of the moment.
        """
        self.session = session
        self.spoken = spoken_languages(choice, own)
        self.heard: dict[str, int] = {}
        self.context: LLMContext | None = None
        self._choice = choice
        self._settings = settings
        self._services = services
        self._own = frozenset(own)
        self._aloud = aloud
        self._words = words
        self._told = told

    @property
    def now(self) -> str:
        """The language of the conversation, by its code."""
        return primary(self.session.agent.language)

    def speaks(self, language: str) -> str | None:
        """The agent's tag of a language that the conversation can be in; None for another."""
        tag = self.session.agent.configured(language)
        return tag if tag in self.spoken else None

    def unknown(self) -> str:
        """What is said to a caller who wants a language that is not spoken."""
        session = self.session
        named = session.agent.named_languages(self.spoken)
        return session.render(session.agent.lines.language_unknown, languages=named)

    async def change(self, tag: str, why: str) -> list[Frame]:
        """Go on in another language.

        Args:
            tag: One of `spoken`.
            why: As the event has it.

        Returns:
            Frames for the voice, which the caller hands on before the first words in the new language. None when it is
            the language already.
        """
        if primary(tag) == self.now:
            return []
        session = self.session
        session.agent = session.agent.in_language(tag)
        session.record(LanguageChanged(language=tag, why=why))
        logger.info("call {}: goes on in {} ({})", session.call.id, tag, why)
        if (now := session.variables.get("now")) is not None:
            session.variables["today"] = day(now, tag)
        self._aloud.speaks(session.agent.language, session.agent.pronounce)
        if isinstance(self._words, SpeakableText):
            self._words.speaks(tag)
        for_voice: list[Frame] = []
        for service, kind in self._services.items():
            frame = self._update(service, kind)
            if isinstance(frame, STTUpdateSettingsFrame) and session.worker is not None:
                await session.worker.queue_frames([frame])
            elif isinstance(frame, TTSUpdateSettingsFrame):
                for_voice.append(frame)
        await self._tell_the_model(has_asked=why == "tool")
        return for_voice

    def _update(self, service: Any, kind: Kind) -> Frame | None:
        if kind not in ("stt", "tts") or isinstance(service, Switch):
            return None
        choice = self._choice.spoken_by(self.session.agent)
        if isinstance(service, Spare):  # one of a list: one that sleeps wakes up in the new language
            choice, service = choice.only(kind, service.service.name), service.inner
            if service is None:
                return None
        named = None if kind in self._own else choice.of(kind)
        try:
            delta = settings_in(kind, named, self.session.agent, self._settings)
        except ServiceError as error:  # what the start has found to be right
            logger.error("call {}: {} keeps its language: {}", self.session.call.id, kind, error)
            return None
        if delta is None:
            return None
        made: type[Any] = STTUpdateSettingsFrame if kind == "stt" else TTSUpdateSettingsFrame
        frame: Frame = made(delta=delta, service=service, reach_inactive_services=True)
        return frame

    async def _tell_the_model(self, *, has_asked: bool) -> None:
        session, name = self.session, name_of(self.session.agent.language, DEFAULT)
        message: Any = {
            "role": "developer",
            "content": f"The conversation goes on in {name}: from now on speak {name} only. Do not begin it anew.",
        }
        if session.mind is not None:
            if not has_asked:
                await session.mind.tell(LLMMessagesAppendFrame([message], run_llm=False))
            return
        if self.context is None:
            return
        messages = self.context.get_messages()
        first = messages[0] if messages else None
        if isinstance(first, dict) and first.get("role") == "system":
            changed: Any = {**first, "content": self._told()}
            self.context.set_messages([changed, *messages[1:]])
        if not has_asked:  # else the result of its tool says so
            self.note(message["content"])

    def note(self, text: str) -> None:
        """Tell the model something that it finds when it is asked next, before the caller's words."""
        if self.context is None:
            return
        message: Any = {"role": "developer", "content": text}
        messages = list(self.context.get_messages())
        place = len(messages)
        while place and isinstance(last := messages[place - 1], dict) and last.get("role") == "user":
            place -= 1
        self.context.set_messages([*messages[:place], message, *messages[place:]])
