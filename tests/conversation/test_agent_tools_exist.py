"""An agent's file may name exactly the tools that there are."""

from conversation.agents.agent import TOOL_NAMES
from conversation.tools.offered import TOOLS


def test_each_tool_that_a_file_may_name_has_a_handler():
    assert set(TOOL_NAMES) == set(TOOLS)
