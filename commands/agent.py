"""`phonebot agent check`: what one agent's file promises and cannot keep, or what keeps it from answering."""

from __future__ import annotations

import sys
from pathlib import Path

from loguru import logger

from carriers.checks import Verdict
from deployment.checkup import findings_of_agent
from deployment.doctor import FAULTS, UNREADABLE, lines
from settings import SettingsError, load_settings


def check_agent(which: str | Path) -> int:
    """Look at an agent's file, and print what was found.

    Args:
        which: The name of an agent in AGENTS_DIR, or the path of a file.

    Returns:
        The exit status, as the doctor's.
    """
    logger.remove()
    try:
        settings = load_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return UNREADABLE
    folder, name = (which.parent, which.stem) if isinstance(which, Path) else (settings.agents_dir, which)
    found = findings_of_agent(name, settings.model_copy(update={"agents_dir": folder}))
    print("\n".join(lines(found)))
    return FAULTS if any(one.verdict is Verdict.FAULT for one in found) else 0
