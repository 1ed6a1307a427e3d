"""The two places of a pipeline in which text is made speakable."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping

from loguru import logger
from pipecat.frames.frames import Frame, TTSSpeakFrame
from pipecat.processors.aggregators.llm_text_processor import LLMTextProcessor
from pipecat.processors.frame_processor import FrameDirection
from pipecat.utils.text.base_text_aggregator import Aggregation, TextType
from pipecat.utils.text.simple_text_aggregator import SimpleTextAggregator

from conversation.speakable.aloud import Pronounced, aloud
from conversation.speakable.clauses import first_clause_end
from conversation.speakable.tidy import tidy
from conversation.speakable.visible import VisibleText

_PIECES = re.compile(r".{1,1000}(?:\s|$)|.{1,1000}", re.DOTALL)
"""Pieces of a text that is longer than any sentence: the time for one piece grows with the square of its length."""


class VisibleSentences(SimpleTextAggregator):
    """Cuts what a caller may hear of a model's text into sentences, as Pipecat's voices would do themselves.

    An answer may begin with the first clause of its first sentence, for a voice that renders a text before it sounds.
    """

    def __init__(self, *, language: str | None = None, first_clause: bool = False):
        """Begin with no text.

        Args:
            language: Of the conversation; sentences end by its rules.
            first_clause: Whether an answer begins with a clause of a long sentence.
        """
        super().__init__(language=language)
        self._visible = VisibleText()
        self._first_clause = first_clause
        self._begun = False

    async def aggregate(self, text: str) -> AsyncIterator[Aggregation]:
        """Take the next piece of text; yield each sentence that is whole."""
        async for sentence in super().aggregate(self._visible.feed(text)):
            self._begun = True
            yield sentence
        if self._first_clause and not self._begun and (end := first_clause_end(self._text)) is not None:
            self._begun = True
            clause, self._text = self._text[:end], self._text[end:].lstrip()
            yield Aggregation(text=clause.strip(), type=TextType.SENTENCE)

    async def flush(self) -> Aggregation | None:
        """End the answer; what is left of it is its last sentence."""
        self._text += self._visible.finish()
        self._begun = False
        return await super().flush()

    async def handle_interruption(self) -> None:
        """Forget an answer that was given up."""
        self._visible.reset()
        self._begun = False
        await super().handle_interruption()

    async def reset(self) -> None:
        """Forget everything."""
        self._visible.reset()
        self._begun = False
        await super().reset()


class SpeakableText(LLMTextProcessor):
    """Stands behind the model: whole sentences, without what is not for the caller or only for the eye.

    The voice, the record and the conversation that the model is shown again all get this text.
    """

    def __init__(self, language: str | None = None, *, first_clause: bool = False):
        """Initialize the processor.

        Args:
            language: Of the conversation, as in BCP 47.
            first_clause: Whether an answer begins with a clause of a long sentence.
        """
        self._sentences = VisibleSentences(language=language, first_clause=first_clause)
        super().__init__(text_aggregator=self._sentences, text_transforms=[("*", tidy)])

    def speaks(self, language: str) -> None:
        """Go on in another language: sentences end by its rules."""
        self._sentences.set_language(language)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Make speakable what a tool was given to say, too, such as a farewell."""
        if isinstance(frame, TTSSpeakFrame):
            frame.text = await speakable(frame.text)
        await super().process_frame(frame, direction)


async def speakable(text: str) -> str:
    """A whole text without what is not for the caller or only for the eye."""
    visible = VisibleText()
    return await tidy(visible.feed(text) + visible.finish())


class Aloud:
    """Pipecat's `TextTransform` in front of a voice: what it is given to say, fixed sentences included.

    Parameters:
        pronounce: An owner's words, and how they are written for the voice.
        region: The country of the business by two letters; its telephone numbers are said without country code.
        language: Of the conversation, as in BCP 47.
    """

    def __init__(
        self, pronounce: Mapping[str, str] | None = None, *, region: str = "US", language: str = "en"
    ):
        """Compile the table."""
        self._pronounced = Pronounced(pronounce or {})
        self._region = region
        self._language = language

    def speaks(self, language: str, pronounce: Mapping[str, str]) -> None:
        """Go on in another language, with its own table of words."""
        self._language = language
        self._pronounced = Pronounced(pronounce)

    async def __call__(self, text: str, text_type: str = "*") -> str:
        """Write a sentence as it is spoken."""
        said = " ".join(filter(None, [await self._said(piece) for piece in _PIECES.findall(text)]))
        # The voice's own spacing between sentences stays.
        return said + " " if said and text.endswith(" ") else said

    async def _said(self, text: str) -> str:
        plain = self._pronounced(await tidy(text))
        try:
            return await aloud(plain, region=self._region, language=self._language)
        except (ArithmeticError, ValueError, NotImplementedError) as error:
            # A number that no library can name is no reason for silence.
            logger.warning(f"a sentence is spoken as it is written: {type(error).__name__}")
            return plain
