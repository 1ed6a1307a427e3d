"""Below what the short run fails: what the whole run has reached, with some room, for the short one has few talks."""

from __future__ import annotations

from collections.abc import Mapping

FLOOR: Mapping[str, float] = {
    "relevant": 0.6,
    "ended_well": 0.88,
    "messages_right": 0.3,
    "one_word_heard": 0.25,
    "false_interruptions": 0.6,
    "over_caller": 0.08,
    "response_p50_ms": 900,
    "response_p90_ms": 2500,
    "wrong_facts": 0.05,
}
"""By the names of `talks.results.figures`; `talks.results.AT_MOST` names those that may be no more."""
