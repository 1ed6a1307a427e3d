"""Asks whether the limits allow another call, without placing it."""

from __future__ import annotations

import pytest

from calls.policy import DAY, DialPolicy
from calls.store import CallStore


class _Allowed(Exception):
    """The limits allow it."""


async def check_again(policy: DialPolicy, number: str, store: CallStore) -> None:
    def check(placed, now):
        policy.check_again(number, placed, now)
        raise _Allowed

    with pytest.raises(_Allowed):
        await store.dial_out_if(check, within=DAY, carrier="c", from_number="+12025550100", to_number=number)


async def place(policy: DialPolicy, number: str, store: CallStore):
    return await store.dial_out_if(
        lambda placed, now: policy.check_again(number, placed, now),
        within=DAY,
        carrier="c",
        from_number="+12025550100",
        to_number=number,
    )
