"""A row of keys is one entry, whenever its first key comes."""

import asyncio

from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import InputDTMFFrame, TranscriptionFrame
from pipecat.processors.aggregators.dtmf_aggregator import DTMFAggregator
from pipecat.tests.utils import SleepFrame, run_test

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


async def test_pipecats_own_still_cuts_rows_in_two():
    """When this fails, `Keypad` is not needed any more."""
    assert "DTMF: 0" in await rows(StockRows(timeout=PAUSE_SECS))
