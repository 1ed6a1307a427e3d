"""Twilio's webhooks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from carriers.carrier import WebhookError
from carriers.twilio import TwilioCarrier
from web.answering import after_stream, answer_call, take_status
from web.service import Service, service_of
from web.webhooks import read_webhook, xml

router = APIRouter(prefix="/twilio")

TheService = Annotated[Service, Depends(service_of)]


@router.api_route("/voice", methods=["GET", "POST"])
async def voice(request: Request, service: TheService) -> Response:
    """What to do with a call: `A call comes in` of a number, with `?agent=NAME` for another agent."""
    carrier = TwilioCarrier.from_settings(service.settings)
    webhook = await read_webhook(request, service, carrier)
    try:
        incoming = carrier.parse_incoming(webhook.fields)
    except WebhookError as error:
        raise HTTPException(400, str(error)) from None
    return xml(answer_call(service, carrier, incoming, webhook.query))


@router.api_route("/connect-ended", methods=["GET", "POST"])
async def connect_ended(request: Request, service: TheService) -> Response:
    """What comes after the media stream: the `action` of `<Connect>`."""
    carrier = TwilioCarrier.from_settings(service.settings)
    webhook = await read_webhook(request, service, carrier)
    try:
        update = carrier.parse_status(webhook.fields)
    except WebhookError as error:
        raise HTTPException(400, str(error)) from None
    return xml(after_stream(service, carrier, update, trusted=webhook.trusted))


@router.api_route("/status", methods=["GET", "POST"])
async def status(request: Request, service: TheService) -> Response:
    """Where a call stands: `Call status changes` of a number."""
    carrier = TwilioCarrier.from_settings(service.settings)
    webhook = await read_webhook(request, service, carrier)
    try:
        take_status(service, carrier, carrier.parse_status(webhook.fields))
    except WebhookError as error:
        raise HTTPException(400, str(error)) from None
    return Response(status_code=204)
