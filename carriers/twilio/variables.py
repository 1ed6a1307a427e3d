"""What the operator configures of Twilio."""

from __future__ import annotations

import re
from typing import ClassVar

from pydantic import SecretStr, field_validator

from carriers.variables import CarrierVariables


class TwilioVariables(CarrierVariables):
    """TWILIO_ACCOUNT_SID and its like; `.env.example` says what each is for."""

    KEYS: ClassVar[frozenset[str]] = frozenset(
        {"twilio_account_sid", "twilio_auth_token", "twilio_api_key", "twilio_api_secret"}
    )
    ADDRESSES: ClassVar[frozenset[str]] = frozenset({"twilio_api_base_url", "twilio_fallback_url"})
    IN_A_CALL: ClassVar[frozenset[str]] = KEYS | ADDRESSES | {"twilio_region", "twilio_edge"}

    twilio_account_sid: str | None = None
    twilio_auth_token: SecretStr | None = None
    twilio_api_key: str | None = None
    twilio_api_secret: SecretStr | None = None
    twilio_region: str | None = None
    twilio_edge: str | None = None
    twilio_api_base_url: str | None = None
    twilio_fallback_url: str | None = None

    @field_validator("twilio_region", "twilio_edge")
    @classmethod
    def _twilio_part_of_a_host(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9-]+", value):
            raise ValueError("must be one word of Twilio's list, such as ie1 (a region) or dublin (an edge)")
        return value
