"""What is wrong with a call flow is found when the agent is loaded: a line each, with file, node and fix."""

import pytest

from conversation.agents.contradictions import contradictions, unknown_variables
from conversation.agents.errors import AgentError
from conversation.agents.files import load_agent
from conversation.services import beyond_the_brain
from settings import Settings

TOML = """greeting = "Hello."
instructions = "x"
tools = ["end_call", "transfer_call"]
[transfers.desk]
number = "+12025550111"
[flow.nodes.start]
say = "Pizza, {{ name }}?"
"""

FLOW = """
initial_node: start
nodes:
  start:
    task_messages: [{role: developer, content: Ask.}]
    functions:
      - {name: pizza, transition_only: true, description: They want a pizza., transition_to: size}
  size:
    task_messages: [{role: developer, content: Ask for the size.}]
    functions:
      - {name: take_size, transition_to: {field: status, cases: {ok: end}}}
  end:
    pre_actions: [{type: end_conversation, text: Bye.}]
    task_messages: []
"""

CODE = '''
async def take_size(flow_manager, size: str):
    """Take the size.

    Args:
        size: In inches.
    """
    return {"status": "ok"}, None


async def note(action, flow_manager):
    pass
'''


@pytest.fixture
def pizzeria(tmp_path):
    def load(flow=FLOW, code=CODE, toml=TOML):
        (tmp_path / "pizza.toml").write_text(toml)
        (tmp_path / "pizza.flow.yaml").write_text(flow)
        if code:
            (tmp_path / "pizza.py").write_text(code)
        return load_agent("pizza", tmp_path)

    load.folder = tmp_path
    return load


def test_a_flow_is_joined_to_the_agents_code(pizzeria):
    agent = pizzeria()
    assert [one.name for one in agent.call_flow.functions("size")] == ["take_size"]
    assert contradictions(agent) == []
    assert unknown_variables(agent) == ([], [])  # the flow's functions may keep a name


