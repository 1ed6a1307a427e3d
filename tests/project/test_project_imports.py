"""The modules at the top keep to the import contracts; import-linter checks the packages."""

import ast
import subprocess
import sys

import pytest

from settings import ROOT

FORBIDDEN = {
    "settings": {
        "serializers",
        "calls",
        "conversation",
        "desk",
        "web",
        "deployment",
        "bot",
        "server",
        "emulator",
        "pipecat",
    },
    "environment": {"settings", "bot", "server", "emulator", "pipecat"},
    "bot": {"desk", "web", "deployment", "server", "emulator"},
    "server": {"emulator"},
    "phonebot": {"pipecat"},
}


@pytest.mark.parametrize("module", sorted(FORBIDDEN))
def test_a_module_imports_only_what_it_may(module):
    tree = ast.parse((ROOT / f"{module}.py").read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported & FORBIDDEN[module] == set()


def test_the_packages_keep_to_the_contract():
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
        "--no-cache",
    ]
    linted = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_choosing_services_loads_none():
    program = """
import sys
import conversation.services
heavy = {"moonshine_voice", "piper", "openai", "anthropic", "deepgram", "google.genai"}
print(*heavy & sys.modules.keys())
"""
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert loaded.stdout.strip() == ""
