"""What stands beside a call's lines on its page, but for its facts: messages, a review, services, figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from web.console.words import count, ms


def beside(call: Mapping[str, Any]) -> dict[str, Any]:
    """What the templates need for it.

    Args:
        call: As the API describes it, perhaps shortened.
    """
    reviews = [event for event in call["events"] if event["kind"] == "reviewed"]
    return {
        "messages": _messages(call),
        "overruled": reviews[-1].get("outcome") if reviews else None,
        "reviewed_by": reviews[-1].get("by") if reviews else None,
        "services": _services(call),
        "figures": _figures(call["figures"]),
    }


def _messages(call: Mapping[str, Any]) -> list[dict[str, Any]]:
    handled: dict[Any, Any] = {}
    found: list[dict[str, Any]] = []
    for number, event in enumerate(call["events"], 1):
        if event["kind"] == "message_taken":
            fields = ("caller_name", "callback_number", "message")
            found.append({"seq": number, **{name: str(event.get(name) or "") for name in fields}})
        elif event["kind"] == "message_handled":
            handled[event.get("seq")] = (event.get("by") or "somebody") if event.get("handled") else None
    return [{**one, "handled_by": handled.get(one["seq"])} for one in found]


def _services(call: Mapping[str, Any]) -> dict[str, str]:
    """Which service has done what, as its turns say: by the stage that was waited for."""
    found: dict[str, dict[str, None]] = {}
    for turn in call["turn_times"]:
        for part in turn.get("parts") or ():
            if isinstance(part, Mapping) and part.get("kind") == "service" and part.get("owner"):
                found.setdefault(str(part.get("stage", "other")), {})[str(part["owner"])] = None
    return {stage: ", ".join(owners) for stage, owners in found.items()}


def _figures(figures: Mapping[str, Any]) -> dict[str, str]:
    """Those that say that something was not as it should be."""
    found = {}
    if figures["dead_air"]:
        longest = figures["dead_air_longest_ms"]
        found["Silences filled"] = f"{count(figures['dead_air'])}, {ms(longest)} the longest"
    if figures["not_understood"]:
        found["Not understood"] = count(figures["not_understood"])
    if figures["interruptions_undone"]:
        found["No interruption after all"] = count(figures["interruptions_undone"])
    return found
