"""Ultravox as a voice: Pipecat's service, joined to a call of ours, and told what the caller has not said.

Pipecat's service makes a call with what its constructor got, at an address that cannot be changed, and takes no
messages. It also joins a call that somebody else has made. So the call is made here, with the agent's instructions and
tools, and what the service is told goes out as the data messages that the vendor has for it. A line of the bot's own is
such a message: the vendor speaks it word for word.

While a tool runs, Ultravox says nothing, not even such a line, and after 2.5 s it goes on without the result. So a tool
that takes long, or in which the bot speaks, is settled with a word that its result comes later, and that is told as a
message.

Source: "Protocol & Data Messages" (https://docs.ultravox.ai/apps/datamessages), "Async Tools"
(https://docs.ultravox.ai/tools/async-tools), "Guiding Agents" (https://docs.ultravox.ai/agents/guiding-agents).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
from pipecat.frames.frames import (
    Frame,
    FunctionCallCancelFrame,
    FunctionCallFromLLM,
    FunctionCallResultFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMMessagesAppendFrame,
    StartFrame,
    TTSSpeakFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext, standard_message_text
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.settings import LLMSettings
from pipecat.services.ultravox.llm import (
    JoinUrlInputParams,
    UltravoxRealtimeLLMService,
    UltravoxRealtimeLLMSettings,
)
from pipecat.utils.errors import ErrorCategory
from pipecat.utils.types import is_given

from conversation.services.patience import Patience, Stalled
from conversation.voice.lines import LINE
from conversation.voice.ultravox_calls import NOTE, call_definition, result_text

ADDRESS = "https://api.ultravox.ai/api"

FREEZES_SECS = 2.0
"""How long a tool may keep the conversation waiting; the vendor gives up after 2.5 s."""

LATER = "The result comes in a moment. Say nothing about it until then."
CANCELLED = "The caller has begun to speak, and it was cancelled."
CAME = "The result of {name}: {result}"
GO_ON = "Go on: the caller waits for what you say."

RESULT = "client_tool_result"

SPEAKS, LISTENS = "speaks", "listens"
"""What the agent does after a tool's result. Source: https://docs.ultravox.ai/tools/custom/agent-responses."""


