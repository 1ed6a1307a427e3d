"""Streams of changes: what whoever looks on gets, and what becomes of one who does not read."""

import asyncio
import re
import socket

import pytest

from calls.database.call_database import CallDatabase
from calls.events.talk import BotHeard, BotSaid, Interrupted
from calls.store import CallStore
from desk.api_keys import FILE, ApiKeys, Scope, revoke
from tests.console.calls import MadeUp
from tests.console.pages import console, streaming
from tests.sharing import process
from tests.web_service import make_settings, until
from web.console import board, feeds
from web.console.feeds import Viewers, event

HOSTILE = '</hx-partial><hx-partial hx-target="#main" hx-swap="innerHTML">owned'


async def test_calls_come_change_and_go(tmp_path, monkeypatch):
    monkeypatch.setattr(board, "STAYS_SECS", 0.5)
    async with console(tmp_path) as desk, streaming(desk.http, "/console/live/feed") as stream:
        await until(lambda: '<hx-partial hx-target="#rows" hx-swap="innerMorph">' in stream.text)
        call = MadeUp(desk.service.store).answered()
        await until(lambda: f'<tr id="{call.call.id}"' in stream.text)
        assert 'hx-target="#rows" hx-swap="afterbegin"' in stream.text
        assert "New call: +1 202 555 0143" in stream.text
        call.caller("Are you open?")
        await until(lambda: "Are you open?" in stream.text)
        assert f'hx-target="#{call.call.id}" hx-swap="outerMorph"' in stream.text
        call.ended()
        await until(lambda: f'hx-target="#{call.call.id}" hx-swap="delete"' in stream.text)
        assert "Ended: +1 202 555 0143" in stream.text


async def test_a_call_is_followed_to_its_end(tmp_path):
    async with console(tmp_path) as desk:
        made = MadeUp(desk.service.store).answered().bot("Hello.")
        async with streaming(desk.http, f"/console/calls/{made.call.id}/feed") as stream:
            await until(lambda: "Hello." in stream.text)
            made.happens(BotSaid(text="One moment please.")).happens(BotSaid(text="I look."))
            await until(lambda: '<span class="pending">One moment please. I look.</span>' in stream.text)
            made.happens(BotHeard(text="One moment please.")).happens(Interrupted(heard="I"))
            await until(lambda: "<del" in stream.text)
            last = re.findall(r'<span class="text">(.*?)</span>\s*\n', stream.text)[-1]
            assert last.startswith("One moment please. I ") and ">look.</del>" in last
            made.ended()
            await until(lambda: stream.is_over)
            assert stream.events[-1][0] == "over", "or the browser would come again and again"
            assert "ended by the bot" in stream.text
        async with streaming(desk.http, f"/console/calls/{made.call.id}/feed") as stream:
            await until(lambda: stream.is_over)
            assert [name for name, _ in stream.events] == ["", "over"]


async def test_several_who_look_get_the_same_and_each_what_they_may_see(tmp_path):
    async with console(tmp_path) as desk:
        made = MadeUp(desk.service.store).answered()
        path = f"/console/calls/{made.call.id}/feed"
        async with streaming(desk.http, path) as first:
            await until(lambda: first.events)
            made.caller("One.")
            await until(lambda: "One." in first.text)
            async with streaming(desk.http, path) as second:
                await until(lambda: "One." in second.text)
                made.caller("Two.")
                for one in (first, second):
                    await until(lambda one=one: "Two." in one.text)
                assert first.events[-1] == second.events[-1]
                assert "One." not in first.events[-1][1], "only what is new"
            made.caller("Three.")
            await until(lambda: "Three." in first.text)
        await until(lambda: not desk.service.app.state.console._watched)


async def test_whoever_only_looks_on_gets_numbers_shortened(tmp_path):
    async with console(tmp_path, Scope.VIEW) as desk:
        made = MadeUp(desk.service.store).answered()
        async with (
            streaming(desk.http, "/console/live/feed") as live,
            streaming(desk.http, f"/console/calls/{made.call.id}/feed") as one,
        ):
            made.caller("It is 202 555 0177.")
            for stream in (live, one):
                await until(lambda stream=stream: "It is …0177." in stream.text)
                assert "+1…0143" in stream.text
                assert "555" not in re.sub(r"call_[0-9a-f]+|CA[0-9a-f]+", "", stream.text)


