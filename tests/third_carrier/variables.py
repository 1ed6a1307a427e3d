"""What the operator configures of Larkline."""

from typing import ClassVar

from pydantic import SecretStr

from carriers.variables import CarrierVariables


class LarklineVariables(CarrierVariables):
    KEYS: ClassVar[frozenset[str]] = frozenset({"larkline_key", "larkline_signing_secret"})
    ADDRESSES: ClassVar[frozenset[str]] = frozenset({"larkline_api_base_url"})
    IN_A_CALL: ClassVar[frozenset[str]] = frozenset({"larkline_key", "larkline_api_base_url"})
    ON_A_SERVER: ClassVar[frozenset[str]] = frozenset({"larkline_signing_secret"})

    larkline_key: SecretStr | None = None
    larkline_signing_secret: SecretStr | None = None
    larkline_api_base_url: str = "https://api.larkline.example"
