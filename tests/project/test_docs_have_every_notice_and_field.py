"""docs/webhooks.md is the reference of what the owner's systems are told: every kind and field, and no other."""

import dataclasses
import inspect
import json
import re
from typing import get_args, get_type_hints

import pytest

from calls.figures import Figures
from calls.outbox import facts, webhooks
from calls.outbox.notices import Kind
from calls.outbox.parcels import PAUSES_SECS, TRIED_FOR
from conversation.agents.files import load_agent
from conversation.agents.tables import Notice, Webhooks
from conversation.telling import TELL_SECS
from settings import ROOT

PAGE = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (.+?)\n(.*?)(?=^##|\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))
TABLES = {
    **{f"`{kind.value}`": kept for kind, kept in facts.KINDS.items()},
    "`call`": facts.CallFacts,
    "`transcript`": facts.Contribution,
    "`tools`": facts.ToolFacts,
    "`transfers`": facts.TransferFacts,
    "`message`, `messages`": facts.MessageFacts,
    "`recording`, `recordings`": facts.RecordingFacts,
    "`latency`": facts.LatencyFacts,
    "`figures`": Figures,
    "`after_call`": facts.AfterCallFacts,
}


def meanings(kind):
    """What the docstring of a table says of each field."""
    section = (inspect.getdoc(kind) or "").partition("Parameters:\n")[2]
    found = re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", section, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def parts(kind):
    """The tables that a table has in it."""
    return {
        part
        for hint in get_type_hints(kind).values()
        for part in (hint, *get_args(hint))
        if dataclasses.is_dataclass(part)
    }


def test_every_kind_and_table_has_a_heading_and_no_other_has():
    assert set(SECTIONS) == set(TABLES)
    assert set(facts.KINDS) == set(Kind)
    within = {part for kind in facts.KINDS.values() for part in parts(kind)}
    assert within <= set(TABLES.values())


@pytest.mark.parametrize(("heading", "kind"), TABLES.items())
def test_every_field_has_a_row_with_what_its_docstring_says(heading, kind):
    rows = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| (\S.*) \|$", SECTIONS[heading], flags=re.MULTILINE))
    said = meanings(kind)
    assert set(said) == {one.name for one in dataclasses.fields(kind)}, inspect.getdoc(kind)
    assert rows == said


def test_an_agent_can_choose_every_kind_and_gets_all():
    assert list(get_args(Notice)) == [kind.value for kind in Kind] == Webhooks().events


def test_the_schedule_is_the_one_that_is_told():
    (told,) = re.findall(r"sent again after (.*?)\s+and then every 4 h", PAGE, flags=re.DOTALL)
    secs = {"s": 1, "min": 60, "h": 3600}
    pauses = [int(number) * secs[unit] for number, unit in re.findall(r"(\d+) (s|min|h)", told)]
    assert (*pauses, 4 * 3600) == PAUSES_SECS
    assert "until a day after" in PAGE and TRIED_FOR.days == 1
    assert f"Answer within {webhooks.DELIVER_SECS:g} seconds" in PAGE
    assert f"stays up to {TELL_SECS:g} s" in PAGE


def test_the_examples_are_what_they_look_like(tmp_path):
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
    assert set(json.loads(example)) == {"type", "timestamp", "data"}
    (agent,) = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "workshop.toml").write_text(agent)
    assert load_agent("workshop", tmp_path).webhooks.events == ["call.ended"]
