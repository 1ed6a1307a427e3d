"""Sets up a virtual environment from a lock, keeps it up to date, and leaves alone what it did not make.

`python install.py FOLDER LOCK [EXTRA...]`, which is what `make setup` runs. It does what these do, with any pip:

    python3 -m venv FOLDER
    FOLDER/bin/pip install --require-hashes -r requirements/build.lock
    FOLDER/bin/pip install --require-hashes --no-deps --no-build-isolation -r LOCK
    FOLDER/bin/pip check

A lock is complete, so nothing is to be resolved: pip before 23.3 would take the newest release of a package of which
another wants an extra, whatever the lock says (pypa/pip #12345). What is built from source is built with the tools of
`build.lock` and not with the newest.

The services that few use are in no lock. Their extras are resolved when they are asked for, and held to the versions
that the lock has of everything else.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit("setup: this Python is older than 3.11: requirements/install.sh looks for one that fits")
import tomllib

HERE = Path(__file__).resolve().parent
BUILD_LOCK = HERE / "build.lock"
USAGE_ERROR = 2
TOOLS = frozenset({"pip", "setuptools", "wheel"})
"""Packages that an environment may have besides those of the lock: its own tools."""

WHERE_FROM = frozenset(
    "CACHE_DIR CERT CLIENT_CERT CONFIG_FILE DEFAULT_TIMEOUT EXTRA_INDEX_URL FIND_LINKS INDEX_URL KEYRING_PROVIDER "
    "NO_CACHE_DIR NO_INDEX PROXY RESUME_RETRIES RETRIES TIMEOUT TRUSTED_HOST".split()
)
"""Settings of pip, without PIP_, that say where packages come from. Others say what to do with them, which we do."""

MARK = ".phonebot"
"""The file in an environment of ours that says what was installed, and whether that was finished."""

STAMP = ".ready"
"""Newer than the lock when the environment is as the lock says; it is what `make` looks at."""

# Runs in the environment: exit status 0 when each package of the locks is there in its version.
AS_LOCKED = r"""
import re, sys
from importlib.metadata import version
try:
    from packaging.requirements import Requirement
except ImportError:
    from pip._vendor.packaging.requirements import Requirement
for lock in sys.argv[1:]:
    for line in re.findall(r"^[a-z0-9][^\n]*(?= \\$)", open(lock, encoding="utf-8").read(), re.M):
        wanted = Requirement(line)
        if wanted.marker is None or wanted.marker.evaluate():
            assert wanted.specifier.contains(version(wanted.name), prereleases=True)
"""

# Runs in the environment: removes what an interruption left half installed, so that pip installs it anew.
# Installers write INSTALLER and RECORD last.
DROP_HALF_INSTALLED = """
import shutil
from importlib.metadata import distributions
for found in distributions():
    if found.read_text("INSTALLER") is None or not all(file.locate().exists() for file in found.files or [""]):
        shutil.rmtree(found._path, ignore_errors=True)
"""


class SetupError(Exception):
    """The environment cannot be set up; the message is cause and fix."""


def normal(name: str) -> str:
    """A package's name as packages are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names_in(lock: Path) -> set[str]:
    """The packages of a lock, for all platforms."""
    return set(re.findall(r"^([a-z0-9][a-z0-9-]*)==", lock.read_text(encoding="utf-8"), flags=re.MULTILINE))


def locks_of(extras: list[str], lock: Path) -> list[Path]:
    """The locks that hold these extras of pyproject.toml; none for an extra that the lock has anyway.

    Raises:
        SetupError: There is no such extra.
    """
    if not lock.is_file():
        raise SetupError(
            f"there is no lock {lock}: take one of {', '.join(sorted(map(str, lock.parent.glob('*.lock')))) or HERE}"
        )
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known: dict[str, list[str]] = project["optional-dependencies"]
    found: list[Path] = []
    for extra in map(normal, extras):
        if extra not in known:
            raise SetupError(f"there is no extra {extra!r}: choose from {', '.join(sorted(known))}")
        own = HERE / f"{extra}.lock"
        parts = [part for want in known[extra] for part in re.findall(r"^phonebot\[(.*)\]$", want)]
        if parts:
            found += locks_of([name.strip() for name in parts[0].split(",")], lock)
        elif own.exists():
            found.append(own)
        elif extra not in unlocked(known) and not (
            {normal(re.split(r"[\[<>=~;]", want)[0]) for want in known[extra]} <= names_in(lock)
        ):
            raise SetupError(
                f"the extra {extra!r} is in no lock of {HERE.name}/ that can be added to {lock.name}"
            )
    return list(dict.fromkeys(found))


