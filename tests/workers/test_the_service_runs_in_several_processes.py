"""`server.py --workers N`: what is said and looked at once, who answers, and what is refused."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from calls.shared import BEAT_SECS
from deployment.checkup import settings_findings
from deployment.worker_plan import cores, count, worker_findings
from desk import load
from server import listen
from settings import Given, SettingsError, load_settings
from tests.exposed import named
from tests.receiver import free_port
from tests.web.test_server_start import environment, start
from tests.web_service import make_settings
from tests.workers.parents import is_alive, service, until

pytestmark = pytest.mark.timeout(400)
linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells whose a connection is")


def surroundings(tmp_path: Path, **values: str) -> dict[str, str]:
    """A deployment that loads no models, so that its workers cost little: the bot talks elsewhere."""
    elsewhere = {
        "PIPECAT_CLOUD_AGENT": "sales.example",
        "PIPECAT_CLOUD_PUBLIC_KEY": "pk_x",
        "PIPECAT_CLOUD_API_BASE_URL": "http://127.0.0.1:9",
        "DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'calls.db'}",
        "AGENT": "sales",
    }
    given = environment(tmp_path, **elsewhere, **values)
    return {name: value for name, value in given.items() if os.environ.get(name) != value}


def children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-A", "-o", "ppid=,pid="], capture_output=True, text=True, check=True)
    return [int(child) for parent, child in map(str.split, listed.stdout.splitlines()) if int(parent) == pid]


def owner(port: int, pids: list[int]) -> int | None:
    """The process that has a connection of somebody who has just connected."""
    inodes = {
        parts[9]
        for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
        if (parts := line.split())[1].endswith(f":{port:04X}") and parts[3] == "01"
    }
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = os.readlink(link)
            except OSError:
                continue
            if (found := re.fullmatch(r"socket:\[(\d+)\]", target)) and found[1] in inodes:
                return pid
    return None


@linux
def test_two_processes_answer_on_one_port(tmp_path):
    port = free_port()
    with service(tmp_path, port, "--workers", "2", **surroundings(tmp_path)) as one:
        first, second = one.serve(2)
        assert one.log.count(f"Agent sales, listening on http://127.0.0.1:{port}") == 1
        assert one.log.count("2 processes share the port; `kill -HUP") == 1
        assert f"`kill -HUP {one.process.pid}`" in one.log
        seen = set()

        def both_have_answered() -> bool:
            with httpx.Client(base_url=one.url, trust_env=False) as http:
                assert http.get("/readyz").status_code == 200
                seen.add(owner(port, [first, second]))
            return {first, second} <= seen

        until(both_have_answered, "both have a connection")
        os.kill(first, signal.SIGKILL)
        while len(one.started) < 3:
            assert httpx.get(f"{one.url}/healthz", trust_env=False, timeout=20).status_code == 200
        third = one.started[2]
        one.send(signal.SIGTERM)
        assert one.process.wait(60) == 0
        assert not any(map(is_alive, [first, second, third]))
        listen("127.0.0.1", port).close()


@linux
def test_the_metrics_of_two_processes_are_those_of_both(tmp_path):
    given = surroundings(tmp_path, METRICS_TOKEN="for prometheus", MAX_CALLS="7")
    token = {"Authorization": "Bearer for prometheus"}
    with service(tmp_path, free_port(), "--workers", "2", **given) as one:
        first, second = one.serve(2)
        parents = Path(f"/proc/{one.process.pid}/environ").read_bytes().split(b"\0")
        (folder,) = [
            Path(each.partition(b"=")[2].decode())
            for each in parents
            if each.startswith(b"PROMETHEUS_MULTIPROC")
        ]

        def both() -> bool:
            text = httpx.get(f"{one.url}/metrics", headers=token, trust_env=False, timeout=20).text
            found = named(text, "phonebot_processes"), named(text, "phonebot_capacity")
            return found == ({(): 2}, {(): 14})

        until(both, "whoever is asked tells of both")
        os.kill(first, signal.SIGKILL)
        one.serve(3)
        until(both, "the one that was killed is not counted any more")
        assert any(str(first) in file.name for file in folder.iterdir())  # what it has counted stays
        assert not list(folder.glob(f"gauge_live*_{first}.db"))
        assert list(folder.glob(f"gauge_live*_{second}.db"))
        one.send(signal.SIGTERM)
        assert one.process.wait(60) == 0
        assert not folder.exists()


def test_new_processes_take_over_without_a_gap(tmp_path):
    with service(tmp_path, free_port(), "--workers", "1", **surroundings(tmp_path)) as one:
        (first,) = one.serve(1)
        one.send(signal.SIGHUP)
        while is_alive(first):
            assert httpx.get(f"{one.url}/healthz", trust_env=False, timeout=20).status_code == 200
        assert len(one.serve(2)) == 2
        assert httpx.get(f"{one.url}/healthz", trust_env=False).status_code == 200


@linux
def test_one_process_that_is_to_stop_leaves_the_port_to_the_others(tmp_path):
    with service(tmp_path, free_port(), "--workers", "2", **surroundings(tmp_path)) as one:
        first, _ = one.serve(2)
        time.sleep(3 * BEAT_SECS)  # until they know of each other
        os.kill(first, signal.SIGTERM)
        while is_alive(first):
            assert httpx.get(f"{one.url}/readyz", trust_env=False, timeout=20).status_code == 200
        assert "Draining: others have the port, 0 calls go on" in one.log
        assert "no new calls are taken" not in one.log


def test_one_process_is_watched_as_well(tmp_path):
    with service(tmp_path, free_port(), **surroundings(tmp_path, WORKERS="1", WATCHDOG_SECS="3")) as one:
        (first,) = one.serve(1)
        assert "One process answers, and a parent watches it" in one.log
        os.kill(first, signal.SIGSTOP)
        one.serve(2)
        assert "has given no sign of life for 3 s" in one.log


@pytest.mark.parametrize("serving", [0, 2])
def test_no_worker_outlives_the_parent(tmp_path, serving):
    port = free_port()
    with service(tmp_path, port, "--workers", "2", **surroundings(tmp_path)) as one:
        one.serve(serving)
        pids = until(lambda: children(one.process.pid), "it has workers")
        assert len(pids) == (serving or 1)
        one.process.kill()
        one.process.wait()
        until(lambda: not any(map(is_alive, pids)), "the workers end")
        listen("127.0.0.1", port).close()


def test_without_the_setting_there_is_no_parent(tmp_path):
    port = free_port()
    with service(tmp_path, port, **surroundings(tmp_path)) as one:

        def answers() -> bool:
            try:
                return httpx.get(f"{one.url}/healthz", trust_env=False).status_code == 200
            except httpx.TransportError:
                return False

        until(answers, "it serves")
        assert children(one.process.pid) == []
        assert "share the port" not in one.log


@pytest.mark.parametrize("address", ["memory", "sqlite+aiosqlite://", "sqlite+aiosqlite:///:memory:"])
def test_calls_in_memory_are_one_process_alone(tmp_path, address):
    refused = start(tmp_path, "--port", str(free_port()), WORKERS="2", DATABASE_URL=address)
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert "WORKERS is 2, and DATABASE_URL keeps calls in memory" in refused.stderr
    assert "or name a database, or set WORKERS=1" in refused.stderr


def test_a_database_that_cannot_be_used_is_told_once(tmp_path):
    address = "nosuch+driver://host/calls"
    with service(
        tmp_path, free_port(), "--workers", "2", **{**surroundings(tmp_path), "DATABASE_URL": address}
    ) as one:
        assert one.process.wait(60) == 2
        assert one.log.count("of a kind that no driver is known for") == 1
        assert "Traceback" not in one.log


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", "1000"])
def test_a_number_that_cannot_be_is_refused(value):
    with pytest.raises(SettingsError, match="WORKERS is not usable: must be a whole number of processes"):
        load_settings(workers=value)


@pytest.mark.parametrize("value", ["1", "-3"])
def test_a_watchdog_that_would_bite_everybody_is_refused(value):
    with pytest.raises(SettingsError, match="WATCHDOG_SECS is not usable: must be"):
        load_settings(watchdog_secs=value)


@pytest.mark.parametrize(
    ("quota", "expected"), [("max 100000", 8), ("150000 100000", 2), ("50000 100000", 1)]
)
def test_auto_is_what_a_container_may_use(tmp_path, monkeypatch, quota, expected):
    (tmp_path / "cpu.max").write_text(quota + "\n")
    monkeypatch.setattr(load, "QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert cores() == expected
    assert count(load_settings(workers="Auto")) == expected
    assert count(load_settings(workers="3")) == 3
    assert count(load_settings()) == 1


def test_the_doctor_knows_how_many_there_are():
    shared = {"database_url": "sqlite+aiosqlite:///calls.db"}
    assert worker_findings(make_settings(workers=1, database_url="memory")) == []
    assert worker_findings(make_settings(workers=cores(), **shared)) == []
    (note,) = worker_findings(make_settings(workers=cores() + 1, **shared))
    assert (note.verdict.value, note.subject) == ("note", "WORKERS")
    found = settings_findings(make_settings(workers=2, database_url="memory"), Given())
    assert [one.verdict.value for one in found if one.subject == "WORKERS"] == ["fault"]
