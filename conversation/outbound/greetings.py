"""What answers a telephone, by its words: a person or a recording.

A recording gives itself away in set phrases ("leave a message after the tone"), a person by being short. What lies in
between is a question for a model, where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pipecat.classifiers.base_classifier import (
    BaseClassifier,
    ChoiceQuestion,
    ChoiceResult,
    ClassifierError,
    ClassifierImage,
    ClassifierQuestion,
    ClassifierResult,
)
from pipecat.metrics.metrics import LLMTokenUsage
from pipecat.utils.asyncio.task_manager import BaseTaskManager

from conversation.language.utterance import Wish, is_question, plain, wish_of

PERSON, RECORDING = "conversation", "voicemail"
"""The two options of Pipecat's question."""

SURE = 0.9
"""From this confidence on no model is asked."""

LIKELY = 0.8
"""From this confidence on words are believed where there is a doubt."""

_PHRASES = re.compile(
    r"\b(?:(?:after|at|hear|wait for) (?:the|this|a) (?:tone|beep|signal)|"
    r"(?:leave|record) (?:(?:us|me|him|her|them) )?(?:your|a short|a brief|a detailed|your detailed) (?:name|message)|"
    r"please leave (?:(?:us|me|him|her|them) )?(?:a |an? \w+ )?message|leave (?:your )?name and\b|"
    r"(?:voice ?mail(?: ?box)?|answering machine|mailbox) (?:of|for|is|has)|"
    r"(?:forwarded|forward|transferred|directed|gone|sent|through) to (?:an? )?(?:automated |automatic )?"
    r"(?:voice|answering|mailbox)|"
    r"(?:mailbox|inbox) (?:is|that|you)|"
    r"(?:person|party|number|customer|subscriber) (?:that )?you (?:are|re|have|ve) "
    r"(?:calling|trying|dialed|dialled|called|reached)|"
    r"(?:youve|you have) reached (?:the )?(?:voice|mailbox|answering)|"
    r"not in service|has been disconnected)\b"
)
"""Words (see `plain`) that people do not say to a caller when they answer the phone."""

_LIKELY = re.compile(
    r"\b(?:(?:cant|can not|cannot|not able to|unable to) (?:come to|take|answer|get to) (?:the|your|my|this|you)|"
    r"(?:not|un)(?: |)?available|not (?:at home|in|here) (?:right now|at the moment|at this time)|"
    r"(?:youve|you have) reached|(?:ill|i will|well|we will) (?:get back|call you back|return your call)|"
    r"(?:is|are) (?:currently|now) closed|leave (?:us |me )?a message|call (?:us |me )?(?:back )?later)\b"
)
"""Words of recordings that a person who answers another's phone might say as well."""

_HELLO = re.compile(
    r"^(?:(?:um+|uh+|oh|hi|hello|hey|yes|yeah|yep|good (?:morning|afternoon|evening)|there|speaking|this is he|"
    r"this is she|who is (?:this|it)|whos (?:this|there|calling)|can i help you|how can i help(?: you)?)(?: |$))+$"
)

_SHORT_WORDS = 5
_LONG_WORDS = 25


def sounds_recorded(text: str) -> bool:
    """Whether words could only come from a machine."""
    return bool(_PHRASES.search(plain(text)))


def is_hello(text: str) -> bool:
    """Whether the words are a hello of some kind, after which a person waits to hear what the call is about."""
    words = plain(text)
    return bool(_HELLO.match(words)) or wish_of(text) in (Wish.GREETING, Wish.FILLER)


def is_a_person(text: str, *, surely: bool = False) -> bool:
    """Whether words are those of a person rather than of a recording, as far as words tell.

    Args:
        text: All that is to be judged; nothing at all may be a person who waits.
        surely: Only where few recordings speak so.
    """
    result = judge(text)
    return result.choice == PERSON and (not surely or result.confidence >= LIKELY)


class GreetingClassifier(BaseClassifier):
    """Answers Pipecat's question, whether a person or a voicemail has answered.

    By the words alone where they are clear, so most people are not kept waiting for a model; by a model's judgement
    where they are not and there is one. When it fails, the words decide.
    """

    def __init__(self, model: BaseClassifier | None = None):
        """Initialize the classifier.

        Args:
            model: Is asked about what the words leave open; None without a language model.
        """
        super().__init__()
        self._model = model

    async def setup(self, task_manager: BaseTaskManager) -> None:
        """Set up the model as well."""
        await super().setup(task_manager)
        if self._model is not None:
            await self._model.setup(task_manager)

    async def cleanup(self) -> None:
        """Clean up the model as well."""
        await super().cleanup()
        if self._model is not None:
            await self._model.cleanup()

    async def _ask(
        self,
        state: str | dict[str, Any] | list[Any],
        questions: Mapping[str, ClassifierQuestion],
        images: Sequence[ClassifierImage] = (),
    ) -> tuple[dict[str, ClassifierResult], LLMTokenUsage | None]:
        results: dict[str, ClassifierResult] = {}
        for name, question in questions.items():
            if not isinstance(question, ChoiceQuestion) or set(question.options) != {PERSON, RECORDING}:
                raise ClassifierError(f"{self} tells a person from a recording and nothing else")
            result = judge(str(state))
            if result.confidence < SURE and self._model is not None:
                try:
                    result = (await self._model.choice(state, {name: question}))[name]
                except ClassifierError:
                    pass  # the words have an opinion too
            results[name] = result
        return results, None


def judge(text: str) -> ChoiceResult:
    """Judge by the words of all that was said since the answer."""
    words = plain(text).split()
    if sounds_recorded(text):
        return _result(RECORDING, 0.97)
    if is_hello(text):
        return _result(PERSON, 0.95)
    if _LIKELY.search(" ".join(words)) and not is_question(text):
        return _result(RECORDING, 0.8)
    if len(words) >= _LONG_WORDS and not text.rstrip().endswith("?"):
        return _result(RECORDING, 0.7)
    if len(words) <= _SHORT_WORDS or is_question(text):
        return _result(PERSON, LIKELY)
    return _result(PERSON, 0.6)


def _result(choice: str, confidence: float) -> ChoiceResult:
    other = RECORDING if choice == PERSON else PERSON
    return ChoiceResult(
        choice=choice, probabilities={choice: confidence, other: 1 - confidence}, confidence=confidence
    )
