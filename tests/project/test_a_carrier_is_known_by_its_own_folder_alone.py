"""Only a carrier's own files name it, so that adding a carrier takes one more folder and no edit elsewhere.

Comments and docstrings may: they say whose documentation a fact is from.
"""

import ast
import io
import tokenize
from pathlib import Path

import pytest

from carriers import known_carriers
from serializers import wire_formats
from settings import ROOT

PRODUCT = (
    "carriers",
    "providers",
    "serializers",
    "calls",
    "conversation",
    "desk",
    "web",
    "deployment",
    "deploy",
)
WORDS = ("twilio", "telnyx", "twiml", "texml")


def files() -> list[Path]:
    listed = [ROOT / name for name in ("bot.py", "server.py", "settings.py", "environment.py")]
    listed += [path for folder in PRODUCT for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in listed if not is_a_carriers_own(path.relative_to(ROOT)))


def is_a_carriers_own(path: Path) -> bool:
    own = path.parts[1] if path.parts[0] == "carriers" and len(path.parts) > 2 else ""
    wire_format = path.stem if path.parts[0] == "serializers" else ""
    return own in known_carriers() or wire_format in known_carriers()


def code_of(text: str) -> list[tuple[int, str]]:
    """The names and texts of a program, with their lines, without what is only written for people who read it."""
    docstrings = {
        statement.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in node.body
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    }
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [
        (token.start[0], token.string)
        for token in tokens
        if token.type != tokenize.COMMENT
        and not (token.type == tokenize.STRING and token.start[0] in docstrings)
    ]


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_for_all_carriers_names_none(path):
    named = [
        f"{line}: {text}"
        for line, text in code_of(path.read_text(encoding="utf-8"))
        if any(word in text.lower() for word in WORDS)
    ]
    assert named == []


def test_a_name_in_code_is_found_and_one_in_a_comment_is_not():
    text = '"""Twilio."""\nX = 1  # Telnyx\n"""Of Telnyx."""\n\ndef f(twilio):\n    """TwiML."""\n    return "texml"\n'
    assert [token for token in code_of(text) if any(w in token[1].lower() for w in WORDS)] == [
        (5, "twilio"),
        (7, '"texml"'),
    ]


def test_each_carrier_has_a_wire_format_of_its_name():
    assert [one.name for one in wire_formats()] == list(known_carriers())
