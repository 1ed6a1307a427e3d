"""Calls whose bot session is in another process: asking that process, and obeying when we are the one that is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from loguru import logger

from calls.call import Call
from calls.database.processes import Command
from calls.errors import CallIsOver, NoAnswer, NotDone, NotPossible
from conversation.session import attached_to
from desk.service import Service

Obey = Callable[[Service, Call, Mapping[str, Any]], Awaitable[Any]]


async def talks_elsewhere(service: Service, call: Call) -> str | None:
    """Which other process talks on a call; None when this one does, or none.

    Raises:
        NoAnswer: The database, which knows, does not answer.
    """
    shared = service.store.shared
    if shared is None or call.is_over or attached_to(call) is not None:
        return None
    return await shared.elsewhere(call.id)


async def may_talk_elsewhere(service: Service, call: Call) -> str | None:
    """The same for what is not asked by anybody who could be told of an error: without an answer nobody talks."""
    try:
        return await talks_elsewhere(service, call)
    except NoAnswer as error:
        logger.warning("Call {}: who talks on it is not known: {}", call.id, error)
        return None


async def ask(service: Service, process_id: str, call: Call, what: str, **arguments: Any) -> Any:
    """Have the process that talks on a call do something, and learn what came of it.

    Raises:
        NotDone: It says so, or does not answer (`NoAnswer`).
    """
    assert service.store.shared is not None
    try:
        return await service.store.shared.ask(process_id, call.id, what, arguments)
    finally:
        await service.store.shared.catch_up(call)


async def have_it_step_aside(service: Service, process_id: str, call: Call) -> None:
    """Have the bot's session be silent: the carrier is connecting the caller with another person."""
    try:
        await ask(service, process_id, call, "step_aside")
    except NotDone as error:
        logger.warning("Call {}: the bot may be heard over the two who talk: {}", call.id, error)


async def obey(service: Service, command: Command, commands: Mapping[str, Obey]) -> Any:
    """Do what another process asks for.

    Args:
        service: The service.
        command: What it asks for.
        commands: What can be asked for.

    Raises:
        NotDone: It was not done.
    """
    do = commands.get(command.what)
    if do is None:
        raise NotPossible(
            f"the process that talks on the call is of another version, and knows no {command.what}"
        )
    call = await service.store.fetch(command.call_id)
    if call is None:
        raise CallIsOver("the process that talked on the call does not know it any more")
    return await do(service, call, command.arguments)
