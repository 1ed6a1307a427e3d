"""The systemd unit in docs/deploy.md: it comes up with the machine, and gives up where trying again cannot help."""

import configparser
import re
import shutil
import subprocess

import pytest

from settings import ROOT
from tests.web.test_server_start import start

UNIT = re.search(r"```ini\n(.*?)```", (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8"), re.DOTALL)[1]


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


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here to read it")
def test_systemd_knows_every_word_of_it(tmp_path):
    file = tmp_path / "phonebot.service"
    program = re.search(r"^ExecStart=(\S+)", UNIT, flags=re.MULTILINE)[1]
    file.write_text(UNIT.replace(program, "/bin/true"), encoding="utf-8")
    command = ["systemd-analyze", "verify", "--man=no", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert [line for line in done.stderr.splitlines() if "phonebot.service" in line] == []