def unlocked(known: dict[str, list[str]]) -> set[str]:
    """The extras that are in no lock: single extras of Pipecat's that no other extra, such as `services`, includes."""
    included = {
        normal(name.strip())
        for wants in known.values()
        for want in wants
        for names in re.findall(r"^phonebot\[(.*)\]$", want)
        for name in names.split(",")
    }
    own = {lock.stem for lock in HERE.glob("*.lock")}
    single = {
        extra
        for extra, wants in known.items()
        if [re.sub(r"[<>=~;].*", "", want) for want in wants] == [f"pipecat-ai[{extra}]"]
    }
    return single - included - own


def needs_of(extras: list[str]) -> list[str]:
    """What those of the extras that no lock has ask for."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known: dict[str, list[str]] = project["optional-dependencies"]
    loose = unlocked(known)
    return [want for extra in extras if normal(extra) in loose for want in known[normal(extra)]]


class Environment:
    """A folder with a virtual environment, ours or not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.mark = folder / MARK

    @property
    def is_ours(self) -> bool:
        """Whether an earlier run made it; one that was made before there was a mark has only the stamp."""
        return self.mark.exists() or (self.folder / STAMP).exists()

    def read_mark(self) -> dict[str, Any]:
        """What the last run wrote down."""
        try:
            return dict(json.loads(self.mark.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}

    def write_mark(self, **values: Any) -> None:
        """Write down what is installed, into the same file: a second run waits for its lock."""
        self.mark.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")

    def empty(self) -> None:
        """Remove all that is in the folder, but for the mark, which says that it is ours."""
        for path in self.folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path != self.mark:
                path.unlink()

    def runs(self, code: str, *arguments: object) -> bool:
        """Whether the environment's Python runs this code with success."""
        try:
            command = [str(self.python), "-I", "-c", code, *map(str, arguments)]
            return subprocess.run(command, capture_output=True, timeout=120, check=False).returncode == 0
        except OSError:
            return False

    @property
    def has_python(self) -> bool:
        """Whether its Python runs, and is the environment's: without its `pyvenv.cfg` it is the machine's own."""
        inside = "import os, sys; assert os.path.samefile(sys.prefix, sys.argv[1]) and sys.prefix != sys.base_prefix"
        return self.runs(inside, self.folder.absolute())

    def packages(self) -> set[str]:
        """What is installed, read from the folder: its Python may be gone."""
        found = self.folder.glob("lib/python3*/site-packages/*.dist-info")
        return {normal(path.name.split("-")[0]) for path in found if not path.name.startswith("~")}

    def pip(self, *arguments: str) -> list[str]:
        """A pip command, which no setting of the machine sends elsewhere."""
        return [str(self.python), "-I", "-m", "pip", "--disable-pip-version-check", *arguments]


def write_command(environment: Environment, project: Path) -> None:
    """Have the environment's command `phonebot` run the project in its folder, wherever it is called.

    Nothing of the project is installed: its modules (`bot`, `web`, `settings`) have names that others use as well.
    """
    command = environment.folder / "bin" / "phonebot"
    program = shlex.join([str(environment.python.absolute()), str(project / "phonebot.py")])
    command.write_text(f'#!/bin/sh\nexec {program} "$@"\n', encoding="utf-8")
    command.chmod(0o755)


def may_be_used(environment: Environment, locks: list[Path]) -> bool:
    """Whether the folder is to be set up; False for an environment that is not ours and has all that is needed.

    Raises:
        SetupError: The folder is not ours, and must not be touched.
    """
    folder = environment.folder
    others = f"use another folder: make VENV=.venv-phonebot (or move {folder} away)"
    if folder.is_symlink():
        if environment.runs(AS_LOCKED, *locks):
            return False
        raise SetupError(
            f"{folder} is a link to {os.readlink(folder)}, which was not made here and lacks packages: {others}"
        )
    if not folder.exists():
        return True
    if not folder.is_dir():
        raise SetupError(f"{folder} is not a folder: {others}")
    if environment.is_ours or not any(folder.iterdir()):
        return True
    if environment.runs(AS_LOCKED, *locks):
        return False
    raise SetupError(f"{folder} was not made by `make` and lacks packages; it stays as it is: {others}")


def make(environment: Environment, lock: Path, extras: list[str]) -> None:
    """Have the folder hold a Python with pip, and what the lock and the extras say.

    Raises:
        SetupError: It cannot be done.
    """
    folder, before = environment.folder, environment.read_mark()
    extras = sorted({*extras, *before.get("extras", [])})
    locks = [lock, *locks_of(extras, lock)]
    wanted = set().union(*map(names_in, locks))
    had = set(before.get("packages", []))
    begun = bool(before) or (folder / STAMP).exists()
    if begun and environment.has_python and not environment.runs("import pip"):
        run([str(environment.python), "-I", "-m", "ensurepip"])
    if begun and environment.has_python and environment.runs("import pip"):
        as_before = before.get("finished") and had == wanted and extras == before.get("extras", [])
        if as_before and environment.runs(AS_LOCKED, *locks):
            return
        print(f"[1/3] {folder} is there and is brought up to date", flush=True)
        if not before.get("finished", True):
            environment.runs(DROP_HALF_INSTALLED)
    else:
        if begun and (added := environment.packages() - had - wanted - TOOLS):
            raise SetupError(
                f"the Python of {folder} does not run any more, and packages were added to it"
                f" ({', '.join(sorted(added))}): remove it yourself (rm -r {folder}), then set up again"
            )
        environment.empty()
        print(f"[1/3] {folder} with Python {platform.python_version()}", flush=True)
        run([sys.executable, "-I", "-m", "venv", str(folder)])
    environment.write_mark(finished=False, extras=extras, packages=sorted(had | wanted))
    install(environment, locks)
    if needs := needs_of(extras):
        try:
            add(environment, locks, needs)
        except SetupError:
            # What cannot be added must not stand in the way of the next set-up
            environment.write_mark(
                finished=False, extras=before.get("extras", []), packages=sorted(had | wanted)
            )
            raise
    if left := sorted((had - wanted - TOOLS) & environment.packages()):
        print(f"      removing what the lock no longer has: {', '.join(left)}")
        run(environment.pip("uninstall", "-y", *left))
    if not environment.runs(AS_LOCKED, *locks):
        raise SetupError(
            f"pip installed without an error, but not into {folder}: `pip config list` shows the setting of this"
            " machine that sends packages elsewhere (target, prefix, root, dry-run, python)"
        )
    check_fits(environment, wanted)
    environment.write_mark(finished=True, extras=extras, packages=sorted(wanted))


def install(environment: Environment, locks: list[Path]) -> None:
    """Have pip install what is in the locks, and say how far it is."""
    count = len(set().union(*map(names_in, locks)))
    print(
        f"[2/3] fetching up to {count} packages (about 400 MB the first time, then from pip's cache)",
        flush=True,
    )
    started, fetched = time.monotonic(), 0

    def follow(line: str) -> None:
        nonlocal fetched
        what, _, name = line.strip().partition(" ")
        if what == "Collecting":
            fetched += 1
            if fetched % 15 == 0:
                secs = time.monotonic() - started
                print(f"      {secs:.0f}s: {fetched} of {count}, now {name.split('==')[0]}", flush=True)
        elif line.startswith("Installing collected"):
            print(f"[3/3] installing ({time.monotonic() - started:.0f}s so far)", flush=True)

    flags = ["--no-compile", "--require-hashes", "--progress-bar", "off"]
    run(environment.pip("install", *flags, "-r", str(BUILD_LOCK)))
    for lock in locks:
        run(
            environment.pip("install", *flags, "--no-deps", "--no-build-isolation", "-r", str(lock)),
            follow,
        )


def add(environment: Environment, locks: list[Path], needs: list[str]) -> None:
    """Have pip choose what no lock has, with the versions of the locks for all that they have."""
    print(f"      adding {', '.join(needs)}, which no lock has", flush=True)
    pins = [
        line
        for lock in locks
        for line in re.findall(r"^([a-z0-9][^\n]*?) \\$", lock.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as held:
        held.write("\n".join(pins))
        held.flush()
        run(environment.pip("install", "--no-compile", "--progress-bar", "off", "-c", held.name, *needs))


def check_fits(environment: Environment, wanted: set[str]) -> None:
    """Check that all packages fit together; problems of packages that the user has added are only printed."""
    done = subprocess.run(environment.pip("check"), capture_output=True, text=True, env=pip_environment())
    if done.returncode == 0:
        return
    problems = done.stdout.strip().splitlines()
    print("\n".join(f"      pip check: {line}" for line in problems))
    if any(normal(line.split(" ")[0]) in wanted for line in problems):
        raise SetupError("the packages do not fit together (above): please report it with these lines")


def pip_environment() -> dict[str, str]:
    """The environment's variables, of pip's settings only those that say where packages come from."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PIP_") or name.removeprefix("PIP_") in WHERE_FROM
    }
    return {**kept, "PIP_USER": "0"}


def run(command: list[str], follow: Any = None) -> None:
    """Run a command whose output is not for newcomers, and tell what went wrong where something does.

    Raises:
        SetupError: It failed; the message has its own words without its remarks about the machine, and a fix.
    """
    remarks = ("WARNING:", "DEPRECATION:", "[notice]", "Looking in ")
    said: list[str] = []
    distrusted: list[str] = []
    retries: list[str] = []
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=pip_environment(),
    )

    def listen() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            if "Retrying (" in line:
                if not retries:
                    print(
                        f"      the package index does not answer, trying again: {line.strip()}", flush=True
                    )
                retries.append(line.strip())
            elif "not a trusted" in line:
                distrusted.append(line.strip())
            elif not line.startswith(remarks) and line.strip():
                said.append(line.rstrip())

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if follow is not None:
                follow(line)
        status = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    listener.join()
    if status != 0:
        what = "pip" if "pip" in command else "venv"
        words = "\n".join([*said[-30:], *distrusted[:1]]) or f"it ended with status {status}"
        raise SetupError(f"{what} failed:\n{words}\n{fix_of(words, retries)}")


def fix_of(words: str, retries: list[str]) -> str:
    """What to do about a failure of pip's."""
    if retries:
        return f"The package index could not be reached: check the network and the proxy.\n{retries[-1]}"
    if "DO NOT MATCH THE HASHES" in words:
        return "A package is not the one that was locked: empty pip's cache (python3 -m pip cache purge) and try again."
    if "conflicting dependencies" in words:
        return "What was to be added does not fit the versions of the lock: set up without it; `make lock` may help."
    if "No space left" in words:
        return "The disk is full: 2 GB are needed (TMPDIR names another place for what is only needed meanwhile)."
    if missing := re.search(r"No matching distribution found for (\S+)", words):
        return (
            f"The package index has no {missing[1]} for this machine"
            f" ({platform.platform()}, Python {platform.python_version()}): README.md says what is needed,"
            " and `pip config list` which index is asked."
        )
    return "Try again; `pip config list` shows settings of this machine that may be at fault."


def main(arguments: list[str]) -> int:
    """Set up and say so, or say why not.

    Returns:
        The exit status: 0, 1 for a failure, 2 for arguments that mean nothing, 130 when interrupted.
    """
    started = time.monotonic()
    if len(arguments) < 2 or arguments[0].startswith("-"):
        print("use: requirements/install.sh FOLDER LOCK [EXTRA...]", file=sys.stderr)
        return USAGE_ERROR
    try:
        folder, lock, *named = arguments
        extras = [extra for name in named for extra in name.split(",") if extra]
        environment = Environment(Path(folder))
        if not may_be_used(environment, [Path(lock), *locks_of(extras, Path(lock))]):
            return 0
        environment.folder.mkdir(parents=True, exist_ok=True)
        with open(environment.mark, "a", encoding="utf-8") as only_one_at_a_time:
            fcntl.flock(only_one_at_a_time, fcntl.LOCK_EX)
            make(environment, Path(lock), extras)
            write_command(environment, HERE.parent)
        (environment.folder / STAMP).touch()
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"setup: {error.filename or folder}: {error.strerror}: make room, or have the folder belong to you, or use"
            " another one: make VENV=/another/folder",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("\nsetup: stopped; the next one goes on from here", file=sys.stderr)
        return 130
    print(f"ready after {time.monotonic() - started:.0f}s: try 'make call'")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
