"""Requests as bytes, and the statuses of the server's answers."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

ANSWER_SECS = 5.0
MAX_ANSWER_BYTES = 1 << 16

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


@dataclass(frozen=True)
class Try:
    """Bytes that a stranger sends on a connection of their own.

    Parameters:
        kind: What the stranger tries, for the summary.
        data: The bytes.
        wait_secs: How long to wait for an answer; what is unfinished on purpose gets none.
        public: Whether the server answers this request for strangers, too.
    """

    kind: str
    data: bytes
    wait_secs: float = ANSWER_SECS
    public: bool = False


def statuses(port: int, attempt: Try) -> list[int]:
    """Send it; returns the statuses that came back, none when the connection was closed or nothing came."""
    received = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECS) as connection:
            connection.settimeout(attempt.wait_secs)
            try:
                connection.sendall(attempt.data)
            except (ConnectionError, TimeoutError):
                pass  # It was hung up on in the middle; an answer may have come before that.
            while len(received) < MAX_ANSWER_BYTES and (piece := connection.recv(4096)):
                received += piece
                if b"HTTP/1.1 101" in received:
                    break
    except (ConnectionError, TimeoutError):
        pass
    return [int(status) for status in _STATUS.findall(received)]


def request(
    method: str,
    target: str,
    headers: list[tuple[str, str]] | None = None,
    body: bytes = b"",
    *,
    length: str | None = None,
) -> bytes:
    """An HTTP request after which the server closes the connection."""
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers or []]
    if body or length is not None or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body


def upgrade(target: str, headers: list[tuple[str, str]] | None = None, frames: bytes = b"") -> bytes:
    """A WebSocket upgrade, perhaps with frames right behind it that do not wait for an answer."""
    lines = [
        f"GET {target} HTTP/1.1",
        "Host: 127.0.0.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ]
    lines += [f"{name}: {value}" for name, value in headers or []]
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + frames


def frame(payload: bytes, opcode: int = 1, *, final: bool = True, masked: bool = True) -> bytes:
    """A frame from a client. Source: RFC 6455, section 5.2."""
    first = bytes([(0x80 if final else 0) | opcode])
    mask = 0x80 if masked else 0
    if len(payload) < 126:
        head = bytes([mask | len(payload)])
    elif len(payload) < 1 << 16:
        head = bytes([mask | 126]) + len(payload).to_bytes(2, "big")
    else:
        head = bytes([mask | 127]) + len(payload).to_bytes(8, "big")
    return first + head + (bytes(4) if masked else b"") + payload
