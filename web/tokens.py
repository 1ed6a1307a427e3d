"""Tickets for media sockets.

The address of a media socket is a secret that only the carrier learns: it holds a signed token, which says
for which call it is, works once in this process and not for long.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from itsdangerous import BadSignature, SignatureExpired, TimestampSigner, URLSafeTimedSerializer

LIFETIME_SECS = 300
"""From the document with the address to the carrier's connection."""

PREFIX = "t"
"""Signed data may begin with a dot, and many web servers hide paths with `/.` in them."""


class TokenError(Exception):
    """A token opens nothing; the message says why."""


@dataclass(frozen=True)
class StreamGrant:
    """What a token allows: one media stream of one call.

    Parameters:
        carrier: Name of the carrier.
        carrier_call_id: Its id of the call.
        call_id: Our id of the call.
        agent: Who is to talk.
        from_number: Who calls; None when withheld.
        to_number: Who was called.
    """

    carrier: str
    carrier_call_id: str
    call_id: str
    agent: str
    from_number: str | None = None
    to_number: str | None = None


class StreamTokens:
    """Issues tokens and redeems them.

    Parameters:
        secret: Signs them. The same on all machines behind one load balancer; None for one of this process's
            own.
        clock: Present time in seconds since 1970.
    """

    def __init__(self, secret: str | None = None, clock: Callable[[], float] = time.time):
        class Signer(TimestampSigner):
            def get_timestamp(self) -> int:
                return int(clock())

        self._clock = clock
        self._serializer = URLSafeTimedSerializer(
            secret or secrets.token_urlsafe(32), salt="phonebot.media-stream", signer=Signer
        )
        self._used: dict[str, float] = {}

    def issue(self, grant: StreamGrant) -> str:
        """Make a token; it goes into a URL's path as it is."""
        # The nonce makes two tokens of one call, made in the same second, two tokens.
        signed = self._serializer.dumps({**asdict(grant), "nonce": secrets.token_urlsafe(6)})
        return PREFIX + str(signed)

    def redeem(self, token: str) -> StreamGrant:
        """Use a token up.

        Raises:
            TokenError: It is forged, too old, or was used before.
        """
        try:
            content = self._serializer.loads(token.removeprefix(PREFIX), max_age=LIFETIME_SECS)
            # Not the token's text: base64 has several ways to write the same bytes.
            nonce = content.pop("nonce")
            grant = StreamGrant(**content)
        except SignatureExpired:
            raise TokenError(f"the token is older than {LIFETIME_SECS} s") from None
        except (BadSignature, AttributeError, KeyError, TypeError):
            raise TokenError("the token was not issued here (or STREAM_TOKEN_SECRET differs)") from None
        now = self._clock()
        self._used = {used: until for used, until in self._used.items() if until >= now}
        if nonce in self._used:
            raise TokenError("the token was used before")
        self._used[nonce] = now + LIFETIME_SECS + 1
        return grant
