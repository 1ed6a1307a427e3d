"""No file of the emulator outside a carrier's folder decides anything by a carrier's name.

Prose may name a carrier: docstrings that cite a source, and sentences for people. Names in code may not.
"""

import ast
import re
from pathlib import Path

import pytest

import emulator
from emulator.carriers import CARRIERS, COMMANDED, DEFAULT, WORD_SETS
from emulator.carriers.carrier import Carrier

HERE = Path(emulator.__file__).parent
NAMED = re.compile("|".join(CARRIERS), re.IGNORECASE)
SHARED = [
    path
    for path in sorted(HERE.rglob("*.py"))
    if HERE / "carriers" not in path.parents  # the folders, their list, and the credentials of all of them
]


def named_in(source: str) -> list[str]:
    """Names of a carrier in code: identifiers, modules, and texts that are no sentences."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = [getattr(node, key, None) for key in ("id", "attr", "name", "arg", "asname", "module")]
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value.strip():
            names.append(node.value)
        found += [name for name in names if isinstance(name, str) and NAMED.search(name)]
    return found


@pytest.mark.parametrize("path", SHARED, ids=lambda path: str(path.relative_to(HERE)))
def test_no_other_file_names_a_carrier(path):
    assert named_in(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        'if name == "twilio": pass',
        'settings = {"TELNYX_MODE": 1}',
        'class A:\n    def b(self, telnyx_key): """A sentence."""',
        "from emulator.carriers.telnyx import wire",
        "from emulator.carriers import twilio",
        "twilio = wire.Twilio()",
        'carrier = f"{given}-telnyx"',
    ],
)
def test_a_name_in_code_is_found(source):
    assert named_in(source)


def test_a_sentence_may_name_a_carrier():
    assert (
        named_in('"""Sources: Twilio docs, voice/twiml."""\nhelp = "default: GET at Telnyx, else POST"') == []
    )


def test_each_folder_exports_one_descriptor():
    folders = sorted(path.parent.name for path in (HERE / "carriers").glob("*/carrier.py"))
    assert folders == sorted(CARRIERS)
    for name, carrier in CARRIERS.items():
        assert isinstance(carrier, Carrier)
        assert type(carrier).__module__ == f"emulator.carriers.{name}.carrier"
        assert carrier.name == name


def test_a_path_is_of_one_carrier():
    for one in CARRIERS.values():
        for path in one.paths:
            assert [other.name for other in CARRIERS.values() if other.claims(f"{path}x")] == [one.name]


def test_what_is_offered_comes_from_the_descriptors():
    assert CARRIERS[DEFAULT]
    assert COMMANDED
    assert all(one in CARRIERS.values() for one in COMMANDED)
    assert {"guide", "reference"} <= {*WORD_SETS}
