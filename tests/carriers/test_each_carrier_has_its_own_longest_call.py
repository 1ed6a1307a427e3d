"""How long a call may last is a fact of its carrier: asked for beyond it, nobody is called, and the range is named."""

import pytest
from pydantic import ValidationError

from calls.dialler import Dialler
from calls.policy import DialPolicy, DialRefused
from calls.store import CallStore
from carriers.carrier import CarrierRejected, DialOrder, DialOut, StreamDocument
from carriers.telnyx.call_control import TelnyxCallControl
from carriers.telnyx.carrier import TelnyxCarrier
from carriers.twilio.carrier import TwilioCarrier
from conversation.agents.tables import Limits
from emulator import PhoneNetwork
from tests.rest_client import ACCOUNT

US, THEM = "+12025550100", "+12025550143"
TELNYX = (TelnyxCarrier, TelnyxCallControl)


def of(kind, url=None):
    if kind is TwilioCarrier:
        return TwilioCarrier(account_sid=ACCOUNT.twilio_account_sid, auth_token=ACCOUNT.twilio_auth_token)
    return kind(
        api_key=ACCOUNT.telnyx_api_key,
        account_sid=ACCOUNT.telnyx_account_id,
        connection_id=ACCOUNT.telnyx_connection_id,
        base_url=url and f"{url}/v2",
    )


@pytest.mark.parametrize(
    ("kind", "secs", "named"),
    [
        *((kind, 59, "60 to 14000 at Telnyx") for kind in TELNYX),
        *((kind, 14001, "60 to 14000 at Telnyx") for kind in TELNYX),
        (TwilioCarrier, 0, "1 to 14400 at Twilio"),
        (TwilioCarrier, 14401, "1 to 14400 at Twilio"),
    ],
)
async def test_a_length_that_the_carrier_does_not_take_is_refused_before_anybody_is_called(kind, secs, named):
    store = CallStore()
    request = DialOrder(THEM, US, time_limit_secs=secs)
    with pytest.raises(DialRefused, match=f"time_limit_secs must be {named}"):
        await Dialler(store, DialPolicy()).place(request, of(kind), None)
    assert store.list() == []


@pytest.mark.parametrize("kind", TELNYX)
async def test_the_emulated_carrier_takes_what_is_in_the_range_and_refuses_the_rest(kind):
    async with PhoneNetwork("telnyx") as network:
        carrier = of(kind, network.rest_url)
        try:
            for secs in (kind.call_secs[0], kind.call_secs[-1]):
                await carrier.dial(DialOut(THEM, US, StreamDocument("wss://h/ws"), time_limit_secs=secs))
            for secs in (kind.call_secs[0] - 1, kind.call_secs[-1] + 1, 14400):
                with pytest.raises(CarrierRejected, match="90029"):
                    await carrier.dial(DialOut(THEM, US, StreamDocument("wss://h/ws"), time_limit_secs=secs))
        finally:
            await carrier.aclose()


def test_an_agent_says_goodbye_before_any_carrier_ends_a_call_without_a_word():
    with pytest.raises(ValidationError, match="max_duration_secs"):
        Limits(max_duration_secs=14_401)
    assert all(Limits(max_duration_secs=14_000).max_duration_secs in kind.call_secs for kind in TELNYX)
