"""The one place where the environment and `.env` are read.

Every variable is documented in `.env.example`. Nothing else in the project looks at `os.environ`, so what a process was
configured with is what `load_settings()` returned.

A value comes as a way of deploying hands it over: a shell takes quotes away, `docker run --env-file` leaves them and
the carriage return of a file from Windows in place, a Kubernetes secret often ends in a line feed. `cleaned` makes the
same value of all of them.
"""

from __future__ import annotations

import difflib
import io
import os
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from carriers import descriptors, known_carriers
from carriers.variables import CarrierVariables
from providers.variables import FILES, ProviderVariables

ROOT = Path(__file__).resolve().parent

for _threads_of in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    # numpy's native library would spread each small product over all cores, and let its threads spin between them: a
    # third of a call's processor time. It reads this when numpy is imported, so `bot` and `server` import us first.
    os.environ.setdefault(_threads_of, "1")

ENV_FILE = "PHONEBOT_ENV_FILE"
"""The variable that names another file than `.env`: one of several deployments on a machine, or none for tests."""

OTHERS = frozenset({"LOGLEVEL", "OLLAMA_HOST", "OLLAMA_MODELS", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"})
"""Variables of other programs that look like ours."""

OPENTELEMETRY = "OTEL_"
"""How the names of OpenTelemetry's variables begin, of which we know a few and it knows many."""

ON_THIS_MACHINE = frozenset({"agents_dir", "data_dir", "dial_do_not_call"}) | FILES
"""Settings that name a place on the machine where they are set, and mean nothing on another."""

AUTO = "auto"
"""The value of WORKERS with which there is a process a core."""

MEMORY = "memory"
"""The value of DATABASE_URL with which calls are forgotten when the process ends."""


SAY, BUSY_TONE, CALL_BACK, MESSAGE = "say", "busy", "call_back", "message"
"""The values of WHEN_FULL that name no other place."""


class SettingsError(Exception):
    """A variable has a value that cannot be used; the message names it and how to mend it."""


@dataclass(frozen=True)
class Given:
    """What was handed over: cleaned values by names in capitals, without the empty ones.

    Parameters:
        environment: From the process's environment.
        file: From the file.
        path: The file that was read; None for none.
        twice: Names that stand in the file more than once.
    """

    environment: dict[str, str] = field(default_factory=dict, repr=False)
    file: dict[str, str] = field(default_factory=dict, repr=False)
    path: Path | None = None
    twice: tuple[str, ...] = ()

    @property
    def values(self) -> dict[str, str]:
        """What counts: the environment's value, else the file's."""
        return {**self.file, **self.environment}

    def without(self, names: Collection[str]) -> Given:
        """The same without some names, which something else than a setting reads."""
        return replace(
            self,
            environment={name: value for name, value in self.environment.items() if name not in names},
            file={name: value for name, value in self.file.items() if name not in names},
        )


class _GivenSource(PydanticBaseSettingsSource):
    """Hands `read_given()` to pydantic."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self._given.get(field_name.upper()), field_name, self.field_is_complex(field)

    def __call__(self) -> dict[str, Any]:
        self._given = read_given().values
        found = {}
        for name, described in self.settings_cls.model_fields.items():
            value, key, is_complex = self.get_field_value(described, name)
            if value is not None:
                found[key] = self.prepare_field_value(name, described, value, is_complex)
        return found


class Settings(BaseSettings):
    """What the operator configured. An empty value counts as not set.

    `settings_class` adds the variables of each carrier, of which only the carrier's own folder knows, and those of the
    services in `providers/`.

    Parameters:
        KEYS: Settings that a provider's console has made: letters, digits and signs without a blank.
        ADDRESSES: Settings that are the address of a service that we ask.
        IN_A_CALL: Settings that a bot reads in a call: they go with it to a host that has no server of ours
            (`deploy/cloud_env.py`).
        ON_A_SERVER: Settings that only a server of ours reads.
    """

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    KEYS: ClassVar[frozenset[str]] = frozenset(
        {
            "pipecat_cloud_public_key",
            "openai_api_key",
            "anthropic_api_key",
            "google_api_key",
            "deepgram_api_key",
            "assemblyai_api_key",
            "cartesia_api_key",
            "elevenlabs_api_key",
        }
    )
    ADDRESSES: ClassVar[frozenset[str]] = frozenset(
        {
            "ngrok_api_url",
            "caller_lookup_url",
            "webhook_url",
            "otel_exporter_otlp_endpoint",
            "otel_exporter_otlp_traces_endpoint",
            "pipecat_cloud_api_base_url",
            "openai_base_url",
            "ollama_base_url",
        }
    )
    IN_A_CALL: ClassVar[frozenset[str]] = frozenset(
        {
            "agent",
            "database_url",
            "log_level",
            "log_callers_words",
            "caller_id",
            "caller_ids",
            "dial_countries",
            "dial_max_per_number_per_day",
            "dial_max_per_hour",
            "dial_max_at_once",
            "dial_max_minutes_per_day",
            "dial_sip_hosts",
            "stream_token_secret",
            "caller_lookup_url",
            "caller_lookup_token",
            "caller_lookup_budget_ms",
            "webhook_url",
            "webhook_secret",
            "smtp_host",
            "smtp_port",
            "smtp_user",
            "smtp_password",
            "smtp_from",
            "pipecat_cloud_agent",
            "pipecat_cloud_region",
            "pipecat_cloud_public_key",
            "pipecat_cloud_api_base_url",
            "stt",
            "llm",
            "tts",
            "openai_api_key",
            "openai_base_url",
            "openai_model",
            "anthropic_api_key",
            "anthropic_model",
            "google_api_key",
            "google_model",
            "ollama_base_url",
            "ollama_model",
            "deepgram_api_key",
            "assemblyai_api_key",
            "cartesia_api_key",
            "cartesia_voice_id",
            "elevenlabs_api_key",
            "elevenlabs_voice_id",
            "connect_secs",
            "first_token_secs",
            "stall_secs",
            "first_audio_secs",
            "failover_secs",
            "voice_cache_mb",
            "preconnect",
            "ask_ahead",
            "hang_up_pause_secs",
        }
    )
    ON_A_SERVER: ClassVar[frozenset[str]] = frozenset(
        {
            "host",
            "port",
            "public_url",
            "api_key",
            "api_keys",
            "metrics_token",
            "otel_exporter_otlp_endpoint",
            "otel_exporter_otlp_traces_endpoint",
            "otel_exporter_otlp_headers",
            "otel_service_name",
            "otel_words",
            "allow_tokenless_streams",
            "allow_unsigned_webhooks",
            "max_connections",
            "max_connections_per_peer",
            "workers",
            "watchdog_secs",
            "drain_secs",
            "drain_notice_secs",
            "max_calls",
            "when_full",
            "unknown_calls",
            "retain_days",
            "retain_numbers_days",
            "retain_transcripts_days",
            "retain_recordings_days",
            "retain_events_days",
            "ngrok_api_url",
        }
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Our own reading of the environment and the file in place of pydantic's."""
        return init_settings, _GivenSource(settings_cls)

    # The service itself
    host: str = "127.0.0.1"
    port: int = Field(default=7860, ge=1, le=65535)
    public_url: str | None = None
    api_key: SecretStr | None = None
    api_keys: SecretStr | None = None
    agent: str = "receptionist"
    agents_dir: Path = ROOT / "agents"
    data_dir: Path = Path("data")
    database_url: str | None = Field(default=None, repr=False)  # it may have a password in it
    caller_id: str | None = None
    caller_ids: str | None = None
    dial_countries: str | None = None
    dial_max_per_number_per_day: int = Field(default=5, ge=1)
    dial_max_per_hour: int = Field(default=30, ge=0)
    dial_max_at_once: int = Field(default=5, ge=0)
    dial_max_minutes_per_day: int = Field(default=240, ge=0)
    dial_sip_hosts: str | None = None
    dial_do_not_call: Path | None = None
    stream_token_secret: SecretStr | None = None
    allow_tokenless_streams: bool = False
    allow_unsigned_webhooks: bool = False
    max_connections: int = Field(default=1000, ge=16)
    max_connections_per_peer: int = Field(default=100, ge=0)
    workers: int | Literal["auto"] | None = None
    watchdog_secs: float = Field(default=10, ge=0)
    drain_secs: float = Field(default=600, ge=0, le=86_400)
    drain_notice_secs: float = Field(default=0, ge=0, le=60)
    max_calls: int | None = Field(default=None, ge=0)
    when_full: str = Field(default=SAY, repr=False)  # it may be a telephone number
    unknown_calls: Literal["leave", "end", "adopt"] = "leave"
    retain_days: int | None = Field(default=None, ge=1, le=36_500)
    retain_numbers_days: int | None = Field(default=None, ge=1, le=36_500)
    retain_transcripts_days: int | None = Field(default=None, ge=1, le=36_500)
    retain_recordings_days: int | None = Field(default=None, ge=1, le=36_500)
    retain_events_days: int | None = Field(default=None, ge=1, le=36_500)
    ngrok_api_url: str = "http://127.0.0.1:4040"
    log_level: Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_callers_words: bool = False

    # Who calls
    caller_lookup_url: str | None = None
    caller_lookup_token: SecretStr | None = None
    caller_lookup_budget_ms: int = Field(default=800, ge=50, le=4000)

    # Who is told of calls
    webhook_url: str | None = Field(default=None, repr=False)  # it may have a secret in it
    webhook_secret: SecretStr | None = None
    smtp_host: str | None = None
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    smtp_from: str | None = None

    # Who watches the service
    metrics_token: SecretStr | None = None
    otel_exporter_otlp_endpoint: str | None = Field(default=None, repr=False)  # it may have a secret in it
    otel_exporter_otlp_traces_endpoint: str | None = Field(default=None, repr=False)
    otel_exporter_otlp_headers: SecretStr | None = None
    otel_service_name: str | None = None
    otel_words: bool = False

    # Pipecat Cloud
    pipecat_cloud_agent: str | None = None
    pipecat_cloud_region: str | None = None
    pipecat_cloud_public_key: SecretStr | None = None
    pipecat_cloud_api_base_url: str | None = None

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

    # How long a hosted service may keep a caller waiting, in seconds
    connect_secs: float = Field(default=3, gt=0, le=60)
    first_token_secs: float = Field(default=4, gt=0, le=60)
    stall_secs: float = Field(default=3, gt=0, le=60)
    first_audio_secs: float = Field(default=3, gt=0, le=60)
    # The same for a service that has others behind it in a list
    failover_secs: float = Field(default=1.5, gt=0, le=60)

    # What is ready before a call needs it: room for lines of hosted voices, and connections that wait for a call
    voice_cache_mb: int = Field(default=64, ge=0, le=100_000)
    preconnect: int = Field(default=0, ge=0, le=20)
    # Whether a model is asked while a pause is waited out that is likely the end of the caller's turn
    ask_ahead: bool = True

    # How long after the carrier has played the last word the line stays up, for the caller's ear to hear it
    hang_up_pause_secs: float = Field(default=0.2, ge=0, le=5)

    @property
    def shared_secret(self) -> str | None:
        """A secret that every machine of a deployment has, whatever else it shares; None when nothing is set."""
        carriers = [secret for one in descriptors() for secret in one.secrets(self)]
        known = [self.stream_token_secret, *carriers]
        return next((secret.get_secret_value() for secret in known if secret is not None), None)

    @field_validator("*", mode="before")
    @classmethod
    def _is_printable(cls, value: object) -> object:
        if isinstance(value, str) and any(
            ord(character) < 32 or ord(character) == 127 for character in value
        ):
            raise ValueError("there is a line break or another invisible character in it; write it again")
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _is_a_key(cls, value: object, field: ValidationInfo) -> object:
        if field.field_name not in cls.KEYS:
            return value
        if isinstance(value, str) and not re.fullmatch(r"""[^\s"'`]*""", value, re.ASCII):
            raise ValueError(
                "there is a blank or a quotation mark in it; copy it again, without what stands around it"
            )
        if isinstance(value, str) and not value.isascii():
            raise ValueError("there is a character in it that no key has; copy it again")
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_capitals(cls, value: object) -> object:
        return value.strip().upper() if isinstance(value, str) else value

    @field_validator("workers", mode="before")
    @classmethod
    def _are_workers(cls, value: object) -> object:
        text = str(value).strip().lower()
        if value is None or text == AUTO:
            return value and AUTO
        if not re.fullmatch(r"[1-9][0-9]{0,2}", text):
            raise ValueError(f"must be a whole number of processes from 1 to 999, or {AUTO} for one a core")
        return int(text)

    @field_validator("watchdog_secs")
    @classmethod
    def _outlasts_pulses(cls, value: float) -> float:
        if 0 < value < 2:
            raise ValueError("must be at least 2 seconds, or 0 for no watchdog")
        return value

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

    @field_validator("caller_ids")
    @classmethod
    def _are_numbers(cls, value: str | None) -> str | None:
        numbers = [number.strip() for number in (value or "").split(",") if number.strip()]
        for number in numbers:
            cls._is_a_number(number)
        return ",".join(numbers) or None

    @property
    def numbers(self) -> tuple[str, ...]:
        """The owner's numbers that calls may be placed from, the usual one first."""
        others = (self.caller_ids or "").split(",")
        return tuple(dict.fromkeys(number for number in (self.caller_id, *others) if number))

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
        from phonenumbers import SUPPORTED_REGIONS

        for country in value.split(","):
            if country not in {*SUPPORTED_REGIONS, "*"}:
                meant = "GB, the United Kingdom" if country == "UK" else "its two letters of ISO 3166"
                raise ValueError(f"has {country}, which is no country with telephones: write {meant}")
        return value

    @field_validator("dial_sip_hosts")
    @classmethod
    def _are_hosts(cls, value: str | None) -> str | None:
        hosts = [host.strip() for host in (value or "").split(",") if host.strip()]
        if not all(re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", host) for host in hosts):
            raise ValueError(
                "must be names of hosts with commas, such as pbx.example.com,sip.example.com, without sip:, user, port"
            )
        return ",".join(hosts) or None

    @field_validator("agents_dir", "data_dir", "dial_do_not_call")
    @classmethod
    def _is_where_it_says(cls, value: Path | None) -> Path | None:
        # No shell has looked at a file of settings
        return value.expanduser() if value is not None else None

    @field_validator("*")
    @classmethod
    def _is_an_address(cls, value: Any, field: ValidationInfo) -> Any:
        if value is None or field.field_name not in cls.ADDRESSES:
            return value
        value = value.strip()
        if not re.match(r"https?://", value, re.IGNORECASE):
            raise ValueError("must start with https:// or http://")
        if wrong := _wrong_in_address(value):
            raise ValueError(f"{wrong}; copy it again")
        return value

    @field_validator("public_url")
    @classmethod
    def _is_a_base_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        value = value.strip().rstrip("/")
        value = re.sub(r"^https?://", lambda scheme: scheme[0].lower(), value, flags=re.IGNORECASE)
        if not value.startswith(("https://", "http://")):
            raise ValueError(
                "must start with https:// (or http:// on this machine), for example https://bot.example.com"
            )
        if wrong := _wrong_in_base_url(value):
            raise ValueError(
                f"{wrong}; write only what comes before the path, such as https://bot.example.com"
            )
        return value

    @field_validator("when_full")
    @classmethod
    def _is_an_end(cls, value: str) -> str:
        value = value.strip()
        if value.lower() in (SAY, BUSY_TONE, CALL_BACK, MESSAGE):
            return value.lower()
        if re.match(r"https?://", value, re.IGNORECASE):
            return cls._is_a_base_url(value) or SAY
        if re.fullmatch(r"\+[1-9][0-9]{5,14}|sips?:\S+", value):
            return value
        raise ValueError(
            f"must be {SAY}, {BUSY_TONE}, {CALL_BACK}, {MESSAGE}, the base address of another server such as "
            "https://bot2.example.com, or a telephone number in E.164 such as +14155550100"
        )

    @field_validator("caller_lookup_url", "webhook_url")
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

    @field_validator("smtp_from")
    @classmethod
    def _is_a_mailbox(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[^\s@<>,;:\"]+@[^\s@<>,;:\"]+", value.strip()):
            raise ValueError("must be an e-mail address such as bot@example.com")
        return value.strip() if value is not None else None

    @property
    def calls_database(self) -> str | None:
        """The address of the database that calls are kept in; None for memory only."""
        if self.database_url == MEMORY:
            return None
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir / 'calls.db'}"


def _wrong_in_address(value: str) -> str | None:
    """What is wrong with an address itself, whatever answers there."""
    if not value.isascii() or not value.isprintable() or set(value) & set(" \"'<>\\^`{|}"):
        return "has a space or another character that no address has (a name with accents is written xn--...)"
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "has a host or port that cannot be"
    if not host or port == 0 or parts.netloc.endswith(":"):
        return "has no host" if not host else "has a port that cannot be"
    if ":" not in host and not re.fullmatch(_HOST, host):
        return "has a host that cannot be"
    return None


def _wrong_in_base_url(value: str) -> str | None:
    """What would keep addresses that begin with this from being called, or from being signed as they are written."""
    if wrong := _wrong_in_address(value):
        return wrong
    parts = urlsplit(value)
    if "?" in value or "#" in value:
        return "has a query (?) or a fragment (#), which belong to single addresses"
    if "@" in parts.netloc:
        return "has a user or password in it, which carriers do not sign"
    if re.search(
        rf"/({'|'.join(known_carriers())}|ws|calls|callers|console|healthz|readyz)(/|$)", parts.path
    ):
        return "has the path of a webhook, a media socket or a health check in it"
    return None


_HOST = r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?"


def settings_class() -> type[Settings]:
    """`Settings` with the variables of all services, and of all carriers that there are now."""
    return _with_variables(tuple(one.variables for one in descriptors()))


@cache
def _with_variables(carriers: tuple[type[CarrierVariables], ...]) -> type[Settings]:
    parts: tuple[Any, ...] = (*carriers, ProviderVariables)

    class Configured(*reversed(carriers), Settings, ProviderVariables):  # type: ignore[misc]
        KEYS = Settings.KEYS.union(*(part.KEYS for part in parts))
        ADDRESSES = Settings.ADDRESSES.union(*(part.ADDRESSES for part in parts))
        IN_A_CALL = Settings.IN_A_CALL.union(*(part.IN_A_CALL for part in parts))
        ON_A_SERVER = Settings.ON_A_SERVER.union(*(part.ON_A_SERVER for part in parts))

    return Configured


def text_of(settings: Settings, variable: str) -> str | None:
    """The value of a variable that only `settings_class()` knows, a secret's text included.

    Args:
        settings: What counts.
        variable: Its name, in capitals or not.
    """
    value = getattr(settings, variable.lower())
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def load_settings(**overrides: object) -> Settings:
    """Read the environment and `.env`, or the file that PHONEBOT_ENV_FILE names; an empty name reads no file.

    Args:
        **overrides: Values that win over both, by field name (tests, command-line flags).

    Raises:
        SettingsError: The file cannot be used, or a variable: one line each, with its name and the fix.
    """
    try:
        return settings_class()(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            name = str(problem["loc"][0]).upper() if problem["loc"] else "settings"
            reason = _reason(settings_class().model_fields.get(name.lower()), problem)
            place = "on the command line" if name.lower() in overrides else "in .env or in the environment"
            lines.append(f"{name} is not usable: {reason}. Change it {place}.")
        raise SettingsError("\n".join(lines)) from None


def _reason(described: FieldInfo | None, problem: Any) -> str:
    """What a value must be, with all its bounds: pydantic says only which one was broken, in a programmer's words."""
    kind: str = problem["type"]
    if kind.startswith("bool_"):
        return "must be true or false"
    if kind == "literal_error":
        return f"must be {problem['ctx']['expected']}"
    if described is None or described.annotation not in (int, float):
        return str(problem["msg"]).removeprefix("Value error, ")
    words = {"ge": "at least", "gt": "more than", "le": "at most"}
    bounds = [
        f"{word} {bound}"
        for name, word in words.items()
        for rule in described.metadata
        if (bound := getattr(rule, name, None)) is not None
    ]
    return f"must be a {'whole ' if described.annotation is int else ''}number, {' and '.join(bounds)}"


def read_given() -> Given:
    """Read what was handed over, without judging it.

    Raises:
        SettingsError: The file cannot be read.
    """
    named = os.environ.get(ENV_FILE)
    path = Path(cleaned(named) if named is not None else ".env")
    in_file, twice = _read_file(path, must_exist=named is not None) if named != "" else ({}, ())
    given = {}
    for name, value in os.environ.items():
        # Some programs take the line of an env file up to its `=` for the name.
        given[_name(name)] = cleaned(value, comment=not _is_secret(_name(name)))
    return Given(
        environment={name: value for name, value in given.items() if value},
        file={name: value for name, value in in_file.items() if value},
        path=path if in_file else None,
        twice=twice,
    )


def variables_named(names: Iterable[str]) -> dict[str, str]:
    """Read variables that are none of ours: those that an agent's file names for its tools.

    Args:
        names: In capitals.

    Returns:
        The values of those that are set, by name; they are secrets.

    Raises:
        SettingsError: The file cannot be read.
    """
    given = read_given().values
    return {name: given[name] for name in names if name in given}


def cleaned(value: str, *, comment: bool = False) -> str:
    """Take away what stands around a value but is not part of it: blanks, line ends, marks of encodings, quotes.

    Args:
        value: As it was handed over.
        comment: Take away a comment behind it, too, as it is done in `.env`.
    """
    value = value.strip(_AROUND)
    if comment and not re.fullmatch(_QUOTED, value, re.DOTALL):
        value = re.sub(r"(^|\s+)#.*", "", value, flags=re.DOTALL).strip(_AROUND)
    while quoted := re.fullmatch(_QUOTED, value, re.DOTALL):
        value = next(filter(None, quoted.groups()), "").strip(_AROUND)
    return value


_AROUND = " \t\r\n\v\f\xa0\ufeff\u200b\u200c\u200d\u2060"
_QUOTED = r"""\"([^\"]*)\"|'([^']*)'|“([^”]*)”|‘([^’]*)’"""


def hand_on_opentelemetry() -> None:
    """Put OpenTelemetry's variables of the file into the environment, where it looks for them itself.

    Not in the parent of workers: what they inherit would win over a file that has changed since.
    """
    for name, value in read_given().values.items():
        if name.startswith(OPENTELEMETRY):
            os.environ.setdefault(name, value)


def misspelt(given: Given) -> list[str]:
    """Variables that are none of ours but close to one of ours, so probably misspelt: one line each.

    Other programs have variables of their own, so in the environment only what is very close counts, and nothing for
    which ours is set as well.
    """
    known = [name.upper() for name in settings_class().model_fields] + [ENV_FILE]
    lines = []
    for place, names, cutoff in (
        (str(given.path), given.file, 0.75),
        ("the environment", given.environment, 0.85),
    ):
        for name in names:
            if name in known or name in OTHERS or name.startswith(OPENTELEMETRY):
                continue
            free = known if names is given.file else [one for one in known if one not in given.values]
            meant = _closest(name, free, cutoff)
            if meant is not None:
                lines.append(f"{name} in {place} is not read by anything here: did you mean {meant}?")
    return lines


def _closest(name: str, known: list[str], cutoff: float) -> str | None:
    words = name.split("_")
    if len(words) > 1:
        for other in known:
            theirs = other.split("_")
            if (words[0], words[-1]) == (theirs[0], theirs[-1]) and set(words) < set(theirs):
                return other
    if len(name) < 6 and cutoff > 0.8:  # PATH is close to PORT
        return None
    close = difflib.get_close_matches(name, known, n=1, cutoff=cutoff)
    return close[0] if close else None


def _name(name: str) -> str:
    return name.strip(_AROUND).removeprefix("export ").strip(_AROUND).upper()


def _is_secret(name: str) -> bool:
    described = settings_class().model_fields.get(name.lower())
    return described is not None and "SecretStr" in str(described.annotation)


def _read_file(path: Path, *, must_exist: bool) -> tuple[dict[str, str], tuple[str, ...]]:
    """The names and values of a file, and which names stand in it twice."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        if not must_exist:
            return {}, ()
        raise SettingsError(
            f"{ENV_FILE} names {path}, which does not exist: correct it, or unset it"
        ) from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror}): it must be a file of yours") from None
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in raw:
        raise SettingsError(f"{path} is UTF-16 text: save it as UTF-8 (in Notepad: Save as, Encoding)")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{path} line {line} is not UTF-8 text: save the file as UTF-8") from None
    names: list[str] = []
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            # Not the line itself: it may hold a key.
            raise SettingsError(
                f"{path} line {binding.original.line} cannot be read: write NAME=value, a quotation mark at both "
                "ends or at none"
            )
        if binding.key is not None:
            names.append(_name(binding.key))
    found = dotenv_values(stream=io.StringIO(text))
    values = {_name(name): cleaned(value or "") for name, value in found.items()}
    return values, tuple(sorted({name for name in names if names.count(name) > 1}))
