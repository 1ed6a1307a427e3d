"""The emulator obeys TwiML and TeXML as the carriers do: fall-through, action, redirects, refusals."""

import asyncio
import time

import pytest
from aiohttp import web

from emulator import CannotReach, EmulatorError, HangUp, PhoneNetwork, Wait, tone
from emulator.documents.parsing import MarkupError, parse_document
from emulator.legs.addressing import parse_target, socket_address
from emulator.legs.stream import StreamRefused
from tests.fake_bot import FakeBot, Line

VERBS = frozenset({"Connect", "Say", "Pause", "Hangup"})
SILENT = (Wait(4),)
STREAM = '<Stream url="wss://HOST/ws" bidirectionalMode="rtp"/>'


async def leave(line: Line) -> None:
    await line.beep(60)
    await line.mark("m")
    await line.until("mark")


async def call(
    documents, carrier="twilio", script=SILENT, talk=leave, speak=None, content_type="text/xml", **options
):
    documents = documents if isinstance(documents, dict) else {f"/{carrier}/voice": documents}
    async with (
        FakeBot(talk, documents, content_type=content_type) as bot,
        PhoneNetwork(carrier, speak=speak) as network,
    ):
        return await network.call(bot.url, script, **options), bot


async def test_the_voice_webhook_of_twilio_has_the_standard_form():
    result, bot = await call("<Hangup/>")
    form = bot.seen[0].form
    assert bot.seen[0].method == "POST"
    assert form["CallSid"] == result.report.call_id
    assert form["CallSid"].startswith("CA")
    assert len(form["CallSid"]) == 34
    expected = {
        "AccountSid": "AC00000000000000000000000000000001",
        "ApiVersion": "2010-04-01",
        "CallStatus": "ringing",
        "Direction": "inbound",
        "From": "+12025550143",
        "Caller": "+12025550143",
        "To": "+12025550100",
        "Called": "+12025550100",
        "FromCity": "",
        "ToZip": "",
    }
    assert {name: form[name] for name in expected} == expected


async def test_the_instruction_fetch_of_telnyx_has_its_documented_form_and_comes_after_the_answer():
    result, bot = await call("<Hangup/>", "telnyx")
    form = bot.seen[0].form
    assert form["CallSid"] == form["CallSidLegacy"] == result.report.call_id
    assert form["CallStatus"] == "in-progress"
    assert form["ConnectionId"] == "1000000000000000001"
    assert form["CallerId"] == form["From"] == "+12025550143"
    kinds = [entry.kind for entry in result.timeline.entries]
    assert kinds.index("answered") < kinds.index("webhook")


async def test_the_end_of_the_call_is_reported_to_the_status_route():
    result, bot = await call(f"<Connect>{STREAM}</Connect>", "twilio")
    status = bot.seen[-1]
    assert status.path == "/twilio/status"
    assert status.form["CallStatus"] == "completed"
    assert status.form["CallbackSource"] == "call-progress-events"
    assert result.report.errors == []
    result, bot = await call(f"<Connect>{STREAM}</Connect>", "telnyx")
    assert bot.seen[-1].path == "/telnyx/status"
    assert bot.seen[-1].form["CallControlId"] == result.report.call_id
    assert bot.seen[-1].form["HangupSource"] == "callee"


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_when_the_bot_closes_its_socket_the_next_verb_runs_and_the_documents_end_ends_the_call(carrier):
    result, bot = await call(f"<Connect>{STREAM}</Connect><Connect>{STREAM}</Connect>", carrier)
    assert len(bot.lines) == 2
    assert bot.lines[0].start != bot.lines[1].start
    assert result.report.ended_by == "bot"
    assert result.timeline.of("hang_up")[0].text == "the document is at its end"


async def test_twilio_asks_the_connect_action_and_obeys_what_it_answers():
    result, bot = await call(
        {
            "/twilio/voice": f'<Connect action="/next">{STREAM}</Connect><Pause length="60"/>',
            "/next": "<Hangup/>",
        }
    )
    assert bot.paths() == ["/twilio/voice", "/next", "/twilio/status"]
    assert bot.seen[1].form["CallStatus"] == "in-progress"
    assert result.report.ended_by == "bot"


async def test_telnyx_knows_no_connect_action_and_runs_the_next_verb():
    result, bot = await call(
        {
            "/telnyx/voice": f'<Connect action="/next">{STREAM}</Connect><Redirect>/other</Redirect>',
            "/other": "<Hangup/>",
        },
        "telnyx",
    )
    assert bot.paths()[:2] == ["/telnyx/voice", "/other"]
    assert [error for error in result.report.errors if "action" in error]


async def test_redirect_fetches_the_next_document_with_the_given_method():
    result, bot = await call(
        {"/twilio/voice": '<Redirect method="GET">/a?x=1</Redirect><Say>never</Say>', "/a": "<Hangup/>"}
    )
    assert (bot.seen[1].method, bot.seen[1].path) == ("GET", "/a")
    assert "CallSid=" in bot.seen[1].url
    assert "x=1" in bot.seen[1].url
    assert result.report.ended_by == "document"


