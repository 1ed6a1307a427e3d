"""What markup is made of, for every carrier: the values, and what of them XML and carriers can take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from loguru import logger

from carriers.dialling import check_destination, check_ring_timeout

MAX_PARAMETER_CHARS = 500
"""Name and value of one stream parameter must be shorter than this together. Source: Twilio docs, TwiML
Stream."""

MAX_DIGITS = 64
"""Enough for a phone number, an extension, a PIN and the pauses between them."""


@dataclass(frozen=True)
class StreamDocument:
    """What a document that connects a call with the bot needs to know.

    Parameters:
        stream_url: `wss://` address of the media socket. No query string: not every carrier keeps one.
        parameters: Handed to the bot in the stream's first messages.
        ended_url: Absolute URL the carrier asks for the next document when the stream is over.
    """

    stream_url: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    ended_url: str | None = None


@dataclass(frozen=True)
class TransferDocument:
    """What a document that connects the caller with somebody else needs to know.

    Either `action_url` or `fallback` says what comes after: without it, a destination that is busy would be
    the end of the call.

    Parameters:
        destination: E.164 or a SIP address.
        caller_id: The number that the destination sees, one of the account's; None for the carrier's choice.
        ring_timeout_secs: How long to let it ring, 5 to 120.
        action_url: Absolute URL that is told how it went, and asked for the next document. It must answer with
            one also when the two have talked.
        fallback: For hosts without webhooks: the stream to which the caller comes back, whatever happened,
            unless the caller hung up. The document cannot know how it went.

    Raises:
        ValueError: It could not work like this; the message does not contain the destination.
    """

    destination: str
    caller_id: str | None = None
    ring_timeout_secs: int = 25
    action_url: str | None = None
    fallback: StreamDocument | None = None

    def __post_init__(self) -> None:
        """Refuse what would lose the caller."""
        check_destination("destination", self.destination)
        if self.caller_id is not None:
            check_destination("caller_id", self.caller_id)
        check_ring_timeout(self.ring_timeout_secs)
        if (self.action_url is None) == (self.fallback is None):
            raise ValueError("a transfer needs either action_url or fallback: give exactly one of the two")


def checked_digits(digits: str, allowed: str = "0-9A-D*#wW") -> str:
    """Keys to press for the other side: 0-9, A-D, * and #, with pauses of `w` (0.5 s) and `W` (1 s).

    Args:
        digits: What was asked for.
        allowed: The characters that the carrier knows, as in a regular expression.

    Raises:
        ValueError: There are none, or others. The message does not contain them: they may be a PIN.
    """
    if not re.fullmatch(f"[{allowed}]{{1,{MAX_DIGITS}}}", digits):
        raise ValueError(f"digits must be 1 to {MAX_DIGITS} characters out of {allowed}")
    return digits


def usable_parameters(parameters: Mapping[str, str], forbidden: tuple[str, ...] = ()) -> dict[str, str]:
    """The stream parameters that a carrier will accept; the others are left out and logged by name.

    Losing a parameter is better than losing the call: an invalid document makes the carrier hang up.

    Args:
        parameters: What the bot should be told.
        forbidden: Character sequences that must not appear in a name or a value.
    """
    usable = {}
    for name, value in parameters.items():
        text = name + value
        if len(text) >= MAX_PARAMETER_CHARS:
            reason = f"name and value have {len(text)} characters, {MAX_PARAMETER_CHARS - 1} are allowed"
        elif not name or not xml_safe(text):
            reason = "it has no name, or characters that XML cannot carry"
        elif any(sequence in text for sequence in forbidden):
            reason = f"it contains one of {', '.join(forbidden)}, which the carrier would expand"
        else:
            usable[name] = value
            continue
        logger.warning("Stream parameter {!r} is left out: {}", name[:40], reason)
    return usable


def xml_safe(text: str) -> bool:
    """Whether XML 1.0 can carry the text (it has no way to write most control characters)."""
    return all(
        char in "\t\n\r" or " " <= char <= "\ud7ff" or "\ue000" <= char <= "\ufffd" or char >= "\U00010000"
        for char in text
    )


def speakable(text: str, limit: int = 4096) -> str:
    """A sentence as a `<Say>` may carry it: only characters of XML, and not too many."""
    return "".join(char for char in text if xml_safe(char))[:limit]
