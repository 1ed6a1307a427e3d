"""`.env.example` is the documentation of the settings: complete, and true to the defaults."""

import ast
import re
from pathlib import Path

import pytest

from providers import ROWS, variables_of
from settings import ENV_FILE, ON_THIS_MACHINE, ROOT, Settings, load_settings, settings_class

EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
LINES = re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE, flags=re.MULTILINE)
IN_THE_TABLE = {variable.lower() for variable in variables_of(ROWS)} - set(Settings.model_fields)
"""Variables of the services that `docs/services.md` lists, and that the example refers to in one sentence."""


def test_every_setting_stands_in_the_example_once():
    assert sorted(name for name, _ in LINES) == sorted(
        field.upper() for field in settings_class().model_fields if field not in IN_THE_TABLE
    )


def test_the_other_services_variables_stand_in_their_table():
    table = (ROOT / "docs" / "services.md").read_text(encoding="utf-8")
    assert "docs/services.md" in EXAMPLE
    assert len(IN_THE_TABLE) > 40
    assert [name for name in IN_THE_TABLE if f"`{name.upper()}`" not in table] == []


def test_the_example_read_as_it_is_changes_nothing(monkeypatch):
    defaults = load_settings()
    monkeypatch.setenv(ENV_FILE, str(ROOT / ".env.example"))
    assert load_settings() == defaults


def test_the_example_has_no_key_in_it():
    values = dict(LINES)
    secrets = [
        name for name, field in settings_class().model_fields.items() if "SecretStr" in str(field.annotation)
    ]
    assert set(secrets) - IN_THE_TABLE <= {name.lower() for name in values}
    assert [name for name in secrets if values.get(name.upper())] == []


@pytest.mark.parametrize("name", [name for name, _ in LINES])
def test_every_setting_has_a_comment_above_it_or_above_its_group(name):
    before = EXAMPLE[: EXAMPLE.index(f"\n{name}=")]
    group = before.rsplit("\n\n", 1)[-1]
    assert group.lstrip().startswith("#"), f"{name} has no comment: say what it is for and where to get it"


def test_every_setting_is_of_one_place():
    # Whoever adds a setting says whether it goes with a bot to Pipecat Cloud, by adding it to one of the three.
    places = [*settings_class().IN_A_CALL, *settings_class().ON_A_SERVER, *ON_THIS_MACHINE]
    assert sorted(places) == sorted(settings_class().model_fields)


def test_what_the_bot_reads_goes_with_it():
    class Reads(ast.NodeVisitor):
        names: set[str] = set()

        def visit_Attribute(self, node: ast.Attribute) -> None:
            if "settings" in (getattr(node.value, "id", ""), getattr(node.value, "attr", "")):
                self.names.add(node.attr)
            self.generic_visit(node)

    reads = Reads()
    folders = ("calls", "conversation", "serializers")
    for path in [ROOT / "bot.py", *(path for folder in folders for path in (ROOT / folder).rglob("*.py"))]:
        reads.visit(ast.parse(path.read_text(encoding="utf-8")))
    read = reads.names & set(settings_class().model_fields)
    assert {"agent", "log_callers_words", "caller_lookup_url"} <= read
    # The address of a server beside the bot, where it runs under `python bot.py`.
    assert read - settings_class().IN_A_CALL - ON_THIS_MACHINE == {"public_url"}


def test_nothing_else_reads_the_environment():
    readers = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in (
            "serializers",
            "carriers",
            "providers",
            "calls",
            "conversation",
            "desk",
            "web",
            "deployment",
        )
        for path in Path(ROOT, folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    ]
    assert readers == []


def test_what_the_example_says_of_the_environment_is_so(tmp_path, monkeypatch):
    said = " ".join(EXAMPLE.split("\n\n")[0].replace("# ", "").split())
    assert "A variable that is left empty counts as not set, here and in the environment" in said
    assert "one that has a value in the environment wins over this file" in said
    file = tmp_path / "copied.env"
    file.write_text("AGENT=from-file\nPORT=\n")
    monkeypatch.setenv(ENV_FILE, str(file))
    for value, agent in (("", "from-file"), ("from-environment", "from-environment")):
        monkeypatch.setenv("AGENT", value)
        settings = load_settings()
        assert (settings.agent, settings.port) == (agent, 7860)


def test_no_setting_is_said_to_be_only_for_what_it_is_not():
    """A comment that says "only for" a program is about settings that no other program reads."""
    readers = {
        name: {
            path.name
            for folder in (".", "calls", "carriers", "conversation", "desk", "web", "deployment")
            for path in Path(ROOT, folder).glob("*.py")
            if re.search(rf"\b(?:settings|self\._settings)\.{name}\b", path.read_text(encoding="utf-8"))
        }
        for name in settings_class().model_fields
    }
    for name, _ in LINES:
        comment = EXAMPLE[: EXAMPLE.index(f"\n{name}=")].rsplit("\n\n", 1)[-1]
        for program in re.findall(r"[Oo]nly (?:for|by|in)\b[^.`]*`python (\S+?)`", comment):
            assert readers[name.lower()] <= {Path(program).name}, name
