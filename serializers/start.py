"""What a carrier's `start` message says of a stream and its call, and how each part of it is checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from loguru import logger

from serializers.codecs import G711_SAMPLE_RATE, normalise_encoding
from serializers.messages import MAX_TEXT_CHARS, short_text

# Ids become parts of REST URLs: nothing that has a meaning there may be in them.
_ID = re.compile(rf"[A-Za-z0-9:_.=+~-]{{1,{MAX_TEXT_CHARS}}}")
_SERVICE_HOST = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_L16_SAMPLE_RATES = frozenset({8000, 16000, 22050, 24000, 48000})


class HandshakeError(Exception):
    """The socket did not become a media stream; the message says why and what to do."""


@dataclass(frozen=True)
class MediaFormat:
    """How the caller's audio is encoded.

    Parameters:
        encoding: RTP name in upper case: `PCMU`, `PCMA`, `L16`, or another one as the carrier wrote it.
        sample_rate: Hz.
        channels: 1 is mono.
    """

    encoding: str = "PCMU"
    sample_rate: int = G711_SAMPLE_RATE
    channels: int = 1


@dataclass(frozen=True)
class StreamStart:
    """What a carrier's `start` says about the stream and its call, in the same words for all carriers.

    Parameters:
        carrier: Name of the carrier.
        stream_id: The carrier's id of the stream.
        call_id: The carrier's id of the call. Safe to put into a URL path.
        media_format: How the caller's audio is encoded.
        from_number: The caller, as the carrier writes it: E.164, a SIP URI, `anonymous`, ...; `None` when not
            told.
        to_number: The number that was called.
        account_id: The carrier's id of the account.
        session_id: What is common to the legs of one call, where a carrier has such an id.
        parameters: All that was passed along with the call: the message's own over `body` over the address's query.
        service_host: `AGENT.ORG`, as Pipecat Cloud routes by it.
    """

    carrier: str
    stream_id: str
    call_id: str
    media_format: MediaFormat = field(default_factory=MediaFormat)
    from_number: str | None = None
    to_number: str | None = None
    account_id: str | None = None
    session_id: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    service_host: str | None = None

    @property
    def agent(self) -> str | None:
        """The agent of `service_host`: all before the last dot, because an organisation's name has none."""
        return self.service_host and (self.service_host.rpartition(".")[0] or self.service_host)


def checked_id(name: str, value: Any) -> str:
    """An id that a `start` must have.

    Args:
        name: Its key, for the error.
        value: What is there.

    Raises:
        HandshakeError: It is no id, or has characters with a meaning in an address.
    """
    checked = optional_id(value)
    if checked is None:
        raise HandshakeError(
            f"The start message has no usable {name}: it must be 1 to {MAX_TEXT_CHARS} letters, digits or "
            ":_.=+~- without '..'; connect the carrier itself, not something that imitates it."
        )
    return checked


def optional_id(value: Any) -> str | None:
    """An id that may be missing; None also for an impossible one."""
    return value if isinstance(value, str) and _ID.fullmatch(value) and ".." not in value else None


def number_in(passed: Mapping[str, Any], *names: str) -> str | None:
    """The first of these parameters that is a text, for a caller's number or the one that was called."""
    return next((text for name in names if (text := short_text(passed.get(name)))), None)


def media_format(value: Any, rate_key: str) -> MediaFormat:
    """The format, with the documented defaults (PCMU, 8000 Hz, mono) for what is missing or impossible."""
    fields = value if isinstance(value, dict) else {}
    name = short_text(fields.get("encoding"))
    if name is None:
        logger.warning("The start message names no encoding: taking the caller's audio as PCMU")
    encoding = normalise_encoding(name) if name else "PCMU"
    rate = fields.get(rate_key)
    if type(rate) is not int or rate not in _L16_SAMPLE_RATES:
        rate = 16000 if encoding == "L16" else G711_SAMPLE_RATE
    channels = fields.get("channels")
    return MediaFormat(encoding, rate, channels if type(channels) is int and channels > 0 else 1)


def checked_service_host(value: Any) -> str | None:
    """`AGENT.ORG`, as a parameter or the query names it; None also for what cannot be one."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and len(value) <= MAX_TEXT_CHARS and _SERVICE_HOST.fullmatch(value):
        return value
    logger.warning(
        "Ignoring the service host: it must look like AGENT.ORG, of letters, digits, '-', '_' and '.'"
    )
    return None
