"""What the page asks for: JSON that anything may stand in, read into what a call needs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from emulator.errors import EmulatorError
from emulator.line.caller import KEYS
from emulator.line.impairments import IDEAL, PROFILES
from emulator.phone.choices import MANNERS, TROUBLES, WAYS

LONGEST = 2000
MOST = 50
RATES = (8000, 192_000)
"""What sampling rates a browser may have, at least and at most, in Hz."""

Value = TypeVar("Value")


class Unusable(EmulatorError):
    """The page asks for something that there is not. The message says what, and what there is."""


@dataclass(frozen=True)
class Person:
    """Who is at another number; see `emulator.phone.choices.colleague`."""

    number: str
    manner: str
    after_secs: float = 1.0


@dataclass(frozen=True)
class CallWish:
    """A call as ordered on the page.

    Attributes:
        way: A name of `emulator.phone.choices.WAYS`.
        url: Where it goes, as in `emulator.legs.addressing.parse_target`.
        from_number: The caller's number.
        to_number: The bot's number.
        rate: Of the browser's samples, in Hz.
        line: A name of `emulator.line.impairments.PROFILES`.
        anybody: What who is at any other number does, a name of `MANNERS`.
        people: Who is at certain numbers.
        parameters: Custom parameters, for a media socket that is dialled without a webhook.
    """

    way: str
    url: str
    from_number: str
    to_number: str
    rate: int = 8000
    line: str = IDEAL.name
    anybody: str = "unreachable"
    people: Sequence[Person] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)


def read_message(text: str) -> tuple[str, dict[str, Any]]:
    """What is to be done, and the whole message.

    Raises:
        Unusable: It is no JSON object with a `do`.
    """
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise Unusable("the page sends something that is not JSON") from None
    if not isinstance(message, dict) or not isinstance(message.get("do"), str):
        raise Unusable("the page sends a message without `do`")
    return message["do"], message


def read_call(message: Mapping[str, Any]) -> CallWish:
    """A wish for a call.

    Raises:
        Unusable: It has something that there is not.
    """
    people = message.get("people", [])
    if not isinstance(people, list) or len(people) > MOST:
        raise Unusable(f"`people` is no list of at most {MOST}")
    parameters = message.get("parameters", {})
    if not isinstance(parameters, dict) or len(parameters) > MOST:
        raise Unusable(f"`parameters` is no object with at most {MOST} fields")
    return CallWish(
        _one_of(message, "way", WAYS),
        _text(message, "url"),
        _text(message, "from"),
        _text(message, "to"),
        read_rate(message),
        _one_of(message, "line", PROFILES, IDEAL.name),
        _one_of(message, "anybody", MANNERS, "unreachable"),
        [_person(one) for one in people],
        {_short(name): _short(value) for name, value in parameters.items()},
    )


def read_rate(message: Mapping[str, Any]) -> int:
    """The sampling rate of the page's sound, in Hz.

    Raises:
        Unusable: No microphone has it.
    """
    rate = message.get("rate", 8000)
    if not isinstance(rate, int) or not RATES[0] <= rate <= RATES[1]:
        raise Unusable(
            f"the microphone has {rate!r:.20} samples a second: it must be {RATES[0]} to {RATES[1]}"
        )
    return rate


def read_wait(message: Mapping[str, Any]) -> tuple[str, str]:
    """By which way, and at which number, the phone is to be reached.

    Raises:
        Unusable: There is no such way, or no number.
    """
    return _one_of(message, "way", WAYS), _text(message, "from")


def read_digit(message: Mapping[str, Any]) -> str:
    """A key that was pressed.

    Raises:
        Unusable: A phone has no such key.
    """
    digit = message.get("digit")
    if not isinstance(digit, str) or digit not in KEYS:
        raise Unusable("a phone has the keys 0-9 * # A-D")
    return digit


def read_troubles(message: Mapping[str, Any]) -> list[str]:
    """Names of what is to go wrong.

    Raises:
        Unusable: Something that cannot.
    """
    names = message.get("troubles", [])
    if not isinstance(names, list) or not all(isinstance(one, str) and one in TROUBLES for one in names):
        raise Unusable(f"`troubles` is no list of {', '.join(TROUBLES)}")
    return list(dict.fromkeys(names))


def _person(value: Any) -> Person:
    if not isinstance(value, dict):
        raise Unusable("a person is no object")
    after = value.get("after_secs", 1)
    if not isinstance(after, (int, float)) or not 0 <= after < 3600:
        raise Unusable("a phone rings 0 to 3600 s")
    return Person(_text(value, "number"), _one_of(value, "manner", MANNERS), float(after))


def _one_of(message: Mapping[str, Any], name: str, there_are: Mapping[str, Value], default: str = "") -> str:
    value = message.get(name) or default or next(iter(there_are))
    if not isinstance(value, str) or value not in there_are:
        raise Unusable(f"`{name}` is none of {', '.join(there_are)}")
    return value


def _text(message: Mapping[str, Any], name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Unusable(f"`{name}` is empty")
    return _short(value.strip())


def _short(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST:
        raise Unusable(f"a text is longer than {LONGEST} characters, or none")
    return value
