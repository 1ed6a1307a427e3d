"""`python -m web.doctor`: a line for each thing that is wrong, with its cause and the fix, and nothing secret in it."""

import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from carriers.checks import Finding, Verdict
from deployment import outside
from deployment.checkup import disk_findings, settings_findings, short_lines
from deployment.doctor import examine, lines
from emulator import Account, Application, OwnNumber, PhoneNetwork, VoiceProfile
from settings import ROOT, Given
from tests.fake_rest import Answer, fake_rest
from tests.web_service import make_settings, running

SECRETS = {
    "TWILIO_AUTH_TOKEN": "hunter2-twilio",
    "TELNYX_API_KEY": "hunter2-telnyx",
    "OPENAI_API_KEY": "hunter2-openai",
    "API_KEY": "hunter2-api-and-long-enough",
    "STREAM_TOKEN_SECRET": "hunter2-stream",
    "CALLER_LOOKUP_TOKEN": "hunter2-lookup",
    "DATABASE_URL": "postgresql://me:hunter2-database@db/calls",
}


def doctor(tmp_path, *arguments, files=(), **values):
    folder = tmp_path / "agents"
    shutil.copytree(ROOT / "agents", folder, dirs_exist_ok=True)
    for name, text in files:
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    own = {
        "AGENTS_DIR": str(folder),
        "DATA_DIR": str(tmp_path / "data"),
        "NGROK_API_URL": "http://127.0.0.1:9",
    }
    return subprocess.run(
        [sys.executable, "-m", "web.doctor", "--offline", *arguments],
        cwd=ROOT,
        env={**os.environ, **own, **values},
        capture_output=True,
        text=True,
        timeout=60,
    )


LEAST = 'greeting = "Hello."\ninstructions = "x"\n'


@pytest.mark.parametrize(
    ("values", "files", "parts"),
    [
        ({"TWILIO_ACOUNT_SID": "AC1"}, [], ["TWILIO_ACOUNT_SID", "did you mean TWILIO_ACCOUNT_SID?"]),
        (
            {"TWILIO_ACCOUNT_SID": "SK1", "TWILIO_AUTH_TOKEN": "x"},
            [],
            ["TWILIO_ACCOUNT_SID", "does not start with AC"],
        ),
        (
            {"TWILIO_AUTH_TOKEN": "x"},
            [],
            ["TWILIO_ACCOUNT_SID", "is not set, but other Twilio credentials are"],
        ),
        ({"TELNYX_PUBLIC_KEY": "AAAA", "TELNYX_API_KEY": "x"}, [], ["TELNYX_PUBLIC_KEY"]),
        ({"TELNYX_CONNECTION_ID": "1"}, [], ["TELNYX_CONNECTION_ID", "set without TELNYX_API_KEY"]),
        ({"DEEPGRAM_API_KEY": "your_deepgram_key"}, [], ["DEEPGRAM_API_KEY", "set your own"]),
        (
            {"TWILIO_ACCOUNT_SID": "AC1", "TWILIO_API_KEY": "AC1", "TWILIO_API_SECRET": "x"},
            [],
            ["TWILIO_API_KEY", "does not start with SK"],
        ),
        ({"PUBLIC_URL": "http://bot.example.com"}, [], ["PUBLIC_URL", "https addresses only"]),
        ({"PUBLIC_URL": "https://localhost:7860"}, [], ["PUBLIC_URL", "this machine's own name"]),
        ({"API_KEY": "1234"}, [], ["API_KEY", "can be guessed"]),
        ({"DATA_DIR": "/dev/null/x"}, [], ["DATA_DIR", "/dev/null/x cannot be written"]),
        ({"DATABASE_URL": "nosuch://x/y"}, [], ["DATABASE_URL", "check DATABASE_URL"]),
        ({"PIPECAT_CLOUD_AGENT": "phonebot"}, [], ["PIPECAT_CLOUD_AGENT", "AGENT.ORGANI"]),
        (
            {"PIPECAT_CLOUD_REGION": "us-west"},
            [],
            ["PIPECAT_CLOUD_REGION", "set without PIPECAT_CLOUD_AGENT"],
        ),
        ({"AGENT": "receptonist"}, [], ["agents", "did you mean 'receptionist'?"]),
        ({"LLM": "openai"}, [], ["agents", "OPENAI_API_KEY is not set"]),
        ({"TTS": "parrot"}, [], ["agents", "parrot"]),
        ({}, [("second.toml", "greeting = ")], ["agents", "second.toml: is not valid TOML"]),
        ({}, [("second.toml", LEAST + "grettings = 1")], ["agents", "did you mean 'greeting'?"]),
        ({}, [("Front Desk.toml", LEAST)], ["agents", "Front Desk.toml", "rename it"]),
        ({}, [("desk.toml.txt", LEAST)], ["agents", "desk.toml.txt", "rename it"]),
        (
            {},
            [("pizza.toml", LEAST + '[transfers.kitchen]\nnumber = "+12025550100"')],
            ["agents", "pizza.toml: [transfers] has kitchen", '"transfer_call"'],
        ),
        (
            {},
            [("hello.toml", LEAST.replace("Hello", "{{ busines }}") + '[variables]\nbusiness = "A"')],
            ["agents", "did you mean {{ business }}?"],
        ),
    ],
)
def test_one_wrong_thing_is_one_fault_with_its_fix(tmp_path, values, files, parts):
    done = doctor(tmp_path, files=files, **values)
    assert done.returncode == 1, done.stdout
    (fault,) = [line for line in done.stdout.splitlines() if line.startswith("fault")]
    assert [part for part in parts if part not in fault] == [], fault
    assert done.stdout.rstrip().endswith("1 fault.")
    assert done.stderr == ""


