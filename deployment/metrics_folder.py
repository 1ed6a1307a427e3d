"""The folder that all processes on one port keep the values of their metrics in."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

IN_MEMORY = Path("/dev/shm")


def make_metrics_folder() -> str:
    """Make it: in memory where there is such a place.

    A write to it must not wait for a disk, nor end a process because the disk is full. Source: mmap(2), SIGBUS;
    prometheus/client_python, docs/content/multiprocess.

    Raises:
        OSError: It cannot be made.
    """
    place = IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None
    return tempfile.mkdtemp(prefix="phonebot-metrics-", dir=place)
