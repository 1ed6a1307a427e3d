"""The processors that find out which language the caller wants: by keys, by words, by the recogniser, by the answer.

* `LanguageKeys` stands behind the keypad. The keys of `[language_keys]` choose a language until the caller has said
  something or pressed another key; later they may be part of anything, and are the model's.
* `LanguageHeard` stands behind the recogniser and counts the words of each language that it reports.
* `LanguageGate` stands before the model, where a turn is whole: it changes the language that the caller asks for or
  speaks, and answers who asks for one that the agent does not speak.
* `AnswerLanguage` stands behind the model, whose answer may be in another language than the conversation.
"""

from __future__ import annotations

from pipecat.frames.frames import (
    AggregatedTextFrame,
    Frame,
    InputDTMFFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseStartFrame,
    TranscriptionFrame,
    TTSSpeakFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from calls.events.talk import CallerSaid, DtmfReceived
from conversation.lines.fixed import DEFAULT, languages, primary
from conversation.lines.names import listed, name_of
from conversation.lines.words import asked_for, guessed, words_of
from conversation.multilingual.changing import Conversation

HEARD_WORDS = 2
"""So many words of another language change the conversation's: one may be a name, or an "okay"."""

STRANGE_WORDS = 4
"""So many words of a language that the agent does not speak are told to the model."""


class LanguageKeys(FrameProcessor):
    """Changes the language when the caller presses its key."""

    def __init__(self, conversation: Conversation, prefix: str):
        """Initialize the processor.

        Args:
            conversation: Whose language.
            prefix: What a row of keys begins with that stands in for words.
        """
        super().__init__(enable_direct_mode=True)
        self._conversation = conversation
        self._prefix = prefix
        self._chosen: str | None = None
        self._row: str | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take a key that chooses a language; what is said follows the interruption that the key has caused."""
        await super().process_frame(frame, direction)
        if isinstance(frame, TranscriptionFrame) and self._row is not None:
            row, self._row = self._row, None
            if frame.text == row:
                return  # it has chosen the language, and means nothing else
        await self.push_frame(frame, direction)
        if direction is not FrameDirection.DOWNSTREAM:
            return
        if isinstance(frame, InputDTMFFrame) and self._chooses(frame.button.value):
            self._chosen = frame.button.value
            self._row = f"{self._prefix}{frame.button.value}"
        elif isinstance(frame, InterruptionFrame) and self._chosen is not None:
            key, self._chosen = self._chosen, None
            await self._take(key)

    def _chooses(self, key: str) -> bool:
        session = self._conversation.session
        return (
            key in session.agent.language_keys
            and not session.deaf
            and session.resume is None
            and not session.call.has(CallerSaid)
            and not session.call.has(DtmfReceived)
        )

    async def _take(self, key: str) -> None:
        conversation, session = self._conversation, self._conversation.session
        tag = conversation.speaks(session.agent.language_keys[key])
        if tag is None:
            await self.push_frame(TTSSpeakFrame(conversation.unknown()))
            return
        for frame in await conversation.change(tag, "key"):
            await self.push_frame(frame)
        own = session.agent.languages[tag].greeting
        await self.push_frame(TTSSpeakFrame(session.render(own or session.agent.lines.language_changed)))


class LanguageHeard(FrameProcessor):
    """Counts the words of each language, as the recogniser tells it."""

    def __init__(self, conversation: Conversation):
        """Initialize the processor.

        Args:
            conversation: Gets the counts.
        """
        super().__init__(enable_direct_mode=True)
        self._conversation = conversation

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Count the words of a transcript; pass everything on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, TranscriptionFrame) and frame.language:
            language = primary(str(frame.language))
            counts = self._conversation.heard
            counts[language] = counts.get(language, 0) + _words_in(frame.text, language)
        await self.push_frame(frame, direction)


def _words_in(text: str, language: str) -> int:
    """How many words count: none of a mere "okay", which people say in every language."""
    return 0 if words_of(language).are_only(text, "backchannels", "fillers") else len(text.split())


class LanguageGate(FrameProcessor):
    """Changes the language as the caller's turn wants it, before the model is asked."""

    def __init__(self, conversation: Conversation, prefix: str):
        """Initialize the processor.

        Args:
            conversation: Whose language.
            prefix: What a row of keys begins with that stands in for words.
        """
        super().__init__(enable_direct_mode=True)
        self._conversation = conversation
        self._prefix = prefix

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Look at a turn before the model gets it."""
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame) and direction is FrameDirection.DOWNSTREAM:
            self._conversation.context = frame.context
            if not await self._look(_last_turn(frame.context)):
                return
        await self.push_frame(frame, direction)

    async def _look(self, text: str) -> bool:
        """Do what the caller's words want; tell whether the model is to answer them."""
        conversation = self._conversation
        heard, conversation.heard = conversation.heard, {}
        if not text or text.startswith(self._prefix) or conversation.session.deaf:
            return True
        asked = asked_for(text, conversation.spoken, conversation.now)
        if asked is not None:
            if (tag := conversation.speaks(asked.language)) is not None:
                await self._change(tag, "asked")
            elif asked.only:
                await self.push_frame(TTSSpeakFrame(conversation.unknown()))
                return False
            else:
                self._strange(asked.language, "The caller asks for")
            return True
        language = max(heard, key=heard.__getitem__, default=conversation.now)
        if language != conversation.now and heard[language] > heard.get(conversation.now, 0):
            tag = conversation.speaks(language)
            if tag is not None and heard[language] >= HEARD_WORDS:
                await self._change(tag, "spoken")
            elif tag is None and heard[language] >= STRANGE_WORDS:
                self._strange(language, "The recogniser takes the caller's words for")
        return True

    async def _change(self, tag: str, why: str) -> None:
        for frame in await self._conversation.change(tag, why):
            await self.push_frame(frame)

    def _strange(self, language: str, how: str) -> None:
        conversation = self._conversation
        mine = listed([name_of(tag, DEFAULT) for tag in conversation.spoken], DEFAULT)
        conversation.note(
            f"{how} {name_of(language, DEFAULT)}, which you do not speak. Go on in "
            f"{name_of(conversation.now, DEFAULT)}; if they do want that language, tell them that you speak {mine}."
        )


def _last_turn(context: LLMContext) -> str:
    """The caller's words since the bot's last ones."""
    said: list[str] = []
    for message in reversed(context.get_messages()):
        if not isinstance(message, dict) or message.get("role") not in ("user", "developer"):
            break
        content = message.get("content")
        if message.get("role") == "user" and isinstance(content, str):
            said.insert(0, content)
    return " ".join(said)


class AnswerLanguage(FrameProcessor):
    """Has the voice follow a model that answers in another of the agent's languages.

    A language that the agent does not speak is said by the voice that there is: silence would be worse. The model is
    told, once, before it is asked again.
    """

    def __init__(self, conversation: Conversation):
        """Initialize the processor.

        Args:
            conversation: Whose language.
        """
        super().__init__(enable_direct_mode=True)
        self._conversation = conversation
        self._told = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Look at a sentence before the voice gets it."""
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMFullResponseStartFrame):
            self._told = False
        elif isinstance(frame, AggregatedTextFrame) and direction is FrameDirection.DOWNSTREAM:
            await self._look(frame.text)
        await self.push_frame(frame, direction)

    async def _look(self, text: str) -> None:
        conversation = self._conversation
        language = guessed(text, languages())
        if language is None or language == conversation.now:
            return
        if (tag := conversation.speaks(language)) is not None:
            for update in await conversation.change(tag, "answered"):
                await self.push_frame(update)
        elif not self._told:
            self._told = True
            name = name_of(conversation.now, DEFAULT)
            conversation.note(f"You have answered in {name_of(language, DEFAULT)}. Speak {name} only.")
