"""What reading a carrier's request needs, whichever carrier it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from fastapi import HTTPException, Request
from loguru import logger

from carriers import descriptor_of
from carriers.carrier import Carrier, Form, Signature, WebhookError, WebhookRequest
from carriers.forms import JSON_TYPE
from desk.call_addresses import CALL, KEY
from desk.keys import PASTED
from web.deliveries import KEPT_SECS, Delivery, digest
from web.refusals import Refused
from web.trust import Evidence, webhook_evidence
from web.web_service import WebService, peer_of, url_as_called

T = TypeVar("T")


class Webhook:
    """A carrier's request that may be believed.

    Parameters:
        request: As it came over the wire.
        fields: The carrier's fields: the body of a POST, the query of a GET.
        query: The query of the address, which is the operator's own for a POST.
        evidence: Why it is believed.
        call_id: Our id of the call that its address is about; None when the address has none, or is not to be believed.
        delivery: The first delivery of this signed content, when nothing vouches for the request but a signature that
            is not over the address; else None.
    """

    def __init__(
        self,
        request: WebhookRequest,
        fields: Form,
        query: Form,
        evidence: Evidence,
        call_id: str | None,
        delivery: Delivery | None,
    ):
        self.request = request
        self.fields = fields
        self.query = query
        self.evidence = evidence
        self.call_id = call_id
        self.delivery = delivery

    @property
    def trusted(self) -> bool:
        """Whether it may be about any call; else about that of its address only."""
        return self.evidence is not Evidence.ADDRESS


async def read_webhook(
    request: Request,
    service: WebService,
    carrier: Carrier,
    *,
    purpose: str | None = None,
    is_event: bool = False,
) -> Webhook:
    """Read a request and check that it comes from the carrier.

    Args:
        request: The request.
        service: The service that it came to.
        carrier: The carrier whose route it came to.
        purpose: What the address is for that has a secret part, with carriers whose signature is not over addresses.
            Where no signature is, the secret part vouches for the request.
        is_event: Its body is the carrier's own to read, and it is never believed without a signature. The body of any
            other POST has the carrier's fields.

    Raises:
        Refused: It is too large, not what the carrier posts, or not the carrier's.
    """
    query = _form(request.scope.get("query_string", b""))
    call_id = query.get(CALL) or None
    descriptor = descriptor_of(carrier.name)
    has_key = purpose is not None and _has_key(request, service, carrier.name, purpose, query)
    may_have_key = has_key and not is_event
    webhook = WebhookRequest(url_as_called(request, service), request.headers, request.method)
    if not carrier.has_signature(webhook):
        # It is not signed, whatever comes: a sender who is not believed already need not send the body.
        _evidence(webhook, request, service, carrier, has_key=may_have_key)
    body = await request.body()
    has_fields = request.method == "POST" and not is_event
    form = _posted(request, body, descriptor.callback_type) if has_fields else Form(())
    webhook = replace(webhook, body=body, form=form)
    evidence = _evidence(webhook, request, service, carrier, has_key=may_have_key)
    delivery = None
    if evidence is Evidence.SIGNATURE:
        delivery = await _delivery(webhook, service, carrier, has_key=has_key, is_event=is_event)
    if request.path_params.get("key") and not has_key:
        logger.warning(
            "The voice address of {} has a key of another secret: paste the one that is printed at the start",
            carrier.name,
        )
    vouched_for = has_key or evidence is Evidence.OPEN or descriptor.signs_addresses
    return Webhook(
        webhook,
        form if request.method == "POST" else query,
        query,
        evidence,
        call_id if vouched_for else None,
        delivery,
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


async def document_for(webhook: Webhook, make: Callable[[], Awaitable[str]]) -> str:
    """What to do with a call; the same when the carrier asks again with the very same signed request."""
    delivery = webhook.delivery
    if delivery is None:
        return await make()
    if delivery.document is None:
        delivery.document = await make()
    return delivery.document


def _evidence(
    webhook: WebhookRequest, request: Request, service: WebService, carrier: Carrier, *, has_key: bool
) -> Evidence:
    signature = carrier.verify_webhook(webhook)
    evidence = webhook_evidence(
        signature, peer_of(request), service.settings, service.public_url, has_key=has_key
    )
    if isinstance(evidence, Evidence):
        return evidence
    if signature is Signature.INVALID:
        evidence = _signed_for_another_base(webhook, request, service, carrier) or evidence
    raise Refused(403, f"signature_{signature.value}", evidence)


def _has_key(request: Request, service: WebService, carrier: str, purpose: str, query: Form) -> bool:
    if purpose in PASTED:
        return service.keys.fits(request.path_params.get("key"), carrier, purpose)
    return service.keys.fits(query.get(KEY), carrier, purpose, query.get(CALL, ""))


async def _delivery(
    webhook: WebhookRequest, service: WebService, carrier: Carrier, *, has_key: bool, is_event: bool
) -> Delivery | None:
    """Remember what was signed: here, and for a form, which several routes take, in the shared database, too.

    Raises:
        Refused: It was signed for another address.
    """
    content = carrier.signed_content(webhook)
    if content is None:
        return None
    delivery = service.deliveries.take(content, webhook.url)
    if has_key:
        return None
    where = digest(webhook.url.encode())
    first = delivery.where
    if first == where and not is_event:
        use_id = f"{carrier.name} {delivery.content_id}"
        first = await service.store.use_once(use_id, KEPT_SECS, where) or where
        delivery.where = first  # else a stranger's repetition here would shut out the carrier's own
    if first != where:
        raise Refused(403, "replayed", "what was signed came to another address before: somebody repeats it")
    return delivery


def _signed_for_another_base(
    webhook: WebhookRequest, request: Request, service: WebService, carrier: Carrier
) -> str | None:
    """What is wrong with PUBLIC_URL, when the carrier has signed the request for another address; else None."""
    base = service.public_url
    rest = webhook.url.removeprefix(base)
    scheme, _, host = base.partition("://")
    other = {"https": "http", "http": "https"}[scheme]

    def is_signed_for(url: str) -> bool:
        return carrier.verify_webhook(replace(webhook, url=url)) is Signature.VALID

    if not descriptor_of(carrier.name).signs_addresses:
        return None
    if is_signed_for(f"{other}://{host}{rest}"):
        return (
            f"the carrier has signed it for {other}://, but PUBLIC_URL begins with {scheme}://: correct the address "
            "in the carrier's console, or PUBLIC_URL"
        )
    called = request.headers.get("x-forwarded-host") or request.headers.get("host", "")
    if any(is_signed_for(f"{one}://{called}{rest}") for one in (scheme, other)):
        return (
            "the carrier has signed it for another host than that of PUBLIC_URL: set PUBLIC_URL to the address that "
            "the carrier calls"
        )
    return None


def _posted(request: Request, body: bytes, callback_type: str) -> Form:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (callback_type, "") or (body and not kind):
        reason = "not_json" if callback_type == JSON_TYPE else "not_a_form"
        raise Refused(415, reason, f"the body is not {callback_type}")
    if callback_type != JSON_TYPE or not body:
        return _form(body)
    try:
        return Form.parse_json(body)
    except WebhookError as error:
        raise Refused(400, "bad_json", str(error)) from None


def _form(encoded: bytes) -> Form:
    try:
        return Form.parse(encoded)
    except WebhookError:
        raise Refused(400, "bad_form", "the fields of the form or of the address cannot be read") from None
