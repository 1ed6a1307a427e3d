"""Colleagues: people and voicemail boxes at other numbers of the network, for a bot to call and to hand over to."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, get_args

import numpy as np

from emulator.errors import EmulatorError
from emulator.line.caller import (
    Audio,
    Digits,
    HangUp,
    Keypad,
    Person,
    Say,
    ScriptedCaller,
    ScriptItem,
    Wait,
    tone,
)
from emulator.line.codecs import Pcm
from emulator.line.detected import THE_TRUTH, Detected
from emulator.line.line import PhoneLine
from emulator.timeline import Timeline

Behaviour = Literal["answers", "declines", "busy", "no_answer", "voicemail", "fax", "unreachable"]
BEHAVIOURS: tuple[str, ...] = get_args(Behaviour)

Ending = Literal["completed", "busy", "declined", "no_answer", "failed", "canceled"]
"""How an attempt to reach a callee ended: `completed` was answered, `declined` was rejected on the phone, `failed`
could not be reached or is a number with nobody there, `canceled` stopped ringing before it was answered."""

BEEP_HZ = 1000.0
BEEP = tone(500, frequency=BEEP_HZ)
"""What a voicemail box plays after its greeting."""

FAX_SILENCE_SECS = 1.8
FAX_HZ = 2100.0
FAX_TONE = tone(3000, frequency=FAX_HZ)
"""How a fax answers: silence, and the called station identification. Source: ITU-T T.30, CED: after 1.8 to 2.5 s, 2.6
to 4 s long. What follows, data at 300 bit/s for 35 s, is silence here."""

BABBLE_MS = 3000


def babble(duration_ms: int = BABBLE_MS) -> Pcm:
    """Sounds in the rhythm of speech, for a greeting without a voice: five syllables a second, of changing pitch."""
    syllable_ms, gap_ms = 150, 50
    pitches = (220.0, 180.0, 260.0, 200.0, 150.0)
    pieces = []
    for number in range(duration_ms // (syllable_ms + gap_ms)):
        pieces += [tone(syllable_ms, frequency=pitches[number % len(pitches)]), tone(gap_ms, level=0.0)]
    return np.concatenate(pieces)


class HeldPhone(Protocol):
    """A phone that somebody has in hand: nobody knows beforehand when it is picked up."""

    async def rings(self, timeline: Timeline) -> bool:
        """Ring: True when it is picked up, False when the call is declined. It is cancelled when the caller gives up.

        Args:
            timeline: Of the leg that calls, to tell it from others.
        """

    def handset(self, line: PhoneLine, press: Keypad, timeline: Timeline) -> Person:
        """Who speaks and listens on a leg that calls this phone; asked before it rings."""


@dataclass(frozen=True)
class Colleague:
    """A person, voicemail box or fax at a phone, which a document can dial and a server can call by REST.

    Any number of calls to the same phone may go on at the same time.

    Attributes:
        number: E.164 number, or a SIP URI such as `sip:sam@example.com`.
        answers_after_secs: How long it rings, or how long the network takes to say that it is busy, declined or
            unreachable. A carrier that gives up earlier gets no answer.
        behaviour: `answers`, `declines` (rejects the call), `busy`, `no_answer` (rings for ever), `voicemail` (a
            box answers: greeting, beep, and it records what it hears), `fax` (a fax machine answers with its tone,
            and waits) or `unreachable`.
        script: What is said and done after the answer, as for the caller: the first line at once, each later one
            after the caller's reply unless it says otherwise. Without `HangUp` the colleague stays on the line.
            For a voicemail box it is the greeting; without one it babbles for three seconds.
        beeps: Whether a voicemail box beeps after its greeting.
        detected: What answering machine detection makes of them.
        held: The phone in somebody's hand, which takes the place of `answers_after_secs` and `script`; None for none.
    """

    number: str
    answers_after_secs: float = 1.0
    behaviour: Behaviour = "answers"
    script: Sequence[ScriptItem] = ()
    beeps: bool = True
    detected: Detected = THE_TRUTH
    held: HeldPhone | None = None


@dataclass
class ColleagueCall:
    """One attempt to reach a colleague by `<Dial>`. All times are ms since the caller's call was answered.

    Attributes:
        number: What the document dialled.
        call_id: The second leg's id at the carrier.
        caller_id: The number that the colleague saw.
        outcome: See `Ending`; None while it lasts.
        ringing_ms: When it began to ring; None if it never did.
        answered_ms: When it was answered, or None.
        bridged_ms: When both could hear each other, or None.
        ended_ms: When it ended.
        ended_by: Who ended an answered one: `colleague`, `caller` (hung up, or pressed * where that counts),
            `document` (a new one by REST), `bot` (hang-up by REST), `limit` (timeLimit) or `error`.
        keys: What the caller pressed while they were connected.
        said: What the colleague said, 8 kHz samples from the answer on.
        heard: What the colleague heard, 8 kHz samples from the answer on.
        message: What a voicemail box recorded after its beep; None if it came to no beep, and for people.
    """

    number: str
    call_id: str
    caller_id: str
    outcome: Ending | None = None
    ringing_ms: int | None = None
    answered_ms: int | None = None
    bridged_ms: int | None = None
    ended_ms: int | None = None
    ended_by: str | None = None
    keys: str = ""
    said: Pcm = field(default_factory=lambda: np.zeros(0, dtype=np.int16), repr=False)
    heard: Pcm = field(default_factory=lambda: np.zeros(0, dtype=np.int16), repr=False)
    message: Pcm | None = field(default=None, repr=False)


class ScriptedColleague(ScriptedCaller):
    """Delivers a colleague's script. Unlike the caller's, `run` lasts for ever unless the script has a `HangUp`."""

    who = "colleague"

    async def _turn_is_mine(self) -> bool:
        # The person who picks up speaks first.
        return not self.lines or await super()._turn_is_mine()

    def _gave_up(self) -> bool:
        self._timeline.note("note", "the colleague heard nothing and goes on")
        return True

    async def _until_bot_hangs_up(self) -> None:
        await asyncio.Event().wait()


class VoicemailBox(ScriptedColleague):
    """Plays its greeting without listening, beeps and records."""

    beeps = True
    recording_from_ms: int | None = None
    """Where its recording begins, in ms since the answer; None before the beep is over."""

    async def _turn_is_mine(self) -> bool:
        return True

    async def _until_bot_hangs_up(self) -> None:
        if self.beeps:
            await self._speak(Audio(BEEP, "(beep)"))
        self.recording_from_ms = self._line.now_ms
        await super()._until_bot_hangs_up()


class FaxMachine(ScriptedColleague):
    """Sends its tone without listening, and waits for another fax."""

    async def _turn_is_mine(self) -> bool:
        return True


def script_after_answer(
    colleague: Colleague, prepared: Sequence[Audio | Digits | Wait | HangUp]
) -> list[Audio | Digits | Wait | HangUp]:
    """What follows the answer: a voicemail box without words of its own still has a greeting, a fax has its tone."""
    if colleague.behaviour == "voicemail" and not prepared:
        return [Audio(babble(), "(greeting of a voicemail box)")]
    if colleague.behaviour == "fax":
        return [Wait(FAX_SILENCE_SECS), Audio(FAX_TONE, "(tone of a fax)")]
    return list(prepared)


def same_address(one: str, other: str) -> bool:
    """Whether two spellings of a number or SIP URI reach the same phone.

    Spaces and punctuation of a number do not count, nor do `sip:` or `sips:`, parameters and headers of a URI.
    """
    return _plain(one) == _plain(other)


def _plain(address: str) -> str:
    address = address.strip().lower()
    if "@" not in address:
        return re.sub(r"[\s().-]", "", address)
    return re.split(r"[;?]", re.sub(r"^sips?:", "", address))[0]


def parse_colleague(text: str) -> Colleague:
    """Read `NUMBER=BEHAVIOUR[:SECONDS]`, for example `+12025550111=busy:2` or `sip:sam@example.com=answers`.

    Raises:
        EmulatorError: It is something else.
    """
    number, equals, rest = text.rpartition("=")
    behaviour, _, secs = rest.partition(":")
    try:
        after = float(secs) if secs else Colleague.answers_after_secs
    except ValueError:
        after = -1.0
    if not (equals and number) or behaviour not in BEHAVIOURS or not 0 <= after < 3600:
        raise EmulatorError(
            f"--colleague {text!r} is not usable: give NUMBER=BEHAVIOUR or NUMBER=BEHAVIOUR:SECONDS with one of "
            + ", ".join(BEHAVIOURS)
        )
    return Colleague(number, after, behaviour)  # type: ignore[arg-type]


def with_greetings(colleagues: Sequence[Colleague], *, in_words: bool) -> list[Colleague]:
    """Colleagues say something when they answer, so that the hand-over can be heard.

    Args:
        colleagues: As ordered.
        in_words: Whether there is a voice; else they beep.
    """

    def greeting(words: str) -> tuple[ScriptItem, ...]:
        return (Say(words) if in_words else Audio(tone(600), "(a beep)"),)

    words = {"answers": "Hello, you have been put through to me.", "voicemail": "Please leave a message."}
    return [
        replace(one, script=greeting(words[one.behaviour])) if one.behaviour in words else one
        for one in colleagues
    ]
