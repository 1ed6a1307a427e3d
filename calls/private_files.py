"""Files that hold what callers said: readable by the service's own user only."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import IO

FILE_MODE = 0o600
FOLDER_MODE = 0o700


def make_private_folder(folder: Path) -> None:
    """Make a folder for callers' data, or close one that is open to others.

    Folders that are evidently not ours alone stay as they are: a sticky one such as /tmp, another user's, and the
    working directory and the user's home, with all above them.

    Raises:
        OSError: It cannot be made.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        path.chmod(FOLDER_MODE)
    if not missing and not _is_shared(folder):
        with suppress(PermissionError):
            folder.chmod(FOLDER_MODE)


def _is_shared(folder: Path) -> bool:
    about, here = folder.stat(), folder.resolve()
    if about.st_mode & stat.S_ISVTX or (hasattr(os, "geteuid") and about.st_uid != os.geteuid()):
        return True
    return any(
        here == path or here in path.parents for path in (Path.cwd(), Path("~").expanduser().resolve())
    )


def open_private(path: Path, flags: int = os.O_RDWR | os.O_CREAT) -> int:
    """Open a file that only its owner may read, also when it was there before with a wider mode.

    Returns:
        The file's descriptor: to be used as an `opener`, or closed.

    Raises:
        OSError: It cannot be opened.
    """
    descriptor = os.open(path, flags, FILE_MODE)
    with suppress(PermissionError, AttributeError):  # another user's, who lets us use it; Windows
        os.fchmod(descriptor, FILE_MODE)
    return descriptor


def append_private(path: Path) -> IO[str]:
    """Open a text file to append to it, in a folder of its own.

    Raises:
        OSError: It cannot be opened.
    """
    make_private_folder(path.parent)
    return open(path, "a", encoding="utf-8", opener=lambda name, flags: open_private(Path(name), flags))
