"""When the bot was heard to speak: bursts and utterances, from the loudness of what reached the ear."""

from __future__ import annotations

from dataclasses import dataclass

from emulator.line.codecs import FRAME_MS, Pcm, loudness
from emulator.line.earpiece import AUDIBLE


@dataclass
class Burst:
    """A stretch of audible sound, in ms since the answer: `[start_ms, end_ms)`."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class SpeechStarted:
    """The bot began to be heard."""

    at_ms: int


@dataclass(frozen=True)
class SpeechStopped:
    """The bot has not been heard since `end_ms`."""

    start_ms: int
    end_ms: int


class SpeechWatch:
    """Follows the loudness at the ear.

    A *burst* ends with 200 ms of silence and serves to find when a reply began; an *utterance* ends with 600
    ms and is what a person would call one thing said. A single loud frame is a click, not speech.
    """

    def __init__(self, *, burst_gap_ms: int = 200, utterance_gap_ms: int = 600) -> None:
        """Start with silence."""
        self._burst_gap_ms = burst_gap_ms
        self._utterance_gap_ms = utterance_gap_ms
        self.bursts: list[Burst] = []
        self.utterances: list[Burst] = []
        self._loud_since: int | None = None
        self._open = False

    def hear(self, frame: Pcm, at_ms: int) -> list[SpeechStarted | SpeechStopped]:
        """Take the frame that was heard from `at_ms` on; returns what begins or ends with it."""
        events: list[SpeechStarted | SpeechStopped] = []
        if loudness(frame) < AUDIBLE:
            self._loud_since = None
            if self._open and at_ms + FRAME_MS - self.utterances[-1].end_ms >= self._utterance_gap_ms:
                self._open = False
                events.append(SpeechStopped(self.utterances[-1].start_ms, self.utterances[-1].end_ms))
            return events
        end_ms = at_ms + FRAME_MS
        if self._loud_since is None:
            self._loud_since = at_ms
        if end_ms - self._loud_since < 2 * FRAME_MS and not self._continues(
            self.bursts, at_ms, self._burst_gap_ms
        ):
            return events
        if self._continues(self.bursts, self._loud_since, self._burst_gap_ms):
            self.bursts[-1].end_ms = end_ms
        else:
            self.bursts.append(Burst(self._loud_since, end_ms))
        if self._open:
            self.utterances[-1].end_ms = end_ms
        else:
            self._open = True
            self.utterances.append(Burst(self._loud_since, end_ms))
            events.append(SpeechStarted(self._loud_since))
        return events

    @staticmethod
    def _continues(stretches: list[Burst], at_ms: int, gap_ms: int) -> bool:
        return bool(stretches) and at_ms - stretches[-1].end_ms < gap_ms

    def finish(self) -> list[SpeechStopped]:
        """The call is over: an utterance that was still open ends where it was last heard."""
        if not self._open:
            return []
        self._open = False
        return [SpeechStopped(self.utterances[-1].start_ms, self.utterances[-1].end_ms)]

    @property
    def last_audible_ms(self) -> int | None:
        """End of the last audible sound, or None if there was none yet."""
        return self.bursts[-1].end_ms if self.bursts else None

    def reply_to(self, line_start_ms: int, line_end_ms: int) -> Burst | None:
        """The first burst that answers a line of the caller.

        It began after the line did and was heard after the line's end: the rest of an interrupted sentence is
        no reply, and a bot that talks over the end of the line is one.
        """
        for burst in self.bursts:
            if burst.start_ms >= line_start_ms and burst.end_ms > line_end_ms:
                return burst
        return None
