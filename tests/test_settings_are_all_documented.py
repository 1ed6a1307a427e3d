"""`.env.example` is the documentation of the settings: complete, and true to the defaults."""

import ast
import re
from pathlib import Path

import pytest

from settings import ENV_FILE, ROOT, Settings, load_settings

EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
LINES = re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE, flags=re.MULTILINE)


def test_every_setting_stands_in_the_example_once():
    assert sorted(name for name, _ in LINES) == sorted(field.upper() for field in Settings.model_fields)


def test_the_example_read_as_it_is_changes_nothing(monkeypatch):
    defaults = load_settings()
    monkeypatch.setenv(ENV_FILE, str(ROOT / ".env.example"))
    assert load_settings() == defaults


def test_the_example_has_no_key_in_it():
    values = dict(LINES)
    secrets = [name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)]
    assert [name for name in secrets if values[name.upper()]] == []


@pytest.mark.parametrize("name", [name for name, _ in LINES])
def test_every_setting_has_a_comment_above_it_or_above_its_group(name):
    before = EXAMPLE[: EXAMPLE.index(f"\n{name}=")]
    group = before.rsplit("\n\n", 1)[-1]
    assert group.lstrip().startswith("#"), f"{name} has no comment: say what it is for and where to get it"


def test_nothing_else_reads_the_environment():
    readers = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in ("serializers", "carriers", "calls", "conversation", "web")
        for path in Path(ROOT, folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    ]
    assert readers == []
