"""Whom we believe: may this request be answered, may this socket be opened?

What carriers sign is checked, and so are the secret parts of addresses that only a carrier was given (`desk.keys`).
A request without either is believed only on a laptop (`is_local`) on which nothing is configured that could cost money,
or when the operator has allowed it by a setting.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from carriers import descriptors
from carriers.carrier import Signature
from settings import Settings

FORWARDING_HEADERS = (
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "cf-connecting-ip",
    "via",
)

ANY_ADDRESS = frozenset({"0.0.0.0", "::"})
"""Values of HOST with which the service listens on every address of its machine."""


@dataclass(frozen=True)
class Peer:
    """Who is at the other end of a connection.

    Parameters:
        host: The address that the connection comes from.
        headers: Its headers, case-insensitive.
        port: Our port that it came to; None when that is not known.
        http_version: Its version of HTTP. Programs use 1.1 or later; some proxies use 1.0 to the servers behind them.
    """

    host: str | None
    headers: Mapping[str, str]
    port: int | None = None
    http_version: str = "1.1"


class Evidence(StrEnum):
    """Why a request is believed."""

    SIGNATURE = "signature"
    """The carrier signed it."""
    ADDRESS = "address"
    """It came to an address that only the carrier was given: it may be about what that address is for, and no more."""
    OPEN = "open"
    """It comes from the developer's own machine, or the operator has allowed all requests."""


def is_at_home(public_url: str) -> bool:
    """Whether the service's own address is one of this machine, so that no carrier was given it."""
    parts = urlsplit(public_url)
    return parts.scheme == "http" and _is_loopback(parts.hostname)


def is_local(peer: Peer, public_url: str) -> bool:
    """Whether this is a developer who tries the bot on their own machine.

    All of this must be true:

    * The service is not offered to others: PUBLIC_URL is an address of this machine, and of the port that was called,
      for behind any other one there is a proxy.
    * The connection comes from this machine and was not passed on: a tunnel's or proxy's connections come from this
      machine, too.
    * It is no web page's script. A browser lets any page open sockets to localhost, and names the page in `Origin`. A
      page can have its site's name mean this machine, but its requests still have that name in `Host`.
    """
    if not is_at_home(public_url) or not _is_loopback(peer.host) or peer.http_version == "1.0":
        return False
    parts = urlsplit(public_url)
    if peer.port is not None and peer.port != (parts.port or 80):
        return False
    if any(name in peer.headers for name in FORWARDING_HEADERS):
        return False
    host, origin = peer.headers.get("host"), peer.headers.get("origin")
    return (host is None or _is_loopback(_host_in(host))) and (
        origin is None or _is_loopback(_host_in(origin))
    )


def foreign_site(headers: Mapping[str, str], settings: Settings, public_url: str) -> str | None:
    """Why a request to a service on a laptop comes from the page of some site; None when it does not.

    A service that is offered to others does not need this: all that matters there needs a proof that no page has.

    Args:
        headers: The request's.
        settings: Where the service listens.
        public_url: The base of our addresses.
    """
    if not is_at_home(public_url):
        return None
    host, origin = headers.get("host"), headers.get("origin")
    if host is not None and not _is_ours(_host_in(host), settings.host):
        return (
            "the Host header names another machine than this one: for calls from other machines set PUBLIC_URL "
            "to the address that they use"
        )
    if origin is not None and not _is_ours(_host_in(origin), settings.host):
        return "a web page of another site asks (Origin): only programs and pages of this machine may"
    return None


READS = frozenset({"GET", "HEAD"})
"""Methods that change nothing."""


