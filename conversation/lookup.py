"""Who is calling: the numbers of a call, and what the owner's own service knows about them.

A service of the owner's (`CALLER_LOOKUP_URL`) gets the call's numbers before the bot's first words and may answer with
variables for the agent's templates. The greeting waits for it no longer than its budget, whatever happens there; an
answer that comes a little later still serves the sentences after the greeting.

The request is a POST with a JSON object: `call_id`, `carrier`, `direction`, `from`, `to`, `agent` and `parameters`. The
answer is a JSON object, either `{"variables": {"name": "Anna"}}` or, shorter, the variables alone. An empty one, 204
and 404 mean that the caller is not known. The variables win over those of the agent's file, and the call's own
parameters win over them; `agent`, `caller_number` and the like cannot be set (`Agent.call_variables`). Texts are data:
a template in them is not run.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, Protocol
from weakref import WeakKeyDictionary

import aiohttp
from loguru import logger

from calls.call import Call
from calls.events.lifecycle import LookedUp
from settings import Settings

LARGEST_ANSWER = 64 * 1024
"""The longest answer that is read, in bytes; what serves a greeting is a few hundred."""

DEEPEST_ANSWER = 8
"""How far lists and tables may be nested."""

LATE_SECS = 5.0
"""How long after its beginning a look-up is still of use: a call has mostly begun by then."""

Variables = dict[str, Any]


class KnowsCalls(Protocol):
    """What a look-up needs of a carrier; the answer has `from_number` and `to_number`."""

    async def fetch_call(self, call_id: str) -> Any:
        """Describe a call."""
        ...


class Found:
    """What is known about a caller, now and perhaps a little later.

    Attributes:
        variables: For the agent's templates. What comes late is added here too.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.variables: Variables = {}
        self._late: asyncio.Task[None] | None = None
        self._on_late: list[Callable[[Variables], None]] = []

    def when_late(self, tell: Callable[[Variables], None]) -> None:
        """Have a function called with the variables if they come after the budget, within `LATE_SECS`.

        The function is kept no longer than that: it belongs to a session, and what is found is kept with the call.
        """
        if self._late is not None and not self._late.done():
            self._on_late.append(tell)

    def _wait_for(self, answer: asyncio.Task[Variables], secs: float) -> None:
        async def take() -> None:
            try:
                async with asyncio.timeout(secs):
                    self.variables.update(await answer)
            except Exception:
                return  # it was reported as late already
            finally:
                listeners, self._on_late = self._on_late, []
            if self.variables:
                for tell in listeners:
                    tell(self.variables)

        self._late = asyncio.create_task(take(), name="late look-up")


# A call that comes back to the bot is greeted with what was found the first time, without another wait.
_found: WeakKeyDictionary[Call, Found] = WeakKeyDictionary()
_numbers: WeakKeyDictionary[Call, asyncio.Task[None]] = WeakKeyDictionary()


async def learn_numbers(call: Call, carrier: KnowsCalls | None, settings: Settings) -> float:
    """Ask the carrier for the numbers of a call that came by a media stream alone, within the budget.

    Args:
        call: The call. Its numbers are filled in; they may come later, too.
        carrier: Its carrier, or None without credentials.
        settings: Have the budget.

    Returns:
        How many seconds of the budget that took, for `who_calls`.
    """
    if carrier is None or call.from_number is not None:
        return 0.0
    began = time.monotonic()
    asking = _numbers[call] = asyncio.create_task(_fetch_numbers(call, carrier), name="numbers of a call")
    await asyncio.wait({asking}, timeout=settings.caller_lookup_budget_ms / 1000)
    return time.monotonic() - began


