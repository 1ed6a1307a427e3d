"""Below what the short run fails: what the whole run has reached, with some room for a small number of talks."""

from __future__ import annotations

from collections.abc import Mapping

FLOOR: Mapping[str, float] = {}
"""By the names of `talks.results.figures`."""