def test_settings_that_cannot_be_read_are_told_in_the_same_form(tmp_path):
    done = doctor(tmp_path, PORT="many", LOG_LEVEL="loud")
    assert done.returncode == 2
    assert [line.split()[:3] for line in done.stdout.splitlines()[:2]] == [
        ["fault", "settings", "PORT"],
        ["fault", "settings", "LOG_LEVEL"],
    ]


def test_with_nothing_set_there_is_no_fault(tmp_path):
    done = doctor(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "only the emulator can call (`make call`)" in done.stdout
    assert done.stdout.rstrip().endswith("No fault found.")


def test_what_is_found_can_be_read_by_programs_and_has_no_secret_in_it(tmp_path):
    done = doctor(
        tmp_path, "--json", TWILIO_ACCOUNT_SID="AC1", CALLER_LOOKUP_URL="https://crm.example.com", **SECRETS
    )
    found = json.loads(done.stdout)
    assert found["ok"] is False  # there is no such database, or no driver for it
    subjects = {one["subject"] for one in found["findings"]}
    assert {
        "TWILIO_AUTH_TOKEN",
        "OPENAI_API_KEY",
        "API_KEY",
        "agents",
        "DATA_DIR",
        "DATABASE_URL",
    } <= subjects
    assert {one["verdict"] for one in found["findings"]} <= {"ok", "note", "fault", "not tried"}
    assert "hunter2" not in done.stdout + done.stderr


# Settings


def judged(given=None, **values):
    settings = make_settings(**values)
    handed = Given(environment={name.upper(): str(value) for name, value in values.items()})
    return {one.subject: one for one in settings_findings(settings, given or handed)}


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("openai_model", {"openai_model": "gpt-4.1"}, "no agent uses openai"),
        ("cartesia_voice_id", {"cartesia_voice_id": "v"}, "no agent uses cartesia"),
        ("telnyx_codec", {"telnyx_codec": "PCMA"}, "TELNYX_API_KEY is not set"),
        (
            "telnyx_l16_byte_order",
            {"telnyx_l16_byte_order": "big", "telnyx_api_key": "k"},
            "TELNYX_CODEC is not L16",
        ),
        (
            "twilio_edge",
            {"twilio_edge": "dublin", "twilio_api_base_url": "http://x"},
            "TWILIO_API_BASE_URL is set",
        ),
        (
            "ngrok_api_url",
            {"ngrok_api_url": "http://x", "public_url": "https://x.example.com"},
            "PUBLIC_URL is set",
        ),
    ],
)
def test_a_setting_that_changes_nothing_is_named_with_the_reason(name, values, why):
    finding = judged(**values)[name.upper()]
    assert finding.verdict is Verdict.NOTE
    assert finding.text.endswith(f"not used: {why}")


