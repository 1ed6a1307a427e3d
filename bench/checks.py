"""What it costs to look at who calls: the processor time of all checks of one call's set-up."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send
from twilio.request_validator import RequestValidator

from bench.figures import Figure
from calls.store import CallStore
from carriers.twilio import TwilioCarrier
from server import create_app
from settings import Settings
from web.bodies import BodyLimits
from web.connections import Connections
from web.tokens import StreamGrant
from web.webhooks import read_webhook

TARGET_MS = 1.0
PUBLIC_URL = "https://bot.example.com"
ACCOUNT, TOKEN = "AC00000000000000000000000000000001", "bench-auth-token"
FIELDS = {
    **{"AccountSid": ACCOUNT, "From": "+12025550143", "To": "+12025550100", "CallStatus": "ringing"},
    **{"ApiVersion": "2010-04-01", "Direction": "inbound", "CallerCountry": "US", "CalledCountry": "US"},
}


class _Settings(Settings):
    """Of nobody's environment."""

    @classmethod
    def settings_customise_sources(cls, settings_cls: Any, init_settings: Any, **_: Any) -> tuple[Any, ...]:  # type: ignore[override]
        return (init_settings,)


class _Connection:
    peer = "203.0.113.9"
    transport = None


async def measure_checks(times: int) -> Figure:
    """Check a signed voice webhook and a status callback, and issue and redeem the token of the socket between them."""
    app = create_app(
        _Settings(public_url=PUBLIC_URL, twilio_account_sid=ACCOUNT, twilio_auth_token=TOKEN),
        run_bot=_no_bot,
        store=CallStore(),
    )
    service = app.state.service
    carrier = TwilioCarrier.from_settings(service.settings)
    connections = Connections(1000, 100, service.refusals)

    async def read(scope: Scope, receive: Receive, _: Send) -> None:
        webhook = await read_webhook(Request(scope, receive), service, carrier)
        assert webhook.fields["AccountSid"] == ACCOUNT

    limited = BodyLimits(read)
    requests = [
        _signed(path, {**FIELDS, "CallSid": f"CA{number:032x}"})
        for number in range(times)
        for path in ("/twilio/voice", "/twilio/status")
    ]
    grants = [
        StreamGrant("twilio", f"CA{number:032x}", f"call_{number}", "receptionist") for number in range(times)
    ]
    began = time.process_time()
    for scope, body in requests:
        connection = _Connection()
        assert connections.opened(connection)
        await limited(scope, _once(body), _nowhere)
        connections.served(connection)
        connections.closed(connection)
    for grant in grants:
        socket = _Connection()
        assert connections.opened(socket)
        assert service.tokens.redeem(service.tokens.issue(grant)) == grant
        connections.closed(socket)
    spent_ms = (time.process_time() - began) * 1000 / times
    return Figure("processor time of all checks of a call's set-up", spent_ms, "ms", TARGET_MS)


def _signed(path: str, fields: dict[str, str]) -> tuple[Scope, bytes]:
    body = urlencode(fields).encode()
    signature = RequestValidator(TOKEN).compute_signature(PUBLIC_URL + path, fields)
    headers = {
        **{"host": "bot.example.com", "content-type": "application/x-www-form-urlencoded"},
        **{"content-length": str(len(body)), "x-twilio-signature": signature},
    }
    scope = {
        **{"type": "http", "http_version": "1.1", "method": "POST", "path": path, "raw_path": path.encode()},
        **{"query_string": b"", "path_params": {}, "client": ("203.0.113.9", 1), "server": ("10.0.0.1", 443)},
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    return scope, body


def _once(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _nowhere(_: Message) -> None:
    return None


async def _no_bot(_: object) -> None:
    return None
