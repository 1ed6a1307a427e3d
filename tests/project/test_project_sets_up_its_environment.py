"""`make` sets up an environment of its own, brings it up to date, and leaves alone what it did not make."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest

from settings import ROOT
from tests.made_up_index import an_index_that_has_gone_on, make_wheel, write_lock

pytestmark = pytest.mark.timeout(300)


class Project:
    """A project with the real Makefile's way of setting up, and an index in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.index = folder, folder / "index"
        self.requirements = folder / "requirements"
        self.requirements.mkdir()
        for name in ("install.sh", "install.py"):
            shutil.copy(ROOT / "requirements" / name, self.requirements / name)
        shutil.copy(ROOT / "Makefile", folder / "Makefile")
        (folder / "pyproject.toml").write_text(
            '[project]\nname = "phonebot"\n[project.optional-dependencies]\n'
            'greek = ["beta"]\nlatin = ["octo"]\nall = ["phonebot[greek,latin]"]\n',
            encoding="utf-8",
        )
        write_lock(self.requirements / "build.lock", [])
        self.wheels = an_index_that_has_gone_on(self.index)
        self.lock(*self.wheels)

    def lock(self, *wheels: Path) -> None:
        write_lock(self.requirements / "dev.lock", wheels)

    def make(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", "--no-print-directory", f"PYTHONS={sys.executable}", *arguments],
            cwd=self.folder,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    def environment(self, **variables: str) -> dict[str, str]:
        outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        own = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.index), "PIP_CONFIG_FILE": os.devnull}
        return {**outside, **own, **variables}

    def installed(self, folder: str = ".venv") -> dict[str, str]:
        code = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()))"
        done = subprocess.run(
            [self.folder / folder / "bin" / "python", "-I", "-c", code],
            capture_output=True,
            text=True,
            check=True,
        )
        found = dict(package.split("==") for package in done.stdout.split())
        return {name: version for name, version in found.items() if name not in ("pip", "setuptools")}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def files_of(folder: Path) -> dict[str, float]:
    return {str(path): path.lstat().st_mtime for path in sorted(folder.rglob("*"))}


LOCKED = {"alpha": "1.0", "beta": "1.0", "gamma": "1.0"}


def test_what_is_locked_is_installed_though_the_index_has_gone_on(project):
    done = project.make("setup")
    assert done.returncode == 0, done.stderr
    assert project.installed() == LOCKED
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1].startswith("ready after")


def test_a_second_time_nothing_is_done(project):
    assert project.make("setup").returncode == 0
    before = files_of(project.folder / ".venv" / "lib")
    done = project.make("setup")
    assert done.returncode == 0 and "[1/3]" not in done.stdout
    assert files_of(project.folder / ".venv" / "lib") == before


def test_a_changed_lock_updates_the_environment_and_keeps_what_was_added_to_it(project):
    assert project.make("setup").returncode == 0
    own = make_wheel(project.index, "mine", "1.0")
    subprocess.run(
        [project.folder / ".venv/bin/pip", "install", "-q", own], env=project.environment(), check=True
    )
    project.lock(make_wheel(project.index, "alpha", "3.0"))
    done = project.make("setup")
    assert done.returncode == 0, done.stderr
    assert project.installed() == {"alpha": "3.0", "mine": "1.0"}
    assert "beta, gamma" in done.stdout


