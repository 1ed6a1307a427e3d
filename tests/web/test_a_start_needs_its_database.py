"""A database that cannot be used stops the start; one that was used before and is away for a while does not."""

import sqlite3
import sys

import pytest

from calls.database.call_database import CallDatabase
from calls.database.engine import VERSION_TABLE
from calls.database.errors import DatabaseUnavailable
from deployment import database as opening
from deployment.checkup import database_findings
from deployment.database import open_database, spool_of
from deployment.start import StartError, check
from tests.calls_on_disk import change, make_older, rows
from tests.web_service import make_settings, write_agents


@pytest.fixture
def settings(tmp_path):
    def made(**more):
        agents = write_agents(tmp_path / "agents")
        (agents / "broken.toml").unlink(missing_ok=True)
        return make_settings(agents_dir=agents, data_dir=tmp_path / "data", **more)

    return made


@pytest.fixture
def file(tmp_path):
    return tmp_path / "data" / "calls.db"


@pytest.fixture
def away(monkeypatch):
    """Has every database refuse to be opened."""

    async def refuses(self):
        raise DatabaseUnavailable("the database is away; check that it runs")

    def begin():
        monkeypatch.setattr(CallDatabase, "open", refuses)

    return begin


def test_a_first_start_makes_the_tables_and_the_folder_of_what_waits(settings, file):
    assert open_database(settings()) == []
    assert (VERSION_TABLE,) in rows(file, "select name from sqlite_master")
    spool = spool_of(settings())
    assert spool.is_dir()
    assert spool.stat().st_mode & 0o777 == 0o700


def test_a_database_that_was_never_used_must_be_there(settings, away):
    away()
    with pytest.raises(StartError) as caught:
        check(settings())
    message = str(caught.value)
    assert "check that it runs" in message
    assert "set DATABASE_URL=memory" in message
    assert "\n" not in message


def test_one_that_was_used_before_may_be_away_for_a_while(settings, away):
    check(settings())
    away()
    assert check(settings())[0].startswith(f"calls wait in {spool_of(settings())} until")
    with pytest.raises(StartError):  # it is another one
        check(settings(database_url=f"sqlite:///{settings().data_dir}/other.db"))


def test_one_that_never_answers_is_not_waited_for_for_ever(settings, file, monkeypatch):
    monkeypatch.setattr(opening, "KNOWN_OPEN_SECS", 0.2)
    monkeypatch.setattr(opening, "OPEN_SECS", 0.2)
    check(settings())
    lock = sqlite3.connect(file, isolation_level=None)
    lock.execute("begin exclusive")
    try:
        assert "locked" in check(settings())[0]
    finally:
        lock.close()


def test_in_memory_nothing_is_opened(settings, away, file):
    away()
    assert spool_of(settings(database_url="memory")) is None
    assert open_database(settings(database_url="memory")) == []
    assert not file.exists()


def test_a_newer_database_stops_every_start(settings, file):
    check(settings())
    change(file, f"update {VERSION_TABLE} set version_num = '9999'")
    with pytest.raises(StartError, match=r"newer version \(9999\) than this program: update the program"):
        check(settings())
    assert rows(file, f"select version_num from {VERSION_TABLE}") == [("9999",)]


def test_an_older_one_is_brought_up_to_date(settings, file):
    check(settings())
    make_older(file, "0006")
    assert not rows(file, "select * from sqlite_master where name = 'leases'")
    check(settings())
    assert rows(file, "select * from leases") == []


def test_what_is_no_database_any_more_stops_every_start(settings, file):
    check(settings())
    file.write_text("Dear diary, " * 100)
    with pytest.raises(StartError, match="is not a database: move the file away"):
        check(settings())


def test_a_missing_driver_of_postgresql_names_the_extra(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(StartError, match=r"make setup EXTRAS=postgresql, or .* -m pip install asyncpg"):
        check(settings(database_url="postgresql://bot:pw@127.0.0.1/calls"))


async def test_the_doctor_tells_of_calls_that_the_database_did_not_take(settings, file):
    spool = spool_of(settings())
    spool.mkdir(parents=True)
    assert [one.subject for one in await database_findings(settings())] == ["DATABASE_URL"]
    (spool / "a.refused").touch()
    (note,) = [one for one in await database_findings(settings()) if one.subject == "DATA_DIR"]
    assert "look at them" in note.text
