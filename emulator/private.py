"""Files with what was said: readable by their owner alone, also where they were wider before."""

from __future__ import annotations

import os
from contextlib import suppress


def opener(name: str, flags: int) -> int:
    """The `opener` for `open()`: mode 0600."""
    descriptor = os.open(name, flags, 0o600)
    with suppress(PermissionError, AttributeError):
        os.fchmod(descriptor, 0o600)
    return descriptor
