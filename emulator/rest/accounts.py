"""Both carriers' REST interfaces to the account itself: who the credentials belong to, its numbers and applications.

Sources: Twilio's OpenAPI files (api_v2010: FetchAccount, ListIncomingPhoneNumber, ListOutgoingCallerId,
FetchApplication; voice_v1: ListDialingPermissionsCountry) and docs, iam/api-keys (a standard key may not read the
account); the published client library's types of numbers, applications and profiles (telnyx 4.189); `GET /v2/whoami`
from Telnyx's TeXML guides, where `organization_id` is the account's ID. What a request may have is in the tables
`twilio_rest` and `telnyx_accounts` of `emulator.facts`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from aiohttp import web

from emulator.account import Account, Application, OwnNumber
from emulator.carriers.credentials import Credentials
from emulator.carriers.telnyx import rest as rest_telnyx
from emulator.carriers.telnyx.rest import TelnyxRest
from emulator.carriers.twilio import rest as rest_twilio
from emulator.carriers.twilio.rest import TwilioRest
from emulator.carriers.twilio.wire import API_VERSION
from emulator.facts import requests
from emulator.rest import resources as resources
from emulator.rest.reading import DEFAULT_PAGE, LARGEST_PAGE, given_fields, seconds

T = TypeVar("T")

REQUESTS = requests("telnyx_accounts")
TELNYX_PAGE = 20


class AccountRoutes:
    """The routes of both carriers.

    Args:
        account: What is owned.
        credentials: Whose requests are taken.
        twilio: Lets Twilio's requests in.
        telnyx: Lets Telnyx's requests in.
    """

    def __init__(
        self, account: Account, credentials: Credentials, twilio: TwilioRest, telnyx: TelnyxRest
    ) -> None:
        """Serve nothing yet."""
        self._account = account
        self._credentials = credentials
        self._twilio = twilio
        self._telnyx = telnyx

    def routes(self) -> list[web.RouteDef]:
        """For the application."""
        twilio = f"/{API_VERSION}/Accounts/{{account}}"
        return [
            web.get(f"{twilio}.json", self._fetch_account),
            web.get(f"{twilio}/IncomingPhoneNumbers.json", self._list_numbers),
            web.get(f"{twilio}/OutgoingCallerIds.json", self._list_caller_ids),
            web.get(f"{twilio}/Applications/{{application}}.json", self._fetch_application),
            web.get("/v1/DialingPermissions/Countries", self._list_countries),
            web.get("/v2/whoami", self._whoami),
            web.get("/v2/phone_numbers", self._telnyx_numbers),
            web.get("/v2/phone_numbers/voice", self._voice_settings),
            web.get("/v2/texml_applications/{id}", self._texml_application),
            web.get("/v2/call_control_applications/{id}", self._voice_application),
            web.get("/v2/connections/{id}", self._connection),
            web.get("/v2/outbound_voice_profiles/{id}", self._profile),
            web.get("/v2/verified_numbers/{id}", self._verified_number),
        ]

    # Twilio

    async def _fetch_account(self, request: web.Request) -> web.Response:
        if not self._twilio.by_token(request):
            return rest_twilio.error(401, 20003, "Authenticate")
        sid = self._credentials.twilio_account_sid
        if request.match_info["account"] != sid:
            return rest_twilio.not_found(request)
        return web.json_response(
            {
                "auth_token": "[Redacted]",
                "date_created": "Mon, 01 Jan 2024 00:00:00 +0000",
                "date_updated": "Mon, 01 Jan 2024 00:00:00 +0000",
                "friendly_name": "Emulated",
                "owner_account_sid": sid,
                "sid": sid,
                "status": self._account.status,
                "subresource_uris": {},
                "type": "Trial" if self._account.trial else "Full",
                "uri": f"/{API_VERSION}/Accounts/{sid}.json",
            }
        )

    async def _list_numbers(self, request: web.Request) -> web.Response:
        return await self._page(
            request, "list_numbers", "incoming_phone_numbers", self._account.numbers, _number_of, self._number
        )

    async def _list_caller_ids(self, request: web.Request) -> web.Response:
        return await self._page(
            request, "list_caller_ids", "outgoing_caller_ids", self._account.verified, str, self._caller_id
        )

    async def _fetch_application(self, request: web.Request) -> web.Response:
        if (refusal := self._twilio.account_refusal(request)) is not None:
            return refusal
        application = self._account.application(request.match_info["application"], "twiml")
        if application is None:
            return rest_twilio.not_found(request)
        return web.json_response(
            {
                "sid": application.id,
                "account_sid": self._credentials.twilio_account_sid,
                "api_version": API_VERSION,
                "friendly_name": "Emulated",
                "voice_url": application.url or None,
                "voice_method": application.method,
                "voice_fallback_url": application.fallback or None,
                "voice_fallback_method": application.fallback_method,
                "status_callback": application.status or None,
                "status_callback_method": "POST",
            }
        )

    async def _list_countries(self, request: web.Request) -> web.Response:
        if (refusal := self._twilio.credentials_refusal(request)) is not None:
            return refusal
        query = await self._twilio.read(request, "list_countries")
        if isinstance(query, web.Response):
            return query
        found = [
            resources.country(one)
            for one in self._account.countries
            if query.get("IsoCode", one.iso) == one.iso
            and query.get("Continent", one.continent) == one.continent
            and query.get("CountryCode", one.code) in (one.code, one.code.removeprefix("+"))
            and query.get("LowRiskNumbersEnabled", _flag(one.enabled)) == _flag(one.enabled)
            and query.get("HighRiskSpecialNumbersEnabled", "false") == "false"
            and query.get("HighRiskTollfraudNumbersEnabled", "false") == "false"
        ]
        size = int(query.get("PageSize", DEFAULT_PAGE))
        number = int(query.get("Page", 0))
        following = str(request.url.update_query(Page=str(number + 1), PageSize=str(size)))
        meta = {
            "key": "content",
            "page": number,
            "page_size": size,
            "url": str(request.url),
            "first_page_url": str(request.url.update_query(Page="0", PageSize=str(size))),
            "next_page_url": following if (number + 1) * size < len(found) else None,
            "previous_page_url": None,
        }
        return web.json_response({"content": found[number * size : (number + 1) * size], "meta": meta})

    async def _page(
        self,
        request: web.Request,
        kind: str,
        name: str,
        owned: list[Any],
        number_of: Callable[[Any], str],
        resource: Callable[[Any], dict[str, Any]],
    ) -> web.Response:
        if (refusal := self._twilio.account_refusal(request)) is not None:
            return refusal
        query = await self._twilio.read(request, kind)
        if isinstance(query, web.Response):
            return query
        wanted = [one for one in owned if request.query.get("PhoneNumber", number_of(one)) == number_of(one)]
        size = int(seconds(request.query.get("PageSize"), DEFAULT_PAGE, 1, LARGEST_PAGE))
        number = int(seconds(request.query.get("Page"), 0, 0, 10**6))
        shown = wanted[number * size : (number + 1) * size]
        more = (number + 1) * size < len(wanted)
        following = request.rel_url.update_query(Page=str(number + 1), PageSize=str(size))
        return web.json_response(
            {
                name: [resource(one) for one in shown],
                "page": number,
                "page_size": size,
                "start": number * size,
                "end": number * size + max(0, len(shown) - 1),
                "uri": str(request.rel_url),
                "first_page_uri": str(request.rel_url.update_query(Page="0", PageSize=str(size))),
                "next_page_uri": str(following) if more else None,
                "previous_page_uri": None,
            }
        )

    def _number(self, own: OwnNumber) -> dict[str, Any]:
        return {
            "sid": "PN" + own.number.removeprefix("+").zfill(32),
            "account_sid": self._credentials.twilio_account_sid,
            "phone_number": own.number,
            "friendly_name": own.number,
            "voice_url": own.url,
            "voice_method": own.method,
            "voice_fallback_url": own.fallback,
            "voice_fallback_method": own.fallback_method,
            "voice_application_sid": own.application,
            "trunk_sid": own.trunk or None,
            "voice_receive_mode": own.receives,
            "status_callback": own.status,
            "status_callback_method": own.status_method,
            "capabilities": {"voice": own.voice, "sms": False, "mms": False, "fax": False},
        }

    def _caller_id(self, number: str) -> dict[str, Any]:
        return {
            "sid": "PN" + number.removeprefix("+").zfill(32),
            "account_sid": self._credentials.twilio_account_sid,
            "friendly_name": number,
            "phone_number": number,
        }

    # Telnyx

    async def _refusal(self, request: web.Request, kind: str = "fetch") -> web.Response | None:
        """Why a request is refused; None when it is not."""
        if not self._telnyx.bearer(request):
            return rest_telnyx.unauthorized()
        given = await given_fields(request)
        if (found := REQUESTS[kind].form_violation(given)) is not None:
            return rest_telnyx.violated(found)
        if unknown := REQUESTS[kind].unknown(given):
            detail = f"There is no parameter {unknown[0][:40]}"
            return rest_telnyx.error(400, "10015", "Bad Request", detail)
        return None

    async def _whoami(self, request: web.Request) -> web.Response:
        if (refusal := await self._refusal(request)) is not None:
            return refusal
        data = {
            "user_id": "00000000-0000-4000-8000-00000000000a",
            "organization_id": self._credentials.telnyx_account_id,
        }
        return web.json_response({"data": data})

    async def _telnyx_numbers(self, request: web.Request) -> web.Response:
        return await self._telnyx_page(request, "list_numbers", resources.phone_number)

    async def _voice_settings(self, request: web.Request) -> web.Response:
        return await self._telnyx_page(request, "list_voice_settings", resources.number_with_settings)

    async def _telnyx_page(
        self, request: web.Request, kind: str, resource: Callable[[OwnNumber], dict[str, Any]]
    ) -> web.Response:
        if (refusal := await self._refusal(request, kind)) is not None:
            return refusal
        wanted = request.query.get("filter[phone_number]", "")
        # "Non-numerical characters will result in no values being returned."
        owned = [
            own for own in self._account.numbers if wanted in own.number and (not wanted or wanted.isdigit())
        ]
        size = int(request.query.get("page[size]", TELNYX_PAGE))
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
        return await self._one(request, self._application_of(request, "texml"), resources.texml_application)

    async def _voice_application(self, request: web.Request) -> web.Response:
        return await self._one(
            request, self._application_of(request, "call_control"), resources.voice_application
        )

    async def _connection(self, request: web.Request) -> web.Response:
        id_ = request.match_info["id"]
        found = [one for one in self._account.applications if one.id == id_ and one.kind != "twiml"]
        return await self._one(request, next(iter(found), None), resources.connection)

    async def _profile(self, request: web.Request) -> web.Response:
        id_ = request.match_info["id"]
        found = next((one for one in self._account.profiles if one.id == id_), None)
        return await self._one(request, found, resources.voice_profile)

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
        if (refusal := await self._refusal(request)) is not None:
            return refusal
        return _missing() if found is None else web.json_response({"data": resource(found)})


def _number_of(own: OwnNumber) -> str:
    return own.number


def _missing() -> web.Response:
    return rest_telnyx.error(404, "10005", "Resource not found", "The requested resource does not exist")


def _flag(value: bool) -> str:
    return str(value).lower()
