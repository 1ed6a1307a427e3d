"""Carriers misbehave on demand: REST that fails, webhooks that get lost, media sockets that break."""

import asyncio
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
import numpy as np
import pytest

from emulator import Credentials, PhoneNetwork, Wait
from emulator.carriers import CARRIERS
from emulator.faults import Faults, MediaFault, RestFault, WebhookFault
from emulator.line.caller import Manners
from emulator.requests import RequestLog
from tests.fake_bot import FakeBot, Line

ACCOUNT = Credentials()
QUICK = Manners(patience=0.2, goodbye_timeout=2.0)
STREAM = '<Connect><Stream url="wss://HOST/ws" bidirectionalMode="rtp" enableReconnect="false"/></Connect>'


async def hang_up(network: PhoneNetwork, call_id: str, *, timeout_secs: float = 5.0) -> tuple[int, str]:
    """A bot's hang-up; its answer's status (0 without one) and text."""
    timeout = aiohttp.ClientTimeout(total=timeout_secs)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        if network.dialect.name == "twilio":
            account = ACCOUNT.twilio_account_sid
            url = f"{network.rest_url}/2010-04-01/Accounts/{account}/Calls/{call_id}.json"
            auth = aiohttp.BasicAuth(account, ACCOUNT.twilio_auth_token)
            request = session.post(url, data={"Status": "completed"}, auth=auth)
        else:
            url = f"{network.rest_url}/v2/calls/{call_id}/actions/hangup"
            request = session.post(url, headers={"Authorization": f"Bearer {ACCOUNT.telnyx_api_key}"})
        try:
            async with request as response:
                return response.status, await response.text()
        except (TimeoutError, aiohttp.ClientError) as error:
            return 0, type(error).__name__


