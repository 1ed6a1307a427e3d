"""Telnyx's REST interface to the account itself: who the key belongs to, its numbers, applications and profiles.

Sources: the published client library's types of numbers, applications and profiles (telnyx 4.189); `GET /v2/whoami`
from Telnyx's TeXML guides, where `organization_id` is the account's ID. What a request may have is in the table
`telnyx_accounts` of `emulator.facts`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from aiohttp import web

from emulator.account import Account, Application, OwnNumber, VoiceProfile
from emulator.carriers.credentials import Credentials
from emulator.carriers.telnyx.control.command_errors import CommandRefused
from emulator.carriers.telnyx.rest import TelnyxRest, violated
from emulator.facts import requests
from emulator.rest.fields import given_fields

T = TypeVar("T")

REQUESTS = requests("telnyx_accounts")
PAGE = 20


class TelnyxAccount:
    """The routes.

    Args:
        account: What is owned.
        credentials: Whose requests are taken.
        rest: Checks the credentials of requests.
    """

    def __init__(self, account: Account, credentials: Credentials, rest: TelnyxRest) -> None:
        """Serve nothing yet."""
        self._account = account
        self._credentials = credentials
        self._rest = rest

    def routes(self) -> list[web.RouteDef]:
        """The routes, for the aiohttp application."""
        return [
            web.get("/v2/whoami", self._whoami),
            web.get("/v2/phone_numbers", self._numbers),
            web.get("/v2/phone_numbers/voice", self._voice_settings),
            web.get("/v2/texml_applications/{id}", self._texml_application),
            web.get("/v2/call_control_applications/{id}", self._voice_application),
            web.get("/v2/connections/{id}", self._connection),
            web.get("/v2/outbound_voice_profiles/{id}", self._profile),
            web.get("/v2/verified_numbers/{id}", self._verified_number),
        ]

    async def _let_in(self, request: web.Request, kind: str = "fetch") -> None:
        """Look at the key and the parameters of a request.

        Raises:
            CommandRefused: They are not as they must be.
        """
        self._rest.let_in(request)
        given = await given_fields(request)
        if (found := REQUESTS[kind].form_violation(given)) is not None:
            raise violated(found)
        if unknown := REQUESTS[kind].unknown(given):
            raise CommandRefused("10015", f"There is no parameter {unknown[0][:40]}")

    async def _whoami(self, request: web.Request) -> web.Response:
        await self._let_in(request)
        data = {
            "user_id": "00000000-0000-4000-8000-00000000000a",
            "organization_id": self._credentials.telnyx_account_id,
        }
        return web.json_response({"data": data})

    async def _numbers(self, request: web.Request) -> web.Response:
        return await self._page(request, "list_numbers", _phone_number)

    async def _voice_settings(self, request: web.Request) -> web.Response:
        return await self._page(request, "list_voice_settings", _number_with_settings)

    async def _page(
        self, request: web.Request, kind: str, resource: Callable[[OwnNumber], dict[str, Any]]
    ) -> web.Response:
        await self._let_in(request, kind)
        wanted = request.query.get("filter[phone_number]", "")
        # "Non-numerical characters will result in no values being returned."
        owned = [
            own for own in self._account.numbers if wanted in own.number and (not wanted or wanted.isdigit())
        ]
        size = int(request.query.get("page[size]", PAGE))
        number = int(request.query.get("page[number]", 1))
        meta = {
            "total_pages": -(-len(owned) // size),
            "total_results": len(owned),
            "page_number": number,
            "page_size": size,
        }
        data = [resource(own) for own in owned[(number - 1) * size : number * size]]
        return web.json_response({"data": data, "meta": meta})

    async def _texml_application(self, request: web.Request) -> web.Response:
        return await self._one(request, self._application_of(request, "texml"), _texml_application)

    async def _voice_application(self, request: web.Request) -> web.Response:
        return await self._one(request, self._application_of(request, "call_control"), _voice_application)

    async def _connection(self, request: web.Request) -> web.Response:
        id_ = request.match_info["id"]
        found = [one for one in self._account.applications if one.id == id_ and one.kind != "twiml"]
        return await self._one(request, next(iter(found), None), _connection)

    async def _profile(self, request: web.Request) -> web.Response:
        id_ = request.match_info["id"]
        found = next((one for one in self._account.profiles if one.id == id_), None)
        return await self._one(request, found, _voice_profile)

    async def _verified_number(self, request: web.Request) -> web.Response:
        number = request.match_info["id"]
        found = number if number in self._account.verified else None
        return await self._one(
            request, found, lambda one: {"phone_number": one, "record_type": "verified_number"}
        )

    def _application_of(self, request: web.Request, kind: str) -> Application | None:
        return self._account.application(request.match_info["id"], kind)

    async def _one(
        self, request: web.Request, found: T | None, resource: Callable[[T], dict[str, Any]]
    ) -> web.Response:
        await self._let_in(request)
        if found is None:
            raise CommandRefused("10005", "The requested resource does not exist")
        return web.json_response({"data": resource(found)})


def _phone_number(own: OwnNumber) -> dict[str, Any]:
    """A number."""
    return {
        "id": own.number.removeprefix("+"),
        "record_type": "phone_number",
        "phone_number": own.number,
        "status": own.state,
        "connection_id": own.application or None,
        "connection_name": "Emulated" if own.application else None,
    }


def _number_with_settings(own: OwnNumber) -> dict[str, Any]:
    """A number's settings for calls."""
    return {
        "id": own.number.removeprefix("+"),
        "record_type": "voice_settings",
        "phone_number": own.number,
        "connection_id": own.application or None,
        "translated_number": "",
        "call_forwarding": {
            "call_forwarding_enabled": True,  # documented default; without a number nothing is forwarded
            "forwards_to": own.forwards_to or None,
            "forwarding_type": own.forwarding if own.forwards_to else None,
        },
    }


