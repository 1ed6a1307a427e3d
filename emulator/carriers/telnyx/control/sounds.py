"""What Call Control plays on a leg, and the keys that it collects there.

Sources: Telnyx docs, call commands speak, playback_start, playback_stop, send_dtmf, gather, and their events.

Whether speech and files may be played while a media stream is open is not documented (error 90045 exists, the
commands that it concerns are not named): here they are mixed with what the stream plays.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from emulator.carriers.telnyx.control.orders import GatherOrder
from emulator.carriers.telnyx.control.told_call import ToldCall
from emulator.errors import EmulatorError
from emulator.legs.line_verbs import SECS_PER_SPOKEN_WORD
from emulator.line.codecs import FRAME_SAMPLES, SAMPLE_RATE, Pcm
from emulator.line.signals import KEY_GAP_MS, PAUSE_MS, key
from emulator.line.speech import read_wav

FETCH_SECS = 10.0


class Sounds:
    """Plays speech and files one after another, and keys.

    Args:
        leg: Where it is heard.
        mixed: Whether it is mixed to what a media stream plays.
    """

    def __init__(self, leg: ToldCall, mixed: Callable[[], bool]) -> None:
        """Play nothing yet."""
        self._leg = leg
        self._mixed = mixed
        self._playing: asyncio.Task[None] | None = None

    @property
    def playing(self) -> bool:
        """Whether something is being played."""
        return self._playing is not None and not self._playing.done()

    def speak(self, text: str) -> None:
        """Say a text in the local voice, or be silent for as long as it would take."""
        self._after_the_last(partial(self._speak, text))

    def play(self, url: str) -> None:
        """Play a WAV file by its URL."""
        self._after_the_last(partial(self._play, url))

    async def stop(self) -> None:
        """Be silent."""
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)

    async def press(self, digits: str, duration_ms: int) -> None:
        """Let the leg hear keys."""
        leg = self._leg
        for digit in digits:
            if digit in PAUSE_MS:
                await leg.line.until_ms(leg.line.now_ms + PAUSE_MS[digit])
                continue
            text = f"the caller hears key {digit} from the bot"
            leg.timeline.note("keys_heard", text, at_ms=leg.line.ear_ms, digit=digit, by="bot")
            leg.line.signal = chain(leg.line.signal or (), key(digit, duration_ms))
            await leg.line.until_ms(leg.line.now_ms + duration_ms + KEY_GAP_MS)

    def _after_the_last(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        before = self._playing

        async def one_after_another() -> None:
            if before is not None:
                await asyncio.gather(before, return_exceptions=True)
            await work()

        self._playing = self._leg.background(one_after_another)

    async def _speak(self, text: str) -> None:
        leg = self._leg
        leg.timeline.note("say", text, text=text)
        leg.tell("call.speak.started")
        voice = leg.plan.voice
        if voice is not None:
            samples = await asyncio.to_thread(voice, text)
        else:
            samples = np.zeros(round(len(text.split()) * SECS_PER_SPOKEN_WORD * SAMPLE_RATE), dtype=np.int16)
        status = "completed"
        try:
            await self._sound(samples)
        finally:
            # Of the documented endings none is for a text that was stopped by a command.
            leg.tell("call.speak.ended", {"status": "call_hangup" if leg.over else status})

    async def _play(self, url: str) -> None:
        leg = self._leg
        told = {"media_url": url, "media_name": None, "overlay": False}
        try:
            samples = await _fetch_wav(url)
        except (EmulatorError, aiohttp.ClientError, TimeoutError) as error:
            leg.fail(f"playback_start: the file cannot be played ({type(error).__name__})")
            leg.tell("call.playback.ended", told | {"status": "file_not_found"})
            return
        leg.timeline.note("playback", "a file is played")
        leg.tell("call.playback.started", told)
        status = "cancelled"
        try:
            await self._sound(samples)
            status = "completed"
        finally:
            leg.tell("call.playback.ended", told | {"status": "call_hangup" if leg.over else status})

    async def _sound(self, samples: Pcm) -> None:
        """Play and wait for the end. Without a media stream it counts as the bot's speech, else it is mixed to that."""
        line = self._leg.line
        if self._mixed():
            line.signal = chain(line.signal or (), _frames(samples))
            try:
                await line.until_ms(line.now_ms + len(samples) * 1000 // SAMPLE_RATE)
            except asyncio.CancelledError:
                line.signal = None
                raise
            return
        line.earpiece.play(samples)
        try:
            while line.earpiece.buffered_ms:
                await line.tick()
        finally:
            line.earpiece.clear()


def _frames(samples: Pcm) -> Iterator[Pcm]:
    for at in range(0, len(samples), FRAME_SAMPLES):
        frame = samples[at : at + FRAME_SAMPLES]
        yield np.pad(frame, (0, FRAME_SAMPLES - len(frame)))


async def _fetch_wav(url: str) -> Pcm:
    async with (
        asyncio.timeout(FETCH_SECS),
        aiohttp.ClientSession() as session,
        session.get(url) as response,
    ):
        response.raise_for_status()
        content = await response.read()

    def read() -> Pcm:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "playback.wav"
            path.write_bytes(content)
            return read_wav(path)

    return await asyncio.to_thread(read)


class Gathering:
    """Collects keys until there are enough, the terminator comes, or time is up.

    Args:
        leg: Whose keys.
        order: How many, and which.
        gather_id: Given back with the keys.
        done: Called when it is over, before its event is sent.
    """

    def __init__(
        self, leg: ToldCall, order: GatherOrder, gather_id: str, done: Callable[[Gathering], None]
    ) -> None:
        """Begin to collect."""
        self._done = done
        self._leg = leg
        self._order = order
        self._gather_id = gather_id
        self._digits = ""
        self._pressed = asyncio.Event()
        self._over = False
        self.task = leg.background(self._run)

    def press(self, digit: str) -> None:
        """A key of the person at the phone."""
        if self._over:
            return
        self._digits += digit
        self._pressed.set()

    def stop(self, status: str = "cancelled") -> None:
        """End now."""
        self._end(status, self._digits)
        self.task.cancel()

    async def _run(self) -> None:
        order = self._order
        line = self._leg.line
        began_ms = line.now_ms
        last_ms, wait_secs = began_ms, order.first_secs
        while True:
            until_ms = min(began_ms + order.all_secs * 1000, last_ms + wait_secs * 1000)
            while not self._pressed.is_set() and line.now_ms < until_ms:
                await line.tick()
            if not self._pressed.is_set():
                digits = self._digits
                valid = len(digits) >= order.least and not set(digits) - set(order.valid)
                self._end("valid" if valid else "timeout" if not digits else "invalid", digits)
                return
            self._pressed.clear()
            last_ms, wait_secs = line.now_ms, order.between_secs
            if (ended := self._judge()) is not None:
                self._end(*ended)
                return

    def _judge(self) -> tuple[str, str] | None:
        order, digits = self._order, self._digits
        terminated = bool(order.terminator) and order.terminator in digits
        if terminated:
            digits = digits.partition(order.terminator)[0]
        elif len(digits) < order.most:
            return None
        digits = digits[: order.most]
        valid = len(digits) >= order.least and not set(digits) - set(order.valid)
        return ("valid" if valid else "invalid"), digits

    def _end(self, status: str, digits: str) -> None:
        if self._over:
            return
        self._over = True
        self._done(self)
        self._leg.tell(
            "call.gather.ended", {"digits": digits, "status": status, "gather_id": self._gather_id}
        )
