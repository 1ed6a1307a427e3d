"""Twilio's REST interface to the account: who the credentials belong to, its numbers, applications and countries.

Sources: Twilio's OpenAPI files (api_v2010: FetchAccount, ListIncomingPhoneNumber, ListOutgoingCallerId,
FetchApplication; voice_v1: ListDialingPermissionsCountry) and docs, iam/api-keys (a standard key may not read the
account). What a request may have is in the table `twilio_rest` of `emulator.facts`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from emulator.account import Account, Country, OwnNumber
from emulator.carriers.credentials import Credentials
from emulator.carriers.twilio.dialect import API_VERSION
from emulator.carriers.twilio.rest import TwilioRefused, TwilioRest, not_found
from emulator.rest.fields import seconds
from emulator.rest.paging import DEFAULT_PAGE, LARGEST_PAGE


class TwilioAccount:
    """The routes.

    Args:
        account: What is owned.
        credentials: Whose requests are taken.
        rest: Checks the credentials of requests.
    """

    def __init__(self, account: Account, credentials: Credentials, rest: TwilioRest) -> None:
        """Serve nothing yet."""
        self._account = account
        self._credentials = credentials
        self._rest = rest

    def routes(self) -> list[web.RouteDef]:
        """The routes, for the aiohttp application."""
        account = f"/{API_VERSION}/Accounts/{{account}}"
        return [
            web.get(f"{account}.json", self._fetch_account),
            web.get(f"{account}/IncomingPhoneNumbers.json", self._list_numbers),
            web.get(f"{account}/OutgoingCallerIds.json", self._list_caller_ids),
            web.get(f"{account}/Applications/{{application}}.json", self._fetch_application),
            web.get("/v1/DialingPermissions/Countries", self._list_countries),
        ]

    async def _fetch_account(self, request: web.Request) -> web.Response:
        if not self._rest.by_token(request):
            raise TwilioRefused(401, 20003, "Authenticate")
        sid = self._credentials.twilio_account_sid
        if request.match_info["account"] != sid:
            raise not_found(request)
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
        self._rest.let_in_to_account(request)
        application = self._account.application(request.match_info["application"], "twiml")
        if application is None:
            raise not_found(request)
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
        self._rest.let_in(request)
        query = await self._rest.read(request, "list_countries")
        found = [
            _country(one)
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
        self._rest.let_in_to_account(request)
        await self._rest.read(request, kind)
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


def _number_of(own: OwnNumber) -> str:
    return own.number


def _flag(value: bool) -> str:
    return str(value).lower()


def _country(one: Country) -> dict[str, Any]:
    """What the account may dial in a country."""
    return {
        "iso_code": one.iso,
        "name": one.name,
        "continent": one.continent,
        "country_codes": [one.code],
        "low_risk_numbers_enabled": one.enabled,
        "high_risk_special_numbers_enabled": False,
        "high_risk_tollfraud_numbers_enabled": False,
        "url": f"https://voice.twilio.com/v1/DialingPermissions/Countries/{one.iso}",
        "links": {},
    }
