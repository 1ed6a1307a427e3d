"""A tool as the model sees it and as we run it, whatever it was written as: a function, a table, a server's tool."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pipecat.adapters.llm.schemas.direct_function import DirectFunction, DirectFunctionWrapper
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema

from conversation.public import ASKS_FOR, FILLER, LAST, OFFERED, BotSession

TIMEOUT_SECS = 8.0
"""How long a tool may take that does not say: a caller has been told twice by then that it takes longer."""

LONG_TIMEOUT_SECS = 60.0
"""The same for a tool that the talk goes on beside, as it outlives interruptions."""


@dataclass(frozen=True)
class Tool:
    """A tool.

    Parameters:
        schema: Name, purpose and parameters for the model.
        function: Runs it, called as `function(params, **arguments)`. Gives `params.result_callback` one result, or
            returns it.
        outlives_interruption: Whether it goes on after a barge-in; the model then gets its result later.
        waits_for_others: Whether it runs after the other tools of the same reply, and only if they went well.
        timeout_secs: How long it may take.
        filler: What the caller hears when it takes longer than a moment, a template; the agent's own when None.
        offered: Describes it for a session, or says with None that it is not offered there.
        optional: Required parameters that it can do without.
    """

    schema: FunctionSchema
    function: Callable[..., Awaitable[Any]]
    outlives_interruption: bool = False
    waits_for_others: bool = False
    timeout_secs: float = TIMEOUT_SECS
    filler: str | None = None
    offered: Callable[[BotSession, FunctionSchema], FunctionSchema | None] | None = None
    optional: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """Its name."""
        return self.schema.name

    @classmethod
    def of(cls, function: DirectFunction) -> Tool:
        """Read a direct function: its signature, docstring, `tool_options`, and the marks of `conversation.public`.

        Source of `tool_options`: pipecat/adapters/llm/schemas/direct_function.py, which keeps them at the function.
        """
        schema = DirectFunctionWrapper(function).to_function_schema()
        schema = FunctionSchema(
            name=schema.name,
            description=_unwrapped(schema.description),
            properties={
                name: {**about, "description": _unwrapped(about["description"])}
                if "description" in about
                else about
                for name, about in schema.properties.items()
            },
            required=[*schema.required, *getattr(function, ASKS_FOR, ())],
        )
        outlives = not getattr(function, "_pipecat_cancel_on_interruption", True)
        timeout_secs = getattr(function, "_pipecat_timeout_secs", None)
        return cls(
            schema,
            function,
            outlives_interruption=outlives,
            waits_for_others=getattr(function, LAST, False),
            timeout_secs=timeout_secs or (LONG_TIMEOUT_SECS if outlives else TIMEOUT_SECS),
            filler=getattr(function, FILLER, None),
            offered=getattr(function, OFFERED, None),
            optional=frozenset(getattr(function, ASKS_FOR, ())),
        )

    @property
    def limit_secs(self) -> float | None:
        """How long it may take; None when it ends by itself."""
        return None if math.isinf(self.timeout_secs) else self.timeout_secs

    def for_session(self, session: BotSession) -> FunctionSchema | None:
        """Describe it for a session; None when it is not offered there."""
        return self.schema if self.offered is None else self.offered(session, self.schema)


def _unwrapped(text: str) -> str:
    """Join the lines of a docstring's paragraphs."""
    return " ".join(re.sub(r"\s*\n\s*", " ", text).split())
