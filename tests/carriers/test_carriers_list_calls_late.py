"""A list of calls may be old: what it does not have is not over, and nobody is told that it failed."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from calls.control import CallControl
from calls.events.lifecycle import TransferStarted
from calls.store import CallStore
from calls.transfer import Target, TransferOutcome
from calls.transfer_result import transfer_result
from carriers.carrier import MARKUP, CarrierCall, CarrierRejected, CarrierUnavailable, Direction, LineState
from emulator import Colleague, HangUp, PhoneNetwork, Wait
from emulator.legs.lists import LAG_SECS
from tests.rest_client import create, fetch, listed

DESK = "+12025550111"


class Lists:
    """A carrier that answers with one list after the other; the last one again and again."""

    mode = MARKUP

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), 0

    async def dialled_from(self, call_id, destination, since):
        self.asked += 1
        answer = self.answers[min(self.asked, len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


def leg(state, **more):
    return CarrierCall("CA2", state, **more)


async def ask(*answers, patience_secs=0.3):
    store, carrier = CallStore(), Lists(*answers)
    call = store.open(carrier="c", carrier_call_id="CA1")
    call.record(TransferStarted(destination="desk"))
    control = CallControl(call, carrier, store)
    result = await transfer_result(
        control, Target("desk", DESK), patience_secs=patience_secs, pause_secs=0.01
    )
    return result[0], carrier.asked


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ([[], [], [leg(LineState.COMPLETED)]], TransferOutcome.CONNECTED),
        ([[], [leg(LineState.RINGING)], [leg(LineState.IN_PROGRESS)]], TransferOutcome.CONNECTED),
        ([[leg(LineState.QUEUED)], [leg(LineState.RINGING)], [leg(LineState.BUSY)]], TransferOutcome.BUSY),
        ([[leg(None)], CarrierUnavailable("503"), [leg(LineState.NO_ANSWER)]], TransferOutcome.NO_ANSWER),
        ([[], [leg(LineState.RINGING)], [leg(LineState.FAILED)]], TransferOutcome.FAILED),
    ],
)
async def test_the_carrier_is_asked_until_its_answer_is_final(answers, outcome):
    assert await ask(*answers) == (outcome, 3)


@pytest.mark.parametrize("answer", [[], [leg(LineState.RINGING)], CarrierUnavailable("503")])
async def test_in_the_end_nobody_claims_what_nobody_knows(answer):
    outcome, asked = await ask(answer)
    assert outcome is TransferOutcome.UNKNOWN
    assert asked > 3
    assert await ask(CarrierRejected("no such list")) == (TransferOutcome.UNKNOWN, 1)


async def test_the_attempt_before_this_one_does_not_answer_for_it():
    before = leg(LineState.BUSY, ended_at=datetime.now(UTC) - timedelta(seconds=5))
    now = leg(LineState.COMPLETED, ended_at=datetime.now(UTC) + timedelta(seconds=5))
    assert await ask([before], [now, before]) == (TransferOutcome.CONNECTED, 2)


async def test_a_call_that_was_found_in_an_old_list_is_asked_about_by_its_id():
    class Late(Lists):
        async def find_recent_call(self, to, from_number, since):
            return [leg(LineState.RINGING)]

        async def fetch_call(self, call_id):
            return leg(LineState.BUSY)

    store = CallStore()
    call = store.dial_out(carrier="c", from_number="+12025550100", to_number=DESK)
    assert call.direction is Direction.OUTBOUND
    assert await CallControl(call, Late(), store).refresh()
    assert call.state == "busy"


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_the_emulated_lists_are_late_and_a_call_by_its_id_is_not(carrier):
    placed = []
    async with PhoneNetwork(
        carrier, people=[Colleague(DESK, 0.1, script=[Wait(0.3), HangUp()])], seed=1
    ) as network:
        network.exchange.on_new_call.append(placed.append)
        clock = network.exchange.clock.now
        await create(carrier, network.rest_url, DESK, document="<Pause/>")
        made = clock()
        assert await listed(carrier, network.rest_url) == []
        await network.next_result(DESK)
        over = clock()
        assert (await fetch(carrier, network.rest_url, placed[0].leg.call_id))["status"] == "completed"
        seen = {}
        while "completed" not in seen:
            for call in await listed(carrier, network.rest_url):
                seen.setdefault(call["status"], clock())
            await asyncio.sleep(0.02)
    assert list(seen) == ["ringing", "in-progress", "completed"]
    assert LAG_SECS[0] <= seen["ringing"] - made <= LAG_SECS[1] + 0.3
    assert LAG_SECS[0] <= seen["completed"] - over <= LAG_SECS[1] + 0.3