async def call(carrier, talk, faults, *, documents=None):
    async with PhoneNetwork(carrier, faults=faults) as network:

        async def speak(line: Line) -> None:
            await talk(line, network)

        async with FakeBot(speak, {f"/{carrier}/voice": STREAM} | (documents or {})) as bot:
            result = await network.call(bot.url, [Wait(30)], manners=QUICK)
        return result, bot, network


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
@pytest.mark.parametrize(
    ("fault", "status", "has"),
    [
        ({"status": 500}, 500, "{"),
        ({"status": 429}, 429, "Too"),
        ({"status": 401}, 401, "uthenticat"),
        ({"status": 404}, 404, "not found"),
        ({"html": True}, 502, "<html>"),
        ({"html": True, "status": 200}, 200, "<html>"),
    ],
)
async def test_a_request_is_answered_with_an_error_and_nothing_is_done(carrier, fault, status, has):
    answers = []

    async def talk(line, network):
        for _ in range(2):
            answers.append(await hang_up(network, line.call_id))

    faults = [RestFault("hang_up", frozenset({1}), **fault)]
    result, _, network = await call(carrier, talk, faults)
    assert answers[0][0] == status
    assert has in answers[0][1] or has.title() in answers[0][1]
    assert answers[1][0] == 200
    assert result.report.errors == []
    assert [(one.verb, one.status) for one in network.requests.entries] == [
        ("hang_up", status),
        ("hang_up", 200),
    ]


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_carrier_that_has_enough_says_when_to_ask_again(carrier):
    """RFC 9110, section 10.2.3."""
    headers = []

    async def talk(line, network):
        path = "/2010-04-01/Accounts/AC1/Calls.json" if carrier == "twilio" else "/v2/calls"
        async with aiohttp.ClientSession() as http, http.post(network.rest_url + path) as response:
            headers.append((response.status, response.headers.get("Retry-After")))
        await hang_up(network, line.call_id)

    await call(carrier, talk, [RestFault("dial", status=429, retry_after_secs=3)])
    await call(carrier, talk, [RestFault("dial", status=429, retry_after_secs=60, retry_at=True)])
    seconds, (status, date) = headers
    assert seconds == (429, "3")
    assert status == 429
    assert 50 < (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds() <= 60


async def test_an_answer_that_is_lost_was_done_all_the_same():
    async def talk(line, network):
        status, _ = await hang_up(network, line.call_id)
        assert status == 0
        await line.until_closed()

    result, _, network = await call("telnyx", talk, [RestFault("hang_up", lost=True)])
    assert result.report.ended_by == "bot"
    assert network.requests.entries[0].fault == "done, but the answer is lost"


async def test_a_carrier_that_says_nothing_did_nothing_and_a_slow_or_late_one_did():
    seconds, answers = [], []

    async def talk(line, network):
        for timeout in (0.3, 5.0, 5.0):
            begin = time.monotonic()
            answers.append((await hang_up(network, line.call_id, timeout_secs=timeout))[0])
            seconds.append(time.monotonic() - begin)
            if len(answers) == 1:
                assert not line.socket.closed

    faults = [
        RestFault("hang_up", frozenset({1}), silent_secs=30),
        RestFault("hang_up", frozenset({2}), late_secs=0.4),
        RestFault("hang_up", slow_secs=0.2),
    ]
    result, _, _ = await call("twilio", talk, faults)
    assert answers == [0, 200, 400]  # the third one comes after the end
    assert seconds[0] < 1.5
    assert seconds[1] >= 0.4
    assert seconds[2] >= 0.2
    over = result.timeline.of("hang_up")[0].at_ms
    assert result.report.ended_by == "bot"
    assert over < (seconds[0] + seconds[1]) * 1000 + 200


@pytest.mark.parametrize(
    ("fault", "times"),
    [({"twice": True}, 2), ({"lost": True}, 0), ({"late_secs": 0.5}, 1), ({}, 1)],
)
async def test_a_status_callback_comes_twice_late_or_never(fault, times):
    async def talk(line, network):
        await line.beep(100)
        await asyncio.sleep(0.2)

    result, bot, _ = await call("twilio", talk, [WebhookFault("status", **fault)])
    assert bot.paths().count("/twilio/status") == times
    callbacks = result.timeline.of("callback")
    assert len(callbacks) == times
    if "late_secs" in fault:
        assert callbacks[0].at_ms - result.timeline.of("hang_up")[0].at_ms >= 450


async def test_webhooks_change_places():
    documents = {
        "/s": "",
        "/twilio/voice": STREAM.replace("<Stream", '<Stream statusCallback="http://HOST/s"'),
    }

    async def talk(line, network):
        await asyncio.sleep(0.3)

    fault = WebhookFault("started", swapped=True)
    _, bot, _ = await call("twilio", talk, [fault], documents=documents)
    assert [seen.form["StreamEvent"] for seen in bot.seen if seen.path == "/s"] == [
        "stream-stopped",
        "stream-started",
    ]


async def test_a_media_socket_breaks_when_it_is_told_to():
    async def talk(line, network):
        await line.until_closed()

    result, _, _ = await call("telnyx", talk, [MediaFault(cut_after_secs=0.4)])
    closed = result.timeline.of("socket_closed")[0]
    assert 350 <= closed.at_ms <= 4000
    assert result.report.errors == ["the media socket broke (close code 1006)"]


async def test_marks_get_lost_or_come_late():
    came = []

    async def talk(line, network):
        begin = time.monotonic()
        await line.beep(100)
        await line.mark("m")
        try:
            async with asyncio.timeout(1.2):
                came.append((await line.until("mark"), time.monotonic() - begin))
        except TimeoutError:
            came.append((None, 0))

    await call("twilio", talk, [MediaFault(marks_lost=True)])
    await call("twilio", talk, [MediaFault(marks_late_secs=0.6)])
    assert came[0][0] is None
    assert came[1][0]["mark"]["name"] == "m"
    assert came[1][1] >= 0.6


async def test_chance_is_the_same_with_the_same_seed():
    async def outcome(seed: int) -> list[bool]:
        faults, failed = Faults([WebhookFault(lost=True, chance=0.5)], seed=seed), []

        async def send() -> None:
            failed[-1] = False

        for _ in range(20):
            failed.append(True)
            await faults.deliver("status callback", send)
        return failed

    assert await outcome(1) == await outcome(1) != await outcome(2)
    assert 3 < sum(await outcome(1)) < 17


@pytest.mark.parametrize(
    ("method", "path", "fields", "verb"),
    [
        ("POST", "/2010-04-01/Accounts/AC1/Calls/CA1.json", {"Status": "completed"}, "hang_up"),
        ("POST", "/2010-04-01/Accounts/AC1/Calls/CA1.json", {"Status": "canceled"}, "cancel"),
        (
            "POST",
            "/2010-04-01/Accounts/AC1/Calls/CA1.json",
            {"Twiml": "<Response><Dial>1</Dial>"},
            "transfer",
        ),
        ("POST", "/2010-04-01/Accounts/AC1/Calls/CA1.json", {"Twiml": "<Dial><Conference>"}, "conference"),
        ("POST", "/2010-04-01/Accounts/AC1/Calls/CA1.json", {"Twiml": '<Play digits="1"/>'}, "digits"),
        ("POST", "/2010-04-01/Accounts/AC1/Calls/CA1.json", {"Url": "https://x"}, "update"),
        ("POST", "/2010-04-01/Accounts/AC1/Calls.json", {}, "dial"),
        ("GET", "/2010-04-01/Accounts/AC1/Calls.json", {}, "list"),
        ("GET", "/2010-04-01/Accounts/AC1/Calls/CA1.json", {}, "fetch"),
        ("POST", "/2010-04-01/Accounts/AC1/Calls/CA1/Recordings.json", {}, "record_start"),
        (
            "POST",
            "/2010-04-01/Accounts/AC1/Calls/CA1/Recordings/RE1.json",
            {"Status": "paused"},
            "record_pause",
        ),
        ("POST", "/v2/calls", {}, "dial"),
        ("GET", "/v2/calls/v3:x", {}, "fetch"),
        ("POST", "/v2/calls/v3:x/actions/hangup", {}, "hang_up"),
        ("POST", "/v2/calls/v3:x/actions/bridge", {}, "connect"),
        ("POST", "/v2/calls/v3:x/actions/send_dtmf", {}, "digits"),
        ("POST", "/v2/calls/v3:x/actions/record_pause", {}, "record_pause"),
        ("POST", "/v2/texml/Accounts/1/Calls", {}, "dial"),
        ("POST", "/v2/texml/Accounts/1/Calls/v3:x", {"Texml": "<Refer><Sip>"}, "refer"),
        ("POST", "/v2/texml/Accounts/1/Calls/v3:x/Recordings/r.json", {"Status": "stopped"}, "record_stop"),
    ],
)
def test_requests_have_the_same_names_on_both_carriers(method, path, fields, verb):
    log = RequestLog(interfaces=list(CARRIERS.values()))
    assert log.interface_of(path).verb_of(method, path, fields) == verb


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
@pytest.mark.parametrize("sends", ["nothing", "silence"])
async def test_a_call_to_which_no_audio_is_sent_is_ended(carrier, sends):
    async def talk(line, network):
        if sends == "silence":
            await line.play(np.zeros(160, dtype=np.int16))
        await line.until_closed()

    result, _, _ = await call(carrier, talk, [MediaFault(silent_ends_secs=0.4)])
    ended = bool([entry for entry in result.timeline.of("fault") if "no audio was sent" in entry.text])
    assert ended is (sends == "nothing")
    assert result.report.ended_by == ("error" if ended else "caller")
    if ended:
        assert 350 <= result.timeline.of("hang_up")[0].at_ms <= 4000
