"""Who may listen in on a call by the API and in a browser, what they are told if not, and when it ends."""

import asyncio
import contextlib
import json
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatus

from calls.events.people import ListeningEnded
from calls.events.talk import BotHeard
from calls.states import CallState, EndedBy
from conversation import overhearing
from conversation.agents.files import load_agent
from conversation.overhearing import may_be_overheard
from conversation.session import Session
from desk import overhearing as desk_overhearing
from desk.api_keys import FILE, Scope, add, new_key, revoke
from serializers import StreamStart, serializer_for
from tests.console.pages import log_in
from tests.web_service import running, until
from web import connections, listening, sessions

AGENT = 'greeting = "Hello."\ninstructions = "x"\n'
LISTEN = '[monitoring]\nlisten = true\nannouncement = "Others may listen."\n'


@dataclass
class Desk:
    """A service with a call that the bot talks on, and keys of people.

    Attributes:
        service: The service.
        session: The bot's session.
        serializer: Of its media stream.
        keys: The keys by their scope.
    """

    service: object
    session: Session
    serializer: object
    keys: dict

    @property
    def call(self):
        return self.session.call

    def bearer(self, scope=Scope.READ):
        return {"Authorization": f"Bearer {self.keys[scope]}"}

    def listening(self, call_id=None, headers=None, **options):
        url = f"{self.service.ws_url}/calls/{call_id or self.call.id}/listen"
        headers = self.bearer() if headers is None else headers
        return websockets.connect(url, additional_headers=headers, proxy=None, **options)

    async def may(self, call_id=None, scope=Scope.READ):
        url = f"/calls/{call_id or self.call.id}/listen"
        return await self.service.http.get(url, headers=self.bearer(scope))

    async def refused(self, **options):
        with pytest.raises(InvalidStatus) as caught:
            async with self.listening(**options):
                pass
        response = caught.value.response
        return response.status_code, json.loads(response.body)["error"] if response.body else ""

    def ended(self):
        return [(one.by, one.why) for one in self.call.events if isinstance(one, ListeningEnded)]


@asynccontextmanager
async def desk(tmp_path, text=AGENT + LISTEN, told=True, **options):
    keys = {}
    for scope in Scope:
        keys[scope], kept = new_key(f"ann-{scope}", scope, 0)
        add(tmp_path / "data" / FILE, kept)
    (tmp_path / "desk.toml").write_text(text)
    agent = load_agent("desk", tmp_path)
    async with running(tmp_path, **options) as service:
        call = service.store.open(carrier="twilio", carrier_call_id="CA1")
        call.move(CallState.IN_PROGRESS, cause="answered")
        session = Session(
            call=call,
            store=service.store,
            control=None,
            agent=agent,
            variables=agent.call_variables(),
            data_dir=tmp_path,
        )
        serializer = serializer_for(StreamStart(carrier="twilio", stream_id="MZ1", call_id="CA1"))
        may_be_overheard(session, serializer)
        if told:
            session.record(BotHeard(text="Others may listen."))
        yield Desk(service, session, serializer, keys)
    overhearing._all.clear()


async def heard(ear):
    """All that comes until there is sound."""
    messages = []
    async with asyncio.timeout(5):
        while not messages or isinstance(messages[-1], str):
            messages.append(await ear.recv())
    return messages


async def closed(ear):
    """How a socket is closed."""
    with pytest.raises(ConnectionClosed):
        async with asyncio.timeout(10):
            while True:
                await ear.recv()
    return ear.close_code, ear.close_reason


# Who hears what


@pytest.mark.parametrize("call_id", ["ours", "the carrier's"])
async def test_who_has_a_key_hears_the_call(tmp_path, call_id):
    async with desk(tmp_path) as one:
        name = one.call.id if call_id == "ours" else "CA1"
        assert (await one.may(name)).json() == {"listeners": []}
        async with one.listening(name) as ear:
            await until(lambda: one.serializer.overhearing)
            one.serializer.overhearing.caller_said(b"\x01\x02")
            start, sound = await heard(ear)
            assert json.loads(start)["type"] == "start"
            assert sound == b"\x00\x00\x00\x00\x02\x01\x02"
            assert (await one.may()).json() == {"listeners": ["ann-read"]}
            shown = await one.service.http.get(f"/calls/{name}", headers=one.bearer(Scope.VIEW))
            assert shown.json()["listeners"] == ["ann-read"]
        await until(lambda: one.serializer.overhearing is None)
        assert one.ended() == [("ann-read", "left")]


async def test_who_is_logged_in_hears_it_from_pages_of_ours_alone(tmp_path):
    async with desk(tmp_path) as one:
        answer = await log_in(one.service.http, one.service.url, one.keys[Scope.READ])
        cookie = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
        for origin in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
            status, _ = await one.refused(headers={**cookie, **origin})
            assert status == 403
        for site in ("cross-site", "same-site"):
            headers = {**cookie, "Origin": one.service.url, "Sec-Fetch-Site": site}
            assert (await one.refused(headers=headers))[0] == 403
        headers = {**cookie, "Origin": one.service.url, "Sec-Fetch-Site": "same-origin"}
        async with one.listening(headers=headers) as ear:
            assert json.loads(await ear.recv())["listeners"] == 1
        counts = one.service.app.state.service.refusals.counts
        assert (counts["foreign_page"], counts["foreign_site"]) == (3, 2)


# Who does not


async def test_strangers_and_those_who_may_only_look_on_hear_nothing(tmp_path):
    async with desk(tmp_path) as one:
        assert await one.refused(headers={}) == (401, "unauthorized")
        assert await one.refused(headers={"Authorization": "Bearer wrong"}) == (401, "unauthorized")
        assert await one.refused(headers=one.bearer(Scope.VIEW)) == (403, "forbidden")
        assert (await one.may(scope=Scope.VIEW)).status_code == 403
        assert one.serializer.overhearing is None


