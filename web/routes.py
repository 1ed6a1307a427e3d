"""A carrier's webhooks, the same for each carrier: requests for instructions, callbacks, and events.

What vouches for a request is its signature, or the secret part of its address. A carrier that signs addresses needs no
secret parts. Others may leave requests for instructions unsigned, so the addresses that are printed for them at the
start have a key in their path (`/NAME/voice/KEY`, `/NAME/fallback/KEY`), and those that we gave out for one call have
one in their query (`?call=...&address_key=...`), which is good for this call and this route only. Their signatures are
not over the address, so also with one an address is believed to be about a call only by its key. A wrong signature is
refused everywhere, and what was signed for one address at every other (`web.deliveries`). Events are always signed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response

from carriers.carrier import CALL_CONTROL, DocumentCarrier, WebhookError, runs_commands, runs_documents
from carriers.descriptor import CarrierDescriptor
from desk.answering import after_stream, answer_call
from desk.fallback import fall_back
from desk.keys import PASTED
from desk.leg_events import take_event
from desk.message_box import after_message
from desk.reported import take_machine_result, take_recording, take_status
from desk.transfers import after_transfer, parse_transfer_result, transfer_answered
from web.web_service import TheService, WebService
from web.webhooks import Webhook, document_for, parsed, read_webhook

METHODS = ["GET", "POST"]


def webhook_router(descriptor: CarrierDescriptor[Any]) -> APIRouter:
    """The routes of one carrier.

    Args:
        descriptor: The carrier.
    """
    routes = _Routes(descriptor)
    router = APIRouter(prefix=f"/{descriptor.name}")
    for path, route in {
        "voice": routes.voice,
        "fallback": routes.fallback,
        "connect-ended": routes.connect_ended,
        "transfer": routes.transfer,
        "transfer-answered": routes.transfer_answered,
        "status": routes.status,
        "amd": routes.amd,
        "recording": routes.recording,
        "message": routes.message,
    }.items():
        router.add_api_route(f"/{path}", route, methods=METHODS)
        if path in PASTED and not descriptor.signs_addresses:
            router.add_api_route(f"/{path}/{{key}}", route, methods=METHODS)
    if descriptor.sends_events:
        router.add_api_route("/events", routes.events, methods=["POST"])
    return router


class _Routes:
    def __init__(self, descriptor: CarrierDescriptor[Any]):
        self._descriptor = descriptor

    async def voice(self, request: Request, service: TheService) -> Response:
        """What to do with a call: the voice address of a number or an application, `?agent=NAME` for an agent."""
        carrier, webhook = await self._read(request, service, "voice")
        incoming = parsed(carrier.parse_incoming, webhook)
        return await self._instructions(
            webhook, lambda: answer_call(service, carrier, incoming, webhook.query)
        )

    async def fallback(self, request: Request, service: TheService) -> Response:
        """What to do with a call that got no document elsewhere: a carrier asks here when another address fails."""
        carrier, webhook = await self._read(request, service, "fallback")
        incoming = parsed(carrier.parse_incoming, webhook)
        return await self._instructions(
            webhook, lambda: fall_back(service, carrier, incoming, webhook.query, webhook.fields)
        )

    async def connect_ended(self, request: Request, service: TheService) -> Response:
        """What comes after the media stream."""
        carrier, webhook = await self._read(request, service, "connect-ended")
        update = parsed(carrier.parse_status, webhook)
        return await self._instructions(
            webhook,
            lambda: after_stream(service, carrier, update, webhook.call_id, trusted=webhook.trusted),
        )

    async def transfer(self, request: Request, service: TheService) -> Response:
        """How a transfer went, by dialling or by REFER, and what comes after it."""
        carrier, webhook = await self._read(request, service, "transfer")
        try:
            result = parse_transfer_result(carrier, webhook.fields)
        except WebhookError as error:
            raise HTTPException(400, str(error)) from None
        line = carrier.parse_status(webhook.fields)
        return await self._instructions(
            webhook,
            lambda: after_transfer(service, carrier, result, line, webhook.call_id, trusted=webhook.trusted),
        )

    async def transfer_answered(self, request: Request, service: TheService) -> Response:
        """The destination of a transfer has answered."""
        carrier, webhook = await self._read(request, service, "transfer-answered")
        await transfer_answered(service, carrier, parsed(carrier.parse_status, webhook), webhook.call_id)
        return self._taken()

    async def status(self, request: Request, service: TheService) -> Response:
        """Where a call stands: one that came in, or one of ours."""
        carrier, webhook = await self._read(request, service, "status")
        update = parsed(carrier.parse_status, webhook)
        await take_status(service, carrier.name, update, webhook.call_id, trusted=webhook.trusted)
        return self._taken()

    async def amd(self, request: Request, service: TheService) -> Response:
        """Who, or what, has answered a call of ours."""
        carrier, webhook = await self._read(request, service, "amd")
        result = parsed(carrier.parse_machine_detection, webhook)
        await take_machine_result(service, carrier.name, result, webhook.call_id, trusted=webhook.trusted)
        return self._taken()

    async def recording(self, request: Request, service: TheService) -> Response:
        """What became of a recording."""
        carrier, webhook = await self._read(request, service, "recording")
        update = parsed(carrier.parse_recording, webhook)
        await take_recording(service, carrier.name, update, webhook.call_id, trusted=webhook.trusted)
        return self._taken()

    async def message(self, request: Request, service: TheService) -> Response:
        """What comes after a message that the carrier has recorded of a caller for whom there was no room."""
        carrier, webhook = await self._read(request, service, "message")
        told = parsed(carrier.parse_message, webhook)
        return await self._instructions(
            webhook, lambda: after_message(service, carrier, told, webhook.call_id, trusted=webhook.trusted)
        )

    async def events(self, request: Request, service: TheService) -> Response:
        """An event of a call that is run by commands: the address of an application, `?agent=NAME` for an agent."""
        carrier = self._descriptor.carrier(service.settings, CALL_CONTROL)
        assert runs_commands(carrier)
        webhook = await read_webhook(request, service, carrier, purpose="events", is_event=True)
        try:
            event = carrier.parse_event(webhook.request.body)
        except WebhookError as error:
            raise HTTPException(400, str(error)) from None
        await take_event(service, carrier, event, webhook.query, webhook.call_id)
        return self._taken()

    async def _read(
        self, request: Request, service: WebService, route: str
    ) -> tuple[DocumentCarrier, Webhook]:
        carrier = self._descriptor.carrier(service.settings)
        assert runs_documents(carrier)
        purpose = None if self._descriptor.signs_addresses else route
        return carrier, await read_webhook(request, service, carrier, purpose=purpose)

    async def _instructions(self, webhook: Webhook, make: Callable[[], Awaitable[str]]) -> Response:
        document = await document_for(webhook, make)
        headers = {"Cache-Control": "no-store"}
        return Response(document, media_type=self._descriptor.document_type, headers=headers)

    def _taken(self) -> Response:
        return Response(status_code=self._descriptor.callback_status)
