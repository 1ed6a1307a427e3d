"""A database whose file goes away while it is in use is noticed, told once, and made anew."""

import os
import shutil

import pytest
from loguru import logger

from calls.events.talk import CallerSaid
from tests.calls_on_disk import store_on


@pytest.fixture
def errors():
    lines: list[str] = []
    handler = logger.add(lambda message: lines.append(str(message)), level="ERROR", format="{message}")
    yield lines
    logger.remove(handler)


def delete(file):
    for one in file.parent.glob(f"{file.name}*"):
        one.unlink()


def delete_only_the_file(file):
    file.unlink()


def delete_the_folder(file):
    shutil.rmtree(file.parent)


def replace(file):
    other = file.parent / "other.db"
    other.touch()
    os.replace(other, file)


@pytest.mark.parametrize("loss", [delete, delete_only_the_file, delete_the_folder, replace])
async def test_calls_are_kept_again(tmp_path, errors, loss):
    file = tmp_path / "data" / "calls.db"
    async with store_on(file) as store:
        lived_on = store.open(carrier="c", carrier_call_id="CA1")
        lived_on.record(CallerSaid(text="before"))
        assert await store.flush()
        loss(file)
        for n in range(3):
            lived_on.record(CallerSaid(text=f"after {n}"))
            store.open(carrier="c", carrier_call_id=f"CA{n + 2}")
            assert await store.flush()
    assert len(errors) == 1
    assert "was deleted or replaced" in errors[0]
    async with store_on(file) as store:
        assert (await store.fetch("CA1")).events == lived_on.events
        assert await store.fetch("CA4") is not None
    assert os.stat(file).st_mode & 0o777 == 0o600


async def test_it_is_noticed_also_when_nobody_calls(tmp_path, errors):
    file = tmp_path / "calls.db"
    async with store_on(file) as store:
        await store.start()
        delete(file)
        await store.latest()
        assert len(errors) == 1
        assert file.exists()


async def test_what_cannot_be_made_anew_is_kept_in_memory_until_it_can(tmp_path, errors):
    folder = tmp_path / "data"
    async with store_on(folder / "calls.db") as store:
        call = store.open(carrier="c", carrier_call_id="CA1")
        assert await store.flush()
        shutil.rmtree(folder)
        folder.write_text("in the way")
        call.record(CallerSaid(text="meanwhile"))
        assert not await store.flush(0.5)
        assert len(errors) == 2  # that it is gone, and that nothing can be saved for now
        folder.unlink()
        assert await store.flush()
    async with store_on(folder / "calls.db") as store:
        assert (await store.fetch("CA1")).events == call.events