async def test_there_is_nothing_to_hear_of_a_call_that_is_not_there(tmp_path):
    async with desk(tmp_path) as one:
        assert (await one.may("call_x")).status_code == 404
        assert (await one.refused(call_id="call_x"))[0] == 404
        other = one.service.store.open(carrier="twilio", carrier_call_id="CA2")
        status, why = await one.refused(call_id=other.id)
        assert (status, "does not talk with the caller now" in why) == (409, True)


@pytest.mark.parametrize(
    ("text", "told", "status", "why"),
    [
        (AGENT, True, 403, "listen = true under [monitoring] in desk.toml"),
        (AGENT + LISTEN, False, 409, "has not heard to its end"),
    ],
)
async def test_who_may_not_is_told_why(tmp_path, text, told, status, why):
    async with desk(tmp_path, text, told) as one:
        answer = await one.may()
        assert (answer.status_code, why in answer.json()["error"]) == (status, True)
        refused = await one.refused()
        assert (refused[0], why in refused[1]) == (status, True)


async def test_a_call_that_has_ended_has_nothing_to_hear(tmp_path):
    async with desk(tmp_path) as one:
        one.session.detached("x")
        one.call.move(CallState.COMPLETED, cause="x", ended_by=EndedBy.CALLER)
        assert ((await one.may()).status_code, (await one.refused())[0]) == (409, 409)


async def test_the_fifth_is_one_too_many(tmp_path):
    async with desk(tmp_path) as one, contextlib.AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(one.listening())
        status, why = await one.refused()
        assert (status, "4 people listen" in why) == (409, True)


# The end


@pytest.mark.parametrize("message", ["hello", b"\x00" * 70_000, ""])
async def test_who_says_something_is_listened_to_by_nobody(tmp_path, message):
    async with desk(tmp_path) as one, one.listening() as ear:
        await ear.send(message)
        assert (await closed(ear))[0] == 1008
        assert one.ended() == [("ann-read", "left")]


async def test_it_ends_with_the_bots_session_and_says_what_to_do(tmp_path):
    async with desk(tmp_path) as one, one.listening() as ear:
        await ear.recv()
        one.session.detached("handed over")
        code, reason = await closed(ear)
        assert (code, "listen again" in reason) == (4001, True)
        assert one.ended() == [("ann-read", "detached")]


async def test_it_ends_when_the_key_is_revoked(tmp_path, monkeypatch):
    monkeypatch.setattr(listening, "LOOK_SECS", 0.05)
    async with desk(tmp_path) as one, one.listening() as ear:
        await ear.recv()
        service = one.service.app.state.service
        revoke(tmp_path / "data" / FILE, service.api_keys.named("ann-read"))
        assert (await closed(ear))[0] == 4003
        assert one.ended() == [("ann-read", "not_allowed")]


async def test_it_ends_when_the_session_in_the_browser_is_over(tmp_path, monkeypatch):
    monkeypatch.setattr(listening, "LOOK_SECS", 0.05)
    async with desk(tmp_path) as one:
        answer = await log_in(one.service.http, one.service.url, one.keys[Scope.READ])
        headers = {"Cookie": answer.headers["set-cookie"].partition(";")[0], "Origin": one.service.url}
        async with one.listening(headers=headers) as ear:
            await ear.recv()
            monkeypatch.setattr(sessions, "SESSION_SECS", -1)
            assert (await closed(ear))[0] == 4003


async def test_who_vanishes_listens_no_more(tmp_path):
    async with desk(tmp_path) as one:
        ear = await one.listening()
        await ear.recv()
        ear.transport.abort()
        await until(lambda: one.ended() == [("ann-read", "left")])


@pytest.mark.timeout(60)
async def test_who_reads_nothing_is_dropped_with_the_connection(tmp_path, monkeypatch):
    monkeypatch.setattr(desk_overhearing, "SEND_SECS", 0.5)
    monkeypatch.setattr(listening, "CLOSE_SECS", 0.2)
    monkeypatch.setattr(connections, "UNREAD_SECS", 0.5)
    gone, closed = [], connections.Connections.closed

    def was_closed(self, connection):
        gone.append(type(connection).__name__)
        closed(self, connection)

    monkeypatch.setattr(connections.Connections, "closed", was_closed)
    async with desk(tmp_path) as one:
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, ("127.0.0.1", one.service.port))
        request = (
            f"GET /calls/{one.call.id}/listen HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: {one.bearer()['Authorization']}\r\n\r\n"
        )
        await loop.sock_sendall(deaf, request.encode())
        await until(lambda: one.serializer.overhearing)
        (listener,) = one.serializer.overhearing._listeners
        listener._at_most = 10**9  # what counts here is the socket: nothing of it is read
        while listener.over is None:
            listener.hear(b"\x01" * 400_000)
            await asyncio.sleep(0.02)
        assert one.ended() == [("ann-read", "too_slow")]
        # The connection is gone as well, though nothing of it was read.
        await until(lambda: "LimitedWebSocket" in gone)
        deaf.close()


async def test_a_listener_in_a_call_keeps_no_stop_waiting(tmp_path):
    async with desk(tmp_path) as one:
        ear = await one.listening()
        await ear.recv()
        begun = datetime.now(UTC)
    assert datetime.now(UTC) - begun < timedelta(seconds=20)
    with pytest.raises((ConnectionClosed, httpx.TransportError)):
        while True:
            await ear.recv()
