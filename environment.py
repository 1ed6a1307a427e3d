"""Tells a user whose Python lacks the project's packages which Python has them, in one line.

Without it `python3 server.py` ends in a traceback where the environment is not activated. Only the standard library is
used, and no syntax that older Pythons cannot read.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parent
USAGE_ERROR = 2


def need_packages() -> None:
    """Have an import that fails from here on end the program with one line of cause and fix, and exit status 2.

    To be called by a program before it imports anything that does not come with Python. A module of the project's
    own that cannot be imported is a bug, and keeps its traceback.
    """
    if sys.version_info < (3, 11):  # noqa: UP036
        _refuse(f"it is Python {sys.version.split()[0]}, and 3.11, 3.12 or 3.13 is needed")
    sys.excepthook = _explain


def _explain(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    module = (error.name or "").split(".")[0] if isinstance(error, ImportError) else ""
    standard = module in sys.stdlib_module_names
    if not module or standard or (ROOT / module).exists() or (ROOT / f"{module}.py").exists():
        sys.__excepthook__(kind, error, trace)
    elif isinstance(error, ModuleNotFoundError):
        _refuse(f"it has no package {module!r}")
    else:
        _refuse(f"its package {module!r} is of another release than the lock has")


def _refuse(cause: str) -> None:
    own = ROOT / ".venv"
    python = own / "bin" / "python"
    shown = python.relative_to(ROOT) if Path.cwd() == ROOT else python
    command = shlex.join([str(shown), *getattr(sys, "orig_argv", ["", *sys.argv])[1:]])
    if Path(sys.prefix) == own:
        fix = "`make setup` mends it"
    elif python.exists():
        fix = f"use {command}"
    else:
        fix = f"`make setup` makes an environment that has all; then use {command}"
    print(f"phonebot cannot run with {sys.executable}: {cause}. Fix: {fix}", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    # A hook for exceptions cannot change the status, which would be 1; a service is restarted after that
    os._exit(USAGE_ERROR)
