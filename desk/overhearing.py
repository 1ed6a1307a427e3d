"""Listening in on a call, whichever process the bot talks in: here, or in another one on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from calls.call import Call
from calls.errors import CallIsOver, NoAnswer, NotPossible, UnderWay
from conversation.overhearing import LEFT, TOO_SLOW, Overheard, overheard
from conversation.session import attached_to
from desk.elsewhere import ask, talks_elsewhere
from desk.listening_port import connected
from desk.service import Service

SEND_SECS = 5.0
"""How long whoever listens may take nothing."""


class Ear(Protocol):
    """What somebody hears of a call.

    Parameters:
        over: Why they hear no more; None while they do.
    """

    over: str | None

    async def take(self) -> list[str | bytes]:
        """Wait for what is said next: messages as in `conversation.overhearing`; none when it is over."""
        ...

    def close(self, why: str = LEFT) -> None:
        """Hear no more."""
        ...


async def may_listen(service: Service, call: Call) -> None:
    """Find out whether somebody may begin to listen to a call now.

    Raises:
        NotDone: They may not; the message says why.
    """
    if process := await _listened_to_by_way_of(service, call):
        await ask(service, process, call, "may_listen")
    else:
        _stream_of(call).check()


async def listen(service: Service, call: Call, by: str) -> Ear:
    """Begin to listen to a call. It is an event of the call, and so is its end.

    Args:
        service: The service.
        call: The call.
        by: Who listens.

    Returns:
        What they hear; whoever asks for it closes it.

    Raises:
        NotDone: They may not; the message says why.
    """
    if process := await _listened_to_by_way_of(service, call):
        return await connected(await ask(service, process, call, "listen", by=by))
    return _stream_of(call).listen(by)


async def hand_on(ear: Ear, send: Callable[[str | bytes], Awaitable[None]]) -> str:
    """Send what is heard until it is over; tell why it is.

    Args:
        ear: What is heard.
        send: Sends one message. It is dropped, with the ear, when that takes too long.
    """
    while messages := await ear.take():
        for message in messages:
            try:
                async with asyncio.timeout(SEND_SECS):
                    await send(message)
            except TimeoutError:
                return TOO_SLOW
    return ear.over or LEFT


async def obey_may_listen(_: Service, call: Call, __: Mapping[str, Any]) -> None:
    """Answer another process whether somebody may listen here."""
    _stream_of(call).check()


async def obey_listen(service: Service, call: Call, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Let somebody listen by way of another process; tells how that one gets what is said."""
    listener = _stream_of(call).listen(str(arguments["by"]))
    try:
        return await service.listening_port.offer(listener)
    except OSError as error:
        listener.close()
        raise NoAnswer(f"no port of this machine can be opened for what is said: {error.strerror}") from None


async def _listened_to_by_way_of(service: Service, call: Call) -> str | None:
    """The other process that talks on a call; None when this one does, or none.

    Raises:
        NotDone: What is said there does not come here.
    """
    if call.is_over:
        raise CallIsOver(f"the call has ended ({call.state}): there is nothing to hear any more")
    process = await talks_elsewhere(service, call)
    if process is not None:
        assert service.store.shared is not None
        if machine := service.store.shared.machine_of(process):
            raise UnderWay(
                f"the bot talks on the machine {machine}, and sound does not go from one to another: ask the server "
                "there by its own address, or try again where a balancer may choose that one"
            )
    return process


def _stream_of(call: Call) -> Overheard:
    session = attached_to(call)
    if session is None:
        raise UnderWay(
            "the bot does not talk with the caller now, or not in a process of this service: try again when it does"
        )
    stream = overheard(session)
    if stream is None:
        raise NotPossible(
            "the bot does not talk with a caller on a phone line here: there is nothing to listen to"
        )
    return stream
