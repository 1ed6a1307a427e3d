"""The locks with every installer that people have, for every platform with wheels: `make lock-check`.

It asks the package index, which today has newer releases than the locks, and an index in a folder, in which a locked
package of which another wants an extra has one for certain.
"""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import parse_wheel_filename

from settings import ROOT
from tests.document_commands import documents
from tests.made_up_index import an_index_that_has_gone_on, write_lock

pytestmark = pytest.mark.timeout(550)

REQUIREMENTS = ROOT / "requirements"
LOCKS = ["dev", "hosted", "local", "webrtc", "whisper", "talks"]
OLDEST, NEWEST = "23.0.1", "newest"
# Debian 12 has 23.0.1, Python 3.11.7 and 3.12.1 bring 23.2.1, Ubuntu 24.04 has 24.0
PIPS = [OLDEST, "23.2.1", "24.0", NEWEST]
RESOLVES_WRONGLY = [OLDEST, "23.2.1"]
AS_WE_DO = ["--require-hashes", "--no-deps", "--no-build-isolation"]
UV = [sys.executable, "-m", "uv"]
# Debian 12 has glibc 2.36; the local recogniser has wheels from glibc 2.34 and macOS 15 on
PLATFORMS: dict[str, Callable[[], list[str]]] = {
    "Linux x86_64": lambda: linux("x86_64"),
    "Linux aarch64": lambda: linux("aarch64"),
    "macOS arm64": lambda: list(mac_platforms((15, 0), "arm64")),
}


def linux(machine: str) -> list[str]:
    glibc = [f"manylinux_2_{minor}_{machine}" for minor in range(36, 4, -1)]
    return [
        *glibc,
        *(f"{old}_{machine}" for old in ("manylinux2014", "manylinux2010", "manylinux1", "linux")),
    ]


def run(*command: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)),
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def must(*command: object, **variables: str) -> str:
    done = run(*command, **variables)
    # What the machine's settings make pip remark upon is no help in a failure
    words = [line for line in done.stderr.splitlines() if not line.startswith("WARNING:")]
    assert done.returncode == 0, "\n".join([" ".join(map(str, command)), *words[-15:]])
    return done.stdout


@cache
def a_python_for(pip: str) -> str:
    """An interpreter that this pip runs with: 23.0.1 is older than Python 3.12."""
    if sys.version_info < (3, 12) or pip != OLDEST:
        return sys.executable
    found = run("bash", REQUIREMENTS / "install.sh", "--find", PYTHONS="python3.11")
    if found.returncode:
        pytest.skip(f"pip {pip} needs Python 3.11, which is not here")
    return found.stdout.strip()


def with_pip(folder: Path, pip: str) -> Path:
    """Make an empty environment with this pip and nothing else."""
    must(*UV, "venv", "--quiet", "--python", a_python_for(pip), folder)
    wanted = "pip" if pip == NEWEST else f"pip=={pip}"
    must(*UV, "pip", "install", "--quiet", "--python", folder, wanted)
    return folder / "bin" / "python"


@pytest.fixture(scope="module", params=PIPS)
def pip(request, tmp_path_factory) -> tuple[str, Path]:
    return request.param, with_pip(tmp_path_factory.mktemp("pip") / request.param, request.param)


def test_a_newer_release_of_a_package_with_an_extra_changes_nothing(pip, tmp_path):
    version, python = pip
    lock = write_lock(tmp_path / "some.lock", an_index_that_has_gone_on(tmp_path / "index"))
    only_there = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path / "index"),
        "PIP_CONFIG_FILE": os.devnull,
    }
    plain = run(python, "-m", "pip", "install", "--dry-run", "--require-hashes", "-r", lock, **only_there)
    # The fault that this is about: without it, nothing would be shown here
    assert (plain.returncode != 0) == (version in RESOLVES_WRONGLY), plain.stderr
    must(python, "-m", "pip", "install", *AS_WE_DO, "-r", lock, **only_there)
    must(python, "-m", "pip", "check")


