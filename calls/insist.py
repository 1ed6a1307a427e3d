"""Asking a carrier again and again while somebody is on the line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from loguru import logger

from carriers.carrier import Carrier, CarrierUnavailable

FIRST_RETRY_SECS = 0.2
"""The pause before the second attempt; it doubles with each further one."""

T = TypeVar("T")


async def insist(
    carrier: Carrier,
    request: Callable[[], Awaitable[T]],
    budget_secs: float,
    call_id: str,
    *,
    only_if_nothing_done: bool = False,
) -> tuple[int, T]:
    """Ask again and again while the carrier gives no usable answer and there is time.

    The time begins when the carrier's SDK is loaded. Right after a start that takes seconds, and a caller would be
    turned away though nobody was asked yet.

    Args:
        carrier: Who is asked.
        request: Asks once.
        budget_secs: How much time there is.
        call_id: Our id of the call, for the log.
        only_if_nothing_done: Ask again only where the attempt before certainly had no effect.

    Returns:
        How many attempts it took, and the answer.

    Raises:
        CarrierError: The last attempt's.
    """
    await carrier.load()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + budget_secs
    attempts, pause = 1, FIRST_RETRY_SECS
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                return attempts, await request()
        except TimeoutError:
            raise CarrierUnavailable(f"no answer from the carrier within {budget_secs:g} s") from None
        except CarrierUnavailable as error:
            if loop.time() + pause >= deadline or (only_if_nothing_done and not error.nothing_done):
                raise
            logger.warning("A request for call {} is tried again: {}", call_id, error)
        await asyncio.sleep(pause)
        attempts, pause = attempts + 1, pause * 2
