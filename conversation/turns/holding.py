"""The bot's voice while somebody may want the word: paused, gone on with, or known to be what is heard."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np

from conversation.playout import Playout
from conversation.turns.echo import ALIKE, FEWEST_WORDS, LATEST_SECS, WINDOW_SECS, repeats, resemblance
from conversation.turns.loudness import loudness
from conversation.turns.word_beginnings import word_begins
from conversation.turns.words import plain
from serializers.kept import BACK_SECS
from serializers.transport import PhoneTransport

BEFORE_WORD_SECS = 0.03
"""How much before a word, as its voice has timed it, the bot goes on: such times are not exact."""

SOFTER_DB = 10.0
"""What is softer than the caller by so much is not the caller, but people, a television or a street behind them."""

SILENT_DB = -55.0
"""What is softer than this is nobody, on any line."""

TURN_SECS = 3.0
"""So much of the end of what the caller has said tells how loud they are; of its last word alone it would not."""

TURNS = 5
"""So many turns are remembered: people come nearer and go away."""


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

    def hears_nobody(self) -> bool:
        """Whether the sound that comes now is its own, or too soft to be the caller's."""
        ...

    def caller_has_spoken(self) -> None:
        """Learn how loud the caller is, who was heard until now."""
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

    def hears_nobody(self) -> bool:
        """Nobody knows."""
        return False

    def caller_has_spoken(self) -> None:
        """Nothing is learned."""

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
        self._callers_db: deque[float] = deque(maxlen=TURNS)
        self._own_db: float | None = None

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

    def hears_nobody(self) -> bool:
        """Whether the sound that comes from the caller now is its own, or too soft to be the caller's.

        Of a caller who has said nothing yet the loudness is not known. On a loudspeaker whatever is much softer than
        the voice that comes back is the room between two words.
        """
        now_db = loudness(self._transport.heard_lately(WINDOW_SECS), self._heard_hz)
        if self.hears_itself():
            self._own_db = now_db if self._own_db is None else max(now_db, self._own_db)
            return True
        if now_db < SILENT_DB:
            return True
        usual_db = float(np.percentile(self._callers_db, 75)) if self._callers_db else self._own_db
        return usual_db is not None and now_db < usual_db - SOFTER_DB

    def caller_has_spoken(self) -> None:
        """Learn how loud the caller is, who was heard until now."""
        self._callers_db.append(loudness(self._transport.heard_lately(TURN_SECS), self._heard_hz))

    @property
    def _heard_hz(self) -> int:
        return self._transport.hears_hz

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
