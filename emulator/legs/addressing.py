"""Which URL is called: the one on the command line, and the one in a document's `<Stream>`."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit, urlunsplit

from emulator.errors import EmulatorError
from emulator.facts.values import LOOPBACK
from emulator.legs.stream import StreamRefused


@dataclass(frozen=True)
class Target:
    """Where a call goes.

    Attributes:
        webhook: The voice webhook, or None when the media socket is dialled without one.
        socket: The media socket, or None when the webhook's document names it.
        base: Scheme, host and port of the server over http(s).
        ours: Whether only a base was given, so that the server is taken to have the routes of the phone bot.
    """

    webhook: str | None
    socket: str | None
    base: str
    ours: bool


def parse_target(url: str, carrier: str, route: str = "voice") -> Target:
    """Read `--url`.

    `http(s)://host:port` means the webhook `/{carrier}/{route}` there; with a path (a bare slash is one) it is
    the webhook as it stands; `ws(s)://` is a media socket.

    Raises:
        EmulatorError: It is none of these.
    """
    parts = urlsplit(url)
    try:
        valid = parts.scheme in ("http", "https", "ws", "wss") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise EmulatorError(
            f"--url {url!r} is not usable: give http(s)://HOST[:PORT][/PATH] or ws(s)://HOST[:PORT]/PATH"
        )
    base = f"{parts.scheme.replace('ws', 'http', 1)}://{parts.netloc}"
    if parts.scheme in ("ws", "wss"):
        return Target(None, url, base, ours=False)
    if parts.path or parts.query:
        return Target(url, None, base, ours=False)
    return Target(f"{base}/{carrier}/{route}", None, base, ours=True)


@dataclass(frozen=True)
class SocketAddress:
    """How a media socket is dialled.

    Attributes:
        dial: The URL that is opened.
        signed: Its wss form, over which Twilio signs.
        note: What the emulator does differently from the real carrier as the server is on this machine, or None.
    """

    dial: str
    signed: str
    note: str | None = None


def socket_address(url: str, *, document_url: str | None, server_url: str | None = None) -> SocketAddress:
    """Find out how to dial a `<Stream>`'s URL.

    Carriers dial wss only (source: Twilio docs, voice/twiml/stream). On this machine there is rarely a
    certificate, so ws is taken there too, and wss to the very server that was called is dialled as ws.

    Args:
        url: Absolute, or relative to the document (Twilio allows both).
        document_url: Where the document came from; None for an inline one or when there is none.
        server_url: The webhook or socket that the call went to, which stands in for it in an inline document.

    Raises:
        StreamRefused: 31922, the scheme or host cannot be used.
    """
    if url and document_url is not None and not urlsplit(url).scheme:
        joined = urlsplit(urljoin(document_url, url))
        url = urlunsplit(joined._replace(scheme="wss"))
    parts = urlsplit(url)
    signed = urlunsplit(parts._replace(scheme="wss"))
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise StreamRefused(f"31922 the stream's URL {url[:80]!r} is not a wss:// URL")
    if parts.scheme == "ws":
        if parts.hostname not in LOOPBACK:
            raise StreamRefused("31922 the stream's URL begins with ws://; carriers dial wss:// only")
        return SocketAddress(
            url, signed, "ws:// is dialled because the server is on this machine; a carrier wants wss://"
        )
    server = document_url or server_url
    if server is not None and _same_server(url, server):
        plain = urlunsplit(parts._replace(scheme="ws"))
        return SocketAddress(
            plain, signed, "wss:// is dialled as ws:// because it is the webhook's server on this machine"
        )
    return SocketAddress(url, signed)


def _same_server(url: str, document_url: str) -> bool:
    one, other = urlsplit(url), urlsplit(document_url)
    return (
        one.hostname in LOOPBACK
        and other.hostname in LOOPBACK
        and other.scheme in ("http", "ws")
        and one.port == other.port
    )