async def who_calls(
    call: Call, carrier: KnowsCalls | None, settings: Settings, *, asked_secs: float = 0.0
) -> Found:
    """Find out what can be found out about a caller within the budget.

    Numbers that the media stream did not bring (documents that name none, as on hosts without webhooks) are asked of
    the carrier first, within the same budget. Later sessions of a call get what the first one found.

    Args:
        call: The call. Its numbers are filled in; the event `lookup` says how it went when a service was asked.
        carrier: Its carrier, or None without credentials.
        settings: Whom to ask, and for how long.
        asked_secs: How much of that time `learn_numbers` has taken already.

    Returns:
        The variables, none when nothing was found in time. Never raises.
    """
    if known := _found.get(call):
        return known
    found = _found[call] = Found()
    began = time.monotonic()
    budget = max(0.0, settings.caller_lookup_budget_ms / 1000 - asked_secs)
    asks_carrier = carrier is not None and call.from_number is None and call.to_number is None
    if settings.caller_lookup_url is None and not asks_carrier:
        return found

    answer = asyncio.create_task(
        _look_up(call, carrier if asks_carrier else None, settings), name="caller look-up"
    )
    answer.add_done_callback(_retrieve)
    await asyncio.wait({answer}, timeout=budget)
    ms = round((time.monotonic() - began) * 1000)
    reason = ""
    if not answer.done():
        result, reason = "late", f"no answer within {settings.caller_lookup_budget_ms} ms"
        found._wait_for(answer, LATE_SECS - budget)
    elif (error := answer.exception()) is not None:
        result, reason = "failed", str(error) if isinstance(error, _Unusable) else type(error).__name__
    else:
        found.variables.update(answer.result())
        result = "found" if found.variables else "empty"
    if settings.caller_lookup_url is not None:
        call.record(LookedUp(result=result, ms=ms))
        if reason:
            logger.warning(f"call {call.id}: caller look-up {result} after {ms} ms: {reason}")
        else:
            logger.info(f"call {call.id}: caller look-up {result} after {ms} ms")
    return found


class _Unusable(Exception):
    """The service's answer cannot be used; the message says why, and nothing of what was in it."""


def _retrieve(task: asyncio.Task[Variables]) -> None:
    if not task.cancelled():
        task.exception()  # read, so that asyncio does not report it: the failure of a late answer changes nothing


async def _look_up(call: Call, carrier: KnowsCalls | None, settings: Settings) -> Variables:
    try:
        async with asyncio.timeout(LATE_SECS):
            if carrier is not None:
                await (_numbers.pop(call, None) or _fetch_numbers(call, carrier))
            return await _ask(call, settings) if settings.caller_lookup_url is not None else {}
    except TimeoutError:
        raise _Unusable(f"no answer within {LATE_SECS:g} s") from None


async def _fetch_numbers(call: Call, carrier: KnowsCalls) -> None:
    try:
        answer = await carrier.fetch_call(call.carrier_call_id)
    except Exception as error:  # whatever it is, the caller is greeted without a number
        logger.warning(f"call {call.id}: the carrier does not tell the numbers: {type(error).__name__}")
        return
    call.from_number = call.from_number or answer.from_number
    call.to_number = call.to_number or answer.to_number


async def _ask(call: Call, settings: Settings) -> Variables:
    token = settings.caller_lookup_token
    question = {
        "call_id": call.id,
        "carrier": call.carrier,
        "direction": call.direction.value,
        "from": call.from_number,
        "to": call.to_number,
        "agent": call.agent,
        "parameters": call.parameters,
    }
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token.get_secret_value()}"
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                settings.caller_lookup_url or "",
                data=json.dumps(question, default=str),
                headers=headers,
                allow_redirects=False,  # the token and the caller's number are for that address only
            ) as response,
        ):
            if response.status in (204, 404):
                return {}
            if 300 <= response.status < 400:
                raise _Unusable(
                    "it redirects, which is not followed: set CALLER_LOOKUP_URL to the last address"
                )
            if response.status != 200:
                raise _Unusable(f"HTTP {response.status}")
            body = bytearray()
            async for part in response.content.iter_any():
                body += part
                if len(body) > LARGEST_ANSWER:
                    raise _Unusable(f"the answer is larger than {LARGEST_ANSWER // 1024} kB")
    except (aiohttp.ClientError, OSError) as error:
        raise _Unusable(f"it could not be asked ({type(error).__name__})") from None
    return _variables(bytes(body))


def _variables(body: bytes) -> Variables:
    if not body.strip():
        return {}
    try:
        answer = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise _Unusable("the answer is not JSON") from None
    if isinstance(answer, dict) and isinstance(answer.get("variables"), dict):
        answer = answer["variables"]
    if not isinstance(answer, dict):
        raise _Unusable("the answer is not a JSON object")
    if _depth(answer) > DEEPEST_ANSWER:
        raise _Unusable(f"the answer is nested more than {DEEPEST_ANSWER} deep")
    # null is what a database says of a column that has nothing in it: as in templates, no value
    return {name: value for name, value in answer.items() if value is not None}


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _depth(value: object) -> int:
    if isinstance(value, Mapping):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0