async def test_an_endless_redirect_is_stopped():
    result, bot = await call("<Redirect>/twilio/voice</Redirect>")
    assert len(bot.seen) <= 60
    assert result.report.ended_by == "error"


async def test_reject_ends_a_call_that_was_never_answered():
    result, _ = await call('<Reject reason="busy"/>')
    assert (result.report.answered, result.report.ended_by) == (False, "rejected")


async def test_pause_takes_its_time():
    begin = time.monotonic()
    await call('<Pause length="1"/><Hangup/>')
    assert 0.95 <= time.monotonic() - begin < 2.0


async def test_say_is_heard_in_the_local_voice_and_else_is_silence_of_plausible_length():
    result, _ = await call("<Say>one two</Say><Hangup/>", speak=lambda text: tone(300 * len(text.split())))
    assert 500 < (result.heard != 0).sum() / 8 < 700
    result, _ = await call("<Say>one two</Say><Hangup/>")
    assert not result.heard.any()
    assert 700 < len(result.heard) / 8 < 1200


async def test_what_is_not_emulated_is_told_and_passed_over():
    result, _ = await call("<Play>https://example.com/a.mp3</Play><Hangup/>")
    assert result.report.errors == ["<Play> is not emulated; the call goes on with the next verb"]
    assert result.report.ended_by == "document"


async def test_parameters_reach_the_socket_and_long_ones_are_warned_of():
    long = "x" * 500
    document = f'<Connect><Stream url="wss://HOST/ws"><Parameter name="a" value="{long}"/></Stream></Connect>'
    result, bot = await call(document)
    assert bot.lines[0].start["start"]["customParameters"] == {"a": long}
    assert [error for error in result.report.errors if "500" in error]
    document = document.replace('url="wss://HOST/ws"', 'url="wss://HOST/ws" bidirectionalMode="rtp"')
    _, bot = await call(document, "telnyx")
    assert bot.lines[0].start["start"]["custom_parameters"] == {"a": long}


async def test_twilio_drops_the_query_of_a_stream_url_and_telnyx_keeps_it():
    document = '<Connect><Stream url="wss://HOST/ws?a=1" bidirectionalMode="rtp"/></Connect>'
    result, bot = await call(document)
    assert bot.upgrades[0].url.endswith("/ws")
    assert [error for error in result.report.errors if "query" in error]
    result, bot = await call(document, "telnyx")
    assert bot.upgrades[0].url.endswith("/ws?a=1")
    assert result.report.errors == []


async def test_braces_in_texml_are_filled_in_as_mustache():
    parameter = '<Parameter name="f" value="{{From}}{{Nothing}}"/>'
    document = f'<Connect><Stream url="wss://HOST/ws" bidirectionalMode="rtp">{parameter}</Stream></Connect>'
    _, bot = await call(document, "telnyx")
    assert bot.lines[0].start["start"]["custom_parameters"] == {"f": "+12025550143"}


async def test_stream_status_callbacks_tell_of_start_and_stop_and_of_a_failure():
    stream = '<Connect><Stream url="wss://HOST/ws" name="n" statusCallback="http://HOST/stream"/></Connect>'
    result, bot = await call({"/twilio/voice": stream, "/stream": ""})
    forms = [seen.form for seen in bot.seen if seen.path == "/stream"]
    assert [form["StreamEvent"] for form in forms] == ["stream-started", "stream-stopped"]
    assert {form["StreamName"] for form in forms} == {"n"}
    assert {form["StreamSid"] for form in forms} == {bot.lines[0].start["streamSid"]}
    assert result.report.errors == []
    result, bot = await call(stream, talk=None)
    forms = [seen.form for seen in bot.seen if seen.path == "/stream"]
    assert [form["StreamEvent"] for form in forms] == ["stream-error"]
    assert "31920" in forms[0]["StreamError"]


async def test_a_socket_that_is_refused_fails_the_stream_and_the_document_goes_on():
    result, bot = await call(
        {"/twilio/voice": f'<Connect action="/next">{STREAM}</Connect>', "/next": "<Hangup/>"}, talk=None
    )
    assert bot.paths()[:2] == ["/twilio/voice", "/next"]
    assert [error for error in result.report.errors if error.startswith("31920")]
    assert result.report.ended_by == "error"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("<Connct/>", "12100"),
        ("<hangup/>", "12100"),
        ("<Hangup>", "12100"),
        ("<Say>" + "x" * 70000 + "</Say>", "12100"),
    ],
)
async def test_a_document_that_cannot_be_used_ends_the_call_with_an_error(document, code):
    result, _ = await call(document)
    assert result.report.ended_by == "error"
    assert result.report.errors[0].startswith(code)


