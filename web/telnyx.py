"""Telnyx's webhooks: TeXML's requests for instructions and callbacks, and Call Control's events.

Telnyx documents that TeXML callbacks are signed, but not whether requests for instructions are. So `voice`
and `connect-ended` may come unsigned when Telnyx is configured at all; a wrong signature is refused
everywhere.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from loguru import logger

from carriers.carrier import WebhookError
from carriers.telnyx import TelnyxCarrier
from web.answering import after_stream, answer_call, take_status
from web.service import Service, service_of
from web.webhooks import read_webhook, xml

router = APIRouter(prefix="/telnyx")

TheService = Annotated[Service, Depends(service_of)]


@router.api_route("/voice", methods=["GET", "POST"])
async def voice(request: Request, service: TheService) -> Response:
    """What to do with a call: the webhook address of a TeXML application, `?agent=NAME` for an agent."""
    carrier = TelnyxCarrier.from_settings(service.settings)
    webhook = await read_webhook(request, service, carrier, may_be_unsigned=_is_configured(carrier))
    try:
        incoming = carrier.parse_incoming(webhook.fields)
    except WebhookError as error:
        raise HTTPException(400, str(error)) from None
    return xml(answer_call(service, carrier, incoming, webhook.query))


@router.api_route("/connect-ended", methods=["GET", "POST"])
async def connect_ended(request: Request, service: TheService) -> Response:
    """What comes after the media stream: the `<Redirect>` behind `<Connect>`."""
    carrier = TelnyxCarrier.from_settings(service.settings)
    webhook = await read_webhook(request, service, carrier, may_be_unsigned=_is_configured(carrier))
    try:
        update = carrier.parse_status(webhook.fields)
    except WebhookError as error:
        raise HTTPException(400, str(error)) from None
    return xml(after_stream(service, carrier, update, trusted=webhook.trusted))


@router.api_route("/status", methods=["GET", "POST"])
async def status(request: Request, service: TheService) -> Response:
    """Where a call stands: the status callback of a TeXML application."""
    carrier = TelnyxCarrier.from_settings(service.settings)
    webhook = await read_webhook(request, service, carrier)
    try:
        take_status(service, carrier, carrier.parse_status(webhook.fields))
    except WebhookError as error:
        raise HTTPException(400, str(error)) from None
    # TeXML callbacks must get exactly 200. Source: Telnyx docs, API reference, TeXML callbacks.
    return Response()


@router.post("/events")
async def events(request: Request, service: TheService) -> Response:
    """A Call Control event: the webhook address of a Voice API application."""
    carrier = TelnyxCarrier.from_settings(service.settings)
    webhook = await read_webhook(request, service, carrier, is_form=False)
    try:
        event = carrier.parse_event(webhook.request.body)
    except WebhookError as error:
        raise HTTPException(400, str(error)) from None
    if service.events_seen.seen(event.event_id):
        return Response()
    incoming = event.incoming
    call = service.store.find(carrier.name, event.call_id) if event.call_id else None
    if call is None and incoming is not None:
        call = service.store.open(
            carrier=carrier.name,
            carrier_call_id=incoming.call_id,
            direction=incoming.direction,
            from_number=incoming.from_number,
            to_number=incoming.to_number,
        )
    if call is None:
        logger.debug("A Call Control event is for a call that is not known (any more)")
    elif event.status is not None:
        take_status(service, carrier, event.status)
    return Response()


def _is_configured(carrier: TelnyxCarrier) -> bool:
    return carrier.configured or carrier.public_key is not None
