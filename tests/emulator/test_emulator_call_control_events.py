"""Events are retried, doubled, delayed and shuffled, as Telnyx says that they may be."""

import asyncio
from datetime import UTC, datetime

import pytest
from aiohttp import web

from emulator import Credentials
from emulator.carriers.telnyx.control.events import Event, EventFeed, WebhookAddress, retry_policies
from emulator.legs.delivery import EventHabits
from emulator.timeline import Timeline
from tests.fake_bot import FakeBot


class Server:
    """Answers events with what is in `answers`, then with 200."""

    def __init__(self, *answers, slow=0.0):
        self.answers = list(answers)
        self.slow = slow
        self.events = []

    async def __call__(self, request: web.Request) -> web.Response:
        self.events.append(await request.json())
        if self.slow:
            slow, self.slow = self.slow, 0.0
            await asyncio.sleep(slow)
        return web.Response(status=self.answers.pop(0) if self.answers else 200)


def event(number=0):
    payload = {"call_control_id": "v3:x", "call_session_id": "s", "number": number}
    return Event.new("call.answered", payload, datetime.now(UTC))


async def deliver(server, habits=None, events=1, retries=None):
    """Send events to a server; returns the complaints."""
    complaints = []
    async with FakeBot(None, {"/events": server}) as bot:
        feed = EventFeed(Credentials().telnyx_key, habits)
        address = WebhookAddress(
            bot.url + "/events", retries={} if retries is None else {"call.answered": retries}
        )
        for number in range(events):
            feed.post(event(number), address, Timeline(), complaints.append)
            await asyncio.sleep(0.02)
        await feed.settle(20)
        await feed.aclose()
    return complaints


@pytest.mark.parametrize("status", [500, 503, 408, 429, 302])
async def test_an_event_that_is_not_taken_is_sent_again(status):
    server = Server(status)
    assert await deliver(server, retries=[0.05]) == []
    assert [one["meta"]["attempt"] for one in server.events] == [1, 2]
    assert server.events[0]["data"] == server.events[1]["data"]


@pytest.mark.parametrize("status", [400, 401, 404])
async def test_an_event_that_is_refused_is_not_sent_again(status):
    server = Server(status)
    (complaint,) = await deliver(server, retries=[0.05])
    assert f"HTTP {status}" in complaint
    assert len(server.events) == 1


async def test_an_event_without_an_answer_within_two_seconds_is_sent_again():
    server = Server(slow=2.5)
    assert await deliver(server, retries=[0.05]) == []
    assert [one["meta"]["attempt"] for one in server.events] == [1, 2]


async def test_an_event_is_given_up_in_the_end():
    server = Server(500, 500, 500, 500, 500)
    (complaint,) = await deliver(server, retries=[0.02, 0.02])
    assert "was not taken" in complaint
    assert len(server.events) == 3


async def test_events_can_be_doubled():
    server = Server()
    await deliver(server, EventHabits(doubled=1.0), events=2)
    ids = [one["data"]["id"] for one in server.events]
    assert (len(ids), len(set(ids))) == (4, 2)


async def test_events_can_come_out_of_order():
    server = Server()
    await deliver(server, EventHabits(out_of_order=1.0), events=4)
    assert [one["data"]["payload"]["number"] for one in server.events] == [1, 0, 3, 2]


async def test_the_same_seed_does_the_same():
    orders = []
    for _ in range(2):
        server = Server()
        await deliver(server, EventHabits(doubled=0.5, out_of_order=0.3, seed=7), events=8)
        orders.append([one["data"]["payload"]["number"] for one in server.events])
    assert orders[0] == orders[1]
    assert len(orders[0]) > 8
    assert orders[0] != sorted(orders[0])


async def test_events_can_be_late():
    server = Server()
    begin = asyncio.get_running_loop().time()
    await deliver(server, EventHabits(delay_secs=1.0, seed=3), events=3)
    assert 0.2 <= asyncio.get_running_loop().time() - begin <= 2.0
    assert len(server.events) == 3


def test_retry_policies_are_read_as_documented():
    assert retry_policies({"call.hangup": {"retries_ms": [500, 1000]}}) == {"call.hangup": [0.5, 1.0]}
    for bad in ([], {"x": {}}, {"x": {"retries_ms": [1] * 6}}, {"x": {"retries_ms": [60_001]}}):
        with pytest.raises(ValueError):
            retry_policies(bad)
