"""Calls that we make: what to ask for, and what became of it."""

from __future__ import annotations

import re
import uuid
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum

from carriers.streams import StreamDocument

RING_SECS = range(5, 121)
"""How long a phone may be let ring. Source: Telnyx docs, TeXML dial and TeXML REST (Twilio allows 5 to 600, and
adds 5 s)."""

_E164 = re.compile(r"\+[1-9][0-9]{5,14}")
_SIP = re.compile(r"sips?:[A-Za-z0-9._~+%!*'()&=$,-]+@[A-Za-z0-9.-]+(:[0-9]{1,5})?(;[A-Za-z0-9=._-]+)*", re.I)


class MachineDetection(StrEnum):
    """What the carrier should find out about who, or what, answered. It reports by webhook while the call goes on."""

    DETECT = "detect"
    """Report as soon as it is known: enough to hang up on a machine."""
    END_OF_GREETING = "end_of_greeting"
    """If it is a machine, report once its greeting is over: the moment to leave a message."""


@dataclass(frozen=True)
class DialOrder:
    """Whom to call, and how: what an operator wants, before anything of the call is known.

    Parameters:
        to: Whom to call: E.164 or a SIP address; until a policy has looked at it, also a number as people write it.
        from_number: Caller id, a number of the account.
        ring_timeout_secs: How long to let it ring, 5 to 120.
        machine_detection: What to find out about an answering machine; None for nothing.
        time_limit_secs: The longest that the call may last, within the carrier's `call_secs`; None for its own limit.

    Raises:
        ValueError: No carrier would do this; the message names the field and not its value.
    """

    to: str
    from_number: str
    _: KW_ONLY
    ring_timeout_secs: int = 30
    machine_detection: MachineDetection | None = None
    time_limit_secs: int | None = None

    def __post_init__(self) -> None:
        """Refuse early what would be refused in any case."""
        check_destination("from_number", self.from_number)
        check_ring_timeout(self.ring_timeout_secs)


@dataclass(frozen=True)
class DialOut(DialOrder):
    """A call to make: the order, and the addresses that its carrier is given for it.

    Parameters:
        stream: Connects the call with the bot as soon as it is answered. The carrier gets it with the request and need
            not ask us for a document then, so that it works on hosts without webhooks, too.
        status_url: Absolute URL to which the carrier reports when the call rings, is answered and ends.
        amd_url: Absolute URL to which the carrier reports who, or what, answered; needed with `machine_detection`. For
            a call run by commands it reports that to `status_url`.
        command_id: The same for each attempt at the same call; carriers that know it ignore repetitions.

    Raises:
        ValueError: The call could not be made like this; the message names the field and not its value.
    """

    stream: StreamDocument
    _: KW_ONLY
    status_url: str | None = None
    amd_url: str | None = None
    command_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def __post_init__(self) -> None:
        """Refuse what no carrier would do."""
        super().__post_init__()
        check_destination("to", self.to)
        if self.machine_detection and not self.amd_url:
            raise ValueError("amd_url is missing: with machine_detection the result must go somewhere")


@dataclass(frozen=True)
class DialledCall:
    """A call that the carrier has accepted. Whether it is answered is reported by webhooks.

    Parameters:
        id: The carrier's id of the call. None when its answer had none: it is then in the first webhook, so the stream
            and `status_url` must say by themselves which call they are about.
    """

    id: str | None


class DialStatus(StrEnum):
    """How a dial from within a call ended, such as a transfer. The values are those of `LineState`."""

    COMPLETED = "completed"
    """A person or a machine answered, and the call to them is over."""
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True)
class DialResult:
    """What a carrier reports when a `<Dial>` is over.

    Parameters:
        call_id: The call that dialled.
        status: How it ended, or None when the carrier uses a word that we do not know.
    """

    call_id: str
    status: DialStatus | None


def check_destination(name: str, value: str) -> None:
    """Make sure that a destination can be dialled.

    Args:
        name: Of the field, for the message.
        value: E.164 or a SIP address.

    Raises:
        ValueError: It is neither. The message does not contain the value.
    """
    if not _E164.fullmatch(value) and not _SIP.fullmatch(value):
        raise ValueError(
            f"{name} is neither an E.164 number nor a SIP address: write it like +14155550100 or "
            "sip:desk@example.com"
        )


def check_ring_timeout(secs: int) -> None:
    """Make sure that every carrier accepts this time-out.

    Raises:
        ValueError: One of them would not.
    """
    if secs not in RING_SECS:
        raise ValueError(f"ring_timeout_secs must be {RING_SECS[0]} to {RING_SECS[-1]}")


def check_time_limit(secs: int | None, allowed: range, carrier: str) -> None:
    """Make sure that a carrier lets a call be limited like this; None for its own limit.

    Raises:
        ValueError: It would refuse the call; the message names its range.
    """
    if secs is not None and secs not in allowed:
        raise ValueError(f"time_limit_secs must be {allowed[0]} to {allowed[-1]} at {carrier.capitalize()}")


def is_sip(destination: str) -> bool:
    """Whether a destination is a SIP address and not a number."""
    return destination.casefold().startswith(("sip:", "sips:"))
