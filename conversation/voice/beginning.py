"""Voices that take the agent's instructions and tools before a session begins, and not with its first context."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from pipecat.processors.aggregators.llm_context import LLMContext


@runtime_checkable
class BegunBefore(Protocol):
    """Has a session of its vendor's made for the call when the pipeline starts."""

    def begin_with(self, context: LLMContext, language: str) -> None:
        """Say what the session begins with.

        Args:
            context: Instructions, tools, and what was said before in this call.
            language: What the caller speaks, as a language tag.
        """
