"""A call is remembered after its end; the sessions that talked on it are not."""

import asyncio
import gc
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from aiohttp import web

from calls.events.lifecycle import LookedUp
from emulator import Colleague, Digits, HangUp, Wait
from tests.talking_bot import talking

SESSION = (
    "Session",
    "CallControl",
    "Handover",
    "HeardUserAggregator",
    "LLMContext",
    "PhoneTransport",
    "Pipeline",
    "PipelineWorker",
    "Playout",
    "SharedEar",
    "SharedSileroVAD",
    "SharedSmartTurn",
    "TaskManager",
    "TelnyxSerializer",
    "ThreadPoolExecutor",
    "TwilioSerializer",
    "WebSocket",
    "WorkerRunner",
)
"""What a session consists of, by its classes' names."""

SETTLES_SECS = 15.0


def left() -> dict[str, int]:
    # What a service leaves out of its looks is no longer listed: a session that is kept would be among it, unseen
    gc.unfreeze()
    gc.collect()
    found = Counter(type(one).__name__ for one in gc.get_objects() if not is_shared(one))
    return {name: found[name] for name in SESSION if found[name]}


def is_shared(one: object) -> bool:
    """Whether it is a pool of threads that all calls of the process share."""
    return isinstance(one, ThreadPoolExecutor) and one._thread_name_prefix.startswith(("asyncio", "local-"))


async def nothing_more_than(before: dict[str, int]) -> dict[str, int]:
    """What is left of sessions besides `before`, once what ends a moment later had time to."""
    deadline = asyncio.get_running_loop().time() + SETTLES_SECS
    while more := {name: n for name, n in left().items() if n > before.get(name, 0)}:
        if asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(0.5)
    return more


def answers(words):
    keys = {
        "1#": ("end_call", {"farewell": "Bye."}),
        "2#": ("transfer_call", {"destination": "desk", "reason": "an order"}),
        "3#": ("transfer_call", {"destination": "boss", "reason": "a wish"}),
    }
    return [next((does for key, does in keys.items() if words.endswith(key)), "Yes.")]


BUSY = [Colleague("+12025550111", 0.3, "busy")]
ACCEPTS = [Colleague("+12025550112", 0.3, script=[Digits("1", after_reply=True), Wait(0.5), HangUp()])]
CALLS = {
    "the bot says goodbye": ([Digits("1#")], []),
    "the caller hangs up": ([Digits("4#"), HangUp(after_reply=True)], []),
    "the caller hangs up at once": ([HangUp()], []),
    "a colleague is busy": ([Digits("2#"), HangUp(after_reply=True)], BUSY),
    "the caller hangs up while a phone rings": (
        [Digits("2#"), Wait(1.5), HangUp()],
        [Colleague("+12025550111", 9)],
    ),
    "a colleague takes the call": ([Digits("3#"), Wait(6), HangUp()], ACCEPTS),
}


@pytest.mark.parametrize(("carrier", "mode"), [("twilio", ""), ("telnyx", ""), ("telnyx", "call_control")])
async def test_after_many_calls_no_session_is_left(monkeypatch, tmp_path, carrier, mode):
    environment = {"TELNYX_MODE": mode or "texml"}
    async with talking(monkeypatch, tmp_path, carrier, answers, **environment) as bot:
        await bot.network.call(bot.url, [Digits("1#")], mode=mode)  # what is loaded once is there now
        before = await nothing_more_than({})
        for script, colleagues in CALLS.values():
            await asyncio.gather(
                *(bot.network.call(bot.url, script, colleagues=colleagues, mode=mode) for _ in range(3))
            )
        assert await nothing_more_than(before) == {}
        assert len(bot.store.list()) > 3 * len(CALLS)
        watched = {len(call._watchers) for call in bot.store.list()}
        untouched = bot.store.open(carrier="twilio", carrier_call_id="CA1")
        assert watched == {len(untouched._watchers)}, "somebody still waits for news of a call that is over"


async def test_a_look_up_that_is_slow_holds_no_session_for_longer_than_it_may_take(monkeypatch, tmp_path):
    async def answer(_request):
        await asyncio.sleep(1.5)
        return web.json_response({"variables": {"name": "Anna"}})

    app = web.Application()
    app.router.add_post("/who", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    environment = {
        "CALLER_LOOKUP_URL": f"http://127.0.0.1:{runner.addresses[0][1]}/who",
        "CALLER_LOOKUP_BUDGET_MS": "50",
    }
    try:
        async with talking(monkeypatch, tmp_path, "twilio", answers, **environment) as bot:
            before = await nothing_more_than({})
            await asyncio.gather(*(bot.network.call(bot.url, [Digits("1#")]) for _ in range(3)))
            assert await nothing_more_than(before) == {}
            assert [call.last(LookedUp).data["result"] for call in bot.store.list()] == ["late"] * 3
    finally:
        await runner.cleanup()
