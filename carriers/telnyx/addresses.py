"""Addresses that Telnyx is given: of media sockets, documents and callbacks."""

from __future__ import annotations

from urllib.parse import urlsplit

from carriers.errors import CarrierRejected

MAX_CHARS = 2000
"""The longest that Telnyx takes. Source: Telnyx docs, API error codes, 10003."""

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""This machine, which Telnyx cannot reach anyway: only an emulator asks here, and there is no certificate."""


def telnyx_address(url: str) -> str:
    """The address itself.

    Raises:
        CarrierRejected: It is too long for Telnyx, or Telnyx would have to use it without TLS. The message has none of
            it, as addresses hold secrets.
    """
    if len(url) > MAX_CHARS:
        raise CarrierRejected(
            f"an address for Telnyx has {len(url)} characters, {MAX_CHARS} are allowed: shorten PUBLIC_URL, or the "
            "call's parameters where they are a part of it"
        )
    parts = urlsplit(url)
    if parts.scheme not in ("https", "wss") and parts.hostname not in LOOPBACK:
        raise CarrierRejected(
            f"an address for Telnyx begins with {parts.scheme}://: Telnyx uses https:// and wss://, so set PUBLIC_URL "
            "to an https:// address"
        )
    return url
