"""Where a setting comes from, and what a person reads who got one wrong."""

import os

import pytest

from settings import ENV_FILE, SettingsError, hand_on_opentelemetry, load_settings, misspelt, read_given


def test_everything_is_optional():
    settings = load_settings()
    assert (settings.host, settings.port, settings.stt, settings.llm, settings.tts) == (
        "127.0.0.1",
        7860,
        "auto",
        "auto",
        "auto",
    )
    assert settings.openai_api_key is None


def test_the_environment_wins_over_the_file(tmp_path, monkeypatch):
    file = tmp_path / "two.env"
    file.write_text("AGENT=from-file\nPORT=9001\n")
    monkeypatch.setenv(ENV_FILE, str(file))
    monkeypatch.setenv("PORT", "9002")
    settings = load_settings()
    assert (settings.agent, settings.port) == ("from-file", 9002)


def test_env_file_of_the_folder_is_read_by_default(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("AGENT=from-folder\n")
    monkeypatch.delenv(ENV_FILE)
    monkeypatch.chdir(tmp_path)
    assert load_settings().agent == "from-folder"


def test_an_empty_value_counts_as_not_set(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "")
    monkeypatch.setenv("PORT", "")
    settings = load_settings()
    assert settings.openai_api_key is None
    assert settings.port == 7860


def test_a_key_is_never_shown(monkeypatch):
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "very-secret")
    settings = load_settings()
    assert "very-secret" not in repr(settings)
    assert settings.twilio_auth_token is not None
    assert settings.twilio_auth_token.get_secret_value() == "very-secret"


def test_public_url_loses_its_last_slash():
    assert load_settings(public_url="https://bot.example.com/").public_url == "https://bot.example.com"


@pytest.mark.parametrize(
    "value", ["https://bot.example.com:8443", "https://example.com/bot", "http://[::1]:7860"]
)
def test_a_public_address_may_have_a_port_and_a_path(value):
    assert load_settings(public_url=f" {value}/ ").public_url == value


@pytest.mark.parametrize(
    ("name", "value", "becomes"),
    [
        ("log_level", "debug", "DEBUG"),
        ("telnyx_codec", " pcma", "PCMA"),
        ("telnyx_l16_byte_order", "BIG", "big"),
    ],
)
def test_the_case_of_a_choice_does_not_matter(name, value, becomes):
    assert getattr(load_settings(**{name: value}), name) == becomes


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("PORT", "seventy", "whole number, at least 1 and at most 65535"),
        ("PORT", "70000", "65535"),
        ("PUBLIC_URL", "bot.example.com", "https://"),
        ("PUBLIC_URL", "https://bot.example.com?x=1", "query"),
        ("PUBLIC_URL", "https://bot.example.com/#here", "fragment"),
        ("PUBLIC_URL", "https://me:pw@bot.example.com", "user or password"),
        ("PUBLIC_URL", "https://bot .example.com", "space"),
        ("PUBLIC_URL", "https://bücher.example", "xn--"),
        ("PUBLIC_URL", "https://bot.example.com:99999", "port"),
        ("PUBLIC_URL", "https:///path", "no host"),
        ("PUBLIC_URL", "https://bot.example.com/twilio/voice", "path of a webhook"),
        ("LOG_LEVEL", "LOUD", "'DEBUG'"),
        ("TELNYX_CODEC", "opus", "'PCMU'"),
        ("ALLOW_UNSIGNED_WEBHOOKS", "yess", "must be true or false"),
        ("DATABASE_URL", "calls.db", "sqlite+aiosqlite:///"),
        ("DIAL_COUNTRIES", "US, Canada", "two letters"),
        ("DIAL_MAX_PER_NUMBER_PER_DAY", "0", "whole number, at least 1"),
    ],
)
def test_a_wrong_value_is_one_line_with_its_name_and_the_fix(monkeypatch, name, value, part):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    message = str(caught.value)
    assert message.startswith(f"{name} is not usable: ")
    assert part in message
    assert message.endswith("Change it in .env or in the environment.")
    assert "\n" not in message


def test_every_wrong_value_has_a_line(monkeypatch):
    monkeypatch.setenv("PORT", "seventy")
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert [line.split()[0] for line in str(caught.value).splitlines()] == ["PORT", "LOG_LEVEL"]


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("", "sqlite+aiosqlite:///folder/calls.db"),
        ("memory", None),
        (" Memory ", None),
        ("sqlite+aiosqlite:////var/calls.db", "sqlite+aiosqlite:////var/calls.db"),
    ],
)
def test_calls_are_kept_beside_the_messages_unless_told_otherwise(monkeypatch, value, address):
    monkeypatch.setenv("DATABASE_URL", value)
    assert load_settings(data_dir="folder").calls_database == address


def test_the_password_of_a_database_is_never_shown():
    assert "hunter2" not in repr(load_settings(database_url="postgresql://me:hunter2@db/calls"))


@pytest.mark.parametrize(("value", "becomes"), [("us, ca", "US,CA"), ("*", "*"), ("GB,", "GB")])
def test_countries_are_written_with_commas(value, becomes):
    assert load_settings(dial_countries=value).dial_countries == becomes


def test_what_opentelemetry_reads_itself_may_stand_in_the_file(tmp_path, monkeypatch):
    file = tmp_path / "traces.env"
    file.write_text(
        "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318\nOTEL_EXPORTER_OTLP_TRACES_HEADERS=a=b\n"
        "OTEL_TRACES_SAMPLER=always_off\nAGENT=desk\n"
    )
    monkeypatch.setenv(ENV_FILE, str(file))
    monkeypatch.setattr(os, "environ", {**os.environ, "OTEL_TRACES_SAMPLER": "always_on"})
    assert misspelt(read_given()) == []
    hand_on_opentelemetry()
    assert os.environ["OTEL_EXPORTER_OTLP_TRACES_HEADERS"] == "a=b"
    assert os.environ["OTEL_TRACES_SAMPLER"] == "always_on"
    assert "AGENT" not in os.environ
    assert load_settings().otel_exporter_otlp_endpoint == "http://127.0.0.1:4318"
