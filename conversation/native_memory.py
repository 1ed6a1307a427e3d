"""Returns memory that native code has freed, which glibc would otherwise keep for itself."""

from __future__ import annotations

import ctypes


def give_memory_back() -> None:
    """Return to the system what has been freed; glibc alone keeps some 100 MB of it after loading and rendering."""
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        pass  # another C library, which has its own way