MISTAKES = {
    "no YAML": ("nodes: [", "pizza.flow.yaml line 1: is not valid YAML: expected the node content"),
    "no table": (
        "- start",
        "pizza.flow.yaml: top level must be a mapping: write `initial_node:` and `nodes:`",
    ),
    "a node twice": (
        FLOW.replace("  size:", "  start:"),
        "pizza.flow.yaml line 8: 'start' is there twice; rename one, or remove it",
    ),
    "no first node": (
        FLOW.replace("initial_node: start", "initial_node: strat"),
        "pizza.flow.yaml: initial_node 'strat' is not a defined node; did you mean 'start'?",
    ),
    "an unknown node": (
        FLOW.replace("transition_to: size", "transition_to: sise"),
        "pizza.flow.yaml: node 'start' function 'pizza' transitions to unknown node 'sise'; did you mean 'size'?",
    ),
    "an unknown node in a branch": (
        FLOW.replace("cases: {ok: end}", "cases: {ok: ned}"),
        "pizza.flow.yaml: node 'size' function 'take_size' transitions to unknown node 'ned'; did you mean 'end'?",
    ),
    "an unknown key": (
        FLOW.replace("pre_actions", "pre_action"),
        "pizza.flow.yaml: node 'end': unknown key 'pre_action'; did you mean 'pre_actions'?",
    ),
    "an unknown key of a branch": (
        FLOW.replace("field: status", "fields: status"),
        "pizza.flow.yaml: node 'size': 'field' is missing; add it\n"
        "pizza.flow.yaml: node 'size': unknown key 'fields'; did you mean 'field'?",
    ),
    "no task": (
        FLOW.replace("    task_messages: []\n", ""),
        "pizza.flow.yaml: node 'end': 'task_messages' is missing; add it",
    ),
    "no description": (
        FLOW.replace("description: They want a pizza., ", ""),
        "pizza.flow.yaml: node 'start': function 'pizza' is transition_only and needs a description; correct it",
    ),
    "a function twice": (
        FLOW.replace(
            "functions:\n      - {name: take_size",
            "functions:\n      - {name: take_size}\n      - {name: take_size",
        ),
        "pizza.flow.yaml: node 'size': duplicate function 'take_size' in node; correct it",
    ),
    "an unknown function": (
        FLOW.replace("name: take_size", "name: take_sise"),
        "pizza.flow.yaml: node 'size': there is no 'take_sise' in pizza.py; did you mean 'take_size'?",
    ),
    "an unknown handler": (
        FLOW.replace("{type: end_conversation, text: Bye.}", "{type: function, handler: nte}"),
        "pizza.flow.yaml: node 'end': there is no 'nte' in pizza.py; did you mean 'note'?",
    ),
    "an unknown action": (
        FLOW.replace("type: end_conversation", "type: hang_up"),
        "pizza.flow.yaml: node 'end': there is no action 'hang_up': use tts_say, end_conversation, function or "
        "transfer, or name a `handler` of pizza.py",
    ),
    "an unknown destination": (
        FLOW.replace("type: end_conversation, text: Bye.", "type: transfer, destination: dsek"),
        "pizza.flow.yaml: node 'end': transfer: there is no destination 'dsek' in [transfers]; did you mean 'desk'?",
    ),
    "words that say nothing": (
        FLOW.replace("type: end_conversation, text: Bye.", "type: tts_say"),
        "pizza.flow.yaml: node 'end': tts_say has no text: write `text:`",
    ),
    "the name of a tool": (
        FLOW.replace("name: pizza", "name: end_call"),
        "pizza.flow.yaml: node 'start': 'end_call' is the name of a tool, too, which is offered in every node: "
        "rename it",
    ),
    "a file that is not there": (
        FLOW.replace("task_messages: []", "task_messages: !include no.yaml"),
        "pizza.flow.yaml: no.yaml cannot be read (No such file or directory); correct its name",
    ),
    "two mistakes": (
        FLOW.replace("name: take_size", "name: other").replace("type: end_conversation", "type: sing"),
        "pizza.flow.yaml: node 'end': there is no action 'sing': use tts_say, end_conversation, function or transfer, "
        "or name a `handler` of pizza.py\n"
        "pizza.flow.yaml: node 'size': there is no 'other' in pizza.py; use one of take_size",
    ),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_in_the_flow_is_found(pizzeria, what):
    flow, told = MISTAKES[what]
    with pytest.raises(AgentError) as error:
        pizzeria(flow)
    assert str(error.value).startswith(told)


WRONG_CODE = {
    "no docstring": (
        "async def take_size(flow_manager, size: str): ...",
        "'take_size' in pizza.py has no docstring: the model is told by it what the function is for; write one",
    ),
    "no type hint": (
        'async def take_size(flow_manager, size):\n    """Take it."""',
        "'take_size' in pizza.py has no type hint for size: write `size: str`, or the type that it has",
    ),
    "no async": (
        'def take_size(flow_manager, size: str):\n    """Take it."""',
        "'take_size' in pizza.py is no async function: write `async def take_size(flow_manager, ...)`",
    ),
    "another first parameter": (
        'async def take_size(manager, size: str):\n    """Take it."""',
        "'take_size' in pizza.py must have `flow_manager` as its first parameter: write it there",
    ),
    "arguments without names": (
        'async def take_size(flow_manager, **sizes: str):\n    """Take it."""',
        "'take_size' in pizza.py takes **sizes: str: a model gives arguments by name; write each of them",
    ),
}


@pytest.mark.parametrize("what", WRONG_CODE)
def test_a_function_that_a_model_could_not_use_is_found(pizzeria, what):
    code, told = WRONG_CODE[what]
    with pytest.raises(AgentError) as error:
        pizzeria(code=code)
    assert str(error.value) == f"pizza.flow.yaml: node 'size': {told}"


def test_a_flow_whose_code_is_missing_says_where_it_belongs(pizzeria):
    with pytest.raises(
        AgentError, match=r"there is no 'take_size', as there is no pizza\.py: write it beside"
    ):
        pizzeria(code="")


def test_a_handler_must_take_what_it_is_given(pizzeria):
    flow = FLOW.replace("type: end_conversation, text: Bye.", "type: function, handler: note")
    with pytest.raises(
        AgentError, match=r"'note' in pizza\.py must take two arguments: write `async def note\("
    ):
        pizzeria(flow, CODE.replace("note(action, flow_manager)", "note()"))


WRONG_WORDS = {
    "[flow.nodes.strat]\nsay = 'x'": "strat: pizza.flow.yaml has no such node; did you mean 'start'?",
    "[flow.nodes.start.choices.piza]\nkey = '1'": "start.choices.piza: the node has no such function; did you mean",
    "[flow.nodes.size]\ndigits = 'take'": "size.digits: the node has no function 'take'; did you mean 'take_size'?",
}


@pytest.mark.parametrize("words", WRONG_WORDS)
def test_words_for_what_is_not_there_are_found(pizzeria, words):
    with pytest.raises(AgentError) as error:
        pizzeria(toml=f"{TOML}\n{words}\n")
    assert str(error.value).startswith(f"pizza.toml: flow.nodes.{WRONG_WORDS[words]}")


def test_digits_are_for_a_function_with_one_parameter(pizzeria):
    two = CODE.replace("size: str)", "size: str, name: str)").replace(
        "inches.", "inches.\n        name: Whose."
    )
    with pytest.raises(
        AgentError, match="'take_size' needs size, name, and digits are for a function with one"
    ):
        pizzeria(code=two, toml=f"{TOML}\n[flow.nodes.size]\ndigits = 'take_size'\n")


def test_a_key_means_one_thing(pizzeria):
    keys = "[flow.nodes.start.choices.a]\nkey = '1'\n[flow.nodes.start.choices.b]\nkey = '1'\n"
    with pytest.raises(AgentError, match="the key 1 means two things; give one of them another key"):
        pizzeria(toml=f"{TOML}\n{keys}")
    with pytest.raises(AgentError, match="must be one key of the telephone"):
        pizzeria(toml=f"{TOML}\n[flow.nodes.start.choices.pizza]\nkey = '12'\n")


def test_words_without_a_flow_are_found(tmp_path):
    (tmp_path / "pizza.toml").write_text(TOML)
    with pytest.raises(
        AgentError, match=r"\[flow\] is for the flow in pizza\.flow\.yaml, which is not there"
    ):
        load_agent("pizza", tmp_path)


def test_a_flow_that_has_changed_is_read_again(pizzeria):
    assert pizzeria().call_flow.config.initial_node == "start"
    assert (
        pizzeria(FLOW.replace("initial_node: start", "initial_node: size")).call_flow.config.initial_node
        == "size"
    )


def test_what_is_hardly_meant_so_is_a_warning(pizzeria):
    flow = FLOW.replace(
        "    functions:\n      - {name: pizza",
        "    pre_actions: [{type: tts_say, text: Hi.}]\n    functions:\n      - {name: pizza",
    )
    lonely = flow + "  lonely:\n    task_messages: []\n"
    assert contradictions(pizzeria(lonely)) == [
        "pizza.flow.yaml: node 'lonely': no function leads to it: name it in a transition_to, or remove it",
        "pizza.flow.yaml: node 'start': its tts_say is passed over when a call begins, for the greeting is what is "
        "said then: put it into a node that comes after, or the words into the greeting",
    ]


def test_without_a_model_it_is_told_where_one_is_needed(pizzeria):
    without, with_one = (
        Settings(_env_file=None, llm="local"),
        Settings(_env_file=None, llm="openai", openai_api_key="k"),
    )
    agent = pizzeria()
    (line,) = beyond_the_brain(agent, without)
    assert line.startswith(
        "pizza.flow.yaml: node 'size': needs a model, and none is set: callers hear the line"
    )
    assert beyond_the_brain(agent, with_one) == []
    by_keys = pizzeria(toml=f"{TOML}\n[flow.nodes.size]\ndigits = 'take_size'\n")
    (line,) = beyond_the_brain(by_keys, without)
    assert "node 'size': has no words of yours for callers without a model" in line
