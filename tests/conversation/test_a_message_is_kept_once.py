"""Who speaks while a message is being kept interrupts the tool: it is kept all the same, and only once."""

import asyncio
from types import SimpleNamespace

import pytest

from calls.errors import NotDone
from conversation.tools import face as face_module
from conversation.tools.face import Face


class Book:
    """A book that takes a while, and fails as often as it is told."""

    kept: list[str] = []
    failures = 0

    def __init__(self, _directory):
        pass

    async def keep(self, message):
        await asyncio.sleep(0.05)
        if Book.failures:
            Book.failures -= 1
            raise OSError(28, "No space left on device")
        Book.kept.append(message.text)


@pytest.fixture
def face(monkeypatch, tmp_path):
    Book.kept, Book.failures = [], 0
    monkeypatch.setattr(face_module, "MessageBook", Book)
    recorded = []
    session = SimpleNamespace(
        control=SimpleNamespace(our_number="+12025550100"),
        call=SimpleNamespace(id="a-call", other_number="+12025550143"),
        agent=SimpleNamespace(name="receptionist"),
        variables={"caller_number": "+12025550143"},
        data_dir=tmp_path,
        record=recorded.append,
        recorded=recorded,
    )
    return Face(session)


async def test_an_interruption_neither_loses_nor_doubles_it(face):
    first = asyncio.create_task(face.leave_message("The tap drips.", caller_name="Ann"))
    await asyncio.sleep(0.01)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await face.leave_message("The tap drips.", caller_name="Ann")
    assert Book.kept == ["The tap drips."]
    assert [event.kind for event in face._session.recorded] == ["message_taken"]


async def test_another_message_of_the_call_is_kept_too(face):
    await face.leave_message("The tap drips.", caller_name="Ann")
    await face.leave_message("The boiler is cold.", caller_name="Ann")
    assert len(Book.kept) == 2


async def test_one_that_was_not_kept_can_be_left_again(face):
    Book.failures = 1
    with pytest.raises(NotDone):
        await face.leave_message("The tap drips.")
    await face.leave_message("The tap drips.")
    assert Book.kept == ["The tap drips."]
