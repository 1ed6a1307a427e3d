"""A carrier that is only registered answers a whole call, from the document to the hang-up."""

import aiohttp
import pytest
from aiohttp import web

from emulator import HangUp, PhoneNetwork, Wait, tone
from emulator.carriers import CARRIERS
from emulator.faults import RestFault
from emulator.line.caller import Audio, Manners
from emulator.line.codecs import decode, encode
from tests.emulator.invented_carrier import KEY, InventedCarrier

QUICK = Manners(patience=0.2, goodbye_timeout=2.0)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(CARRIERS, "invented", InventedCarrier())


class Bot:
    """Answers with a document, says a tone, waits until it was heard, and hangs up by REST."""

    def __init__(self, network: PhoneNetwork) -> None:
        self.network = network
        self.heard_ms = 0.0
        self.answers: list[int] = []
        self.types: list[str] = []
        app = web.Application()
        app.router.add_post("/invented/voice", self.voice)
        app.router.add_post("/invented/status", self.status)
        app.router.add_get("/ws", self.socket)
        self.runner = web.AppRunner(app, shutdown_timeout=1.0)
        self.url = ""

    async def __aenter__(self) -> "Bot":
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.runner.cleanup()

    async def voice(self, request: web.Request) -> web.Response:
        url = self.url.replace("http", "ws", 1)
        text = f'<Response><Connect><Stream url="{url}/ws"/></Connect></Response>'
        return web.Response(text=text, content_type="text/xml")

    async def status(self, request: web.Request) -> web.Response:
        return web.Response()

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        begin = await socket.receive_json()
        await socket.send_bytes(encode("PCMA", tone(300)))
        await socket.send_json({"type": "tell", "name": "greeting"})
        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                self.heard_ms += 20 * (abs(decode("PCMA", message.data)).max() > 1000)
            elif message.type is aiohttp.WSMsgType.TEXT:
                self.types.append(message.json()["type"])
                if self.types[-1] == "played":
                    await self.hang_up(begin["call"])
        return socket

    async def hang_up(self, call_id: str) -> None:
        url = f"{self.network.rest_url}/invented/calls/{call_id}"
        headers = {"Authorization": f"Bearer {KEY}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            for _ in range(2):
                async with session.patch(url, json={"state": "over"}) as response:
                    self.answers.append(response.status)
                    if response.status == 200:
                        return


async def test_a_registered_carrier_answers_a_whole_call():
    async with PhoneNetwork("invented") as network, Bot(network) as bot:
        result = await network.call(bot.url, [Audio(tone(400)), Wait(10)], manners=QUICK)
    assert result.report.carrier == "invented"
    assert result.report.ended_by == "bot"
    assert result.report.goodbye_heard
    assert result.report.marks_returned == result.report.marks_sent == 1
    assert bot.answers == [200]
    assert [request.verb for request in network.requests.entries] == ["hang_up"]


async def test_its_requests_can_be_made_to_fail_in_its_own_words():
    faults = [RestFault("hang_up", frozenset({1}), status=503)]
    async with PhoneNetwork("invented", faults=faults) as network, Bot(network) as bot:
        result = await network.call(bot.url, [Wait(10)], manners=QUICK)
    assert bot.answers == [503, 200]
    assert result.report.ended_by == "bot"


async def test_a_caller_of_it_who_hangs_up_ends_the_stream():
    async with PhoneNetwork("invented") as network, Bot(network) as bot:
        bot.hang_up = lambda call_id: network.exchange.clock.sleep(0)
        result = await network.call(bot.url, [Audio(tone(400)), Wait(0.2), HangUp()], manners=QUICK)
    assert result.report.ended_by == "caller"
    assert bot.heard_ms > 200
    assert bot.types[-1] == "end"
