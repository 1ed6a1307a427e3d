"""Files with callers' words or numbers are of mode 0600 in folders of mode 0700, also where they were wider before."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from calls.left_messages import Message, MessageBook
from calls.private_files import make_private_folder
from emulator.line.speech import write_stereo
from emulator.report import Report
from tests.calls_on_disk import store_on

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")

MESSAGE = Message(
    datetime(2026, 1, 1, tzinfo=UTC), "call_1", "receptionist", "Ann", "+12025550143", "Call me."
)


@pytest.fixture(autouse=True)
def a_careless_umask():
    before = os.umask(0o000)
    yield
    os.umask(before)


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


def wide_open(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.parent.chmod(0o755)
    path.write_text("")
    path.chmod(0o644)


@pytest.mark.parametrize("existed", [False, True])
async def test_messages(tmp_path, existed):
    book = MessageBook(tmp_path / "data")
    if existed:
        wide_open(book.path)
    await book.keep(MESSAGE)
    assert "Call me." in book.path.read_text()
    assert (mode(book.path), mode(book.path.parent)) == ("0o600", "0o700")


@pytest.mark.parametrize("existed", [False, True])
async def test_the_database_and_the_files_beside_it(tmp_path, existed):
    file = tmp_path / "data" / "calls.db"
    names = [file, file.with_name("calls.db-wal"), file.with_name("calls.db-shm")]
    if existed:
        for name in names:
            wide_open(name)
    async with store_on(file) as store:
        store.open(carrier="twilio", carrier_call_id="CA1", direction="inbound")
        await store.flush()
        assert {path.name: mode(path) for path in file.parent.iterdir()} == {
            path.name: "0o600" for path in names
        }
        assert mode(file.parent) == "0o700"


def test_folders_in_between_are_closed_too(tmp_path):
    make_private_folder(tmp_path / "a" / "b")
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == ("0o700", "0o700")


def test_folders_that_are_not_ours_alone_stay_as_they_are(tmp_path, monkeypatch):
    shared = tmp_path / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    home = tmp_path / "home" / "ann"
    home.mkdir(parents=True)
    for folder in (home, home.parent):
        folder.chmod(0o755)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    for folder in (shared, home, home.parent):
        make_private_folder(folder)
    assert [mode(folder) for folder in (shared, home, home.parent)] == ["0o1777", "0o755", "0o755"]


@pytest.mark.parametrize("existed", [False, True])
def test_recordings_and_reports_of_the_emulator(tmp_path, existed):
    wav, report = tmp_path / "recordings" / "call.wav", tmp_path / "recordings" / "call.json"
    if existed:
        wide_open(wav)
        wide_open(report)
    write_stereo(wav, [], [])
    write_report(report)
    assert (mode(wav), mode(report)) == ("0o600", "0o600")


def write_report(path: Path) -> None:
    Report.write(_Report(), path)  # type: ignore[arg-type]


class _Report:
    def as_dict(self) -> dict[str, str]:
        return {"caller_said": "What are your opening hours?"}
