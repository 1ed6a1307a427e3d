"""`python -m deploy.cloud_env` writes what a bot on Pipecat Cloud reads, and the platform's own tool understands it."""

import stat
from contextlib import suppress

import pytest

from deploy import cloud_env
from settings import ENV_FILE, ON_THIS_MACHINE, Settings, SettingsError, load_settings, settings_class
from tests.pipecat_cloud import pipecat, pipecat_cloud

KEYS = "OPENAI_API_KEY=sk-1\nTELNYX_API_KEY=KEY01\nPIPECAT_CLOUD_AGENT=phonebot.my-org\n"

SAMPLES = {
    "host": "0.0.0.0",
    "port": "8000",
    "public_url": "https://bot.example.com",
    "agent": "minimal",
    "agents_dir": "/somewhere/agents",
    "data_dir": "/somewhere/data",
    "database_url": "postgresql+asyncpg://bot:p%23w@db.example.com/calls",
    "caller_id": "+12025550100",
    "caller_ids": "+12025550101,+12025550102",
    "dial_countries": "US,CA",
    "dial_max_per_number_per_day": "2",
    "dial_sip_hosts": "pbx.example.com",
    "caller_lookup_url": "https://crm.example.com/who?key=a=b&c=d#part",
    "caller_lookup_token": 'it is "quoted" #1 = one',
    "caller_lookup_budget_ms": "500",
    "stream_token_secret": '"in quotes"',
    "twilio_account_sid": "AC00000000000000000000000000000001",
    "twilio_auth_token": "abc#def==",
    "twilio_api_key": "SK01",
    "twilio_api_secret": "s=e#c",
    "twilio_region": "ie1",
    "twilio_edge": "dublin",
    "twilio_api_base_url": "https://twilio.example.com",
    "telnyx_api_key": "KEY01_x",
    "telnyx_public_key": "7RjJ4PQPXqJrDnjOyPiEaTAqTe1hrPCJkTbpqPWTbcc=",
    "telnyx_connection_id": "1494404757140276705",
    "telnyx_account_sid": "3df3f1ac-6a5c-4b3c-9c9a-000000000001",
    "telnyx_api_base_url": "https://api.telnyx.eu/v2",
    "telnyx_mode": "call_control",
    "telnyx_codec": "PCMA",
    "telnyx_l16_byte_order": "big",
    "pipecat_cloud_agent": "phonebot.my-org",
    "pipecat_cloud_region": "eu-central",
    "smtp_from": "bot@example.com",
    "stt": "deepgram",
    "llm": "openai",
    "tts": "cartesia",
    "openai_base_url": "https://vllm.example.com/v1",
    "openai_model": "a model with spaces #2",
    "allow_tokenless_streams": "true",
    "allow_unsigned_webhooks": "true",
    "log_level": "DEBUG",
    "ngrok_api_url": "http://127.0.0.1:4041",
}
"""A value for each setting that not just any word will do for."""


def sample(name: str) -> str:
    """A usable value: the one above, the default, or the first of what settings are mostly made of."""
    default = settings_class().model_fields[name].default
    if name in SAMPLES or default is not None:
        return SAMPLES.get(name, str(default))
    for value in (f"{name}-value", "+12025550100", "https://service.example.com", "1", "US"):
        with suppress(SettingsError):
            load_settings(**{name: value})
            return value
    raise AssertionError(f"{name} takes none of the usual values: add one to SAMPLES")


@pytest.fixture
def configured(monkeypatch, tmp_path):
    """Configure this process by an env file, and by nothing else; returns how."""
    for name in settings_class().model_fields:
        monkeypatch.delenv(name.upper(), raising=False)

    def write(text: str) -> Settings:
        file = tmp_path / "local.env"
        file.write_text(text, encoding="utf-8")
        monkeypatch.setenv(ENV_FILE, str(file))
        return load_settings()

    return write


def everything_is_set() -> str:
    return "".join(f"{name.upper()}='{sample(name)}'\n" for name in settings_class().model_fields)


def test_all_that_a_bot_reads_goes_with_it_and_nothing_else(configured):
    written = cloud_env.variables_of(configured(everything_is_set()))
    assert written.keys() == {name.upper() for name in settings_class().IN_A_CALL}
    assert not written.keys() & {name.upper() for name in settings_class().ON_A_SERVER | ON_THIS_MACHINE}