def commands_that_install() -> Iterator[tuple[str, str, bool, list[str]]]:
    """Each command of the images and the documents that installs a lock: its place, lock, whether by uv, and flags."""
    for path in (ROOT / "Dockerfile", ROOT / "deploy" / "Dockerfile.server", *documents()):
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        for by_uv, words in re.findall(r"(\buv )?\bpip install ([^\n`&]+?\.lock)\b", text):
            *flags, _, lock = words.split()
            yield path.name, Path(lock).name, bool(by_uv), flags


def test_images_and_documents_install_locks():
    found = [(place, lock) for place, lock, *_ in commands_that_install()]
    assert {place for place, _ in found} >= {
        "Dockerfile",
        "Dockerfile.server",
        "deploy.md",
        "pipecat-cloud.md",
    }
    assert {lock for _, lock in found} >= {"${LOCK}.lock", "hosted.lock", "build.lock"}


@pytest.mark.parametrize("pip", RESOLVES_WRONGLY, indirect=True)
@pytest.mark.parametrize(
    ("place", "lock", "by_uv", "flags"),
    commands_that_install(),
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_what_images_and_documents_run_installs_what_is_locked(pip, tmp_path, place, lock, by_uv, flags):
    _, python = pip
    # What is there already would not be resolved anew
    must(python, "-m", "pip", "uninstall", "-q", "-y", "alpha", "beta", "gamma", "delta")
    # What is built from source has tools without dependencies; all else may want an extra of another package
    wheels = an_index_that_has_gone_on(tmp_path / "index")
    here = write_lock(tmp_path / "some.lock", wheels[:1] if lock == "build.lock" else wheels)
    only_there = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path / "index"),
        "PIP_CONFIG_FILE": os.devnull,
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(tmp_path / "index"),
    }
    program = [*UV, "pip", "install", "--python", python] if by_uv else [python, "-m", "pip", "install"]
    done = run(*program, *flags, "-r", here, **only_there)
    assert done.returncode == 0, f"{place}: {' '.join(flags)} -r {lock}\n{done.stderr}"
    told = must(python, "-m", "pip", "list", "--format", "freeze")
    assert "alpha==1.0" in told
    assert "delta" not in told, "a dependency that only a newer release has"


@pytest.mark.parametrize("lock", LOCKS[:3])
def test_each_pip_finds_all_of_a_lock_in_the_index(pip, lock):
    _, python = pip
    must(python, "-m", "pip", "install", "-q", "--require-hashes", "-r", REQUIREMENTS / "build.lock")
    path = REQUIREMENTS / f"{lock}.lock"
    must(python, "-m", "pip", "install", "-q", "--dry-run", "--progress-bar", "off", *AS_WE_DO, "-r", path)


def test_pip_install_of_the_project_puts_no_module_anywhere(pip, tmp_path):
    _, python = pip
    must(python, "-m", "pip", "install", "-q", "--require-hashes", "-r", REQUIREMENTS / "build.lock")
    source = tmp_path / "source"
    source.mkdir()
    for name in (
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "bot.py",
        "settings.py",
        "server.py",
        "web",
        "calls",
    ):
        (source / name).symlink_to(ROOT / name)
    must(
        python,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        tmp_path / "t",
        source,
    )
    assert [path.name for path in (tmp_path / "t").iterdir()] == ["phonebot-0.1.0.dist-info"]


def test_the_oldest_pip_really_installs_what_a_server_needs(tmp_path):
    python = with_pip(tmp_path / "venv", OLDEST)
    for lock, flags in (("build", ["--require-hashes"]), ("hosted", AS_WE_DO)):
        path = REQUIREMENTS / f"{lock}.lock"
        must(
            python, "-m", "pip", "install", "-q", "--no-compile", "--progress-bar", "off", *flags, "-r", path
        )
    assert must(python, "-m", "pip", "check").strip() == "No broken requirements found."
    must(python, ROOT / "server.py", "--help")


def test_uv_really_installs_what_a_server_needs(tmp_path):
    environment = tmp_path / "venv"
    must(*UV, "venv", "--quiet", environment)
    pip = [*UV, "pip", "install", "--quiet", "--python", environment, "--require-hashes"]
    must(*pip, "-r", REQUIREMENTS / "build.lock")
    must(*pip, "--no-build-isolation", "-r", REQUIREMENTS / "hosted.lock")
    must(*UV, "pip", "check", "--python", environment)
    must(environment / "bin" / "python", ROOT / "server.py", "--help")