def foreign_page(method: str, headers: Mapping[str, str], public_url: str) -> str | None:
    """Why a request with a person's cookie does not come from a page of ours; None when it does.

    A browser says where a request comes from: by `Sec-Fetch-Site` at https and on this machine (source: W3C, Fetch
    Metadata Request Headers), and by `Origin` with all that is no GET, sockets included (source: Fetch). What changes
    something must have been asked for by a page of ours; what changes nothing also by the person themselves, or by a
    link, which shows them the answer and nobody else.

    Args:
        method: The request's; anything but GET and HEAD for a socket.
        headers: Its headers.
        public_url: The base of our addresses.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if method in READS:
        by_person = site in (None, "same-origin", "none") or headers.get("sec-fetch-mode") == "navigate"
        if by_person and (origin is None or _is_our_origin(origin, headers, public_url)):
            return None
        return "a page of another site has a person's browser ask (Sec-Fetch-Site)"
    if site is not None and site != "same-origin":
        return "a page of another site has a person's browser change something (Sec-Fetch-Site)"
    if origin is None and site is None:
        return (
            "nothing says which page has asked: a browser sends Sec-Fetch-Site or Origin; programs send a key"
        )
    if origin is not None and not _is_our_origin(origin, headers, public_url, any_scheme=site is not None):
        return "a page of another site has a person's browser change something (Origin)"
    return None


def _is_our_origin(
    origin: str, headers: Mapping[str, str], public_url: str, *, any_scheme: bool = False
) -> bool:
    """Whether a page is ours: of the public address, or of the host that was asked, which a proxy may not pass on.

    Beside a tunnel, whose address is https, people on this machine come by http: where the browser has said itself that
    the two are the same (`any_scheme`), only the hosts are compared.
    """
    try:
        parts, ours = urlsplit(origin), urlsplit(public_url)
    except ValueError:
        return False
    if (parts.scheme, parts.netloc) == (ours.scheme, ours.netloc):
        return True
    host = headers.get("host")
    return host is not None and (any_scheme or parts.scheme == ours.scheme) and parts.netloc == host


def webhook_evidence(
    signature: Signature, peer: Peer, settings: Settings, public_url: str, *, has_key: bool = False
) -> Evidence | str:
    """Why a webhook is believed, or why not: then it is a text for the log, with cause and fix.

    Args:
        signature: What the check of its signature found.
        peer: Who sent it.
        settings: What the operator allows.
        public_url: The base of our addresses.
        has_key: Whether it came to an address whose secret part is right.
    """
    if signature is Signature.VALID:
        return Evidence.SIGNATURE
    if signature is Signature.INVALID:
        return (
            "the signature does not match: PUBLIC_URL must be the address that the carrier was given, and "
            "the key must be that of the carrier's account"
        )
    if has_key:
        return Evidence.ADDRESS
    if settings.allow_unsigned_webhooks:
        return Evidence.OPEN
    if signature is Signature.ABSENT:
        return (
            "the request is not signed, and not for an address with a key of ours: only the carrier may send it; "
            "paste the addresses that are printed at the start"
        )
    if not has_credentials(settings) and is_local(peer, public_url):
        return Evidence.OPEN
    keys = ", ".join(one.verified_by for one in descriptors())
    return (
        f"the request cannot be verified: set the carrier's key ({keys}), or paste the address with a key that is "
        "printed at the start"
    )


def tokenless_refusal(signature: Signature, peer: Peer, settings: Settings, public_url: str) -> str | None:
    """Why a media socket without a token is not accepted; None when it is.

    Such sockets are Pipecat Cloud's contract (a document that the carrier keeps knows no token). Anyone who finds the
    address could otherwise talk to the bot at the operator's expense, so one of these must hold:

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
    if not has_credentials(settings) and is_local(peer, public_url):
        return None
    return (
        "it has no token and no valid signature: let the voice webhook answer the call, or set "
        "ALLOW_TOKENLESS_STREAMS=true to let everybody in"
    )


def has_credentials(settings: Settings) -> bool:
    """Whether any carrier's credentials are configured, so that calls may cost money."""
    return any(one.is_mentioned(settings) for one in descriptors())


def _host_in(text: str) -> str | None:
    """The host in a `Host` or `Origin` header."""
    try:
        return urlsplit(text if "://" in text else f"//{text}").hostname
    except ValueError:
        return None


def _is_ours(host: str | None, listens_on: str) -> bool:
    """Whether a name is one of this machine's: another site's page may have a name, but never a bare address."""
    if _is_loopback(host) or host == listens_on.lower():
        return True
    return listens_on in ANY_ADDRESS and _address(host) is not None


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    address = _address(host)
    mapped = getattr(address, "ipv4_mapped", None)
    return address is not None and (mapped or address).is_loopback


def _address(host: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host or "")
    except ValueError:
        return None
