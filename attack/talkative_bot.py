"""The real server with a voice and a model that take no time: `python -m attack.talkative_bot`.

The rest is the product.
"""

from __future__ import annotations

import sys
from typing import Any

from pipecat.frames.frames import Frame, LLMContextFrame, LLMFullResponseEndFrame, LLMFullResponseStartFrame
from pipecat.processors.frame_processor import FrameDirection

from bench import quick_bot
from conversation.turns.keypad import KEYPAD_PREFIX

MORE = "2#"
"""The caller's keys for a long answer; `bench.quick_bot` says what the others do."""

LONG_ANSWER = " ".join(["word"] * 70) + "."
"""Four seconds of the voice of `bench.quick_bot`."""


class TalkativeBrain(quick_bot.KeyedBrain):
    """Talks at length when it is asked to."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, LLMContextFrame):
            last: Any = frame.context.get_messages()[-1]
            if last.get("role") == "user" and last.get("content") == KEYPAD_PREFIX + MORE:
                await self.push_frame(LLMFullResponseStartFrame())
                await self._push_llm_text(LONG_ANSWER)
                await self.push_frame(LLMFullResponseEndFrame())
                return
        await super().process_frame(frame, direction)


if __name__ == "__main__":
    brain: Any = TalkativeBrain
    quick_bot.KeyedBrain = brain  # type: ignore[misc]
    sys.exit(quick_bot.main())
