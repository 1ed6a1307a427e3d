"""The same setting means the same, however the way of deploying hands it over; what cannot be read is one line."""

import os
import re
import subprocess
import sys

import pytest

from settings import (
    ENV_FILE,
    ROOT,
    SettingsError,
    cleaned,
    load_settings,
    misspelt,
    read_given,
    settings_class,
)

TOKEN = "0123456789abcdef0123456789abcdef"


def secret(settings):
    return settings.twilio_auth_token.get_secret_value()


@pytest.mark.parametrize(
    ("way", "value"),
    [
        ("a shell", TOKEN),
        ("docker run --env-file, with quotes", f'"{TOKEN}"'),
        ("docker run --env-file, with single quotes", f"'{TOKEN}'"),
        ("docker run --env-file, a file from Windows", f"{TOKEN}\r"),
        ("docker run --env-file, both", f'"{TOKEN}"\r'),
        ("the carriage return within the quotes", f'"{TOKEN}\r"'),
        ("docker run --env-file, blanks around it", f"  {TOKEN} \t"),
        ("a Kubernetes secret that `echo` made", f"{TOKEN}\n"),
        ("a compose file that quotes what was quoted", f"'\"{TOKEN}\"'"),
        ("copied from a web page", f"\u200b{TOKEN}\xa0"),
        ("copied from a text program", f"“{TOKEN}”"),
        ("a file with a mark at its beginning", f"\ufeff{TOKEN}"),
    ],
)
def test_a_token_is_the_same_however_it_is_handed_over(monkeypatch, way, value):
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", value)
    assert secret(load_settings()) == TOKEN, way


@pytest.mark.parametrize(
    ("name", "value", "field", "becomes"),
    [
        ("PORT", '"9001"\r', "port", 9001),
        ("PORT", "9001 # where we listen", "port", 9001),
        ("ALLOW_UNSIGNED_WEBHOOKS", "'true'", "allow_unsigned_webhooks", True),
        ("PUBLIC_URL", '"https://bot.example.com/"', "public_url", "https://bot.example.com"),
        ("CALLER_ID", '" +14155550100 "', "caller_id", "+14155550100"),
        ("TELNYX_MODE", "call_control\r", "telnyx_mode", "call_control"),
        ("AGENT", '"sales"', "agent", "sales"),
        ("AGENT", '""', "agent", "receptionist"),
        ("AGENT", "\r", "agent", "receptionist"),
        ("export AGENT", "sales", "agent", "sales"),
        ("\ufeffAGENT", "sales", "agent", "sales"),
    ],
)
def test_every_kind_of_setting_is_cleaned(monkeypatch, name, value, field, becomes):
    monkeypatch.setenv(name, value)
    assert getattr(load_settings(), field) == becomes


def test_what_belongs_to_a_value_stays():
    assert cleaned('say "hello" to them') == 'say "hello" to them'
    assert cleaned("a#b", comment=True) == "a#b"
    assert cleaned('"a # b"', comment=True) == "a # b"
    assert cleaned("don't") == "don't"


def test_a_password_of_ones_own_may_have_blanks_and_signs(monkeypatch):
    monkeypatch.setenv("API_KEY", "correct horse # battery")
    key = load_settings().api_key
    assert key is not None
    assert key.get_secret_value() == "correct horse # battery"


@pytest.mark.parametrize("value", ["tok en", 'tok"en', "'token", "tök", "tok\nen", "tok\x00en", "TOKEN=x y"])
@pytest.mark.parametrize("name", ["TWILIO_AUTH_TOKEN", "TELNYX_PUBLIC_KEY", "DEEPGRAM_API_KEY"])
def test_a_key_that_no_console_shows_is_refused_and_not_repeated(name, value):
    with pytest.raises(SettingsError) as caught:
        load_settings(**{name.lower(): value})
    assert str(caught.value).startswith(f"{name} is not usable: there is a ")
    assert value not in str(caught.value)


