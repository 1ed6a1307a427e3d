"""A bot that is no part of this project can take the folder `serializers/` as it is."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys

from settings import ROOT

COMES_WITH_PIPECAT = {"pipecat", "fastapi", "starlette", "loguru"}
"""Pipecat, and what `pipecat-ai[websocket]` asks for."""


def test_the_folder_works_where_nothing_else_of_the_project_is(tmp_path):
    shutil.copytree(
        ROOT / "serializers", tmp_path / "serializers", ignore=shutil.ignore_patterns("__pycache__")
    )
    modules = sorted(path.stem for path in (tmp_path / "serializers").glob("*.py") if path.stem != "__init__")
    assert {"twilio", "telnyx", "transport"} <= set(modules)
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from importlib import import_module
for name in {modules}:
    import_module(f"serializers.{{name}}")
rooms = {{"settings", "bot", "carriers", "providers", "calls", "conversation", "desk", "web", "deployment"}}
print(*sorted(rooms & sys.modules.keys()))
"""
    # -I: neither this folder nor PYTHONPATH is looked at
    ran = subprocess.run(
        [sys.executable, "-I", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == ""
    assert "DeprecationWarning" not in ran.stderr  # of audioop, on Python 3.11 and 3.12


def test_it_needs_no_package_that_pipecat_does_not_bring():
    used = set()
    for path in (ROOT / "serializers").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                used |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                used.add((node.module or "").split(".")[0])
    assert used - sys.stdlib_module_names - {"serializers", "audioop"} <= COMES_WITH_PIPECAT
