"""The native library behind numpy does not spread the work of a call over all cores, where its threads would spin."""

import os
import subprocess
import sys

import pytest

ENDS_A_TURN = """
import importlib, os, sys
importlib.import_module(sys.argv[1])
import numpy as np
from conversation.turns.smart_turn import SharedSmartTurn
SharedSmartTurn(sample_rate=16000)._predict_endpoint(np.zeros(128000, dtype=np.float32))
print(len(os.listdir("/proc/self/task")))
"""
"""Judges once whether a caller is done, and prints the process's native threads."""


def native_threads(module: str, **variables: str) -> int:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", ENDS_A_TURN, module],
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return int(done.stdout.split()[-1])


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="native threads are counted in /proc")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core has one thread in any case")
def test_judging_the_end_of_a_turn_starts_no_threads_beside_python_s():
    as_it_is = native_threads("bot")
    assert as_it_is == native_threads("bot", OPENBLAS_NUM_THREADS="1")
    # Whoever wants more gets more, so the difference is seen here.
    assert as_it_is < native_threads("bot", OPENBLAS_NUM_THREADS="2")


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="native threads are counted in /proc")
def test_the_server_takes_no_more_than_the_bot():
    assert native_threads("server") == native_threads("bot")
