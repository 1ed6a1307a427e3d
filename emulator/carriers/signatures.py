"""How each carrier signs its requests.

Sources: Twilio docs, usage/security ("Validating requests"); Telnyx docs, webhook fundamentals (Ed25519).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit, urlunsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def twilio_signature(url: str, parameters: Mapping[str, str], auth_token: str) -> str:
    """The value of `X-Twilio-Signature`: base64 of HMAC-SHA1 over the URL and the sorted form parameters.

    Args:
        url: The URL as configured, query still percent-encoded. User info, the fragment and, for https and
            wss, the port are left out before signing, as the carrier does.
        parameters: The form fields of a POST, blank ones included; empty for GET and for a WebSocket upgrade.
        auth_token: The account's primary auth token.
    """
    text = signed_url(url) + "".join(name + parameters[name] for name in sorted(parameters))
    digest = hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def signed_url(url: str) -> str:
    """The form of a URL that Twilio signs: no user info and no fragment; https and wss without a port.

    Plain http keeps its port. (Source: usage/security, "A few notes".) For wss nothing is documented about
    ports; a real stream URL has none. On this machine a socket is reached at a port that is part of its
    address, so it is kept there.
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme == "https" and parts.port is not None:
        host = host.rsplit(":", 1)[0]
    return urlunsplit(SplitResult(parts.scheme, host, parts.path, parts.query, ""))


def telnyx_signature(body: bytes, timestamp: str, key: Ed25519PrivateKey) -> str:
    """The value of `Telnyx-Signature-Ed25519`: base64 of the signature over `{timestamp}|{raw body}`."""
    return base64.b64encode(key.sign(timestamp.encode() + b"|" + body)).decode()


def telnyx_public_key(key: Ed25519PrivateKey) -> str:
    """The public half in the portal's form: base64 of the 32 raw bytes."""
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return base64.b64encode(raw).decode()