def test_the_secrets_that_agents_files_name_go_with_it(configured, tmp_path, monkeypatch):
    (tmp_path / "desk.toml").write_text(
        'greeting = "Hi."\ninstructions = "x"\n[webhooks]\nurl = "https://example.com/"\nsecret = "DESK_SECRET"\n'
    )
    monkeypatch.setattr(cloud_env, "AGENTS", tmp_path)
    settings = configured(KEYS + "DESK_SECRET=whsec_1\nANOTHER=2\n")
    written = cloud_env.variables_of(settings)
    assert written["DESK_SECRET"] == "whsec_1"
    assert "ANOTHER" not in written
    assert not any("DESK_SECRET" in line for line in cloud_env.notes(settings))


@pytest.mark.parametrize(
    "name",
    (
        "AGENT STT LLM TTS OPENAI_BASE_URL OPENAI_MODEL OLLAMA_BASE_URL TWILIO_EDGE TWILIO_REGION TELNYX_CODEC "
        "TELNYX_MODE DIAL_COUNTRIES DIAL_MAX_PER_HOUR CALLER_ID CALLER_LOOKUP_URL LOG_LEVEL FIRST_TOKEN_SECS"
    ).split(),
)
def test_who_answers_with_what_and_who_may_be_called_is_as_it_is_here(configured, name):
    """Without it another agent would answer, another service would get the key, other countries could be called."""
    settings = configured(f"{KEYS}{name}='{sample(name.lower())}'\n")
    assert cloud_env.variables_of(settings).get(name) == str(getattr(settings, name.lower()))


@pytest.mark.parametrize(
    "name", ["HOST", "PORT", "PUBLIC_URL", "API_KEY", "DATA_DIR", "AGENTS_DIR", "MAX_CONNECTIONS"]
)
def test_what_only_a_server_reads_stays_here(configured, name):
    settings = configured(f"{KEYS}{name}={sample(name.lower())}\n")
    assert name not in cloud_env.variables_of(settings)


def test_what_is_not_set_or_empty_is_not_written(configured):
    written = cloud_env.variables_of(configured("OPENAI_API_KEY=sk-1\nSTT=\nHOST=0.0.0.0\nAGENT=minimal\n"))
    assert written == {"OPENAI_API_KEY": "sk-1", "AGENT": "minimal"}


def test_what_the_tools_of_an_agent_read_goes_with_it(configured, monkeypatch, tmp_path, capsys):
    agents = tmp_path / "agents"
    agents.mkdir()
    (agents / "receptionist.toml").write_text(
        'greeting = "Hello."\ninstructions = "Help."\n'
        '[http.look]\ndescription = "Look."\nurl = "{{ env.SHOP_URL }}/"\nenv = ["SHOP_URL", "SHOP_KEY"]\n'
    )
    monkeypatch.setattr(cloud_env, "AGENTS", agents)
    keys = f"{KEYS}DEEPGRAM_API_KEY=dg\nSHOP_URL=http://127.0.0.1:8010\nSHOP_KEY='a #b'\nOTHER=x\n"
    configured(keys)
    file = tmp_path / "cloud.env"
    assert cloud_env.main(["--output", str(file)]) == 0
    assert "SHOP_KEY" in file.read_text() and "OTHER" not in file.read_text()
    said = capsys.readouterr().out
    assert "OTHER" in said and "SHOP_URL leads to this machine" in said and "a #b" not in said


