"""Who may be called. Without limits, anyone who can ask for a call could run up the operator's telephone bill."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self
from urllib.parse import unquote

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberType

from calls.call import Call
from calls.colleague import Colleague
from calls.do_not_call import DoNotCall, names_of
from calls.errors import NotPossible
from calls.states import CallState
from carriers.dialling import check_destination, is_sip

DAY = timedelta(hours=24)

ALL_COUNTRIES = "*"

SHORT = re.compile(r"[\d\s().-]{1,7}")
"""Without a + and this short, it is no number of a subscriber: 112, 911, 40404."""

EMERGENCY = frozenset({"911", "9911", "112", "999", "000"})
"""Which a telephone system takes for emergency calls also where the number came in a SIP address. Other short numbers
are extensions there."""

ELSEWHERE = re.compile(r";maddr(?![A-Za-z0-9_-])", re.I)
"""Where the request really goes, whatever host an address names. Source: RFC 3261, section 19.1.1."""

EXPENSIVE = {
    PhoneNumberType.PREMIUM_RATE: "a premium-rate number",
    PhoneNumberType.SHARED_COST: "a shared-cost number",
    PhoneNumberType.PERSONAL_NUMBER: "a personal number, which costs what its owner likes",
    PhoneNumberType.UAN: "a company-wide number, which costs what its owner likes",
    PhoneNumberType.PAGER: "a pager",
    PhoneNumberType.VOICEMAIL: "a mailbox",
}
"""Numbers that cost more than a call, or where nobody answers."""

HOUR = timedelta(hours=1)

DIRECTORY_ASSISTANCE = "5551212"
"""The last seven digits of directory assistance in North America, in every area code, also where the call is free."""

PREMIUM_EXCHANGE = "976"
"""The exchange of local premium-rate services in each area code of North America; phonenumbers knows no kinds of single
exchanges."""

NO_COUNTRY = "001"
"""What numbers of no country have: satellite telephones, international networks. Source: phonenumbers, `UNKNOWN_REGION`
and `REGION_CODE_FOR_NON_GEO_ENTITY`."""

NOBODY_KNOWS = "nobody knows whether it was dialled"
"""The cause of the end of a call that its carrier neither confirmed nor knows of."""


class NumberError(ValueError):
    """Text that is no telephone number. The message does not contain it."""


NORTH_AMERICA = 1
"""The country code that the United States share with others."""


class DialRefused(NotPossible):
    """This may not be dialled. The message names the cause and the fix, and not the number."""


class TooManyCalls(DialRefused):
    """No more calls may be placed just now, to any number."""


@dataclass(frozen=True)
class DialPolicy:
    """What an operator allows.

    Parameters:
        countries: Where calls may go, by two capital letters; `*` is everywhere, none is the country of the number
            that is called from.
        per_number_per_day: How often the same number may be called within 24 hours.
        sip_hosts: The hosts at which SIP addresses may be called.
        per_hour: How many calls may be placed within an hour.
        at_once: How many of them may be up, or ringing, at the same time.
        minutes_per_day: How many minutes the calls of 24 hours may have together before no other one is placed.
        do_not_call: The numbers whose owners asked not to be called.
    """

    countries: frozenset[str] = frozenset()
    per_number_per_day: int = 5
    sip_hosts: frozenset[str] = frozenset()
    per_hour: int = 30
    at_once: int = 5
    minutes_per_day: int = 240
    do_not_call: DoNotCall = field(default_factory=DoNotCall)

    @classmethod
    def read(
        cls,
        countries: str | None,
        per_number_per_day: int,
        sip_hosts: str | None,
        *,
        per_hour: int = per_hour,
        at_once: int = at_once,
        minutes_per_day: int = minutes_per_day,
        do_not_call: DoNotCall | None = None,
    ) -> Self:
        """Make the policy from settings, in which several values stand with commas between them."""
        return cls(
            frozenset(value.upper() for value in _listed(countries)),
            per_number_per_day,
            frozenset(value.casefold() for value in _listed(sip_hosts)),
            per_hour,
            at_once,
            minutes_per_day,
            do_not_call or DoNotCall(),
        )

    def check(self, number: str, caller_id: str | None = None) -> str:
        """Find out whether a number may be called at all.

        Args:
            number: A telephone number, or a SIP address.
            caller_id: The number that we call from; its country is the allowed one when no countries are set.

        Returns:
            The number in E.164, or the address as it was.

        Raises:
            DialRefused: It may not be called.
        """
        if is_sip(number):
            address = self._checked_address(number, caller_id)
            self.do_not_call.check(address)
            return address
        home = country_of(caller_id)
        try:
            parsed = _parsed(number, home)
        except NumberError as error:
            raise DialRefused(str(error)) from None
        kind = phonenumbers.number_type(parsed)
        if kind in EXPENSIVE:
            raise DialRefused(f"the number is {EXPENSIVE[kind]}, and those are never called")
        self.do_not_call.check(_e164(parsed))
        country = phonenumbers.region_code_for_number(parsed) or NO_COUNTRY
        if parsed.country_code == NORTH_AMERICA and _costs_extra(str(parsed.national_number)):
            raise DialRefused(
                "the number is directory assistance or a premium-rate service, and those are never called"
            )
        if country == NO_COUNTRY:
            raise DialRefused(
                "the number is of no country (a satellite telephone?), and those are never called"
            )
        if ALL_COUNTRIES in self.countries:
            return _e164(parsed)
        allowed = self.countries or ({home} if home else set())
        if not allowed:
            raise DialRefused(
                "the number to call from has no country, so none is allowed: list some in DIAL_COUNTRIES"
            )
        if not any(phonenumbers.is_valid_number_for_region(parsed, region) for region in allowed):
            raise DialRefused(
                f"numbers in {country} may not be called, only those in {', '.join(sorted(allowed))}: add "
                f"{country} to DIAL_COUNTRIES if that is wanted"
            )
        return _e164(parsed)

    def check_again(self, number: str, placed: Iterable[Call], now: datetime) -> None:
        """Find out whether a number may be called once more today, and any number at all just now.

        Args:
            number: As `check` returned it.
            placed: The calls of the last `DAY` that were placed, by all processes.
            now: The present time.

        Raises:
            DialRefused: A limit of the policy has been reached.
        """
        calls = [call for call in placed if _counts(call)]
        names = names_of(number)
        if (
            sum(not names.isdisjoint(names_of(call.to_number or "")) for call in calls)
            >= self.per_number_per_day
        ):
            raise DialRefused(
                f"the number was called {self.per_number_per_day} times within 24 hours, which is the limit: wait, "
                "or raise DIAL_MAX_PER_NUMBER_PER_DAY"
            )
        if sum(call.created_at > now - HOUR for call in calls) >= self.per_hour:
            raise TooManyCalls(
                f"{self.per_hour} calls were placed within an hour, which is the limit: wait, or raise "
                "DIAL_MAX_PER_HOUR"
            )
        if sum(not call.is_over for call in calls) >= self.at_once:
            raise TooManyCalls(
                f"{self.at_once} calls that were placed are up, which is the limit: wait until one has ended, or raise "
                "DIAL_MAX_AT_ONCE"
            )
        minutes = sum(_secs(call, now) for call in calls) / 60
        if minutes >= self.minutes_per_day:
            raise TooManyCalls(
                f"the calls of the last 24 hours had {self.minutes_per_day} minutes, which is the limit: wait, or "
                "raise DIAL_MAX_MINUTES_PER_DAY"
            )

    def _checked_address(self, address: str, caller_id: str | None) -> str:
        try:
            check_destination("to", address)
        except ValueError as error:
            raise DialRefused(str(error)) from None
        user, _, rest = address.partition(":")[2].rpartition("@")
        host = re.split("[:;]", rest)[0].casefold()
        if ELSEWHERE.search(rest):
            raise DialRefused(
                "the SIP address has the parameter maddr, which names another host: leave it out"
            )
        if host not in self.sip_hosts:
            raise DialRefused(
                f"SIP addresses at {host} may not be called: add it to DIAL_SIP_HOSTS if that is wanted"
            )
        name = unquote(user)
        if name in EMERGENCY:
            raise DialRefused("this is an emergency number, and those are never called")
        if name.startswith("+"):
            # Behind the host is the telephone network: what holds for the number, holds here.
            self.check(name, caller_id)
        return address


def _costs_extra(national_number: str) -> bool:
    """Numbers of North America that cost more than a call, though no table of kinds has them."""
    return national_number.endswith(DIRECTORY_ASSISTANCE) or national_number[3:6] == PREMIUM_EXCHANGE


def _secs(call: Call, now: datetime) -> float:
    return ((call.ended_at or now) - call.answered_at).total_seconds() if call.answered_at else 0.0


def _counts(call: Call) -> bool:
    """Whether a call counts against the limits: not one to a colleague, nor one that the carrier refused."""
    if Colleague.of(call) is not None:
        return False
    never_dialled = (
        call.state is CallState.FAILED and not call.carrier_call_id and call.end_cause != NOBODY_KNOWS
    )
    return not never_dialled


def _parsed(text: str, default_region: str | None) -> PhoneNumber:
    text = text.strip()
    if SHORT.fullmatch(text):
        raise NumberError("this is an emergency number or another short one, and those are never called")
    try:
        number = phonenumbers.parse(text, default_region)
    except NumberParseException as error:
        if error.error_type == NumberParseException.INVALID_COUNTRY_CODE and not text.startswith("+"):
            raise NumberError(
                "the number has no country: write it in E.164, with + and country code, like +14155550100"
            ) from None
        raise NumberError(
            "this is not a telephone number: write it in E.164, with + and country code, like +14155550100"
        ) from None
    if number.extension:
        raise NumberError("the number has an extension, which cannot be dialled: leave it out")
    if not phonenumbers.is_valid_number(number):
        raise NumberError(
            "there is no such telephone number in its country: look for missing or wrong digits"
        )
    return number


def _e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def country_of(number: str | None) -> str | None:
    """The country of a number by its two letters; None when it has none."""
    try:
        country = phonenumbers.region_code_for_number(phonenumbers.parse(number or "", None))
    except NumberParseException:
        return None
    return None if country == NO_COUNTRY else country


def _listed(values: str | None) -> Iterable[str]:
    return (value.strip() for value in (values or "").split(",") if value.strip())
