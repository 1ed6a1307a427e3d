"""A carrier that the product has never heard of answers a whole call, without an edit of the product."""

import asyncio
import socket
import subprocess
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn

import bot
import carriers
from calls.states import CallState, EndedBy
from calls.store import CallStore
from carriers import carrier_for, credential_notes, known_carriers, register
from carriers.cloud import cloud_documents
from conversation import pipeline
from deployment.banner import pasted_address, start_lines
from deployment.checkup import settings_findings
from desk.keys import deployment_secrets
from serializers import HandshakeError, register_wire_format, wire
from serializers.handshake import parse_start
from server import create_app, uvicorn_config
from settings import ROOT, Given, SettingsError, load_settings
from tests.talking_bot import MS_PER_CHARACTER, QUICK_AGENT, Beeps, Deaf, Script
from tests.third_carrier.descriptor import CARRIER
from tests.third_carrier.network import KEY, SIGNING_SECRET, Larkline
from tests.third_carrier.streams import WIRE_FORMAT
from tests.web_service import until

FAREWELL = "Thank you for calling. Goodbye."


@pytest.fixture(autouse=True)
def larkline(monkeypatch):
    monkeypatch.setattr(carriers, "_registered", {})
    monkeypatch.setattr(wire, "_registered", {})
    register(CARRIER)
    register_wire_format(WIRE_FORMAT)


@asynccontextmanager
async def answering(monkeypatch, tmp_path, api_url):
    """The product's server and bot, with a model that says goodbye to whatever the caller says."""
    store = CallStore()
    agent = QUICK_AGENT
    for name, secs in (("max_duration_secs", 60), ("notice_secs", 10), ("silence_secs", 30)):
        agent = agent.replace(f"{{{name}}}", str(secs))
    (tmp_path / "quick.toml").write_text(agent)
    monkeypatch.setattr(bot, "default_store", lambda *_: store)
    monkeypatch.setattr(pipeline.services, "build_stt", lambda *_: Deaf())
    monkeypatch.setattr(
        pipeline.services,
        "build_llm",
        lambda *_, **__: Script(lambda _: [("end_call", {"farewell": FAREWELL})], []),
    )
    monkeypatch.setattr(pipeline.services, "build_tts", lambda *_: Beeps())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        for name, value in {
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
            "PORT": str(port),
            "DATA_DIR": str(tmp_path),
            "AGENTS_DIR": str(tmp_path),
            "AGENT": "quick",
            "LARKLINE_KEY": KEY,
            "LARKLINE_SIGNING_SECRET": SIGNING_SECRET,
            "LARKLINE_API_BASE_URL": api_url,
        }.items():
            monkeypatch.setenv(name, value)
        settings = load_settings()
        server = uvicorn.Server(uvicorn_config(create_app(settings, store=store)))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await until(lambda: server.started)
            yield settings, store
        finally:
            server.should_exit = True
            await serving


async def test_it_answers_a_whole_call_and_hangs_up_after_the_goodbye(monkeypatch, tmp_path):
    network = Larkline()
    async with network.serving() as api_url, answering(monkeypatch, tmp_path, api_url) as (settings, store):
        voice = pasted_address("larkline", settings, settings.public_url)
        line = await network.call(voice, f"{settings.public_url}/larkline/status")
        (call,) = store.list()
        await until(lambda: call.is_over)

    assert line.document["do"] == "stream"
    assert "/larkline/connect-ended?" in line.document["then"]
    assert (call.carrier, call.carrier_call_id, call.from_number) == ("larkline", "LL-1", "+14155550101")
    assert (call.state, call.ended_by) == (CallState.COMPLETED, EndedBy.BOT)
    said = [event.data["text"] for event in call.events if event.kind == "bot_heard"]
    assert said == ["Hello.", FAREWELL]
    # All of it was played before the line dropped, and it was asked for once, with the key.
    assert line.unheard == []
    assert sum(secs for _, secs in line.heard) * 1000 == pytest.approx(
        sum(len(text) for text in said) * MS_PER_CHARACTER, abs=200
    )
    assert line.asked == [{"reason": "bot"}]
    assert line.told == 202


