"""A person's session in a browser: a cookie that is signed, ends by itself, and is worthless when its key is.

The cookie names the key that the person has logged in with, and has nothing else of it. It is signed with the
deployment's secret and with what is kept of that key, together: who knows only one of both, as the phone company may
know the first, cannot make one, and a key that is revoked, or another one under its name, ends all its sessions. What
a session may do is its key's scope at the moment of each request. Nothing is stored, so every process knows it, also
after a restart.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from itsdangerous import BadSignature, TimestampSigner
from starlette.responses import Response

from desk.api_keys import ApiKey, ApiKeys

SESSION_SECS = 12 * 3600
"""How long a session lasts."""

SAFE_COOKIE, HOME_COOKIE = "__Host-phonebot", "phonebot"
"""The cookie's name, behind https and on this machine. A browser takes one that begins with `__Host-` over https only,
and from this host alone, not from one of the same domain. Source: RFC 6265bis, section 4.1.3.2."""

MAX_COOKIE_CHARS = 300


class Sessions:
    """Makes cookies, and recognises them.

    Parameters:
        keys: Those that are good.
        deployment_secrets: The secrets that every process of the deployment has. The first signs, all are recognised.
        public_url: The base of our addresses, which says whether browsers come by https.
    """

    def __init__(self, keys: ApiKeys, deployment_secrets: Sequence[str], public_url: str):
        self._keys = keys
        self._secrets = [one.encode() for one in deployment_secrets]
        self.is_safe = urlsplit(public_url).scheme == "https"
        self.cookie = SAFE_COOKIE if self.is_safe else HOME_COOKIE

    def begin(self, key: ApiKey, response: Response) -> None:
        """Let whoever gets this response be known by their key.

        Args:
            key: The one that was given.
            response: Gets the cookie.
        """
        value = self._signer(key).sign(f"{key.name}~{secrets.token_urlsafe(12)}").decode()
        response.set_cookie(
            self.cookie,
            value,
            max_age=SESSION_SECS,
            path="/",
            secure=self.is_safe,
            httponly=True,
            samesite="lax",  # so that a link in a mail leads to the page; nothing is changed by a link
        )

    def end(self, response: Response) -> None:
        """Have the browser throw the cookie away."""
        response.delete_cookie(self.cookie, path="/", secure=self.is_safe, httponly=True, samesite="lax")

    def key_of(self, cookies: Mapping[str, str]) -> ApiKey | None:
        """The key that a session was begun with; None when there is none, or it has ended.

        Args:
            cookies: The request's, by their names.
        """
        value = cookies.get(self.cookie, "")
        if not value or len(value) > MAX_COOKIE_CHARS or not value.isascii():
            return None
        key = self._keys.named(value.partition("~")[0])
        if key is None:
            return None
        try:
            self._signer(key).unsign(value, max_age=SESSION_SECS)
        except BadSignature:  # or one that is too old, which is one of these, too
            return None
        return key

    def _signer(self, key: ApiKey) -> TimestampSigner:
        made = [hmac.digest(one, b"session" + key.digest, hashlib.sha256) for one in self._secrets]
        return TimestampSigner(
            made[::-1],  # the last one signs
            salt=b"phonebot session",
            key_derivation="hmac",
            digest_method=hashlib.sha256,
        )
