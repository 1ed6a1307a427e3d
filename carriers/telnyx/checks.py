"""What a Telnyx account looks like from outside.

Sources: telnyx SDK, `types/numbers_phone_number_detailed.py`, `phone_numbers/phone_number_with_voice_settings.py`,
`texml_application.py`, `call_control_application.py`, `connection.py`, `outbound_voice_profile.py`, `verified_number`.
`GET /v2/whoami` is in no SDK; see `telnyx_api.whoami`. Codecs and formats of numbers (`ani_number_format`,
`dnis_number_format`) are settings of SIP connections only: applications have none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from carriers.checks import (
    CHECK_TIMEOUT_SECS,
    Addresses,
    Configured,
    Destination,
    Destinations,
    Finding,
    Verdict,
    answers,
    countries,
    leads_here,
    not_allowed,
    refused,
    routed,
    shown,
)
from carriers.errors import CallNotFound, CarrierError, CarrierUnauthorized
from carriers.telnyx.api import API_BASE_URL, TelnyxApi

if TYPE_CHECKING:
    from telnyx import AsyncTelnyx

    from carriers.telnyx.variables import TelnyxVariables

Question = Callable[["AsyncTelnyx"], Awaitable[Any]]

NUMBERS = "Telnyx numbers"
DIALLING = "Telnyx dialling"
MOST_NUMBERS = 100
AT_ONCE = 8
"""Questions; an account with many applications is not asked for all of them in one moment."""

TEXML = "TeXML application"
VOICE_API = "Voice API application"
CONNECTION = "SIP connection"
TAKES_CALLS = ("active", "port-out-pending")
PROFILES = 'portal, "Outbound Voice Profiles"'


class TelnyxChecks:
    """Questions about the account of TELNYX_API_KEY."""

    def __init__(self, settings: TelnyxVariables):
        """Keep the credentials."""
        key = settings.telnyx_api_key
        self._settings = settings
        self._few = asyncio.Semaphore(AT_ONCE)
        self._applications: dict[str, asyncio.Task[tuple[str | None, Any]]] = {}
        self._listing: asyncio.Task[Any] | None = None
        self._api = TelnyxApi(
            api_key=key.get_secret_value() if key else None, base_url=settings.telnyx_api_base_url
        )

    def base_url(self) -> str:
        """Where the REST API is."""
        return self._settings.telnyx_api_base_url or API_BASE_URL

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    async def credentials(self) -> list[Finding]:
        """Try the API key, and compare the account's ID and the application with the settings."""
        try:
            organization = await self._api.organization_id(timeout_secs=CHECK_TIMEOUT_SECS)
        except CarrierUnauthorized as error:
            text = f'Telnyx does not take it ({error.answer}): copy it again from the portal, "API Keys"'
            return [Finding(Verdict.FAULT, "TELNYX_API_KEY", text)]
        except CallNotFound as error:
            text = f"there is no GET /whoami at {self.base_url()} ({error.status}): check TELNYX_API_BASE_URL"
            return [Finding(Verdict.FAULT, "TELNYX_API_BASE_URL", text)]
        found = [Finding(Verdict.OK, "TELNYX_API_KEY", "Telnyx takes it")]
        found.append(self._account(organization))
        if self._settings.telnyx_connection_id:
            found += await answers(
                [self._connection(self._settings.telnyx_connection_id)], "TELNYX_CONNECTION_ID"
            )
        return found

    def _account(self, organization: str) -> Finding:
        subject, given = "TELNYX_ACCOUNT_SID", self._settings.telnyx_account_sid
        if given is None:
            return Finding(Verdict.OK, subject, "not set: Telnyx tells it for the API key")
        if given == organization:
            return Finding(Verdict.OK, subject, "the organization of the API key")
        text = (
            "is not the organization of TELNYX_API_KEY: every transfer, recording and call of TeXML is answered 404; "
            "leave it empty, and Telnyx is asked for it"
        )
        return Finding(Verdict.FAULT, subject, text)

    async def _connection(self, connection_id: str) -> list[Finding]:
        subject = "TELNYX_CONNECTION_ID"
        wanted = VOICE_API if self._settings.telnyx_mode == "call_control" else TEXML
        kind, application = await self._application(connection_id)
        if application is None:
            text = f"the account has no application of this ID: copy that of a {wanted} from the portal"
            return [Finding(Verdict.FAULT, subject, text)]
        if kind != wanted:
            text = (
                f"is a {kind}, but TELNYX_MODE={self._settings.telnyx_mode} makes calls with a {wanted}: set that "
                "one's ID, or change TELNYX_MODE"
            )
            return [Finding(Verdict.FAULT, subject, text)]
        if application.active is False:
            text = f"this {kind} is switched off, so it makes no calls: make it active in the portal"
            return [Finding(Verdict.FAULT, subject, text)]
        return [Finding(Verdict.OK, subject, f"a {kind} of the account")]

    async def _application(self, connection_id: str) -> tuple[str | None, Any]:
        """What an ID is of, and what Telnyx says of it; None for nothing. Each is asked about once."""
        if connection_id not in self._applications:
            self._applications[connection_id] = asyncio.create_task(self._find(connection_id))
        return await self._applications[connection_id]

    async def _find(self, connection_id: str) -> tuple[str | None, Any]:
        questions: tuple[tuple[str, Question], ...] = (
            (TEXML, lambda client: client.texml_applications.retrieve(connection_id)),
            (VOICE_API, lambda client: client.call_control_applications.retrieve(connection_id)),
            (CONNECTION, lambda client: client.connections.retrieve(connection_id)),
        )
        for kind, question in questions:
            try:
                return kind, (await self._ask(question)).data
            except CallNotFound:
                continue
        return None, None

    async def _ask(self, question: Question) -> Any:
        async with self._few:
            return await self._api.ask(question, timeout_secs=CHECK_TIMEOUT_SECS)

    async def routing(self, addresses: Addresses) -> list[Finding]:
        """Where the calls to the account's numbers go."""
        unanswered: list[Finding] = []
        numbers, own = await asyncio.gather(self._numbers(), self._settings_of_numbers(unanswered))
        found: list[Configured] = []
        elsewhere = [
            f"the number {shown(one.phone_number)} belongs to no application: assign it to one in the portal"
            for one in numbers
            if not one.connection_id
        ]
        for connection_id, group in _by_connection(numbers).items():
            named = ", ".join(shown(one.phone_number) for one in group)
            kind, application = await self._application(connection_id)
            if application is None:
                elsewhere.append(
                    f"the connection of {named} does not exist any more: assign an application in the portal"
                )
            elif kind == CONNECTION:
                elsewhere.append(
                    f"the connection of {named} is a {(application.record_type or CONNECTION).replace('_', ' ')}: its "
                    "calls do not come here; assign an application in the portal"
                )
            else:
                found += _configured(str(kind), application, group, own, addresses)
        return routed(NUMBERS, found, elsewhere) + unanswered

    async def _numbers(self) -> list[Any]:
        """The account's numbers, asked for once, each with its application known from then on."""
        if self._listing is None:
            self._listing = asyncio.create_task(
                self._ask(lambda client: _first_page(client.phone_numbers.list(page_size=MOST_NUMBERS)))
            )
        numbers = list((await self._listing).data or [])
        await asyncio.gather(*(self._application(one) for one in _by_connection(numbers)))
        return numbers

    async def _settings_of_numbers(self, unanswered: list[Finding]) -> dict[str, Any]:
        """The settings for calls of each number; without them the rest is judged."""
        try:
            listed = await self._ask(
                lambda client: _first_page(client.phone_numbers.voice.list(page_size=MOST_NUMBERS))
            )
        except CarrierError as error:
            unanswered.append(refused(f"{NUMBERS}, forwarding", error))
            return {}
        return {one.phone_number: one for one in listed.data or []}

    async def dialling(self, destinations: Destinations, addresses: Addresses | None) -> list[Finding]:
        """Whether the outbound voice profiles allow what this service calls.

        That of TELNYX_CONNECTION_ID counts for calls that are placed, that of a number's application for the transfers
        of its callers.
        """
        questions = []
        if own := self._settings.telnyx_connection_id:
            everybody = (*destinations.transfers, *destinations.calls)
            questions.append(self._may_dial(own, "the application of TELNYX_CONNECTION_ID", everybody))
        if addresses is not None and destinations.transfers:
            questions.append(self._may_transfer(destinations.transfers, addresses))
        return await answers(questions, DIALLING)

    async def _may_transfer(self, wanted: tuple[Destination, ...], addresses: Addresses) -> list[Finding]:
        questions = []
        for connection_id, group in _by_connection(await self._numbers()).items():
            kind, application = await self._application(connection_id)
            counted = connection_id == self._settings.telnyx_connection_id
            if application is None or kind == CONNECTION or counted:
                continue
            if leads_here(_configured(str(kind), application, group, {}, addresses)[0]):
                named = ", ".join(shown(one.phone_number) for one in group)
                questions.append(self._may_dial(connection_id, f"the {kind} of {named}", wanted))
        return await answers(questions, DIALLING)

    async def _may_dial(
        self, connection_id: str, where: str, wanted: tuple[Destination, ...]
    ) -> list[Finding]:
        kind, application = await self._application(connection_id)
        if application is None or kind == CONNECTION:
            return []  # `_connection` reports it
        profile_id = application.outbound and application.outbound.outbound_voice_profile_id
        profile = await self._profile(profile_id) if profile_id else None
        if profile is None or profile.enabled is False:
            text = (
                f"{where} has no outbound voice profile, so nothing can be dialled: choose one for it ({PROFILES})"
                if profile is None
                else f"the outbound voice profile of {where} is switched off: enable it ({PROFILES})"
            )
            return [Finding(Verdict.FAULT if wanted else Verdict.NOTE, DIALLING, text)]
        allowed = profile.whitelisted_destinations
        missing = [] if allowed is None else not_allowed(wanted, lambda country: country in allowed)
        if not missing:
            to = f" to {named}" if (named := countries(wanted)) else ""
            return [Finding(Verdict.OK, DIALLING, f"{where} may place calls{to}")]
        return [
            Finding(
                Verdict.FAULT,
                DIALLING,
                f"the outbound voice profile of {where} does not allow calls to {line}: add that ({PROFILES})",
            )
            for line in missing
        ]

    async def _profile(self, profile_id: str) -> Any:
        """An outbound voice profile; None when it does not exist any more."""
        try:
            return (await self._ask(lambda client: client.outbound_voice_profiles.retrieve(profile_id))).data
        except CallNotFound:
            return None

    async def caller_id(self, number: str, subject: str) -> list[Finding]:
        """Whether the number is the account's own, or verified."""
        digits = number.removeprefix("+")
        listed = await self._ask(
            lambda client: _first_page(
                client.phone_numbers.list(filter={"phone_number": digits}, page_size=20)
            )
        )
        if any(one.phone_number == number for one in listed.data or []):
            return [Finding(Verdict.OK, subject, "a number of the Telnyx account")]
        try:
            await self._ask(lambda client: client.verified_numbers.retrieve(number))
        except CallNotFound:
            text = (
                "is no number of the Telnyx account and no verified number: calls that the bot places are refused "
                "(D38); set one of your numbers, or verify this one in the portal"
            )
            return [Finding(Verdict.FAULT, subject, text)]
        return [Finding(Verdict.OK, subject, "a verified number of the Telnyx account")]


