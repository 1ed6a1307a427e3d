"""From the steps of a story to the script of a person at a phone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emulator.line.caller import Audio, Digits, HangUp, ScriptItem, Until, Wait
from emulator.line.codecs import Pcm
from emulator.line.line import PhoneLine
from emulator.stories.ears import Listening, Transcribe
from emulator.stories.happenings import Board
from emulator.stories.story import Moment, Step

LOOK_EVERY_FRAMES = 5
SILENCE_MS = 600
STILL_SPEAKING_MS = 120


@dataclass(frozen=True)
class Casting:
    """What a person at a phone needs to play a part.

    Attributes:
        speak: The voice.
        transcribe: The ears for a real voice; None where speech is made of tones.
        board: What happens elsewhere in the story.
    """

    speak: Callable[[str], Pcm]
    transcribe: Transcribe | None
    board: Board

    def script(self, steps: Sequence[Step], who: str) -> list[ScriptItem]:
        """Turn steps into a script; slow with a real voice."""
        return [item for step in steps for item in self._items(step, who)]

    def _items(self, step: Step, who: str) -> list[ScriptItem]:
        after_reply = not step.at_once and step.over is None
        before: list[ScriptItem] = [] if step.over is None else [_into_speech(step.over)]
        match step.kind:
            case "say":
                return [*before, Audio(self.speak(step.text), step.text, after_reply)]
            case "press":
                return [*before, Digits(step.text, after_reply)]
            case "wait":
                return [Wait(step.secs)]
            case "hang_up":
                return [HangUp()]
        if step.moment is not None:
            return [self._until(step.moment, step.secs, who)]
        if step.text == "reply":
            return [Until(step.secs, "a reply", after_reply=True)]
        if step.text == "speech":
            return [_into_speech(0.0, step.secs)]
        return [Until(step.secs, "silence", _silent)]

    def _until(self, moment: Moment, secs: float, who: str) -> Until:
        if moment.kind != "hears":
            return Until(secs, moment.written, lambda _: self.board.happened(moment))
        listening = Listening(moment.text, self.transcribe)
        if moment.who == who:
            return Until(secs, moment.written, _sometimes(listening.heard))
        return Until(secs, moment.written, _sometimes(lambda _: self.board.heard_by(moment.who, listening)))


def _into_speech(secs: float, at_most: float = 15.0) -> Until:
    """Until the other has been speaking for so long."""
    begin: list[int] = []

    def holds(line: PhoneLine) -> bool:
        if not begin:
            begin.append(line.now_ms)
        utterances = line.hearing.utterances
        if not utterances or line.now_ms - utterances[-1].end_ms > STILL_SPEAKING_MS:
            return False
        return line.now_ms - max(begin[0], utterances[-1].start_ms) >= secs * 1000

    return Until(at_most, f"{secs:g} s of the other's speech" if secs else "speech", holds)


def _silent(line: PhoneLine) -> bool:
    return line.now_ms - (line.hearing.last_audible_ms or 0) >= SILENCE_MS


def _sometimes(holds: Callable[[PhoneLine], bool]) -> Callable[[PhoneLine], bool]:
    """Look every tenth of a second only: it costs more than a frame's time may."""
    frames = 0

    def now_and_then(line: PhoneLine) -> bool:
        nonlocal frames
        frames += 1
        return frames % LOOK_EVERY_FRAMES == 1 and holds(line)

    return now_and_then
