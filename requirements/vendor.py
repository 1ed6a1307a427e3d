"""Copies the scripts that the console's pages need out of their npm packages: `make vendor`. Needs npm.

`web/console/static/vendor/vendor.toml` names them. To take another version, change it there and run this: the file, its
licence and its hash are made anew, and those of the version before are removed. Nothing of npm is needed later.
"""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "web" / "console" / "static" / "vendor"
LIST = FOLDER / "vendor.toml"


def integrity(content: bytes) -> str:
    """The hash of a file, as browsers write it. Source: W3C, Subresource Integrity, section 3.1."""
    return f"sha384-{base64.b64encode(hashlib.sha384(content).digest()).decode()}"


def stem(one: dict[str, str]) -> str:
    """What a file's name begins with: `htmx-4.0.1`."""
    return f"{one['name']}-{one['version']}"


def main() -> int:
    """Copy them all; returns the exit status."""
    text = LIST.read_text(encoding="utf-8")
    wanted = {LIST.name}
    for one in tomllib.loads(text)["file"]:
        with tempfile.TemporaryDirectory() as scratch:
            package = f"{one['npm']}@{one['version']}"
            packed = subprocess.run(
                ["npm", "pack", "--silent", "--ignore-scripts", package],
                cwd=scratch,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            if packed.returncode != 0:
                print(f"npm pack {package} failed: {packed.stderr.strip()}", file=sys.stderr)
                return 1
            with tarfile.open(next(Path(scratch).glob("*.tgz"))) as archive:
                found = {}
                for suffix, path in ((".js", one["path"]), (".LICENSE", one["licence_path"])):
                    member = archive.extractfile(f"package/{path}")
                    assert member is not None, f"{package} has no file {path}"
                    found[suffix] = member.read()
        for suffix, content in found.items():
            name = stem(one) + suffix
            (FOLDER / name).write_bytes(content)
            wanted.add(name)
        text = re.sub(
            rf'(name = "{re.escape(one["name"])}"\n(?:[^\n\[]+\n)*?integrity = ")[^"]*',
            lambda found_at, body=found[".js"]: found_at[1] + integrity(body),
            text,
        )
        print(f"{stem(one)}: {len(found['.js']):,} bytes")
    LIST.write_text(text, encoding="utf-8")
    for path in FOLDER.iterdir():
        if path.name not in wanted:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
