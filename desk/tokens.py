"""Tickets for media sockets.

The address of a media socket is a secret that only the carrier learns: it holds a token, which says for which call it
is, works once and not for long; where a carrier's document opens the socket again when it was lost, it works for that,
too, while the call lives. It is encrypted (AES-GCM, which also authenticates it), as addresses end up in the logs
of proxies, and it has the call's ids and numbers in it.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass, field, replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from calls.clocks import LEEWAY_SECS, age_problem

LIFETIME_SECS = 300
"""How long the carrier may take from the document with the address to its connection."""

KEPT_SECS = LIFETIME_SECS + 2 * LEEWAY_SECS + 1
"""How long it must be known that a token was used: until it is too old by any clock."""

PREFIX = "t"
"""Base64 may begin with a dash, which no address should."""

NONCE_BYTES = 12
"""As AES-GCM wants it. Source: NIST SP 800-38D, section 5.2.1.1."""

MAX_CHARS = 4000
"""More than any token of ours has, and not worth a look."""


class TokenError(Exception):
    """A token opens nothing; the message says why."""


class SpentToken(TokenError):
    """A token opens nothing new.

    Parameters:
        grant: What it allowed.
    """

    def __init__(self, explanation: str, grant: StreamGrant):
        """Say why."""
        super().__init__(explanation)
        self.grant = grant


@dataclass(frozen=True)
class StreamGrant:
    """What a token allows: one media stream of one call.

    Parameters:
        carrier: Name of the carrier.
        carrier_call_id: Its id of the call.
        call_id: Our id of the call.
        agent: Name of the agent that is to talk.
        from_number: The caller's number; None when withheld.
        to_number: The number that was dialled.
        events: How many events of the call the process that issued it knew.
        ticket: Which token this is, of a grant that was redeemed.
        spent: Why the token opens nothing new, of a grant that is used again; else empty.
    """

    carrier: str
    carrier_call_id: str
    call_id: str
    agent: str
    from_number: str | None = None
    to_number: str | None = None
    events: int = 0
    ticket: str = field(default="", compare=False)
    spent: str = field(default="", compare=False)


class StreamTokens:
    """Issues tokens and redeems them.

    Parameters:
        secrets: The first encrypts new tokens; tokens of all of them are understood. They must be the same on all
            machines behind one load balancer; without any, this process makes one of its own.
        clock: Present time in seconds since 1970.
    """

    def __init__(self, *secrets: str, clock: Callable[[], float] = time.time):
        self._clock = clock
        self._ciphers = [_cipher(secret.encode()) for secret in secrets] or [_cipher(os.urandom(32))]
        self._used: dict[str, float] = {}

    def issue(self, grant: StreamGrant) -> str:
        """Make a token; it goes into a URL's path as it is."""
        content = json.dumps([round(self._clock(), 3), *astuple(grant)[:-2]]).encode()
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + self._ciphers[0].encrypt(nonce, content, None)
        return PREFIX + base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def redeem(self, token: str) -> StreamGrant:
        """Use a token up, in this process.

        Raises:
            SpentToken: It was good once: it was used before, or is too old.
            TokenError: It is forged.
        """
        sealed = _decoded(token)
        made_at, *grant = json.loads(self._opened(sealed))
        now = self._clock()
        # Not by the token's text: base64 has several ways to write the same bytes.
        ticket = sealed[:NONCE_BYTES].hex()
        # The oldest come first.
        while self._used and next(iter(self._used.values())) < now:
            del self._used[next(iter(self._used))]
        granted = replace(StreamGrant(*grant), ticket=ticket)
        if problem := age_problem(made_at, now, LIFETIME_SECS):
            raise SpentToken(f"the token {problem}", granted)
        if ticket in self._used:
            raise SpentToken("the token was used before", granted)
        self._used[ticket] = now + KEPT_SECS
        return granted

    def _opened(self, sealed: bytes) -> bytes:
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)
            except (InvalidTag, ValueError):
                continue
        raise TokenError("the token was not issued here (or STREAM_TOKEN_SECRET differs)")


def _cipher(secret: bytes) -> AESGCM:
    return AESGCM(
        HKDF(algorithm=SHA256(), length=32, salt=None, info=b"phonebot media stream").derive(secret)
    )


def _decoded(token: str) -> bytes:
    text = token.removeprefix(PREFIX)
    if text == token or not text.isascii() or len(text) > MAX_CHARS:
        raise TokenError("the token is none of ours")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise TokenError("the token is none of ours") from None
