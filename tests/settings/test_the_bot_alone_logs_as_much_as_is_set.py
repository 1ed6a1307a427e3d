"""LOG_LEVEL counts under Pipecat's development runner too, which takes no level and logs all."""

import os
import subprocess
import sys
import time

import pytest

from settings import ROOT
from tests.talks.test_keyless_calls import free_port

STARTED = "Application startup complete"


def what_is_logged(tmp_path, level: str) -> str:
    """The log of `python bot.py` from its beginning until it would answer a call."""
    log = tmp_path / f"{level}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "bot.py", "-t", "twilio", "-x", "bot.example.com", "--port", str(free_port())],
            cwd=ROOT,
            env={**os.environ, "LOG_LEVEL": level},
            stdout=subprocess.DEVNULL,
            stderr=file,
        )
    try:
        until = time.monotonic() + 100
        while STARTED not in (said := log.read_text(errors="replace")):
            assert process.poll() is None, said
            assert time.monotonic() < until, said
            time.sleep(0.2)
    finally:
        process.terminate()
        process.wait(20)
    return said


@pytest.mark.timeout(240)
def test_what_is_below_the_level_is_not_logged(tmp_path):
    assert "| DEBUG " in what_is_logged(tmp_path, "DEBUG")
    assert "| DEBUG " not in what_is_logged(tmp_path, "INFO")
