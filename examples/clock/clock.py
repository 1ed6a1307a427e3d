"""A service, a frame processor and a look at the talk of one's own."""

from collections import Counter
from datetime import UTC, datetime

from pipecat.frames.frames import (
    Frame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings

from conversation.public import BotSession

TURNS: Counter[str] = Counter()
"""How often each side has said something, in all calls."""


class Clock(LLMService):
    """Answers whatever it is asked with the time."""

    def __init__(self) -> None:
        """Initialize it."""
        super().__init__(settings=LLMSettings(model="clock"))

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Answer a context; pass everything else on."""
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        await self.push_frame(LLMTextFrame(f"It is {datetime.now(UTC):%H:%M}."))
        await self.push_frame(LLMFullResponseEndFrame())


class OClock(FrameProcessor):
    """Says a full hour as people do."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Change the words of the clock; pass everything else on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMTextFrame):
            frame.text = frame.text.replace(":00.", " o'clock.")
        await self.push_frame(frame, direction)


def services(session: BotSession) -> dict[str, LLMService]:
    """Put the clock in the model's place."""
    return {"llm": Clock()}


def processors(session: BotSession) -> dict[str, list[FrameProcessor]]:
    """Have its words changed on their way to the voice."""
    return {"after_llm": [OClock()]}


async def on_turn(session: BotSession, who: str, text: str) -> None:
    """Count."""
    TURNS[who] += 1