def test_a_setting_in_two_places_and_one_that_stands_twice_are_named(tmp_path):
    given = Given({"AGENT": "a"}, {"AGENT": "b", "PORT": "1", "FOO": "x"}, tmp_path / ".env", ("PORT",))
    found = settings_findings(make_settings(), given)
    texts = {one.subject: one.text for one in found}
    assert texts["AGENT"] == f"set in the environment, which wins over {tmp_path / '.env'}"
    assert any(one.subject == "PORT" and "stands twice" in one.text for one in found)
    assert "not read by anything" in texts["FOO"]


def test_a_disk_that_is_almost_full_is_a_fault(tmp_path, monkeypatch):
    for free, verdict in ((10**6, Verdict.FAULT), (10**8, Verdict.NOTE), (10**10, Verdict.OK)):
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: shutil._ntuple_diskusage(1, 1, free))
        (finding,) = disk_findings(make_settings(data_dir=tmp_path))
        assert finding.verdict is verdict


# Providers


async def key(answer, monkeypatch, setting="openai_api_key", **values):
    async with fake_rest(answer) as rest:
        probes = [
            replace(probe, url=lambda _, url=rest.url: f"{url}/ask")
            for probe in outside.PROBES
            if probe.setting == setting
        ]
        monkeypatch.setattr(outside, "PROBES", probes)
        settings = make_settings(**({setting: "hunter2"} if setting else {}), **values)
        (finding,) = await outside.start_findings(settings)
    return finding, rest.requests


@pytest.mark.parametrize(
    ("setting", "header", "value"),
    [
        ("openai_api_key", "authorization", "Bearer hunter2"),
        ("anthropic_api_key", "x-api-key", "hunter2"),
        ("google_api_key", "x-goog-api-key", "hunter2"),
        ("deepgram_api_key", "authorization", "Token hunter2"),
        ("assemblyai_api_key", "authorization", "hunter2"),
        ("cartesia_api_key", "authorization", "Bearer hunter2"),
        ("elevenlabs_api_key", "xi-api-key", "hunter2"),
    ],
)
async def test_each_key_is_tried_as_its_provider_wants_it(monkeypatch, setting, header, value):
    finding, (request,) = await key(Answer.json(200, {"data": []}), monkeypatch, setting)
    assert (finding.verdict, finding.subject) == (Verdict.OK, setting.upper())
    assert (request.method, request.headers[header]) == ("GET", value)
    finding, _ = await key(Answer.json(401, {"error": "invalid"}), monkeypatch, setting)
    assert finding.verdict is Verdict.FAULT
    assert "hunter2" not in finding.text


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (Answer.json(400, {"error": {"details": [{"reason": "API_KEY_INVALID"}]}}), Verdict.FAULT),
        (Answer.json(401, {"detail": {"status": "missing_permissions"}}), Verdict.OK),
        (Answer.json(403, {}), Verdict.NOTE),
        (Answer.json(402, {}), Verdict.FAULT),
        (Answer.json(429, {}), Verdict.NOTE),
        (Answer.json(404, {}), Verdict.NOTE),
        (Answer.json(500, {}), Verdict.NOT_TRIED),
        (Answer(hang_up=True), Verdict.NOT_TRIED),
    ],
)
async def test_what_an_answer_says_about_a_key(monkeypatch, answer, verdict):
    finding, _ = await key(answer, monkeypatch)
    assert finding.verdict is verdict, finding.text


async def test_a_provider_that_answers_too_late_is_not_tried(monkeypatch):
    monkeypatch.setattr(outside, "TIMEOUT_SECS", 0.2)
    finding, _ = await key(Answer(delay_secs=5), monkeypatch)
    assert finding.verdict is Verdict.NOT_TRIED
    assert "no answer in time" in finding.text


