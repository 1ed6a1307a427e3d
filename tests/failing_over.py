"""Calls of an agent that has a list of services, on this machine: for tests of what happens when one of them fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from conversation import pipeline, services
from conversation.failover import build, health, switching
from conversation.services import lists
from conversation.turns.ear import Ear
from tests.hosted import hosted_at
from tests.talking_bot import QUICK_AGENT, Reply, Talking, talking
from tests.tone_services import ToneActivity

BUILDS = {kind: getattr(services, f"build_{kind}") for kind in ("stt", "llm", "tts")}
"""As the product builds services; `talking` has others in their place."""

NEXT_SECS = 2.5
"""How long after the failure the caller hears the next one at the latest."""


@asynccontextmanager
async def failing_over(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
    carrier: str,
    kind: str,
    names: list[str],
    answers: Callable[[str], list[Reply]] = lambda _: [],
    *,
    at: dict[str, str],
    local: bool = False,
    agent: str = "",
    **environment: str,
) -> AsyncIterator[Talking]:
    """Run a server whose agent has a list of services of one kind; the other two are those of `talking`.

    Args:
        monkeypatch: Of the test.
        tmp_path: Of the test.
        carrier: Whose calls come.
        kind: Which services the list is of.
        names: The list.
        answers: What a scripted model answers, where the list is not of models.
        at: Where the vendors' services are, by name.
        local: Whether the local stack stands behind the list.
        agent: More of the agent's file.
        environment: More settings.
    """
    known = health.Health()
    for module in (health, switching, build):
        monkeypatch.setattr(module, "HEALTH", known)
    if not local:
        monkeypatch.setattr(lists, "at_last", lambda *_: None)
        monkeypatch.setattr(services.chosen, "at_last", lambda *_: None)
    monkeypatch.setattr(pipeline, "open_ear", lambda *_, **__: Ear(ToneActivity()))
    for name, url in at.items():
        if name != "openai":
            hosted_at(monkeypatch, kind, name, url)
    given = {
        "DEEPGRAM_API_KEY": "k",
        "CARTESIA_API_KEY": "k",
        "ANTHROPIC_API_KEY": "k",
        "OPENAI_API_KEY": "k",
        "OPENAI_BASE_URL": at.get("openai", "http://127.0.0.1:9/v1"),
        **environment,
    }
    written = f"{QUICK_AGENT}{agent}\n[services]\n{kind} = {names}\n"
    async with talking(monkeypatch, tmp_path, carrier, answers, agent=written, **given) as bot:
        monkeypatch.setattr(services, f"build_{kind}", BUILDS[kind])
        yield bot


def texts(call: Any, kind: str = "bot_heard") -> list[str]:
    """What was said, or heard."""
    return [event.data["text"] for event in call.events if event.kind == kind]


def failed_over(call: Any) -> list[tuple[str, str, str, str]]:
    """Who went on for whom."""
    return [
        tuple(event.data[name] for name in ("job", "failed", "next", "cause"))
        for event in call.events
        if event.kind == "service_failed_over"
    ]


def speech(result: Any) -> list[tuple[float, float]]:
    """When the bot was heard: beginnings and ends, in seconds since the call's beginning."""
    found: list[tuple[float, float]] = []
    for entry in result.timeline.entries:
        if entry.kind == "bot_speech" and "starts" in entry.text:
            found.append((entry.at_ms / 1000, float("inf")))
        elif entry.kind == "bot_speech" and "stops" in entry.text and found:
            found[-1] = (found[-1][0], entry.at_ms / 1000)
    return found


def pauses(result: Any) -> list[float]:
    """How long after each of the caller's turns of keys the bot was heard, in seconds."""
    ends = [
        entry.at_ms / 1000
        for entry in result.timeline.entries
        if entry.kind == "digits" and "#" in entry.text
    ]
    starts = [begins for begins, _ in speech(result)]
    return [next((begins for begins in starts if begins > end), float("inf")) - end for end in ends]
