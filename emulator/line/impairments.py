"""What a real line does to a call that an ideal one does not: it takes its time, and loses a little of everything.

`IDEAL` is a line without any of it, `REAL` one as people have measured theirs. Sources:

* A live measurement at Twilio by another project (qisoft/i-hate-making-calls, issues 18, 23 and 32, August 2026): from
  a document to the open socket 365 ms and 200 ms more to the first audio; `<Connect>`, `<Play digits="1">`, `<Connect>`
  lost 856 ms of the far end, of which 112 ms after the second socket was open; gaps in the delivery of up to 230 ms.
* Telnyx docs, media streaming over websockets: the order of messages is not guaranteed, `chunk` and `sequence_number`
  tell it; Twilio's are in order. Telnyx docs, webhook fundamentals, and Twilio docs, status callbacks: no order either.
* ITU-T G.114: a mouth is heard at a far ear some 150 ms later. A mark comes back from the carrier, not from the ear.
  Only the ear is late here: a caller whose words come later too would only be answered later.
* ITU-T G.711 Appendix I: a phone fills in for a packet that is lost by repeating what came before it, ever more softly.
* RFC 3389: a line without speech has comfort noise. One of -34.6 dB was reported of a number in the UK; here it is just
  too soft for the emulated people to take it for speech, and `noise_db` in a story makes it louder.

How long REST requests and webhooks take is documented nowhere; what is here is a guess, as are the 1 % of lost packets,
how often there is a gap, and that every other stream is closed before its `stop` could be sent. A lost packet of the
caller is a message that is never sent: its time passes in `timestamp`, and at Telnyx its `chunk` is missing.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emulator.line.codecs import FRAME_MS, FRAME_SAMPLES, Pcm, mixed

Range = tuple[float, float]
"""At least and at most, in seconds."""

HELD_BACK_SECS = 0.5
"""How long a callback is held back at most for another one to overtake it."""

STOP_TO_CLOSE_SECS = 0.1
"""How long after `stop` a socket is closed, at most."""

BETWEEN_GAPS = 15
"""How many messages come without a gap after one."""

MOST_OVERTAKING = 3
"""How many messages overtake one at most."""


@dataclass(frozen=True)
class Profile:
    """How a line behaves. All lengths in seconds; what is left to chance is decided by a seed.

    Attributes:
        name: What it is called on the command line.
        rest: How long a REST request takes beside its work; a part of it passes before anything is done.
        webhook: The same of a request for a document, a callback or an event.
        cold: From a call's first document to the dialling of its first media socket.
        verb: The same of later documents, and from the end of a stream to the next verb.
        cold_audio: From the open socket to the caller's first audio on it, for a call's first stream.
        audio: The same of later streams.
        ear: How far an ear is behind the carrier.
        burst: How long nothing is delivered on a media socket at most; then all of it comes at once.
        burst_every: How often that happens on average.
        late_first: How late the first message with audio is.
        loss: Share of the packets between phone and carrier that are lost, 0 to 1.
        reorder: Share of the messages with audio that others overtake, where a carrier promises no order.
        unordered: Share of the callbacks and events that the next one overtakes.
        without_stop: Share of the streams whose socket is closed without a `stop`.
        noise_db: Level of the comfort noise in dB relative to full scale; None for digital silence.
        echo_db: How loud a telephone's loudspeaker is in its own microphone, in dB against what it plays; None where
            it is held to the ear.
        echo: How late that comes back, on top of `ear`.
        seed: Decides what is left to chance, together with that of the network.
    """

    name: str = "ideal"
    rest: Range = (0.0, 0.0)
    webhook: Range = (0.0, 0.0)
    cold: float = 0.0
    verb: float = 0.0
    cold_audio: float = 0.0
    audio: float = 0.0
    ear: float = 0.0
    burst: float = 0.0
    burst_every: float = 2.0
    late_first: float = 0.0
    loss: float = 0.0
    reorder: float = 0.0
    unordered: float = 0.0
    without_stop: float = 0.0
    noise_db: float | None = None
    echo_db: float | None = None
    echo: float = 0.15
    seed: int = 0

    def but(self, **changed: Any) -> Profile:
        """A copy of this profile with some attributes changed."""
        return replace(self, **changed)


IDEAL = Profile()
REAL = Profile(
    name="real",
    rest=(0.08, 0.4),
    webhook=(0.03, 0.15),
    cold=0.365,
    verb=0.27,
    cold_audio=0.2,
    audio=0.112,
    ear=0.15,
    burst=0.23,
    loss=0.01,
    reorder=0.05,
    unordered=0.3,
    without_stop=0.5,
    noise_db=-52.0,
)
PROFILES = {one.name: one for one in (IDEAL, REAL)}


async def under_way(secs: float) -> None:
    """Let time pass, if any has to."""
    if secs:
        await asyncio.sleep(secs)


class Impairments:
    """A network's chance: each leg gets a random generator of its own, so that no leg changes what happens to another.

    Args:
        profile: How the lines behave.
        seed: Decides what is left to chance, together with that of the profile.
    """

    def __init__(self, profile: Profile = IDEAL, seed: int = 0) -> None:
        """Prepare the generators of chance."""
        self.profile = profile
        self._seed = seed
        self._made: Counter[str] = Counter()
        self._holds = False
        self._rest, self._webhooks, self._callbacks = (
            self._new(what) for what in ("rest", "webhooks", "callbacks")
        )

    def rest(self) -> Range:
        """How long a REST request is on its way, and how long its answer."""
        return _there_and_back(self.profile.rest, self._rest)

    def webhook(self) -> Range:
        """The same of a webhook."""
        return _there_and_back(self.profile.webhook, self._webhooks)

    def held_back(self) -> float:
        """How long a callback is held back for the next one to overtake it; 0 for most."""
        # The one behind it must be able to overtake it.
        held, self._holds = not self._holds and self._callbacks.random() < self.profile.unordered, False
        if not held:
            return 0.0
        self._holds = True
        return self._callbacks.uniform(0.0, HELD_BACK_SECS)

    def line(self) -> LineImpairments:
        """What a new line does to what is heard on it."""
        return LineImpairments(self.profile, self._new("line"))

    def stream(self, *, cold: bool = False, ordered: bool = True) -> StreamImpairments:
        """What happens to the messages of a new media stream.

        Args:
            cold: Whether it is the first one of its call.
            ordered: Whether its carrier promises that messages come in their order.
        """
        return StreamImpairments(self.profile, self._new("stream"), cold=cold, ordered=ordered)

    def _new(self, what: str) -> random.Random:
        self._made[what] += 1
        return random.Random(f"{self._seed} {self.profile.seed} {what} {self._made[what]}")


def _there_and_back(between: Range, dice: random.Random) -> Range:
    whole = dice.uniform(*between)
    there = dice.uniform(0.2, 0.8) * whole
    return there, whole - there


class Losses:
    """Which packets are lost, in one direction: single ones, with some between them.

    They come evenly, and not as close together as chance has them: people are understood without a part of a syllable,
    but a word of tones that lacks two of its packets cannot be understood.
    """

    def __init__(self, share: float, dice: random.Random) -> None:
        """None was lost yet."""
        self._dice = dice
        self._apart = round(0.1 / share) if share else 0
        self._chance = share / (1 - share * self._apart)
        self._since = 0

    def next(self) -> bool:
        """Whether the next one is lost."""
        self._since += 1
        if not self._chance or self._since <= self._apart or self._dice.random() >= self._chance:
            return False
        self._since = 0
        return True


class LineImpairments:
    """What becomes of audio between a carrier and a phone.

    Parameters:
        lost: How many packets never came to the ear.
        ear_ms: How far the ear is behind the carrier.
    """

    def __init__(self, profile: Profile = IDEAL, dice: random.Random | None = None) -> None:
        """Begin with nothing under way."""
        self.lost = 0
        self._losses = Losses(profile.loss, dice or random.Random(0))
        silence = (np.zeros(FRAME_SAMPLES, dtype=np.int16),) * 2
        frames = round(profile.ear * 1000 / FRAME_MS)
        self.ear_ms = frames * FRAME_MS
        self._under_way: deque[tuple[Pcm, Pcm]] = deque([silence] * frames)
        self._before: tuple[Pcm, Pcm] = silence
        self._missing = 0
        self._echo = 0.0 if profile.echo_db is None else 10 ** (profile.echo_db / 20)
        late = max(1, round(profile.echo * 1000 / FRAME_MS)) if self._echo else 0
        self._in_the_air: deque[Pcm] = deque([silence[0]] * late)

    @property
    def under_way(self) -> list[Pcm]:
        """What the carrier has played and the ear has not heard yet."""
        return [frame for frame, _ in self._under_way]

    def at_the_ear(self, voice: Pcm, sound: Pcm) -> tuple[Pcm, Pcm]:
        """Take 20 ms from the carrier; returns those that the ear hears now.

        Args:
            voice: Speech, of the bot or of other people.
            sound: The same with the network's own tones.
        """
        heard = self._heard(voice, sound)
        if self._echo:
            self._in_the_air.append((heard[1] * self._echo).astype(np.int16))
        return heard

    def at_the_mouth(self, spoken: Pcm) -> Pcm:
        """What the microphone picks up in 20 ms: the person, and the loudspeaker of a while ago."""
        return mixed(spoken, self._in_the_air.popleft()) if self._in_the_air else spoken

    def _heard(self, voice: Pcm, sound: Pcm) -> tuple[Pcm, Pcm]:
        self._under_way.append((voice, sound))
        voice, sound = self._under_way.popleft()
        if not self._losses.next():
            self._missing = 0
            self._before = voice, sound
            return voice, sound
        self.lost += 1
        self._missing += 1
        softer = max(0.0, 1.0 - 0.3 * self._missing)
        return tuple((frame * softer).astype(np.int16) for frame in self._before)  # type: ignore[return-value]


class Gaps:
    """The gaps in the delivery of messages in one direction."""

    def __init__(self, profile: Profile, dice: random.Random) -> None:
        """There was none yet."""
        self._profile = profile
        self._dice = dice
        self._since = 0

    def next(self) -> float:
        """How long it takes until the next message is delivered; 0 for most."""
        profile = self._profile
        self._since += 1
        # Two gaps in a row would be a longer one.
        if not profile.burst or self._since < BETWEEN_GAPS:
            return 0.0
        if self._dice.random() >= FRAME_MS / 1000 / profile.burst_every:
            return 0.0
        self._since = 0
        return self._dice.uniform(0.0, profile.burst)


class StreamImpairments:
    """What becomes of the messages of one media stream.

    Parameters:
        first_audio_secs: From the open socket to the caller's first audio.
        late_first_secs: How much later than it should the first message with audio is sent; what is behind it waits,
            or overtakes it where no order is promised.
        to_bot: The gaps in what is sent.
        from_bot: The gaps in what is received.
    """

    def __init__(
        self,
        profile: Profile = IDEAL,
        dice: random.Random | None = None,
        *,
        cold: bool = False,
        ordered: bool = True,
    ) -> None:
        """Nothing was sent yet."""
        self._profile = profile
        self._dice = dice or random.Random(0)
        self._losses = Losses(profile.loss, random.Random(self._dice.random()))
        self.to_bot, self.from_bot = (Gaps(profile, random.Random(self._dice.random())) for _ in range(2))
        self._ordered = ordered
        self._reorder = profile.reorder
        self.first_audio_secs = profile.cold_audio if cold else profile.audio
        self.late_first_secs = profile.late_first

    def is_lost(self) -> bool:
        """Whether the next 20 ms of the caller do not reach the carrier."""
        return self._losses.next()

    def overtaken_by(self, late_secs: float) -> int:
        """How many messages overtake the next one, which is so late; 0 for most."""
        if self._ordered:
            return 0
        if late_secs:
            return round(late_secs * 1000 / FRAME_MS)
        if not self._reorder or self._dice.random() >= self._reorder:
            return 0
        return self._dice.randint(1, MOST_OVERTAKING)

    def stop_to_close(self) -> float | None:
        """How long after `stop` the socket is closed; None for a `stop` that is not sent any more."""
        if not self._profile.without_stop:
            return 0.0
        if self._dice.random() < self._profile.without_stop:
            return None
        return self._dice.uniform(0.0, STOP_TO_CLOSE_SECS)
