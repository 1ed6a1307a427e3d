"""What those of the carriers' error codes mean that any request may be answered with, and what helps.

Sources: Twilio docs, api/errors/{10001, 20003, 20005, 20006, 20008, 20403, 20404, 20429, 70051, 90010}; Telnyx docs,
API error codes, SIP response codes (read 2026-11-25).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """One code.

    Parameters:
        cause: What it says.
        fix: What helps; empty where that depends on the request.
    """

    cause: str
    fix: str = ""


_CODE = re.compile(r"[A-Za-z0-9_.-]{1,9}")
"""Shorter than a telephone number."""

_INACTIVE = Meaning(
    "the account is not active", "look at its balance and its notices in the console, or ask Twilio's support"
)
_NOT_ALLOWED = Meaning(
    "these credentials may not do this", "give the restricted API key that permission, or use a standard one"
)

TWILIO: Mapping[str, Meaning] = {
    "10001": _INACTIVE,
    "20003": Meaning("it does not take the credentials, or the account is suspended"),
    "20005": _INACTIVE,
    "20006": _NOT_ALLOWED,
    "20008": Meaning("these are test credentials", "set the live ones, from the console's first page"),
    "20403": Meaning("the account is suspended or closed", "ask Twilio's support"),
    "20404": Meaning("there is no such thing"),
    "20429": Meaning("too many requests at once"),
    "70051": _NOT_ALLOWED,
    "90010": _INACTIVE,
}

TWILIO_INACTIVE = frozenset({"10001", "20005", "20403", "90010"})
"""The account itself cannot be used, whatever the credentials."""

TWILIO_RESTRICTED = frozenset({"20006", "70051"})
"""The credentials are good, but not for this."""

TELNYX: Mapping[str, Meaning] = {
    "10001": Meaning("the number is not active"),
    "10005": Meaning("there is no such thing"),
    "10006": Meaning("the ID is not valid", "copy it again from the portal"),
    "10007": Meaning("an unexpected error of Telnyx's own"),
    "10009": Meaning("it does not take the API key"),
    "10010": Meaning(
        "the API key may not do this",
        "have the owner of the account allow it in the portal, or use another key",
    ),
    "10011": Meaning("too many requests at once"),
}

_SWITCHED_OFF = "the application, its outbound voice profile or the account is switched off"
_NOT_TAKEN = "the application's settings do not let the call through"

TELNYX_SIP: Mapping[str, str] = {
    "D1": "the account has as many calls as it may have: wait, or have the limit raised",
    "D2": "the outbound voice profile has as many calls as it may have: wait, or raise its limit",
    "D3": "the application has as many calls as it may have: wait, or raise its limit",
    **{f"D{number}": _SWITCHED_OFF for number in range(10, 19)},
    "D19": "the account is blocked: look at its balance in the portal",
    "D22": "the number or the application has as many calls as it may have: wait, or raise its limit",
    "D24": "a minute costs more than the outbound voice profile allows: raise its maximum rate",
    **{f"D{number}": _NOT_TAKEN for number in range(25, 30)},
    "D35": "the number to call from is not valid: check CALLER_ID, and caller_id in [transfers]",
    "D38": (
        "the number to call from is no number of the account and not verified: check CALLER_ID, and caller_id in "
        "[transfers]"
    ),
}
"""Why a call is refused with 403."""


def error_code(value: object) -> str | None:
    """The code that a carrier's answer has; None for none, or for something else in its place."""
    text = str(value) if isinstance(value, str | int) else ""
    return text if _CODE.fullmatch(text) else None


def told(carrier: str, status: int, code: str | None, meanings: Mapping[str, Meaning], fix: str) -> str:
    """A carrier's refusal in one line: who, which status and code, what that means, what helps.

    Args:
        carrier: Its name, for people.
        status: The HTTP status.
        code: The carrier's own code, if it gave one.
        meanings: What its codes mean.
        fix: What helps when the code does not say anything better.
    """
    meaning = meanings.get(code or "")
    named = f" with error {code}" if code and code != str(status) else ""
    cause = f" ({meaning.cause})" if meaning else ""
    return f"{carrier} answered {status}{named}{cause}: {(meaning and meaning.fix) or fix}"