async def test_what_strangers_write_is_no_piece_of_its_own(tmp_path):
    async with console(tmp_path) as desk:
        made = MadeUp(desk.service.store, agent=HOSTILE).answered()
        async with (
            streaming(desk.http, "/console/live/feed") as live,
            streaming(desk.http, f"/console/calls/{made.call.id}/feed") as one,
        ):
            made.caller(HOSTILE + "\n\ndata: x\nevent: over\n\n").bot(HOSTILE)
            for stream in (live, one):
                await until(lambda stream=stream: "owned" in stream.text)
                assert 'hx-target="#main"' not in stream.text
                assert "over" not in [name for name, _ in stream.events]


async def test_a_stream_ends_with_the_key(tmp_path, monkeypatch):
    monkeypatch.setattr(feeds, "KEEP_ALIVE_SECS", 0.2)
    async with console(tmp_path) as desk, streaming(desk.http, "/console/live/feed") as stream:
        await until(lambda: stream.events)
        [kept] = ApiKeys(make_settings(data_dir=tmp_path / "data")).good()
        revoke(tmp_path / "data" / FILE, kept)
        await until(lambda: stream.is_over)


async def test_one_who_does_not_read_is_dropped_and_calls_do_not_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(feeds, "UNREAD_SECS", 0.5)
    async with console(tmp_path) as desk:
        made = MadeUp(desk.service.store).answered().caller("x" * 100_000)
        cookie = "; ".join(f"{name}={value}" for name, value in desk.http.cookies.items())
        head = (
            f"GET /console/calls/{made.call.id}/feed HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n"
        )
        with socket.socket() as silent:
            silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            silent.connect(("127.0.0.1", desk.service.port))
            silent.sendall(head.encode())
            watched = desk.service.app.state.console._watched
            await until(lambda: watched)
            async with asyncio.timeout(20):
                while watched:
                    began = asyncio.get_running_loop().time()
                    made.caller("y" * 100_000)
                    assert asyncio.get_running_loop().time() - began < 0.1
                    await asyncio.sleep(0.1)


async def test_who_has_too_much_waiting_is_sent_away():
    viewers = Viewers(most_waiting=3)
    slow, quick = viewers.join(b"first"), viewers.join(b"first")
    assert await anext(slow) == await anext(quick) == b"first"
    got = []
    for number in range(6):
        viewers.tell(b"%d" % number)
        got.append(await anext(quick))
    assert got == [b"%d" % number for number in range(6)]
    left = [one async for one in slow]
    assert len(left) <= 3 and len(viewers) == 1


@pytest.mark.parametrize("text", ["a\nb", "a\n\nb", "a\r\nb\n"])
def test_an_event_has_no_line_that_is_none_of_its_own(text):
    lines = event(text).decode().split("\n")
    assert lines[-2:] == ["", ""] and all(line.startswith("data: ") for line in lines[:-2])


async def test_calls_of_another_process_are_seen_too(tmp_path):
    address = f"sqlite+aiosqlite:///{tmp_path / 'calls.db'}"
    async with process(address) as other:
        store = CallStore(CallDatabase(address))
        async with console(tmp_path, store=store) as desk:
            await until(lambda: not store.shared.alone)
            before = MadeUp(other).answered().caller("Before.")
            await other.flush()
            page = await desk.get("/console/")
            assert "Before." in page.text and "1 live" in page.text
            async with (
                streaming(desk.http, "/console/live/feed") as live,
                streaming(desk.http, f"/console/calls/{before.call.id}/feed") as one,
            ):
                before.caller("Afterwards.")
                MadeUp(other, number="+12025550199").answered().caller("Another one.")
                await until(lambda: "Afterwards." in live.text and "Another one." in live.text)
                await until(lambda: "Afterwards." in one.text)
                before.ended()
                await until(lambda: one.is_over)
                await until(lambda: "Ended: +1 202 555 0143" in live.text)
