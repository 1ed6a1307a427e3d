"""Starting the service: what it says, and how it refuses."""

import asyncio
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from deployment.banner import start_lines
from deployment.start import StartError
from deployment.tunnel import find_tunnel
from server import create_app, listen
from tests.fake_rest import Answer, fake_rest
from tests.receiver import free_port
from tests.web_service import make_settings, write_agents

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = "https://bot.example.com"


def environment(tmp_path: Path, **values: str) -> dict[str, str]:
    agents = write_agents(tmp_path / "agents")
    if "broken" not in values.pop("agents", ""):
        (agents / "broken.toml").unlink()
    # No ngrok agent of whoever runs the tests: port 9 answers nobody.
    own = {
        "AGENTS_DIR": str(agents),
        "NGROK_API_URL": "http://127.0.0.1:9",
        "DATA_DIR": str(tmp_path / "data"),
    }
    return {**os.environ, **own, **values}


def start(tmp_path: Path, *arguments: str, **values: str) -> subprocess.CompletedProcess:
    """What the server says and how it ends; one that starts, though it should not have, is ended by SIGTERM."""
    process = subprocess.Popen(
        [sys.executable, "server.py", *arguments],
        cwd=ROOT,
        env=environment(tmp_path, **values),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        # It refuses before it says anything here; one that listens has its lines printed.
        if first := process.stdout.readline():
            process.terminate()
        said, complaints = process.communicate(timeout=60)
    finally:
        process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, first + said, complaints)


@pytest.mark.parametrize(
    ("arguments", "values", "named"),
    [
        ((), {"PORT": "many"}, "PORT is not usable"),
        ((), {"PUBLIC_URL": "bot.example.com"}, "PUBLIC_URL is not usable: must start with https://"),
        ((), {"PUBLIC_URL": "https://bot.example.com?x=1"}, "PUBLIC_URL is not usable: has a query"),
        ((), {"PUBLIC_URL": "https://bot.example.com/#x"}, "PUBLIC_URL is not usable: has a query"),
        ((), {"PUBLIC_URL": "https://bot. example.com"}, "PUBLIC_URL is not usable: has a space"),
        ((), {"PUBLIC_URL": "https://me:pw@bot.example.com"}, "PUBLIC_URL is not usable: has a user"),
        (("--agent", "salse"), {}, "did you mean 'sales'?"),
        (("--agent", "broken"), {"agents": "broken"}, "broken.toml: is not valid TOML"),
        (("--agent", "sales"), {"agents": "broken"}, "broken.toml: is not valid TOML"),
        ((), {"DATABASE_URL": "nosuch+driver://host/calls"}, "of a kind that no driver is known for"),
        ((), {"DATABASE_URL": "postgresql://bot:pw@127.0.0.1:9/calls"}, "set DATABASE_URL=memory"),
        ((), {"DATABASE_URL": f"sqlite:///{__file__}"}, "is not a database: move the file away"),
        ((), {"DATABASE_URL": f"sqlite:///{__file__}", "WORKERS": "2"}, "is not a database"),
        ((), {"DATA_DIR": "/dev/null/data"}, "DATA_DIR /dev/null/data cannot be written"),
        ((), {"TWILIO_AUTH_TOKEN": "tok en"}, "TWILIO_AUTH_TOKEN is not usable: there is a blank"),
        ((), {"TWILIO_ACCOUNT_SID": "AC1"}, "TWILIO_ACCOUNT_SID is set without a password"),
        ((), {"TTS": "parrot"}, "parrot"),
        ((), {"LLM": "openai"}, "OPENAI_API_KEY"),
        ((), {"PIPECAT_CLOUD_AGENT": "receptionist"}, "expected AGENT.ORGANISATION"),
    ],
)
def test_a_wrong_setting_is_one_line_and_no_traceback(tmp_path, arguments, values, named):
    with listen("127.0.0.1", 0) as free:
        port = () if "PORT" in values else ("--port", str(free.getsockname()[1]))
    done = start(tmp_path, *port, *arguments, **values)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    *noise, line = done.stderr.strip().splitlines()
    assert named in line
    assert "Traceback" not in done.stderr
    # Libraries greet in the log; that is not about the setting.
    assert all(" | " in other for other in noise)


@pytest.mark.skipif(importlib.util.find_spec("psycopg") is not None, reason="the driver is installed here")
def test_a_missing_driver_of_the_database_is_one_line(tmp_path):
    done = start(tmp_path, DATABASE_URL="postgresql+psycopg://host/calls")
    assert done.returncode == 2
    assert "psycopg" in done.stderr.splitlines()[-1]


def test_a_port_in_use_is_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = start(tmp_path, "--port", port)
    assert done.returncode == 2
    assert f"port {port} is in use" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_address_is_one_line():
    with pytest.raises(StartError, match="HOST 'no such host'"):
        listen("no such host", 0)
    with pytest.raises(StartError, match="cannot be opened"):
        listen("192.0.2.1", 0)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_every_address_is_both_kinds_of_addresses():
    with listen("::", 0) as listener:
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, listener.getsockname()[1]), timeout=5).close()


