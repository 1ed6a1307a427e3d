"""What those of Telnyx's error codes mean that any request may be answered with, and what helps.

Sources: Telnyx docs, API error codes, SIP response codes (read 2026-11-25).
"""

from __future__ import annotations

from collections.abc import Mapping

from carriers.meanings import Meaning

MEANINGS: Mapping[str, Meaning] = {
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

SIP_MEANINGS: Mapping[str, str] = {
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
