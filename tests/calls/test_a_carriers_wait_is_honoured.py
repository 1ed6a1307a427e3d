"""Asking again: not before the carrier wants it, not later than a caller can wait, and never all at once."""

import asyncio
import time

import pytest

from calls import insist as insisting
from calls.control import CallControl
from calls.insist import insist
from calls.recordings import change_recording
from calls.states import CallState
from calls.store import CallStore
from calls.transfer import Target
from calls.transferring import call_colleague
from carriers.carrier import CALL_CONTROL, CarrierUnavailable, DialledCall, DialUncertain
from tests.fake_carrier import FakeCarrier, Webhooks


class Loaded:
    async def load(self) -> None:
        """Nothing."""


class Script:
    """Answers in turn, the last answer again and again, and notes when it was asked."""

    def __init__(self, *answers):
        self.answers = answers
        self.asked_at = []

    async def __call__(self):
        self.asked_at.append(time.monotonic())
        answer = self.answers[min(len(self.asked_at), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


def busy(secs):
    return CarrierUnavailable.too_many_requests("busy", secs)


async def test_the_next_attempt_waits_as_long_as_the_carrier_asks():
    script = Script(busy(0.5), "done")
    assert await insist(Loaded(), script, "c1", budget_secs=4) == (2, "done")
    assert 0.5 <= script.asked_at[1] - script.asked_at[0] < 0.9


async def test_a_longer_wait_than_the_budget_is_told_at_once():
    script = Script(busy(30))
    begun = time.monotonic()
    with pytest.raises(CarrierUnavailable, match="asks to wait 30 s") as error:
        await insist(Loaded(), script, "c1", budget_secs=4)
    assert error.value.retry_after_secs == 30
    assert error.value.nothing_done
    assert time.monotonic() - begun < 0.3
    assert len(script.asked_at) == 1


async def test_without_a_budget_there_is_a_limit_all_the_same():
    script = Script(busy(insisting.LONGEST_WAIT_SECS + 1))
    with pytest.raises(CarrierUnavailable):
        await insist(Loaded(), script, "c1", pauses_secs=(0.01, 0.01))
    assert len(script.asked_at) == 1


async def test_an_attempt_that_may_have_worked_makes_all_of_them_uncertain():
    script = Script(CarrierUnavailable("no answer"), CarrierUnavailable("unreachable", nothing_done=True))
    with pytest.raises(CarrierUnavailable) as error:
        await insist(Loaded(), script, "c1", pauses_secs=(0.01,))
    assert not error.value.nothing_done
    assert len(script.asked_at) == 2


async def test_calls_that_failed_together_do_not_ask_again_together():
    scripts = [Script(CarrierUnavailable("no answer"), "done") for _ in range(40)]
    await asyncio.gather(*(insist(Loaded(), one, "c1", pauses_secs=(0.4,)) for one in scripts))
    pauses = [one.asked_at[1] - one.asked_at[0] for one in scripts]
    assert min(pauses) >= 0.2
    assert max(pauses) - min(pauses) > 0.05


class Recording:
    """A carrier that takes the command to record as it is told, and notes the commands' ids."""

    name, mode, ignores_repeated_commands = "c", CALL_CONTROL, True

    def __init__(self, *answers):
        self.answers, self.ids = answers, []

    async def load(self):
        """Nothing."""

    async def start_recording(self, call_id, *, status_url, file_format, command_id):
        self.ids.append(command_id)
        answer = self.answers[min(len(self.ids), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("answers", "ids"),
    [
        ((busy(None), busy(None), "RE1"), 3),  # a refused command's id may count as a repetition
        ((CarrierUnavailable("no answer"), busy(None), "RE1"), 1),  # the first one may be under way
    ],
)
async def test_a_recording_that_may_have_begun_is_not_begun_twice(answers, ids):
    carrier = Recording(*answers)
    store = CallStore()
    call = store.open(carrier="c", carrier_call_id="v3:1")
    call.move(CallState.IN_PROGRESS, cause="answered")
    await change_recording(CallControl(call, carrier, store), "start")
    assert len(carrier.ids) == 3
    assert len(set(carrier.ids)) == ids


@pytest.mark.parametrize(
    ("dials", "dialled"),
    [
        ((busy(None), DialledCall("CA2")), 2),
        ((DialUncertain("no answer"), DialledCall("CA3")), 1),
    ],
)
async def test_a_colleague_is_called_again_only_where_no_phone_can_be_ringing(dials, dialled):
    carrier, store = FakeCarrier(dials=dials), CallStore()
    call = store.open(carrier="c", carrier_call_id="CA1", to_number="+12025550100")
    call.move(CallState.IN_PROGRESS, cause="answered")
    control = CallControl(call, carrier, store, way_back=Webhooks())
    await call_colleague(control, Target(name="ann", address="+12025550144", warm=True), "a cut")
    assert len(carrier.dialled) == dialled
