"""Telnyx's webhooks: TeXML's requests for instructions and callbacks, and Call Control's events.

Telnyx documents that TeXML callbacks are signed, but not whether requests for instructions are; and these are GETs
unless a TeXML application says otherwise, of which nothing would be signed but a time. So what vouches for a request is
its signature over a body, or the secret part of its address: of the addresses that are printed at the start
(`/telnyx/voice/KEY`, `/telnyx/fallback/KEY`), or of one that we gave out for one call (`?call=...&address_key=...`),
which is good for this call and this route only. Telnyx's signature is not over the address, so also with one an address
is believed to be about a call only by its key. A wrong signature is refused everywhere, and what was signed for one
address at every other (`web.deliveries`). Events of Call Control are always signed.
"""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response

from carriers.carrier import WebhookError
from carriers.telnyx.call_control import TelnyxCallControl
from carriers.telnyx.carrier import TelnyxCarrier
from desk.answering import after_stream, answer_call
from desk.fallback import fall_back
from desk.keys import FALLBACK, VOICE
from desk.leg_events import take_event
from desk.reported import take_machine_result, take_recording, take_status
from desk.transfers import after_transfer, parse_transfer_result, transfer_answered
from web.web_service import TheService
from web.webhooks import instructions, parsed, read_webhook

router = APIRouter(prefix="/telnyx")

METHODS = ["GET", "POST"]


@router.api_route("/voice", methods=METHODS)
@router.api_route("/voice/{key}", methods=METHODS)
async def voice(request: Request, service: TheService) -> Response:
    """What to do with a call: the webhook address of a TeXML application, `?agent=NAME` for an agent."""
    carrier = TelnyxCarrier.from_settings(service.settings)
    webhook = await read_webhook(request, service, carrier, purpose=VOICE)
    incoming = parsed(carrier.parse_incoming, webhook)
    return await instructions(webhook, lambda: answer_call(service, carrier, incoming, webhook.query))


@router.api_route("/fallback", methods=METHODS)
@router.api_route("/fallback/{key}", methods=METHODS)
async def fallback(request: Request, service: TheService) -> Response:
    """What to do with a call that got no document elsewhere: the failover address of a TeXML application."""
    carrier = TelnyxCarrier.from_settings(service.settings)
    webhook = await read_webhook(request, service, carrier, purpose=FALLBACK)
    incoming = parsed(carrier.parse_incoming, webhook)
    return await instructions(
        webhook, lambda: fall_back(service, carrier, incoming, webhook.query, webhook.fields)
    )


@router.api_route("/connect-ended", methods=METHODS)
async def connect_ended(request: Request, service: TheService) -> Response:
    """What comes after the media stream: the `<Redirect>` behind `<Connect>`."""
    carrier = TelnyxCarrier.from_settings(service.settings)
    webhook = await read_webhook(request, service, carrier, purpose="connect-ended")
    update = parsed(carrier.parse_status, webhook)
    return await instructions(
        webhook, lambda: after_stream(service, carrier, update, webhook.call_id, trusted=webhook.trusted)
    )


@router.api_route("/transfer", methods=METHODS)
async def transfer(request: Request, service: TheService) -> Response:
    """How a transfer went, and what comes after it: the `action` of `<Dial>` and of `<Refer>`."""
    carrier = TelnyxCarrier.from_settings(service.settings)
    webhook = await read_webhook(request, service, carrier, purpose="transfer")
    try:
        result = parse_transfer_result(carrier, webhook.fields)
    except WebhookError as error:
        raise HTTPException(400, str(error)) from None
    line = carrier.parse_status(webhook.fields)
    return await instructions(
        webhook,
        lambda: after_transfer(service, carrier, result, line, webhook.call_id, trusted=webhook.trusted),
    )


# TeXML callbacks must get exactly 200. Source: Telnyx docs, API reference, TeXML callbacks.


@router.api_route("/transfer-answered", methods=METHODS)
async def answered(request: Request, service: TheService) -> Response:
    """The destination of a transfer has answered: the `statusCallback` of `<Number>`."""
    carrier = TelnyxCarrier.from_settings(service.settings)
    webhook = await read_webhook(request, service, carrier, purpose="transfer-answered")
    await transfer_answered(service, carrier, parsed(carrier.parse_status, webhook), webhook.call_id)
    return Response()


@router.api_route("/status", methods=METHODS)
async def status(request: Request, service: TheService) -> Response:
    """Where a call stands: the status callback of a TeXML application, and of a call of ours."""
    carrier = TelnyxCarrier.from_settings(service.settings)
    webhook = await read_webhook(request, service, carrier, purpose="status")
    update = parsed(carrier.parse_status, webhook)
    await take_status(service, carrier.name, update, webhook.call_id, trusted=webhook.trusted)
    return Response()


@router.api_route("/amd", methods=METHODS)
async def amd(request: Request, service: TheService) -> Response:
    """Who, or what, has answered a call of ours: `AsyncAmdStatusCallback`."""
    carrier = TelnyxCarrier.from_settings(service.settings)
    webhook = await read_webhook(request, service, carrier, purpose="amd")
    result = parsed(carrier.parse_machine_detection, webhook)
    await take_machine_result(service, carrier.name, result, webhook.call_id, trusted=webhook.trusted)
    return Response()


@router.api_route("/recording", methods=METHODS)
async def recording(request: Request, service: TheService) -> Response:
    """What became of a recording: `RecordingStatusCallback`."""
    carrier = TelnyxCarrier.from_settings(service.settings)
    webhook = await read_webhook(request, service, carrier, purpose="recording")
    update = parsed(carrier.parse_recording, webhook)
    await take_recording(service, carrier.name, update, webhook.call_id, trusted=webhook.trusted)
    return Response()


@router.post("/events")
async def events(request: Request, service: TheService) -> Response:
    """A Call Control event: the webhook address of a Voice API application, `?agent=NAME` for an agent."""
    carrier = TelnyxCallControl.from_settings(service.settings)
    webhook = await read_webhook(request, service, carrier, purpose="events", is_form=False)
    try:
        event = carrier.parse_event(webhook.request.body)
    except WebhookError as error:
        raise HTTPException(400, str(error)) from None
    await take_event(service, carrier, event, webhook.query, webhook.call_id)
    return Response()
