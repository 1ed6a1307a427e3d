"""Who may open a media socket, and what the bot gets."""

import asyncio
import json

import pytest
import websockets
from pipecat.runner.types import WebSocketRunnerArguments
from twilio.request_validator import RequestValidator
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.web_service import running, stream_of

CALL = {"CallSid": "CA1", "From": "+14155550100", "To": "+14155550101"}
TWILIO = {"twilio_account_sid": "AC1", "twilio_auth_token": "token"}


class Bot:
    """Answers each message, and remembers what it was started with."""

    def __init__(self) -> None:
        self.started: list[WebSocketRunnerArguments] = []

    async def __call__(self, arguments: WebSocketRunnerArguments) -> None:
        self.started.append(arguments)
        async for text in arguments.websocket.iter_text():
            if text == "fail":
                raise RuntimeError("boom")
            if text == "leave":
                return
            await arguments.websocket.send_text(text.upper())


async def refused(url: str, **headers: str) -> int:
    with pytest.raises(InvalidStatus) as caught:
        await websockets.connect(url, additional_headers=headers)
    return caught.value.response.status_code


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_the_bot_learns_which_call_it_is(tmp_path, carrier):
    bot = Bot()
    async with running(tmp_path, run_bot=bot) as service:
        url, _ = stream_of((await service.post(f"/{carrier}/voice?agent=sales", **CALL)).text)
        async with websockets.connect(url) as socket:
            await socket.send("hello")
            assert await socket.recv() == "HELLO"
        (call,) = service.store.list()
    (arguments,) = bot.started
    assert arguments.body == {
        "agent": "sales",
        "call_id": call.id,
        "from_number": CALL["From"],
        "to_number": CALL["To"],
    }
    assert arguments.session_id


async def test_a_ticket_opens_one_socket(tmp_path):
    bot = Bot()
    async with running(tmp_path, run_bot=bot) as service:
        url, _ = stream_of((await service.post("/twilio/voice", **CALL)).text)
        async with websockets.connect(url):
            pass
        assert await refused(url) == 403
        assert len(bot.started) == 1


async def test_a_wrong_ticket_opens_none(tmp_path):
    bot = Bot()
    async with running(tmp_path, run_bot=bot) as service:
        url, _ = stream_of((await service.post("/twilio/voice", **CALL)).text)
        assert await refused(f"{service.ws_url}/ws/twilio/nonsense") == 403
        assert await refused(url[:-3]) == 403
        assert await refused(url.replace("/ws/twilio/", "/ws/telnyx/")) == 403
    assert bot.started == []


async def test_the_socket_is_closed_when_the_bot_leaves(tmp_path):
    async with (
        running(tmp_path, run_bot=Bot()) as service,
        websockets.connect(f"{service.ws_url}/ws") as socket,
    ):
        await socket.send("leave")
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 5)
        assert socket.close_code == 1000


async def test_a_bot_that_fails_closes_its_socket_and_no_other(tmp_path):
    async with running(tmp_path, run_bot=Bot()) as service:
        url, _ = stream_of((await service.post("/twilio/voice", **CALL)).text)
        async with websockets.connect(url) as failing, websockets.connect(f"{service.ws_url}/ws") as other:
            await failing.send("fail")
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(failing.recv(), 5)
            assert failing.close_code == 1011
            await other.send("still here")
            assert await other.recv() == "STILL HERE"
        assert (await service.http.get("/healthz")).status_code == 200
        (call,) = service.store.list()
        assert call.events[-1].data == {"message": "the bot failed: RuntimeError"}
        assert service.app.state.service.sockets == {}


async def test_a_caller_that_vanishes_is_no_failure(tmp_path):
    bot = Bot()
    async with running(tmp_path, run_bot=bot) as service:
        socket = await websockets.connect(f"{service.ws_url}/ws")
        socket.transport.abort()
        async with websockets.connect(f"{service.ws_url}/ws/twilio") as other:
            await other.send("x")
            assert await other.recv() == "X"
    assert len(bot.started) == 2


@pytest.mark.parametrize("path", ["/ws", "/ws/twilio", "/ws/telnyx?serviceHost=sales.my-org"])
async def test_on_a_laptop_no_ticket_is_needed(tmp_path, path):
    bot = Bot()
    async with running(tmp_path, run_bot=bot) as service, websockets.connect(service.ws_url + path) as socket:
        await socket.send("x")
        assert await socket.recv() == "X"
    assert bot.started[0].body == {}


@pytest.mark.parametrize("path", ["/ws", "/ws/twilio", "/ws/telnyx?serviceHost=sales.my-org"])
async def test_in_public_a_ticket_is_needed(tmp_path, path):
    async with running(tmp_path, run_bot=Bot(), public_url="https://bot.example.com") as service:
        assert await refused(service.ws_url + path) == 403
    async with running(tmp_path, run_bot=Bot()) as service:
        assert await refused(service.ws_url + path, **{"X-Forwarded-For": "1.2.3.4"}) == 403
        assert await refused(service.ws_url + path, Origin="https://evil.example") == 403
    async with running(tmp_path, run_bot=Bot(), **TWILIO) as service:
        assert await refused(service.ws_url + path) == 403


async def test_twilios_signature_is_a_ticket(tmp_path):
    public = {"public_url": "https://bot.example.com", **TWILIO}
    async with running(tmp_path, run_bot=Bot(), **public) as service:
        for signed, accepted in [
            ("wss://bot.example.com/ws/twilio", True),
            ("wss://bot.example.com/ws/twilio/", True),
            ("https://bot.example.com/ws/twilio", False),
            ("wss://other.example.com/ws/twilio", False),
        ]:
            headers = {"x-twilio-signature": RequestValidator("token").compute_signature(signed, {})}
            if accepted:
                async with websockets.connect(
                    f"{service.ws_url}/ws/twilio", additional_headers=headers
                ) as socket:
                    await socket.send("x")
                    assert await socket.recv() == "X"
            else:
                assert await refused(f"{service.ws_url}/ws/twilio", **headers) == 403


async def test_the_operator_can_let_everybody_in(tmp_path):
    public = {"public_url": "https://bot.example.com", "allow_tokenless_streams": True}
    async with running(tmp_path, run_bot=Bot(), **public) as service:
        async with websockets.connect(f"{service.ws_url}/ws/telnyx") as socket:
            await socket.send("x")
            assert await socket.recv() == "X"


async def test_a_message_of_megabytes_closes_the_socket(tmp_path):
    async with running(tmp_path, run_bot=Bot()) as service:
        async with websockets.connect(f"{service.ws_url}/ws", max_size=None) as socket:
            with pytest.raises(ConnectionClosed):
                await socket.send("x" * (2 << 20))
                await asyncio.wait_for(socket.recv(), 5)
        assert (await service.http.get("/healthz")).status_code == 200


async def test_the_service_stops_while_a_call_is_on(tmp_path):
    async with running(tmp_path, run_bot=Bot()) as service:
        socket = await websockets.connect(f"{service.ws_url}/ws")
        await socket.send(json.dumps({}))
        await socket.recv()
    with pytest.raises(ConnectionClosed):
        await asyncio.wait_for(socket.recv(), 5)
