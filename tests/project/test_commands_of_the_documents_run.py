"""Each block of commands in README and docs does what is said of it: it runs here, or says why it does not."""

import os
import re
import signal
import subprocess
import time
import uuid
from contextlib import suppress
from pathlib import Path

import pytest

from tests.document_commands import ROOT, Block, documents, fresh_copy, shell_blocks
from tests.receiver import free_port

BLOCKS = shell_blocks()
KEY = "a key for the documents"


def ids(block: Block) -> str:
    return block.place


def marked(*how: str) -> list[Block]:
    return [block for block in BLOCKS if block.how in how]


def test_there_are_documents_with_commands():
    assert len(BLOCKS) > 8
    assert len(marked("not run here")) <= len(BLOCKS) // 3


@pytest.mark.parametrize("block", BLOCKS, ids=ids)
def test_a_block_says_whether_it_runs(block):
    assert block.how, f"{block.place}: write <!-- runs --> above it, or <!-- not run here: REASON -->"
    if block.how == "not run here":
        assert len(block.what) > 3
    if block.how == "run by":
        assert (ROOT / block.what).is_file(), f"{block.place}: there is no {block.what}"


@pytest.mark.parametrize("block", marked("run by"), ids=ids)
def test_a_file_that_is_said_to_run_a_block_has_its_words(block):
    """Programs, modules, sub-commands, options and variables: a command that was changed here only is found."""
    file = (ROOT / block.what).read_text(encoding="utf-8")
    if "shell_blocks" in file:
        return  # it takes the block from the document
    for command in block.commands:
        words = re.findall(r"(?:^|\s)(--?[a-zA-Z][a-z-]*|[a-z][a-z_.]*|[A-Z_]+(?==))(?=[\s=]|$)", command)
        assert words
        words = [word for word in words if word not in ("python3", "rm")]
        missing = [word for word in words if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", file)]
        assert missing == [], f"{block.place}: {block.what} does not run {command!r}"


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name}: {target}"


@pytest.mark.parametrize("block", marked("runs in CI"), ids=ids)
def test_ci_runs_what_is_said_to_run_there(block):
    steps = set(re.findall(r"\bmake ([a-z-]+)", (ROOT / ".ci" / "run").read_text()))
    for command in block.commands:
        assert re.fullmatch(r"make [a-z-]+( [A-Z]+=\S+)*", command), f"{block.place}: {command}"
        assert command.split()[1] in steps, f"{block.place}: .ci/run has no step `{command}`"


@pytest.mark.parametrize("block", marked("what make does"), ids=ids)
def test_make_does_what_is_said_that_it_does(block):
    for line in block.text.splitlines():
        command, _, target = line.partition("# make ")
        assert target, f"{block.place}: name the target behind {line!r}"
        # What follows options is for those who know more: `make test` takes several processes.
        assert command.split(" --")[0].strip() in recipe(target.strip()), f"{block.place}: {command}"


def recipe(target: str) -> str:
    """What make would do, in one line, with the environment as it is."""
    done = subprocess.run(
        ["make", "-n", "-W", "requirements/dev.lock", target], cwd=ROOT, capture_output=True, text=True
    )
    return " ".join(done.stdout.replace("\\\n", " ").split())


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return fresh_copy(tmp_path)


def free_ports(text: str) -> tuple[str, dict[str, int]]:
    """A block with ports that nobody else has, for those that it names."""
    ports = {}
    for port in ("7860", "7861", "8080"):
        if re.search(rf"\b{port}\b", text):
            ports[port] = free_port()
            text = re.sub(rf"\b{port}\b", str(ports[port]), text)
    return text, ports


def environment(**more: str) -> dict[str, str]:
    known = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    return {**known, "API_KEY": KEY, "NGROK_API_URL": "http://127.0.0.1:9", **more}


class Script:
    """A script that runs, with what it prints in a file."""

    def __init__(self, script: str, folder: Path, **more: str):
        self.log = folder / f"log-{uuid.uuid4().hex}"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", script],
                cwd=folder,
                env=environment(**more),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def printed(self) -> str:
        return self.log.read_text(errors="replace")

    def wait(self, secs: float = 110) -> int:
        try:
            return self.process.wait(secs)
        finally:
            self.stop()

    def until(self, text: str, secs: float = 90) -> "Script":
        end = time.monotonic() + secs
        try:
            while text not in self.printed:
                assert self.process.poll() is None, f"it ended without saying {text!r}:\n{self.printed}"
                assert time.monotonic() < end, f"it does not say {text!r}:\n{self.printed}"
                time.sleep(0.1)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End it and what it started."""
        for what in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, what)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
                return


@pytest.mark.parametrize("block", marked("runs"), ids=ids)
def test_a_block_runs(block, copy):
    script, ports = free_ports(block.text)
    run = Script(script, copy, PORT=str(next(iter(ports.values()), free_port())))
    assert run.wait() == 0, f"{block.place}:\n{run.printed}"
    assert block.what in run.printed, f"{block.place} does not say {block.what!r}:\n{run.printed}"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("block", marked("runs beside a server"), ids=ids)
def test_a_block_runs_beside_a_server(block, copy):
    script, ports = free_ports(block.text)
    port = str(next(iter(ports.values()), free_port()))
    server = Script(".venv/bin/python server.py", copy, PORT=port).until("answers")
    try:
        # The models are loaded before the first call.
        ready = (
            f"for _ in $(seq 60); do curl -fs http://127.0.0.1:{port}/readyz && exit; sleep 1; done; exit 1"
        )
        assert Script(ready, copy).wait() == 0, server.printed
        for command in re.sub(r"\\\n", " ", script).splitlines():
            run = Script(command, copy, PORT=port)
            assert run.wait() == 0, f"{block.place}: {command}\n{run.printed}"
            # A colleague is shown for what becomes of them: a caller who asks for nobody shows nothing.
            assert ("--colleague" in command) <= ("Who was called" in run.printed), (
                f"{block.place}: {command}"
            )
    finally:
        server.stop()
