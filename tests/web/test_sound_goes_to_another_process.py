"""What is said on a call goes to another process of the machine for a ticket that is good once, and no further."""

import asyncio
from types import SimpleNamespace

import pytest

from calls.errors import NoAnswer, UnderWay
from calls.store import CallStore
from conversation.overhearing import DETACHED, LEFT, NOT_ALLOWED, TOO_SLOW, Listener
from desk import listening_port, overhearing
from desk.listening_port import ListeningPort, connected
from desk.overhearing import hand_on, may_listen
from tests.web_service import until


class Heard(Listener):
    """A listener without a call."""

    def __init__(self, at_most=100_000):
        self.why = []
        super().__init__("ann", at_most, lambda _, why: self.leave(why))

    def leave(self, why):
        self.why.append(why)
        if self.over is None:
            self.end(why)


@pytest.fixture
async def port():
    one = ListeningPort()
    yield one
    await one.aclose()


async def test_what_is_heard_comes_through_in_its_order_to_its_end(port):
    listener = Heard()
    ear = await connected(await port.offer(listener))
    listener.tell(type="start")
    listener.hear(b"\x00\x00\x00\x00\x02ab")
    listener.tell(type="silent", silent=True)
    got = [one for _ in range(3) for one in await ear.take()]
    assert got == ['{"type": "start"}', b"\x00\x00\x00\x00\x02ab", '{"type": "silent", "silent": true}']
    listener.hear(b"last")
    listener.end(DETACHED)
    assert [await ear.take(), await ear.take(), ear.over] == [[b"last"], [], DETACHED]
    ear.close()


@pytest.mark.parametrize(
    ("why", "told"), [(LEFT, LEFT), (NOT_ALLOWED, NOT_ALLOWED), (TOO_SLOW, TOO_SLOW), ("x", LEFT)]
)
async def test_who_has_enough_says_why(port, why, told):
    listener = Heard()
    ear = await connected(await port.offer(listener))
    listener.tell(type="start")
    await ear.take()
    ear.close(why)
    await until(lambda: listener.why)
    assert listener.why == [told]


async def test_a_ticket_is_good_once(port):
    listener = Heard()
    offered = await port.offer(listener)
    first, second = await connected(offered), await connected(offered)
    listener.tell(type="start")
    assert await first.take() == ['{"type": "start"}']
    assert (await second.take(), second.over) == ([], DETACHED)
    first.close(), second.close()


@pytest.mark.parametrize("said", [b"wrong\n", b"\xff\xfe\n", b"x" * 5000, b"\n", b""])
async def test_strangers_of_this_machine_get_nothing(port, said):
    listener = Heard()
    offered = await port.offer(listener)
    reader, writer = await asyncio.open_connection("127.0.0.1", offered["port"])
    writer.write(said)
    writer.write_eof()
    async with asyncio.timeout(5):
        try:
            assert await reader.read() == b""
        except ConnectionResetError:
            pass
    writer.close()
    assert listener.over is None


async def test_a_ticket_that_nobody_takes_ends_the_listening(port, monkeypatch):
    monkeypatch.setattr(listening_port, "TICKET_SECS", 0.05)
    listener = Heard()
    await port.offer(listener)
    await until(lambda: listener.why == [LEFT])


async def test_a_process_that_takes_nothing_is_dropped(port, monkeypatch):
    monkeypatch.setattr(listening_port, "SEND_SECS", 0.3)
    listener = Heard(at_most=10**9)
    ear = await connected(await port.offer(listener))
    async with asyncio.timeout(20):
        while not listener.why:
            listener.hear(b"\x01" * 400_000)
            await asyncio.sleep(0.02)
    assert listener.why == [TOO_SLOW]
    ear.close()


async def test_a_process_that_is_not_there_is_told_in_words():
    with pytest.raises(NoAnswer, match="one machine"):
        await connected({"port": 1, "ticket": "x"})


async def test_sound_does_not_go_to_another_machine(monkeypatch):
    async def elsewhere(_service, _call):
        return "p2"

    monkeypatch.setattr(overhearing, "talks_elsewhere", elsewhere)
    call = CallStore().open(carrier="twilio", carrier_call_id="CA1")
    shared = SimpleNamespace(machine_of=lambda process: {"p2": "host-b"}[process])
    with pytest.raises(UnderWay, match="the machine host-b"):
        await may_listen(SimpleNamespace(store=SimpleNamespace(shared=shared)), call)


async def test_who_takes_no_message_for_too_long_is_given_no_more(monkeypatch):
    monkeypatch.setattr(overhearing, "SEND_SECS", 0.05)
    listener = Heard()
    listener.tell(type="start")

    async def never(_message):
        await asyncio.Event().wait()

    assert await hand_on(listener, never) == TOO_SLOW
