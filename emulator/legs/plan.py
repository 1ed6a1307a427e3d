"""What a call is made of before it is placed, and which document it obeys next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from emulator.line.caller import Audio, Digits, HangUp, Keypad, Manners, Person, Wait
from emulator.line.codecs import Pcm
from emulator.line.colleague import Colleague
from emulator.line.line import PhoneLine
from emulator.timeline import Timeline

EVENTS = ("initiated", "ringing", "answered", "completed")

Speak = Callable[[str], Pcm]
"""A voice: a sentence as 8 kHz samples."""

Handset = Callable[[PhoneLine, Keypad, Timeline], Person]
"""Puts a person at a leg's phone, in the place of one who follows a script."""

Prepared = list[Audio | Digits | Wait | HangUp]
"""A script whose sentences have become audio."""


@dataclass(frozen=True)
class Reporting:
    """Where a server wants reports of a call's progress.

    Attributes:
        url: The status callback.
        events: Which of `initiated`, `ringing`, `answered` and `completed` the server wants.
        method: `POST` or `GET`.
    """

    url: str
    events: frozenset[str] = frozenset({"completed"})
    method: str = "POST"


@dataclass(frozen=True)
class Fallback:
    """Where a carrier asks for a document when it gets none elsewhere."""

    url: str
    method: str = "POST"


@dataclass
class CallPlan:
    """What one leg brings with it.

    Attributes:
        server_url: The webhook or socket that the call goes to, which stands in for the document's URL where there
            is none; None if nothing is known of the server.
        script: What the person on the phone does; sentences have become audio already.
        manners: How patient the person is.
        reporting: Where the call's progress is reported, or None.
        method: The HTTP method of the request to the webhook of a dialled-in call.
        fallback: The URL that the carrier asks for a document when it gets none elsewhere, or None.
        handset: Who is at the phone; None for a person who follows the script.
        noise_db: Level of line noise, or None.
        voice: Speaks a document's `<Say>`; None for silence of plausible length.
        people: Who can be dialled besides the people of the network.
        person: The callee; None for a dialled-in call, and for a number where nobody is.
    """

    server_url: str | None = None
    script: Sequence[Audio | Digits | Wait | HangUp] = ()
    manners: Manners = field(default_factory=Manners)
    reporting: Reporting | None = None
    noise_db: float | None = None
    voice: Speak | None = None
    people: Sequence[Colleague] = ()
    person: Colleague | None = None
    method: str = "POST"
    fallback: Fallback | None = None
    handset: Handset | None = None


@dataclass(frozen=True)
class AmdOrder:
    """Answering machine detection as a server ordered it.

    Attributes:
        until_end: Whether a machine is reported at the end of its greeting (`DetectMessageEnd`), not at once.
        in_background: Whether the document runs meanwhile (`AsyncAmd`).
        callback: Where the result goes, or None.
        method: `POST` or `GET`, for the callback.
        timeout_secs: After so long the result is `unknown`.
        speech_ms: A greeting longer than this is a machine's.
        speech_end_ms: So much silence ends a greeting.
        silence_ms: So much silence after the answer is `unknown`.
    """

    until_end: bool = False
    in_background: bool = False
    callback: str | None = None
    method: str = "POST"
    timeout_secs: float = 30.0
    speech_ms: int = 2400
    speech_end_ms: int = 1200
    silence_ms: int = 5000


@dataclass(frozen=True)
class OutboundOrder:
    """A call that a server orders by REST.

    Attributes:
        url: Where the document is; None with `markup`.
        markup: The document itself.
        ring_secs: How long it rings, with the carrier's buffer.
        limit_secs: How long the call may last after the answer, or None.
        send_digits: Keys that are played after the answer, before the document.
    """

    to_number: str
    from_number: str
    url: str | None = None
    markup: str | None = None
    method: str = "POST"
    ring_secs: float = 60.0
    limit_secs: float | None = None
    send_digits: str | None = None
    reporting: Reporting | None = None
    amd: AmdOrder | None = None
    fallback: Fallback | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    """The request's other fields, for the timeline and for tests."""


@dataclass(frozen=True)
class GoTo:
    """The next document is at a URL.

    Attributes:
        extra: Parameters of the request besides the standard ones.
        voice: Whether a number, an application or a request names the URL, and not a document.
        first: Whether it is a dialled-in call's first document: if nothing listens there, there is no call at all.
        is_fallback: Whether the carrier asks this URL because another one had no document.
    """

    url: str
    method: str = "POST"
    extra: Mapping[str, str] = field(default_factory=dict)
    voice: bool = False
    first: bool = False
    is_fallback: bool = False


@dataclass(frozen=True)
class Inline:
    """The next document is at hand."""

    markup: str


Start = GoTo | Inline
"""What a call does next."""


@dataclass(frozen=True)
class Loss:
    """Audible audio of the bot that the caller never got to hear.

    Attributes:
        at_ms: When it was thrown away.
        audible_ms: How much it was.
        taken_back: Whether the bot wanted it so, by a `clear`.
    """

    at_ms: int
    audible_ms: int
    taken_back: bool = False
