"""Below what the short run fails: what the whole run has reached, with some room, for the short one has few talks."""

from __future__ import annotations

from collections.abc import Mapping

FLOOR: Mapping[str, float] = {
    "relevant": 0.85,
    "ended_well": 0.92,
    "messages_right": 0.6,
    "one_word_heard": 0.6,
    "false_interruptions": 0.25,
    "over_caller": 0.06,
    "response_p50_ms": 800,
    "response_p90_ms": 1800,
    "wrong_facts": 0.04,
}
"""By the names of `talks.results.figures`; `talks.results.AT_MOST` names those that may be no more."""
