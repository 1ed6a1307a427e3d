"""Which calls of a Telnyx application are up.

Sources: telnyx SDK, `resources/connections.py` ("Lists all active calls for given connection. Acceptable connections
are either SIP connections with webhook_url or xml_request_url, call control or texml") and
`types/connection_list_active_calls_response.py`, which has no numbers and no direction. TeXML's own list of calls has
no filter for those that are up (`types/texml/accounts/call_retrieve_calls_params.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from carriers.carrier import CALL_CONTROL
from carriers.checks import Addresses, Configured, leads_here
from carriers.live_calls import LiveCall
from carriers.telnyx.calls import CALL_CONTROL_ID, TRANSFER_OF, read_client_state

if TYPE_CHECKING:
    from telnyx import AsyncTelnyx

Ask = Callable[[Callable[["AsyncTelnyx"], Awaitable[Any]]], Awaitable[Any]]

PAGE = 250
MOST_PAGES = 40


async def live_calls(ask: Ask, connection_id: str, mode: str, ours: Addresses) -> list[LiveCall]:
    """See `carriers.live_calls.ListsLiveCalls`; all calls of an application are ours if its address is.

    Args:
        ask: Asks Telnyx once.
        connection_id: The application.
        mode: `CALL_CONTROL` or `MARKUP`: of which kind it is.
        ours: Our addresses.

    Raises:
        CallNotFound: The application is of the other kind, or does not exist.
        CarrierError: Telnyx did not say.
    """
    if not await _leads_here(ask, connection_id, mode, ours):
        return []
    up = [
        call
        for call in await _listed(ask, connection_id)
        if call.call_control_id and CALL_CONTROL_ID.fullmatch(call.call_control_id)
    ]
    legs = Counter(call.call_session_id for call in up)
    found = []
    for call in up:
        state = read_client_state(call.client_state)
        if legs[call.call_session_id] > 1 or TRANSFER_OF in state:
            continue
        agent = state.get("agent")
        found.append(LiveCall(call.call_control_id, agent=agent if isinstance(agent, str) else None))
    return found


async def _leads_here(ask: Ask, connection_id: str, mode: str, ours: Addresses) -> bool:
    if mode == CALL_CONTROL:
        application = (
            await ask(lambda client: client.call_control_applications.retrieve(connection_id))
        ).data
        return leads_here(
            Configured("", application and application.webhook_event_url, None, ours.events or "")
        )
    application = (await ask(lambda client: client.texml_applications.retrieve(connection_id))).data
    return leads_here(Configured("", application and application.voice_url, None, ours.voice))


async def _listed(ask: Ask, connection_id: str) -> list[Any]:
    found: list[Any] = []
    for number in range(1, MOST_PAGES + 1):
        page = await ask(_page(connection_id, number))
        found += page.data or []
        if len(page.data or []) < PAGE:
            break
    return found


def _page(connection_id: str, number: int) -> Callable[[AsyncTelnyx], Awaitable[Any]]:
    async def ask(client: AsyncTelnyx) -> Any:
        return await client.connections.list_active_calls(connection_id, page_number=number, page_size=PAGE)

    return ask
