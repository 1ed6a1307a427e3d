"""What Ultravox is told of a call when it makes one: instructions, tools, and what was said before.

Source: Ultravox's "Create Call" (https://docs.ultravox.ai/api-reference/calls/calls-post), "initialMessages"
(https://docs.ultravox.ai/api-reference/calls/overview) and "Base Tool Definition"
(https://docs.ultravox.ai/api-reference/schema/base-tool-definition).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.processors.aggregators.llm_context import LLMContext, LLMContextMessage, standard_message_text

NOTE = "<instruction>{text}</instruction>"
"""How the model is told what the caller has not said. Nobody can speak brackets. Source: "Guiding Agents"."""

PRIMING = (
    "What stands in <instruction> tags was not said by the caller, who does not hear of it. Follow it always, and "
    "before anything else."
)
"""Source: "Guiding Agents", "Priming for Deferred Messages"."""

HZ = 48000
"""The only rate that Pipecat's service speaks. Source: pipecat/services/ultravox/llm.py."""

BUFFER_MS = 500
"""How far the sound may be ahead of the caller's ear. Words come in time with it, and marks are made of them; with the
vendor's 60 ms it is heard when the network halts."""


def call_definition(context: LLMContext, language: str) -> dict[str, Any]:
    """The call that a session needs, for the request that makes it.

    Args:
        context: The session's.
        language: The agent's language tag.
    """
    messages = [message for message in context.get_messages() if isinstance(message, dict)]
    told = [standard_message_text(message) for message in messages if message["role"] == "system"]
    return {
        "systemPrompt": "\n\n".join([*told, PRIMING]),
        "languageHint": language,
        "selectedTools": [_tool(schema) for schema in _schemas(context)],
        "initialMessages": list(_said_before(messages)),
        # The first words are the bot's own; otherwise the model makes some up.
        "firstSpeakerSettings": {"user": {}},
        "medium": {"serverWebSocket": {"inputSampleRate": HZ, "clientBufferSizeMs": BUFFER_MS}},
    }


def _schemas(context: LLMContext) -> Iterable[FunctionSchema]:
    tools = context.tools
    return (
        [one for one in tools.standard_tools if isinstance(one, FunctionSchema)]
        if isinstance(tools, ToolsSchema)
        else []
    )


def _tool(schema: FunctionSchema) -> dict[str, Any]:
    parameters = [
        {
            "name": name,
            "location": "PARAMETER_LOCATION_BODY",
            "schema": kind,
            "required": name in schema.required,
        }
        for name, kind in schema.properties.items()
    ]
    return {
        "temporaryTool": {
            "modelToolName": schema.name,
            "description": schema.description,
            "dynamicParameters": parameters,
            "client": {},
        }
    }


def _said_before(messages: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, str]]:
    names: dict[str, str] = {}
    for message in messages:
        role, text = message["role"], standard_message_text(cast(LLMContextMessage, message))
        if role == "tool":
            number = message["tool_call_id"]
            yield {
                "role": "MESSAGE_ROLE_TOOL_RESULT",
                "text": text,
                "invocationId": number,
                "toolName": names.get(number, ""),
            }
        elif role == "assistant":
            if text:
                yield {"role": "MESSAGE_ROLE_AGENT", "text": text}
            for call in message.get("tool_calls") or ():
                names[call["id"]] = call["function"]["name"]
                yield {
                    "role": "MESSAGE_ROLE_TOOL_CALL",
                    "text": call["function"]["arguments"],
                    "invocationId": call["id"],
                    "toolName": call["function"]["name"],
                }
        elif role != "system" and text:
            yield {"role": "MESSAGE_ROLE_USER", "text": text if role == "user" else NOTE.format(text=text)}


def result_text(result: Any) -> str:
    """A tool's result in words for the model."""
    return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
