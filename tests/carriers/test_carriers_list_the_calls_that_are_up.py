"""Which calls of an account are up and ours: not those of other programs, nor those in which people talk."""

import base64
import json
from urllib.parse import parse_qsl, urlsplit

import pytest

from carriers.carrier import Direction
from carriers.checks import Addresses
from carriers.errors import CarrierError
from carriers.live_calls import ListsLiveCalls, LiveCall
from tests.fake_rest import Answer, call_control, fake_rest, telnyx, twilio

OURS = Addresses(
    "https://bot.example.com/x/voice", "https://bot.example.com/x/status", "https://bot.example.com/x/events"
)
THEIRS = "https://shop.example.org/voice"
NUMBER, OTHER, CALLER = "+14155550100", "+14155550199", "+12025550143"


def up(sid, **fields):
    call = {"sid": sid, "from": CALLER, "to": NUMBER, "direction": "inbound", "status": "in-progress"}
    return {**call, "parent_call_sid": None, **fields}


def calls(*found):
    return Answer.json(200, {"calls": list(found), "page": 0, "page_size": 1000})


def numbers(**by_number):
    listed = [{"phone_number": number, **fields} for number, fields in by_number.items()]
    return Answer.json(200, {"incoming_phone_numbers": listed, "page": 0, "page_size": 1000})


LEADS_HERE = numbers(**{NUMBER: {"voice_url": f"{OURS.voice}?agent=a"}, OTHER: {"voice_url": THEIRS}})


async def twilio_lists(*answers, caller_ids=()):
    async with fake_rest(*answers) as rest:
        carrier = twilio(rest.url)
        found = await carrier.live_calls(OURS, caller_ids)
        await carrier.aclose()
    return found, rest.requests


@pytest.mark.parametrize("build", [twilio, telnyx, call_control])
def test_all_of_them_can_list(build):
    assert isinstance(build("http://127.0.0.1:9"), ListsLiveCalls)


async def test_a_call_to_a_number_that_leads_here_is_ours():
    found, requests = await twilio_lists(calls(up("CA1"), up("CA2", to=OTHER)), calls(), LEADS_HERE)
    assert found == [LiveCall("CA1", Direction.INBOUND, CALLER, NUMBER)]
    listed, ringing, _ = (dict(parse_qsl(urlsplit(request.path).query)) for request in requests)
    assert (listed["Status"], ringing["Status"]) == ("in-progress", "ringing")
    assert {request.method for request in requests} == {"GET"}


async def test_when_nothing_is_up_nothing_more_is_asked():
    found, requests = await twilio_lists(calls())
    assert found == []
    assert len(requests) == 1


@pytest.mark.parametrize("status", ["in-progress", "ringing"])
async def test_a_caller_who_is_connected_with_somebody_is_left_alone(status):
    leg = up("CA9", parent_call_sid="CA1", direction="outbound-dial", to=OTHER, status=status)
    in_progress, ringing = ([up("CA1"), leg], []) if status == "in-progress" else ([up("CA1")], [leg])
    found, _ = await twilio_lists(calls(*in_progress), calls(*ringing), LEADS_HERE)
    assert found == []


async def test_a_call_that_was_placed_is_ours_only_from_a_number_that_we_call_from():
    placed = up("CA1", direction="outbound-api", **{"from": NUMBER, "to": CALLER})
    other = up("CA2", direction="outbound-api", **{"from": OTHER, "to": CALLER})
    answers = (calls(placed, other), calls(), LEADS_HERE)
    assert (await twilio_lists(*answers))[0] == []
    found, _ = await twilio_lists(*answers, caller_ids=(NUMBER, OTHER))
    assert found == [LiveCall("CA1", Direction.OUTBOUND, NUMBER, CALLER)]


async def test_what_counts_for_a_number_is_its_trunk_then_its_application_then_its_own_address():
    in_trunk = numbers(**{NUMBER: {"voice_url": OURS.voice, "trunk_sid": "TK1"}})
    assert (await twilio_lists(calls(up("CA1")), calls(), in_trunk))[0] == []
    by_application = numbers(**{NUMBER: {"voice_url": THEIRS, "voice_application_sid": "AP1"}})
    application = Answer.json(200, {"sid": "AP1", "voice_url": OURS.voice})
    found, _ = await twilio_lists(calls(up("CA1")), calls(), by_application, application)
    assert [one.id for one in found] == ["CA1"]


@pytest.mark.parametrize("answers", [(Answer(500),), (calls(up("CA1")), calls(), Answer(503))])
async def test_half_a_list_is_no_list(answers):
    with pytest.raises(CarrierError):
        await twilio_lists(*answers)


def state(**values):
    return base64.b64encode(json.dumps(values).encode()).decode()


def active(call_id, session, client_state=""):
    return {
        "record_type": "call",
        "call_control_id": call_id,
        "call_leg_id": f"leg-{call_id}",
        "call_session_id": session,
        "client_state": client_state,
        "call_duration": 50,
    }


def application(build, url):
    field = "webhook_event_url" if build is call_control else "voice_url"
    return Answer.json(200, {"data": {"id": "1234", field: url}})


def our_url(build):
    return OURS.events if build is call_control else OURS.voice


TELNYX = pytest.mark.parametrize("build", [telnyx, call_control])


@TELNYX
async def test_the_calls_of_an_application_that_leads_here_are_ours(build):
    listed = [
        active("v3:1", "s1"),
        active("v3:2", "s2", state(agent="sales")),
        active("v3:3", "s3"),  # these two talk with one another
        active("v3:4", "s3"),
        active("v3:5", "s5", state(phonebot_transfer_of="v3:9")),
        active("bad id", "s6"),
    ]
    async with fake_rest(application(build, our_url(build)), Answer.json(200, {"data": listed})) as rest:
        carrier = build(rest.url)
        found = await carrier.live_calls(OURS, ())
        await carrier.aclose()
    assert found == [LiveCall("v3:1"), LiveCall("v3:2", agent="sales")]
    assert urlsplit(rest.requests[1].path).path == "/v2/connections/1234/active_calls"


@TELNYX
async def test_the_calls_of_another_programs_application_are_not_ours(build):
    async with fake_rest(application(build, THEIRS)) as rest:
        carrier = build(rest.url)
        assert await carrier.live_calls(OURS, ()) == []
        await carrier.aclose()
    assert len(rest.requests) == 1


@TELNYX
async def test_a_long_list_is_read_to_its_end(build):
    first = [active(f"v3:{n}", f"s{n}") for n in range(250)]
    pages = (Answer.json(200, {"data": first}), Answer.json(200, {"data": [active("v3:last", "last")]}))
    async with fake_rest(application(build, our_url(build)), *pages) as rest:
        carrier = build(rest.url)
        assert len(await carrier.live_calls(OURS, ())) == 251
        await carrier.aclose()
    assert "page%5Bnumber%5D=2" in rest.requests[2].path or "page[number]=2" in rest.requests[2].path


@TELNYX
async def test_without_an_application_nothing_is_asked(build):
    async with fake_rest(Answer()) as rest:
        carrier = build(rest.url, connection_id=None)
        assert await carrier.live_calls(OURS, ()) == []
        await carrier.aclose()
    assert rest.requests == []
