"""Language models that stand in for one another: the question that one has failed to answer goes to the next as it is.

A reply that breaks off is gone on with in the same reply. The words before the break are on their way to the voice, so
the next model is told them as its own, and what it repeats of them is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

from pipecat.frames.frames import (
    Frame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    LLMThoughtTextFrame,
)
from pipecat.pipeline.llm_switcher import LLMSwitcher
from pipecat.processors.aggregators.llm_context import LLMContext, LLMContextMessage
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import LLMService

from conversation.failover.health import Health
from conversation.failover.spare import Spare
from conversation.failover.switching import FailedOver, NextInLine, Switch

GO_ON = (
    "The connection broke after these words of yours, which the caller has heard. Go on with the very next word, as if "
    "nothing had happened: repeat none of them, and say nothing about the break."
)
"""What a model is told that goes on with a reply."""

LONGEST_WORD = 40
"""A text of so many characters without a blank is no word that goes on."""

_PLAIN = re.compile(r"[^\w]+")


def _words(text: str) -> list[str]:
    return [plain for word in text.split() if (plain := _PLAIN.sub("", word.lower()))]


class Seam:
    """Leaves out what the next model repeats of the words before the break."""

    def __init__(self, said: str) -> None:
        """Begin behind some words.

        Args:
            said: The words before the break.
        """
        self._said = _words(said)
        self._held = ""
        self._open = bool(self._said)

    def take(self, text: str) -> str:
        """Take the next piece of the reply; return what of it is new."""
        if not self._open:
            return text
        self._held += text
        # The last word may go on in the next piece.
        whole, space, _ = self._held.rstrip().rpartition(" ")
        repeated = _words(whole) if space else []
        if repeated[: len(self._said)] != self._said[: len(repeated)]:
            return self._opened(self._held)
        if len(repeated) < len(self._said):
            return ""
        parts = re.findall(r"\S+\s*", self._held)
        count = 0
        while parts and count < len(self._said):
            count += len(_words(parts.pop(0)))
        return self._opened("".join(parts))

    def end(self) -> str:
        """The reply is over; return what was held back and is new."""
        if not self._open:
            return ""
        repeated = _words(self._held)
        return self._opened("" if repeated == self._said[: len(repeated)] else self._held)

    def _opened(self, text: str) -> str:
        self._open, self._held = False, ""
        return text


class Models(Switch, LLMSwitcher[NextInLine]):
    """The language models of a list, as one."""

    def __init__(
        self, spares: Sequence[Spare], failed_over: FailedOver, health: Health | None = None
    ) -> None:
        """Initialize the switch.

        Args:
            spares: The models' places.
            failed_over: Told when one goes on for another.
            health: What is known of services that have failed.
        """
        self._tools: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        super().__init__("llm", spares, failed_over, health)
        self._register_event_handler("on_function_calls_started")
        self._asked: LLMContextFrame | None = None
        self._is_open = False
        self._said = self._kept = ""
        self._seam = Seam("")
        self._at_seam = False

    @property
    def is_asked(self) -> bool:
        """Whether a question is being answered now."""
        return self._asked is not None

    @property
    def llms(self) -> list[LLMService[Any]]:
        """The models that are awake."""
        return [spare.inner for spare in self._spares if spare.is_awake]

    @property
    def active_llm(self) -> LLMService[Any]:
        """The model that answers."""
        return cast("LLMService[Any]", self.active.inner)

    @property
    def supports_response_schema(self) -> bool:
        """Whether the model that answers can keep to a schema."""
        return self.active_llm.supports_response_schema

    def register_function(self, *arguments: Any, **more: Any) -> None:
        """Offer a tool to all models, also to those that are woken later."""
        self._tools.append((arguments, more))
        for llm in self.llms:
            llm.register_function(*arguments, **more)

    def prepare(self, llm: Any) -> None:
        """Offer all tools to a model that is woken."""
        for arguments, more in self._tools:
            llm.register_function(*arguments, **more)

        async def began(_llm: Any, calls: Any) -> None:
            await self._call_event_handler("on_function_calls_started", calls)

        llm.add_event_handler("on_function_calls_started", began)
        llm.tells_before_the_end = True

    def noted(self, frame: Frame) -> None:
        """Remember the question that is being answered."""
        if isinstance(frame, LLMContextFrame):
            self._asked = frame
            self._forget()
        elif isinstance(frame, InterruptionFrame):
            self._asked = None
            self._is_open = False
            self._forget()

    def _forget(self) -> None:
        self._said = self._kept = ""
        self._seam = Seam("")
        self._at_seam = False

    async def _hand_over(self, failed: Spare, following: Spare) -> None:
        asked, said = self._asked, self._said
        self._kept = ""
        await super()._hand_over(failed, following)
        if asked is None:
            return
        self._seam, self._at_seam = Seam(said), bool(said)
        await following.give(LLMContextFrame(_gone_on(asked.context, said) if said else asked.context))

    async def _may_pass(self, spare: Spare, frame: Frame, direction: FrameDirection) -> bool:
        if direction is FrameDirection.UPSTREAM:
            return True
        if isinstance(frame, LLMFullResponseStartFrame):
            was_open, self._is_open = self._is_open, True
            return not was_open  # the reply that broke off goes on
        if isinstance(frame, LLMThoughtTextFrame):
            return True
        if isinstance(frame, LLMTextFrame):
            return self._takes(spare, frame)
        if isinstance(frame, FunctionCallsStartedFrame):
            self.has_worked(spare)
            await self._flush(spare)
        elif isinstance(frame, LLMFullResponseEndFrame):
            await self._flush(spare)
            self._is_open, self._asked = False, None
        return True

    def _takes(self, spare: Spare, frame: LLMTextFrame) -> bool:
        """Let words pass, but for the last one, of which the rest may be missing when the model breaks off."""
        self.has_worked(spare)
        text = self._kept + self._seam.take(frame.text)
        cut = max(text.rfind(" "), text.rfind("\n"))
        if cut <= 0 and len(text) > LONGEST_WORD:
            cut = len(text)  # a language that parts no words
        passes, self._kept = (text[:cut], text[cut:]) if cut > 0 else ("", text)
        frame.text = self._joined(passes)
        return bool(passes)

    def _joined(self, text: str) -> str:
        """Part the first words of a model from the last ones of the model before it."""
        if text and self._at_seam:
            self._at_seam = False
            if not (self._said[-1].isspace() or text[0].isspace() or text[0] in ".,;:!?"):
                text = f" {text}"
        self._said += text
        return text

    async def _flush(self, spare: Spare) -> None:
        rest, self._kept = self._kept + self._seam.end(), ""
        if rest.strip():
            await spare.push_frame(LLMTextFrame(self._joined(rest)))


def _gone_on(context: LLMContext, said: str) -> LLMContext:
    """A conversation in which the model has begun its reply."""
    begun = cast(
        "list[LLMContextMessage]",
        [{"role": "assistant", "content": said.strip()}, {"role": "developer", "content": GO_ON}],
    )
    return LLMContext([*context.get_messages(), *begun], tools=context.tools, tool_choice=context.tool_choice)
