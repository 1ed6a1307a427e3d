"""Where one spoken chunk ends and the next begins, for voices that do not say so.

A voice that speaks a sentence a time reports its text right behind its audio; there is nothing to find out. Two kinds
of voice need more:

* One that **times its words** (Cartesia, ElevenLabs) reports each with a time of presentation, some before their audio
  and some after it, and says nothing at the end of a sentence. A sentence ends where the first word of the next begins,
  so audio is counted against the words' times.
* One that is **told all sentences ahead** (Deepgram) reports their texts before any audio, and nothing later. Where one
  ends is reckoned from its length, at the pace that the voice had so far.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pipecat.frames.frames import AggregatedTextFrame, TTSTextFrame
from pipecat.utils.string import TextPartForConcatenation, concatenate_aggregated_text

from conversation.playout import Chunk

LONGEST_CHUNK_SECS = 3.0
"""A sentence of timed words that takes longer is cut into chunks, so that marks say how much of it was heard."""

SECS_PER_CHARACTER = 1 / 15
"""A usual speaker's pace, until this one's is known."""

PACES = (0.03, 0.2)
"""No voice is quicker or slower than this, in seconds a character; a measured pace outside is a pause or a fault."""

SENTENCE_END = re.compile(r"[.!?…。！？]+[\"'”’»)\]]*$")

NANOSECONDS = 1e9


def words_of(frame: AggregatedTextFrame) -> str:
    """The text of a frame as the conversation keeps it, which need not be that which the voice got."""
    return frame.raw_text or frame.text


@dataclass(frozen=True)
class Due:
    """A chunk whose end is known, and the position in the speech behind which its mark belongs."""

    chunk: Chunk
    position: float


@dataclass
class SpokenChunks:
    """Gathers the words of one utterance after the other into chunks.

    Positions are seconds of speech, as in `conversation.playout.Playout`.

    Attributes:
        ahead: Whether the texts of this utterance came before their audio.
        pace: How long the voice takes for a character, in seconds.
    """

    ahead: bool = False
    pace: float = SECS_PER_CHARACTER
    _chunk: Chunk | None = None
    _parts: list[TextPartForConcatenation] = field(default_factory=list)
    _due: list[Due] = field(default_factory=list)
    _clock_base: int | None = None
    _begun_at: float = 0.0
    _last_pts: int = 0
    _ahead_until: float = 0.0
    _ahead_characters: int = 0

    def begin(self, now: int, position: float) -> None:
        """Note the first sound, word or text of an utterance; what comes of the same utterance later is no news.

        Args:
            now: The pipeline's clock, in nanoseconds.
            position: How much was spoken before it, in seconds.
        """
        if self._clock_base is None:
            # As Pipecat times words: from the first sound on, but never before the last word of what came earlier.
            self._clock_base = max(self._last_pts, now)
            self._begun_at = self._ahead_until = position

    def add_word(self, frame: TTSTextFrame) -> Chunk:
        """Take the next timed word.

        Returns:
            The chunk that it belongs to.
        """
        assert frame.pts is not None
        assert self._clock_base is not None
        position = self._begun_at + max(0, frame.pts - self._clock_base) / NANOSECONDS
        self._last_pts = max(self._last_pts, frame.pts)
        if self._chunk is not None and _is_complete(self._chunk, position):
            self._due.append(Due(self._chunk, position))
            self._chunk = None
        if self._chunk is None:
            self._chunk = Chunk(in_context=frame.append_to_context)
            self._parts = []
        self._parts.append(TextPartForConcatenation(words_of(frame), frame.includes_inter_frame_spaces))
        self._chunk.text = concatenate_aggregated_text(self._parts).strip()
        self._chunk.words = (*self._chunk.words, (position, self._chunk.text))
        return self._chunk

    def add_ahead(self, frame: TTSTextFrame, position: float) -> Chunk:
        """Take a sentence whose audio is still to come.

        Args:
            frame: The sentence.
            position: How much was spoken so far, in seconds.
        """
        self.ahead = True
        chunk = Chunk(words_of(frame), in_context=frame.append_to_context)
        self._ahead_until = max(self._ahead_until, position) + len(chunk.text) * self.pace
        self._ahead_characters += len(chunk.text)
        self._due.append(Due(chunk, self._ahead_until))
        return chunk

    def next_due(self) -> float | None:
        """The position of the next mark; the last sentence's that was told ahead is at the end of the utterance."""
        certain = self._due[:-1] if self.ahead else self._due
        return certain[0].position if certain else None

    def take_due(self, position: float) -> Chunk | None:
        """The next chunk whose mark belongs here or earlier."""
        due = self.next_due()
        return self._due.pop(0).chunk if due is not None and due <= position else None

    def end(self, position: float) -> list[Chunk]:
        """End the utterance.

        Args:
            position: How much was spoken so far, in seconds.

        Returns:
            The chunks that are not marked yet, in order; none when the voice gave no sound.
        """
        secs = position - self._begun_at
        if self.ahead:
            self.measure(self._ahead_characters, secs)
        chunks = [due.chunk for due in self.abandon()]
        return chunks if secs > 0 else []

    def abandon(self) -> list[Due]:
        """End the utterance where it is, because the voice was interrupted.

        Returns:
            The chunks that are not marked yet, in order, with the positions at which they would have ended.
        """
        chunks = self._due
        if self._chunk is not None:
            chunks.append(Due(self._chunk, self._chunk.words[-1][0]))
        self._due, self._chunk, self._clock_base = [], None, None
        self.ahead, self._ahead_characters = False, 0
        return chunks

    def forget_silent(self, position: float) -> None:
        """Forget an utterance that a voice has failed to say: the next one begins, and no sound came of it.

        Args:
            position: How much was spoken so far, in seconds.
        """
        if self._clock_base is not None and position <= self._begun_at:
            self.abandon()

    def interrupted(self) -> None:
        """Forget when the last word was: an interrupted voice times its next words anew."""
        self._last_pts = 0

    def measure(self, characters: int, secs: float) -> None:
        """Learn the voice's pace from the length of a text and the seconds that it took."""
        if characters and secs > 0:
            slowest, quickest = max(PACES), min(PACES)
            self.pace = (self.pace + min(slowest, max(quickest, secs / characters))) / 2


def _is_complete(chunk: Chunk, position: float) -> bool:
    begins, _ = chunk.words[0]
    return bool(SENTENCE_END.search(chunk.text)) or position - begins >= LONGEST_CHUNK_SECS
