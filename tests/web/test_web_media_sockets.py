"""Who may open a media socket, and what the bot gets."""

import asyncio
import base64
import time

import pytest
import websockets
from pipecat.runner.types import WebSocketRunnerArguments
from twilio.request_validator import RequestValidator
from websockets.exceptions import ConnectionClosed, InvalidStatus

from calls.database.call_database import CallDatabase
from calls.states import EndedBy
from calls.store import CallStore
from tests.talks.test_server_remembers_calls import store_of
from tests.web_service import running, start_of, stream_of, streaming, until

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
        async with streaming(url, carrier) as socket:
            assert (
                await socket.recv() == start_of(carrier, "CA1").upper()
            )  # the bot hears it from the beginning
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
        async with streaming(url) as socket:
            await socket.recv()
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
        streaming(f"{service.ws_url}/ws") as socket,
    ):
        await socket.recv()
        await socket.send("leave")
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 5)
        assert socket.close_code == 1000


async def test_a_bot_that_fails_closes_its_socket_and_no_other(tmp_path):
    async with running(tmp_path, run_bot=Bot()) as service:
        url, _ = stream_of((await service.post("/twilio/voice", **CALL)).text)
        async with streaming(url) as failing, streaming(f"{service.ws_url}/ws", call_id="CA2") as other:
            await failing.recv(), await other.recv()
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
        before, after = [await websockets.connect(f"{service.ws_url}/ws") for _ in "12"]
        before.transport.abort()
        await after.send(start_of("twilio", "CA1"))
        await until(lambda: bot.started)
        after.transport.abort()
        async with streaming(f"{service.ws_url}/ws/twilio", call_id="CA2") as other:
            await other.recv()
            await other.send("x")
            assert await other.recv() == "X"
    assert len(bot.started) == 2


@pytest.mark.parametrize("path", ["/ws", "/ws/twilio", "/ws/telnyx?serviceHost=sales.my-org"])
async def test_on_a_laptop_no_ticket_is_needed(tmp_path, path):
    bot = Bot()
    carrier = "telnyx" if "telnyx" in path else "twilio"
    async with running(tmp_path, run_bot=bot) as service, streaming(service.ws_url + path, carrier) as socket:
        assert await socket.recv() == start_of(carrier, "CA1").upper()
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
                async with streaming(f"{service.ws_url}/ws/twilio", additional_headers=headers) as socket:
                    assert await socket.recv()
            else:
                assert await refused(f"{service.ws_url}/ws/twilio", **headers) == 403


async def test_the_operator_can_let_everybody_in(tmp_path):
    public = {"public_url": "https://bot.example.com", "allow_tokenless_streams": True}
    async with running(tmp_path, run_bot=Bot(), **public) as service:
        async with streaming(f"{service.ws_url}/ws/telnyx", "telnyx") as socket:
            assert await socket.recv()


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
        await socket.send(start_of("twilio", "CA1"))
        await socket.recv()
    with pytest.raises(ConnectionClosed):
        await asyncio.wait_for(socket.recv(), 5)


async def turned_away(url: str, carrier: str, call_id: str, **options) -> int:
    """The code that a socket is closed with once it has said which call it is about."""
    async with streaming(url, carrier, call_id, **options) as socket:
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 5)
        return socket.close_code


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_a_ticket_is_for_its_own_call_only(tmp_path, carrier):
    bot = Bot()
    other = "telnyx" if carrier == "twilio" else "twilio"
    async with running(tmp_path, run_bot=bot) as service:
        victims, _ = stream_of((await service.post(f"/{carrier}/voice", **CALL)).text)
        async with streaming(victims, carrier) as victim:
            await victim.recv()
            for named in ((carrier, "CA1"), (carrier, "CA3"), (other, "CA2")):
                mine, _ = stream_of(
                    (await service.post(f"/{carrier}/voice", **{**CALL, "CallSid": "CA2"})).text
                )
                assert await turned_away(mine, *named) == 1008
            await victim.send("still here")
            assert await victim.recv() == "STILL HERE"
        assert len(bot.started) == 1