async def test_a_wrong_content_type_or_status_ends_the_call_with_an_error():
    result, _ = await call("<Hangup/>", content_type="application/json")
    assert result.report.errors[0].startswith("12300")
    result, _ = await call({})
    assert result.report.errors[0].startswith("11200 /twilio/voice answered HTTP 404")
    assert (result.report.answered, result.report.ended_by) == (False, "error")


async def test_a_redirected_post_becomes_a_get_without_its_form():
    async def moved(request: web.Request) -> web.Response:
        raise web.HTTPFound("/elsewhere")

    _, bot = await call({"/twilio/voice": moved, "/elsewhere": "<Hangup/>"})
    assert (bot.seen[1].method, bot.seen[1].body) == ("GET", b"")
    assert "CallSid" not in bot.seen[1].url


async def test_cookies_are_kept_through_the_call():
    async def with_cookie(request: web.Request) -> web.Response:
        response = web.Response(text="<Response><Redirect>/b</Redirect></Response>", content_type="text/xml")
        response.set_cookie("call", "1")
        return response

    _, bot = await call({"/twilio/voice": with_cookie, "/b": "<Hangup/>"})
    assert "call=1" in bot.seen[1].headers.get("Cookie", "")


async def test_a_media_socket_can_be_called_without_a_webhook():
    for carrier, key in (("twilio", "customParameters"), ("telnyx", "custom_parameters")):
        async with FakeBot(leave) as bot, PhoneNetwork(carrier) as network:
            url = f"ws://127.0.0.1:{bot.port}/ws"
            result = await network.call(url, [Wait(4)], parameters={"_pipecatCloudServiceHost": "a.b"})
        assert bot.lines[0].start["start"][key] == {"_pipecatCloudServiceHost": "a.b"}
        assert bot.seen == []
        assert (result.report.ended_by, result.report.goodbye_heard) == ("bot", True)


async def test_a_url_with_a_path_is_the_webhook_itself_and_gets_no_status_callback():
    async with FakeBot(leave, {"/": f"<Connect>{STREAM}</Connect>"}) as bot, PhoneNetwork() as network:
        result = await network.call(bot.url + "/", [Wait(4)])
    assert bot.paths() == ["/"]
    assert result.report.ended_by == "bot"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://127.0.0.1:9/", "ws://127.0.0.1:9/ws"])
@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_nobody_there_is_said_in_one_line(url, carrier):
    async with PhoneNetwork(carrier) as network:
        with pytest.raises(CannotReach, match=r"nothing listens at .*127.0.0.1:9.*start the"):
            await network.call(url, [HangUp(after_reply=True)])


@pytest.mark.parametrize("url", ["", "127.0.0.1:7860", "ftp://x", "http://", "http://h:x"])
def test_a_url_of_another_kind_is_refused(url):
    with pytest.raises(EmulatorError, match="--url"):
        parse_target(url, "twilio")


def test_wss_to_the_documents_own_server_on_this_machine_is_dialled_as_ws_and_signed_as_wss():
    address = socket_address("wss://localhost:7860/ws", document_url="http://127.0.0.1:7860/twilio/voice")
    assert (address.dial, address.signed) == ("ws://localhost:7860/ws", "wss://localhost:7860/ws")
    elsewhere = socket_address("wss://bot.example.com/ws", document_url="http://127.0.0.1:7860/twilio/voice")
    assert (elsewhere.dial, elsewhere.note) == ("wss://bot.example.com/ws", None)
    inline = socket_address("wss://localhost:7860/ws", document_url=None, server_url="ws://127.0.0.1:7860/ws")
    assert inline.dial == "ws://localhost:7860/ws"
    relative = socket_address("/ws", document_url="https://bot.example.com/twilio/voice")
    assert relative.dial == "wss://bot.example.com/ws"


@pytest.mark.parametrize("url", ["ws://bot.example.com/ws", "https://bot.example.com/ws", "", "wss://"])
def test_a_stream_url_that_no_carrier_would_dial_is_refused(url):
    with pytest.raises(StreamRefused, match="31922"):
        socket_address(url, document_url="https://bot.example.com/twilio/voice")


def test_names_in_a_document_are_case_sensitive():
    with pytest.raises(MarkupError, match="<response>"):
        parse_document(b"<response/>", VERBS)
    with pytest.raises(MarkupError, match="<pause>"):
        parse_document(b"<Response><pause/></Response>", VERBS)


async def test_two_calls_at_once_do_not_mix():
    async with (
        FakeBot(leave, {"/twilio/voice": f"<Connect>{STREAM}</Connect>"}) as bot,
        PhoneNetwork() as network,
    ):
        results = await asyncio.gather(*(network.call(bot.url, [Wait(4)]) for _ in range(3)))
    assert len({result.report.call_id for result in results}) == 3
    assert all(result.report.marks_returned == 1 and not result.report.errors for result in results)
