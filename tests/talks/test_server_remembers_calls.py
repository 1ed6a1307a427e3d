"""Calls outlive the process that answered them, and are answered without a database too."""

import subprocess
import sys

from loguru import logger

from calls.database.call_database import CallDatabase
from calls.events.lifecycle import TransferStarted
from calls.store import CallStore
from settings import ENV_FILE, ROOT
from tests.web_service import running, stream_of, verbs

KEY = {"Authorization": "Bearer secret"}
CALL = {"CallSid": "CA1", "From": "+14155550100", "To": "+14155550101", "CallStatus": "in-progress"}


def store_of(tmp_path) -> CallStore:
    return CallStore(CallDatabase(f"sqlite+aiosqlite:///{tmp_path / 'calls.db'}"))


async def test_a_call_goes_on_after_its_process_was_replaced(tmp_path):
    async with running(tmp_path, store=store_of(tmp_path)) as service:
        await service.post("/twilio/voice?agent=sales&campaign=spring", **CALL)
        (call,) = service.store.list()
        call.record(TransferStarted(destination="desk", warm=False))
    async with running(tmp_path, store=store_of(tmp_path), api_key="secret") as service:
        listed = (await service.http.get("/calls", headers=KEY)).json()["calls"]
        assert [one["id"] for one in listed] == [call.id]
        answer = await service.post(f"/twilio/transfer?call={call.id}", **CALL, DialCallStatus="busy")
        assert stream_of(answer.text)[1]["campaign"] == "spring"
        shown = (await service.http.get("/calls/CA1", headers=KEY)).json()
        assert [(one["destination"], one["outcome"]) for one in shown["transfers"]] == [("desk", "busy")]
    async with running(tmp_path, store=store_of(tmp_path)) as service:
        stream_of((await service.post(f"/twilio/connect-ended?call={call.id}", **CALL)).text)
        (found,) = service.store.list()
        assert (found.id, found.resume.outcome) == (call.id, "busy")


async def test_a_recording_that_is_ready_after_a_restart_is_kept_with_its_call(tmp_path):
    async with running(tmp_path, store=store_of(tmp_path)) as service:
        await service.post("/telnyx/voice", **CALL)
        await service.post("/telnyx/status", CallSid="CA1", CallStatus="completed")
    async with running(tmp_path, store=store_of(tmp_path)) as service:
        await service.post(
            "/telnyx/recording", CallSid="CA1", RecordingUrl="https://h/1", RecordingStatus="completed"
        )
    async with running(tmp_path, store=store_of(tmp_path), api_key="secret") as service:
        shown = (await service.http.get("/calls/CA1", headers=KEY)).json()
        assert (shown["state"], shown["recordings"][0]["url"]) == ("completed", "https://h/1")


async def test_calls_are_answered_when_the_database_cannot_be_opened_any_more(tmp_path):
    (tmp_path / "calls.db").write_text("this is no database, and long enough to be seen as none" * 20)
    lines: list[str] = []
    sink = logger.add(lines.append, level="ERROR", format="{message}")
    try:
        async with running(tmp_path, store=store_of(tmp_path), api_key="secret") as service:
            document = (await service.post("/twilio/voice", **CALL)).text
            assert [verb for verb, _ in verbs(document)] == ["Connect"]
            assert (await service.http.get("/readyz")).status_code == 200
            assert (await service.http.get("/calls/CA1", headers=KEY)).json()["state"] == "ringing"
            assert (await service.http.get("/calls/CA2", headers=KEY)).status_code == 404
    finally:
        logger.remove(sink)
    assert any("wait for the database" in line and "is not a database" in line for line in lines)
    assert not any(CALL["From"] in line for line in lines)


def test_an_address_without_a_file_is_one_line(tmp_path):
    started = subprocess.run(
        [sys.executable, "server.py"],
        cwd=ROOT,
        env={
            "PATH": "",
            ENV_FILE: "",
            "DATABASE_URL": "sqlite://",
            "PORT": "18760",
            "DATA_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert started.returncode == 2
    assert "DATABASE_URL names no file" in started.stderr.splitlines()[-1]
    assert "Traceback" not in started.stderr
