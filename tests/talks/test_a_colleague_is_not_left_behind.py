"""A process is killed while a colleague is asked whether they take its caller: whoever goes on sees to both."""

import socket

import pytest

from emulator import Colleague, Digits, HangUp, Wait
from tests.calls_on_disk import url_of
from tests.talking_bot import QUICK_AGENT
from tests.talks.test_a_call_is_one_over_all_processes import BOSS, LINES, two_servers

PATIENT = QUICK_AGENT.replace("ring_timeout_secs = 5", "ring_timeout_secs = 40")


async def killed_while_it_rings(service, mode, boss, script, *, to=None):
    """A caller for whom the boss is called, and whose server is killed then; returns caller, call and boss."""
    calling = service.call(script, mode, colleagues=[boss])
    call_id = await service.live_call()
    answer = await service.b.post(f"/calls/{call_id}/transfer", json={"destination": "boss"})
    assert answer.status_code == 202, answer.text
    call = await service.until(
        call_id, lambda call: any(one["kind"] == "colleague_called" for one in call["events"])
    )
    (colleague_id,) = [one["call_id"] for one in call["events"] if one["kind"] == "colleague_called"]
    await service.until(colleague_id, lambda call: call["state"] == "ringing")
    service.balancer.sockets = to or service.balancer.others
    service.process_a.kill()
    return calling, call_id, colleague_id


@pytest.mark.timeout(120)
@LINES
async def test_the_next_process_goes_on_asking_the_colleague_who_gets_the_caller(tmp_path, carrier, mode):
    boss = Colleague(BOSS, 8, "answers", [Wait(5), Digits("1"), Wait(3), HangUp()])
    database = url_of(tmp_path / "calls.db")
    async with two_servers(tmp_path, carrier, database, talks=("a", "b"), agent=PATIENT) as service:
        calling, call_id, _ = await killed_while_it_rings(service, mode, boss, [Wait(40)])
        call = await service.until(call_id, lambda call: call["state"] == "transferred")
        await calling
        heard = await service.heard(call_id)
        call = await service.until(call_id, lambda call: call["state"] == "completed")
    assert "Back again." in heard
    assert [one["outcome"] for one in call["transfers"]] == ["connected"]
    assert call["ended_by"] == "human"


@pytest.mark.timeout(120)
async def test_a_colleague_whose_caller_has_left_meanwhile_is_called_no_more(tmp_path):
    boss = Colleague(BOSS, 35, "answers", [Wait(60)])
    database = url_of(tmp_path / "calls.db")
    # Who has the sockets then says nothing: the caller cannot come back, and hangs up
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with two_servers(tmp_path, "twilio", database, talks=("a", "b"), agent=PATIENT) as service:
            calling, call_id, colleague_id = await killed_while_it_rings(
                service, "", boss, [Wait(8), HangUp()], to=silent.getsockname()[1]
            )
            await calling
            colleague = await service.until(colleague_id, lambda call: call["state"] == "canceled")
            call = await service.until(call_id, lambda call: call["state"] == "completed")
    assert colleague["ended_by"] == call["ended_by"] == "caller"