@pytest.mark.parametrize(
    "values",
    [{"openai_base_url": "http://127.0.0.1:9/v1"}, {"ollama_base_url": "http://127.0.0.1:9/v1"}],
)
async def test_a_model_of_ones_own_that_does_not_run_is_a_fault(values):
    (finding,) = await outside.start_findings(make_settings(**values))
    (name,) = values
    assert (finding.verdict, finding.subject) == (Verdict.FAULT, name.upper())
    assert "127.0.0.1:9" in finding.text


async def test_all_are_asked_side_by_side(monkeypatch):
    async with fake_rest(Answer.json(200, {})) as rest:
        rest.answers[0].delay_secs = 0.5
        probes = [
            replace(probe, url=lambda _: f"{rest.url}/ask") for probe in outside.PROBES if probe.setting
        ]
        monkeypatch.setattr(outside, "PROBES", probes)
        before = datetime.now(UTC)
        found = await outside.start_findings(make_settings(**{probe.setting: "k" for probe in probes}))
        took = datetime.now(UTC) - before
    assert len(found) == len(probes) > 5
    assert took < timedelta(seconds=2.5)


# The carriers, by the phone network's REST


def at_network(network, **more):
    values = {name.lower(): value for name, value in network.environment().items()}
    return make_settings(**values | more)


async def test_everything_right_at_both_carriers_is_no_fault(tmp_path):
    public = "https://bot.example.com"
    number = "+12025550100"
    # At Twilio a number has an address of its own, at Telnyx its application has.
    for name, account in (
        (
            "twilio",
            Account([OwnNumber(number, f"{public}/twilio/voice", status=f"{public}/twilio/status")]),
        ),
        ("telnyx", Account([OwnNumber(number, application="7")], profiles=[VoiceProfile("9")])),
    ):
        async with PhoneNetwork(name, account=account) as network:
            settings = at_network(network, public_url=public, caller_id=number, data_dir=tmp_path)
            other = {"twilio": "telnyx_api_key", "telnyx": "twilio_account_sid"}[name]
            settings = settings.model_copy(update={other: None, "telnyx_connection_id": "7"})
            from deployment.banner import addresses

            ours = addresses(settings, public)["telnyx"]
            account.applications.append(
                Application("7", "texml", ours.voice, "POST", ours.status, profile="9")
            )
            found = await outside.outside_findings(settings, public)
        text = "\n".join(lines(found))
        assert not [one for one in found if one.verdict is Verdict.FAULT], text
        assert {one.subject for one in found if one.verdict is Verdict.OK} >= {
            f"{name.capitalize()} numbers",
            f"{name.capitalize()} dialling",
            "CALLER_ID",
            "clock",
        }, text


async def test_a_wrong_key_says_it_once_and_asks_no_further(tmp_path):
    async with PhoneNetwork("telnyx") as network:
        settings = at_network(network, telnyx_api_key="wrong", public_url="https://bot.example.com")
        settings = settings.model_copy(update={"twilio_account_sid": None, "caller_id": "+12025550100"})
        found = await outside.outside_findings(settings, None)
    assert [(one.verdict, one.subject) for one in found if one.subject != "clock"] == [
        (Verdict.FAULT, "TELNYX_API_KEY")
    ]


@pytest.mark.parametrize(
    ("secs", "verdict", "word"),
    [(0, Verdict.OK, "agrees"), (-20, Verdict.NOTE, "ahead of"), (400, Verdict.FAULT, "behind")],
)
async def test_the_clock_is_compared_with_the_carriers(secs, verdict, word):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=secs), usegmt=True)
    transport = httpx.MockTransport(lambda _: httpx.Response(401, headers={"date": date}))
    async with httpx.AsyncClient(transport=transport) as http:
        (finding,) = await outside._clock(http, "https://api.example.com")
    assert finding.verdict is verdict
    assert word in finding.text


# The public address


def certificate_error(_):
    import ssl

    raise httpx.ConnectError("tls") from ssl.SSLCertVerificationError("CERTIFICATE_VERIFY_FAILED")


