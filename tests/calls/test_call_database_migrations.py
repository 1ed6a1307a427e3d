"""The tables are brought up to date at start, and what cannot be used is told in one line."""

import asyncio
import os

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from calls.database.call_database import CallDatabase, DatabaseUnusable
from calls.database.engine import MIGRATIONS, VERSION_TABLE, known_revisions
from calls.database.schema import METADATA
from calls.store import CallStore
from tests.calls_on_disk import change, make_older, rows, store_on, url_of


async def test_an_empty_file_becomes_a_database(tmp_path):
    (tmp_path / "a.db").touch()
    async with store_on(tmp_path / "a.db") as store:
        await store.start()
        await store.start()
    names = rows(tmp_path / "a.db", "select name from sqlite_master where type = 'table' order by 1")
    assert names == [
        ("call_backs",),
        ("call_events",),
        ("call_turns",),
        ("call_words",),
        ("calls",),
        ("commands",),
        ("kept_json",),
        ("leases",),
        ("messages",),
        ("outbox",),
        (VERSION_TABLE,),
        ("processes",),
        ("sessions",),
        ("used_once",),
    ]


async def test_a_file_that_is_up_to_date_is_left_as_it_is(tmp_path):
    for _ in range(2):
        async with store_on(tmp_path / "a.db") as store:
            if await store.restore("c", "CA1") is None:
                store.open(carrier="c", carrier_call_id="CA1")
    assert rows(tmp_path / "a.db", "select count(*) from calls") == [(1,)]


async def test_the_folder_is_made(tmp_path):
    async with store_on(tmp_path / "some" / "where" / "a.db") as store:
        await store.start()


async def test_processes_that_start_together_do_not_get_into_each_others_way(tmp_path):
    stores = [CallStore(CallDatabase(url_of(tmp_path / "a.db"))) for _ in range(5)]
    await asyncio.gather(*(store.start() for store in stores))
    await asyncio.gather(*(store.aclose() for store in stores))


async def test_an_older_file_is_brought_up_to_date_by_one_of_several(tmp_path):
    file = tmp_path / "a.db"
    async with store_on(file) as store:
        await store.start()
        store.open(carrier="c", carrier_call_id="CA1")
    make_older(file, "0006")
    assert not rows(file, "select * from sqlite_master where name = 'leases'")
    stores = [CallStore(CallDatabase(url_of(file))) for _ in range(3)]
    await asyncio.gather(*(store.start() for store in stores))
    assert all(await asyncio.gather(*(store.fetch("CA1") for store in stores)))
    await asyncio.gather(*(store.aclose() for store in stores))
    assert rows(file, "select * from leases") == []


async def test_the_migrations_make_what_the_tables_say(tmp_path):
    async with store_on(tmp_path / "a.db") as store:
        await store.start()
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.connect() as connection:
        options = {"compare_type": True, "version_table": VERSION_TABLE}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), METADATA) == []
        # The comparison does not look at names of constraints and what becomes of events
        found = sa.inspect(connection)
        for table in METADATA.sorted_tables:
            assert found.get_pk_constraint(table.name)["name"] == table.primary_key.name
        for table in (
            "call_events",
            "call_turns",
            "call_words",
            "kept_json",
            "messages",
            "outbox",
            "sessions",
        ):
            (key,) = found.get_foreign_keys(table)
            assert key["options"] == {"ondelete": "CASCADE"}
    engine.dispose()


def test_the_migrations_are_one_line():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    assert len(scripts.get_heads()) == len(scripts.get_bases()) == 1
    assert known_revisions() == {script.revision for script in scripts.walk_revisions()}
    assert scripts.get_heads() == [max(known_revisions())]


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_every_database_can_make_the_tables(dialect):
    made = sa.dialects.registry.load(dialect)()
    for table in METADATA.sorted_tables:
        assert str(sa.schema.CreateTable(table).compile(dialect=made))


async def refusal(url: str) -> str:
    store = None
    try:
        store = CallStore(CallDatabase(url))
        with pytest.raises(DatabaseUnusable) as caught:
            await store.start()
    except DatabaseUnusable as error:
        return str(error)
    finally:
        if store is not None:
            await store.aclose()
    return str(caught.value)


async def test_a_file_that_is_newer_than_the_program_is_refused(tmp_path):
    async with store_on(tmp_path / "a.db") as store:
        await store.start()
    change(tmp_path / "a.db", f"update {VERSION_TABLE} set version_num = '9999'")
    message = await refusal(url_of(tmp_path / "a.db"))
    assert "a.db is of a newer version (9999) than this program: update the program" in message
    assert "\n" not in message
    assert rows(tmp_path / "a.db", f"select * from {VERSION_TABLE}") == [("9999",)]


async def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path):
    (tmp_path / "a.db").write_text("Dear diary, " * 100)
    message = await refusal(url_of(tmp_path / "a.db"))
    assert "is not a database: move the file away" in message
    assert "\n" not in message
    assert (tmp_path / "a.db").read_text().startswith("Dear diary")


async def test_a_database_of_another_program_is_refused_and_kept(tmp_path):
    change(tmp_path / "a.db", "create table calls (whose)")
    message = await refusal(url_of(tmp_path / "a.db"))
    assert "belongs to another program (table calls already exists)" in message
    assert rows(tmp_path / "a.db", "select name from sqlite_master where type = 'table'") == [("calls",)]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="whoever runs this may write everywhere")
async def test_a_file_that_may_not_be_written_is_refused(tmp_path):
    (tmp_path / "locked").mkdir(0o500)
    assert "may not be written: check who owns" in await refusal(url_of(tmp_path / "locked" / "a.db"))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("calls.db", "is not an address of a database"),
        ("sqlite://", "names no file"),
        ("sqlite+aiosqlite:///:memory:", "names no file"),
        ("nosuch://host/calls", "driver"),
        ("postgresql+psycopg://user:password@127.0.0.1:1/calls", "driver"),
    ],
)
async def test_an_address_that_cannot_be_used_is_refused_in_one_line(url, words):
    message = await refusal(url)
    assert words in message
    assert "\n" not in message
    assert "password" not in message
