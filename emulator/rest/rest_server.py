"""The carriers' REST interfaces on localhost: one server for all of them, and for the network's extra routes."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from emulator.legs.exchange import Exchange
from emulator.line.impairments import under_way
from emulator.requests import Handler
from emulator.rest.fields import form_of
from emulator.rest.refused import answer_refusals


def rest_url(port: int) -> str:
    """Base URL of a network's REST server, for example `http://127.0.0.1:9321`."""
    return f"http://127.0.0.1:{port}"


class RestServer:
    """The REST servers of all carriers on one port.

    Args:
        exchange: The network's inside.
        routes: What is served. A route whose path has `{call}` is written down on that call's timeline.
        port: Port on 127.0.0.1; 0 picks a free one.
    """

    def __init__(self, exchange: Exchange, routes: Iterable[web.RouteDef], *, port: int = 0) -> None:
        """Set up the routes; `start` listens."""
        self.port = port
        self._exchange = exchange
        app = web.Application(
            middlewares=[self._on_its_way, exchange.faults.rest, self._write_down, answer_refusals]
        )
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
            too_early = self._exchange.dialect.too_early
            if over or (too_early and f'"{too_early}"' in detail):
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
