"""Asking a carrier again and again: the one place where a request is repeated."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from itertools import count
from typing import TypeVar

from loguru import logger

from carriers.carrier import Carrier, CarrierUnavailable

FIRST_RETRY_SECS = 0.2
"""The pause before the second attempt while a caller is on the line; it doubles with each further one. Each pause is
shortened by up to half by chance, so that calls that failed together do not ask together again."""

LONGEST_WAIT_SECS = 10.0
"""How long a carrier may ask to wait (`Retry-After`) where no budget says how long there is."""

T = TypeVar("T")


async def insist(
    carrier: Carrier,
    request: Callable[[], Awaitable[T]],
    call_id: str,
    *,
    budget_secs: float | None = None,
    pauses_secs: Iterable[float] | None = None,
    only_if_nothing_done: bool = False,
    still_wanted: Callable[[], bool] = lambda: True,
) -> tuple[int, T]:
    """Ask again and again while the carrier gives no usable answer and there is time.

    The time begins when the carrier's SDK is loaded. Right after a start loading takes seconds, and a caller would
    otherwise be turned away before the carrier was asked at all.

    Args:
        carrier: The carrier that is asked.
        request: Asks once.
        call_id: Our id of the call, for the log.
        budget_secs: How much time there is; None for as long as the pauses go on.
        pauses_secs: The pause before each further attempt; by default for a caller on the line, see `FIRST_RETRY_SECS`.
        only_if_nothing_done: Ask again only where the attempt before certainly had no effect.
        still_wanted: Whether to ask again at all.

    Returns:
        How many attempts it took, and the answer.

    A pause is never shorter than what the carrier asks for. Where that is longer than there is time, its error is
    raised at once, and says how long.

    Raises:
        CarrierError: The last attempt's. `nothing_done` is of all attempts together.
    """
    await carrier.load()
    loop = asyncio.get_running_loop()
    deadline = None if budget_secs is None else loop.time() + budget_secs
    pauses = iter(pauses_secs if pauses_secs is not None else (FIRST_RETRY_SECS * 2**n for n in count()))
    attempts = 1
    nothing_done = True
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                return attempts, await request()
        except TimeoutError:
            if budget_secs is None:
                raise
            raise CarrierUnavailable(f"no answer from the carrier within {budget_secs:g} s") from None
        except CarrierUnavailable as error:
            error.nothing_done = nothing_done = nothing_done and error.nothing_done
            pause = next(pauses, None)
            if pause is None or not still_wanted() or (only_if_nothing_done and not nothing_done):
                raise
            pause = max(pause * random.uniform(0.5, 1.0), error.retry_after_secs or 0.0)
            if pause > LONGEST_WAIT_SECS if deadline is None else loop.time() + pause >= deadline:
                raise
            logger.warning("A request for call {} is tried again: {}", call_id, error)
        await asyncio.sleep(pause)
        attempts += 1
