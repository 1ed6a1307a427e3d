"""Media streams between a call and the bot: where to, and with what parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from loguru import logger

MAX_PARAMETER_CHARS = 500
"""Name and value of one stream parameter must be shorter than this together. Source: Twilio docs, TwiML
Stream."""


@dataclass(frozen=True)
class Meanwhile:
    """What a caller hears while the bot cannot be reached, before the carrier tries to reach it again.

    Parameters:
        say: A sentence, in the carrier's own voice.
        language: The one that it is in, as in BCP 47; English when not given.
    """

    say: str
    language: str | None = None


@dataclass(frozen=True)
class StreamDocument:
    """What a document that connects a call with the bot needs to know.

    Parameters:
        stream_url: `wss://` address of the media socket. No query string: not every carrier keeps one.
        parameters: Handed to the bot in the stream's first messages.
        ended_url: Absolute URL the carrier asks for the next document when the stream is over.
        meanwhile: For a carrier that asks nobody else when `ended_url` cannot be reached: what its document says
            between attempts to open the media socket again, each with the same `stream_url`. It is only for calls that
            we can end by a request: one whose bot has closed its socket on purpose would go through all of it.
    """

    stream_url: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    ended_url: str | None = None
    meanwhile: Meanwhile | None = None


def usable_parameters(parameters: Mapping[str, str], forbidden: tuple[str, ...] = ()) -> dict[str, str]:
    """The stream parameters that a carrier will accept; the others are left out and logged by name.

    Losing a parameter is better than losing the call: an invalid document makes the carrier hang up.

    Args:
        parameters: What the bot should get to know of the call.
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
