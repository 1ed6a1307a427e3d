"""Which texts of an agent are the same in every call, so that a voice need speak them only once.

A text is taken for what its template is, never for what came of it: a template that asks for anything but the agent's
own name and what stands under `[variables]` in its file may bring a caller's data along, and is not kept. Where a call
has another value for a variable of the file, the text that comes of it is another one, and not among these.
"""

from __future__ import annotations

from collections.abc import Iterator

import jinja2.meta
from jinja2.sandbox import SandboxedEnvironment

from conversation.agents.agent import Agent
from conversation.agents.announcing import announced, with_announcements

SAID = ("greeting", "dial_out.", "lines.", "dead_air.", "recording.announcement")
"""The keys of an agent's file under which there is what the bot says by itself, in the order of their need."""

THE_CARRIERS = frozenset({"lines.all_busy", "lines.call_back_later", "lines.leave_message"})
"""Keys of lines that the carrier says in its own voice."""

_ENVIRONMENT = SandboxedEnvironment()


def fixed_lines(agent: Agent) -> list[str]:
    """The texts, what a call begins with first, as they are handed to the voice."""
    kept = {key: text for key, text in _said(agent) if is_fixed(text, agent)}
    own = {"agent": agent.name, **agent.variables}
    rendered = {key: agent.render(text, own) for key, text in kept.items()}
    lines: list[str] = []
    for key, text in rendered.items():
        if key in ("greeting", "dial_out.greeting"):
            # A recording that has not begun yet is announced later.
            for recorded in (True, False):
                if all(is_fixed(one.announcement, agent) for one in announced(agent, recorded=recorded)):
                    lines.append(
                        with_announcements(
                            agent, kept[key], lambda words: agent.render(words, own), recorded=recorded
                        )
                    )
        lines.append(text)
    return list(dict.fromkeys(line for line in lines if line.strip()))


def is_fixed(template: str, agent: Agent) -> bool:
    """Whether a template has nothing in it that a call, a caller or the time of day decides."""
    if "{" not in template:
        return True
    asked = jinja2.meta.find_undeclared_variables(_ENVIRONMENT.parse(template))
    return asked <= {"agent", *agent.variables}


def _said(agent: Agent) -> Iterator[tuple[str, str]]:
    templates = list(agent.templates())
    for begins in SAID:
        for key, text in templates:
            if key.startswith(begins) and key not in THE_CARRIERS:
                yield key, text
