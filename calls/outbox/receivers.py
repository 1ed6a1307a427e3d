"""Who gets notices, and what is wrong with an address or a secret of theirs."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from urllib.parse import urlsplit

AT_HOME = ("localhost", "127.0.0.1", "::1")
"""Names of this machine."""

LEAST_SECRET_BYTES = 24
"""The shortest secret that the Standard Webhooks specification allows."""


class NotDelivered(Exception):
    """A notice was not taken; the message says why, without a word or a number of its call.

    Parameters:
        for_good: Whether to try again is useless.
    """

    def __init__(self, reason: str, *, for_good: bool = False):
        """Say why."""
        super().__init__(reason)
        self.for_good = for_good


@dataclass(frozen=True)
class Receiver:
    """Who gets notices.

    Parameters:
        url: An address that `wrong_with_url` has nothing against.
        secret: What signs them, which `wrong_with_secret` has nothing against.
    """

    url: str
    secret: str

    def __repr__(self) -> str:
        """Its host alone: addresses often hold a secret."""
        return f"Receiver({self.host})"

    @property
    def host(self) -> str:
        """The host of its address, for logs."""
        return urlsplit(self.url).hostname or ""


@dataclass(frozen=True)
class MailServer:
    """The owner's SMTP server.

    Parameters:
        host: Its name.
        port: 465 for TLS from the beginning, 587 or 25 for STARTTLS.
        sender: The address that mails are from.
        user: For servers that want one; None for none.
        password: The user's.
    """

    host: str
    port: int
    sender: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def wrong_with_url(url: str) -> str | None:
    """Why notices cannot be sent to an address; None when they can."""
    try:
        address = urlsplit(url)
        host, _ = address.hostname, address.port
    except ValueError:
        return "has a host or port that cannot be"
    if not host:
        return "must be an address such as https://example.com/calls"
    if address.scheme == "https" or (address.scheme == "http" and host in AT_HOME):
        return None
    return "must be an https:// address (http:// only on localhost): callers' words go there"


def wrong_with_secret(secret: str) -> str | None:
    """Why a secret cannot sign; None when it can."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < LEAST_SECRET_BYTES:
        return (
            f"must be whsec_ and at least {LEAST_SECRET_BYTES} bytes in base64: "
            '`echo "whsec_$(openssl rand -base64 32)"` makes one'
        )
    return None
