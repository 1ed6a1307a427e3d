"""DELETE /callers/NUMBER and `phonebot calls erase` forget one caller; what is old is forgotten by itself."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from loguru import logger

from calls.call import Call
from calls.events.talk import CallerSaid
from calls.forgetting import Retention
from calls.states import CallState
from desk import retention
from tests.calls_on_disk import rows, store_on, url_of
from tests.web_service import make_settings, running, until

ROOT = Path(__file__).parents[2]
KEY = {"Authorization": "Bearer secret"}
ANN = "+12025550143"
ADDRESS = "/callers/%2B12025550143"
INCOMING = {"CallSid": "CA1", "From": ANN, "To": "+14155550101"}


def ended(store, name: str = "CA9") -> Call:
    call = store.open(carrier="twilio", carrier_call_id=name, from_number=ANN, to_number="+14155550100")
    call.move(CallState.IN_PROGRESS, cause="answered")
    call.record(CallerSaid("Rosebud"))
    call.move(CallState.COMPLETED, cause="hung up")
    return call


async def test_a_caller_is_erased_by_the_api_and_no_log_has_the_number(tmp_path):
    file, lines = tmp_path / "calls.db", []
    sink = logger.add(lines.append, level="TRACE")
    try:
        async with store_on(file) as store, running(tmp_path, store=store, api_key="secret") as service:
            ended(store)
            await service.post("/twilio/voice", **INCOMING)
            assert (await service.http.delete(ADDRESS)).status_code == 401
            refused = await service.http.delete(ADDRESS, headers=KEY)
            assert refused.status_code == 409
            assert "running" in refused.json()["error"]
            await service.post("/twilio/status", **INCOMING, CallStatus="completed")
            answer = await service.http.delete("/callers/+1 (202) 555-0143", headers=KEY)
            assert answer.status_code == 200
            assert (answer.json()["calls"], answer.json()["recordings_left"]) == (2, 0)
            assert any("carrier" in line for line in answer.json()["not_erased"])
            listed = (await service.http.get("/calls", headers=KEY)).json()["calls"]
            assert [call["from_number"] for call in listed] == [None, None]
            assert "Rosebud" not in (await service.http.get(f"/calls/{listed[1]['id']}", headers=KEY)).text
            assert (await service.http.delete(ADDRESS, headers=KEY)).json()["calls"] == 0
            assert (await service.http.delete("/callers/nobody", headers=KEY)).status_code == 422
            assert (
                "/callers/{number}" in (await service.http.get("/openapi.json", headers=KEY)).json()["paths"]
            )
    finally:
        logger.remove(sink)
    assert not [line for line in lines if "2025550143" in line]


def erase(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "phonebot.py", "calls", "erase", *options],
        cwd=ROOT,
        env={
            "PATH": "/usr/bin:/bin",
            "PHONEBOT_ENV_FILE": "",
            "DATA_DIR": str(folder),
            "DATABASE_URL": url_of(folder / "calls.db"),
        },
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )


async def test_a_caller_is_erased_on_the_command_line(tmp_path):
    async with store_on(tmp_path / "calls.db") as store:
        ended(store)
        await store.flush()
        asked = await asyncio.to_thread(erase, tmp_path, ANN)
        assert (asked.returncode, "--yes" in asked.stderr) == (2, True)
        done = await asyncio.to_thread(erase, tmp_path, ANN, "--yes")
        assert done.returncode == 0, done.stderr
        assert "1 calls without number and words" in done.stdout
        assert "2025550143" not in done.stdout + done.stderr
        # The server's memory had the call, too.
        assert [call.from_number for call in await store.latest()] == [None]
        wrong = await asyncio.to_thread(erase, tmp_path, "nobody", "--yes")
        assert (wrong.returncode, "no" in wrong.stderr) == (2, True)


async def test_what_is_old_is_forgotten_soon_after_the_start(tmp_path, monkeypatch):
    monkeypatch.setattr(retention, "START_SECS", 0.0)
    now, file = datetime.now(UTC), tmp_path / "calls.db"
    async with store_on(file, clock=lambda: now - timedelta(days=5)) as store:
        ended(store)
    async with store_on(file) as store, running(tmp_path, store=store, retain_transcripts_days=3):
        await until(lambda: rows(file, "select words_gone, numbers_gone from calls") == [(1, 0)])
        assert "Rosebud" not in str(rows(file, "select * from call_events"))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, Retention()),
        ({"retain_days": 30}, Retention(30, 30, 30, 30)),
        ({"retain_days": 30, "retain_transcripts_days": 7}, Retention(30, 7, 30, 30)),
        ({"retain_events_days": 90, "retain_numbers_days": 14}, Retention(numbers=14, events=90)),
    ],
)
def test_each_kind_has_its_days(values, expected):
    assert retention.retention_of(make_settings(**values)) == expected
