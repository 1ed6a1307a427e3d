"""docs/agents.md is the reference of agents' files: every table and key, with its type and default as they are."""

import re

import pytest

from conversation.agents.files import load_agent
from conversation.agents.modules import default_tools
from conversation.agents.reference import FILE, rewritten, tables
from settings import ROOT

REFERENCE = (ROOT / "docs" / "agents.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", REFERENCE, flags=re.MULTILINE | re.DOTALL))


def test_the_tables_are_as_the_models_say():
    assert rewritten(REFERENCE) == REFERENCE, "run `make docs`, and write down what new keys mean"


def test_a_key_that_the_page_lacks_is_written_with_what_its_model_says_of_it():
    lines = REFERENCE.splitlines(keepends=True)
    less = "".join(line for line in lines if not line.startswith("| `filler_secs` |"))
    assert (
        "| `filler_secs` | number | 2 | After this many seconds of silence the bot says the filler. |"
        in rewritten(less)
    )


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
