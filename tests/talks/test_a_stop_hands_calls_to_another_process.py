"""A server that has to stop hands its callers to another one: two real servers, and before them a balancer."""

import asyncio
import signal
import socket

import pytest

from calls.transfer import ResumeReason
from conversation.lines.fixed import english
from emulator import Digits, Wait
from tests.calls_on_disk import url_of
from tests.talks.test_a_call_is_one_over_all_processes import LINES, two_servers

DRAIN_SECS = 4


async def to_b_once_a_drains(service):
    """What a balancer does that asks `/readyz`."""
    async with asyncio.timeout(10):
        while (await service.a.get("/readyz")).status_code == 200:
            await asyncio.sleep(0.05)
    service.balancer.sockets = service.balancer.others


async def stopped(service, call_id):
    """Have `a` stop; returns when it has ended."""
    process = service.process_a
    process.send_signal(signal.SIGTERM)
    await to_b_once_a_drains(service)
    assert await asyncio.wait_for(process.wait(), DRAIN_SECS + 30) == 0


def kinds(call):
    return [event["kind"] for event in call["events"]]


@pytest.mark.timeout(120)
@LINES
async def test_the_other_one_goes_on_as_if_nothing_had_been(tmp_path, carrier, mode):
    database = url_of(tmp_path / "calls.db")
    async with two_servers(
        tmp_path, carrier, database, talks=("a", "b"), DRAIN_SECS=str(DRAIN_SECS)
    ) as service:
        calling = service.call([Wait(20), Digits("1#"), Wait(3), Digits("2#"), Wait(9)], mode)
        call_id = await service.live_call()
        await stopped(service, call_id)
        call = await service.look(call_id)
        assert call["state"] == "in_progress"
        result = await calling
        call = await service.until(call_id, lambda call: call["state"] == "completed")
        heard = await service.heard(call_id)
    assert heard == ["Hello.", "Anything else?", "Bye."]
    assert [one["reason"] for one in call["events"] if one["kind"] == "resumed"] == [ResumeReason.HANDED_OVER]
    assert kinds(call).count("attached") == 2
    assert "error" not in kinds(call)
    assert call["ended_by"] == "bot"
    assert result.report.errors == []


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("carrier", "mode"), [("twilio", ""), ("telnyx", "call_control")])
async def test_who_is_taken_by_nobody_is_told_goodbye_by_the_carrier(tmp_path, carrier, mode):
    database = url_of(tmp_path / "calls.db")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result, call = await _taken_by_nobody(tmp_path, carrier, mode, database, silent)
    assert (call["ended_by"], call["end_cause"]) == ("limit", "the service is being stopped")
    said = [str(one) for one in result.timeline.of("say")]
    assert any(english("lines", "stopping")[:20] in one for one in said), said


async def _taken_by_nobody(tmp_path, carrier, mode, database, silent):
    async with two_servers(
        tmp_path, carrier, database, talks=("a", "b"), DRAIN_SECS=str(DRAIN_SECS)
    ) as service:
        calling = service.call([Wait(40)], mode)
        call_id = await service.live_call()
        service.process_a.send_signal(signal.SIGTERM)
        await to_b_once_a_drains(service)
        service.balancer.sockets = silent.getsockname()[1]  # who has it hangs
        result = await calling
        assert await asyncio.wait_for(service.process_a.wait(), 30) == 0
        call = await service.until(call_id, lambda call: call["state"] == "completed")
    return result, call


@pytest.mark.timeout(120)
async def test_one_that_stops_too_gets_no_calls(tmp_path):
    database = url_of(tmp_path / "calls.db")
    async with two_servers(tmp_path, "twilio", database, talks=("a", "b"), DRAIN_SECS="0.5") as service:
        first = service.call([Wait(40)], "")
        await service.live_call()
        service.balancer.sockets = service.balancer.others
        second = service.call([Wait(40)], "")
        async with asyncio.timeout(30):
            while len(calls := (await service.b.get("/calls")).json()["calls"]) < 2 or not all(
                [await service.heard(one["id"]) for one in calls]
            ):
                await asyncio.sleep(0.05)
        for process in (service.process_b, service.process_a):
            process.send_signal(signal.SIGTERM)
        results = await asyncio.gather(first, second)
        assert await asyncio.gather(service.process_a.wait(), service.process_b.wait()) == [0, 0]
    for result in results:
        assert result.timeline.of("bot_speech")
        assert [one for one in result.timeline.of("stream_open")][1:] == []
