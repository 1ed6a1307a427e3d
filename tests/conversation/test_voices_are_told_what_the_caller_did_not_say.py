"""Voices that Pipecat gives no messages: what they are told at the beginning, and on what of Pipecat's they stand."""

import inspect
from datetime import UTC, datetime

import pytest
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.azure.voice_live.llm import AzureVoiceLiveLLMService
from pipecat.services.inworld.realtime.llm import InworldRealtimeLLMService
from pipecat.services.ultravox.llm import UltravoxRealtimeLLMService

from calls.transcript import Message, Role, ToolUse, to_context
from conversation.voice.beginning import BegunBefore
from conversation.voice.realtime import AzureVoiceLive, InworldVoice
from conversation.voice.ultravox import UltravoxVoice
from conversation.voice.ultravox_calls import call_definition
from tests.fake_ultravox import CallMade

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LOOK_UP = FunctionSchema(
    "look_up", "Look something up.", {"what": {"type": "string", "description": "The thing."}}, ["what"]
)


def said_before():
    return to_context(
        [
            Message(Role.BOT, "Hello.", NOW),
            Message(Role.CALLER, "Is it blue?", NOW),
            Message(Role.TOOL, "yes", NOW, tool=ToolUse("look_up", {"what": "it"}, "yes")),
            Message(Role.BOT, "It is.", NOW),
        ]
    )


def made(messages, tools=()):
    context = LLMContext(messages=messages, tools=ToolsSchema(standard_tools=list(tools)))
    return CallMade.model_validate(call_definition(context, "de-CH"))


def test_ultravox_makes_a_call_that_knows_the_agent_and_waits_for_its_first_words():
    call = made([{"role": "system", "content": "Be kind."}], [LOOK_UP])
    assert call.system_prompt.startswith("Be kind.")
    assert call.language_hint == "de-CH"
    assert call.first_speaker_settings.user == {}
    (tool,) = [one.temporary_tool for one in call.selected_tools]
    assert (tool.model_tool_name, tool.description) == ("look_up", "Look something up.")
    (parameter,) = tool.dynamic_parameters
    assert (parameter.name, parameter.required) == ("what", True)
    assert parameter.json_schema == {"type": "string", "description": "The thing."}
    assert call.initial_messages == []


def test_ultravox_is_told_what_was_said_before_in_this_call():
    call = made([{"role": "system", "content": "Be kind."}, *said_before()])
    told = [
        (one.role.removeprefix("MESSAGE_ROLE_"), one.text, one.tool_name) for one in call.initial_messages
    ]
    assert told == [
        ("AGENT", "Hello.", None),
        ("USER", "Is it blue?", None),
        ("TOOL_CALL", '{"what": "it"}', "look_up"),
        ("TOOL_RESULT", "yes", "look_up"),
        ("AGENT", "It is.", None),
    ]
    numbers = [one.invocation_id for one in call.initial_messages if one.tool_name]
    assert numbers[0] == numbers[1]


def test_only_a_voice_that_asks_for_it_is_begun_before():
    assert isinstance(UltravoxVoice(api_key="k"), BegunBefore)
    assert not isinstance(InworldVoice(api_key="k"), BegunBefore)


@pytest.mark.parametrize(
    ("service", "name"),
    [
        (UltravoxRealtimeLLMService, "_send"),
        (AzureVoiceLiveLLMService, "_create_response"),
        (AzureVoiceLiveLLMService, "_ws_send"),
        (InworldRealtimeLLMService, "_ws_send"),
    ],
)
def test_what_is_used_of_pipecats_own_is_still_there(service, name):
    assert inspect.iscoroutinefunction(getattr(service, name))


def test_the_state_that_is_used_of_pipecats_own_is_still_there():
    live = AzureVoiceLive(api_key="k", endpoint="https://live.example.com")
    assert vars(live)["_completed_tool_calls"] == set()
    assert vars(InworldVoice(api_key="k"))["_results_awaiting_response"] is False


def test_ultravox_sends_all_that_it_sends_through_one_place():
    source = inspect.getsource(UltravoxRealtimeLLMService)
    assert source.count("self._socket.send(") == 2, "in `_send`, as sound and as a message"
