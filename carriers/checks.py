"""What the operator's account at a carrier looks like from outside, compared with what we need of it.

Each carrier has questions of its own (`carriers/twilio_checks.py`, `carriers/telnyx_checks.py`); the answers are
`Finding`s. Every question only reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from urllib.parse import urlsplit

from carriers.errors import CarrierError, CarrierUnavailable

CHECK_TIMEOUT_SECS = 6.0
"""How long one question may take. Nobody is on the line."""


class Verdict(StrEnum):
    """What a check came to."""

    OK = "ok"
    NOTE = "note"  # it works, and somebody might want to know
    FAULT = "fault"
    NOT_TRIED = "not tried"


@dataclass(frozen=True)
class Finding:
    """One line of what was found.

    Parameters:
        verdict: What it came to.
        subject: What was looked at: a setting's name, a file, "Twilio numbers".
        text: For a fault its cause and the fix. Never a secret value.
    """

    verdict: Verdict
    subject: str
    text: str


@dataclass(frozen=True)
class Addresses:
    """What should be configured at the carrier. `voice` may have a query added to it there.

    Parameters:
        voice: Where calls come in that run by documents.
        status: Where their ends are told.
        events: Where the events of calls go that are run by commands; None where a carrier has none.
    """

    voice: str
    status: str
    events: str | None = None


@dataclass(frozen=True)
class Configured:
    """An address at the carrier, and what has it.

    Parameters:
        where: A number or an application, as it is named to the operator.
        url: The address; None for none.
        method: GET or POST; None when it is not told.
        expected: Ours for that purpose.
    """

    where: str
    url: str | None
    method: str | None
    expected: str


class AccountChecks(Protocol):
    """A carrier's questions about an account."""

    def base_url(self) -> str:
        """Where its REST API is."""
        ...

    async def credentials(self) -> list[Finding]:
        """Whether the carrier takes each of them; also whether the account may make calls."""
        ...

    async def routing(self, addresses: Addresses) -> list[Finding]:
        """Where the calls to the account's numbers go, compared with our addresses."""
        ...

    async def caller_id(self, number: str, subject: str) -> list[Finding]:
        """Whether calls may be made from this number.

        Args:
            number: E.164.
            subject: What the finding is about.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


def shown(number: str | None) -> str:
    """A number as it is named in a line that may end up in a log: by its last digits."""
    return f"…{number[-4:]}" if number and len(number) > 4 else "without digits"


def refused(subject: str, error: CarrierError) -> Finding:
    """A question that was not answered: the fault of what was asked with, or nobody's."""
    unreachable = isinstance(error, CarrierUnavailable)
    return Finding(Verdict.NOT_TRIED if unreachable else Verdict.FAULT, subject, str(error))


async def answers(questions: Iterable[Awaitable[list[Finding]]], subject: str) -> list[Finding]:
    """Ask side by side; a question that fails is a finding itself."""
    found: list[Finding] = []
    for answer in await asyncio.gather(*questions, return_exceptions=True):
        if isinstance(answer, CarrierError):
            found.append(refused(subject, answer))
        elif isinstance(answer, BaseException):
            raise answer
        else:
            found += answer
    return found


def routed(subject: str, found: list[Configured], elsewhere: list[str]) -> list[Finding]:
    """Judge where calls go.

    An account may have numbers of other programs. So an address at another host is only a fault when no number
    leads here at all.

    Args:
        subject: What the findings are about.
        found: The addresses.
        elsewhere: Numbers whose calls go to no address, in words.
    """
    judged = [(one, _difference(one)) for one in found]
    ours = [one for one, difference in judged if difference is None]
    if ours:
        text = f"calls come here: {', '.join(sorted({one.where for one in ours}))}"
        findings = [Finding(Verdict.OK, subject, text)]
    elif found or elsewhere:
        findings = [
            Finding(
                Verdict.FAULT, subject, "no number leads here: paste the addresses that the server prints"
            )
        ]
    else:
        findings = [
            Finding(Verdict.FAULT, subject, "the account has no number: buy one in the carrier's console")
        ]
    for one, difference in judged:
        if difference is None:
            continue
        verdict = Verdict.FAULT if _same_host(one) or not ours else Verdict.NOTE
        findings.append(Finding(verdict, subject, f"{one.where} {difference}"))
    for one in ours:
        if otherwise := _asked_otherwise(one):
            findings.append(Finding(Verdict.NOTE, subject, f"{one.where} {otherwise}"))
    return findings + [Finding(Verdict.NOTE, subject, text) for text in elsewhere]


def _difference(one: Configured) -> str | None:
    """What is different from our address, without the address itself: a part of it may be a secret."""
    if not one.url:
        return "has no address: paste what the server prints"
    theirs, ours = urlsplit(one.url), urlsplit(one.expected)
    if (theirs.scheme, theirs.netloc.lower()) != (ours.scheme, ours.netloc.lower()):
        return (
            f"goes to {theirs.scheme}://{theirs.netloc.rpartition('@')[2]}, and PUBLIC_URL is {ours.scheme}://"
            f"{ours.netloc}: paste what the server prints, or correct PUBLIC_URL"
        )
    if theirs.path != ours.path:
        return "goes to another path than the server prints: paste that address again"
    return None


def _asked_otherwise(one: Configured) -> str | None:
    """GET is understood, too, but whether a carrier signs it is not known of each, and proxies log it whole."""
    if not one.method or one.method.upper() == "POST":
        return None
    return f"is asked by {one.method.upper()}, which works; POST is better"


def _same_host(one: Configured) -> bool:
    return bool(one.url) and urlsplit(one.url or "").netloc.lower() == urlsplit(one.expected).netloc.lower()
