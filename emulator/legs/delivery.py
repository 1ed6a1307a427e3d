"""How long a carrier waits for the answer to a request over HTTP, and when it tries again.

Sources: Twilio docs, usage/webhooks/webhooks-connection-overrides (the defaults, and what a fragment of the address
changes), errors 11205 (two attempts of 5 s to connect, 15 s in all) and 15003; Telnyx docs, "Webhook fundamentals" (2 s
for an answer, tried again by every service, redirects count as failures), "Voice API webhooks" (which answers are worth
another attempt), TeXML callbacks (200 and nothing else), TeXML instruction fetching (no word of another attempt, so
there is none). Not documented and chosen here: Telnyx's pauses, and that Twilio makes none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

RETRIES_SECS = (0.5, 1.0, 2.0)
"""Telnyx's pauses before it sends a callback or an event again."""

ANSWER_SECS = 2.0
"""How long Telnyx waits for the answer to a callback or an event."""

NOT_CONNECTED = "ct"
NOT_ANSWERED = "rt"
OVERRIDES = {"ct": (100, 10_000), "rt": (100, 15_000), "tt": (100, 15_000), "rc": (0, 5)}
"""Least and greatest value of what a fragment may say in numbers: ms, and attempts."""

POLICIES = {"ct": {"ct"}, "rt": {"rt"}, "4xx": {"4xx"}, "5xx": {"5xx"}, "all": {"ct", "rt", "4xx", "5xx"}}
OTHER_OVERRIDES = ("e", "sni")
"""Edge locations and the name in a TLS handshake, which change nothing here."""


@dataclass(frozen=True)
class Delivery:
    """The rules for one request.

    Attributes:
        connect_secs: For the connection.
        answer_secs: For the answer, once there is a connection.
        total_secs: For all attempts together.
        pauses: Before each further attempt.
        policy: What is worth one: `ct` (no connection), `rt` (no answer in time), `4xx`, `5xx`, or a status.
        redirects: How many are followed.
        accepts: The least and the greatest status with which a callback counts as delivered.
        refused: The carrier's code for another one, or an empty text.
    """

    connect_secs: float = 15.0
    answer_secs: float = 15.0
    total_secs: float = 15.0
    pauses: tuple[float, ...] = ()
    policy: frozenset[str] = frozenset()
    redirects: int = 10
    accepts: tuple[int, int] = (200, 299)
    refused: str = ""

    def overridden(self, fragment: str) -> tuple[Delivery, list[str]]:
        """The rules for an address with a fragment such as `rc=3&rp=all`, and what in it is of no use."""
        changed, wrong = self, []
        for name, value in parse_qsl(fragment, keep_blank_values=True):
            if name in OVERRIDES:
                least, most = OVERRIDES[name]
                if value.isdigit() and least <= int(value) <= most:
                    changed = changed._with(name, int(value))
                    continue
            elif name == "rp" and set(words := value.split(",")) <= POLICIES.keys():
                changed = replace(changed, policy=frozenset().union(*(POLICIES[word] for word in words)))
                continue
            elif name in OTHER_OVERRIDES:
                continue
            wrong.append(f"{name}={value}")
        return changed, wrong

    def _with(self, name: str, value: int) -> Delivery:
        if name == "rc":
            return replace(self, pauses=(0.0,) * value)
        if name == "tt":
            return replace(self, total_secs=value / 1000)
        return (
            replace(self, connect_secs=value / 1000)
            if name == "ct"
            else replace(self, answer_secs=value / 1000)
        )


def worth_another(status: int, policy: frozenset[str]) -> bool:
    """Whether an answer is worth another attempt."""
    return not policy.isdisjoint({f"{status // 100}xx", str(status)})


TWILIO_REQUEST = Delivery(
    connect_secs=5.0, pauses=(0.0,), policy=frozenset({NOT_CONNECTED}), refused="15003 "
)
TEXML_DOCUMENT = Delivery()
TEXML_CALLBACK = Delivery(
    connect_secs=ANSWER_SECS,
    answer_secs=ANSWER_SECS,
    total_secs=math.inf,
    pauses=RETRIES_SECS,
    policy=frozenset({NOT_CONNECTED, NOT_ANSWERED, "408", "429", "5xx"}),
    redirects=0,
    accepts=(200, 200),
)
