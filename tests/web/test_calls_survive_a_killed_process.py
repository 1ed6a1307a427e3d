"""What a carrier is told before a process dies, and what it finds afterwards."""

import asyncio
import os
import socket
import sys
import time

import httpx
import pytest
import websockets
from websockets.exceptions import InvalidStatus

from calls.database.call_database import CallDatabase, DatabaseUnavailable
from calls.events.talk import Attached, CallerSaid
from calls.states import CallState, EndedBy
from server import FIRST_KEPT_SOCKET
from settings import ROOT
from tests.talks.test_server_remembers_calls import store_of
from tests.web_service import running, start_of, stream_of, streaming, until, verbs

CALL = {"CallSid": "CA1", "From": "+14155550100", "To": "+14155550101", "CallStatus": "in-progress"}
DESK = '[transfers.desk]\nnumber = "+12025550111"\n[dead_air]\nfallback = "desk"\n'
TELNYX = {"telnyx_api_key": "KEY", "telnyx_api_base_url": "http://127.0.0.1:9/v2"}


def attached(service) -> None:
    (call,) = service.store.list()
    call.move(CallState.IN_PROGRESS, cause="media stream")
    call.record(Attached("MZ1"))


async def test_twilio_asks_again_at_the_address_after_a_stream(tmp_path):
    async with running(tmp_path) as service:
        document = (await service.post("/twilio/voice", **CALL)).text
    assert "/twilio/connect-ended?call=call_" in document
    assert "#rc=5&amp;rp=ct,5xx&amp;ct=2000&amp;rt=8000" in document


async def test_texml_waits_by_itself_where_calls_can_be_ended_by_request(tmp_path):
    async with running(tmp_path, **TELNYX, allow_unsigned_webhooks=True) as service:
        document = (await service.post(service.telnyx_voice, **CALL)).text
    names = [name for name, _ in verbs(document)]
    assert names[:6] == ["Connect", "Pause", "Connect", "Say", "Pause", "Connect"]
    assert names[-1] == "Redirect"
    assert names.count("Connect") == 10
    assert 'enableReconnect="true"' in document
    assert ("Say", "One moment.") in verbs(document)


async def test_texml_does_not_wait_where_only_the_document_can_end_the_call(tmp_path):
    async with running(tmp_path) as service:
        document = (await service.post(service.telnyx_voice, **CALL)).text
    assert [name for name, _ in verbs(document)] == ["Connect", "Redirect"]
    assert 'enableReconnect="false"' in document


@pytest.mark.parametrize("path", ["/twilio/voice", "/twilio/fallback", "/twilio/connect-ended"])
async def test_the_next_process_connects_the_caller_again_wherever_it_is_asked(tmp_path, path):
    async with running(tmp_path, store=store_of(tmp_path)) as service:
        await service.post("/twilio/voice", **CALL)
        attached(service)
        (before,) = service.store.list()
    async with running(tmp_path, store=store_of(tmp_path)) as service:
        document = (await service.post(path, **CALL)).text
        (call,) = service.store.list()
    assert stream_of(document)[0].startswith("ws")
    assert call.id == before.id
    assert call.resume.reason == "lost"


@pytest.mark.parametrize("path", ["/twilio/voice", "/twilio/fallback", "/twilio/connect-ended"])
async def test_the_fourth_time_a_person_takes_the_call(tmp_path, path):
    agents = tmp_path / "with_desk"
    agents.mkdir()
    (agents / "receptionist.toml").write_text(f'greeting = "Hello."\ninstructions = "Be kind."\n{DESK}')
    async with running(tmp_path, agents_dir=agents) as service:
        await service.post("/twilio/voice", **CALL)
        attached(service)
        for _ in range(3):
            assert [name for name, _ in verbs((await service.post(path, **CALL)).text)] == ["Connect"]
        assert [name for name, _ in verbs((await service.post(path, **CALL)).text)] == ["Say", "Dial"]


async def test_a_call_that_was_to_end_does_not_come_back(tmp_path):
    async with running(tmp_path, store=store_of(tmp_path)) as service:
        await service.post("/twilio/voice", **CALL)
        attached(service)
        service.store.list()[0].will_end(EndedBy.BOT, "end_call")
    async with running(tmp_path, store=store_of(tmp_path)) as service:
        for path in ("/twilio/voice", "/twilio/fallback", "/twilio/connect-ended"):
            assert verbs((await service.post(path, **CALL)).text) == [("Hangup", None)]


