"""Telnyx's list of the calls that are up on a connection.

Sources: the published client library (telnyx 4.189, `resources/connections.py`: "Lists all active calls for given
connection. Acceptable connections are either SIP connections with webhook_url or xml_request_url, call control or
texml"; `types/connection_list_active_calls_response.py`). Not documented, and the harsher reading here: a leg that
rings is active, too, and the list is as late as the other ones.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from emulator.account import Account
from emulator.carriers.telnyx.control.command_errors import CommandRefused
from emulator.carriers.telnyx.rest import TelnyxRest, violated
from emulator.facts import requests
from emulator.legs.exchange import Exchange
from emulator.legs.leg import Leg
from emulator.rest.fields import given_fields

REQUEST = requests("telnyx_accounts")["list_active_calls"]
PAGE = 20


class TelnyxActiveCalls:
    """The route.

    Args:
        account: What is owned.
        exchange: The network's inside.
        rest: Checks the credentials of requests.
    """

    def __init__(self, account: Account, exchange: Exchange, rest: TelnyxRest) -> None:
        """Serve nothing yet."""
        self._account = account
        self._exchange = exchange
        self._rest = rest

    def routes(self) -> list[web.RouteDef]:
        """The routes, for the aiohttp application."""
        return [web.get("/v2/connections/{id}/active_calls", self._list)]

    async def _list(self, request: web.Request) -> web.Response:
        self._rest.let_in(request)
        given = await given_fields(request)
        if (found := REQUEST.form_violation(given)) is not None:
            raise violated(found)
        if unknown := REQUEST.unknown(given):
            raise CommandRefused("10015", f"There is no parameter {unknown[0][:40]}")
        id_ = request.match_info["id"]
        if not any(one.id == id_ and one.kind != "twiml" for one in self._account.applications):
            raise CommandRefused("10005", "The requested resource does not exist")
        up = [leg for leg in self._exchange.listed if leg.connection_id == id_ and not leg.ended]
        size = int(request.query.get("page[size]", PAGE))
        number = int(request.query.get("page[number]", 1))
        shown = [_active_call(leg) for leg in up[(number - 1) * size : number * size]]
        meta = {
            "total_items": len(up),
            "cursors": {"after": None, "before": None},
            "next": None,
            "previous": None,
        }
        return web.json_response({"data": shown, "meta": meta})


def _active_call(leg: Leg) -> dict[str, Any]:
    return {
        "record_type": "call",
        "call_control_id": leg.call_id,
        "call_leg_id": leg.leg_id,
        "call_session_id": leg.session_id,
        "client_state": leg.client_state or "",
        "call_duration": leg.duration_secs,
    }
