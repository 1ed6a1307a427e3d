"""The tools that every agent can have keep their names and parameters: files of agents and models rely on them."""

from conversation.agents.modules import default_tools
from conversation.tools.tool import Tool

PROMISED = {
    "end_call": (["farewell"], ["farewell"]),
    "pause_recording": ([], []),
    "resume_recording": ([], []),
    "send_digits": (["digits"], ["digits"]),
    "take_message": (["caller_name", "callback_number", "message"], ["caller_name", "message"]),
    "transfer_call": (["destination", "reason"], ["destination", "reason"]),
}


def test_each_tool_has_the_name_and_the_parameters_that_were_promised():
    schemas = {name: Tool.of(function).schema for name, function in default_tools().items()}
    assert {name: (list(one.properties), one.required) for name, one in schemas.items()} == PROMISED


def test_a_model_is_told_what_each_is_for_without_the_lines_of_the_file():
    for function in default_tools().values():
        schema = Tool.of(function).schema
        assert schema.description and "\n" not in schema.description
        assert all(about["type"] == "string" and about["description"] for about in schema.properties.values())
