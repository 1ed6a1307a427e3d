"""The conversation of a call as a model is asked with it: Pipecat's context, and where the bot was interrupted in it.

The words of the bot in a context are those that the caller heard. That alone does not tell a model that it was cut off:
a note behind them does, and says after which word. The note is made when the model is asked, so that nothing else that
reads the conversation has to know of it.
"""

from __future__ import annotations

from typing import Any

from pipecat.processors.aggregators.llm_context import LLMContext, LLMContextMessage, LLMSpecificMessage

LAST_WORDS = 4
"""So many of the words before an interruption are in its note: a single one may be there several times."""


class CallContext(LLMContext):
    """A context that knows in which of the bot's messages it was interrupted.

    Attributes:
        of: The conversation that this is a copy of, if it is one.
    """

    of: CallContext | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Initialize it as Pipecat's."""
        super().__init__(*args, **kwargs)
        self._cut: list[LLMContextMessage] = []

    def was_cut(self, message: LLMContextMessage) -> None:
        """Note that the caller interrupted the bot behind the words of a message of it."""
        self._cut.append(message)

    def followed_by(self, message: LLMContextMessage) -> CallContext:
        """A copy in which one more message stands at the end."""
        copy = CallContext([*self.messages, message], tools=self.tools, tool_choice=self.tool_choice)
        copy._cut = list(self._cut)
        copy.of = self
        return copy

    def with_interruptions(self) -> list[LLMContextMessage]:
        """The messages, each that was cut off followed by a note for the model."""
        told: list[LLMContextMessage] = []
        for message in self.messages:
            told.append(message)
            if any(message is one for one in self._cut) and (note := _note(message)):
                told.append({"role": "developer", "content": note})
        return told


def _note(message: LLMContextMessage) -> str:
    if isinstance(message, LLMSpecificMessage):
        return ""
    words = str(message.get("content") or "").split()
    if not words:
        return ""
    last = " ".join(words[-LAST_WORDS:])
    return (
        f'(A note, not said by the caller: they interrupted you here, after your words "{last}". They heard nothing of '
        "what you were going to say next.)"
    )
