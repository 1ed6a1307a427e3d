"""The parts of a pipeline that a session uses, as protocols: the pipeline sets them once it is built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pipecat.frames.frames import Frame

FILLS = "fills a silence"
"""The key of a frame's `metadata` that says that its words only fill a silence: they are not owed to the caller."""


class Mouth(Protocol):
    """Where the bot's own words enter the pipeline, beside the model."""

    reply: str
    """What the model has said in its latest reply."""

    @property
    def voice_is_lost(self) -> bool:
        """Whether the voice has failed twice, or has been silent for too long."""
        ...

    async def say(self, *frames: Frame, own: bool = False) -> bool:
        """Give the voice something to say; tell whether that was possible."""
        ...

    async def say_again(self) -> None:
        """Give the voice once more what it has failed to say, if it has."""
        ...

    async def failed_words(self) -> str:
        """What the voice has failed to say and should be given once more. The bot stops waiting for its sound."""
        ...

    def listens(self) -> None:
        """The model need not say anything now."""
        ...

    async def reply_is_over(self) -> None:
        """Wait, not for long, until the model has said all of its latest reply."""
        ...


class Floor(Protocol):
    """Who has the word, and what is under way."""

    @property
    def may_not_be_cut(self) -> bool:
        """Whether something goes on that another session could not go on with: a tool, a transfer, a goodbye."""
        ...

    @property
    def caller_has_the_word(self) -> bool:
        """Whether the caller speaks, or seems to."""
        ...

    @property
    def is_at_work(self) -> bool:
        """Whether the bot owes words that the voice has not given yet."""
        ...


class SecondThoughts(Protocol):
    """What the caller says over the bot's goodbye."""

    listening: bool
    """Whether anybody listens to it."""

    def listen(self) -> None:
        """Begin to listen."""
        ...

    async def has_some(self) -> Sequence[Frame]:
        """Wait for the end of what is being said; give the words if they ask for more than the end of the call."""
        ...


class Mind(Protocol):
    """Where something is handed to a model that hears the caller by itself."""

    async def tell(self, frame: Frame) -> None:
        """Hand a frame to the model."""
        ...


class Tongue(Protocol):
    """The language of the conversation, see `conversation/multilingual/changing.py`."""

    spoken: tuple[str, ...]
    """The languages that the conversation can be in."""

    def speaks(self, language: str) -> str | None:
        """The agent's tag of a language that it can be in; None for another."""
        ...

    async def change(self, tag: str, why: str) -> list[Frame]:
        """Go on in another language; returns what the voice must get before the first words in it."""
        ...


class HandingOver(Protocol):
    """An attempt to put the caller through, see `conversation/handover.py`."""

    @property
    def deaf(self) -> bool:
        """Whether the bot ignores what the caller says now."""
        ...

    @property
    def running(self) -> bool:
        """Whether its outcome is not known yet."""
        ...

    async def outcome(self) -> object:
        """Wait for the end."""
        ...

    async def give_up(self) -> None:
        """Stop: the call is ending."""
        ...


class Line(Protocol):
    """Where what is spoken goes out to the carrier."""

    async def fall_silent(self) -> None:
        """Take back all that was said and not heard yet, at the carrier too, also what no barge-in may cut short."""
        ...
