"""What a call is made of before it is placed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from emulator.addressing import Target
from emulator.caller import Audio, Digits, HangUp, Manners, Wait
from emulator.codecs import Pcm
from emulator.colleague import Colleague
from emulator.faults import Faults


@dataclass
class CallPlan:
    """A call to be placed.

    Attributes:
        target: Where it goes.
        script: What the caller does; sentences have become audio already.
        manners: How patient the caller is.
        parameters: Custom parameters of a socket that is dialled without a document.
        status_callback: Where the end of the call is reported, or None.
        noise_db: Level of line noise, or None.
        colleagues: Who can be dialled.
        colleague_scripts: What each does after the answer, by number; sentences have become audio already.
        faults: What is to go wrong with webhooks and media sockets.
        voice: Speaks a document's `<Say>`; None for silence of plausible length.
    """

    target: Target
    script: Sequence[Audio | Digits | Wait | HangUp] = ()
    manners: Manners = field(default_factory=Manners)
    parameters: dict[str, str] = field(default_factory=dict)
    status_callback: str | None = None
    noise_db: float | None = None
    voice: Callable[[str], Pcm] | None = None
    colleagues: Sequence[Colleague] = ()
    colleague_scripts: Mapping[str, Sequence[Audio | Digits | Wait | HangUp]] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)


@dataclass(frozen=True)
class Loss:
    """Audible audio of the bot that the caller never got to hear, and when it was thrown away."""

    at_ms: int
    audible_ms: int
