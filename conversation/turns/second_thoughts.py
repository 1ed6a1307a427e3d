"""What callers say over the bot's goodbye, such as "Oh wait, one more question".

A goodbye cannot be interrupted, and most of what is said over it is one, too. But who has thought of something else is
not hung up on: the goodbye is said to its end, and the call goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pipecat.frames.frames import (
    Frame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)

from conversation.local.speech import NoWordsFrame
from conversation.turns.pausing import Known

LONGEST_SECS = 5.0
"""Who speaks on when the goodbye was heard is waited for no longer, or a television would keep the line open."""

WORDS_SECS = 1.0
"""How long after its end the words of a sound may come."""


class SecondThoughts:
    """Listens while the bot says goodbye."""

    def __init__(self, words: Known) -> None:
        """Do not listen yet.

        Args:
            words: The words of the language that is spoken now.
        """
        self.listening = False
        self._known = words
        self._heard: list[TranscriptionFrame] = []
        self._speaks = self._owed = False
        self._news = asyncio.Event()

    def listen(self) -> None:
        """Begin to listen."""
        self.listening = True
        self._heard.clear()
        self._speaks = self._owed = False

    def hear(self, frame: Frame) -> bool:
        """Take in what the ear and the recogniser tell.

        Returns:
            Whether the frame was of the caller's words, which go no further for now.
        """
        if not self.listening:
            return False
        if isinstance(frame, VADUserStartedSpeakingFrame):
            self._speaks = True
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            self._speaks, self._owed = False, True
        elif isinstance(frame, TranscriptionFrame | NoWordsFrame):
            self._owed = False
            if isinstance(frame, TranscriptionFrame):
                self._heard.append(frame)
        else:
            return False
        self._news.set()
        return isinstance(frame, TranscriptionFrame)

    async def has_some(self) -> Sequence[Frame]:
        """Wait for the end of what is being said, and stop listening.

        Returns:
            What the caller said, if it asks for more than the end of the call; else nothing.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + LONGEST_SECS
        while (self._speaks or self._owed) and clock() < until:
            self._news.clear()
            try:
                async with asyncio.timeout(until - clock() if self._speaks else WORDS_SECS):
                    await self._news.wait()
            except TimeoutError:
                break
        self.listening = False
        said = " ".join(frame.text for frame in self._heard)
        return list(self._heard) if self._known().thinks_again(said) else []