async def test_a_second_ticket_puts_no_second_session_on_a_call(tmp_path):
    bot = Bot()
    async with running(tmp_path, run_bot=bot) as service:
        first, second, third = [
            stream_of((await service.post("/twilio/voice", **CALL)).text)[0] for _ in "123"
        ]
        async with streaming(first) as socket:
            await socket.recv()
            assert await turned_away(second, "twilio", "CA1") == 1008
            # When the carrier asks what comes after the lost stream, the next one is expected.
            again, _ = stream_of((await service.post("/twilio/connect-ended", **CALL)).text)
            async with streaming(again) as other:
                await other.recv()
        assert len(bot.started) == 2
        service.store.list()[0].will_end(EndedBy.HUMAN, "API")
        assert await turned_away(third, "twilio", "CA1") == 1008


async def test_a_socket_that_says_nothing_of_a_call_starts_no_bot(tmp_path):
    bot = Bot()
    async with running(tmp_path, run_bot=bot) as service:
        url, _ = stream_of((await service.post("/twilio/voice", **CALL)).text)
        async with websockets.connect(url) as socket:
            for _ in range(20):
                await socket.send("{}")
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(socket.recv(), 5)
        assert bot.started == []
        assert service.app.state.service.refusals.counts["no_start"] == 1


async def test_without_a_ticket_a_socket_is_about_no_call_of_anybody_elses(tmp_path):
    bot = Bot()
    public = {
        "public_url": "https://bot.example.com",
        "allow_tokenless_streams": True,
        "allow_unsigned_webhooks": True,
    }
    async with running(tmp_path, run_bot=bot, **public) as service:
        await service.post("/twilio/voice", **CALL)
        for path in ("/ws", "/ws/twilio"):
            assert await turned_away(service.ws_url + path, "twilio", "CA1") == 1008
        assert await turned_away(f"{service.ws_url}/ws/telnyx", "twilio", "CA2") == 1008
        async with streaming(f"{service.ws_url}/ws", "twilio", "CA2") as socket:
            await socket.recv()
            assert await turned_away(f"{service.ws_url}/ws", "twilio", "CA2") == 1008
        async with streaming(f"{service.ws_url}/ws", "twilio", "CA2") as socket:
            await socket.recv()
    assert len(bot.started) == 2


async def test_twilios_signature_lets_no_other_carriers_call_in(tmp_path):
    bot = Bot()
    public = {"public_url": "https://bot.example.com", **TWILIO}
    async with running(tmp_path, run_bot=bot, **public) as service:
        signed = RequestValidator("token").compute_signature("wss://bot.example.com/ws", {})
        options = {"additional_headers": {"x-twilio-signature": signed}}
        assert await turned_away(f"{service.ws_url}/ws", "telnyx", "v3:1", **options) == 1008
    assert bot.started == []


async def test_a_ticket_works_once_over_all_processes_that_share_a_database(tmp_path):
    bot = Bot()
    public = {"public_url": "https://bot.example.com", **TWILIO, "stream_token_secret": "s" * 32}
    url = "https://bot.example.com/twilio/voice"
    signature = {"X-Twilio-Signature": RequestValidator("token").compute_signature(url, CALL)}
    async with (
        running(tmp_path, run_bot=bot, store=store_of(tmp_path), **public) as one,
        running(tmp_path, run_bot=bot, store=store_of(tmp_path), **public) as other,
    ):
        answer = await one.http.post("/twilio/voice", data=CALL, headers=signature)
        path = stream_of(answer.text)[0].removeprefix("wss://bot.example.com")
        async with streaming(one.ws_url + path) as socket:
            await socket.recv()
        assert await refused(other.ws_url + path) == 403
    assert len(bot.started) == 1


async def test_a_database_that_does_not_answer_keeps_nobody_waiting(tmp_path):
    class Stuck(CallDatabase):
        async def use_once(self, *_):
            await asyncio.sleep(60)

    store = CallStore(Stuck(f"sqlite+aiosqlite:///{tmp_path / 'calls.db'}"))
    async with running(tmp_path, run_bot=Bot(), store=store) as service:
        url, _ = stream_of((await service.post("/twilio/voice", **CALL)).text)
        began = time.monotonic()
        async with streaming(url) as socket:
            await socket.recv()
        assert time.monotonic() - began < 2
        assert await refused(url) == 403


async def test_an_address_tells_nothing_of_its_call(tmp_path):
    async with running(tmp_path) as service:
        url, _ = stream_of((await service.post("/twilio/voice", **CALL)).text)
        (call,) = service.store.list()
    token = url.rsplit("/", 1)[1].removeprefix("t")
    known = (call.id, "CA1", CALL["From"][1:], CALL["To"][1:], "receptionist")
    for text in (token.encode(), base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))):
        assert not any(part.encode() in text for part in known)
