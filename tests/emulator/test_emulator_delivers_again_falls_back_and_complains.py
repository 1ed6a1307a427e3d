"""What a carrier does when a server cannot be reached, is too slow or answers with an error."""

import asyncio
import socket
import time

import pytest
from aiohttp import web

from emulator import Credentials, PhoneNetwork, Wait
from emulator.account import Account, Application, OwnNumber
from emulator.carriers.twilio.dialect import REQUEST
from emulator.network import BOT_NUMBER
from emulator.report import make_report
from tests.fake_bot import FakeBot

NOWHERE = "http://127.0.0.1:9"
CONNECTION = Credentials().telnyx_connection_id
WAIT = (Wait(3),)


def server_error(status=500, *, times=100):
    """Answers with an error so often, and then with a document."""
    left = [times]

    async def answer(request: web.Request) -> web.Response:
        if left[0] > 0:
            left[0] -= 1
            return web.Response(status=status)
        return web.Response(text="<Response><Hangup/></Response>", content_type="text/xml")

    return answer


async def too_slow(request: web.Request) -> web.Response:
    await asyncio.sleep(3)
    return web.Response(text="<Response/>", content_type="text/xml")


async def call(carrier, documents, url="", **options):
    async with FakeBot(None, documents) as bot, PhoneNetwork(carrier) as network:
        options = {name: value.replace("HOST", bot.url) for name, value in options.items()}
        result = await network.call(url.replace("HOST", bot.url) or bot.url, WAIT, **options)
    return result, bot


# Another attempt


async def test_twilio_tries_a_connection_that_fails_once_more_and_calls_that_11205():
    documents = {"/twilio/voice": f"<Redirect>{NOWHERE}/next</Redirect>"}
    result, _ = await call("twilio", documents)
    assert [entry.text for entry in result.timeline.of("retry")] == [
        "POST /next is tried again: 11205 cannot connect to 127.0.0.1:9: Connection refused"
    ]
    assert result.report.errors == ["11205 cannot connect to 127.0.0.1:9: Connection refused"]
    assert not result.report.passed


async def test_a_second_attempt_that_is_answered_is_no_error():
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text="<Response><Hangup/></Response>", content_type="text/xml")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    late = socket.socket()
    late.bind(("127.0.0.1", 0))  # nobody listens yet, so that who comes is refused
    starting = []

    def start(entry):
        if entry.kind == "retry":
            late.listen()
            starting.append(asyncio.create_task(web.SockSite(runner, late).start()))

    documents = {"/twilio/voice": f"<Redirect>http://127.0.0.1:{late.getsockname()[1]}/next</Redirect>"}
    try:
        async with FakeBot(None, documents) as bot, PhoneNetwork("twilio") as network:
            result = await network.call(
                bot.url, WAIT, on_call=lambda call: call.timeline.listeners.append(start)
            )
    finally:
        await runner.cleanup()
    assert len(starting) == 1
    assert result.report.errors == []
    assert result.report.ended_by == "document"


async def test_a_connection_override_says_what_is_tried_again_and_the_attempts_are_the_same_request():
    documents = {
        "/twilio/voice": "<Redirect>/next?a=b#rc=3&amp;rp=5xx</Redirect>",
        "/next": server_error(times=2),
    }
    result, bot = await call("twilio", documents)
    attempts = [seen for seen in bot.seen if seen.path == "/next"]
    assert len(attempts) == 3
    assert len({(one.url, one.body) for one in attempts}) == 1
    for header in ("I-Twilio-Idempotency-Token", "X-Twilio-Signature"):
        assert len({one.headers[header] for one in attempts}) == 1
    assert "#" not in attempts[0].url
    assert result.report.errors == []


async def test_errors_are_not_tried_again_unless_an_override_says_so():
    documents = {"/twilio/voice": "<Redirect>/next</Redirect>", "/next": server_error(times=1)}
    result, bot = await call("twilio", documents)
    assert bot.paths().count("/next") == 1
    assert result.report.errors == ["11200 /next answered HTTP 500, not 200"]


