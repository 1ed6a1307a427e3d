"""Azure's Voice Live and Inworld as voices: they speak nearly OpenAI's protocol, and take what the caller did not say.

Pipecat's services only warn of an `LLMMessagesAppendFrame`. Here its messages become items of the conversation, through
the services' own `send_client_event`, as Pipecat's service for OpenAI does it; whether the model answers is decided
where the frame comes back up the pipeline as a context.

Source: https://learn.microsoft.com/azure/ai-services/speech-service/voice-live-api-reference,
https://docs.inworld.ai/api-reference/realtimeAPI/realtime/realtime-websocket (`conversation.item.create`,
`response.create`, `response.cancel`).
"""

from __future__ import annotations

import json
from typing import Any, cast

from pipecat.frames.frames import Frame, FunctionCallResultFrame, LLMContextFrame, LLMMessagesAppendFrame
from pipecat.processors.aggregators.llm_context import LLMContextMessage, standard_message_text
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.azure.voice_live import events as azure_events
from pipecat.services.azure.voice_live.llm import AzureVoiceLiveLLMService
from pipecat.services.inworld.realtime import events as inworld_events
from pipecat.services.inworld.realtime.llm import InworldRealtimeLLMService
from pipecat.services.llm_service import LLMService
from pipecat.utils.errors import ErrorCategory
from websockets.exceptions import ConnectionClosed


class TakesMessages(LLMService[Any]):
    """Makes items of messages, for a service that stands behind it."""

    events: Any
    """The vendor's events, as Pipecat has them."""

    _responses = 0
    """How many were asked for. The first is asked for when the conversation is set up with all that the context has."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take messages, and answer the contexts that they come back as."""
        if isinstance(frame, LLMMessagesAppendFrame):
            await LLMService.process_frame(self, frame, direction)  # the vendor's own only warns
            if self._responses:
                await self._take(frame)
            await self.push_frame(frame, direction)
        elif isinstance(frame, LLMContextFrame) and self._responses:
            await self._answer(frame, direction)
        else:
            await super().process_frame(frame, direction)

    async def send_client_event(self, event: Any) -> None:
        """Send an event, and count what the model is asked."""
        self._responses += event.type == "response.create"
        await super().send_client_event(event)  # type: ignore[misc]

    async def push_error(
        self,
        error_msg: str,
        exception: Exception | None = None,
        fatal: bool = False,
        category: ErrorCategory | None = None,
        force_treat_as_permanent: bool = False,
    ) -> None:
        """Report an error; a connection that is lost is reported once, and not for each piece of sound."""
        lost = isinstance(exception, ConnectionClosed)
        if self.is_usable or not lost:
            await super().push_error(error_msg, exception, fatal, category, force_treat_as_permanent or lost)

    async def _take(self, frame: LLMMessagesAppendFrame) -> None:
        messages = [message for message in frame.messages if isinstance(message, dict)]
        if any(message["role"] == "user" for message in messages) and frame.run_llm:
            await self._stop_answering()
        for message in messages:
            text, of_caller = standard_message_text(message), message["role"] == "user"
            if text:
                await self.send_client_event(self._item(text, "user" if of_caller else "system"))
            if of_caller:
                # The service would send a context's last words of the caller once more.
                frame.messages[frame.messages.index(message)] = cast(
                    LLMContextMessage, {**message, "role": "developer"}
                )

    def _item(self, text: str, role: str) -> Any:
        events = self.events
        content = [events.ItemContent(type="input_text", text=text)]
        item = events.ConversationItem(type="message", role=role, content=content)
        return events.ConversationItemCreateEvent(item=item)

    async def _stop_answering(self) -> None:
        """Stop what the model says, as keys do; a server hears speech by itself, but no keys."""

    async def _answer(self, frame: LLMContextFrame, direction: FrameDirection) -> None:
        """Have the model answer a context that came back up the pipeline, once."""
        raise NotImplementedError


class AzureVoiceLive(TakesMessages, AzureVoiceLiveLLMService):
    """Azure's Voice Live. Pipecat's service stops a response by itself whenever something interrupts it."""

    events = azure_events

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        """Push a frame, and tell the model of a tool's result at once, so that nothing that follows comes before it."""
        if direction is FrameDirection.DOWNSTREAM and isinstance(frame, FunctionCallResultFrame):
            if frame.properties is None or frame.properties.is_final:
                output = json.dumps(frame.result, ensure_ascii=False)
                item = azure_events.ConversationItem(
                    type="function_call_output", call_id=frame.tool_call_id, output=output
                )
                await self.send_client_event(azure_events.ConversationItemCreateEvent(item=item))
                # Pipecat's own sends those of a context that are not here.
                self._completed_tool_calls.add(frame.tool_call_id)
        await super().push_frame(frame, direction)

    async def _answer(self, frame: LLMContextFrame, direction: FrameDirection) -> None:
        before = self._responses
        await AzureVoiceLiveLLMService.process_frame(self, frame, direction)
        if self._responses == before:
            # No public way asks for a response that waits for the one under way.
            await self._create_response()


class InworldVoice(TakesMessages, InworldRealtimeLLMService):
    """Inworld."""

    events = inworld_events

    async def _stop_answering(self) -> None:
        await self.send_client_event(
            inworld_events.ResponseCancelEvent()
        )  # it may be sent when there is no response

    async def _answer(self, frame: LLMContextFrame, direction: FrameDirection) -> None:
        # No public way says that something is there to be answered.
        self._results_awaiting_response = True
        await InworldRealtimeLLMService.process_frame(self, frame, direction)
