"""A number is a number wherever it comes from: webhooks, streams, parameters, events."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.store import CallStore
from carriers.carrier import Form
from carriers.numbers import phone_number
from carriers.telnyx.call_control import TelnyxCallControl
from carriers.telnyx.carrier import TelnyxCarrier
from carriers.twilio.carrier import TwilioCarrier
from conversation.agents.files import load_agent
from conversation.local.dialogue.state import Script
from conversation.lookup import who_calls
from settings import load_settings
from tests.fake_rest import Answer, fake_rest, telnyx, twilio
from tests.web_service import write_agents

WITHHELD = [
    "anonymous", "Anonymous", "ANONYMOUS", "unknown", "Restricted", "private", "blocked", "unavailable", "", " ",
    "+", None,
    "+266696687", "266696687", "+7378742833", "+2562533", "+8566696", "+8656696", "8656696", "+86282452253", "+1",
    "sip:@example.com", "+0000000000", "0000000000",
    "+1 000 000 0000", "sip:anonymous@anonymous.invalid", "sip:anonymous@example.com", "anonymous@sip.example.com",
    "sip:%61nonymous@example.com", "sip:%2B266696687@example.com",
    "client:ann", "7", "not a number", "+12025550143x", "+" + "1" * 400, 12025550143, ["+12025550143"],
    "２０２５５５０１４３",
    "310000010", "+310000010",
]  # fmt: skip


@pytest.mark.parametrize("value", WITHHELD)
def test_a_withheld_number_is_none(value):
    assert phone_number(value) is None


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+12025550143", "+12025550143"),
        ("12025550143", "+12025550143"),
        (" 12025550143", "+12025550143"),
        ("2025550143", "+12025550143"),
        ("+1 (202) 555-0143", "+12025550143"),
        ("tel:+12025550143", "+12025550143"),
        ("442079460123", "+442079460123"),
        ("4930901820", "+4930901820"),
        ("sip:ann@example.com", "sip:ann@example.com"),
        ("ann@sip.example.com", "sip:ann@sip.example.com"),
        ("sips:ann@example.com:5061;transport=tls", "sips:ann@example.com:5061;transport=tls"),
    ],
)
def test_a_number_without_its_plus_is_read_as_e164(written, number):
    assert phone_number(written) == number


@given(st.text() | st.from_regex(r"\+?[0-9() .-]{0,40}", fullmatch=True) | st.none() | st.integers())
def test_whatever_is_told_is_a_number_or_none(value):
    found = phone_number(value)
    assert found is None or found.startswith(("+", "sip")) or "sip" in found.casefold()
    assert found is None or phone_number(found) == found


@pytest.mark.parametrize("value", ["anonymous", "+266696687", "12025550143"])
def test_webhooks_streams_and_events_decide_alike(value):
    expected = phone_number(value)
    form = {"CallSid": "CA1", "From": value, "To": "12025550100"}
    body = "&".join(f"{name}={text.replace('+', '%2B')}" for name, text in form.items())
    for carrier in (TwilioCarrier(), TelnyxCarrier()):
        incoming = carrier.parse_incoming(Form.parse(body))
        assert (incoming.from_number, incoming.to_number) == (expected, "+12025550100")
    payload = {"call_control_id": "v3:1", "from": value, "to": "12025550100", "direction": "incoming"}
    data = {"event_type": "call.initiated", "id": "e", "payload": payload}
    incoming = TelnyxCallControl().parse_event(json.dumps({"data": data}).encode()).incoming
    assert (incoming.from_number, incoming.to_number) == (expected, "+12025550100")
    call = CallStore().open(
        carrier="twilio", carrier_call_id="CA1", from_number=value, to_number="12025550100"
    )
    assert (call.from_number, call.to_number) == (expected, "+12025550100")


@pytest.mark.parametrize("value", ["anonymous", "+266696687", "12025550143"])
async def test_a_carrier_that_is_asked_for_a_caller_is_understood_alike(value):
    shown = {"sid": "CA1", "from": value, "to": "12025550100", "status": "in-progress"}
    async with fake_rest(Answer.json(200, shown)) as rest:
        carrier = twilio(rest.url)
        call = CallStore().open(carrier="twilio", carrier_call_id="CA1", agent="receptionist")
        await who_calls(call, carrier, load_settings())
        await carrier.aclose()
    assert (call.from_number, call.to_number) == (phone_number(value), "+12025550100")
    async with fake_rest(Answer.json(200, {"calls": [shown], "page": 0, "page_size": 20})) as rest:
        carrier = telnyx(rest.url)
        (listed,) = await carrier.find_recent_call("+12025550100", "+12025550143", datetime.now(UTC))
        await carrier.aclose()
    assert (listed.from_number, listed.to_number) == (phone_number(value), "+12025550100")


@pytest.mark.parametrize("number", ["", "sip:12345678@example.com"])
def test_only_a_number_is_offered_for_calling_back(tmp_path, number):
    agent = load_agent("receptionist", write_agents(tmp_path / "agents"))
    script = Script(agent, frozenset(), agent.call_variables(caller_number=number))
    assert script.caller_number == ""
