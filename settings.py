"""The one place where the environment and `.env` are read.

Every variable is documented in `.env.example`. A value is read once, at start; nothing else in the project looks at
`os.environ`, so what a process was configured with is what `load_settings()` returned.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent

ENV_FILE = "PHONEBOT_ENV_FILE"
"""The variable that names another file than `.env`: one of several deployments on a machine, or none for tests."""


MEMORY = "memory"
"""The value of DATABASE_URL with which calls are forgotten when the process ends."""


class SettingsError(Exception):
    """A variable has a value that cannot be used; the message names it and how to mend it."""


class Settings(BaseSettings):
    """What the operator configured. An empty value counts as not set."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True
    )

    # The service itself
    host: str = "127.0.0.1"
    port: int = Field(default=7860, ge=1, le=65535)
    public_url: str | None = None
    api_key: SecretStr | None = None
    agent: str = "receptionist"
    agents_dir: Path = ROOT / "agents"
    data_dir: Path = Path("data")
    database_url: str | None = Field(default=None, repr=False)  # it may have a password in it
    caller_id: str | None = None
    dial_countries: str | None = None
    dial_max_per_number_per_day: int = Field(default=5, ge=1)
    dial_sip_hosts: str | None = None
    stream_token_secret: SecretStr | None = None
    allow_tokenless_streams: bool = False
    allow_unsigned_webhooks: bool = False
    ngrok_api_url: str = "http://127.0.0.1:4040"
    log_level: Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    # Who calls
    caller_lookup_url: str | None = None
    caller_lookup_token: SecretStr | None = None
    caller_lookup_budget_ms: int = Field(default=800, ge=50, le=4000)

    # Twilio
    twilio_account_sid: str | None = None
    twilio_auth_token: SecretStr | None = None
    twilio_api_key: str | None = None
    twilio_api_secret: SecretStr | None = None
    twilio_region: str | None = None
    twilio_edge: str | None = None
    twilio_api_base_url: str | None = None

    # Telnyx
    telnyx_api_key: SecretStr | None = None
    telnyx_public_key: str | None = None
    telnyx_connection_id: str | None = None
    telnyx_account_sid: str | None = None
    telnyx_api_base_url: str | None = None
    telnyx_mode: Literal["texml", "call_control"] = "texml"
    telnyx_codec: Literal["PCMU", "PCMA", "L16"] = "PCMU"
    telnyx_l16_byte_order: Literal["little", "big"] = "little"

    # Pipecat Cloud, only for the documents that `python server.py` prints
    pipecat_cloud_agent: str | None = None
    pipecat_cloud_region: str | None = None

    # Services by name; `auto` takes the first one whose key is set, else the local one
    stt: str = "auto"
    llm: str = "auto"
    tts: str = "auto"
    openai_api_key: SecretStr | None = None
    openai_base_url: str | None = None
    openai_model: str | None = None
    anthropic_api_key: SecretStr | None = None
    anthropic_model: str | None = None
    google_api_key: SecretStr | None = None
    google_model: str | None = None
    ollama_base_url: str | None = None
    ollama_model: str | None = None
    deepgram_api_key: SecretStr | None = None
    assemblyai_api_key: SecretStr | None = None
    cartesia_api_key: SecretStr | None = None
    cartesia_voice_id: str | None = None
    elevenlabs_api_key: SecretStr | None = None
    elevenlabs_voice_id: str | None = None

    @property
    def shared_secret(self) -> str | None:
        """A secret that every machine of a deployment has, whatever else it shares; None when nothing is set."""
        for secret in (
            self.stream_token_secret,
            self.twilio_auth_token,
            self.twilio_api_secret,
            self.telnyx_api_key,
        ):
            if secret is not None:
                return secret.get_secret_value()
        return None

    @field_validator("log_level", "telnyx_codec", mode="before")
    @classmethod
    def _in_capitals(cls, value: object) -> object:
        return value.strip().upper() if isinstance(value, str) else value

    @field_validator("telnyx_mode", "telnyx_l16_byte_order", mode="before")
    @classmethod
    def _in_small_letters(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _is_a_database(cls, value: str | None) -> str | None:
        if value is None:
            return None
        value = value.strip()
        if value.lower() == MEMORY:
            return MEMORY
        if "://" not in value:
            raise ValueError(
                f"must be an address such as sqlite+aiosqlite:///data/calls.db, or {MEMORY} to keep no calls"
            )
        return value

    @field_validator("caller_id")
    @classmethod
    def _is_a_number(cls, value: str | None) -> str | None:
        value = value.strip() if value is not None else None
        if value is not None and not re.fullmatch(r"\+[1-9][0-9]{5,14}|sips?:\S+", value):
            raise ValueError("must be in E.164, with + and country code, such as +14155550100")
        return value

    @field_validator("dial_countries")
    @classmethod
    def _are_countries(cls, value: str | None) -> str | None:
        if value is None:
            return None
        value = value.replace(" ", "").strip(",").upper()
        if not re.fullmatch(r"\*|[A-Z]{2}(,[A-Z]{2})*", value):
            raise ValueError(
                "must be countries by their two letters with commas, such as US,CA, or * for all"
            )
        return value

    @field_validator("public_url")
    @classmethod
    def _is_a_base_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        value = value.strip().rstrip("/")
        if not value.startswith(("https://", "http://")):
            raise ValueError(
                "must start with https:// (or http:// on this machine), for example https://bot.example.com"
            )
        if wrong := _wrong_in_base_url(value):
            raise ValueError(
                f"{wrong}; write only what comes before the path, such as https://bot.example.com"
            )
        return value

    @field_validator("caller_lookup_url")
    @classmethod
    def _is_private(cls, value: str | None) -> str | None:
        if value is None:
            return None
        address = urlsplit(value.strip())
        at_home = address.scheme == "http" and address.hostname in ("localhost", "127.0.0.1", "::1")
        if not address.hostname or not (address.scheme == "https" or at_home):
            raise ValueError(
                "must be an https:// address (http:// only on localhost): callers' numbers go there"
            )
        return value.strip()

    @property
    def calls_database(self) -> str | None:
        """The address of the database that calls are kept in; None for memory only."""
        if self.database_url == MEMORY:
            return None
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir / 'calls.db'}"


