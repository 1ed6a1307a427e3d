"""Did Telnyx really send this? Pure functions over what came in.

Telnyx signs with an Ed25519 key, over a time and the raw body.
"""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from carriers.carrier import SIGNED_TIME_SECS
from carriers.forms import whole_number


def webhook_is_signed(public_key: str, signature: str, timestamp: str, body: bytes, *, now: float) -> bool:
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
    if signed_at is None or abs(now - signed_at) > SIGNED_TIME_SECS:
        return False
    try:
        key = read_public_key(public_key)
        key.verify(base64.b64decode(signature, validate=True), timestamp.encode() + b"|" + body)
    except (ValueError, InvalidSignature):
        return False
    return True


def read_public_key(public_key: str) -> Ed25519PublicKey:
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
