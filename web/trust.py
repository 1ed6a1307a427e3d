"""Whom we believe: may this request be answered, may this socket be opened?

What carriers sign is checked. What nobody signed is believed only on a laptop (`is_local`), or when the
operator allowed it by name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from carriers.carrier import Signature
from settings import Settings

FORWARDING_HEADERS = (
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-real-ip",
    "cf-connecting-ip",
    "via",
)


@dataclass(frozen=True)
class Peer:
    """Who is at the other end of a connection.

    Parameters:
        host: The address that the connection comes from.
        headers: Its headers, case-insensitive.
    """

    host: str | None
    headers: Mapping[str, str]


def is_local(peer: Peer, public_url: str) -> bool:
    """Whether this is somebody trying the bot on their own machine.

    Three things must be true. The service is not offered to the world (an https PUBLIC_URL). The connection
    comes from this machine and was not passed on: a tunnel's or proxy's connections come from this machine,
    too. And it is not a web page's script: a browser lets any page open sockets to localhost, and names the
    page in `Origin`.
    """
    if urlsplit(public_url).scheme == "https" or not _is_loopback(peer.host):
        return False
    if any(name in peer.headers for name in FORWARDING_HEADERS):
        return False
    origin = peer.headers.get("origin")
    return origin is None or _is_loopback(urlsplit(origin).hostname)


def webhook_refusal(
    signature: Signature, peer: Peer, settings: Settings, public_url: str, *, may_be_unsigned: bool = False
) -> str | None:
    """Why a webhook is not believed; None when it is.

    Args:
        signature: What the check of its signature found.
        peer: Who sent it.
        settings: What the operator allows.
        public_url: The base of our addresses.
        may_be_unsigned: The carrier is not known to sign requests of this kind.
    """
    if signature is Signature.VALID:
        return None
    if signature is Signature.INVALID:
        return (
            "the signature does not match: PUBLIC_URL must be the address that the carrier was given, and "
            "the key must be that of the carrier's account"
        )
    if settings.allow_unsigned_webhooks or may_be_unsigned:
        return None
    if signature is Signature.ABSENT:
        return "the request is not signed: only the carrier may send it"
    if is_local(peer, public_url):
        return None
    return (
        "the request cannot be verified: set the carrier's key (TWILIO_AUTH_TOKEN, TELNYX_PUBLIC_KEY), or "
        "ALLOW_UNSIGNED_WEBHOOKS=true to believe everybody"
    )


def tokenless_refusal(signature: Signature, peer: Peer, settings: Settings, public_url: str) -> str | None:
    """Why a media socket without a token is not accepted; None when it is.

    Such sockets are Pipecat Cloud's contract (a TwiML or TeXML Bin knows no token). Anybody who finds the
    address could talk to the bot at the operator's cost, so one of these must hold:

    1. the upgrade carries a carrier's valid signature, or
    2. the operator set ALLOW_TOKENLESS_STREAMS, or
    3. this is a laptop: no carrier's credentials are set, and `is_local` holds.

    Args:
        signature: What the check of the upgrade's signature found.
        peer: Who wants to connect.
        settings: What the operator allows.
        public_url: The base of our addresses.
    """
    if signature is Signature.VALID or settings.allow_tokenless_streams:
        return None
    if not _has_credentials(settings) and is_local(peer, public_url):
        return None
    return (
        "it has no token and no valid signature: let the voice webhook answer the call, or set "
        "ALLOW_TOKENLESS_STREAMS=true to let everybody in"
    )


def _has_credentials(settings: Settings) -> bool:
    return any(
        (
            settings.twilio_account_sid,
            settings.twilio_auth_token,
            settings.twilio_api_key,
            settings.telnyx_api_key,
        )
    )


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
