"""Gemini Live on a telephone: Pipecat's service, which hears the caller from the beginning and does not fall silent.

What Pipecat's service does otherwise, and a call needs as it is here:

- It takes instructions and tools with the first context, for which it connects a second time, and until then it does
  not listen. Here the session begins with them: one connection, and whoever answers a call of ours is heard.
- What it is told while it connects is lost. Here that waits.
- A connection that cannot be made, or is made again in the middle of an answer, is reported to nobody, and the answer
  has no end. Here the guard against dead air learns of both.
- A tool's result is answered even where no answer is wanted, because the call ends. Here it is not sent: the words
  that follow break off the turn that waits for it.
- A tool may be done after the session that called it is gone. A new session knows no such call: it is told in words.

Source: `pipecat.services.google.gemini_live.llm`; `google.genai.types`, `HistoryConfig` and `LiveClientContent`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from google.genai.live import AsyncSession
from google.genai.types import LiveConnectConfig
from pipecat.frames.frames import (
    Frame,
    FunctionCallResultFrame,
    LLMFullResponseEndFrame,
    LLMMessagesAppendFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext, standard_message_text
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService
from pipecat.services.google.gemini_live.vertex.llm import GeminiLiveVertexLLMService
from pipecat.utils.errors import ErrorCategory, classify_http_exception

from conversation.services.patience import Patience, Stalled
from conversation.voice.lines import told

AGAIN_SECS = 0.3
"""The pause before a connection that could not be made is tried again."""


class _OnThePhone(GeminiLiveLLMService):
    """What both ways to Google's model have in common."""

    patience = Patience()

    def __init__(self, **arguments: Any) -> None:
        """Begin without a connection."""
        super().__init__(**arguments)
        self._is_ready = asyncio.Event()
        self._connecting_limit: asyncio.Timeout | None = None

    def begin_with(self, context: LLMContext, language: str) -> None:
        """Have the session begin with the context. The language is one of the service's settings."""
        messages = context.get_messages()
        first = messages[0] if messages else None
        if isinstance(first, dict) and first.get("role") == "system":
            # The API has a place of its own for instructions; a lone message would be taken for the caller's words.
            self._system_instruction_from_init = standard_message_text(first)
            context.set_messages(messages[1:])
        self._context = context

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Let words for the model wait until there is a session that takes them."""
        if isinstance(frame, LLMMessagesAppendFrame):
            with suppress(TimeoutError):
                async with asyncio.timeout(self.patience.connect_secs):
                    await self._is_ready.wait()
        await super().process_frame(frame, direction)

    # The connection

    async def _connection_task_handler(self, config: LiveConnectConfig) -> None:
        try:
            async with asyncio.timeout(self.patience.connect_secs) as self._connecting_limit:
                await super()._connection_task_handler(config)
        except Exception as error:
            if isinstance(error, TimeoutError):
                error = Stalled(f"no session within {self.patience.connect_secs:g} s")
            # A handle may be what was refused, and the context begins a session as well.
            self._session_resumption_handle = None
            category = self._classify_error(error) or classify_http_exception(error)
            if category.is_permanent:
                await self._give_up(error, category)
            elif await self._handle_connection_error(error):
                await asyncio.sleep(AGAIN_SECS)
                await self._reconnect()

    async def _handle_session_ready(self, session: AsyncSession) -> None:
        if self._connecting_limit is not None:
            self._connecting_limit.reschedule(None)
        if self._context is not None:
            # Results of earlier sessions are words of the conversation by now.
            await self._process_completed_function_calls(send_new_results=False)
        resumes = self._session_resumption_handle is not None
        await super()._handle_session_ready(session)
        if self._is_gemini_3 and not resumes and self._get_history_config() is not None:
            # The server hears nothing before the history is said to be complete, which it does not answer.
            await session.send_client_content(turn_complete=True)
        self._is_ready.set()

    async def _handle_connection_error(self, error: Exception) -> bool:
        again = await super()._handle_connection_error(error)
        if not again:
            await self._give_up(error, ErrorCategory.CONNECTIVITY)
        elif self._bot_is_responding:
            lost = "the connection was lost in the middle of an answer"
            await self.push_error(lost, exception=error, category=ErrorCategory.CONNECTIVITY)
        return again

    async def _give_up(self, error: Exception, category: ErrorCategory) -> None:
        await self._end_reply()
        self._session = None  # otherwise each piece of the caller's sound would be an error
        await self.push_error("no session", exception=error, category=category, force_treat_as_permanent=True)

    async def _reconnect(self) -> None:
        await self._end_reply()
        await super()._reconnect()

    async def _disconnect(self) -> None:
        self._is_ready.clear()
        await super()._disconnect()

    async def _end_reply(self) -> None:
        if self._bot_is_responding:
            await self._handle_interruption()
            await self.push_frame(LLMFullResponseEndFrame())

    # Tools

    async def _handle_function_call_result(self, frame: FunctionCallResultFrame) -> None:
        properties = frame.properties
        if properties is None or properties.is_final:
            if properties is not None and properties.run_llm is False:
                self._completed_tool_calls.add(frame.tool_call_id)
                return
            if frame.tool_call_id not in self._tool_call_id_to_name:
                self._completed_tool_calls.add(frame.tool_call_id)
                words = f"[Function {frame.function_name} returned {frame.result}]"
                await self._handle_messages_append(told(words, run=True))
                return
        await super()._handle_function_call_result(frame)


class GeminiVoice(_OnThePhone):
    """The Gemini API's model."""


class GeminiVertexVoice(_OnThePhone, GeminiLiveVertexLLMService):
    """The same model on Vertex AI."""