class UltravoxVoice(UltravoxRealtimeLLMService):
    """Ultravox, which hears, answers and speaks."""

    patience = Patience()

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str = ADDRESS,
        voice: str | None = None,
        call: dict[str, Any] | None = None,
        settings: UltravoxRealtimeLLMSettings | None = None,
        **kwargs: Any,
    ) -> None:
        """Initialize the service.

        Args:
            api_key: The account's key.
            base_url: Where calls are made.
            voice: The name or the id of the model's voice; the vendor's own by default.
            call: What else the vendor is told of the call, by the names of its "Create Call".
            settings: The model and its temperature.
            **kwargs: Arguments of Pipecat's service.
        """
        self._joined = JoinUrlInputParams(join_url="")
        super().__init__(params=self._joined, settings=settings, **kwargs)
        self._api_key = api_key
        self._base_url = base_url.rstrip("/")
        self._call = _chosen(settings) | ({"voice": voice} if voice else {}) | (call or {})
        self._definition: dict[str, Any] = {}
        self._to_be_asked: list[LLMMessagesAppendFrame] = []
        self._answers_a_result = False
        self._tools_beside: set[str] = set()
        self._freezing: dict[str, str] = {}
        self._settled: set[str] = set()
        self._settling: asyncio.Task[None] | None = None

    def begin_with(self, context: LLMContext, language: str) -> None:
        """Say what the call begins with. See `conversation.voice.beginning.BegunBefore`."""
        self._definition = call_definition(context, language)

    def register_function(self, function_name: str | None, handler: Any, **options: Any) -> None:
        """Register a tool, and note whether the talk goes on beside it."""
        super().register_function(function_name, handler, **options)
        if function_name and options.get("cancel_on_interruption") is False:
            self._tools_beside.add(function_name)

    async def start(self, frame: StartFrame) -> None:
        """Make the call, and join it."""
        error: Exception | None = None
        try:
            async with asyncio.timeout(self.patience.connect_secs):
                self._joined.join_url = await self._make_call()
        except (TimeoutError, httpx.HTTPError, KeyError, ValueError) as failed:
            error = failed
        if error is not None:
            # Pipecat's own would try to join without an address.
            await super(UltravoxRealtimeLLMService, self).start(frame)
            await self._is_lost("Ultravox has made no call", error)
            return
        try:
            async with asyncio.timeout(self.patience.connect_secs):
                await super().start(frame)
        except TimeoutError as late:
            await self._is_lost("Ultravox cannot be joined", late)

    async def cleanup(self) -> None:
        """Wait for no tool any more."""
        if self._settling is not None:
            await self.cancel_task(self._settling)
            self._settling = None
        await super().cleanup()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take what the caller did not say, too."""
        heard_by_nobody = isinstance(frame, InputAudioRawFrame) and not self.is_usable
        if heard_by_nobody or isinstance(frame, LLMContextFrame):
            # Pipecat's own looks for results in a context, which have been sent already, and reports each piece of
            # sound that it cannot send.
            await super(UltravoxRealtimeLLMService, self).process_frame(frame, direction)
        else:
            await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            await self._answer()
        elif isinstance(frame, LLMMessagesAppendFrame):
            if frame.run_llm:
                self._is_to_be_asked(frame)  # the context comes up the pipeline when it may be answered
            else:
                await self._tell(frame, urgency="later")
        elif isinstance(frame, InterruptionFrame):
            self._to_be_asked = [one for one in self._to_be_asked if not one.interruptible]
            self._answers_a_result = False

    async def run_function_calls(self, function_calls: Sequence[FunctionCallFromLLM]) -> None:
        """Run tools; the conversation does not wait long for them."""
        calls = {call.tool_call_id: call.function_name for call in function_calls}
        beside = {number for number, name in calls.items() if name in self._tools_beside}
        self._settled |= beside  # Pipecat has settled those
        self._freezing |= {number: name for number, name in calls.items() if number not in beside}
        if self._settling is None or self._settling.done():
            self._settling = self.create_task(self._settle_soon(), f"{self}::settle")
        await super().run_function_calls(function_calls)

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        """Push a frame, and tell the model of a tool's end."""
        ended = direction is FrameDirection.DOWNSTREAM
        if ended and isinstance(frame, FunctionCallCancelFrame) and frame.tool_call_id in self._freezing:
            del self._freezing[frame.tool_call_id]
            await self._send_result(frame.tool_call_id, CANCELLED, LISTENS)
        elif ended and isinstance(frame, FunctionCallResultFrame) and _is_final(frame):
            await self._tool_ended(frame)
            # Pipecat's own would tell it again.
            await super(UltravoxRealtimeLLMService, self).push_frame(frame, direction)
            return
        await super().push_frame(frame, direction)

    async def _make_call(self) -> str:
        timeout = httpx.Timeout(self.patience.connect_secs)
        async with httpx.AsyncClient(timeout=timeout) as client:
            answer = await client.post(
                f"{self._base_url}/calls",
                params={"enableGreetingPrompt": "false"},
                headers={"X-API-Key": self._api_key},
                json=self._definition | self._call,
            )
            answer.raise_for_status()
            return str(answer.json()["joinUrl"])

    async def _is_lost(self, what: str, error: Exception) -> None:
        late = isinstance(error, TimeoutError | httpx.TimeoutException)
        if late:
            error = Stalled(f"no connection within {self.patience.connect_secs:g} s")
        await self.push_error(
            what,
            exception=error,
            category=ErrorCategory.CONNECTIVITY if late else None,
            force_treat_as_permanent=True,
        )

    def _is_to_be_asked(self, frame: LLMMessagesAppendFrame) -> None:
        line = frame.metadata.get(LINE)
        if line is not None:  # one that is asked for again is said once
            self._to_be_asked = [one for one in self._to_be_asked if one.metadata.get(LINE) is not line]
        self._to_be_asked.append(frame)

    async def _answer(self) -> None:
        """Have the model answer what it was told, its last tool's result, or what it owes."""
        asked, self._to_be_asked = self._to_be_asked, []
        for frame in asked:
            await self._tell(frame, urgency="soon")
        if not asked and not self._answers_a_result:
            await self._send_note(GO_ON, urgency="soon")
        self._answers_a_result = False

    async def _tell(self, frame: LLMMessagesAppendFrame, *, urgency: str) -> None:
        line = frame.metadata.get(LINE)
        if isinstance(line, TTSSpeakFrame):
            await self._settle()
            await self._hand_over(
                {
                    "type": "forced_agent_message",
                    "content": line.text,
                    "uninterruptible": not line.interruptible,
                    "urgency": "soon",
                }
            )
            return
        for message in frame.messages:
            if not isinstance(message, dict) or not (text := standard_message_text(message)):
                continue
            if message["role"] == "user":  # keys, which stop the model as speech does
                await self._send_text(text, "immediate" if urgency == "soon" else urgency)
            else:
                await self._send_note(text, urgency=urgency)

    async def _tool_ended(self, frame: FunctionCallResultFrame) -> None:
        number, result = frame.tool_call_id, result_text(frame.result)
        runs = frame.properties.run_llm if frame.properties is not None else None
        speaks = runs is not False
        self._answers_a_result = speaks
        if number in self._freezing:
            del self._freezing[number]
            await self._send_result(number, result, SPEAKS if speaks else LISTENS)
        elif number in self._settled:
            self._settled.discard(number)
            told = CAME.format(name=frame.function_name, result=result)
            await self._send_note(told, urgency="soon" if speaks else "later")

    async def _settle_soon(self) -> None:
        await asyncio.sleep(FREEZES_SECS)
        await self._settle()

    async def _settle(self) -> None:
        """Let the conversation go on beside the tools that run."""
        freezing, self._freezing = self._freezing, {}
        self._settled |= freezing.keys()
        for number in freezing:
            await self._send_result(number, LATER, LISTENS)

    async def _send_result(self, number: str, result: str, reaction: str) -> None:
        await self._hand_over(
            {
                "type": RESULT,
                "invocationId": number,
                "result": result,
                "agentReaction": reaction,
            }
        )

    async def _send_note(self, text: str, *, urgency: str) -> None:
        await self._send_text(NOTE.format(text=text), urgency)

    async def _send_text(self, text: str, urgency: str) -> None:
        await self._hand_over({"type": "user_text_message", "text": text, "urgency": urgency})

    async def _hand_over(self, message: dict[str, Any]) -> None:
        # Pipecat has no public way to send a data message; `InputTextRawFrame` is a text without an urgency.
        await self._send(message)

    async def _send(self, content: bytes | dict[str, Any]) -> None:
        """Send sound or a data message; Pipecat has the model chatter while a tool goes on beside the talk."""
        if isinstance(content, dict) and content["type"] == RESULT and "agentReaction" not in content:
            content |= {"result": LATER, "agentReaction": LISTENS}
        await super()._send(content)


def _is_final(frame: FunctionCallResultFrame) -> bool:
    return frame.properties is None or frame.properties.is_final


def _chosen(settings: LLMSettings | None) -> dict[str, Any]:
    """What the vendor is told of the settings of Pipecat's service."""
    names = ("model", "temperature")
    values = {name: getattr(settings, name) for name in names} if settings is not None else {}
    return {name: value for name, value in values.items() if is_given(value) and value is not None}
