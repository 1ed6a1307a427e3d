"""What a call can be told to do, for every carrier: the values, and their limits in XML and at the carriers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from carriers.dialling import check_destination, check_ring_timeout, is_sip
from carriers.streams import StreamDocument, xml_safe

MESSAGE_ENDS_ON = "#"
"""The key that ends a message. Not any key: one that is touched by mistake must not."""

MAX_DIGITS = 64
"""Enough for a phone number, an extension, a PIN and the pauses between them."""


@dataclass(frozen=True)
class TransferDocument:
    """What a document needs to know that transfers the caller: that connects the call with a destination.

    Either `action_url` or `fallback` says what comes after: without either, a busy destination would be the end of the
    call.

    Parameters:
        destination: E.164 or a SIP address.
        caller_id: The number that the destination sees, one of the account's; None for the carrier's choice.
        ring_timeout_secs: How long to let it ring, 5 to 120.
        action_url: Absolute URL to which the carrier reports how the transfer went, and where it asks for the next
            document. It must answer with one also when the two have talked.
        answered_url: Absolute URL to which the carrier reports as soon as the destination has answered, by a status
            callback about the leg to it; not with `refer`, nor where the markup cannot say so for SIP.
        fallback: For hosts without webhooks: the stream to which the caller comes back, whatever happened,
            unless the caller hung up. The document cannot know how it went.
        refer: Let the caller's own side call the destination, by SIP REFER, instead of connecting the two at the
            carrier. Only for callers whose leg is SIP, and to a SIP address; how long that rings is not ours to say.

        say: A sentence before, in the carrier's own voice.
        language: The one that the sentence is in, as in BCP 47; English when not given.

    For a call run by commands, `action_url`, `answered_url` and `fallback` are not used: its stream goes on meanwhile,
    and events report how the transfer went.

    Raises:
        ValueError: It could not work like this; the message does not contain the destination.
    """

    destination: str
    caller_id: str | None = None
    ring_timeout_secs: int = 25
    action_url: str | None = None
    answered_url: str | None = None
    fallback: StreamDocument | None = None
    refer: bool = False
    say: str | None = None
    language: str | None = None

    def __post_init__(self) -> None:
        """Refuse what would lose the caller."""
        check_destination("destination", self.destination)
        if self.caller_id is not None:
            check_destination("caller_id", self.caller_id)
        check_ring_timeout(self.ring_timeout_secs)
        if (self.action_url is None) == (self.fallback is None):
            raise ValueError("a transfer needs either action_url or fallback: give exactly one of the two")
        if self.refer and not is_sip(self.destination):
            raise ValueError("destination is not a SIP address: refer can only lead to one")


@dataclass(frozen=True)
class MessageDocument:
    """What a document needs to know that has the carrier take a message: a sentence, a tone, and what is said then.

    Parameters:
        say: The sentence, in the carrier's own voice.
        language: The one that both sentences are in, as in BCP 47; English when not given.
        nothing_said: What a caller hears who says nothing; then the call ends.
        action_url: Absolute URL that the carrier asks for what comes after.
        status_url: Absolute URL to which the carrier reports that the recording's file is there, or that there is none.
        longest_secs: How long the message may be.
        silence_secs: After so much silence it is over.
    """

    say: str
    language: str | None
    nothing_said: str
    action_url: str
    status_url: str
    longest_secs: int
    silence_secs: int


@dataclass(frozen=True)
class Meeting:
    """Where two live calls meet to hear each other.

    Parameters:
        name: Of the conference, the same for these two calls and for no others: 1 to 64 letters, digits, `_` and `-`.
            Not a phone number, since carriers keep it. Not used where calls are connected without a conference.
        ended_url: Absolute URL that the carrier asks for the caller's next document when the two have talked; None
            to end the call then.

    Raises:
        ValueError: The name could not be used.
    """

    name: str
    ended_url: str | None = None

    def __post_init__(self) -> None:
        """Refuse what markup or a carrier could take for something else."""
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", self.name):
            raise ValueError("a meeting's name must be 1 to 64 letters, digits, _ or -")


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


def speakable(text: str, limit: int = 4096) -> str:
    """A sentence as a `<Say>` may carry it: only characters of XML, and not too many."""
    return "".join(char for char in text if xml_safe(char))[:limit]