async def test_the_platforms_tool_hands_the_bot_the_very_values_that_are_set_here(
    configured, monkeypatch, tmp_path
):
    here = configured(everything_is_set())
    file = tmp_path / "cloud.env"
    assert cloud_env.main(["--output", str(file)]) == 0
    async with pipecat_cloud() as cloud:
        await pipecat(
            cloud,
            tmp_path,
            tmp_path,
            "secrets",
            "set",
            "phonebot",
            "--file",
            str(file),
            "--region",
            "eu-central",
            "--skip",
        )
        secrets = cloud.secrets["phonebot"]
    assert secrets.region == "eu-central"
    monkeypatch.setenv(ENV_FILE, "")
    for name, value in secrets.values.items():
        monkeypatch.setenv(name, value)
    there = load_settings()
    assert {name: getattr(there, name) for name in settings_class().IN_A_CALL} == {
        name: getattr(here, name) for name in settings_class().IN_A_CALL
    }


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "a b",
        "a=b",
        "#a",
        "a #b",
        "'a'",
        '"',
        '"a',
        'a"b"',
        "“a”",
        "\\n",
        "ü€",
        '"a" and "b"',
        "=",
        "$A",
    ],
)
def test_any_value_reaches_the_bot_as_it_is_or_is_refused(monkeypatch, value):
    for name in ("CALLER_LOOKUP_TOKEN", "OPENAI_MODEL"):  # a secret one, and one that is not
        settings = load_settings(**{name.lower(): value})
        try:
            line = cloud_env.secrets_file({name: cloud_env.variables_of(settings)[name]}).rstrip("\n")
        except cloud_env.NotWritten as error:
            assert name in str(error)
            continue
        # As pipecatcloud reads a line.
        read = line.split("=", 1)[1].strip()
        read = read[1:-1] if read.startswith('"') and read.endswith('"') else read
        with monkeypatch.context() as patch:
            patch.setenv(ENV_FILE, "")
            patch.setenv(name, read)
            assert cloud_env.variables_of(load_settings())[name] == value


def test_the_file_is_for_its_owner_only_also_where_another_one_was(configured, tmp_path):
    configured(KEYS)
    file = tmp_path / "cloud.env"
    file.write_text("old")
    file.chmod(0o644)
    assert cloud_env.main(["--output", str(file)]) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(file.read_text().splitlines()) == sorted(KEYS.splitlines())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "DEEPGRAM_API_KEY"),
        ("HOST=0.0.0.0\n", "OPENAI_API_KEY"),
        ("OPENAI_BASE_URL=https://vllm.example.com/v1\n", "stt is local"),
        (KEYS + "STT=deepgram\n", "stt is deepgram, but DEEPGRAM_API_KEY is not set"),
        (KEYS + "AGENT=nobody\n", "agent 'nobody' is not known"),
        (KEYS + "TTS=cartesa\n", 'did you mean "cartesia"'),
        (KEYS + "TWILIO_AUTH_TOKEN=abc\n", "TWILIO_ACCOUNT_SID is not set"),
        (KEYS + "PIPECAT_CLOUD_REGION=mars\n", "PIPECAT_CLOUD_REGION"),
        (KEYS + "DIAL_COUNTRIES=USA\n", "DIAL_COUNTRIES"),
    ],
)
def test_secrets_with_which_no_bot_could_talk_are_not_written(
    configured, tmp_path, monkeypatch, capsys, text, told
):
    file = tmp_path / "cloud.env"
    monkeypatch.setenv(ENV_FILE, str(tmp_path / "local.env"))
    (tmp_path / "local.env").write_text(text)
    assert cloud_env.main(["--output", str(file)]) == cloud_env.USAGE_ERROR
    assert told in capsys.readouterr().err
    assert not file.exists()


def test_an_image_with_the_local_voice_needs_no_keys(configured, tmp_path):
    configured("TELNYX_API_KEY=KEY01\n")
    assert cloud_env.main(["--output", str(tmp_path / "cloud.env"), "--local-voice"]) == 0


def test_what_the_bot_will_miss_is_told_and_no_value_is(configured, tmp_path, capsys):
    configured(
        "OPENAI_API_KEY=sk-private\nOPENAI_BASE_URL=http://localhost:8000/v1\nDEEPGRAM_API_KEY=dg-private\n"
        "HOST=0.0.0.0\nDATA_DIR=/somewhere\nCRM_KEY=crm-private\nDEEPGRAM_KEY=other\n"
    )
    assert cloud_env.main(["--output", str(tmp_path / "cloud.env")]) == 0
    told = capsys.readouterr().out
    for line in (
        "OPENAI_BASE_URL leads to this machine",
        "only a server reads: HOST",
        "a place on this machine",
        "CRM_KEY",
        "did you mean DEEPGRAM_API_KEY",
        "no phone company's credentials",
        "PIPECAT_CLOUD_AGENT is not set",
    ):
        assert line in told
    assert "private" not in told


def test_the_next_command_names_the_set_and_the_region(configured, tmp_path, capsys):
    configured(KEYS + "PIPECAT_CLOUD_REGION=ap-south\n")
    assert cloud_env.main(["--output", str(tmp_path / "cloud.env")]) == 0
    assert (
        f"pipecat cloud secrets set phonebot --file {tmp_path}/cloud.env --region ap-south"
        in capsys.readouterr().out
    )