async def test_an_answer_that_takes_longer_than_the_override_allows_is_11205():
    documents = {"/twilio/voice": "<Redirect>/next#tt=400</Redirect>", "/next": too_slow}
    result, bot = await call("twilio", documents)
    assert bot.paths().count("/next") == 1
    assert result.report.errors == ["11205 /next did not answer in time"]


@pytest.mark.parametrize("fragment", ["rc=6", "ct=99", "rp=3xx", "rc=many", "x=1"])
async def test_an_override_that_cannot_be_is_told(fragment):
    documents = {"/twilio/voice": f"<Redirect>/next#{fragment}</Redirect>", "/next": "<Hangup/>"}
    result, _ = await call("twilio", documents)
    assert result.report.errors == [f"{fragment!r} behind the # of /next is no connection override"]


def test_the_defaults_are_the_documented_ones():
    assert (REQUEST.connect_secs, REQUEST.answer_secs, REQUEST.total_secs) == (
        5.0,
        15.0,
        15.0,
    )
    assert (len(REQUEST.pauses), REQUEST.policy) == (1, {"ct"})
    changed, wrong = REQUEST.overridden("ct=2000&rt=3000&tt=4000&rc=5&rp=all&e=dublin")
    assert wrong == []
    assert (changed.connect_secs, changed.answer_secs, changed.total_secs) == (2.0, 3.0, 4.0)
    assert (len(changed.pauses), changed.policy) == (5, {"ct", "rt", "4xx", "5xx"})


# The fallback address


@pytest.mark.parametrize(
    ("next_", "code", "url"),
    [
        (server_error(), "11200", "/next"),
        (server_error(404), "11200", "/next"),
        ("<Nonsense/>", "12100", "/next"),
        (None, "11205", f"{NOWHERE}/next"),
    ],
)
async def test_twilio_asks_the_fallback_address_and_says_why(next_, code, url):
    documents = {
        "/twilio/voice": f"<Redirect>{url}</Redirect>",
        "/backup": "<Say>Please hold.</Say><Hangup/>",
    } | ({"/next": next_} if next_ else {})
    result, bot = await call("twilio", documents, fallback_url="HOST/backup")
    (asked,) = [seen for seen in bot.seen if seen.path == "/backup"]
    assert asked.method == "POST"
    assert asked.form["CallSid"] == result.report.call_id
    assert asked.form["ErrorCode"] == code
    assert asked.form["ErrorUrl"] == (url if "//" in url else f"{bot.url}{url}")
    (error,) = result.report.errors
    assert error.startswith(code)
    assert result.timeline.of("say")


async def test_a_number_whose_server_is_down_is_answered_by_its_fallback():
    result, bot = await call(
        "twilio", {"/backup": "<Hangup/>"}, f"{NOWHERE}/voice", fallback_url="HOST/backup"
    )
    assert bot.seen[0].form["ErrorUrl"] == f"{NOWHERE}/voice"
    assert bot.seen[0].form["ErrorCode"] == "11205"
    assert result.report.answered


async def test_a_fallback_that_fails_too_ends_the_call():
    documents = {"/twilio/voice": server_error(), "/backup": server_error(503)}
    result, bot = await call("twilio", documents, fallback_url="HOST/backup")
    assert bot.paths().count("/backup") == 1
    assert [error[:5] for error in result.report.errors] == ["11200", "11200"]
    assert result.report.ended_by == "error"


async def test_without_a_fallback_address_the_call_ends():
    result, _ = await call("twilio", {"/twilio/voice": server_error()})
    assert result.report.ended_by == "error"


@pytest.mark.parametrize("voice", [server_error(), None])
async def test_telnyx_asks_the_failover_address_in_the_voice_addresss_place_and_tells_no_error(voice):
    url = "HOST/telnyx/voice" if voice else f"{NOWHERE}/voice"
    documents = {"/backup": "<Hangup/>"} | ({"/telnyx/voice": voice} if voice else {})
    result, bot = await call("telnyx", documents, url, fallback_url="HOST/backup")
    asked = bot.seen[-1]
    assert (asked.method, asked.path) == ("GET", "/backup")
    assert "ErrorCode" not in asked.form
    assert asked.form["CallSid"] == result.report.call_id