def test_the_environment_gets_the_command_which_runs_the_project_from_anywhere(project, tmp_path):
    (project.folder / "phonebot.py").write_text(
        "import sys; print(sys.prefix, *sys.argv[1:], sep='|')", encoding="utf-8"
    )
    assert project.make("setup").returncode == 0
    command = project.folder / ".venv" / "bin" / "phonebot"
    command.unlink()
    assert project.make("setup").returncode == 0
    done = subprocess.run(
        [command, "--say", "two words"], cwd="/", capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{project.folder / '.venv'}|--say|two words\n"


def test_an_extra_is_added_and_stays_when_the_lock_changes(project):
    write_lock(project.requirements / "latin.lock", [make_wheel(project.index, "octo", "8.0")])
    assert project.make("setup", "EXTRAS=all").returncode == 0
    assert project.installed() == {**LOCKED, "octo": "8.0"}
    project.lock(*project.wheels, make_wheel(project.index, "eta", "1.0"))
    assert project.make("setup").returncode == 0
    assert project.installed() == {**LOCKED, "octo": "8.0", "eta": "1.0"}


def with_a_service_of_no_lock(project: Project) -> None:
    pyproject = project.folder / "pyproject.toml"
    pyproject.write_text(pyproject.read_text() + 'rime = ["pipecat-ai[rime]~=1.14.0"]\n', encoding="utf-8")
    make_wheel(project.index, "rime_api", "0.4", requires=["alpha"])
    pipecat = make_wheel(project.index, "pipecat_ai", "1.14.0", extras={"rime": ["rime_api"]})
    make_wheel(project.index, "pipecat_ai", "1.14.1", extras={"rime": ["rime_api", "delta"]})
    project.lock(*project.wheels, pipecat)
    lock = project.requirements / "dev.lock"
    lock.write_text(lock.read_text().replace("pipecat_ai==", "pipecat-ai=="), encoding="utf-8")


def test_a_service_of_no_lock_is_added_with_the_versions_of_the_lock_and_stays(project):
    with_a_service_of_no_lock(project)
    locked = {**LOCKED, "pipecat_ai": "1.14.0"}
    assert project.make("setup").returncode == 0
    assert project.installed() == locked
    done = project.make("setup", "EXTRAS=rime")
    assert done.returncode == 0, done.stderr
    assert "adding pipecat-ai[rime]~=1.14.0, which no lock has" in done.stdout
    assert project.installed() == {**locked, "rime_api": "0.4"}, "nothing is newer than the lock says"
    again = project.make("setup")
    assert again.returncode == 0 and "adding" not in again.stdout, "what is there is not asked for again"
    assert project.installed() == {**locked, "rime_api": "0.4"}


def test_a_service_that_does_not_fit_the_lock_says_so_and_stands_in_nobodys_way(project):
    with_a_service_of_no_lock(project)
    make_wheel(project.index, "rime_api", "0.4", requires=["alpha>=2"])
    done = project.make("setup", "EXTRAS=rime")
    assert done.returncode != 0
    assert "does not fit the versions of the lock: set up without it" in done.stderr
    assert project.make("setup").returncode == 0
    assert "rime_api" not in project.installed()
    make_wheel(project.index, "rime_api", "0.4", requires=["alpha"])
    assert project.make("setup", "EXTRAS=rime").returncode == 0
    assert "rime_api" in project.installed()


def test_an_unknown_extra_is_one_line_that_names_those_that_there_are(project):
    done = project.make("setup", "EXTRAS=klingon")
    assert done.returncode != 0
    assert "setup: there is no extra 'klingon': choose from all, greek, latin" in done.stderr
    assert not (project.folder / ".venv").exists()


def foreign_environment(folder: Path) -> None:
    venv.create(folder, with_pip=False)
    (folder / "precious.txt").write_text("of somebody", encoding="utf-8")


def test_an_environment_that_somebody_else_made_stays_as_it_is(project):
    foreign_environment(project.folder / ".venv")
    before = files_of(project.folder / ".venv")
    for target in ("setup", "call", "clean"):
        done = project.make(target)
        if target != "clean":
            assert done.returncode != 0
            assert ".venv was not made by `make`" in done.stderr
            assert "make VENV=.venv-phonebot" in done.stderr
        assert files_of(project.folder / ".venv") == before


def test_the_folder_that_the_refusal_names_works(project):
    foreign_environment(project.folder / ".venv")
    assert project.make("setup", "VENV=.venv-phonebot").returncode == 0
    assert project.installed(".venv-phonebot") == LOCKED


def test_an_environment_behind_a_link_stays_as_it_is(project, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    foreign_environment(elsewhere)
    (project.folder / ".venv").symlink_to(elsewhere)
    before = files_of(elsewhere)
    done = project.make("setup")
    assert done.returncode != 0
    assert ".venv is a link to" in done.stderr
    project.make("clean")
    assert files_of(elsewhere) == before and (project.folder / ".venv").is_symlink()


def test_an_environment_of_somebody_else_that_has_everything_is_used(project):
    venv.create(project.folder / ".venv", with_pip=True)
    python = project.folder / ".venv" / "bin" / "python"
    command = [python, "-m", "pip", "install", "-q", "--no-deps", "-r", project.requirements / "dev.lock"]
    subprocess.run(command, env=project.environment(), check=True)
    before = files_of(project.folder / ".venv" / "lib")
    assert project.make("setup").returncode == 0
    assert files_of(project.folder / ".venv" / "lib") == before
    project.make("clean")
    assert python.exists()


def test_a_set_up_that_was_killed_goes_on_by_itself(project):
    (project.requirements / "dev.lock").write_text(
        "#" * 10 + "\n" + (project.requirements / "dev.lock").read_text()
    )
    began = subprocess.Popen(
        ["bash", "requirements/install.sh", ".venv", "requirements/dev.lock"],
        cwd=project.folder,
        env=project.environment(PYTHONS=sys.executable),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    # In the middle of making the environment: its Python is there, pip is not yet
    until = time.monotonic() + 60
    while not (project.folder / ".venv" / "pyvenv.cfg").exists() and time.monotonic() < until:
        time.sleep(0.01)
    os.killpg(began.pid, signal.SIGKILL)
    began.wait()
    assert project.make("setup").returncode == 0
    assert project.installed() == LOCKED


def test_a_package_that_was_half_installed_is_installed_anew(project):
    assert project.make("setup").returncode == 0
    environment = project.folder / ".venv"
    mark = json.loads((environment / ".phonebot").read_text(encoding="utf-8"))
    (environment / ".phonebot").write_text(json.dumps({**mark, "finished": False}), encoding="utf-8")
    [site] = environment.glob("lib/python3*/site-packages")
    (site / "beta.py").unlink()
    (site / "gamma-1.0.dist-info" / "INSTALLER").unlink()
    assert project.make("setup").returncode == 0
    assert project.installed() == LOCKED
    assert (site / "beta.py").exists() and (site / "gamma-1.0.dist-info" / "INSTALLER").exists()


@pytest.mark.parametrize("added", [False, True])
def test_an_environment_whose_python_is_gone_is_made_anew_unless_something_was_added_to_it(project, added):
    assert project.make("setup").returncode == 0
    environment = project.folder / ".venv"
    if added:
        own = make_wheel(project.index, "mine", "1.0")
        subprocess.run([environment / "bin/pip", "install", "-q", own], env=project.environment(), check=True)
    for path in (environment / "bin").glob("python*"):
        path.unlink()
        path.symlink_to("/nowhere/python3")
    done = project.make("setup")
    if added:
        assert done.returncode != 0
        assert "packages were added to it (mine): remove it yourself" in done.stderr
        assert list(environment.glob("lib/python3*/site-packages/mine.py"))
    else:
        assert done.returncode == 0, done.stderr
        assert project.installed() == LOCKED


def test_a_wheel_that_is_not_the_locked_one_is_refused_with_cause_and_fix(project):
    make_wheel(project.index, "gamma", "1.0", requires=["delta"])
    done = project.make("setup")
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr and "gamma" in done.stderr
    assert "empty pip's cache" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_package_that_the_index_does_not_have_is_named(project):
    (project.index / "beta-1.0-py3-none-any.whl").unlink()
    done = project.make("setup")
    assert done.returncode != 0
    assert "The package index has no beta==1.0 for this machine" in done.stderr


def test_an_index_that_cannot_be_reached_is_said_at_once_and_at_the_end(project):
    # Port 9 of this machine answers nobody
    nowhere = {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}
    shutil.rmtree(project.index)
    done = project.make("setup", **nowhere)
    assert done.returncode != 0
    assert "the package index does not answer" in done.stdout
    assert "could not be reached: check the network" in done.stderr


def test_what_pip_remarks_about_a_machine_is_not_shown(project):
    chatty = {
        "PIP_EXTRA_INDEX_URL": "file:///nowhere/simple",
        "PIP_NO_INDEX": "0",
        "PIP_INDEX_URL": "file:///no/simple",
    }
    done = project.make("setup", **chatty)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stdout + done.stderr and "nowhere" not in done.stdout + done.stderr


def test_settings_of_the_machine_do_not_send_packages_elsewhere(project, tmp_path):
    settings = {"PIP_USER": "1", "PIP_TARGET": str(tmp_path / "other"), "PYTHONPATH": str(tmp_path / "path")}
    make_wheel(tmp_path / "path", "gamma", "1.0")
    assert project.make("setup", **settings).returncode == 0
    assert project.installed() == LOCKED


def find(tmp_path: Path, names: str, **scripts: str) -> subprocess.CompletedProcess[str]:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    return subprocess.run(
        ["bash", ROOT / "requirements" / "install.sh", "--find"],
        env={"PATH": f"{folder}:/usr/bin:/bin", "PYTHONS": names, "PYENV_ROOT": str(tmp_path / "no-pyenv")},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_a_python_that_does_not_run_is_passed_over(tmp_path):
    shim = "echo 'pyenv: python3.13: command not found' >&2; exit 127"
    found = find(tmp_path, "shim good", shim=shim, good=f'exec {sys.executable} "$@"')
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == sys.executable


def test_without_a_python_that_fits_it_says_of_each_why_not(tmp_path):
    old = 'exec /nowhere/python "$@"'
    found = find(tmp_path, "broken absent", broken=old)
    assert found.returncode == 1
    assert "needs Python 3.11, 3.12 or 3.13" in found.stderr and "broken" in found.stderr
    assert "make setup PYTHONS=" in found.stderr
