"""The leg to a colleague says itself which caller it is for, wherever its session runs, and no stranger can."""

import pytest

from calls.call import Call
from calls.carried import carry, read_carried
from calls.colleague import PRIVATE_PARAMETERS, Colleague
from calls.store import CallStore
from carriers.carrier import Direction
from desk.call_addresses import OURS
from tests.calls_on_disk import store_on

ABOUT = Colleague(for_call="call_1", peer="CA1", destination="front-desk", about="Ann calls about shoes.")


def colleagues_call(store):
    return store.dial_out(
        carrier="c", from_number="+12025550100", to_number="+12025550111", parameters=ABOUT.as_parameters()
    )


def test_what_it_is_about_is_read_from_its_call():
    assert Colleague.of(colleagues_call(CallStore())) == ABOUT


@pytest.mark.parametrize("parameters", [{}, {"about": "x"}, {"role": "caller", "for_call": "call_1"}])
def test_another_call_is_about_nobody(parameters):
    assert Colleague.of(Call("c", "CA1", Direction.OUTBOUND, parameters=parameters)) is None


async def test_the_database_keeps_it(tmp_path):
    async with store_on(tmp_path / "calls.db") as store:
        call = colleagues_call(store)
    async with store_on(tmp_path / "calls.db") as later:
        assert Colleague.of(await later.fetch(call.id)) == ABOUT


def test_it_is_carried_to_a_host_that_shares_no_store():
    call = colleagues_call(CallStore())
    carried = read_carried(carry(call, "s" * 32), "s" * 32, "CA2")
    assert carried.parameters == ABOUT.as_parameters()


def test_names_of_parameters_that_make_a_leg_to_a_colleague_are_ours_alone():
    assert ABOUT.as_parameters().keys() < PRIVATE_PARAMETERS < OURS