@pytest.mark.parametrize(
    "documents",
    [
        {"/telnyx/voice": "<Redirect>/next</Redirect>", "/next": server_error()},
        {"/telnyx/voice": "<Nonsense/>"},
    ],
)
async def test_telnyx_is_not_documented_to_do_so_for_anything_else(documents):
    result, bot = await call("telnyx", documents | {"/backup": "<Hangup/>"}, fallback_url="HOST/backup")
    assert "/backup" not in bot.paths()
    assert result.report.ended_by == "error"


async def test_an_event_that_is_not_taken_goes_to_the_failover_address_of_the_application():
    own = Account(
        [OwnNumber(BOT_NUMBER, application=CONNECTION)],
        applications=[Application(CONNECTION, "call_control")],
    )
    documents = {"/telnyx/events": server_error(404), "/backup": ""}
    async with FakeBot(None, documents) as bot, PhoneNetwork("telnyx", account=own) as network:
        own.applications[0].fallback = f"{bot.url}/backup"
        result = await network.call(bot.url, WAIT, mode="call_control", gives_up_secs=0.5)
    assert bot.paths() == ["/telnyx/events", "/backup"] * 2
    assert [entry.kind for entry in result.timeline.entries].count("retry") == 2
    assert not [error for error in result.report.errors if "was not taken" in error]


# Callbacks


@pytest.mark.parametrize(("carrier", "code"), [("twilio", "15003 "), ("telnyx", "")])
async def test_a_callback_that_is_answered_with_an_error_is_an_error_of_the_call(carrier, code):
    documents = {f"/{carrier}/voice": "<Hangup/>", "/told/status": server_error(403)}
    result, bot = await call(carrier, documents, status_callback="HOST/told/status")
    assert bot.paths().count("/told/status") == 1
    (error,) = result.report.errors
    assert error.startswith(
        f"{code}status callback completed: /told/status answered HTTP 403: if it is the signature"
    )
    assert error in result.report.shortcomings


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_a_callback_that_nobody_takes_is_an_error_of_the_call(carrier):
    documents = {f"/{carrier}/voice": "<Hangup/>"}
    begin = time.monotonic()
    result, _ = await call(carrier, documents, status_callback=f"{NOWHERE}/status")
    (error,) = result.report.errors
    assert error.startswith("status callback completed: not delivered (11205 cannot connect to 127.0.0.1:9")
    retries = {"twilio": 1, "telnyx": 3}[carrier]
    assert len(result.timeline.of("retry")) == retries
    assert (time.monotonic() - begin > 3) == (carrier == "telnyx")


async def test_telnyx_sends_a_callback_again_that_is_answered_with_a_servers_error():
    documents = {"/telnyx/voice": "<Hangup/>", "/told/status": server_error(503, times=2)}
    result, bot = await call("telnyx", documents, status_callback="HOST/told/status")
    attempts = [seen for seen in bot.seen if seen.path == "/told/status"]
    assert len(attempts) == 3
    assert len({one.body for one in attempts}) == 1
    assert result.report.errors == []


async def test_twilio_does_not_send_a_callback_again_that_was_answered():
    documents = {"/twilio/voice": "<Hangup/>", "/told/status": server_error(503, times=2)}
    result, bot = await call("twilio", documents, status_callback="HOST/told/status")
    assert bot.paths().count("/told/status") == 1
    assert result.report.errors == ["15003 status callback completed: /told/status answered HTTP 503"]


@pytest.mark.parametrize(("carrier", "taken"), [("twilio", True), ("telnyx", False)])
async def test_nothing_but_200_takes_a_callback_of_telnyx(carrier, taken):
    documents = {f"/{carrier}/voice": "<Hangup/>", "/told/status": server_error(204)}
    result, _ = await call(carrier, documents, status_callback="HOST/told/status")
    assert (result.report.errors == []) == taken


async def test_a_call_with_such_an_error_is_not_a_good_one():
    async with FakeBot(None, {"/twilio/voice": "<Hangup/>", "/told/status": server_error()}) as bot:
        calls = []
        async with PhoneNetwork("twilio") as network:
            result = await network.call(
                bot.url, WAIT, status_callback=f"{bot.url}/told/status", on_call=calls.append
            )
    assert make_report(calls[0]).errors == result.report.errors != []
    assert not result.report.passed
