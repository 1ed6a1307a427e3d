"""What the caller has really heard.

Sent is not heard: audio waits at the carrier, and a barge-in throws it away. The carrier's marks tell the difference. A
mark comes back when everything before it was played, but also, at once, when a `clear` emptied the queue
(Source: Twilio docs, media-streams websocket messages; Telnyx docs, media streaming over WebSockets). So each name
carries a generation that `cleared()` moves on: a mark of an older generation was thrown away, not heard.

What a mark cannot tell is how far the caller got in the one chunk that was playing when it was taken back. A clock
tells that, from how much audio was sent and when: an estimate, and of that one chunk only.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

OVERDUE_SECS = 3.5
"""How long we wait for a mark after its audio must have been played: a network may stand still for seconds. Then the
mark was lost, but not its words."""


LATELY = 3
"""How many chunks back, and ahead, what the caller hears now may come from."""


LOST_MARKS: Counter[str] = Counter()
"""How many marks of all streams of this process did not come back in time, by what it was noticed at: `later_mark`,
`clear` or `end`."""


@dataclass(eq=False)
class Chunk:
    """A stretch of speech that ends in a mark.

    Positions are seconds of speech since the last `clear`.

    Parameters:
        text: The words of this stretch; empty for a mark that only fences off what came before.
        mark: The mark's name on the wire; empty until `Playout.say` gives it one.
        starts: The position at which it begins.
        ends: The position at which it ends.
        words: For a voice that times its words: at which position a word begins, and the text up to its end.
        in_context: Whether the words belong into the conversation that a model is shown.
        settled: Whether it is decided what of it was heard.
        heard: The words that the caller heard: all, the first ones, or none. Decided when `settled`.
        lost: Its mark is overdue. The carrier did not confirm the words, but nothing says that they were not heard.
    """

    text: str = ""
    mark: str = ""
    starts: float = 0.0
    ends: float = 0.0
    words: tuple[tuple[float, str], ...] = ()
    in_context: bool = True
    settled: bool = False
    heard: str = ""
    lost: bool = False

    @property
    def all_heard(self) -> bool:
        """Whether the caller heard it to its end."""
        return self.settled and self.heard == self.text

    def up_to(self, position: float) -> str:
        """The words that had begun at a position."""
        if self.words:
            begun = [text for begins, text in self.words if begins < position]
            return begun[-1] if begun else ""
        if self.ends <= self.starts:
            return ""
        words = self.text.split()
        share = (position - self.starts) / (self.ends - self.starts)
        return self.text if share >= 1 else " ".join(words[: max(0, int(share * len(words)))])


@dataclass
class _Waiting:
    chunk: Chunk
    sent: asyncio.Event = field(default_factory=asyncio.Event)
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    heard: bool = False
    due: float = float("inf")

    def settle(self, *, heard: bool, text: str) -> None:
        self.heard = heard
        self.chunk.heard = text
        self.chunk.settled = True
        self.settled.set()


class Playout:
    """Follows the marks of one media stream, from their request to their return.

    The order of a mark's life: `expect` (named), `sent` (on the wire), `returned` (heard) or `cleared` (thrown away).
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with nothing said.

        Args:
            clock: Tells the time in seconds.
        """
        self._clock = clock
        self._generation = 0
        self._count = 0
        self._named: dict[str, _Waiting] = {}
        self._sent: dict[str, _Waiting] = {}
        self._said = self._said_in_all = 0.0
        self._chunk_starts = 0.0
        self._audio_sent = 0.0
        self._played_until = 0.0
        self._taken_back: list[Chunk] = []
        self._is_held = False
        self._said_lately: deque[Chunk] = deque(maxlen=LATELY)

    @property
    def pending(self) -> tuple[Chunk, ...]:
        """What was said and is not known to be heard yet, in order."""
        return tuple(entry.chunk for entry in (*self._sent.values(), *self._named.values()))

    @property
    def said_lately(self) -> str:
        """The words that the caller hears now, has heard last, or is about to hear."""
        pending = self.pending
        return " ".join(chunk.text for chunk in (*self._said_lately, *pending[:LATELY]) if chunk.text)

    @property
    def unheard_secs(self) -> float:
        """How much of the speech that was handed on was not played yet, by the clock."""
        return max(0.0, self._said - self._position(self._clock()))

    @property
    def has_unheard(self) -> bool:
        """Whether something was spoken that is not known to be heard."""
        return self._said > self._chunk_starts or any(chunk.text for chunk in self.pending)

    @property
    def said_secs(self) -> float:
        """How much speech was handed on since the last `clear`, in seconds."""
        return self._said

    @property
    def said_in_all_secs(self) -> float:
        """How much speech was handed on since the beginning, whatever became of it."""
        return self._said_in_all

    @property
    def named_secs(self) -> float:
        """How much of that belongs to chunks that have a mark."""
        return self._chunk_starts

    @property
    def sent_secs(self) -> float:
        """How much of it was handed to the carrier."""
        return self._audio_sent

    @property
    def played_until(self) -> float:
        """The time, by the clock, until which the carrier has something to play; in the past when it is done."""
        return self._played_until

    def spoke(self, secs: float) -> None:
        """Note that the voice made so much speech, which is now on its way to the carrier."""
        self._said += secs
        self._said_in_all += secs

    def audio_sent(self, secs: float) -> None:
        """Note that so much speech was handed to the carrier, which plays it after what it has already."""
        if self._is_held:
            return  # it was under way when the bot was paused, and is kept with the rest
        self._audio_sent += secs
        self._played_until = max(self._played_until, self._clock()) + secs

    def _position(self, now: float) -> float:
        """Which position the carrier has come to, by the clock."""
        return self._audio_sent - max(0.0, self._played_until - now)

    def expect(self, text: str = "") -> str:
        """Name the mark that will follow a stretch of speech.

        Args:
            text: The words that the mark confirms; empty for a fence.

        Returns:
            A mark name that is unique on this stream.
        """
        return self.say(Chunk(text))

    def say(self, chunk: Chunk, *, ends: float | None = None) -> str:
        """Name the mark that will follow a chunk. The speech since the chunk before belongs to it.

        Args:
            chunk: Its mark and its positions are filled in.
            ends: The position at which it ends; all that was spoken so far when not given.

        Returns:
            The mark's name, unique on this stream.
        """
        self._count += 1
        chunk.mark = f"{self._generation}.{self._count}"
        if chunk.text:
            chunk.starts, chunk.ends = self._chunk_starts, self._said if ends is None else ends
            self._chunk_starts = chunk.ends
        self._named[chunk.mark] = _Waiting(chunk)
        return chunk.mark

    def sent(self, name: str) -> None:
        """Note that the mark is on the wire: all audio before it was handed to the carrier."""
        if entry := self._named.pop(name, None):
            self._sent[name] = entry
            entry.due = max(self._clock(), self._played_until) + OVERDUE_SECS
            entry.sent.set()
            if entry.chunk.text:
                # Transports pad and resample: without this the two counts would drift apart over a long call.
                self._audio_sent = entry.chunk.ends

    # The bot is paused, and goes on: `serializers.kept.Follower`

    def taken_back(self, marks: list[str]) -> list[str]:
        """Note that the bot was paused: what the carrier has not played was taken back, and is kept.

        Args:
            marks: Those behind what was taken back. The carrier returns them at once; they mean nothing any more.

        Returns:
            The names that these marks will have; empty for one that nobody waits for.
        """
        now = self._clock()
        self._audio_sent = self._position(now)
        self._played_until = min(self._played_until, now)
        self._is_held = True
        again: dict[str, _Waiting] = {}
        names = []
        for mark in marks:
            entry = self._sent.pop(mark, None)
            if entry is not None:
                self._count += 1
                entry.chunk.mark = f"{self._generation}.{self._count}"
                entry.due = float("inf")
                entry.sent.clear()
                again[entry.chunk.mark] = entry
            names.append("" if entry is None else entry.chunk.mark)
        self._named = {**again, **self._named}
        return names

    def goes_on(self, repeated_secs: float) -> None:
        """Note that the bot goes on, so many seconds before where it was paused."""
        self._is_held = False
        self._audio_sent = max(0.0, self._audio_sent - repeated_secs)

    def secs_into_word(self) -> float | None:
        """How long ago the word began that is being played; None for a voice that does not time its words."""
        position = self._position(self._clock())
        begun = [
            begins
            for chunk in (*self._said_lately, *self.pending)
            if chunk.mark.startswith(
                f"{self._generation}."
            )  # positions of others are of a time before a barge-in
            for begins, _ in chunk.words
            if begins <= position
        ]
        return position - max(begun) if begun else None

    def returned(self, name: str) -> tuple[Chunk, ...]:
        """Take a mark that the carrier returned.

        A mark confirms all marks that were sent before it as well, so one that was lost on the way holds nothing up.
        The order of sending counts, not that of naming: a fence is named before the words that it waits for.

        Returns:
            The chunks that are now known to be heard, oldest first; empty for a foreign, doubled or cleared mark.
        """
        if entry := self._named.pop(name, None):
            # It came back before its sender could say so.
            self._sent[name] = entry
        if name not in self._sent:
            return ()
        heard = []
        for mark in list(self._sent):
            entry = self._sent.pop(mark)
            entry.settle(heard=True, text=entry.chunk.text)
            heard.append(entry.chunk)
            self._said_lately.append(entry.chunk)
            if mark == name:
                break
            LOST_MARKS["later_mark"] += 1
        return tuple(heard)

    def cleared(self) -> tuple[Chunk, ...]:
        """Note that the carrier's queue was emptied by a barge-in.

        The chunk that was playing has its first words in `heard`, by the clock. They can be all of them, when only its
        mark was still on its way back. A chunk with an overdue mark is `lost`.

        Returns:
            The chunks whose marks had not come back, oldest first.
        """
        now = self._clock()
        position = self._position(now)
        playing = True
        unheard = [*self._sent.values(), *self._named.values()]
        for entry in unheard:
            chunk = entry.chunk
            chunk.lost = entry.due < now
            LOST_MARKS["clear"] += chunk.lost
            entry.settle(heard=False, text=chunk.up_to(position) if playing and not chunk.lost else "")
            if chunk.text and not chunk.lost:
                playing = False
        return self._forget(unheard)

    def ended(self) -> tuple[Chunk, ...]:
        """Note that the stream is gone: what no mark has confirmed by now counts as not heard.

        Returns:
            The chunks whose marks had not come back, oldest first.
        """
        now = self._clock()
        unheard = [*self._sent.values(), *self._named.values()]
        for entry in unheard:
            LOST_MARKS["end"] += entry.due < now
            entry.settle(heard=False, text="")
        return self._forget(unheard)

    def collect_taken_back(self) -> list[Chunk]:
        """All that was cleared since this was last asked, with what was heard of it."""
        chunks, self._taken_back = self._taken_back, []
        return chunks

    async def heard(self, name: str, *, send_secs: float, return_secs: float) -> bool:
        """Wait until the caller has heard everything before a mark.

        Two caps, because two different things can hang: the voice service before the mark is on the wire, and the
        carrier after it.

        Args:
            name: A name that `expect` gave.
            send_secs: How long the speech may take to be made and sent, in seconds.
            return_secs: How long the carrier may take to return the mark after that, in seconds.

        Returns:
            True when the mark came back; False when it was cleared or a cap ran out.
        """
        entry = self._named.get(name) or self._sent.get(name)
        if entry is None:
            return False
        while True:
            try:
                async with asyncio.timeout(send_secs):
                    waits = [asyncio.ensure_future(event.wait()) for event in (entry.sent, entry.settled)]
                    try:
                        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        for wait in waits:
                            wait.cancel()
            except TimeoutError:
                return False
            try:
                async with asyncio.timeout(return_secs):
                    await entry.settled.wait()
                return entry.heard
            except TimeoutError:
                if entry.sent.is_set():
                    return False
                # The bot was paused meanwhile: the mark was taken back, and will be sent once more.

    def _forget(self, unheard: list[_Waiting]) -> tuple[Chunk, ...]:
        self._generation += 1
        self._sent.clear()
        self._named.clear()
        self._said = self._chunk_starts = self._audio_sent = 0.0
        self._is_held = False
        # What was played stays the bot's last sound, even where a later barge-in took the rest back.
        self._played_until = min(self._played_until, self._clock())
        chunks = tuple(entry.chunk for entry in unheard)
        self._said_lately.extend(chunk for chunk in chunks if chunk.heard)
        self._taken_back += chunks
        return chunks
