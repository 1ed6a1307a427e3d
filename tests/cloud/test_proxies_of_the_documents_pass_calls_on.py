"""The configurations of nginx and Caddy in docs/deploy.md, run by nginx and Caddy themselves: a call comes through."""

import asyncio
import os
import re
import shutil
import ssl
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from pipecat.runner.types import WebSocketRunnerArguments
from twilio.request_validator import RequestValidator

from settings import ROOT, settings_class
from tests.receiver import free_port
from tests.web_service import running, start_of, stream_of, streaming

HOST = "bot.example.com"
PUBLIC = f"https://{HOST}"
TWILIO = {"twilio_account_sid": "AC1", "twilio_auth_token": "token"}
CALL = {"CallSid": "CA1", "From": "+14155550100", "To": "+14155550101"}

DEPLOY = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
ADDRESS = DEPLOY[DEPLOY.index("## The public address") :]
PROGRAMS = {"caddy": r"With Caddy\b.*?```\n(.*?)```", "nginx": r"With nginx\b.*?```nginx\n(.*?)```"}


def written(program: str) -> str:
    """The configuration in the document."""
    found = re.search(PROGRAMS[program], ADDRESS, flags=re.DOTALL)
    assert found, f"docs/deploy.md has no configuration of {program}"
    return found[1]


def replaced(text: str, **changes: str) -> str:
    """A configuration with what is this machine's own in it; each place must be there."""
    for old, new in changes.items():
        assert old in text, f"{old} is not in the document's configuration"
        text = text.replace(old, new)
    return text


def nginx(folder: Path, port: int, behind: int) -> list[str]:
    own = replaced(
        written("nginx"),
        **{
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "/etc/ssl/bot.example.com.pem": str(folder / "bot.pem"),
            "/etc/ssl/bot.example.com.key": str(folder / "bot.key"),
            "http://127.0.0.1:7860": f"http://127.0.0.1:{behind}",
        },
    )
    openssl = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        f"/CN={HOST}",
    ]
    files = ["-keyout", str(folder / "bot.key"), "-out", str(folder / "bot.pem")]
    subprocess.run([*openssl, *files], check=True, capture_output=True)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{places}{own}\n}}\n"
    )
    return ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, port: int, behind: int) -> list[str]:
    own = replaced(
        written("caddy"), **{f"{HOST} {{": f"{HOST}:{port} {{", "127.0.0.1:7860": f"127.0.0.1:{behind}"}
    )
    # No certificate of the world's, nothing outside of the folder.
    house = "{\nadmin off\nlocal_certs\nskip_install_trust\nauto_https disable_redirects\n}\n"
    (folder / "Caddyfile").write_text(house + own)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


@asynccontextmanager
async def proxy(command: list[str], folder: Path, port: int):
    homes = {
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_CONFIG_HOME": str(folder / "config"),
    }
    log = folder / "proxy.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, **homes}, stdout=output, stderr=output
        )
    try:
        async with asyncio.timeout(30):
            while True:
                assert process.returncode is None, f"{command[0]} does not take it:\n{log.read_text()}"
                try:
                    _, writer = await asyncio.open_connection(
                        "127.0.0.1", port, ssl=unchecked(), server_hostname=HOST
                    )
                    writer.close()
                    break
                except OSError:
                    await asyncio.sleep(0.1)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


def unchecked() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def echo(arguments: WebSocketRunnerArguments) -> None:
    async for text in arguments.websocket.iter_text():
        await arguments.websocket.send_text(text.upper())


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_signed_webhook_and_its_media_stream_come_through(tmp_path, program):
    if shutil.which(program) is None or shutil.which("openssl") is None:
        pytest.skip(f"{program} is not installed here")
    port = free_port()
    async with running(tmp_path, run_bot=echo, public_url=PUBLIC, **TWILIO) as service:
        command = {"nginx": nginx, "caddy": caddy}[program](tmp_path, port, service.port)
        async with proxy(command, tmp_path, port):
            signature = RequestValidator("token").compute_signature(f"{PUBLIC}/twilio/voice", CALL)
            async with httpx.AsyncClient(verify=unchecked(), trust_env=False) as http:
                answer = await http.post(
                    f"https://127.0.0.1:{port}/twilio/voice",
                    data=CALL,
                    headers={"Host": HOST, "X-Twilio-Signature": signature},
                    extensions={"sni_hostname": HOST},
                )
            assert answer.status_code == 200, answer.text
            url, _ = stream_of(answer.text)
            assert url.startswith(f"wss://{HOST}/ws/")
            here = {
                "host": "127.0.0.1",
                "port": port,
                "ssl": unchecked(),
                "server_hostname": HOST,
                "proxy": None,
            }
            async with asyncio.timeout(20), streaming(url, **here) as line:
                assert await line.recv() == start_of("twilio", "CA1").upper()
                await line.send("hello")
                assert await line.recv() == "HELLO"


def test_a_silent_line_is_not_cut_by_nginx():
    """Its own time-out, a minute, is for web pages."""
    assert re.search(r"proxy_read_timeout +(?:[1-9]|\d\d)h;", written("nginx"))


def test_what_ngrok_is_told_is_the_port_that_the_server_has():

    port = settings_class().model_fields["port"].get_default()
    for page in ("README.md", "docs/deploy.md", "docs/first-number.md"):
        assert set(re.findall(r"ngrok http (\S+?)`", (ROOT / page).read_text(encoding="utf-8"))) == {
            str(port)
        }
