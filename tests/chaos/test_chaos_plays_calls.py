"""A small run of the whole: four calls, on a server with a supervisor, of which one's process is killed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks in /proc")


@pytest.mark.timeout(300)
def test_a_kill_is_seen_from_outside():
    """What comes of a killed call is the product's part; that its process was killed is the program's."""
    command = [sys.executable, "-m", "chaos", "--calls", "4", "--at-once", "4", "--workers", "1"]
    command += ["--database", "sqlite", "--only", "kill -9", "--seed", "2"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    lines = ended.stdout.splitlines()
    assert ended.returncode in (0, 1), ended.stderr
    figures = json.loads(lines[-1])
    assert list(figures) == [
        "calls",
        "ended",
        "killed",
        "resumed_in_3s",
        "left_open",
        "transcripts_lost",
        "worst_silence_s",
    ]
    assert figures["calls"] == 4
    assert figures["killed"] >= 1
    assert figures["worst_silence_s"] > 0.3
    assert sum("SIGKILL to process" in line for line in lines) >= 2
    assert ("missed:" in ended.stdout) == (ended.returncode == 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["chaos", "--only", "rain"], "there is no trouble 'rain'"),
        (["chaos", "--calls", "0"], "must be 1 or more"),
        (["chaos", "--keep", "."], "name a new folder"),
        (["chaos.soak", "--minutes", "0"], "must be above 0"),
    ],
)
def test_what_cannot_be_is_said(arguments, words):
    command = [sys.executable, "-m", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert words in ended.stderr
