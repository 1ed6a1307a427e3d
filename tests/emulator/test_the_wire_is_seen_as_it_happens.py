"""Who watches a network sees every message between carrier and server, in order, with the answers."""

import json

import aiohttp
import pytest

from emulator import Digits, HangUp, PhoneNetwork, Wait
from emulator.faults import RestFault, WebhookFault
from emulator.phone.telling import LONGEST, Telling
from emulator.wire import Answered, Sent, Wire
from tests.fake_bot import FakeBot, Line

DOCUMENT = '<Connect><Stream url="wss://HOST/ws"/></Connect>'


async def talk(line: Line) -> None:
    await line.beep(100)
    await line.mark("one")
    await line.until("dtmf")
    await line.clear()
    await line.until_closed()


async def watched(script, faults=(), after=None, **options):
    seen: list[Sent | Answered] = []
    async with FakeBot(talk, {"/twilio/voice": DOCUMENT}) as bot, PhoneNetwork(faults=faults) as network:
        network.wire.watchers.append(seen.append)
        result = await network.call(bot.url, script, **options)
        if after is not None:
            await after(network, result)
    return seen, result


def told(seen):
    return [
        (one.channel, one.to_server, json.loads(one.text)["event"] if one.channel == "socket" else one.what)
        for one in seen
        if isinstance(one, Sent) and '"media"' not in one.text[:20]
    ]


async def test_a_call_is_seen_message_by_message():
    seen, result = await watched([Wait(0.3), Digits("5", after_reply=False), Wait(0.2), HangUp()])
    assert told(seen) == [
        ("webhook", True, "POST /twilio/voice"),
        ("socket", True, "connected"),
        ("socket", True, "start"),
        ("socket", False, "mark"),
        ("socket", True, "mark"),
        ("socket", True, "dtmf"),
        ("socket", False, "clear"),
        ("socket", True, "stop"),
        ("webhook", True, "POST /twilio/status"),
    ]
    assert [one.at for one in seen] == sorted(one.at for one in seen)
    media = [one for one in seen if isinstance(one, Sent) and '"event":"media"' in one.text]
    assert len(media) > 15 and all(one.call_id == result.report.call_id for one in media)
    document, callback = (one for one in seen if isinstance(one, Answered))
    assert (document.status, callback.status) == (200, 200) and "<Stream" in document.text
    (asked,) = (one for one in seen if isinstance(one, Sent) and one.what == "POST /twilio/voice")
    assert asked.number == document.number and f"CallSid={result.report.call_id}" in asked.text


async def test_requests_of_the_server_are_seen_with_their_answers_and_faults():
    async def ask(network: PhoneNetwork, result) -> None:
        account, token = network.credentials.twilio_account_sid, network.credentials.twilio_auth_token
        url = f"{network.rest_url}/2010-04-01/Accounts/{account}/Calls/{result.report.call_id}.json"
        async with aiohttp.ClientSession(auth=aiohttp.BasicAuth(account, token)) as http:
            for _ in range(2):
                async with http.post(url, data={"Status": "completed"}) as response:
                    await response.read()

    fault = RestFault("hang_up", requests=frozenset({1}), status=500)
    seen, _ = await watched([Wait(0.1), HangUp()], [fault], ask)
    sent = [one for one in seen if isinstance(one, Sent) and one.channel == "rest"]
    assert [one.what.startswith("hang_up: POST /2010-04-01/") for one in sent] == [True, True]
    assert all(one.text == "Status=completed" and not one.to_server for one in sent)
    first, second = (
        one for one in seen if isinstance(one, Answered) and one.number in {sent[0].number, sent[1].number}
    )
    assert first.status == 500 and "answered 500" in first.fault
    assert second.status == 400 and '"code": 21220' in second.text and not second.fault, "the call was over"


async def test_a_callback_that_goes_out_twice_is_seen_twice():
    seen, _ = await watched([Wait(0.1), HangUp()], [WebhookFault("status", twice=True)])
    assert told(seen).count(("webhook", True, "POST /twilio/status")) == 2


async def test_a_webhook_without_an_answer_is_seen_too():
    seen: list[Sent | Answered] = []
    async with PhoneNetwork() as network:
        network.wire.watchers.append(seen.append)
        with pytest.raises(Exception, match="nothing listens"):
            await network.call("http://127.0.0.1:9")
    assert {one.status for one in seen if isinstance(one, Answered)} == {0}


def test_nothing_is_made_where_nobody_watches():
    wire = Wire(lambda: pytest.fail("the time is asked"))
    wire.tap("CA1")(True, "{}")
    wire.answered(wire.sent("rest", False, "GET /", ""), 200, "")


# As rows for a page


def test_a_run_of_media_is_one_row_that_counts():
    now = 10.0
    telling = Telling(lambda: now)
    wire = Wire(lambda: now)
    wire.watchers.append(telling.wire)
    tap = wire.tap("CA1")
    media = json.dumps({"event": "media", "media": {"payload": "/" * 216}})
    for _ in range(3):
        tap(True, media)
    tap(False, media)
    tap(False, '{"event":"mark","mark":{"name":"a"}}')
    now = 10.02
    tap(False, media)
    rows = telling.taken()
    assert [(row["what"], row["to_server"], row.get("count")) for row in rows] == [
        ("media", True, 3),
        ("media", False, 1),
        ("mark", False, None),
        ("media", False, 1),
    ]
    assert rows[0]["bytes"] == 3 * 162
    assert len(rows[0]["text"]) < 100 and "…" in rows[0]["text"]
    assert rows[3]["t"] == 20 and telling.frames == {True: 3, False: 2}
    now = 11.0  # a pause ends the run
    tap(True, media)
    tap(True, media)
    (later,) = telling.taken()
    assert later["count"] == 2 and later["n"] != rows[0]["n"]


@pytest.mark.parametrize("raw", ["", "[]", "{", '{"event":7}', "[" * 100_000, "\x00", '"media"'])
def test_what_is_no_message_is_a_row_all_the_same(raw):
    telling = Telling(lambda: 0.0)
    telling.wire(Sent(1, 0.0, "socket", False, "", raw, "CA1"))
    (row,) = telling.taken()
    assert row["what"] == "?" and len(row["text"]) <= LONGEST + 40


def test_answers_name_their_request_and_how_long_it_took():
    telling = Telling(lambda: 5.0)
    telling.wire(Sent(7, 5.0, "webhook", True, "POST /x", "a=b"))
    telling.wire(Answered(7, 5.25, 200, "x" * 9000))
    request, answer = telling.taken()
    assert request["n"] == answer["of"] == 7 and answer["took"] == 250
    assert len(answer["text"]) < 5000 and "9000 characters" in answer["text"]
    assert telling.taken() == []
