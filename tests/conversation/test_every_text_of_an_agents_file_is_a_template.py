"""Every text of an agent's file that a caller, a colleague or a model gets is filled in for the call."""

from types import SimpleNamespace
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from conversation.agents.agent import Agent
from conversation.agents.contradictions import contradictions, unknown_variables
from conversation.agents.destinations import spoken_name
from conversation.agents.errors import AgentError
from conversation.agents.files import agent_names, load_agent
from conversation.agents.flow_words import Choice, NodeWords
from conversation.agents.hours import Holiday, Hours
from conversation.agents.http_tables import HttpParameter, HttpTool
from conversation.agents.mcp_tables import McpServer
from conversation.agents.speaking import InLanguage
from conversation.agents.tables import (
    AfterCall,
    DeadAir,
    Email,
    Fact,
    MenuItem,
    Services,
    TransferTarget,
    Webhooks,
)
from conversation.local.dialogue.state import Script
from conversation.tools.face import Face
from conversation.tools.offered import tools_of, tools_schema
from settings import ROOT

PLAIN = {
    Agent: {"name", "language", "timezone", "numbers", "tools", "variables", "pronounce", "language_keys"},
    InLanguage: {"voice", "pronounce"},
    Fact: {"offer", "tool"},
    TransferTarget: {"number", "sip", "caller_id"},
    MenuItem: {"fact", "transfer", "tool"},
    Services: {"stt", "llm", "tts", "voice", "voices"},
    DeadAir: {"fallback"},
    Webhooks: {"url", "secret"},
    Email: {"to"},
    Hours: {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"},
    Holiday: {"name", "open"},
    AfterCall: {"dispositions"},
    NodeWords: {"digits"},
    Choice: {"key"},
    HttpTool: {"url", "headers", "answer", "env"},
    HttpParameter: {"enum", "default"},
    McpServer: {"url", "command", "headers", "env", "tools"},
}
"""Texts that nobody hears, or that only the voice reads. Whoever adds a text says here of which kind it is."""


def agent(**more: Any) -> Agent:
    return Agent.model_validate({"name": "desk", "greeting": "Hello.", "instructions": "Be short."} | more)


def tables(kind: Any = Agent, found: list | None = None) -> list[type[BaseModel]]:
    found = [] if found is None else found
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in found:
        found.append(kind)
        for field in kind.model_fields.values():
            tables(field.annotation, found)
    for part in get_args(kind):
        tables(part, found)
    return found


def has_text(kind: Any) -> bool:
    parts = [part for part in get_args(kind) if not isinstance(part, str)]
    return kind is str or any(has_text(part) for part in (parts[1:] if get_origin(kind) is dict else parts))


@pytest.mark.parametrize("table", tables())
def test_every_text_is_filled_in_or_stands_on_the_list_of_those_that_nobody_hears(table):
    texts = {name for name, field in table.model_fields.items() if has_text(field.annotation)}
    plain = PLAIN.get(table, set())
    assert _templates_of(table) == texts - plain, (
        f"{table.__name__}: mark a text that is no template as Plain"
    )


def _templates_of(table: type[BaseModel]) -> set[str]:
    """The keys of a table that are templates, seen in an agent that has everything."""
    whole = agent(
        variables={"a": "b"},
        tools=["end_call", "take_message", "transfer_call"],
        facts=[{"topic": "t", "questions": ["q"], "answer": "a"}],
        transfers={"x": {"number": "+12025550100", "description": "d", "spoken": "s", "announcement": "a"}},
        menu={"1": {"label": "l", "say": "s", "note": "n"}},
        flow={
            "nodes": {"n": {"say": "s", "choices": {"c": {"label": "l", "examples": ["e"], "key": "1"}}}},
        },
        http={
            "h": {
                "description": "d",
                "url": "https://shop.example.com",
                "filler": "f",
                "parameters": {"p": {"description": "d"}},
            }
        },
        mcp={"m": {"command": ["c"], "filler": "f"}},
        dial_out={
            "greeting": "g",
            "purpose": "p",
            "voicemail_message": "v",
            "on_voicemail": "leave_message",
        },
        lines={"greeting_question": "?"},
        languages={
            "en": {},
            "es": {
                "greeting": "g",
                "instructions": "i",
                "announcement": "a",
                "monitoring_announcement": "a",
                "outbound_greeting": "g",
                "voicemail_message": "v",
                "transfers": {"x": {"spoken": "s", "announcement": "a"}},
            },
        },
    )
    names = {key.rsplit(".", 1)[-1].split("[")[0] for key, _ in whole.templates() if _table_of(key) is table}
    return names


def _table_of(key: str) -> type[BaseModel]:
    kind: Any = Agent
    for part in key.split(".")[:-1]:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = kind.model_fields[part.split("[")[0]].annotation
            if part.endswith("]"):
                kind = get_args(kind)[-1]
        else:
            kind = get_args(kind)[-1]
    return kind


WILLOW = {"business": "Willow Dental"}


def test_the_menu_is_spoken_with_the_words_of_the_call():
    desk = agent(
        variables=WILLOW,
        facts=[{"topic": "{{ business }} hours", "questions": ["When?"], "answer": "From nine."}],
        transfers={"desk": {"number": "+12025550100", "spoken": "the front desk of {{ business }}"}},
        menu={
            "1": {"label": "{{ business }} hours", "fact": "{{ business }} hours"},
            "0": {"label": "{{ business }} people", "transfer": "desk"},
        },
        tools=["end_call", "transfer_call"],
    )
    script = Script(desk, frozenset(desk.tools), desk.call_variables({"business": "Elm Dental"}))
    assert "Press 1 for Elm Dental hours, 0 for Elm Dental people." in script.menu()
    assert script.topics == "Elm Dental hours"
    assert script.spoken("desk") == "the front desk of Elm Dental"
    assert spoken_name(desk, "desk", {"business": "Oak"}) == "the front desk of Oak"
    assert spoken_name(desk, "back-office", {}) == "back office"


def test_a_model_is_told_destinations_in_words_and_not_in_templates():
    desk = agent(
        variables=WILLOW,
        transfers={"desk": {"number": "+12025550100", "description": "Whoever is in at {{ business }}"}},
        tools=["transfer_call"],
    )
    session = SimpleNamespace(agent=desk, control=SimpleNamespace(can_transfer=True))
    (schema,) = tools_schema(tools_of(desk).values(), Face(session)).standard_tools
    assert schema.properties["destination"]["description"] == "desk: Whoever is in at Willow Dental"


def test_callers_questions_are_compared_with_words_and_not_with_templates():
    from conversation.local.examples import own_examples

    desk = agent(
        variables=WILLOW,
        facts=[
            {"topic": "where {{ business }} is", "questions": ["Where is {{ business }}?"], "answer": "Here."}
        ],
    )
    texts = [example.text for example in own_examples(desk) if example.kind == "fact"]
    assert {"Where is Willow Dental?", "where Willow Dental is"} <= set(texts)
    assert not any("{{" in text for text in texts)


@pytest.mark.parametrize(
    "table",
    [
        '[menu.1]\nlabel = "{{ x"\ntool = "end_call"',
        '[transfers.desk]\nnumber = "+12025550100"\nspoken = "{{ x"',
        '[transfers.desk]\nnumber = "+12025550100"\ndescription = "{% if %}"',
        '[[facts]]\ntopic = "{{ x"\nquestions = ["q"]\nanswer = "a"',
        '[[facts]]\ntopic = "t"\nquestions = ["{{ x"]\nanswer = "a"',
        '[lines]\nsilence_prompts = ["a", "{{ x"]',
        '[languages.en]\n[languages.es]\ngreeting = "{{ x"',
        '[languages.en]\n[languages.es.lines]\nsilence_prompts = ["a", "{{ x"]',
    ],
)
def test_a_mistake_in_any_template_is_found_when_the_file_is_read(tmp_path, table):
    (tmp_path / "desk.toml").write_text('greeting = "Hello."\ninstructions = "x"\n' + table)
    with pytest.raises(AgentError, match="not a template"):
        load_agent("desk", tmp_path)


# Variables that nobody knows


def test_a_misspelt_variable_is_told_with_the_right_one():
    desk = agent(greeting="Welcome to {{ busines }}, {{ nmae or 'you' }}.", variables={**WILLOW, "name": ""})
    misspelt, unknown = unknown_variables(desk)
    assert [line.split("; ")[-1] for line in misspelt] == [
        "did you mean {{ business }}?",
        "did you mean {{ name }}?",
    ]
    assert "greeting has {{ busines }}" in misspelt[0]
    assert unknown == []


def test_a_variable_that_only_a_call_can_bring_is_named():
    misspelt, unknown = unknown_variables(agent(greeting="Hello {{ order.number }}."))
    assert misspelt == []
    assert unknown == [
        "desk.toml: greeting has {{ order }}, which is not in [variables]: it is empty unless a call brings it; "
        "give it a value in [variables] for those that do not"
    ]


def test_what_every_call_and_every_line_knows_is_not_named():
    desk = agent(
        greeting="{% for part in now.isoformat() %}{{ part }}{% endfor %} {{ caller_number }} {{ today }}",
        transfers={"x": {"number": "+12025550100", "announcement": "To {{ destination }}."}},
        lines={"briefing": "{{ caller }}, {{ reason }}, {{ summary }}", "clarify": "{{ topic }}?"},
    )
    assert unknown_variables(desk) == ([], [])


# What is promised and cannot be kept

KITCHEN = {"kitchen": {"number": "+12025550100"}}
FACT = {"topic": "hours", "questions": ["When?"], "answer": "Now."}


@pytest.mark.parametrize(
    ("more", "parts"),
    [
        ({"transfers": KITCHEN}, [["[transfers] has kitchen", '"transfer_call" to tools']]),
        ({"tools": ["transfer_call"]}, [["nobody to put callers through to", "[transfers.NAME]"]]),
        (
            {"transfers": KITCHEN, "menu": {"0": {"label": "the kitchen", "transfer": "kitchen"}}},
            [["[transfers] has kitchen"], ["menu.0 offers to put callers through"]],
        ),
        (
            {"tools": ["end_call"], "menu": {"2": {"label": "messages", "tool": "take_message"}}},
            [["menu.2 offers to take a message", '"take_message" to tools']],
        ),
        (
            {"tools": ["end_call"], "facts": [FACT | {"offer": "take_message"}]},
            [["the fact 'hours' offers to take a message"]],
        ),
        (
            {"tools": ["take_message"], "menu": {"9": {"label": "ending", "tool": "end_call"}}},
            [["menu.9 ends the call", '"end_call"']],
        ),
        (
            {"tools": ["end_call"], "menu": {"1": {"label": "yes", "say": "Good.", "note": "Comes."}}},
            [["menu.1.note is kept for nobody"]],
        ),
        ({"dial_out": {"voicemail_message": "Hello."}}, [["voicemail_message is never said"]]),
        ({"transfers": KITCHEN, "tools": ["transfer_call"]}, []),
        ({}, []),
    ],
)
def test_what_an_agent_promises_and_cannot_keep_is_named(more, parts):
    found = contradictions(agent(**more))
    assert len(found) == len(parts), found
    for line, wanted in zip(found, parts, strict=True):
        assert [part for part in ("desk.toml", *wanted) if part not in line] == [], line


def test_keys_that_lead_nowhere_are_not_offered_to_callers():
    pizzeria = agent(
        facts=[FACT],
        transfers=KITCHEN,
        menu={
            "1": {"label": "our hours", "fact": "hours"},
            "0": {"label": "the kitchen", "transfer": "kitchen"},
        },
    )
    assert "kitchen" not in Script(pizzeria, frozenset(pizzeria.tools), {}).menu()


@pytest.mark.parametrize("name", agent_names(ROOT / "agents"))
def test_the_agents_that_come_with_the_project_keep_what_they_promise(name):
    ours = load_agent(name, ROOT / "agents")
    assert contradictions(ours) == []
    assert unknown_variables(ours) == ([], [])


# Files as editors write them


@pytest.mark.parametrize(
    "raw",
    [
        b'\xef\xbb\xbfgreeting = "Hello."\r\ninstructions = "x"\r\n',
        b'greeting = "Hello."\r\ninstructions = """\r\nx\r\n"""\r\n',
    ],
)
def test_a_file_with_a_mark_at_its_beginning_or_line_ends_of_windows_is_read(tmp_path, raw):
    (tmp_path / "desk.toml").write_bytes(raw)
    assert load_agent("desk", tmp_path).greeting == "Hello."


def test_a_file_in_utf_16_is_one_line_with_the_way_out(tmp_path):
    (tmp_path / "desk.toml").write_bytes('greeting = "Hello."'.encode("utf-16"))
    with pytest.raises(AgentError, match=r"desk\.toml: is not UTF-8 text; save it as UTF-8 \(in Notepad"):
        load_agent("desk", tmp_path)
