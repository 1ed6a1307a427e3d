"""The softphone's server: who may use it, and what a page can do with it, without a browser."""

import asyncio
import io
import json
import wave
from contextlib import asynccontextmanager

import aiohttp
import numpy as np
import pytest

from emulator import tone
from emulator.carriers.credentials import Credentials
from emulator.errors import EmulatorError
from emulator.line.codecs import loudness
from emulator.phone.choices import MANNERS, TROUBLES, WAYS, colleague
from emulator.phone.serving import STATIC, PhoneServer
from emulator.phone.softphone import PhoneOrder, Softphone
from emulator.phone.sound import Sound
from emulator.phone.wishes import Unusable, read_call, read_digit, read_message, read_troubles
from tests.fake_bot import FakeBot, Line, Talk

DOCUMENT = '<Connect><Stream url="wss://HOST/ws" bidirectionalMode="rtp"/></Connect>'
WISH = {"do": "call", "from": "+12025550143", "to": "+12025550100"}


class Page:
    """What a browser does, without one."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.news: list[dict] = []
        self.sound = bytearray()
        self.rows: dict[int, dict] = {}

    async def do(self, what: str, **more) -> None:
        await self.socket.send_json({"do": what, **more})

    async def until(self, key: str, value=None) -> dict:
        """Read on until a message has this key, with this value if one is given."""
        async with asyncio.timeout(10):
            while True:
                message = await self.socket.receive()
                if message.type is aiohttp.WSMsgType.BINARY:
                    self.sound += message.data
                    continue
                assert message.type is aiohttp.WSMsgType.TEXT, message
                news = json.loads(message.data)
                self.news.append(news)
                for row in news.get("rows", ()):
                    self.rows.setdefault(row.get("of", row.get("n")), {}).update(row)
                if key in news and value in (None, news[key]):
                    return news

    async def talking(self) -> None:
        """Read on until the bot has the line."""
        await self.until("state", "up")
        while not any(row.get("what") == "stream_open" for row in self.rows.values()):
            await self.until("rows")

    async def speak(self, samples: np.ndarray) -> None:
        for at in range(0, len(samples), 160):
            await self.socket.send_bytes(samples[at : at + 160].astype("<i2").tobytes())
            await asyncio.sleep(0.018)

    def rows_of(self, *channels: str) -> list[dict]:
        return [row for row in self.rows.values() if row.get("channel") in channels]


@asynccontextmanager
async def phone_of(url: str, **order):
    async with Softphone(PhoneOrder(Credentials(), dict.fromkeys(WAYS, url), **order)) as phone:
        server = PhoneServer(phone)
        await server.start()
        try:
            yield server, phone
        finally:
            await server.stop()


@asynccontextmanager
async def page_of(server: PhoneServer, **headers):
    origin = {"Origin": server.url.rstrip("/")}
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(server.url + "line", headers=origin | headers) as socket,
    ):
        yield Page(socket)


@asynccontextmanager
async def calling(talk: Talk, way: str = "twilio", **wish):
    carrier = WAYS[way].carrier
    async with (
        FakeBot(talk, {f"/{carrier}/voice": DOCUMENT}) as bot,
        phone_of(bot.url) as (server, phone),
        page_of(server) as page,
    ):
        await page.do(**WISH | {"what": "call", "way": way, "url": bot.url} | wish | {"what": "call"})
        yield page, bot, phone


async def listens(line: Line) -> None:
    await line.beep(200)
    await line.mark("hello")
    await line.caller_spoke()
    await line.beep(300)
    await line.mark("bye")
    while (message := await line.receive()) is not None and message.get("mark") != {"name": "bye"}:
        pass


@pytest.mark.parametrize("way", ["twilio", "telnyx"])
async def test_a_page_speaks_hears_and_sees_the_wire(way):
    async with calling(listens, way) as (page, bot, phone):
        assert (await page.until("state", "up"))["answered"] < 1000
        await asyncio.sleep(0.6)
        await page.speak(np.concatenate([tone(400), tone(400, level=0.0)]))
        over = await page.until("state", "over")
    assert over["ended_by"] == "bot" and over["errors"] == []
    assert over["marks_sent"] == over["marks_returned"] == 2
    heard = np.frombuffer(bytes(page.sound), dtype="<i2")
    assert 0.4 < np.mean(np.abs(heard) > 1000) * len(heard) / 8000 < 0.6, "what the bot said is heard, once"
    events = [row["what"] for row in page.rows_of("socket")]
    assert events[:2] == ["connected", "start"] and events.count("mark") == 4 and "media" in events
    (voice, *_) = page.rows_of("webhook")
    assert voice["status"] == 200 and "<Stream" in voice["text"]
    assert next(one["response_ms"] for one in page.news if "response_ms" in one) < 2000
    (line,) = bot.lines
    assert any(loudness_of(one) > 1000 for one in line.of("media"))
    with wave.open(io.BytesIO(phone.recording)) as recording:
        assert (recording.getnchannels(), recording.getframerate()) == (2, 8000)
        assert recording.getnframes() > 8000


def loudness_of(message: dict) -> float:
    from base64 import b64decode

    from emulator.line.codecs import decode

    return loudness(decode("PCMU", b64decode(message["media"]["payload"])))


async def waits(line: Line) -> None:
    await line.until_closed()


async def test_keys_are_pressed_and_the_receiver_put_down():
    async with calling(waits) as (page, bot, _):
        await page.talking()
        await page.do("press", digit="1")
        await page.do("press", digit="#")
        await asyncio.sleep(0.3)
        await page.do("hang_up")
        assert (await page.until("state", "over"))["ended_by"] == "caller"
        assert [one["dtmf"]["digit"] for one in bot.lines[0].of("dtmf")] == ["1", "#"]


async def test_a_page_that_is_gone_has_hung_up():
    async with FakeBot(waits, {"/twilio/voice": DOCUMENT}) as bot, phone_of(bot.url) as (server, phone):
        async with page_of(server) as page:
            await page.do("call", **{**WISH, "way": "twilio", "url": bot.url, "do": "call"})
            await page.until("state", "up")
        async with asyncio.timeout(5):
            while phone.busy:
                await asyncio.sleep(0.05)
        assert bot.lines[0].messages[-1]["event"] == "stop"
        async with page_of(server) as page:  # and the next page finds the phone free
            await page.do("call", **{**WISH, "way": "twilio", "url": bot.url, "do": "call"})
            await page.until("state", "up")


async def test_the_carrier_is_changed_between_calls_and_its_rest_stays_where_it_was():
    documents = {"/twilio/voice": "<Hangup/>", "/telnyx/voice": "<Hangup/>"}
    async with FakeBot(None, documents) as bot, phone_of(bot.url) as (server, phone), page_of(server) as page:
        rest = phone.network.rest_url
        for way in ("twilio", "telnyx", "twilio"):
            await page.do("call", **{**WISH, "way": way, "url": bot.url, "do": "call"})
            await page.until("state", "over")
            assert phone.network.rest_url == rest and phone.network.dialect.name == way
    assert [seen.path for seen in bot.seen if seen.path.endswith("voice")] == [
        "/twilio/voice",
        "/telnyx/voice",
        "/twilio/voice",
    ]


async def test_a_media_socket_is_called_without_a_webhook():
    async with FakeBot(listens) as bot, phone_of("ws://x/") as (server, _), page_of(server) as page:
        url = bot.url.replace("http", "ws") + "/ws"
        wish = {"url": url, "parameters": {"_pipecatCloudServiceHost": "agent.org"}}
        await page.do("call", **{**WISH, "way": "twilio", "do": "call", **wish})
        await page.talking()
        await page.do("hang_up")
        await page.until("state", "over")
    assert bot.lines[0].start["start"]["customParameters"] == {"_pipecatCloudServiceHost": "agent.org"}


async def test_faults_are_changed_while_a_call_lasts():
    async with calling(waits) as (page, _, phone):
        await page.talking()
        await page.do("troubles", troubles=["rest_500"])
        await page.do("break_socket")
        over = await page.until("state", "over")
        assert phone.network.faults.faults == [TROUBLES["rest_500"].fault]
    assert any(row["what"] == "fault" and "breaks" in row["text"] for row in page.rows_of("line"))
    assert any("broke" in text for text in over["errors"])


async def test_marks_that_are_lost_are_missing_in_the_figures():
    async with (
        FakeBot(listens, {"/twilio/voice": DOCUMENT}) as bot,
        phone_of(bot.url) as (server, _),
        page_of(server) as page,
    ):
        await page.do("troubles", troubles=["marks_lost"])
        await page.do("call", **{**WISH, "way": "twilio", "url": bot.url, "do": "call"})
        await page.until("figures")
        await asyncio.sleep(0.5)
        await page.do("hang_up")
        over = await page.until("state", "over")
        assert (over["marks_sent"], over["marks_returned"]) == (1, 0)


async def test_colleagues_are_where_the_page_puts_them_and_everywhere_else():
    async def dialled(number: str, **wish) -> dict:
        documents = {"/twilio/voice": f'<Dial action="/after">{number}</Dial>', "/after": "<Hangup/>"}
        async with FakeBot(None, documents) as bot, phone_of(bot.url) as (server, _), page_of(server) as page:
            await page.do("call", **{**WISH, "way": "twilio", "url": bot.url, "do": "call", **wish})
            return (await page.until("state", "over"))["colleagues"][0]

    person = {"number": "+12025550111", "manner": "busy", "after_secs": 0}
    assert await dialled("+12025550111", people=[person]) == {"number": "+12025550111", "outcome": "busy"}
    assert (await dialled("+12025550112", people=[person], anybody="declines"))["outcome"] == "declined"


async def dial(phone: Softphone, url: str, number: str = "+12025550143") -> None:
    """What a server asks Twilio for."""
    account, token = phone.network.credentials.twilio_account_sid, phone.network.credentials.twilio_auth_token
    form = {"To": number, "From": "+12025550100", "Url": f"{url}/twilio/voice"}
    rest = f"{phone.network.rest_url}/2010-04-01/Accounts/{account}/Calls.json"
    async with aiohttp.ClientSession(auth=aiohttp.BasicAuth(account, token)) as http:
        async with http.post(rest, data=form) as response:
            assert response.status == 201, await response.text()


async def test_a_call_that_a_server_places_rings_and_is_answered():
    async with (
        FakeBot(listens, {"/twilio/voice": DOCUMENT}) as bot,
        phone_of(bot.url) as (server, phone),
        page_of(server) as page,
    ):
        await page.do("wait", way="twilio", **{"from": "+12025550143"})
        await page.until("hello")
        await asyncio.sleep(0.1)
        await dial(phone, bot.url)
        rings = await page.until("state", "incoming")
        assert rings["from"] == "+12025550100" and phone.busy
        await page.do("call", **{**WISH, "way": "twilio", "url": bot.url, "do": "call"})
        assert "already" in (await page.until("refused"))["refused"]
        await page.do("pick_up", rate=8000)
        await page.talking()
        await asyncio.sleep(0.6)
        await page.speak(np.concatenate([tone(400), tone(400, level=0.0)]))
        over = await page.until("state", "over")
    assert over["ended_by"] == "bot" and over["errors"] == []
    assert over["marks_sent"] == over["marks_returned"] == 2
    assert np.mean(np.abs(np.frombuffer(bytes(page.sound), dtype="<i2")) > 1000) > 0.1, "it is heard"
    (asked,) = page.rows_of("rest")
    assert asked["what"].startswith("dial: POST ") and asked["status"] == 201, "what led to the call is seen"
    assert bot.lines[0].start["start"]["callSid"] == rings["call_id"]


async def test_a_call_that_rings_is_declined_given_up_or_finds_nobody():
    async with FakeBot(waits, {"/twilio/voice": DOCUMENT}) as bot, phone_of(bot.url) as (server, phone):
        async with page_of(server) as page:
            await page.do("wait", way="twilio", **{"from": "+12025550143"})
            await page.until("hello")
            await asyncio.sleep(0.1)
            await dial(phone, bot.url)
            await page.until("state", "incoming")
            await dial(phone, bot.url)  # a second one, while the first one rings
            await page.do("hang_up")
            over = await page.until("state", "over")
            assert not over["answered"] and not phone.busy
            await dial(phone, bot.url)
            await page.until("state", "incoming")
        async with asyncio.timeout(5):  # the page is gone in the middle of the ringing
            while phone.busy:
                await asyncio.sleep(0.05)
        await dial(phone, bot.url)
        await phone.network.exchange.until_quiet()
        assert [call.leg.status for call in phone.network.exchange.calls] == ["busy"] * 4
        assert bot.lines == []


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_sound_of_any_rate_is_the_lines_and_back(rate):
    sound = Sound(rate)
    second = (np.sin(2 * np.pi * 440 * np.arange(rate) / rate) * 10_000).astype("<i2")
    step = rate // 50
    said = np.concatenate([sound.spoken(second[at : at + step].tobytes()) for at in range(0, rate, step)])
    assert abs(len(said) - 8000) < 600
    assert loudness(said[800:7200]) == pytest.approx(7071, rel=0.05)
    crossings = np.sum(np.diff(np.signbit(said[800:7200])))
    assert crossings == pytest.approx(2 * 440 * 0.8, abs=4)
    heard = b"".join(sound.heard(tone(20)) for _ in range(50))
    assert abs(len(heard) // 2 - rate) < rate // 20


def test_half_a_sample_is_left_out():
    assert len(Sound(8000).spoken(b"\x01\x02\x03")) == 1


# Who may use it


@pytest.fixture
async def server():
    async with phone_of("http://127.0.0.1:9") as (server, _):
        yield server


async def test_every_answer_keeps_the_page_to_itself(server):
    async with aiohttp.ClientSession() as http:
        for path in ("", *(f"static/{name}" for name in STATIC), "static/x", "recording.wav", "nothing"):
            async with http.get(server.url + path) as response:
                policy = response.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy and "script-src 'self'; style-src 'self'" in policy
                assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
                assert response.status == (404 if path in ("static/x", "recording.wav", "nothing") else 200)


async def test_the_page_has_no_script_and_no_style_of_its_own(server):
    async with aiohttp.ClientSession() as http, http.get(server.url) as response:
        page = await response.text()
    assert "style=" not in page and " on" + "click" not in page and "javascript:" not in page
    assert page.count("<script") == 1 and '<script type="module" src="/static/phone.js">' in page
    assert "http://" not in page.replace("http(s)://", "") and "https://" not in page


@pytest.mark.parametrize("path", ["", "static/phone.js", "line", "recording.wav"])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[::1"])
async def test_another_name_for_this_machine_is_refused(server, path, host):
    async with aiohttp.ClientSession() as http:
        async with http.get(server.url + path, headers={"Host": host}) as response:
            assert response.status in (400, 421), host


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", None])
async def test_another_page_cannot_use_the_phone(server, origin):
    async with aiohttp.ClientSession() as http:
        headers = {} if origin is None else {"Origin": origin}
        with pytest.raises(aiohttp.WSServerHandshakeError) as error:
            await http.ws_connect(server.url + "line", headers=headers)
        assert error.value.status == 403


async def test_it_listens_on_this_machine_only(server):
    assert server.url.startswith("http://127.0.0.1:")
    assert [address[0] for address in server._runner.addresses] == ["127.0.0.1"]


async def test_a_second_page_gets_the_phone_unless_there_is_a_call():
    async with FakeBot(waits, {"/twilio/voice": DOCUMENT}) as bot, phone_of(bot.url) as (server, _):
        async with page_of(server) as one, page_of(server) as other:
            await one.until("hello")
            assert (await one.socket.receive()).data == 4001, (
                "the first one is told that it has no phone any more"
            )
            await other.until("hello")
            await other.do("call", **{**WISH, "way": "twilio", "url": bot.url, "do": "call"})
            await other.until("state", "up")
            async with page_of(server) as third:
                assert (await third.socket.receive()).data == 4001
            await other.do("hang_up")
            await other.until("state", "over")


async def test_a_port_that_is_taken_is_said(server):
    async with Softphone(PhoneOrder(Credentials(), {})) as phone:
        with pytest.raises(EmulatorError, match=r"--port"):
            await PhoneServer(phone, port=server.port).start()


async def test_the_key_of_ones_own_server_goes_to_no_other():
    async with (
        FakeBot(None, {"/twilio/voice": "<Hangup/>"}) as own,
        FakeBot(None, {"/twilio/voice": "<Hangup/>"}) as other,
        phone_of(own.url, api_key="secret") as (server, _),
        page_of(server) as page,
    ):
        for bot in (own, other):
            await page.do("call", **{**WISH, "way": "twilio", "url": bot.url, "do": "call"})
            await page.until("state", "over")
    keys = [{seen.headers.get("Authorization") for seen in bot.seen} for bot in (own, other)]
    assert keys == [{"Bearer secret", None}, {None}]


# What a page may ask for


@pytest.mark.parametrize(
    "raw",
    ["", "nonsense", "[]", "7", '{"do": 7}',
     '{"x": 1}', "[" * 10_000, '{"do": "fly"}', '{"do": "press"}',
     '{"do": "press", "digit": "12"}', '{"do": "press", "digit": ["1"]}', '{"do": "troubles", "troubles": "rest_500"}',
     '{"do": "troubles", "troubles": ["x"]}', '{"do": "call"}', '{"do": "call", "way": "x"}',
     '{"do": "call", "way": {}}'],
)  # fmt: skip
async def test_what_cannot_be_read_is_refused_in_words_and_the_phone_goes_on(server, raw):
    async with page_of(server) as page:
        await page.socket.send_str(raw)
        assert (await page.until("refused"))["refused"]
        await page.do("hang_up")
        await page.do("break_socket")
        await page.socket.send_bytes(b"x" * 1001)
        await page.do("press", digit="1")
        await page.do("fly")
        assert "fly" in (await page.until("refused"))["refused"]


@pytest.mark.parametrize(
    ("wish", "named"),
    [
        ({"url": ""}, "url"),
        ({"url": "x" * 3000}, "longer"),
        ({"from": 7}, "from"),
        ({"rate": 0}, "microphone"),
        ({"rate": "8000"}, "microphone"),
        ({"line": "tin can"}, "line"),
        ({"anybody": "flies"}, "anybody"),
        ({"people": {}}, "people"),
        ({"people": [7]}, "person"),
        ({"people": [{"number": "+1", "manner": "x"}]}, "manner"),
        ({"people": [{"number": "+1", "manner": "busy", "after_secs": 1e9}]}, "3600"),
        ({"people": [{"number": "+1", "manner": "busy", "after_secs": float("nan")}]}, "3600"),
        ({"parameters": ["a"]}, "parameters"),
        ({"parameters": {"a": 1}}, "text"),
        ({"people": [{}] * 51}, "people"),
        ({"rate": True}, "microphone"),
    ],
)
def test_a_wish_that_cannot_be_granted_says_what_is_wrong(wish, named):
    with pytest.raises(Unusable, match=named):
        read_call({**WISH, "way": "twilio", "url": "http://127.0.0.1:1", **wish})


@pytest.mark.parametrize("url", ["ftp://x", "127.0.0.1:7860", "http://", "ws:/x", "javascript:alert(1)"])
async def test_an_address_that_cannot_be_called_is_refused(server, url):
    async with page_of(server) as page:
        await page.do("call", **{**WISH, "way": "twilio", "url": url, "do": "call"})
        assert "not usable" in (await page.until("refused"))["refused"]


async def test_a_server_that_is_not_there_is_no_call_and_says_so(server):
    async with page_of(server) as page:
        await page.do("call", **{**WISH, "way": "twilio", "url": "http://127.0.0.1:9", "do": "call"})
        over = await page.until("state", "over")
        assert "nothing listens at http://127.0.0.1:9" in over["error"]


def test_what_is_read_is_what_was_asked():
    wish = read_call(
        {**WISH, "way": "telnyx", "url": " http://x/ ", "people": [{"number": "+1", "manner": "busy"}]}
    )
    assert (wish.way, wish.url, wish.rate, wish.anybody) == ("telnyx", "http://x/", 8000, "unreachable")
    assert wish.people[0].manner == "busy" and wish.people[0].after_secs == 1.0
    assert read_digit({"digit": "*"}) == "*"
    assert read_troubles({"troubles": ["rest_500", "rest_500"]}) == ["rest_500"]
    assert read_message('{"do": "x"}') == ("x", {"do": "x"})


@pytest.mark.parametrize("manner", MANNERS)
def test_every_colleague_that_can_be_chosen_is_one(manner):
    person = colleague("+12025550111", manner, 2.0, in_words=False)
    assert (person.number, person.answers_after_secs) == ("+12025550111", 2.0)
    assert person.behaviour == {"accepts": "answers", "refuses": "answers"}.get(manner, manner)


def test_every_carrier_can_be_called_in_each_of_its_ways():
    assert list(WAYS) == ["twilio", "telnyx", "telnyx_call_control"]
    assert [way.title for way in WAYS.values()] == ["Twilio, TwiML", "Telnyx, TeXML", "Telnyx, Call Control"]