def test_an_empty_variable_leaves_the_file_its_say(tmp_path, monkeypatch):
    file = tmp_path / "image.env"
    file.write_text("HOST=0.0.0.0\nDATA_DIR=/data\nPORT=9001\n")
    monkeypatch.setenv(ENV_FILE, str(file))
    monkeypatch.setenv("HOST", "")
    monkeypatch.setenv("DATA_DIR", '""\r')
    monkeypatch.setenv("PORT", "9002")
    settings = load_settings()
    assert (settings.host, str(settings.data_dir), settings.port) == ("0.0.0.0", "/data", 9002)


def test_a_copied_example_leaves_the_image_its_own_address_and_folder(tmp_path, monkeypatch):
    # What `docker run --env-file` makes of the example: every name with its value, empty ones too.
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals and not name.startswith("#"):
            monkeypatch.setenv(name, value)
    dockerfile = (ROOT / "deploy" / "Dockerfile.server").read_text(encoding="utf-8")
    written = re.findall(r"^RUN printf '(.*)' > \.env$", dockerfile, flags=re.MULTILINE)
    assert len(written) == 1, "the image has no settings for what the environment leaves empty"
    (tmp_path / ".env").write_text(written[0].replace("\\n", "\n"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(ENV_FILE)
    settings = load_settings()
    assert (settings.host, settings.port, str(settings.data_dir)) == ("0.0.0.0", 7860, "/data")
    assert settings.calls_database == "sqlite+aiosqlite:////data/calls.db"


# The file


@pytest.mark.parametrize(
    "raw",
    [
        f"TWILIO_AUTH_TOKEN={TOKEN}\nAGENT=sales\n".encode(),
        f"TWILIO_AUTH_TOKEN={TOKEN}\r\nAGENT=sales\r\n".encode(),
        f"\ufeffTWILIO_AUTH_TOKEN={TOKEN}\r\nAGENT=sales".encode(),
        f'export TWILIO_AUTH_TOKEN="{TOKEN}"\nexport AGENT=sales # who answers\n'.encode(),
        f"twilio_auth_token = '{TOKEN}'\n\n# AGENT=nobody\nAGENT =sales\n".encode(),
        f'TWILIO_AUTH_TOKEN="{TOKEN}\r"\nAGENT="\'sales\'"\n'.encode(),
    ],
)
def test_a_file_is_read_as_editors_and_shells_write_it(tmp_path, monkeypatch, raw):
    file = tmp_path / "some.env"
    file.write_bytes(raw)
    monkeypatch.setenv(ENV_FILE, str(file))
    settings = load_settings()
    assert (secret(settings), settings.agent) == (TOKEN, "sales")


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        ("AGENT=sales\n".encode("utf-16"), ["UTF-16", "save it as UTF-8"]),
        ("AGENT=sales\n".encode("utf-16-le"), ["UTF-16", "save it as UTF-8"]),
        ("AGENT=sales\n# Büro\n".encode("latin-1"), ["line 2", "not UTF-8"]),
        (b"AGENT=sales\nTWILIO_AUTH_TOKEN: tok\n", ["line 2", "NAME=value"]),
        (b'AGENT=sales\nTWILIO_AUTH_TOKEN="tok\n', ["line 2", "quotation mark"]),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line_without_its_values(tmp_path, monkeypatch, raw, parts):
    file = tmp_path / "some.env"
    file.write_bytes(raw)
    monkeypatch.setenv(ENV_FILE, str(file))
    with pytest.raises(SettingsError) as caught:
        load_settings()
    message = str(caught.value)
    assert [part for part in (*parts, "some.env") if part not in message] == [], message
    assert "\n" not in message
    assert "tok" not in message


def test_a_file_that_is_named_and_not_there_does_not_start(tmp_path, monkeypatch):
    monkeypatch.setenv(ENV_FILE, str(tmp_path / "secnod.env"))
    with pytest.raises(SettingsError, match=r"PHONEBOT_ENV_FILE names .*secnod\.env, which does not exist"):
        load_settings()
    done = subprocess.run(
        [sys.executable, "server.py"], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "which does not exist" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_in_the_files_place_is_one_line(tmp_path, monkeypatch):
    # `docker run -v $PWD/.env:/app/.env` makes a folder when there is no such file.
    (tmp_path / ".env").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(ENV_FILE)
    with pytest.raises(SettingsError, match=r"\.env cannot be read"):
        load_settings()


# Names


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TWILIO_ACOUNT_SID", "TWILIO_ACCOUNT_SID"),
        ("TWILIO_SID", "TWILIO_ACCOUNT_SID"),
        ("TWILIO_TOKEN", "TWILIO_AUTH_TOKEN"),
        ("TWILO_AUTH_TOKEN", "TWILIO_AUTH_TOKEN"),
        ("OPENAI_KEY", "OPENAI_API_KEY"),
        ("OPEN_AI_API_KEY", "OPENAI_API_KEY"),
        ("ELEVEN_LABS_API_KEY", "ELEVENLABS_API_KEY"),
        ("PUBLICURL", "PUBLIC_URL"),
        ("TELNYX_ACCOUNT_ID", "TELNYX_ACCOUNT_SID"),
        ("AGENT_DIR", "AGENTS_DIR"),
    ],
)
@pytest.mark.parametrize("place", ["file", "environment"])
def test_a_misspelt_name_is_told_with_the_right_one(tmp_path, monkeypatch, name, meant, place):
    if place == "file":
        file = tmp_path / "some.env"
        file.write_text(f"{name}=x\n")
        monkeypatch.setenv(ENV_FILE, str(file))
    else:
        monkeypatch.delenv(ENV_FILE)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv(name, "x")
    (line,) = misspelt(read_given())
    assert line.startswith(f"{name} in ")
    assert line.endswith(f"did you mean {meant}?")


def test_a_misspelt_name_of_the_file_is_told_with_the_right_one(tmp_path, monkeypatch):
    monkeypatch.setenv("PHONEBOT_ENVFILE", "second.env")
    monkeypatch.delenv(ENV_FILE)
    monkeypatch.chdir(tmp_path)
    (line,) = misspelt(read_given())
    assert line.endswith("did you mean PHONEBOT_ENV_FILE?")


def test_in_the_file_a_misspelt_name_is_told_also_beside_the_right_one(tmp_path, monkeypatch):
    file = tmp_path / "some.env"
    file.write_text("AGENT=receptionist\nAGNET=sales\n")
    monkeypatch.setenv(ENV_FILE, str(file))
    (line,) = misspelt(read_given())
    assert line == f"AGNET in {file} is not read by anything here: did you mean AGENT?"


def test_variables_of_other_programs_are_left_alone(monkeypatch):
    others = (
        "PATH HOME HOSTNAME LOGNAME LANG SHELL SSH_AGENT_PID SSH_AUTH_SOCK XDG_DATA_DIRS XDG_DATA_HOME LOGLEVEL "
        "OLLAMA_HOST OLLAMA_MODELS OPENAI_ORG_ID OPENAI_ORGANIZATION GOOGLE_APPLICATION_CREDENTIALS "
        "GOOGLE_CLOUD_PROJECT AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY GITHUB_TOKEN HF_TOKEN DAILY_API_KEY "
        "KUBERNETES_SERVICE_HOST KUBERNETES_PORT PHONEBOT_PORT PHONEBOT_SERVICE_HOST REDIS_URL PGHOST PGPORT "
        "PYTHONPATH VIRTUAL_ENV PIPECAT_CLOUD TWILIO_PHONE_NUMBER NGROK_AUTHTOKEN NODE_ENV PORTS TERM"
    ).split()
    for name in others:
        monkeypatch.setenv(name, "x")
    assert misspelt(read_given()) == []


def test_a_name_beside_the_right_one_is_another_programs(monkeypatch):
    monkeypatch.setenv("TWILIO_SID", "AC1")
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "AC1")
    assert misspelt(read_given()) == []


def test_every_name_of_ours_is_found_when_two_letters_are_swapped_or_one_is_missing(tmp_path, monkeypatch):
    for field in settings_class().model_fields:
        name = field.upper()
        if len(name) < 8:
            continue
        middle = len(name) // 2
        for wrong in (name[:middle] + name[middle + 1 :], name[:3] + name[4] + name[3] + name[5:]):
            if wrong == name or wrong.lower() in settings_class().model_fields:
                continue
            file = tmp_path / "some.env"
            file.write_text(f"{wrong}=x\n")
            monkeypatch.setenv(ENV_FILE, str(file))
            assert [line.split()[0] for line in misspelt(read_given())] == [wrong], name
