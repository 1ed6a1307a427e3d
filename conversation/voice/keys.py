"""Keys that the caller presses, told to a model that hears by itself, which hears tones at best."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from pipecat.frames.frames import Frame, TranscriptionFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import LLMService

from calls.events.talk import CallerSaid
from conversation.session import Session
from conversation.voice.lines import Tell, told

OPENAI = "pipecat.services.openai.realtime.llm"


class KeysToModel(FrameProcessor):
    """Takes complete rows of keys out of the caller's way, and hands them to the model as the caller's words."""

    def __init__(
        self,
        llm: LLMService[Any],
        session: Session,
        prefix: str,
        tell: Tell,
        caller_said: Callable[[str], bool],
        is_deaf: Callable[[], bool],
    ):
        """Initialize the processor.

        Args:
            llm: The model.
            session: Whose history gets them.
            prefix: What a row of keys begins with.
            tell: Reaches the model, and stops what it says.
            caller_said: Is told of a turn without speech before the model is, and says whether the model may answer.
            is_deaf: Whether keys are not heard now.
        """
        super().__init__(enable_direct_mode=True)
        self._llm = llm
        self._session = session
        self._prefix = prefix
        self._tell = tell
        self._caller_said = caller_said
        self._is_deaf = is_deaf

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Hand keys to the model, and everything else on."""
        await super().process_frame(frame, direction)
        if not (isinstance(frame, TranscriptionFrame) and frame.text.startswith(self._prefix)):
            await self.push_frame(frame, direction)
            return
        if self._is_deaf():
            return
        self._session.record(CallerSaid(text=frame.text))
        await self._stop_answering()
        await self._tell(told(frame.text, run=self._caller_said(frame.text), role="user"))

    async def _stop_answering(self) -> None:
        """Have an answer stopped that the keys have cut off: OpenAI's service answers them only when it is over.

        A server stops by itself when it hears the caller speak, but knows nothing of keys. Pipecat leaves it to the
        server; its services for Grok, Gemini and others stop on every interruption.

        Source: Pipecat's `OpenAIRealtimeLLMService._handle_interruption`; OpenAI's reference, `response.cancel`, which
        may be sent when there is no answer.
        """
        if any(base.__module__ == OPENAI for base in type(self._llm).__mro__):
            from pipecat.services.openai.realtime.events import ResponseCancelEvent

            await cast(Any, self._llm).send_client_event(ResponseCancelEvent())
