"""Twilio's webhooks. Each address that we give out says by `?call=` which call it is about."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response

from carriers.carrier import WebhookError
from carriers.twilio.carrier import TwilioCarrier
from desk.answering import after_stream, answer_call
from desk.fallback import fall_back
from desk.reported import take_machine_result, take_recording, take_status
from desk.transfers import after_transfer, parse_transfer_result, transfer_answered
from web.web_service import TheService
from web.webhooks import parsed, read_webhook, xml

router = APIRouter(prefix="/twilio")

METHODS = ["GET", "POST"]


@router.api_route("/voice", methods=METHODS)
async def voice(request: Request, service: TheService) -> Response:
    """What to do with a call: `A call comes in` of a number, with `?agent=NAME` for another agent."""
    carrier = TwilioCarrier.from_settings(service.settings)
    webhook = await read_webhook(request, service, carrier)
    incoming = parsed(carrier.parse_incoming, webhook)
    return xml(await answer_call(service, carrier, incoming, webhook.query))


@router.api_route("/fallback", methods=METHODS)
async def fallback(request: Request, service: TheService) -> Response:
    """What to do with a call that got no document elsewhere: `Primary handler fails` of a number."""
    carrier = TwilioCarrier.from_settings(service.settings)
    webhook = await read_webhook(request, service, carrier)
    incoming = parsed(carrier.parse_incoming, webhook)
    return xml(await fall_back(service, carrier, incoming, webhook.query, webhook.fields))


@router.api_route("/connect-ended", methods=METHODS)
async def connect_ended(request: Request, service: TheService) -> Response:
    """What comes after the media stream: the `action` of `<Connect>`."""
    carrier = TwilioCarrier.from_settings(service.settings)
    webhook = await read_webhook(request, service, carrier)
    update = parsed(carrier.parse_status, webhook)
    return xml(await after_stream(service, carrier, update, webhook.call_id, trusted=webhook.trusted))


@router.api_route("/transfer", methods=METHODS)
async def transfer(request: Request, service: TheService) -> Response:
    """How a transfer went, and what comes after it: the `action` of `<Dial>` and of `<Refer>`."""
    carrier = TwilioCarrier.from_settings(service.settings)
    webhook = await read_webhook(request, service, carrier)
    try:
        result = parse_transfer_result(carrier, webhook.fields)
    except WebhookError as error:
        raise HTTPException(400, str(error)) from None
    line = carrier.parse_status(webhook.fields)
    return xml(await after_transfer(service, carrier, result, line, webhook.call_id, trusted=webhook.trusted))


@router.api_route("/transfer-answered", methods=METHODS)
async def answered(request: Request, service: TheService) -> Response:
    """The destination of a transfer has answered: the `statusCallback` of `<Number>` and `<Sip>`."""
    carrier = TwilioCarrier.from_settings(service.settings)
    webhook = await read_webhook(request, service, carrier)
    await transfer_answered(service, carrier, parsed(carrier.parse_status, webhook), webhook.call_id)
    return Response(status_code=204)


@router.api_route("/status", methods=METHODS)
async def status(request: Request, service: TheService) -> Response:
    """Where a call stands: `Call status changes` of a number, and `StatusCallback` of a call of ours."""
    carrier = TwilioCarrier.from_settings(service.settings)
    webhook = await read_webhook(request, service, carrier)
    update = parsed(carrier.parse_status, webhook)
    await take_status(service, carrier.name, update, webhook.call_id, trusted=webhook.trusted)
    return Response(status_code=204)


@router.api_route("/amd", methods=METHODS)
async def amd(request: Request, service: TheService) -> Response:
    """Who, or what, has answered a call of ours: `AsyncAmdStatusCallback`."""
    carrier = TwilioCarrier.from_settings(service.settings)
    webhook = await read_webhook(request, service, carrier)
    result = parsed(carrier.parse_machine_detection, webhook)
    await take_machine_result(service, carrier.name, result, webhook.call_id, trusted=webhook.trusted)
    return Response(status_code=204)


@router.api_route("/recording", methods=METHODS)
async def recording(request: Request, service: TheService) -> Response:
    """What became of a recording: `RecordingStatusCallback`."""
    carrier = TwilioCarrier.from_settings(service.settings)
    webhook = await read_webhook(request, service, carrier)
    update = parsed(carrier.parse_recording, webhook)
    await take_recording(service, carrier.name, update, webhook.call_id, trusted=webhook.trusted)
    return Response(status_code=204)
