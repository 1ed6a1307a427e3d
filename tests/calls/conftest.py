"""A PostgreSQL for the tests of a database that several processes share."""

import uuid

import pytest

from tests.postgres_server import postgres_server


@pytest.fixture(scope="module")
def server():
    with postgres_server() as url:
        yield url


@pytest.fixture
async def url(server):
    """A database that nobody else has."""
    import asyncpg

    name = f"phonebot_{uuid.uuid4().hex[:12]}"
    connection = await asyncpg.connect(f"{server}/postgres")
    await connection.execute(f"create database {name}")
    yield f"{server}/{name}"
    await connection.execute(f"drop database {name} with (force)")
    await connection.close()
