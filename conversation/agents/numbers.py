"""Which agent answers which of the owner's numbers: `numbers` in the agents' files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from conversation.agents.errors import AgentError
from conversation.agents.files import agent_names, load_agent


def agent_of_number(number: str | None, directory: Path) -> str | None:
    """Name the agent that a called number is bound to.

    Args:
        number: The number that was called, in E.164 form; None when it is not known.
        directory: Where the TOML files are.

    Returns:
        None when no file binds it. Of two that do, which a start refuses, the first by name.
    """
    if number is None:
        return None
    return next((name for name, bound in _bound(directory) if number in bound), None)


def any_bound(directory: Path) -> bool:
    """Whether any agent of a folder has numbers of its own."""
    return any(bound for _, bound in _bound(directory))


def bound_twice(directory: Path) -> list[str]:
    """Numbers that stand in the files of several agents: one line each, which names the files and not the number."""
    owners: dict[str, list[str]] = {}
    for name, bound in _bound(directory):
        for number in bound:
            owners.setdefault(number, []).append(f"{name}.toml")
    return [
        f"{' and '.join(files)}: both have the number that ends in {number[-4:]} in numbers; a call can have "
        "one agent: remove it in the others"
        for number, files in owners.items()
        if len(files) > 1
    ]


def _bound(directory: Path) -> Iterator[tuple[str, list[str]]]:
    """The agents and their numbers. A file that cannot be read has none: a start refuses it, and a call goes on."""
    for name in agent_names(directory):
        try:
            yield name, load_agent(name, directory).numbers
        except AgentError:
            continue