def test_it_starts_says_what_to_paste_and_stops(tmp_path):
    port = free_port()
    surroundings = environment(tmp_path, TWILIO_ACOUNT_SID="AC1")
    kitchen = 'greeting = "Hello."\ninstructions = "x"\n[transfers.kitchen]\nnumber = "+12025550100"\n'
    (tmp_path / "agents" / "kitchen.toml").write_text(kitchen)
    process = subprocess.Popen(
        [sys.executable, "server.py", "--port", str(port), "--agent", "sales"],
        cwd=ROOT,
        env=surroundings,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5, trust_env=False)
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline
                assert process.poll() is None
                time.sleep(0.1)
        assert answer.status_code == 200
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=30)
    assert f"Agent sales, listening on http://127.0.0.1:{port}" in said
    assert f"start `ngrok http {port}` and then this again" in said
    assert (
        "TWILIO_ACOUNT_SID in the environment is not read by anything here: did you mean TWILIO_ACCOUNT_SID?"
        in said
    )
    assert "kitchen.toml: [transfers] has kitchen, but the agent may not put callers through" in said
    assert f"http://127.0.0.1:{port}/twilio/voice" in said
    assert "the local brain answers" in said


async def test_a_key_that_its_provider_refuses_is_a_line_soon_after_the_start(tmp_path):
    async with fake_rest(Answer.json(401, {"error": "invalid"})) as provider:
        given = {"OPENAI_API_KEY": "sk-hunter2", "OPENAI_BASE_URL": f"{provider.url}/v1"}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "server.py", "--port", str(free_port()), "--agent", "sales"),
            cwd=ROOT,
            env=environment(tmp_path, **given),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        said = ""
        try:
            async with asyncio.timeout(60):
                while "OPENAI_API_KEY" not in said and (line := await process.stderr.readline()):
                    said += line.decode()
        except TimeoutError:
            pass
        finally:
            if process.returncode is None:
                process.terminate()
            await process.communicate()
    assert "does not take it (401): make or copy it again there" in said
    assert "hunter2" not in said
    assert provider.requests[0].headers["authorization"] == "Bearer sk-hunter2"


def test_the_lines_name_every_address_to_paste():
    lines = start_lines(make_settings(public_url=PUBLIC), PUBLIC)
    text = "\n".join(lines)
    for path in ("/twilio/voice", "/twilio/status", "/telnyx/voice", "/telnyx/status", "/telnyx/events"):
        assert PUBLIC + path in text
    assert "only the emulator" not in text


def test_without_a_public_address_one_line_says_what_is_missing():
    lines = start_lines(make_settings(), "http://127.0.0.1:7860")
    (line,) = [line for line in lines if "PUBLIC_URL" in line]
    assert "only the emulator can call" in line
    assert "ngrok" in line


def test_a_tunnel_that_was_found_is_mentioned():
    assert any("found by asking ngrok" in line for line in start_lines(make_settings(), PUBLIC, tunnel=True))


def test_for_pipecat_cloud_the_bins_are_printed():
    settings = make_settings(pipecat_cloud_agent="receptionist.my-org", pipecat_cloud_region="us-east")
    text = "\n".join(start_lines(settings, PUBLIC))
    assert "wss://us-east.api.pipecat.daily.co/ws/twilio" in text
    assert "serviceHost=receptionist.my-org" in text
    assert "/twilio/voice" not in text


def test_what_is_open_to_everybody_is_said():
    settings = make_settings(allow_unsigned_webhooks=True, allow_tokenless_streams=True, api_key="secret")
    text = "\n".join(start_lines(settings, PUBLIC))
    assert "ALLOW_UNSIGNED_WEBHOOKS is on" in text
    assert "ALLOW_TOKENLESS_STREAMS is on" in text
    assert "API_KEY" not in text
    assert "secret" not in text


def tunnels(*pairs: tuple[str, str]) -> Answer:
    return Answer.json(
        200, {"tunnels": [{"public_url": url, "config": {"addr": address}} for url, address in pairs]}
    )


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (tunnels(("https://a.ngrok.app", "http://localhost:7860")), "https://a.ngrok.app"),
        (tunnels(("https://a.ngrok.app", "7860")), "https://a.ngrok.app"),
        (tunnels(("https://a.ngrok.app", "localhost:7860")), "https://a.ngrok.app"),
        (tunnels(("https://a", "http://localhost:80"), ("https://b", "http://127.0.0.1:7860")), "https://b"),
        (tunnels(("http://a.ngrok.app", "http://localhost:7860"), ("tcp://a:1", "localhost:7860")), None),
        (tunnels(("https://a.ngrok.app", "http://localhost:78600")), None),
        (tunnels(), None),
        (Answer(200, json.dumps([1])), None),
        (Answer(200, "<html>", "text/html"), None),
        (Answer(hang_up=True), None),
        (Answer(delay_secs=30), None),
    ],
)
async def test_the_tunnel_to_our_port_is_found(answer, found):
    import asyncio

    async with fake_rest(answer) as rest:
        assert await asyncio.to_thread(find_tunnel, rest.url, 7860) == found


def test_without_an_ngrok_agent_there_is_no_tunnel():
    assert find_tunnel("http://127.0.0.1:9", 7860) is None
    assert find_tunnel("nonsense", 7860) is None


def test_the_app_can_be_built_for_another_host(tmp_path):
    app = create_app(make_settings(agents_dir=tmp_path))
    assert {"/twilio/voice", "/telnyx/voice", "/ws"} <= {route.path for route in _routes(app.routes)}


def _routes(routes):
    for route in routes:
        inner = getattr(route, "routes", None) or getattr(
            getattr(route, "original_router", None), "routes", None
        )
        yield from _routes(inner) if inner else [route]
