"""The model is asked while a pause is waited out that is likely the end of the caller's turn.

Many a turn is taken for over only after a pause: callers who tell something, or leave a message, think while they
speak. The model would begin to think when the pause is over. So it is asked when the pause begins, with the
conversation as it will be if nothing more comes, and its service holds the answer back until the turn is over. Whoever
goes on speaking has the answer thrown away, and the conversation never has it. A tool that the answer calls waits for
the end of the turn, too (`conversation/services/one_system.py`).

The holding back is Pipecat's (`pipecat.turns.speculation_gate`). Its `EagerUserTurnStopStrategy` is for recognisers
that tell themselves of an end that may not be one, and ends turns by them alone; here any strategy that waits may ask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy

from pipecat.processors.aggregators.llm_context import LLMContextMessage


class AskedAhead:
    """The request that was sent ahead of the end of a turn, if there is one."""

    def __init__(self, is_wanted: Callable[[], bool], asked: Callable[[], bool]):
        """Begin without a request.

        Args:
            is_wanted: Whether the model may be asked ahead now.
            asked: Told when an answer is the one to the caller's turn; returns whether the model may answer at all.
        """
        self._is_wanted = is_wanted
        self._asked = asked
        self._with: Sequence[LLMContextMessage] | None = None
        self._tried: Sequence[LLMContextMessage] | None = None
        self._is_answer = False

    @property
    def is_under_way(self) -> bool:
        """Whether an answer is wanted."""
        return self._with is not None

    def asks(self, messages: Sequence[LLMContextMessage]) -> bool:
        """Whether the model is to be asked with a conversation now; it is not asked twice with the same one."""
        if not self._is_wanted() or messages == self._tried:
            return False
        # What is written into the messages later was not asked with.
        self._with = self._tried = [copy(one) for one in messages]
        self._is_answer = False
        return True

    def is_asked(self, messages: Sequence[LLMContextMessage]) -> bool:
        """Whether the turn is over and was asked ahead as it is; then that answer is the one."""
        if self._with is None or self._with != messages or not self._asked():
            return False
        self._with, self._is_answer = None, True
        return True

    def withdraw(self) -> bool:
        """Want the answer no more. Whether one was wanted."""
        was_asked, self._with = self._with is not None, None
        return was_asked

    def was_given_up(self) -> bool:
        """Take that the model has given its answer up. Whether it must be asked again: the turn was just over."""
        is_answer, self._is_answer, self._with = self._is_answer, False, None
        return is_answer

    def begin_anew(self) -> None:
        """The caller's turn begins, or all that was under way was stopped."""
        self._with = self._tried = None
        self._is_answer = False