def _wrong_in_base_url(value: str) -> str | None:
    """What would keep addresses that begin with this from being called, or from being signed as they are written."""
    if not value.isascii() or not value.isprintable() or set(value) & set(" \"'<>\\^`{|}"):
        return "has a space or another character that no address has (a name with accents is written xn--...)"
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "has a host or port that cannot be"
    if not host or port == 0:
        return "has no host" if not host else "has a port that cannot be"
    if "?" in value or "#" in value:
        return "has a query (?) or a fragment (#), which belong to single addresses"
    if "@" in parts.netloc:
        return "has a user or password in it, which carriers do not sign"
    if re.search(r"/(twilio|telnyx|ws)(/|$)", parts.path):
        return "has the path of a webhook or media socket in it"
    return None


def load_settings(**overrides: object) -> Settings:
    """Read the environment and `.env`, or the file that PHONEBOT_ENV_FILE names; an empty name reads no file.

    Args:
        **overrides: Values that win over both, by field name (tests, command-line flags).

    Raises:
        SettingsError: One line per unusable variable, each with its name and the fix.
    """
    file = os.environ.get(ENV_FILE, ".env") or None
    try:
        return Settings(_env_file=file, **overrides)  # type: ignore[call-arg, arg-type]
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            name = str(problem["loc"][0]).upper() if problem["loc"] else "settings"
            reason = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{name} is not usable: {reason}. Change it in .env or in the environment.")
        raise SettingsError("\n".join(lines)) from None