def no_connection(_):
    raise httpx.ConnectError("refused")


@pytest.mark.parametrize(
    ("answer", "verdict", "part"),
    [
        (lambda _: httpx.Response(200, json={"status": "ok"}), Verdict.OK, "leads here"),
        (lambda _: httpx.Response(200, text="<html>"), Verdict.FAULT, "something else answers"),
        (lambda _: httpx.Response(404), Verdict.FAULT, "something else answers"),
        (lambda _: httpx.Response(502), Verdict.FAULT, "does not reach port"),
        (
            lambda _: httpx.Response(301, headers={"location": "https://www.example.com/healthz"}),
            Verdict.FAULT,
            "redirects to www.example.com",
        ),
        (certificate_error, Verdict.FAULT, "certificate"),
        (no_connection, Verdict.NOT_TRIED, "cannot be reached from here"),
    ],
)
async def test_the_public_address_must_lead_to_this_server(tmp_path, answer, verdict, part):
    async with (
        running(tmp_path) as service,
        httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http,
    ):
        (finding,) = await outside._public_address(
            http, "https://bot.example.com", int(service.url.rsplit(":")[-1])
        )
    assert finding.verdict is verdict
    assert part in finding.text


async def test_without_a_running_server_the_public_address_is_not_tried():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with httpx.AsyncClient() as http:
        (finding,) = await outside._public_address(http, "https://bot.example.com", port)
    assert finding.verdict is Verdict.NOT_TRIED
    assert "make run" in finding.text


async def test_a_host_that_does_not_exist_is_a_fault_where_there_is_a_network(tmp_path, monkeypatch):
    async def resolves(host):
        return host == "api.twilio.com"

    monkeypatch.setattr(outside, "_resolves", resolves)
    async with (
        running(tmp_path) as service,
        httpx.AsyncClient(transport=httpx.MockTransport(no_connection)) as http,
    ):
        (finding,) = await outside._public_address(
            http, "https://bto.example.com", int(service.url.rsplit(":")[-1])
        )
    assert finding.verdict is Verdict.FAULT
    assert "there is no host bto.example.com" in finding.text


async def test_the_whole_examination_needs_no_network(tmp_path):
    settings = make_settings(data_dir=tmp_path, ngrok_api_url="http://127.0.0.1:9")
    found = await examine(settings, Given())
    assert {one.verdict for one in found} <= {Verdict.OK, Verdict.NOTE}


async def test_a_caller_id_that_one_of_two_carriers_knows_is_no_fault():
    number = "+12025550100"
    async with PhoneNetwork(account=Account([OwnNumber(number)])) as one, PhoneNetwork("telnyx") as other:
        other.account.numbers.clear()
        mixed = {
            **one.environment(),
            "TELNYX_API_BASE_URL": f"{other.rest_url}/v2",
            "TELNYX_CONNECTION_ID": "",
        }
        settings = make_settings(**{name.lower(): value for name, value in mixed.items()}, caller_id=number)
        found = await outside.outside_findings(settings, None)
        judged = {one.text.split(" account")[0]: one.verdict for one in found if one.subject == "CALLER_ID"}
        assert sorted(judged.values()) == [Verdict.NOTE, Verdict.OK]
        one.account.numbers.clear()
        found = await outside.outside_findings(settings, None)
    assert [one.verdict for one in found if one.subject == "CALLER_ID"] == [Verdict.FAULT, Verdict.FAULT]


def test_at_a_start_faults_are_sentences():
    told = short_lines(
        [
            Finding(Verdict.FAULT, "HOST", "is the container itself"),
            Finding(Verdict.FAULT, "PUBLIC_URL", "the certificate is not valid"),
            Finding(Verdict.FAULT, "agents", "desk.toml: [transfers] has x"),
            Finding(Verdict.NOTE, "API_KEY", "is not set"),
        ]
    )
    assert told == [
        "HOST is the container itself",
        "PUBLIC_URL: the certificate is not valid",
        "desk.toml: [transfers] has x",
    ]
