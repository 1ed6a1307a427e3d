"""How long a carrier waits for the answer to a request over HTTP, when it tries again, and how well events arrive.

Source of the connection overrides: Twilio docs, usage/webhooks/webhooks-connection-overrides (the defaults, and what a
fragment of the address changes). Each carrier's own rules are in its folder.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

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
        connect_secs: How long the carrier waits for the connection.
        answer_secs: How long it waits for the answer, once there is a connection.
        total_secs: How long all attempts together may take.
        pauses: The pause before each further attempt, in seconds.
        policy: What is worth another attempt: `ct` (no connection), `rt` (no answer in time), `4xx`, `5xx`, a status.
        redirects: How many redirects the carrier follows.
        accepts: The least and the greatest status with which a callback counts as delivered.
        refused: The carrier's code for a callback answered with another status, or an empty text.
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


@dataclass(frozen=True)
class EventHabits:
    """How events are delivered, from well to badly. The same seed does the same to the same events.

    Attributes:
        doubled: Share of the events that arrive twice, 0 to 1.
        out_of_order: Share of the events that arrive after the one that follows them, 0 to 1.
        delay_secs: Every event is late by up to this long.
        seed: Decides what is left to chance.
        transfer_tells_both: Whether both legs of a `transfer` get call.bridged. The docs name leg B only, as the
            default does; after `bridge` both get it in any case.
    """

    doubled: float = 0.0
    out_of_order: float = 0.0
    delay_secs: float = 0.0
    seed: int = 0
    transfer_tells_both: bool = False
