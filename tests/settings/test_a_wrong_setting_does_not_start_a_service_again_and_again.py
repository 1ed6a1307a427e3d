"""The systemd units in deploy/systemd: the service comes up with the machine, and gives up where nothing helps."""

import configparser
import re
import shutil
import subprocess

import pytest

from desk.draining import STOP_SECS
from settings import ROOT, settings_class
from tests.web.test_server_start import start

SYSTEMD = ROOT / "deploy" / "systemd"
UNIT = (SYSTEMD / "phonebot.service").read_text(encoding="utf-8")
SOCKET = (SYSTEMD / "phonebot.socket").read_text(encoding="utf-8")


@pytest.fixture
def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT)
    return parser


def test_it_comes_up_with_the_machine(unit):
    assert (
        unit.get("Install", "WantedBy", fallback="nothing: `systemctl enable` does nothing")
        == "multi-user.target"
    )


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        ((), {"PORT": "many"}),
        (("--agent", "nobody"), {}),
        ((), {"agents": "broken"}),
        ((), {"DATA_DIR": "/dev/null/data"}),
    ],
    ids=["a setting", "an agent", "a broken agent's file", "a folder"],
)
def test_what_stays_wrong_is_not_tried_again(unit, tmp_path, arguments, values):
    refused = start(tmp_path, *arguments, **values)
    never = unit.get("Service", "RestartPreventExitStatus", fallback="").split()
    assert str(refused.returncode) in never, f"systemd would try again for ever: {refused.stderr}"


def test_what_may_pass_is_tried_again(unit):
    assert unit["Service"]["Restart"] == "on-failure"
    never = unit["Service"].get("RestartPreventExitStatus", "").split()
    # Of an exception that nobody expected, and of a signal.
    assert not {"1", "SIGKILL", "SIGSEGV", "SIGABRT"} & set(never)


def test_it_is_stopped_and_reloaded_without_hanging_up(unit):
    service = unit["Service"]
    drain_secs = settings_class().model_fields["drain_secs"].get_default()
    assert int(service["TimeoutStopSec"]) >= drain_secs + STOP_SECS
    assert service["KillMode"] == "mixed", "each process would get the signal twice"
    # SIGHUP ends a server that has no parent, and all of its calls
    assert ("--workers" in service["ExecStart"]) >= ("-HUP" in service["ExecReload"])
    assert service["OOMPolicy"] == "continue", "one process too large would end all of them"


def test_the_socket_is_the_port_that_the_documents_say(unit):
    field = settings_class().model_fields
    address = f"{field['host'].get_default()}:{field['port'].get_default()}"
    assert re.findall(r"^ListenStream=(.+)$", SOCKET, flags=re.MULTILINE) == [address]
    assert unit["Unit"]["Requires"] == "phonebot.socket"
    assert "phonebot.socket" in unit["Unit"]["After"].split()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here to read it")
def test_systemd_knows_every_word_of_it(tmp_path):
    program = re.search(r"^ExecStart=(\S+)", UNIT, flags=re.MULTILINE)[1]
    (tmp_path / "phonebot.socket").write_text(SOCKET, encoding="utf-8")
    (tmp_path / "phonebot.service").write_text(UNIT.replace(program, "/bin/true"), encoding="utf-8")
    files = [str(tmp_path / name) for name in ("phonebot.socket", "phonebot.service")]
    command = ["systemd-analyze", "verify", "--man=no", *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert [line for line in done.stderr.splitlines() if "phonebot." in line] == []