def platform_tags(platform: str, python: str) -> set[Tag]:
    """What a machine of this kind installs, as pip and uv decide it."""
    version = (3, int(python.split(".")[1]))
    names = PLATFORMS[platform]()
    return {*cpython_tags(version, platforms=names), *compatible_tags(version, platforms=names)}


def entries(lock: Path) -> Iterator[tuple[Requirement, set[str]]]:
    """Each package of a lock, with its hashes."""
    text = lock.read_text(encoding="utf-8")
    for pin, hashes in re.findall(r"^([a-z0-9][^\n]*) \\\n((?:    --hash.*\n)+)", text, re.MULTILINE):
        yield Requirement(pin), set(re.findall(r"sha256:([0-9a-f]+)", hashes))


def wheels_of_the_index(lock: Path, folder: Path) -> dict[str, dict[str, str]]:
    """The wheels that the index has of each locked release: file names and hashes, by release."""
    plain, told = folder / "plain.txt", folder / "pylock.toml"
    plain.write_text("".join(f"{wanted}\n" for wanted, _ in entries(lock)), encoding="utf-8")
    options = ["--universal", "--python-version", "3.11", "--no-deps", "--quiet", "--format", "pylock.toml"]
    must(*UV, "pip", "compile", *options, "-o", told, plain)
    packages = tomllib.loads(told.read_text(encoding="utf-8"))["packages"]
    return {
        f"{package['name']}=={package['version']}": {
            wheel.get("name") or unquote(wheel["url"].rsplit("/", 1)[1]): wheel["hashes"]["sha256"]
            for wheel in package.get("wheels", [])
        }
        for package in packages
    }


def holes(
    lock: Path, index: dict[str, dict[str, str]], platform: str, python: str
) -> tuple[set[str], set[str]]:
    """What a platform cannot install from wheels: what is not locked of the index, and what the index does not have."""
    system, _, machine = platform.partition(" ")
    surroundings = {
        "sys_platform": {"Linux": "linux", "macOS": "darwin"}[system],
        "platform_system": {"Linux": "Linux", "macOS": "Darwin"}[system],
        "platform_machine": machine,
        "python_version": python,
        "python_full_version": f"{python}.0",
    }
    tags = platform_tags(platform, python)
    unlocked, absent = set(), set()
    for wanted, hashes in entries(lock):
        if wanted.marker is not None and not wanted.marker.evaluate(surroundings):
            continue
        there = index[f"{wanted.name}{wanted.specifier}"].items()
        fitting = {digest for name, digest in there if parse_wheel_filename(name)[3] & tags}
        if not fitting:
            absent.add(wanted.name)
        elif not fitting & hashes:
            unlocked.add(wanted.name)
    return unlocked, absent


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_the_wheels_of_each_platform(lock, tmp_path):
    path = REQUIREMENTS / f"{lock}.lock"
    index = wheels_of_the_index(path, tmp_path)
    from_source = set()
    for platform in PLATFORMS:
        for python in ("3.11", "3.12", "3.13"):
            unlocked, absent = holes(path, index, platform, python)
            assert unlocked == set(), f"{platform}, Python {python}"
            from_source.add(frozenset(absent))
    # What is built from source is so everywhere: no platform needs a compiler that another does not need
    assert len(from_source) == 1, from_source
    print(f"{lock}.lock: built from source: {', '.join(*from_source) or 'nothing'}")


def test_a_platform_whose_wheels_are_not_locked_is_found_out(tmp_path):
    index = wheels_of_the_index(REQUIREMENTS / "hosted.lock", tmp_path)
    text = (REQUIREMENTS / "hosted.lock").read_text(encoding="utf-8")
    for package, wheels in index.items():
        for name, digest in wheels.items():
            if package.startswith("pydantic-core==") and "macosx" in name:
                text = text.replace(digest, "0" * 64)
    (tmp_path / "hosted.lock").write_text(text, encoding="utf-8")
    assert holes(tmp_path / "hosted.lock", index, "macOS arm64", "3.12")[0] == {"pydantic-core"}
    assert holes(tmp_path / "hosted.lock", index, "Linux aarch64", "3.12")[0] == set()
