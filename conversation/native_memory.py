"""The memory of native code, which glibc keeps for itself unless it is told otherwise."""

from __future__ import annotations

import ctypes

M_ARENA_MAX = -8
"""Source: glibc, `malloc.h`."""


def share_one_heap() -> None:
    """Have all threads take memory from one heap. To be called before there are threads.

    By default glibc makes a heap for each of some sixteen threads. What one thread has freed is of no use to the others
    then: with the voice that renders in two threads it was over 100 MB. Small pieces are kept by each thread itself, so
    that nobody waits for the one heap.
    """
    try:
        ctypes.CDLL("libc.so.6").mallopt(M_ARENA_MAX, 1)
    except (OSError, AttributeError):
        pass  # another C library, which has its own way


def give_memory_back() -> None:
    """Return to the system what has been freed; glibc alone keeps some 100 MB of it after loading and rendering."""
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        pass  # another C library, which has its own way
