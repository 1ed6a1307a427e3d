"""Blocks of commands in README and docs, and what stands above each about running it.

A comment of HTML in front of a block, which no reader of the rendered page sees, says one of:

* `<!-- runs -->`: the block is a script; it runs in a fresh copy of the project and ends well. `<!-- runs: TEXT -->`:
  and prints TEXT.
* `<!-- runs beside a server -->`: the same, while `python server.py` runs, at the port that the block names.
* `<!-- runs in CI -->`: each of its commands is a step of `.ci/run`.
* `<!-- what make does -->`: each of its commands is what `make TARGET` does, which a remark behind it names.
* `<!-- run by FILE -->`: that test, or step of CI, runs it.
* `<!-- not run here: REASON -->`
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from requirements.install import Environment, write_command

ROOT = Path(__file__).parent.parent

SHELL = frozenset({"sh", "bash", "shell", "console"})
_FENCE = re.compile(r"^( *)```(\S*)\s*$")
_MARK = re.compile(
    r"<!-- (?P<how>runs beside a server|runs in CI|what make does|runs|run by|not run here)"
    r"(?::? (?P<what>.+?))? -->"
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a document.

    Attributes:
        place: File and line.
        language: What stands behind the fence.
        text: What is in it.
        how: The mark above it; empty without one.
        what: What the mark says besides.
    """

    place: str
    language: str
    text: str
    how: str = ""
    what: str = ""

    @property
    def commands(self) -> list[str]:
        """Its commands without their remarks."""
        joined = self.text.replace("\\\n", " ")
        lines = (re.sub(r"\s+# .*$|^#.*$", "", line).strip() for line in joined.splitlines())
        return [line for line in lines if line]


def documents() -> list[Path]:
    """README, CONTRIBUTING and docs."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks_of(path: Path) -> list[Block]:
    """The blocks of one document."""
    found = []
    lines = path.read_text(encoding="utf-8").splitlines()
    at = 0
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        if not fence:
            at += 1
            continue
        end = next(n for n in range(at + 1, len(lines)) if lines[n].strip() == "```")
        above = next((line for line in reversed(lines[:at]) if line.strip()), "")
        mark = _MARK.fullmatch(above.strip())
        found.append(
            Block(
                f"{path.relative_to(ROOT)}:{at + 1}",
                fence[2],
                "\n".join(line.removeprefix(fence[1]) for line in lines[at + 1 : end]),
                mark["how"] if mark else "",
                (mark["what"] or "") if mark else "",
            )
        )
        at = end + 1
    return found


def shell_blocks() -> list[Block]:
    """All blocks of commands."""
    return [block for path in documents() for block in blocks_of(path) if block.language in SHELL]


def fresh_copy(folder: Path) -> Path:
    """What a clone has, with the environment of these tests in `.venv`."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv" / "bin").mkdir(parents=True)
    for path in (*Path(sys.prefix).iterdir(), *Path(sys.prefix, "bin").iterdir()):
        if path.name not in ("bin", "phonebot"):
            (folder / ".venv" / path.relative_to(sys.prefix)).symlink_to(path)
    write_command(Environment(folder / ".venv"), folder)
    return folder
