"""The secret parts of the addresses that we give out, for carriers that may not sign what they send to them.

A key is an HMAC-SHA256 over what its address is for: the voice address of a carrier's numbers, or one purpose of one
call. A request to such an address proves that it comes from the carrier that we gave it to, and only for that purpose.

Nothing is stored: the keys are computed from a secret of the deployment, so they are the same after a restart and on
all of its machines. They never go into a log.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from loguru import logger

from carriers import descriptors
from settings import Settings

KEY_BYTES = 16
"""The length of a key: 128 bits, 22 characters in an address."""

VOICE = "voice"
"""The purpose of a carrier's voice address."""

FALLBACK = "fallback"
"""The purpose of the address that a carrier asks when it got no document from another one."""

PASTED = frozenset({VOICE, FALLBACK})
"""The purposes of addresses that are entered at the carrier, with their key in the path."""

FILE = "address.key"
"""The file in DATA_DIR with the secret of a service that has no other."""

MIN_SECRET_CHARS = 32


class AddressKeys:
    """Makes keys and recognises them.

    Parameters:
        known: The secrets of the deployment. The first makes keys; keys of the others are recognised, too.
    """

    def __init__(self, known: Sequence[str]):
        self._known = [secret.encode() for secret in known]

    def key(self, *purpose: str) -> str:
        """The key of an address.

        Args:
            *purpose: What the address is for: the carrier's name, the route, and our id of the call if it has one.
        """
        return _key(self._known[0], purpose)

    def fits(self, given: str | None, *purpose: str) -> bool:
        """Whether this is a key of the address, without telling by the time that it takes how much of it is right."""
        text = (given or "").encode()
        return any([hmac.compare_digest(text, _key(secret, purpose).encode()) for secret in self._known])


def _key(secret: bytes, purpose: Sequence[str]) -> str:
    # Each part with its length, so that no two purposes are the same text.
    text = "".join(f"{len(part)}:{part}" for part in ("address", *purpose))
    digest = hmac.digest(secret, text.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return base64.urlsafe_b64encode(digest[:KEY_BYTES]).rstrip(b"=").decode()


def deployment_secrets(settings: Settings) -> list[str]:
    """The secrets that addresses and tokens are made with, the one for new ones first.

    STREAM_TOKEN_SECRET alone, when it is set: a new one makes all earlier addresses worthless. Else the carriers'
    credentials, each of which is enough, so that a second carrier changes no address; first those of carriers whose
    addresses have keys. Else a secret of the service's own, which it keeps in DATA_DIR.
    """
    if settings.stream_token_secret is not None:
        return [settings.stream_token_secret.get_secret_value()]
    keyed_first = sorted(descriptors(), key=lambda one: one.signs_addresses)
    given = [secret for one in keyed_first for secret in one.secrets(settings)]
    return [secret.get_secret_value() for secret in given] or [_kept_secret(settings.data_dir / FILE)]


@cache
def _kept_secret(path: Path) -> str:
    try:
        if not path.exists():
            _keep(path, secrets.token_urlsafe(32))
        kept = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        logger.warning(
            "{} cannot be kept ({}): the addresses of this start are worthless after it; set STREAM_TOKEN_SECRET",
            path,
            type(error).__name__,
        )
        return secrets.token_urlsafe(32)
    if len(kept) < MIN_SECRET_CHARS:
        logger.warning(
            "{} holds no secret: remove it, and another one is made; set STREAM_TOKEN_SECRET", path
        )
        return secrets.token_urlsafe(32)
    return kept


def _keep(path: Path, secret: str) -> None:
    """Write it for its owner alone, and whole: another process may be starting, too, and the first one stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f"{FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with open(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secret + "\n")
        try:
            os.link(scratch, path)
        except FileExistsError:
            return
    finally:
        scratch.unlink(missing_ok=True)
