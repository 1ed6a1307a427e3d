"""What is sent to a builder: all that the Dockerfiles copy, and nothing that is nobody's business.

Two programs read `.dockerignore`, each in its own way, and both are asked themselves: Pipecat Cloud's tool, and Docker
(by its Python client, which reads the file as the engine does).
"""

import io
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
from docker.utils.build import exclude_paths
from pipecatcloud._utils.build_utils import create_deterministic_tarball, get_exclusions

from settings import ROOT

IMAGES = ("Dockerfile", "deploy/Dockerfile.server")

PRIVATE = """
.env .env.local .env.production .env.bak cloud.env prod.env cloud.env.old env.production env.txt .envrc .netrc
.git/config .git-credentials .ssh/id_ed25519 .aws/credentials .config/gcloud/key.json .pypirc .npmrc .venv/pyvenv.cfg
id_rsa id_ed25519 server.pem tls.key tls.crt store.p12 apple.p8 vault.kdbx secrets.toml secrets.yaml secret.txt
my-secrets.json credentials.json google-credentials.json service_account.json service-account.json api_key.txt keys.json
passwords.txt token.txt
report.json recordings.json my-project-1234-ab12.json agents/my-project.json keys/telnyx private/notes certs/ca
SERVER.PEM TLS.KEY CALL.WAV CALLERS.CSV PROD.ENV agents/CALL.WAV logs.jsonl
agents/.env agents/secrets.toml agents/live.env conversation/cloud.env carriers/telnyx.pem requirements/.netrc
data/calls.db data/messages.jsonl data/recordings/one.wav recordings/call-twilio.wav recordings/deep/er/call.wav
data/queue.bin recordings/call.part recordings/deep/er/call.caf
calls.db calls.db-wal old.sqlite3 dump.sql backup.tar.gz backup.zip callers.csv callers.xlsx bot.log server.log
agents/hold.wav calls/calls.db calls/callers.csv serializers/debug.log settings.py.bak settings.py~ .settings.py.swp
venv/bin/python my-venv/bin/python node_modules/x/index.js conversation/__pycache__/agents.cpython-311.pyc
do-not-call.txt callers.txt contacts.txt blocked.txt numbers.txt transcript.txt
agents/api_token.txt logs/today backup/messages tmp/x
nohup.out customers.tsv
export/calls.ndjson customers.parquet dump.rdb call.opus call.ulaw call.raw voicemail.aac
hold.webm
cert.der server.csr keystore.bks keys.yaml vault.yml ngrok.yml kubeconfig
kubeconfig.yaml terraform.tfstate terraform.tfvars
docker-compose.override.yml phonebot.service auth_token core core.1234
crash.dmp heap.prof a.patch agents/#receptionist.toml#
venv3.12/lib/x.py .venv-phonebot/x.py env attack/tries.py talks/player.py
tests/voices.py emulator/terminal/cli.py docs/pipecat-cloud.md bench/__main__.py CHANGELOG.md
""".split()


def sent_to_pipecat_cloud(folder: Path) -> set[str]:
    context = create_deterministic_tarball(str(folder), get_exclusions(folder))
    with tarfile.open(fileobj=io.BytesIO(context.tarball)) as archive:
        return set(archive.getnames())


def sent_to_docker(folder: Path) -> set[str]:
    # As docker's client reads the file: no comments, no empty lines.
    lines = (folder / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return {name for name in exclude_paths(str(folder), patterns) if (folder / name).is_file()}


READERS = {"pipecat cloud deploy": sent_to_pipecat_cloud, "docker build": sent_to_docker}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """The project's own files, and beside them what lies around in a folder that somebody works in."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in project_files():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    for name in PRIVATE:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.write_text("private")
    return folder


def project_files() -> list[str]:
    listing = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
    )
    if listing.returncode != 0:
        pytest.skip("not a git checkout, so nobody knows which files are the project's")
    return [name for name in listing.stdout.splitlines() if (ROOT / name).is_file()]


def copied_by(image: str) -> list[str]:
    text = (ROOT / image).read_text(encoding="utf-8").replace("${LOCK}", "hosted")
    lines = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+)$", text, flags=re.MULTILINE)
    return [source.rstrip("/") for line in lines for source in line.split()[:-1]]


@pytest.mark.parametrize("reader", READERS)
def test_all_that_the_images_copy_is_sent(checkout, reader):
    sent = READERS[reader](checkout)
    copied = {source for image in IMAGES for source in copied_by(image)}
    wanted = {
        name
        for name in project_files()
        for source in copied
        if name == source or name.startswith(f"{source}/")
    }
    assert {
        "bot.py",
        "server.py",
        "conversation/local/data/intents.toml",
        "calls/database/migrations/env.py",
    } <= wanted
    assert wanted - sent == set()
    assert "Dockerfile" in sent


@pytest.mark.parametrize("reader", READERS)
def test_the_locks_that_an_image_can_be_built_with_are_sent(checkout, reader):
    assert {"requirements/hosted.lock", "requirements/local.lock"} <= READERS[reader](checkout)


@pytest.mark.parametrize("reader", READERS)
def test_nothing_private_is_sent(checkout, reader):
    assert sorted(READERS[reader](checkout) & set(PRIVATE)) == []


@pytest.mark.parametrize("name", ["password-reset.toml", "token-desk.toml", "keys.py", "flow.yaml"])
@pytest.mark.parametrize("reader", READERS)
def test_an_agent_of_any_name_is_sent(checkout, reader, name):
    agent = checkout / "agents" / name
    agent.write_text('greeting = "Hello."\n')
    try:
        assert f"agents/{name}" in READERS[reader](checkout)
    finally:
        agent.unlink()


def test_what_was_sent_before_does_not_change_what_is_sent_now(checkout):
    # The platform finds a finished build by the hash of what it is made of.
    (checkout / "data" / "more.wav").write_text("private")
    exclusions = get_exclusions(checkout)
    first = create_deterministic_tarball(str(checkout), exclusions).context_hash
    (checkout / "data" / "more.wav").write_text("private, and longer")
    (checkout / "pcc-deploy.toml").write_text("# more instances\n")
    assert create_deterministic_tarball(str(checkout), exclusions).context_hash == first
