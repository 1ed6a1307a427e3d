"""When `make` cannot set up an environment, or does not do what was asked, it says why in one line."""

import subprocess
import sys

import pytest

from settings import ROOT
from tests.made_up_index import write_lock
from tests.project.test_project_sets_up_its_environment import LOCKED, Project, find, project

pytestmark = pytest.mark.timeout(300)

__all__ = ["project"]


def install(project: Project, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "requirements/install.sh", *arguments],
        cwd=project.folder,
        env=project.environment(PYTHONS=sys.executable, **variables),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_settings_of_the_machine_change_where_packages_come_from_and_nothing_else(project):
    others = {
        "PIP_DRY_RUN": "1",
        "PIP_PYTHON": sys.executable,
        "PIP_NO_BINARY": ":all:",
        "PIP_CONSTRAINT": "/nowhere/constraints.txt",
        "PIP_REQUIREMENT": "/nowhere/requirements.txt",
        "PIP_REQUIRE_VIRTUALENV": "1",
        "PYTHONHOME": "/nowhere",
    }
    done = project.make("setup", **others)
    assert done.returncode == 0, done.stderr
    assert project.installed() == LOCKED


@pytest.mark.parametrize("setting", ["target = {elsewhere}", "dry-run = true"])
def test_packages_that_a_file_of_pips_sends_elsewhere_are_missed(project, tmp_path, setting):
    file = tmp_path / "pip.conf"
    file.write_text(f"[install]\n{setting.format(elsewhere=tmp_path / 'elsewhere')}\n", encoding="utf-8")
    done = project.make("setup", PIP_CONFIG_FILE=str(file))
    assert done.returncode != 0
    assert "setup: pip installed without an error, but not into .venv: `pip config list` shows" in done.stderr
    assert "ready after" not in done.stdout
    file.unlink()
    assert project.make("setup").returncode == 0
    assert project.installed() == LOCKED


def test_nothing_is_installed_into_the_machines_python_when_the_environment_has_lost_its_file(project):
    assert project.make("setup").returncode == 0
    (project.folder / ".venv" / "pyvenv.cfg").unlink()
    done = project.make("setup")
    assert done.returncode == 0, done.stderr
    assert (project.folder / ".venv" / "pyvenv.cfg").exists()
    assert project.installed() == LOCKED


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ((), 2, "use: requirements/install.sh FOLDER LOCK [EXTRA...]"),
        ((".venv",), 2, "use: requirements/install.sh FOLDER LOCK [EXTRA...]"),
        (("--help",), 2, "use: requirements/install.sh FOLDER LOCK [EXTRA...]"),
        (
            (".venv", "requirements/host.lock"),
            1,
            "setup: there is no lock requirements/host.lock: take one of requirements/build.lock, ",
        ),
        (
            (".venv", "requirements/dev.lock", "latn"),
            1,
            "setup: there is no extra 'latn': choose from all, greek, latin",
        ),
        (("/dev/null/x", "requirements/dev.lock"), 1, "setup: /dev/null/x: Not a directory: "),
    ],
)
def test_arguments_that_mean_nothing_are_a_line_and_leave_nothing_behind(project, arguments, status, said):
    done = install(project, *arguments)
    assert done.returncode == status
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1
    assert not (project.folder / ".venv").exists()


def test_a_folder_with_a_blank_in_its_path_is_refused_as_make_would_tear_it_apart(project):
    done = project.make("setup", "VENV=my environment")
    assert done.returncode != 0
    assert 'VENV is "my environment": name one folder, without blanks in its path' in done.stderr


def test_extras_may_be_written_as_pip_has_them(project):
    write_lock(project.requirements / "latin.lock", [])
    done = project.make("setup", "EXTRAS=Latin,greek")
    assert done.returncode == 0, done.stderr


def test_an_index_that_pip_does_not_trust_is_named(project):
    # pip passes over an http index with a remark, and then says that it found nothing
    done = project.make(
        "setup", PIP_NO_INDEX="0", PIP_FIND_LINKS="", PIP_INDEX_URL="http://index.invalid/simple"
    )
    assert done.returncode != 0
    assert "index.invalid is not a trusted or secure host" in done.stderr


def test_a_python_2_and_one_that_is_too_old_are_told_by_their_release(tmp_path):
    found = find(
        tmp_path,
        "old",
        old=f'exec {sys.executable} -c "import sys; sys.version_info = (2, 7); exec(sys.argv[1])" "$2"',
    )
    assert found.returncode == 1
    assert "old is Python 2.7; " in found.stderr


def test_the_set_up_itself_refuses_a_python_that_is_too_old():
    script = ROOT / "requirements" / "install.py"
    code = (
        f"import sys; sys.version_info = (3, 10, 1); exec(compile(open({str(script)!r}).read(), 'x', 'exec'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("setup: this Python is older than 3.11")
    assert len(done.stderr.splitlines()) == 1
