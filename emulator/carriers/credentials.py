"""The accounts that the emulated carriers know.

They are fixed, so that a server started by hand matches, and clearly not real.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from emulator.carriers.signatures import telnyx_public_key
from emulator.errors import EmulatorError

_TELNYX_SEED = base64.b64encode(
    hashlib.sha256(b"the emulated phone network signs with this").digest()
).decode()


OPTIONS = ("twilio_account_sid", "twilio_auth_token", "telnyx_api_key")
"""What can be given on the command line, too."""


@dataclass(frozen=True)
class Credentials:
    """One account with each carrier, and the API key of the server that is called.

    Attributes:
        telnyx_private_key: The 32-byte Ed25519 seed that signs Telnyx's webhooks, in base64.
        api_key: What the server's own API takes as a bearer token; given to a server that the emulator
            starts.
    """

    twilio_account_sid: str = "AC00000000000000000000000000000001"
    twilio_auth_token: str = "emulated-twilio-auth-token"
    twilio_api_key: str = "SK00000000000000000000000000000001"
    twilio_api_secret: str = "emulated-twilio-api-secret"
    telnyx_api_key: str = "KEY-emulated-telnyx-api-key"
    telnyx_account_id: str = "00000000-0000-4000-8000-000000000001"
    telnyx_connection_id: str = "1000000000000000001"
    telnyx_private_key: str = _TELNYX_SEED
    api_key: str = "emulated-api-key"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Credentials:
        """Take what is set in the environment under the names that the bot itself uses.

        The API key is `EMULATOR_API_KEY`; Telnyx's signing seed is `EMULATOR_TELNYX_PRIVATE_KEY` (a real
        account's private half never leaves Telnyx).
        """
        names = {
            "twilio_account_sid": "TWILIO_ACCOUNT_SID",
            "twilio_auth_token": "TWILIO_AUTH_TOKEN",
            "twilio_api_key": "TWILIO_API_KEY",
            "twilio_api_secret": "TWILIO_API_SECRET",
            "telnyx_api_key": "TELNYX_API_KEY",
            "telnyx_account_id": "TELNYX_ACCOUNT_SID",
            "telnyx_connection_id": "TELNYX_CONNECTION_ID",
            "telnyx_private_key": "EMULATOR_TELNYX_PRIVATE_KEY",
            "api_key": "EMULATOR_API_KEY",
        }
        return cls(**{field: environment[name] for field, name in names.items() if environment.get(name)})

    @property
    def telnyx_key(self) -> Ed25519PrivateKey:
        """The key that signs Telnyx's webhooks.

        Raises:
            EmulatorError: The seed is not base64 of 32 bytes.
        """
        try:
            return Ed25519PrivateKey.from_private_bytes(
                base64.b64decode(self.telnyx_private_key, validate=True)
            )
        except (binascii.Error, ValueError):
            raise EmulatorError(
                "EMULATOR_TELNYX_PRIVATE_KEY is not usable: it must be base64 of 32 bytes; unset it"
            ) from None

    def environment(self, rest_url: str) -> dict[str, str]:
        """The variables that point a server at this emulator instead of the real carriers.

        Args:
            rest_url: Base of the emulator's REST server, for example `http://127.0.0.1:9321`.
        """
        return {
            "TWILIO_ACCOUNT_SID": self.twilio_account_sid,
            "TWILIO_AUTH_TOKEN": self.twilio_auth_token,
            "TWILIO_API_KEY": self.twilio_api_key,
            "TWILIO_API_SECRET": self.twilio_api_secret,
            "TWILIO_API_BASE_URL": rest_url,
            "TELNYX_API_KEY": self.telnyx_api_key,
            "TELNYX_PUBLIC_KEY": telnyx_public_key(self.telnyx_key),
            "TELNYX_ACCOUNT_SID": self.telnyx_account_id,
            "TELNYX_CONNECTION_ID": self.telnyx_connection_id,
            "TELNYX_API_BASE_URL": f"{rest_url}/v2",
        }
