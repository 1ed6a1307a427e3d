"""What reading a carrier's request needs, whichever carrier it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fastapi import HTTPException, Request, Response

from carriers.carrier import Carrier, Form, Signature, WebhookError, WebhookRequest
from web.refusals import Refused
from web.service import Service, peer_of, url_as_called
from web.trust import is_local, webhook_refusal
from web.way_back import CALL

T = TypeVar("T")


class Webhook:
    """A carrier's request that may be believed.

    Parameters:
        request: As it came over the wire.
        fields: The carrier's fields: the form of a POST, the query of a GET.
        query: The query of the address, which is the operator's own for a POST.
        trusted: Whether it was really verified, or comes from this machine: what it says may change a call.
    """

    def __init__(self, request: WebhookRequest, fields: Form, query: Form, *, trusted: bool):
        self.request = request
        self.fields = fields
        self.query = query
        self.trusted = trusted

    @property
    def call_id(self) -> str | None:
        """Our id of the call, which the addresses that we give out say."""
        return self.query.get(CALL) or None


async def read_webhook(
    request: Request,
    service: Service,
    carrier: Carrier,
    *,
    is_form: bool = True,
    may_be_unsigned: bool = False,
) -> Webhook:
    """Read a request and check that it comes from the carrier.

    Args:
        request: The request.
        service: The service that it came to.
        carrier: The carrier whose route it came to.
        is_form: A POST must be a form.
        may_be_unsigned: The carrier is not known to sign requests of this kind.

    Raises:
        Refused: It is too large, not a form, or not the carrier's.
    """
    body = await request.body()
    query = _form(request.scope.get("query_string", b""))
    form = Form(())
    if is_form and request.method == "POST":
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in ("application/x-www-form-urlencoded", "") or (body and not kind):
            raise Refused(415, "not_a_form", "the body is not application/x-www-form-urlencoded")
        form = _form(body)
    webhook = WebhookRequest(
        url=url_as_called(request, service),
        headers=request.headers,
        method=request.method,
        body=body,
        form=form,
    )
    signature, peer = carrier.verify_webhook(webhook), peer_of(request)
    refusal = webhook_refusal(
        signature, peer, service.settings, service.public_url, may_be_unsigned=may_be_unsigned
    )
    if refusal:
        raise Refused(403, f"signature_{signature.value}", refusal)
    return Webhook(
        webhook,
        form if request.method == "POST" else query,
        query,
        trusted=signature is Signature.VALID
        or service.settings.allow_unsigned_webhooks
        or is_local(peer, service.public_url),
    )


def parsed(parse: Callable[[Form], T], webhook: Webhook) -> T:
    """What a carrier reports, read by one of its `parse_...`.

    Raises:
        HTTPException: It is not that.
    """
    try:
        return parse(webhook.fields)
    except WebhookError as error:
        raise HTTPException(400, str(error)) from None


def xml(document: str) -> Response:
    """A document for a carrier."""
    return Response(document, media_type="application/xml", headers={"Cache-Control": "no-store"})


def _form(encoded: bytes) -> Form:
    try:
        return Form.parse(encoded)
    except WebhookError:
        raise Refused(400, "bad_form", "the fields of the form or of the address cannot be read") from None
