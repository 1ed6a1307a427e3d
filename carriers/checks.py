"""What the operator's account at a carrier looks like from outside, compared with what we need of it.

Each carrier has questions of its own (`carriers/twilio/checks.py`, `carriers/telnyx/checks.py`); the answers are
`Finding`s. Every question only reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from urllib.parse import urlsplit

from carriers.errors import CallNotFound, CarrierError, CarrierUnauthorized, CarrierUnavailable

CHECK_TIMEOUT_SECS = 6.0
"""How long one question may take. Nobody is on the line."""


class Verdict(StrEnum):
    """What a check came to."""

    OK = "ok"
    NOTE = "note"  # it works, and the operator might want to know
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
        status: Where the carrier reports the ends of these calls.
        events: Where the events of calls go that are run by commands; None where a carrier has none.
        fallback: Where the carrier asks for a document when it gets none at `voice`.
    """

    voice: str
    status: str
    events: str | None = None
    fallback: str | None = None


@dataclass(frozen=True)
class Configured:
    """An address at the carrier, and what has it.

    Parameters:
        where: A number or an application, as it is named to the operator.
        url: The address; None for none.
        method: GET or POST; None when the carrier does not say.
        expected: Ours for that purpose.
        fallback: The address that the carrier asks when ours fails; None for none.
        fallback_expected: Ours for that, besides `expected`; None where there is no other one.
        status: Where the carrier reports the ends of calls; None for nowhere.
        status_expected: Ours for that; None where the carrier needs none.
        wrong: Why calls do not come here although the address is ours, each as the rest of a sentence with the fix.
    """

    where: str
    url: str | None
    method: str | None
    expected: str
    fallback: str | None = None
    fallback_expected: str | None = None
    status: str | None = None
    status_expected: str | None = None
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True)
class Destination:
    """A number, or a whole country, that this service calls.

    Parameters:
        where: Which setting, or which transfer of an agent's file, says so.
        country: By its two letters; None when it has none, or for any.
        number: E.164; None for a whole country.
    """

    where: str
    country: str | None
    number: str | None = None


@dataclass(frozen=True)
class Destinations:
    """Whom this service calls.

    Parameters:
        transfers: Where callers are put through to.
        calls: Where calls are placed to.
    """

    transfers: tuple[Destination, ...] = ()
    calls: tuple[Destination, ...] = ()


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

    async def dialling(self, destinations: Destinations, addresses: Addresses | None) -> list[Finding]:
        """Whether the account may call where this service calls.

        Args:
            destinations: Whom it calls.
            addresses: Ours, by which numbers that lead here are known; None when there are none.
        """
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


def not_allowed(wanted: Iterable[Destination], allowed: Callable[[str], bool]) -> list[str]:
    """The countries that are wanted and not allowed, each line with those of one setting or transfer."""
    missing: dict[str, list[str]] = {}
    told = set()
    for one in wanted:
        if one.country and one.country not in told and not allowed(one.country):
            told.add(one.country)
            missing.setdefault(one.where, []).append(one.country)
    return [f"{', '.join(countries)} ({where})" for where, countries in missing.items()]


def countries(wanted: Iterable[Destination]) -> str:
    """All countries that are wanted."""
    return ", ".join(sorted({one.country for one in wanted if one.country}))


def shown(number: str | None) -> str:
    """A number as it is named in a line that may end up in a log: by its last digits."""
    return f"…{number[-4:]}" if number and len(number) > 4 else "without digits"


def refused(subject: str, error: CarrierError) -> Finding:
    """The finding for a question that the carrier refused to answer: a fault, or only a note.

    Credentials that may not ask this are no fault: whether the carrier takes them is a question of its own, and some
    are restricted on purpose. Nor is it a fault when a carrier does not offer the answer everywhere.
    """
    unknown = isinstance(error, CarrierUnavailable | CarrierUnauthorized | CallNotFound)
    return Finding(Verdict.NOT_TRIED if unknown else Verdict.FAULT, subject, str(error))


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
    judged = [(one, _difference(one.url, one.expected)) for one in found]
    ours = [one for one, difference in judged if difference is None]
    findings = []
    if well := [one for one in ours if not one.wrong]:
        text = f"calls come here: {', '.join(sorted({one.where for one in well}))}"
        findings.append(Finding(Verdict.OK, subject, text))
    elif not ours and (found or elsewhere):
        text = "no number leads here: paste the addresses that the server prints"
        findings.append(Finding(Verdict.FAULT, subject, text))
    elif not ours:
        text = "the account has no number: buy one in the carrier's console"
        findings.append(Finding(Verdict.FAULT, subject, text))
    for one, difference in judged:
        if difference is not None:
            verdict = Verdict.FAULT if _same_host(one.url, one.expected) or not ours else Verdict.NOTE
            findings.append(Finding(verdict, subject, f"{one.where} {difference}"))
    for one in ours:
        findings += [Finding(Verdict.FAULT, subject, f"{one.where} {text}") for text in one.wrong]
        notes = (_asked_otherwise(one), _falls_back(one), _tells_otherwise(one))
        findings += [Finding(Verdict.NOTE, subject, f"{one.where} {text}") for text in notes if text]
    return findings + [Finding(Verdict.NOTE, subject, text) for text in elsewhere]


def leads_here(one: Configured) -> bool:
    """Whether an address is ours."""
    return _difference(one.url, one.expected) is None


def _difference(url: str | None, expected: str) -> str | None:
    """What is different from our address, without the address itself: a part of it may be a secret."""
    if not url:
        return "has no address: paste what the server prints"
    try:
        theirs, ours = urlsplit(url), urlsplit(expected)
    except ValueError:
        return "has something that is no address: paste what the server prints"
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


def _falls_back(one: Configured) -> str | None:
    """What is wrong with a fallback address: on another host it is the operator's choice, on ours it must be right."""
    usable = [one.expected, *([one.fallback_expected] if one.fallback_expected else [])]
    if not _same_host(one.fallback, one.expected):
        return None
    if any(_difference(one.fallback, ours) is None for ours in usable):
        return None
    return "falls back to an address of this host that is not the printed one: paste that, or empty it"


def _tells_otherwise(one: Configured) -> str | None:
    if one.status_expected is None:
        return None
    if not one.status:
        return (
            "has no status callback, so the end of a call is found out late: paste the other printed address"
        )
    if _difference(one.status, one.status_expected) is None:
        return None
    return f"tells the ends of calls elsewhere (at {_host(one.status)}): paste the printed status address"


def _same_host(url: str | None, expected: str) -> bool:
    return bool(url) and _host(url or "") == _host(expected)


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return "no host"
