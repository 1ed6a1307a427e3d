"""A row of keys is one entry, whenever its first key comes."""

import asyncio

from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import InputDTMFFrame, TranscriptionFrame
from pipecat.processors.aggregators.dtmf_aggregator import DTMFAggregator
from pipecat.tests.utils import SleepFrame, run_test

from conversation.turns import keypad as keypads
from conversation.turns.keypad import Keypad

PAUSE_SECS = 0.4


class BusyPipeline:
    """Takes a while to let an interruption through."""

    async def broadcast_interruption(self):
        await asyncio.sleep(0.15)


class Rows(BusyPipeline, Keypad):
    """Our keypad in such a pipeline."""


class StockRows(BusyPipeline, DTMFAggregator):
    """Pipecat's."""


async def rows(keypad):
    frames = []
    for late in (0.2, 0.3, 0.47, 0.47, 0.47, 0.6):
        frames += [InputDTMFFrame(KeypadEntry.ZERO), InputDTMFFrame(KeypadEntry.POUND), SleepFrame(late)]
    frames += [InputDTMFFrame(KeypadEntry.ONE), SleepFrame(PAUSE_SECS + 0.3)]
    heard, _ = await run_test(keypad, frames_to_send=frames)
    return [frame.text for frame in heard if isinstance(frame, TranscriptionFrame)]


async def test_a_row_is_whole_whenever_it_begins_and_ends_with_a_pause():
    assert await rows(Rows(timeout=PAUSE_SECS)) == ["DTMF: 0#"] * 6 + ["DTMF: 1"]


ONE, TWO = InputDTMFFrame(KeypadEntry.ONE), InputDTMFFrame(KeypadEntry.TWO)


async def keyed(keypad, *frames):
    heard, _ = await run_test(keypad, frames_to_send=[*frames])
    return [frame.text for frame in heard if isinstance(frame, TranscriptionFrame)]


async def test_a_key_that_means_something_alone_is_not_waited_for_as_long(monkeypatch):
    monkeypatch.setattr(keypads, "LONE_KEY_SECS", 0.2)
    keypad = Rows(timeout=1.5, is_whole=lambda key: key == "1")
    pressed = SleepFrame(0.7), TWO, SleepFrame(0.2), TWO, SleepFrame(2.0), ONE, SleepFrame(0.8)
    assert await keyed(keypad, ONE, *pressed) == ["DTMF: 1", "DTMF: 22", "DTMF: 1"]


async def test_a_number_that_begins_with_such_a_key_stays_whole(monkeypatch):
    monkeypatch.setattr(keypads, "LONE_KEY_SECS", 0.4)
    keypad = Rows(timeout=1.2, is_whole=lambda key: key == "1")
    pressed = SleepFrame(0.1), TWO, SleepFrame(0.7), ONE, SleepFrame(1.6)
    assert await keyed(keypad, ONE, *pressed) == ["DTMF: 121"]


async def test_pipecats_own_still_cuts_rows_in_two():
    """When this fails, `Keypad` is not needed any more."""
    assert "DTMF: 0" in await rows(StockRows(timeout=PAUSE_SECS))
