"""What those of Twilio's error codes mean that any request may be answered with, and what helps.

Sources: Twilio docs, api/errors/{10001, 20003, 20005, 20006, 20008, 20403, 20404, 20429, 70051, 90010}.
"""

from __future__ import annotations

from collections.abc import Mapping

from carriers.meanings import Meaning

_INACTIVE = Meaning(
    "the account is not active", "look at its balance and its notices in the console, or ask Twilio's support"
)
_NOT_ALLOWED = Meaning(
    "these credentials may not do this", "give the restricted API key that permission, or use a standard one"
)

MEANINGS: Mapping[str, Meaning] = {
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

ACCOUNT_INACTIVE = frozenset({"10001", "20005", "20403", "90010"})
"""The account itself cannot be used, whatever the credentials."""

RESTRICTED = frozenset({"20006", "70051"})
"""The credentials are good, but not for this."""
