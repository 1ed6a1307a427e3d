"""What may be in a log: nothing that a caller says or presses, no phone number, and no forged line.

Pipecat's own lines hold transcripts, prompts, the bot's words and keys; those of SDKs hold addresses with numbers and
the answers of services. Hosts have loggers of their own, which we do not choose, so it is the *records* that are made
private, before any sink sees them: `loguru`'s patcher and `logging`'s record factory.

* Lines of installed packages below WARNING are dropped. Of their warnings and errors the place remains, the kind of
  error and the HTTP status; their text does not.
* Our own lines are written so that they hold no words. Should a number get into one, as in a carrier's error, it is
  masked.
* Of an exception the kind and the places remain. Its text may be anything, and some sinks print variables.
* Control characters are written as such: a text from outside cannot begin a line of its own.

`LOG_CALLERS_WORDS=true` leaves all but the last of these out.
"""

from __future__ import annotations

import logging
import re
import sys
import sysconfig
import traceback
from types import TracebackType
from typing import Any

from loguru import logger

OURS = frozenset(
    {
        *("bot", "server", "settings", "serializers", "carriers", "calls", "conversation", "desk", "web"),
        *("deployment", "emulator"),
    }
)
"""Packages of the project, wherever they are installed."""

HARMLESS = frozenset({"pipecat", "pipecat.runner.run"})
"""Modules of others that tell of the process and know nothing of calls."""

WORDS_ARE_LOGGED = "LOG_CALLERS_WORDS is true: what callers say and press is written to the log"

MAX_PLACES = 8
"""Of an exception's traceback, the innermost."""

_LIBRARIES = ("site-packages", "dist-packages", sysconfig.get_paths()["stdlib"])
# The address of a host is no phone number, and an operator needs it.
_NUMBER = re.compile(r"(?<![\w.])(?!\d{1,3}(?:\.\d{1,3}){3}(?![\w.]))\+?\d[\d ().-]{5,}\d(?!\w)")
_NUMBER_WITH_PLUS = re.compile(r"(?<!\w)(?:%2B|\+)\d{4,}")
_KINDS = re.compile(r"\b[A-Z][A-Za-z]*(?:Error|Exception|Timeout)\b|\b(?:code|status|HTTP)\W{1,3}[1-5]\d\d\b")
_NOWHERE = -1
"""A level below that of any sink."""

_least = 0
_factory = logging.getLogRecordFactory()


def keep_words_out(*, words_allowed: bool) -> None:
    """Make the records of this process private, or not, from now on. May be called again and again.

    Args:
        words_allowed: LOG_CALLERS_WORDS.
    """
    logger.configure(patcher=_only_safe if words_allowed else _private)  # type: ignore[arg-type]
    logging.setLogRecordFactory(_factory if words_allowed else _private_stdlib_record)


def log_from(level: str) -> None:
    """Drop what is below a level, whatever sinks the host has or will have: Pipecat's runner takes no level from us."""
    global _least
    _least = logger.level(level).no


def log_to_stderr(level: str) -> None:
    """Write this process's log to stderr and nowhere else."""
    logger.remove()
    # Without the values of variables in tracebacks: they hold what callers say.
    logger.add(sys.stderr, level=level, backtrace=False, diagnose=False)


def printable(text: str) -> str:
    """A text on one line, whatever is in it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def masked(text: str) -> str:
    """A text without phone numbers."""
    return _NUMBER_WITH_PLUS.sub("…", _NUMBER.sub("…", text))


def _only_safe(record: dict[str, Any]) -> None:
    record["message"] = printable(record["message"])


def _private(record: dict[str, Any]) -> None:
    others, level = _is_of_others(record["name"] or "", record["file"].path), record["level"]
    if level.no < _least or (others and level.no < logging.WARNING):
        record["level"] = type(level)(level.name, _NOWHERE, level.icon)
        return
    text = record["message"]
    if others:
        text = _withheld(f"{record['name']}:{record['function']}:{record['line']}", text)
    if (error := record["exception"]) is not None:
        record["exception"] = None
        text = f"{text} {_places(error.type, error.traceback)}"
    record["message"] = printable(masked(text))


def _private_stdlib_record(*arguments: Any, **named: Any) -> logging.LogRecord:
    record = _factory(*arguments, **named)
    if record.name.startswith("uvicorn") and record.name != "uvicorn.access" and not record.exc_info:
        if "WebSocket" not in str(record.msg):
            return record  # its start and its end
    others = _is_of_others(record.name, record.pathname)
    if others and record.levelno < logging.WARNING:
        record.levelno = _NOWHERE
        return record
    text = record.getMessage()
    if others:
        text = _withheld(f"{record.name}:{record.funcName}:{record.lineno}", text)
    if record.exc_info:
        kind, _, places = record.exc_info
        text = f"{text} {_places(kind, places)}"
        record.exc_info = None
    record.msg, record.args = printable(masked(text)), None
    return record


def _is_of_others(name: str, path: str) -> bool:
    if name in HARMLESS or name.partition(".")[0] in OURS:
        return False
    return any(library in path for library in _LIBRARIES)


def _withheld(place: str, text: str) -> str:
    kinds = ", ".join(dict.fromkeys(_KINDS.findall(text)))
    return (
        f"{place} has a complaint{f' ({kinds})' if kinds else ''}; LOG_CALLERS_WORDS=true would show its text"
    )


def _places(kind: type[BaseException] | None, places: TracebackType | None) -> str:
    frames = traceback.extract_tb(places)[-MAX_PLACES:]
    where = " < ".join(
        f"{frame.name} ({frame.filename.rpartition('/')[2]}:{frame.lineno})" for frame in reversed(frames)
    )
    return f"[{kind.__name__ if kind else 'unknown error'} in {where or 'an unknown place'}]"
