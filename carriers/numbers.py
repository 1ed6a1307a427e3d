"""Who is at the other end: one function decides what a number is, for webhooks, streams, parameters and events."""

from __future__ import annotations

import re
from urllib.parse import unquote

import phonenumbers
from phonenumbers import NumberParseException

WITHHELD = frozenset(
    "anonymous unknown restricted private blocked unavailable withheld undisclosed none null asserted".split()
)
"""What stands in a number's place when the caller withheld it. Source: Twilio docs, TwiML request parameters; Telnyx
and SIP write `anonymous` and `unavailable`."""

_KEYS = str.maketrans("abcdefghijklmnopqrstuvwxyz", "22233344455566677778889999")

TYPED = frozenset(
    "+" + word.translate(_KEYS) for word in "anonymous restricted blocked unknown unavailable private".split()
) | {"+8566696"}
"""The same words typed on a keypad. Source: the same page, which has UNKNOWN with two of its digits changed round."""

_SIP = re.compile(r"(sips?:)?(?!sips?:)([^@\s<>\"]+)@([^@\s<>\";]+)(;[^\s<>\"]*)?", re.I)
_NUMBER = re.compile(r"\+?[0-9][0-9\s().-]{3,30}")
_PREFIX = re.compile(r"(?:tel|whatsapp):", re.I)


def phone_number(value: object) -> str | None:
    """A number in E.164 or a SIP address, as carriers, their streams and TwiML's templates write it.

    A number may have lost its `+`: a Telnyx connection can be set so, and a query string makes a space of it. It may
    have lost its country code, too, which only a number of ten digits is sure to get back.

    Args:
        value: What the carrier, stream or template gave. Anything may be in it.

    Returns:
        None when the caller withheld the number, or it cannot be one: it is then never offered, looked up or used.
    """
    text = _PREFIX.sub("", value.strip()) if isinstance(value, str) else ""
    if "@" in text:
        return _address(text)
    if not _NUMBER.fullmatch(text) or not text.isascii():
        return None
    digits = re.sub(r"\D", "", text)
    if f"+{digits}" in TYPED:
        return None
    if text.startswith("+"):
        return _e164(f"+{digits}")
    certain = _e164(f"+{digits}", valid=True) or (len(digits) == 10 and _e164(f"+1{digits}", valid=True))
    return certain or _e164(f"+{digits}")


def _e164(number: str, *, valid: bool = False) -> str | None:
    try:
        parsed = phonenumbers.parse(number)
    except NumberParseException:
        return None
    # Whether a range is in use changes faster than any table; how long numbers are does not.
    fits = phonenumbers.is_valid_number if valid else phonenumbers.is_possible_number
    if not fits(parsed) or len(set(str(parsed.national_number))) == 1:
        return None
    written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    # Of "+31 (0)20 ..." it drops the zero that is dialled within the country. What has another behind it is no number.
    return written if phonenumbers.parse(written) == parsed else None


def _address(text: str) -> str | None:
    """A SIP address; None for an anonymous one. Sources: RFC 3323, section 4.1.1.3, and RFC 2606 (`.invalid`)."""
    found = _SIP.fullmatch(text)
    if found is None:
        return None
    scheme, user, host, rest = found.groups()
    name = unquote(user).partition(":")[0].casefold()
    if name in WITHHELD or f"+{name.lstrip('+')}" in TYPED or host.casefold().endswith(".invalid"):
        return None
    return f"{scheme or 'sip:'}{user}@{host}{rest or ''}"
