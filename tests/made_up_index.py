"""A package index in a folder, made up for a test: no test depends on what an index has today."""

import base64
import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path


def make_wheel(
    folder: Path,
    name: str,
    version: str,
    *,
    requires: Iterable[str] = (),
    extras: Mapping[str, Iterable[str]] | None = None,
) -> Path:
    """Write a wheel with one module, named as the package; its `VERSION` is the version."""
    info = f"{name}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata += [f"Requires-Dist: {wanted}" for wanted in requires]
    for extra, wants in (extras or {}).items():
        metadata += [
            f"Provides-Extra: {extra}",
            *(f"Requires-Dist: {want}; extra == '{extra}'" for want in wants),
        ]
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: made-up\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{path},sha256={_digest(text)},{len(text.encode())}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def write_lock(path: Path, wheels: Iterable[Path]) -> Path:
    """Write a lock that pins these wheels by hash, as `make lock` does."""
    lines = []
    for wheel in wheels:
        name, version = wheel.name.split("-")[:2]
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{name}=={version} \\\n    --hash=sha256:{digest}\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def an_index_that_has_gone_on(folder: Path) -> list[Path]:
    """An index in which a locked package, of which another wants an extra, has a newer release.

    Returns:
        The wheels that were locked. The newest release, which is not among them, brings a dependency of its own.
    """
    make_wheel(folder, "alpha", "2.0", requires=["delta"], extras={"more": ["gamma"]})
    make_wheel(folder, "delta", "1.0")
    return [
        make_wheel(folder, "alpha", "1.0", extras={"more": ["gamma"]}),
        make_wheel(folder, "beta", "1.0", requires=["alpha[more]>=1.0"]),
        make_wheel(folder, "gamma", "1.0"),
    ]
