"""What the operator configures of Telnyx."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import SecretStr, field_validator

from carriers.variables import CarrierVariables


class TelnyxVariables(CarrierVariables):
    """TELNYX_API_KEY and its like; `.env.example` says what each is for."""

    KEYS: ClassVar[frozenset[str]] = frozenset(
        {"telnyx_api_key", "telnyx_public_key", "telnyx_connection_id", "telnyx_account_sid"}
    )
    ADDRESSES: ClassVar[frozenset[str]] = frozenset({"telnyx_api_base_url"})
    ON_A_SERVER: ClassVar[frozenset[str]] = frozenset({"telnyx_public_key"})
    IN_A_CALL: ClassVar[frozenset[str]] = (
        (KEYS - ON_A_SERVER)
        | ADDRESSES
        | {
            "telnyx_mode",
            "telnyx_codec",
            "telnyx_l16_byte_order",
        }
    )

    telnyx_api_key: SecretStr | None = None
    telnyx_public_key: str | None = None
    telnyx_connection_id: str | None = None
    telnyx_account_sid: str | None = None
    telnyx_api_base_url: str | None = None
    telnyx_mode: Literal["texml", "call_control"] = "texml"
    telnyx_codec: Literal["PCMU", "PCMA", "L16"] = "PCMU"
    telnyx_l16_byte_order: Literal["little", "big"] = "little"

    @field_validator("telnyx_codec", mode="before")
    @classmethod
    def _telnyx_in_capitals(cls, value: object) -> object:
        return value.strip().upper() if isinstance(value, str) else value

    @field_validator("telnyx_mode", "telnyx_l16_byte_order", mode="before")
    @classmethod
    def _telnyx_in_small_letters(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value
