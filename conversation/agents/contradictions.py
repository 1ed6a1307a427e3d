"""What an agent's file says and then cannot keep: it can be used, but callers would be disappointed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from functools import cache

from jinja2 import Environment, meta

from conversation.agents.agent import ALWAYS_KNOWN, OF_HOURS, Agent
from conversation.agents.flow_checks import warnings
from conversation.agents.tables import MENU_TOOLS, TAKE_MESSAGE, BrainLines, Lines


def contradictions(agent: Agent) -> list[str]:
    """What the file promises without allowing it, or names without using it: one line each, with the fix."""
    found = []
    file, tools = f"{agent.name}.toml", set(agent.tools)
    if agent.transfers and "transfer_call" not in tools:
        found.append(
            f"{file}: [transfers] has {', '.join(agent.transfers)}, but the agent may not put callers through: "
            'add "transfer_call" to tools, or remove [transfers]'
        )
    if "transfer_call" in tools and not agent.transfers:
        found.append(
            f'{file}: tools has "transfer_call", but there is nobody to put callers through to: add '
            "[transfers.NAME] with a number, or remove the tool"
        )
    found += [
        f"{file}: {where} offers to take a message, but the agent may not: "
        f'add "{TAKE_MESSAGE}" to tools, or remove it there'
        for where in _offers(agent, TAKE_MESSAGE)
        if TAKE_MESSAGE not in tools
    ]
    found += [
        f"{file}: {where} offers to put callers through, but the agent may not: "
        'add "transfer_call" to tools, or remove it there'
        for name in agent.transfers
        for where in _offers(agent, name)
        if "transfer_call" not in tools
    ]
    for digit, item in agent.menu.items():
        if item.tool == "end_call" and "end_call" not in tools:
            found.append(
                f'{file}: menu.{digit} ends the call, but the agent may not: add "end_call" to tools'
            )
        if item.tool not in (None, *MENU_TOOLS) and not _may_call(agent, item.tool):
            found.append(_not_allowed(file, f"menu.{digit} calls", item.tool))
        if item.note is not None and TAKE_MESSAGE not in tools:
            found.append(
                f'{file}: menu.{digit}.note is kept for nobody: add "{TAKE_MESSAGE}" to tools, or remove it'
            )
    found += [
        _not_allowed(file, f"the fact {fact.topic!r} is answered by", fact.tool)
        for fact in agent.facts
        if fact.tool is not None and not _may_call(agent, fact.tool)
    ]
    if agent.dial_out.voicemail_message is not None and agent.dial_out.on_voicemail != "leave_message":
        found.append(
            f'{file}: dial_out.voicemail_message is never said: set on_voicemail = "leave_message", or remove it'
        )
    if agent.hours is not None and agent.timezone is None:
        found.append(
            f"{file}: [hours] is taken in the zone of the machine that answers: set timezone at the top of the file, "
            'such as timezone = "Europe/Berlin"'
        )
    if agent.call_flow is not None:
        found += warnings(agent.call_flow)
    return found


def _may_call(agent: Agent, tool: str | None) -> bool:
    """Whether a tool is among those that the agent has, or may be one of a server's, which come besides."""
    return tool in agent.tools or (agent.offers_all and bool(agent.mcp))


def _not_allowed(file: str, calls: str, tool: str | None) -> str:
    return f'{file}: {calls} the tool {tool!r}, but the agent may not use it: add "{tool}" to tools'


def unknown_variables(agent: Agent) -> tuple[list[str], list[str]]:
    """Variables of templates that neither the file nor every call knows.

    A call may bring them (a parameter, a look-up of the caller), and without that they render as nothing.

    Returns:
        Those that are close to a known one and probably misspelt, and the others: one line each.
    """
    misspelt, unknown = [], []
    for key, template in agent.templates():
        if key.startswith("flow.") and key.endswith(".say"):
            continue  # it is filled in with what the flow's functions keep, too
        known = ALWAYS_KNOWN | set(agent.variables) | _of_the_line(key)
        known |= OF_HOURS if agent.hours is not None else frozenset()
        for name in sorted(_variables(template) - known):
            where = f"{agent.name}.toml: {key} has {{{{ {name} }}}}, which is not in [variables]"
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
            if close:
                misspelt.append(f"{where}; did you mean {{{{ {close[0]} }}}}?")
            else:
                unknown.append(
                    f"{where}: it is empty unless a call brings it; give it a value in [variables] for those that "
                    "do not"
                )
    return misspelt, unknown


def _offers(agent: Agent, wanted: str) -> Iterator[str]:
    for fact in agent.facts:
        if fact.offer == wanted:
            yield f"the fact {fact.topic!r}"
    for digit, item in agent.menu.items():
        if wanted in (item.transfer, item.tool):
            yield f"menu.{digit}"


def _of_the_line(key: str) -> set[str]:
    """What a fixed line is also filled in with: what its default, or that of another line, has in it."""
    if key.startswith(("lines.", "brain.")):
        return set(_extras())
    return {"destination"} if key.endswith(".announcement") else set()


@cache
def _extras() -> frozenset[str]:
    found: set[str] = set()
    for default in (value for table in (Lines(), BrainLines()) for _, value in table):
        for text in [default] if isinstance(default, str) else default:
            found |= _variables(text)
    return frozenset(found)


@cache
def _variables(template: str) -> set[str]:
    return meta.find_undeclared_variables(Environment(autoescape=True).parse(template))