async def test_a_caller_who_is_back_before_the_bot_is_ready_waits_and_is_not_counted(tmp_path):
    loaded = asyncio.Event()
    async with running(tmp_path, warm_up=loaded.wait) as service:
        await service.post("/twilio/voice", **CALL)
        attached(service)
        for _ in range(5):
            document = (await service.post("/twilio/connect-ended", **CALL)).text
            assert [name for name, _ in verbs(document)] == ["Say", "Pause", "Redirect"]
        assert "/twilio/connect-ended?call=" in document
        loaded.set()
        await until(lambda: not service.app.state.service.is_loading)
        assert [name for name, _ in verbs((await service.post("/twilio/connect-ended", **CALL)).text)] == [
            "Connect"
        ]


async def test_a_used_token_opens_the_socket_of_a_telnyx_call_that_has_lost_it(tmp_path):
    async with running(tmp_path, **TELNYX, allow_unsigned_webhooks=True, store=store_of(tmp_path)) as service:
        url, _ = stream_of((await service.post(service.telnyx_voice, **CALL)).text)
        async with streaming(url, "telnyx"):
            await until(lambda: service.app.state.service.sockets)
            attached(service)
    async with running(tmp_path, **TELNYX, allow_unsigned_webhooks=True, store=store_of(tmp_path)) as service:
        again = f"{service.ws_url}{url[url.index('/ws/') :]}"
        async with streaming(again, "telnyx"):
            await until(lambda: service.app.state.service.sockets)
            (call,) = service.store.list()
            assert call.resume.reason == "lost"
        async with websockets.connect(again) as stolen:  # for another call
            await stolen.send(start_of("telnyx", "CA2"))
            await stolen.wait_closed()
        assert stolen.close_code == 1008


async def test_a_used_token_opens_nothing_before_there_was_a_stream(tmp_path):
    async with running(tmp_path, **TELNYX, allow_unsigned_webhooks=True) as service:
        url, _ = stream_of((await service.post(service.telnyx_voice, **CALL)).text)
        async with streaming(url, "telnyx"):
            await until(lambda: service.app.state.service.sockets)
        await until(lambda: not service.app.state.service.sockets)
        with pytest.raises(InvalidStatus):
            await websockets.connect(url)


async def test_a_used_token_opens_nothing_at_twilio(tmp_path):
    async with running(tmp_path) as service:
        url, _ = stream_of((await service.post("/twilio/voice", **CALL)).text)
        async with streaming(url):
            await until(lambda: service.app.state.service.sockets)
            attached(service)
        with pytest.raises(InvalidStatus):
            await websockets.connect(url)


AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), int(sys.argv[2]))
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.executable, [sys.executable, "server.py", "--port", sys.argv[3]])
"""


async def test_a_port_that_a_supervisor_keeps_open_is_taken_over(tmp_path):
    """As systemd starts a service of a socket unit: the request was there before the process."""
    with socket.create_server(("127.0.0.1", 0)) as kept:
        port = kept.getsockname()[1]
        settings = {"DATA_DIR": str(tmp_path), "PHONEBOT_ENV_FILE": ""}
        async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
            asking = asyncio.create_task(http.get(f"http://127.0.0.1:{port}/healthz"))
            await asyncio.sleep(0.2)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-c", AS_SYSTEMD, str(kept.fileno()), str(FIRST_KEPT_SOCKET), str(port)),
                cwd=ROOT,
                env={**os.environ, **settings},
                pass_fds=(kept.fileno(),),
            )
            try:
                assert (await asking).json() == {"status": "ok"}
            finally:
                process.kill()
                await process.wait()


async def test_while_the_database_is_away_calls_are_answered_and_known_after_a_restart(tmp_path, monkeypatch):
    async def refuses(self):
        raise DatabaseUnavailable("the database is away")

    def spooled():
        store = store_of(tmp_path)
        store.spool_to(tmp_path / "spool")
        return store

    monkeypatch.setattr(CallDatabase, "_opened", refuses)
    async with running(tmp_path, store=spooled()) as service:
        started = time.monotonic()
        document = (await service.post("/twilio/voice", **CALL)).text
        assert verbs(document)[0][0] == "Connect"
        assert time.monotonic() - started < 2
        attached(service)
        (call,) = service.store.list()
        call.record(CallerSaid(text="my order is late"))
    async with running(tmp_path, store=spooled()) as service:
        document = (await service.post("/twilio/connect-ended", **CALL)).text
        assert verbs(document)[0][0] == "Connect"
        (again,) = service.store.list()
        assert again.id == call.id
        assert again.last(CallerSaid).text == "my order is late"
        monkeypatch.undo()
        assert await service.store.flush(20)
    assert not list((tmp_path / "spool").glob("*"))