async def test_its_callbacks_are_believed_by_its_signature_or_by_a_key_of_ours(monkeypatch, tmp_path):
    async with answering(monkeypatch, tmp_path, "http://127.0.0.1:1") as (settings, _):
        fields = {"call": {"id": "LL-9", "caller": "+14155550101", "called": "+14155550100"}}
        async with httpx.AsyncClient(base_url=settings.public_url, trust_env=False) as http:
            assert (await http.post("/larkline/voice", json=fields)).status_code == 403
            signed = {"larkline-signature": "0" * 64}
            assert (await http.post("/larkline/voice", json=fields, headers=signed)).status_code == 403
            pasted = pasted_address("larkline", settings, "")
            assert (await http.post(pasted, json=fields)).json()["do"] == "stream"


async def test_its_callbacks_are_json_and_what_is_none_is_refused(monkeypatch, tmp_path):
    async with answering(monkeypatch, tmp_path, "http://127.0.0.1:1") as (settings, store):
        pasted = pasted_address("larkline", settings, "")
        kind = {"content-type": "application/json"}
        async with httpx.AsyncClient(base_url=settings.public_url, trust_env=False) as http:
            assert (await http.post(pasted, data={"call.id": "LL-9"})).status_code == 415
            for body in (b"{", b"[]", b'"call"', b'{"call": NaN}', b'{"call": 1, "call": 2}', b"[" * 60_000):
                assert (await http.post(pasted, content=body, headers=kind)).status_code == 400, body[:20]
            for body in (b"", b"{}", b'{"call": "LL-9"}', b'{"call": {"id": null}}'):
                answer = await http.post(pasted, content=body, headers=kind)
                assert (answer.status_code, answer.json()) == (
                    400,
                    {"error": "call.id is missing: this is not a webhook of a call"},
                )
        assert store.list() == []


def test_its_variables_are_settings_like_all_others(monkeypatch, tmp_path):
    monkeypatch.setenv("LARKLINE_KEY", '"lk-1"')
    assert load_settings().larkline_key.get_secret_value() == "lk-1"
    for wrong in ({"larkline_key": "a key"}, {"larkline_api_base_url": "api.larkline.example"}):
        with pytest.raises(SettingsError, match=next(iter(wrong)).upper()):
            load_settings(**wrong)


def test_start_and_doctor_tell_of_it(tmp_path):
    settings = load_settings(larkline_key="lk-1", data_dir=tmp_path)
    assert known_carriers()[-1] == "larkline"
    assert carrier_for("larkline", settings) is not None
    assert carrier_for("larkline", load_settings()) is None
    printed = "\n".join(start_lines(settings, "https://bot.example.com"))
    assert f"  Answer {pasted_address('larkline', settings, 'https://bot.example.com')}" in printed
    assert "Keep Larkline's voice address to yourself" in printed
    assert deployment_secrets(settings) == ["lk-1"]
    assert settings.shared_secret == "lk-1"
    assert "larkline.example" not in cloud_documents("agent.my-org")["larkline"]
    assert any("LARKLINE_SIGNING_SECRET" in line for line in credential_notes(settings))
    subjects = {finding.subject for finding in settings_findings(settings, Given())}
    assert "LARKLINE_SIGNING_SECRET" in subjects


def test_a_start_of_nobody_known_names_it_too():
    with pytest.raises(HandshakeError, match="nor Larkline's"):
        parse_start({"event": "start"}, query={})


def test_no_file_outside_of_this_folder_knows_it():
    found = subprocess.run(
        ["git", "grep", "-liE", "larkline", "--", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    ).stdout.split()
    assert [name for name in found if not name.startswith(("tests/third_carrier/", "docs/carriers.md"))] == []