async def _first_page(pages: Any) -> Any:
    return await pages


def _by_connection(numbers: list[Any]) -> dict[str, list[Any]]:
    """The numbers of each connection, by its ID."""
    groups: dict[str, list[Any]] = {}
    for number in numbers:
        if number.connection_id:
            groups.setdefault(str(number.connection_id), []).append(number)
    return groups


def _configured(
    kind: str, application: Any, group: list[Any], own: dict[str, Any], addresses: Addresses
) -> list[Configured]:
    """An application's addresses, once for the numbers that are as they should be, and once for each other one."""
    wrong = _why_no_calls_come(application)
    by_fault: dict[tuple[str, ...], list[str]] = {}
    for number in group:
        fault = _why_it_takes_no_calls(number, own.get(number.phone_number))
        by_fault.setdefault((*wrong, *fault), []).append(shown(number.phone_number))
    if kind == TEXML:
        settings: dict[str, Any] = {
            "url": application.voice_url,
            "method": application.voice_method,
            "expected": addresses.voice,
            "fallback": application.voice_fallback_url,
            "fallback_expected": addresses.fallback,
            "status": application.status_callback,
            "status_expected": addresses.status,
        }
    else:
        settings = {
            "url": application.webhook_event_url,
            "method": None,
            "expected": addresses.events or "",
            "fallback": application.webhook_event_failover_url,
        }
    return [
        Configured(f"the {kind} of {', '.join(named)}", wrong=fault, **settings)
        for fault, named in by_fault.items()
    ]


def _why_no_calls_come(application: Any) -> tuple[str, ...]:
    wrong = []
    if application.active is False:
        wrong.append("is switched off, so its calls are refused: make it active in the portal")
    if getattr(application, "webhook_api_version", None) == "1":
        wrong.append("sends webhooks of API version 1, which are not understood here: choose version 2")
    return tuple(wrong)


def _why_it_takes_no_calls(number: Any, own: Any) -> tuple[str, ...]:
    if number.status not in (None, *TAKES_CALLS):
        return (f"gets no calls yet, for the number is {number.status}: see the number in the portal",)
    forwarding = own and own.call_forwarding
    if (
        forwarding
        and forwarding.call_forwarding_enabled is not False
        and forwarding.forwarding_type == "always"
        and forwarding.forwards_to
    ):
        return (
            "gets no calls, for the number forwards them all: switch its call forwarding off in the portal",
        )
    return ()
