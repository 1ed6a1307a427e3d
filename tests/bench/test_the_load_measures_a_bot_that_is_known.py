"""The load against a bot whose delays are known: what it measures is what the bot did; and both bots answer it."""

import asyncio
import base64
import contextlib
import time

import numpy as np
import pytest

from bench.bots import OURS, STOCK
from bench.caller import BARGE_IN, FINISHED, HESITANT, Caller
from bench.load import Load
from bench.playout import ANSWER_MS
from bench.recordings import Recordings
from bench.runs import figures_of, run
from emulator import tone
from emulator.line.codecs import decode, loudness
from emulator.line.earpiece import AUDIBLE
from tests.fake_bot import FakeBot, Line

FIRST_MS, SILENCE_MS, RESPONDS_MS, CLEARS_MS = 120, 800, 150, 90
TOLERANCE_MS = 40
"""Between what a bot has done and what a caller sees of it, on a machine that others use too."""


def now_ms() -> float:
    return time.monotonic() * 1000


@pytest.fixture(scope="module")
def recordings() -> Recordings:
    pytest.importorskip(
        "moonshine_voice", reason="the package with the recordings is not installed: make setup"
    )
    return Recordings()


class KnownBot:
    """Greets after `FIRST_MS`; answers `RESPONDS_MS` after `silence_ms` of a quiet caller, and clears `CLEARS_MS` after
    the caller's first sound while it speaks. A hole of `hole_ms` is in the middle of each answer. It keeps how long it
    really took: a busy machine makes it late."""

    def __init__(self, *, silence_ms: int = SILENCE_MS, hole_ms: int = 0) -> None:
        self.silence_ms = silence_ms
        self.hole_ms = hole_ms
        self.greeted: list[float] = []
        self.responded: list[float] = []
        self.cleared: list[float] = []

    async def talk(self, line: Line) -> None:
        begun = last_sound = now_ms()
        await asyncio.sleep(FIRST_MS / 1000)
        speaking = asyncio.create_task(self._speak(line))
        self.greeted.append(now_ms() - begun)
        heard, quiet = False, 0
        while (message := await line.receive()) is not None:
            if message["event"] != "media":
                continue
            if loudness(decode("PCMU", base64.b64decode(message["media"]["payload"]))) >= AUDIBLE:
                last_sound = now_ms()
                if not heard and not speaking.done():
                    await asyncio.sleep(CLEARS_MS / 1000)
                    speaking.cancel()
                    await line.clear()
                    self.cleared.append(now_ms() - last_sound)
                heard, quiet = True, 0
            else:
                quiet += 20
            if heard and quiet >= self.silence_ms:
                heard = False
                await asyncio.sleep(RESPONDS_MS / 1000)
                speaking = asyncio.create_task(self._speak(line))
                self.responded.append(now_ms() - last_sound)
        speaking.cancel()

    async def _speak(self, line: Line) -> None:
        half = tone(round(ANSWER_MS / 2))
        await line.play(half)
        await asyncio.sleep(ANSWER_MS / 2000 + self.hole_ms / 1000)
        await line.play(half)
        await line.mark("end")
        await asyncio.sleep(ANSWER_MS / 2000)


async def called(bot: KnownBot, recordings: Recordings, turns: tuple[str, ...], secs: float) -> dict:
    async with FakeBot(talk=bot.talk) as server:
        load = Load()
        clock = asyncio.create_task(load.keep_time())
        url = f"ws://127.0.0.1:{server.port}/ws"
        for number in range(3):
            load.place(Caller(number, "twilio", url, recordings, turns))
        await asyncio.sleep(secs)
        clock.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await clock
        await load.hang_up()
        # Frames go out in real time: 50 a second on each socket.
        for line in server.lines:
            assert len(line.of("media")) == pytest.approx(secs * 50, abs=8)
    figures = [caller.figures.as_dict() for caller in load.callers]
    if not turns:
        assert [(call["marks_sent"], call["marks_returned"]) for call in figures] == [(1, 1)] * 3
    return figures_of(figures)


async def test_what_callers_wait_for_is_what_the_bot_made_them_wait(recordings):
    bot = KnownBot()
    found = await called(bot, recordings, (FINISHED,), 9.0)
    assert np.median(found["first_audio"]) == pytest.approx(np.median(bot.greeted), abs=TOLERANCE_MS)
    assert len(found["responses"]) >= 3
    assert min(found["responses"]) >= SILENCE_MS + RESPONDS_MS - TOLERANCE_MS
    assert np.median(found["responses"]) == pytest.approx(np.median(bot.responded), abs=TOLERANCE_MS)
    assert (found["underruns"], found["unanswered"], found["problems"]) == (0, 0, [])


async def test_an_interruption_is_timed_to_the_clear(recordings):
    bot = KnownBot()
    found = await called(bot, recordings, (BARGE_IN,), 9.0)
    assert len(found["barge_ins"]) >= 3
    # From the beginning of the frame, which has 20 ms.
    assert np.median(found["barge_ins"]) == pytest.approx(np.median(bot.cleared) + 20, abs=TOLERANCE_MS)


async def test_a_hole_of_the_bot_is_an_underrun(recordings):
    found = await called(KnownBot(hole_ms=120), recordings, (), 4.0)
    assert (found["answers"], found["underruns"]) == (3, 3)


async def test_marks_come_back_when_they_were_heard(recordings):
    found = await called(KnownBot(), recordings, (), 4.0)
    assert (found["answers"], found["underruns"], found["problems"]) == (3, 0, [])


async def test_a_bot_that_waits_too_little_cuts_hesitant_callers_off(recordings):
    hasty = await called(KnownBot(silence_ms=120), recordings, (HESITANT,), 12.0)
    patient = await called(KnownBot(), recordings, (HESITANT,), 12.0)
    for found, cuts in ((hasty, True), (patient, False)):
        said, cut = map(sum, zip(*found["hesitations"].values(), strict=True))
        assert said >= 3 and (cut >= 3 if cuts else cut == 0)


@pytest.mark.parametrize(("bot", "carrier"), [(OURS, "telnyx"), (STOCK, "twilio"), (STOCK, "telnyx")])
async def test_both_bots_answer_the_load(recordings, bot, carrier, unused_tcp_port):
    found = await run(bot, carrier, 2, 8.0, unused_tcp_port, starts=1)
    assert found.problems == []
    assert len(found.first_audio) == 2 and len(found.responses) >= 2 and found.barge_ins
    assert found.unanswered == 0
    assert found.cpu_percent > 0 and found.memory_mb > 0 and found.threads > 2
    assert found.groups["main thread"] > 0
    assert len(found.start_cpu_secs) == 1 and found.late.count > 500


async def test_processes_share_the_calls(recordings, unused_tcp_port_factory):
    found = await run(OURS, "twilio", 4, 5.0, unused_tcp_port_factory(), processes=2)
    assert found.processes == 2 and len(found.first_audio) == 4
    assert found.problems == []
