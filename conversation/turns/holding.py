"""The bot's voice while somebody may want the word: paused, gone on with, or known to be what is heard."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import numpy as np

from conversation.playout import Playout
from conversation.turns.echo import ALIKE, FEWEST_WORDS, LATEST_SECS, WINDOW_SECS, repeats, resemblance
from conversation.turns.word_beginnings import word_begins
from conversation.turns.words import plain
from serializers.kept import BACK_SECS
from serializers.transport import PhoneTransport

BEFORE_WORD_SECS = 0.03
"""How much before a word, as its voice has timed it, the bot goes on: such times are not exact."""


class Voice(Protocol):
    """The bot's voice, as the strategy that begins turns needs it."""

    @property
    def is_held(self) -> bool:
        """Whether it is paused."""
        ...

    async def hold(self) -> bool:
        """Pause it at once; tell whether that was possible."""
        ...

    async def go_on(self) -> None:
        """Have it go on where it was heard."""
        ...

    def hears_itself(self) -> bool:
        """Whether the sound that comes from the caller now is its own."""
        ...

    def has_said(self, text: str, *, sounded_own: bool) -> bool:
        """Whether words that were understood are its own, come back; and whether their sound was its own, too."""
        ...


class NoVoice:
    """The voice of a bot on no phone line: it cannot be paused, and the caller's side keeps its own echo out."""

    is_held = False

    async def hold(self) -> bool:
        """Not possible."""
        return False

    async def go_on(self) -> None:
        """Nothing was paused."""

    def hears_itself(self) -> bool:
        """Nobody knows."""
        return False

    def has_said(self, text: str, *, sounded_own: bool) -> bool:
        """Nobody knows."""
        return False


class PhoneVoice:
    """The voice of a bot on a phone line."""

    def __init__(
        self, transport: PhoneTransport, playout: Playout, *, undone: Callable[[], None] = lambda: None
    ):
        """Initialize it.

        Args:
            transport: The call's media socket.
            playout: What the caller has heard.
            undone: Is told when the voice goes on after what was no interruption.
        """
        self._undone = undone
        self._transport = transport
        self._voice = transport.voice
        self._playout = playout

    @property
    def is_held(self) -> bool:
        """Whether it is paused."""
        return self._voice.is_held

    async def hold(self) -> bool:
        """Pause it at once; tell whether that was possible."""
        return await self._voice.hold(self._playout)

    async def go_on(self) -> None:
        """Have it go on where it was heard, at the beginning of the word."""
        if self._voice.is_held:
            self._undone()
        secs = self._playout.secs_into_word()
        if secs is None or secs > BACK_SECS:
            await self._voice.go_on(word_begins)
        else:
            timed = secs + BEFORE_WORD_SECS
            await self._voice.go_on(lambda *_: timed)

    def hears_itself(self) -> bool:
        """Whether the sound that comes from the caller now is its own. Takes a quarter of a millisecond."""
        now = time.monotonic()
        heard = np.frombuffer(self._transport.heard_lately(WINDOW_SECS), np.int16)
        played = np.frombuffer(self._voice.played_between(now - WINDOW_SECS - LATEST_SECS, now), np.int16)
        heard = heard[:: max(1, round(len(heard) / WINDOW_SECS / self._voice.sample_rate))]
        return resemblance(heard, played) >= ALIKE

    def has_said(self, text: str, *, sounded_own: bool) -> bool:
        """Whether words that were understood are its own, come back.

        A caller may repeat what the bot says, so words alone are not enough.

        Args:
            text: The words.
            sounded_own: Whether their sound was known to be its own. If not, and they are more than a few, it is looked
                at now.
        """
        if not sounded_own and (len(plain(text).split()) < FEWEST_WORDS or not self.hears_itself()):
            return False
        return repeats(text, self._playout.said_lately)
