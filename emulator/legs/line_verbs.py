"""The verbs that need nothing but the caller's line: `<Say>`, `<Pause>` and `<Play digits>`.

Sources: Twilio docs, voice/twiml/{say,pause,play}; Telnyx docs, TeXML say, pause, play.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import chain

import numpy as np

from emulator.documents.parsing import Verb
from emulator.line.codecs import SAMPLE_RATE, Pcm
from emulator.line.line import PhoneLine
from emulator.line.signals import KEY_GAP_MS, KEY_MS, PAUSE_MS, key
from emulator.timeline import Timeline

SECS_PER_SPOKEN_WORD = 0.4


class LineVerbs:
    """Carries them out on one line.

    Args:
        line: The caller's line.
        timeline: Where it is written down.
        voice: Speaks `<Say>`; None for silence of plausible length.
        keys: What the carrier takes in `<Play digits>`.
    """

    def __init__(
        self,
        line: PhoneLine,
        timeline: Timeline,
        voice: Callable[[str], Pcm] | None,
        keys: str,
    ) -> None:
        """Do nothing yet."""
        self._line = line
        self._timeline = timeline
        self._voice = voice
        self._keys = keys

    async def obey(self, verb: Verb) -> bool:
        """Carry the verb out; False if it is not one of these."""
        if verb.name == "Say":
            await self._say(verb.text)
        elif verb.name == "Pause":
            await self._pause(verb.attributes.get("length", "1"))
        elif verb.name == "Play" and "digits" in verb.attributes:
            await self.play_keys(verb.attributes["digits"])
        else:
            return False
        return True

    async def _say(self, text: str) -> None:
        self._timeline.note("say", text, text=text)
        if self._voice is not None:
            samples = await asyncio.to_thread(self._voice, text)
        else:
            words = len(text.split())
            samples = np.zeros(round(words * SECS_PER_SPOKEN_WORD * SAMPLE_RATE), dtype=np.int16)
        self._line.earpiece.play(samples)
        try:
            while self._line.earpiece.buffered_ms:
                await self._line.tick()
        finally:
            self._line.earpiece.clear()

    async def _pause(self, length: str) -> None:
        try:
            secs = float(length)
        except ValueError:
            secs = 1.0
        self._timeline.note("pause", f"the document pauses for {secs:g} s")
        await self._line.until_ms(self._line.now_ms + round(secs * 1000))

    async def play_keys(self, digits: str) -> None:
        """Play keys to the person on the line: those of `<Play digits>`, or those to be sent after an answer."""
        # What a carrier does with a key that it does not know is not documented; here none is played.
        if set(digits) - set(self._keys):
            return
        for digit in digits:
            if digit in PAUSE_MS:
                await self._line.until_ms(self._line.now_ms + PAUSE_MS[digit])
                continue
            if self._line.stream is None:
                self._line.seams.keys()
            self._timeline.note(
                "keys_heard",
                f"the caller hears key {digit} from the bot",
                at_ms=self._line.ear_ms,
                digit=digit,
                by="bot",
            )
            self._line.signal = chain(self._line.signal or (), key(digit))
            await self._line.until_ms(self._line.now_ms + KEY_MS + KEY_GAP_MS)
