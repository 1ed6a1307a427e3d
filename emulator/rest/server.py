"""The carriers' REST interfaces on localhost: one server for both, and for whatever else is to be served.

The routes are in `emulator.carriers.twilio.rest` and `emulator.carriers.telnyx.rest`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from emulator.account import Account
from emulator.carriers.credentials import Credentials
from emulator.carriers.telnyx.control.call_control import CallControl
from emulator.carriers.telnyx.control.refusals import TOO_EARLY
from emulator.carriers.telnyx.rest import TelnyxRest
from emulator.carriers.twilio.rest import TwilioRest
from emulator.legs.exchange import Exchange
from emulator.line.impairments import under_way
from emulator.rest.accounts import AccountRoutes
from emulator.rest.reading import form_of
from emulator.rest.recordings import RecordingRoutes

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def rest_url(port: int) -> str:
    """Base URL of a network's REST server, for example `http://127.0.0.1:9321`."""
    return f"http://127.0.0.1:{port}"


class RestServer:
    """Both carriers' REST servers on one port.

    Args:
        credentials: Whose requests are taken.
        exchange: The network's inside.
        port: Port on 127.0.0.1; 0 picks a free one.
        texml_call_ids: Whether the answer to a new TeXML call names it.
        extra_routes: More routes; they come first, so they can also replace one of these. A route whose path has
            `{call}` is written down on that call's timeline.
        control: Telnyx's Call Control, where it is offered.
        account: What the account owns; nothing when not given.
    """

    def __init__(
        self,
        credentials: Credentials,
        exchange: Exchange,
        *,
        port: int = 0,
        texml_call_ids: bool = False,
        extra_routes: Sequence[web.RouteDef] = (),
        control: CallControl | None = None,
        account: Account | None = None,
    ) -> None:
        """Set up the routes; `start` listens."""
        self.port = port
        self._exchange = exchange
        app = web.Application(middlewares=[self._on_its_way, exchange.faults.rest, self._write_down])
        app.add_routes(extra_routes)
        twilio = TwilioRest(credentials, exchange)
        telnyx = TelnyxRest(credentials, exchange, control, texml_call_ids=texml_call_ids)
        recordings = RecordingRoutes(exchange, twilio, telnyx)
        accounts = AccountRoutes(account or Account(), credentials, twilio, telnyx)
        for routes in (twilio.routes(), telnyx.routes(), recordings.routes(), accounts.routes()):
            app.add_routes(routes)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)

    @property
    def url(self) -> str:
        """Base URL."""
        return rest_url(self.port)

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: The port is taken.
        """
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]
        self._exchange.rest_base = self.url

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    @web.middleware
    async def _on_its_way(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A request takes its time, and so does its answer."""
        there, back = self._exchange.faults.impairments.rest()
        with self._exchange.clock.real_time():
            await under_way(there)
            response = await handler(request)
            await under_way(back)
        return response

    @web.middleware
    async def _write_down(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Every request is on its call's timeline; a refusal is an error, unless the call was over, or too young."""
        call = self._exchange.find(request.match_info.get("call", ""))
        if call is None:
            return await handler(request)
        what = f"{request.method} {'…'.join(request.path.split(call.leg.call_id))}{await _named(request)}"
        call.timeline.note("rest", what)
        over = call.leg.ended
        response = await handler(request)
        if response.status >= 400:
            detail = (response.text or "") if isinstance(response, web.Response) else ""
            text = f"REST {what} -> {response.status} {detail}"
            if over or f'"{TOO_EARLY}"' in detail:
                call.timeline.note("rest", text)
            else:
                call.fail(text)
        return response


async def _named(request: web.Request) -> str:
    """The fields of a request for the timeline: short values as they are, long ones by their length."""
    if request.method == "GET":
        return ""
    fields = await form_of(request)
    return "".join(f" {name}={_shown(fields[name])}" for name in sorted(fields))


def _shown(value: str) -> str:
    return value if len(value) <= 24 else f"({len(value)} characters)"
