"""`phonebot key`: new prints a key once, list shows names, revoke makes one worthless; a start and the doctor know."""

import subprocess
import sys

import pytest

from carriers.checks import Verdict
from deployment.checkup import key_findings
from deployment.start import StartError, check
from desk.api_keys import FILE, ApiKeys, Scope, add, new_key
from settings import ROOT
from tests.web_service import make_settings


def key(folder, *arguments: str, **values: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "phonebot.py", "key", *arguments],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PHONEBOT_ENV_FILE": "", "DATA_DIR": str(folder), **values},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_key_is_printed_once_listed_by_its_name_and_revoked(tmp_path):
    made = key(tmp_path, "new", "front-desk", "--scope", "view")
    assert made.returncode == 0, made.stderr
    printed = made.stdout.strip()
    keys = ApiKeys(make_settings(data_dir=tmp_path))
    assert (keys.of(printed.encode()).name, keys.of(printed.encode()).scope) == ("front-desk", Scope.VIEW)
    listed = key(tmp_path, "list", API_KEY="secret")
    assert listed.returncode == 0
    assert [line.split()[:2] for line in listed.stdout.splitlines()[1:]] == [
        ["API_KEY", "admin"],
        ["front-desk", "view"],
    ]
    assert "secret" not in listed.stdout and printed not in listed.stdout
    again = key(tmp_path, "new", "front-desk")
    assert (again.returncode, again.stdout, "choose another" in again.stderr) == (2, "", True)
    revoked = key(tmp_path, "revoke", "front-desk")
    assert (revoked.returncode, "revoked" in revoked.stdout) == (0, True)
    assert keys.of(printed.encode()) is None
    assert "front-desk  revoked" in " ".join(key(tmp_path, "list").stdout.splitlines())


def test_a_key_for_the_environment_is_written_nowhere(tmp_path):
    made = key(tmp_path, "new", "crm", "--scope", "call", "--per-minute", "30", "--print")
    assert made.returncode == 0, made.stderr
    printed, entry = made.stdout.split()
    assert not (tmp_path / FILE).exists()
    keys = ApiKeys(make_settings(data_dir=tmp_path, api_keys=entry))
    assert (keys.of(printed.encode()).name, keys.of(printed.encode()).per_minute) == ("crm", 30)
    revoked = key(tmp_path, "revoke", "crm", API_KEYS=entry)
    assert (revoked.returncode, "take it out there" in revoked.stderr) == (0, True)
    assert keys.of(printed.encode()) is None


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("new", "Front Desk"), 2, "no name of a key"),
        (("new", "desk", "--scope", "boss"), 2, "view, read, call, admin"),
        (("new", "desk", "--per-minute", "-1"), 2, "requests a minute"),
        (("revoke", "nobody"), 1, "key list"),
        (("revoke", "API_KEY"), 1, "in the settings"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, arguments, status, words):
    done = key(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert words in done.stderr and done.stderr.count("\n") == 1


def test_the_doctor_names_keys_and_finds_entries_that_cannot_be_read(tmp_path):
    closed = key_findings(make_settings(data_dir=tmp_path))
    assert [(one.verdict, one.subject) for one in closed] == [(Verdict.NOTE, "API_KEY")]
    _, kept = new_key("desk", Scope.READ, 0)
    add(tmp_path / FILE, kept)
    found = key_findings(make_settings(data_dir=tmp_path))
    assert [(one.verdict, one.text) for one in found] == [(Verdict.OK, "desk (read)")]
    with open(tmp_path / FILE, "a") as file:
        file.write("phonebot_pasted-by-mistake\n")
    found = key_findings(make_settings(data_dir=tmp_path, api_keys="crm:read"))
    faults = {one.subject: one.text for one in found if one.verdict is Verdict.FAULT}
    assert set(faults) == {"API_KEYS", "keys"}
    assert "line 3" in faults["keys"] and "pasted" not in str(faults)


def test_a_start_refuses_keys_of_the_settings_that_cannot_be_read_and_bears_those_of_the_file(tmp_path):
    with pytest.raises(StartError, match="API_KEYS is not NAME:SCOPE:PER_MINUTE:SHA256"):
        check(make_settings(data_dir=tmp_path, api_keys="crm:read"))
