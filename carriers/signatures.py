"""Did the carrier really send this? Pure functions over what came in.

Twilio signs with the account's auth token (HMAC-SHA1 over URL and form fields); Telnyx signs with an Ed25519
key (over timestamp and raw body).
"""

from __future__ import annotations

import base64
import binascii
from urllib.parse import urlsplit, urlunsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from twilio.request_validator import RequestValidator

from carriers.forms import Form, whole_number

TIMESTAMP_TOLERANCE_SECS = 300
"""How old, or how far in the future, a signed timestamp may be. Source: telnyx SDK,
`resources/webhooks.py`."""


def twilio_webhook_is_signed(auth_token: str, signature: str, url: str, form: Form) -> bool:
    """Check `X-Twilio-Signature` of an HTTP request.

    Args:
        auth_token: The account's primary auth token.
        signature: The header's value.
        url: The URL as Twilio was told to call it, query still percent-encoded. User and password in it are
            dropped, as Twilio drops them before it signs; with and without port are both tried, as Twilio
            does one or the other.
        form: The fields of a POST body, blank ones included; empty for GET.

    Source: Twilio docs, usage/security.
    """
    return bool(RequestValidator(auth_token).validate(_without_userinfo(url), form, signature))


def twilio_upgrade_is_signed(auth_token: str, signature: str, url: str) -> bool:
    """Check `X-Twilio-Signature` of a WebSocket upgrade.

    Args:
        auth_token: The account's primary auth token.
        signature: The header's value (Twilio writes the header's name in lower case here).
        url: The `wss://` URL of the stream; an `http(s)://` one is translated.

    Source: Twilio docs, voice/media-streams and usage/security: the signature is over the `wss://` URL, and
    some are over that URL with a slash appended.
    """
    parts = urlsplit(_without_userinfo(url))
    scheme = {"https": "wss", "http": "ws"}.get(parts.scheme, parts.scheme)
    netlocs = {parts.netloc}
    if scheme == "wss" and parts.port is None:
        # The SDK's own "with port" form adds :80 to a wss URL.
        netlocs.add(f"{parts.netloc}:443")
    path = parts.path.rstrip("/")
    urls = [
        urlunsplit((scheme, netloc, variant, parts.query, ""))
        for netloc in netlocs
        for variant in (path, f"{path}/")
    ]
    validator = RequestValidator(auth_token)
    return any(validator.validate(candidate, {}, signature) for candidate in urls)


def telnyx_webhook_is_signed(
    public_key: str, signature: str, timestamp: str, body: bytes, *, now: float
) -> bool:
    """Check `Telnyx-Signature-Ed25519` of a webhook or TeXML callback.

    Args:
        public_key: The account's public key, base64.
        signature: The header's value, base64.
        timestamp: The value of `Telnyx-Timestamp`, in whole seconds since 1970.
        body: The raw body.
        now: The present time, in seconds since 1970.

    Source: telnyx SDK, `resources/webhooks.py`: Ed25519 over `"{timestamp}|{raw body}"`, ±300 s.
    """
    signed_at = whole_number(timestamp)
    if signed_at is None or abs(now - signed_at) > TIMESTAMP_TOLERANCE_SECS:
        return False
    try:
        key = read_telnyx_public_key(public_key)
        key.verify(base64.b64decode(signature, validate=True), timestamp.encode() + b"|" + body)
    except (ValueError, InvalidSignature):
        return False
    return True


def read_telnyx_public_key(public_key: str) -> Ed25519PublicKey:
    """Decode the key shown in Telnyx's portal.

    Raises:
        ValueError: It is not 32 bytes in base64.
    """
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
    except (ValueError, binascii.Error):
        raise ValueError(
            "is not 32 bytes in base64; copy it from the Telnyx portal, Keys & Credentials"
        ) from None


def _without_userinfo(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))
