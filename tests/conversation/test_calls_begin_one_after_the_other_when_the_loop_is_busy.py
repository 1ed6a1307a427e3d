"""Calls that begin at the same moment leave room for those that are talking."""

import asyncio
import time

import pytest

from conversation import turnstile as turnstile_module
from conversation.turnstile import Turnstile, begin_in_turn

PIECE_SECS = 0.05
"""How long each call that begins holds up the loop."""


async def test_who_comes_alone_does_not_wait():
    turnstile = Turnstile()
    for _ in range(3):
        before = asyncio.get_running_loop().time()
        task = asyncio.create_task(turnstile.enter())
        await asyncio.sleep(0)
        assert task.done(), asyncio.get_running_loop().time() - before
        await asyncio.sleep(turnstile_module.LOOK_SECS * 2)


async def test_many_pass_in_their_order_and_the_loop_has_its_turn_between_them():
    """Eight that each hold up the loop: what runs every 10 ms beside them never waits for two of them."""
    turnstile = Turnstile()
    began: list[int] = []
    lags: list[float] = []

    def hold_up_the_loop() -> None:
        time.sleep(PIECE_SECS)

    async def begin(number: int) -> None:
        await turnstile.enter()
        began.append(number)
        hold_up_the_loop()

    async def talk() -> None:
        while len(began) < 8:
            before = time.monotonic()
            passed = len(began)
            await asyncio.sleep(0.01)
            lags.append(time.monotonic() - before)
            assert len(began) - passed <= 1

    await asyncio.gather(talk(), *(begin(number) for number in range(8)))
    assert began == list(range(8))
    assert len(lags) >= 8


async def test_a_loop_that_is_always_late_keeps_nobody_waiting_for_ever(monkeypatch):
    monkeypatch.setattr(turnstile_module, "LATE_SECS", -1.0)
    monkeypatch.setattr(turnstile_module, "PATIENCE_SECS", 0.1)
    turnstile = Turnstile()
    loop = asyncio.get_running_loop()
    await turnstile.enter()
    before = loop.time()
    async with asyncio.timeout(10):
        await asyncio.gather(turnstile.enter(), turnstile.enter())
    assert loop.time() - before >= 0.2


async def test_one_who_has_gone_meanwhile_holds_up_nobody():
    turnstile = Turnstile()
    await turnstile.enter()
    gone, patient = asyncio.create_task(turnstile.enter()), asyncio.create_task(turnstile.enter())
    await asyncio.sleep(0)
    gone.cancel()
    async with asyncio.timeout(10):
        await patient
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_all_calls_of_a_loop_pass_one_turnstile():
    await begin_in_turn()
    second = asyncio.create_task(begin_in_turn())
    await asyncio.sleep(0)
    assert not second.done()
    async with asyncio.timeout(10):
        await second
