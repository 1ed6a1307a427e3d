"""What a talk is: who calls whom over what line, what is said when, and what must come of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CARRIERS = ("twilio", "telnyx")
BRAINS = ("local", "model")
"""What answers: the local brain, or a scripted model behind OpenAI's protocol."""

EITHER = "either"
BOTH = "both"

KINDS = (
    "plain",
    "question",
    "request",
    "one-word",
    "hesitation",
    "spelling",
    "number",
    "date",
    "email",
    "message",
    "correction",
    "two-questions",
    "off-topic",
    "small-talk",
    "angry",
    "silence",
    "hold",
    "backchannel",
    "cough",
    "echo",
    "barge-in",
    "over-goodbye",
    "goodbye",
    "screening",
    "keys",
)
"""What kinds of lines there are; results are told by them."""

NO_TOPIC = "none"
"""As a topic: no fact of the agent is a right answer."""

ENDS = ("goodbye", "hang_up", "message", "open")
TRANSFER = "transfer:"
AFTER_SECS = 0.9
"""How long the bot must have been silent for a polite person to take it for their turn."""


@dataclass(frozen=True)
class Echo:
    """The bot's voice in the caller's microphone: how loud in relation to the ear, in dB, and how much later."""

    gain_db: float = -15.0
    delay_ms: int = 150


@dataclass(frozen=True)
class Line:
    """What a caller's surroundings and phone do to what they say.

    Attributes:
        noise: A kind of `talks.effects.NOISES`, heard all the time; None for none.
        snr_db: Speech over noise.
        gain_db: How much louder than usual the caller is.
        clip: By how many dB the speech is driven into clipping; 0 for none.
        loss: Share of the packets of 20 ms that are lost and concealed, 0 to 1.
        codec: A codec with a low rate that is on the way, of `talks.effects.CODECS`; None for none.
        speed: How fast the caller speaks; 1 as the voice does.
        echo: The bot's own voice that comes back; None for none.
    """

    noise: str | None = None
    snr_db: float = 20.0
    gain_db: float = 0.0
    clip: float = 0.0
    loss: float = 0.0
    codec: str | None = None
    speed: float = 1.0
    echo: Echo | None = None


@dataclass(frozen=True)
class Turn:
    """What the caller does next, and what must come of it. Times are in seconds.

    Attributes:
        kind: One of `KINDS`.
        say: Words, with pauses such as `<0.8>` in them.
        sound: One of `talks.effects.SOUNDS`, instead of words.
        press: Keys, instead of words.
        silence: For how long nothing is said, instead of words.
        hang_up: The caller hangs up.
        after: How long the bot must have been silent before.
        into: How long the bot must have been speaking before; None for a polite line.
        then: How long after the caller's own line before, whatever the bot does; None for a polite line.
        understood: The words that the bot must have understood; None for all of `say`.
        answered: Patterns, one of which must be in what the bot says until the caller's next line.
        answered_all: Patterns, all of which must be.
        not_answered: Patterns, none of which may be: wrong facts.
        topics: The agent's facts that are a right answer; `NO_TOPIC` for none of them; empty where it is not judged.
        keeps_talking: Whether the bot must go on with what it was saying.
        stops: Whether the bot must fall silent while this is said.
        waits: For how long the bot must say nothing from the end of this on.
        voice: Another voice than the talk's, or None.
        line: Other surroundings than the talk's, or None.
        at: The line in the file.
    """

    kind: str = "plain"
    say: str | None = None
    sound: str | None = None
    press: str | None = None
    silence: float | None = None
    hang_up: bool = False
    after: float = AFTER_SECS
    into: float | None = None
    then: float | None = None
    understood: str | None = None
    answered: Sequence[str] = ()
    answered_all: Sequence[str] = ()
    not_answered: Sequence[str] = ()
    topics: Sequence[str] = ()
    keeps_talking: bool = False
    stops: bool = False
    waits: float | None = None
    voice: str | None = None
    line: Line | None = None
    at: int = 0


@dataclass(frozen=True)
class Stored:
    """The one message that the owner must find, or that there must be none.

    Attributes:
        nothing: There must be no message.
        name: Who left it; None where it is not judged.
        number: Digits where to call back; None where it is not judged.
        words: What must be in it.
    """

    nothing: bool = False
    name: str | None = None
    number: str | None = None
    words: Sequence[str] = ()


@dataclass(frozen=True)
class Talk:
    """One talk.

    Attributes:
        name: Of all talks only this one has it.
        turns: What the caller does, or the person whom the bot calls.
        about: What it is for.
        carrier: One of `CARRIERS`, `BOTH`, or `EITHER` for one that its place decides.
        brain: One of `BRAINS`, or `BOTH`.
        agent: The name of an agent.
        placed_by: `caller` or `bot`.
        parameters: What the bot is told of a call that it places.
        quick: Whether it belongs to the short run.
        voice: Who speaks.
        line: The caller's surroundings and phone.
        stored: The message that must be there; None where no talk was of one.
        ends: One of `ENDS`, or `transfer:` and a destination of the agent.
        file: Where it was read.
        at: The line in the file.
    """

    name: str
    turns: Sequence[Turn]
    about: str = ""
    carrier: str = EITHER
    brain: str = "local"
    agent: str = "receptionist"
    placed_by: str = "caller"
    parameters: Mapping[str, str] = field(default_factory=dict)
    quick: bool = False
    voice: str = "piper/joe"
    line: Line = Line()
    stored: Stored | None = None
    ends: str = "goodbye"
    file: Path = Path()
    at: int = 0

    @property
    def transfer(self) -> str | None:
        """The destination at which it must end; None for none."""
        return self.ends.removeprefix(TRANSFER) if self.ends.startswith(TRANSFER) else None


@dataclass(frozen=True)
class Play:
    """A talk over one carrier with one brain."""

    talk: Talk
    carrier: str
    brain: str

    @property
    def label(self) -> str:
        """What it is called in results, and as a file."""
        return f"{self.talk.name} ({self.carrier}, {self.brain})"


def plays_of(talks: Sequence[Talk]) -> list[Play]:
    """Every talk over the carriers and with the brains that it wants, the first ones first.

    Which carrier one gets that leaves it open depends on its place among all talks only, so that a part of them is
    played as all of them are.
    """
    plays = []
    for place, talk in enumerate(talks):
        one = (CARRIERS[place % len(CARRIERS)],) if talk.carrier == EITHER else (talk.carrier,)
        carriers = CARRIERS if talk.carrier == BOTH else one
        brains = BRAINS if talk.brain == BOTH else (talk.brain,)
        plays += [Play(talk, carrier, brain) for brain in brains for carrier in carriers]
    return plays
