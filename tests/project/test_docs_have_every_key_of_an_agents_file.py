"""docs/agents.md is the reference of agents' files: every table and key, with its type and default as they are."""

import re
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from conversation.agents.agent import Agent
from conversation.agents.files import load_agent
from conversation.agents.modules import default_tools
from settings import ROOT

REFERENCE = (ROOT / "docs" / "agents.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", REFERENCE, flags=re.MULTILINE | re.DOTALL))
FILE = "The file"


def tables(kind: Any = Agent, under: str = "") -> list[tuple[str, type[BaseModel]]]:
    """Every table that can stand in a file, by the heading of its section."""
    found = [] if under else [(FILE, kind)]
    for name, field in kind.model_fields.items():
        inner = [part for part in (field.annotation, *get_args(field.annotation)) if _is_table(part)]
        for part in inner:
            many = {list: f"[[{under}{name}]]", dict: f"[{under}{name}.NAME]"}.get(
                get_origin(field.annotation), f"[{under}{name}]"
            )
            found += [(f"`{many}`", part), *tables(part, f"{many.strip('[]')}.")]
    return found


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def row(name: str, field: FieldInfo) -> str:
    """The beginning of a key's row, up to its meaning."""
    default = "the file's" if name == "name" else _default(field)
    return f"| `{name}` | {_type(field.annotation)} | {default} |"


def _type(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(kind))
    if get_origin(kind) is list:
        return "tables" if _is_table(get_args(kind)[0]) else "list of texts"
    if get_origin(kind) is dict:
        return "tables" if _is_table(get_args(kind)[1]) else "table"
    if _is_table(kind):
        return "table"
    known = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    if kind in known:
        return known[kind]
    return next(
        _type(part) for part in get_args(kind) if part is not type(None) and not isinstance(part, str)
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    default = field.get_default(call_default_factory=True)
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}"
    if isinstance(default, list) and default:
        return " ".join(f"“{text}”" if " " in text else f"`{text}`" for text in default)
    if isinstance(default, str) and default:
        return f"“{default}”" if " " in default else f"`{default}`"
    return str(default) if isinstance(default, int) else ""


@pytest.mark.parametrize(("heading", "table"), tables())
def test_every_key_has_a_row_with_its_type_its_default_and_a_meaning(heading, table):
    section = SECTIONS.get(heading)
    assert section is not None, f"docs/agents.md has no section ## {heading}"
    missing = []
    for name, field in table.model_fields.items():
        if not re.search(re.escape(row(name, field)) + r" \S.+ \|$", section, flags=re.MULTILINE):
            missing.append(row(name, field) + " MEANING |")
    assert missing == [], "docs/agents.md lacks these rows, or says something else:\n" + "\n".join(missing)


@pytest.mark.parametrize(("heading", "table"), tables())
def test_no_row_is_about_a_key_that_is_gone(heading, table):
    rows = re.findall(r"^\| `([a-z_]+)` \|", SECTIONS.get(heading, ""), flags=re.MULTILINE)
    assert [name for name in rows if name not in table.model_fields] == []


def test_every_table_has_a_section_and_no_other():
    headings = {heading for heading in SECTIONS if "`[" in heading}
    assert headings == {heading for heading, _ in tables()} - {FILE}


def test_every_tool_is_named():
    assert [name for name in default_tools() if f"`{name}`" not in REFERENCE] == []


def test_every_example_is_an_agent_that_loads(tmp_path):
    examples = re.findall(r"```toml\n(.*?)```", REFERENCE, flags=re.DOTALL)
    assert examples
    for number, text in enumerate(examples):
        (tmp_path / f"example-{number}.toml").write_text(text, encoding="utf-8")
        load_agent(f"example-{number}", tmp_path)


def test_the_least_file_leads_to_the_reference_and_to_no_example():
    least = (ROOT / "agents" / "minimal.toml").read_text(encoding="utf-8")
    assert "docs/agents.md has every key" in least
    assert "receptionist" not in least
