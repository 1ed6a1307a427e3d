"""What the server's checks of a caller's carrier cost: the processor time of all checks of one call's set-up.

It is the time of the whole process, and so includes the database's threads, which keep the tokens that were used.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send
from twilio.request_validator import RequestValidator

from bench.figures import Figure
from calls.database.call_database import CallDatabase
from calls.store import CallStore
from carriers import descriptor_of
from carriers.carrier import Carrier
from desk.keys import VOICE
from desk.tokens import StreamGrant
from emulator.carriers.signatures import telnyx_public_key, telnyx_signature
from server import create_app
from settings import settings_class
from web.bodies import BodyLimits
from web.connections import Connections
from web.media import redeemed
from web.web_service import WebService
from web.webhooks import read_webhook

TARGET_MS = 1.0
PUBLIC_URL = "https://bot.example.com"
ACCOUNT, TOKEN = "AC00000000000000000000000000000001", "bench-auth-token"
KEY = Ed25519PrivateKey.generate()
FIELDS = {
    **{"AccountSid": ACCOUNT, "From": "+12025550143", "To": "+12025550100"},
    **{"ApiVersion": "2010-04-01", "Direction": "inbound", "CallerCountry": "US", "CalledCountry": "US"},
}

Headers = Callable[[str, dict[str, str], bytes], dict[str, str]]
"""A carrier's signature of a form at a path."""


class _Settings(settings_class()):  # type: ignore[misc]
    """Settings that do not read the environment or .env."""

    @classmethod
    def settings_customise_sources(cls, settings_cls: Any, init_settings: Any, **_: Any) -> tuple[Any, ...]:
        return (init_settings,)


class _Connection:
    peer = "203.0.113.9"
    transport = None


async def measure_checks(times: int, directory: Path) -> list[Figure]:
    """Check a signed voice webhook and a status callback, and issue and redeem the token of the socket between them.

    Args:
        times: How many call set-ups, with each carrier.
        directory: For the database.
    """
    store = CallStore(CallDatabase(f"sqlite+aiosqlite:///{directory / 'checks.db'}"))
    await store.start()
    app = create_app(
        _Settings(
            public_url=PUBLIC_URL,
            data_dir=directory,
            twilio_account_sid=ACCOUNT,
            twilio_auth_token=SecretStr(TOKEN),
            telnyx_public_key=telnyx_public_key(KEY),
        ),
        run_bot=_no_bot,
        store=store,
    )
    service: WebService = app.state.service
    key = service.keys.key("telnyx", VOICE)
    try:
        return [
            *await _set_ups(
                times, service, descriptor_of("twilio").carrier(service.settings), _twilio, "/voice"
            ),
            *await _set_ups(
                times, service, descriptor_of("telnyx").carrier(service.settings), _telnyx, f"/voice/{key}"
            ),
        ]
    finally:
        await store.aclose()


async def _set_ups(
    times: int, service: WebService, carrier: Carrier, sign: Headers, voice: str
) -> list[Figure]:
    connections = Connections(1000, 100, service.refusals)

    async def read(scope: Scope, receive: Receive, _: Send) -> None:
        purpose = VOICE if "voice" in scope["path"] else "status"
        webhook = await read_webhook(Request(scope, receive), service, carrier, purpose=purpose)
        assert webhook.trusted and webhook.fields["AccountSid"] == ACCOUNT

    limited = BodyLimits(read)
    requests = [
        _request(
            f"/{carrier.name}{path}", {**FIELDS, "CallSid": f"CA{number:032x}", "CallStatus": status}, sign
        )
        for number in range(times)
        for path, status in ((voice, "ringing"), ("/status", "in-progress"))
    ]
    grants = [
        StreamGrant(carrier.name, f"CA{number:032x}", f"call_{number}", "receptionist")
        for number in range(times)
    ]
    began = time.process_time()
    for scope, body in requests:
        connection = _Connection()
        assert connections.opened(connection)
        await limited(scope, _once(body), _nowhere)
        connections.served(connection)
        connections.closed(connection)
    webhooks = time.process_time()
    for grant in grants:
        socket = _Connection()
        assert connections.opened(socket)
        assert await redeemed(service, carrier.name, service.tokens.issue(grant)) == grant
        connections.closed(socket)
    ended = time.process_time()
    return [
        Figure(
            f"{carrier.name}: processor time of all checks of a call's set-up",
            (ended - began) * 1000 / times,
            "ms",
            TARGET_MS,
        ),
        Figure(f"{carrier.name}: of which, two webhooks", (webhooks - began) * 1000 / times, "ms"),
        Figure(f"{carrier.name}: of which, the media socket", (ended - webhooks) * 1000 / times, "ms"),
    ]


def _request(path: str, fields: dict[str, str], sign: Headers) -> tuple[Scope, bytes]:
    body = urlencode(fields).encode()
    headers = {
        **{"host": "bot.example.com", "content-type": "application/x-www-form-urlencoded"},
        **{"content-length": str(len(body)), **sign(path, fields, body)},
    }
    _, _, key = path.partition("/voice/")
    scope = {
        **{"type": "http", "http_version": "1.1", "method": "POST", "path": path, "raw_path": path.encode()},
        **{"query_string": b"", "path_params": {"key": key} if key else {}},
        **{"client": ("203.0.113.9", 1), "server": ("10.0.0.1", 443)},
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    return scope, body


def _twilio(path: str, fields: dict[str, str], _: bytes) -> dict[str, str]:
    return {"x-twilio-signature": RequestValidator(TOKEN).compute_signature(PUBLIC_URL + path, fields)}


def _telnyx(_: str, __: dict[str, str], body: bytes) -> dict[str, str]:
    now = str(int(time.time()))
    return {"telnyx-timestamp": now, "telnyx-signature-ed25519": telnyx_signature(body, now, KEY)}


def _once(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _nowhere(_: Message) -> None:
    return None


async def _no_bot(_: object) -> None:
    return None
