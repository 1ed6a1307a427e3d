"""Did Twilio really send this? Pure functions over what came in.

Twilio signs with the account's auth token: HMAC-SHA1 over the address and the form's fields.
"""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from twilio.request_validator import RequestValidator

from carriers.forms import Form


def webhook_is_signed(auth_token: str, signature: str, url: str, form: Form) -> bool:
    """Check `X-Twilio-Signature` of an HTTP request.

    Args:
        auth_token: The account's primary auth token.
        signature: The header's value.
        url: The URL as Twilio has it, query still percent-encoded. User and password in it are
            dropped, as Twilio drops them before it signs; with and without port are both tried, as Twilio
            does one or the other.
        form: The fields of a POST body, blank ones included; empty for GET.

    Source: Twilio docs, usage/security.
    """
    return bool(RequestValidator(auth_token).validate(_without_userinfo(url), form, signature))


def upgrade_is_signed(auth_token: str, signature: str, url: str) -> bool:
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


def _without_userinfo(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))
