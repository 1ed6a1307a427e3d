"""Larkline's documents, callbacks and REST."""

import hashlib
import hmac
import json

import httpx

from carriers.carrier import (
    REQUEST_TIMEOUT_SECS,
    CarrierCall,
    Direction,
    HangUp,
    IncomingCall,
    LineState,
    Signature,
    StatusUpdate,
)
from carriers.errors import CallNotFound, CarrierRejected, CarrierUnavailable
from carriers.markup import MarkupCalls

SIGNATURE_HEADER = "larkline-signature"
STATES = {"ringing": LineState.RINGING, "talking": LineState.IN_PROGRESS, "over": LineState.COMPLETED}


def stream(url, parameters, then=None):
    return json.dumps({"do": "stream", "url": url, "note": dict(parameters), "then": then})


class LarklineCarrier(MarkupCalls):
    name = "larkline"
    sends_digits_by_rest = False
    call_secs = range(1, 7201)

    def __init__(self, settings):
        secret = settings.larkline_signing_secret
        key = settings.larkline_key
        self._signing_secret = secret.get_secret_value().encode() if secret else None
        self._http = httpx.AsyncClient(
            base_url=settings.larkline_api_base_url,
            headers={"Authorization": f"Bearer {key.get_secret_value()}"} if key else {},
            timeout=REQUEST_TIMEOUT_SECS,
            trust_env=False,
        )

    async def load(self):
        """There is no SDK."""

    async def prepare(self):
        """Nothing has to be asked."""

    async def aclose(self):
        await self._http.aclose()

    # Documents

    def stream_document(self, document):
        return stream(document.stream_url, document.parameters, document.ended_url)

    def end_document(self, say=None, language=None):
        return json.dumps({"do": "end", "say": say})

    # Webhooks

    def verify_webhook(self, request):
        if self._signing_secret is None:
            return Signature.UNCHECKED
        given = request.headers.get(SIGNATURE_HEADER)
        if not given or not request.body:
            return Signature.ABSENT
        right = hmac.new(self._signing_secret, request.body, hashlib.sha256).hexdigest()
        return Signature.VALID if hmac.compare_digest(given, right) else Signature.INVALID

    def has_signature(self, request):
        return self._signing_secret is not None and SIGNATURE_HEADER in request.headers

    def signed_content(self, request):
        return request.body

    def parse_incoming(self, form):
        return IncomingCall(
            form.required("call.id"), form.get("call.caller"), form.get("call.called"), Direction.INBOUND
        )

    def parse_status(self, form):
        return StatusUpdate(form.required("call.id"), STATES.get(form.get("call.now", "")))

    # REST

    async def hang_up(self, call_id):
        answer = await self._ask("POST", f"/v1/calls/{call_id}/end", {"reason": "bot"})
        return HangUp(already_ended=answer["was"] == "over")

    async def fetch_call(self, call_id):
        answer = await self._ask("GET", f"/v1/calls/{call_id}")
        return CarrierCall(id=call_id, state=STATES.get(answer["state"]))

    async def _ask(self, method, path, body=None):
        try:
            answer = await self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise CarrierUnavailable(f"Larkline's API cannot be reached ({type(error).__name__})") from None
        if answer.status_code == 404:
            raise CallNotFound("Larkline has no such call", status=404)
        if not answer.is_success:
            raise CarrierRejected(f"Larkline answered {answer.status_code}", status=answer.status_code)
        return answer.json()