def _outbound(application: Application) -> dict[str, Any]:
    return {"channel_limit": None, "outbound_voice_profile_id": application.profile or None}


def _texml_application(application: Application) -> dict[str, Any]:
    """A TeXML application."""
    return {
        "id": application.id,
        "record_type": "texml_application",
        "active": application.active,
        "friendly_name": "Emulated",
        "voice_url": application.url or None,
        "voice_method": application.method.lower(),
        "voice_fallback_url": application.fallback or None,
        "status_callback": application.status or None,
        "status_callback_method": application.status_method.lower(),
        "outbound": _outbound(application),
    }


def _voice_application(application: Application) -> dict[str, Any]:
    """A Voice API application."""
    return {
        "id": application.id,
        "record_type": "call_control_application",
        "active": application.active,
        "application_name": "Emulated",
        "webhook_event_url": application.url or None,
        "webhook_event_failover_url": application.fallback or None,
        "webhook_api_version": application.api_version,
        "outbound": _outbound(application),
    }


def _connection(application: Application) -> dict[str, Any]:
    """What every connection has, whatever its kind."""
    records = {"texml": "texml_application", "call_control": "call_control_application"}
    return {
        "id": application.id,
        "record_type": records.get(application.kind, application.kind),
        "active": application.active,
        "connection_name": "Emulated",
        "outbound_voice_profile_id": application.profile or None,
        "webhook_api_version": application.api_version,
        "webhook_event_url": application.url or None,
        "webhook_event_failover_url": application.fallback or None,
    }


def _voice_profile(profile: VoiceProfile) -> dict[str, Any]:
    """An outbound voice profile."""
    return {
        "id": profile.id,
        "record_type": "outbound_voice_profile",
        "name": "Emulated",
        "enabled": profile.enabled,
        "whitelisted_destinations": list(profile.countries),
        "traffic_type": "conversational",
        "service_plan": "global",
        "concurrent_call_limit": None,
    }
