"""The file of answers: saved after each of them, read again to go on, written by hand where there is no terminal."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from emulator.errors import EmulatorError
from emulator.field.field_calls import OTHER, FieldCall, Question

Answers = dict[tuple[str, str], str | float]
"""By the names of call and question; questions without an answer are not in it."""

_PRIVATE = re.compile(
    r"\S*(?:@|://)\S*"  # addresses
    r"|[+(]{0,2}\d(?:[ ().\-/]{0,2}\d){6,}"  # telephone numbers
    r"|(?=[\w+/=:\-]*\d)[\w+/=:\-]{16,}|[\w+/=:\-]{24,}"  # ids, keys, tokens
)

_HEAD = """\
# Answers to the ten calls of `python -m emulator.field`, which are explained by its --list.
# Take away the # in front of an answer and write what was seen; what stays behind a # was not tried.
# Words that fit none of those that are offered: "other: what was seen instead". No telephone number, key or name.
"""


class AnswersError(EmulatorError):
    """A file of answers cannot be used: a line for each mistake, with the fix."""


def without_secrets(text: str) -> str:
    """A note without telephone numbers, addresses, and what looks like an id or a key; one line, not long."""
    kept = "".join(one if one.isprintable() else " " for one in text)
    return " ".join(_PRIVATE.sub("…", kept).split())[:200]


def read_answers(path: Path, calls: Sequence[FieldCall]) -> Answers:
    """The answers of a file; none if there is no such file.

    Raises:
        AnswersError: It cannot be read, or has what is no answer.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise AnswersError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise AnswersError(f"{path} is not a text file in UTF-8: write it anew with --template") from None
    except tomllib.TOMLDecodeError as error:
        raise AnswersError(
            f"{path} is not TOML: {error}; words are in quotation marks, numbers are not"
        ) from None
    answers, mistakes = _answers(table, {call.name: call for call in calls})
    if mistakes:
        raise AnswersError("\n".join(f"{path}: {one}" for one in mistakes))
    return answers


def _answers(table: Mapping[str, object], calls: Mapping[str, FieldCall]) -> tuple[Answers, list[str]]:
    answers: Answers = {}
    mistakes = []
    for name, given in table.items():
        call = calls.get(name)
        if call is None or not isinstance(given, dict):
            mistakes.append(f"[{name[:40]}] is none of the calls: there are {', '.join(calls)}")
            continue
        questions = {question.name: question for question in call.questions}
        for key, value in given.items():
            if key not in questions:
                mistakes.append(f"[{name}] {key[:40]} is none of its questions: {', '.join(questions)}")
                continue
            try:
                answers[name, key] = kept(questions[key], value)
            except ValueError as error:
                mistakes.append(f"[{name}] {key} {error}")
    return answers, mistakes


def kept(question: Question, given: object) -> str | float:
    """An answer as it is kept: see `Question.read`.

    Raises:
        ValueError: It is no answer to this question.
    """
    answer = question.read(given)
    if isinstance(answer, str) and answer.startswith(OTHER):
        return OTHER + without_secrets(answer.removeprefix(OTHER))
    return answer


def write_answers(path: Path, answers: Answers, calls: Sequence[FieldCall]) -> None:
    """Save all answers; the file is the old one or the new one, whenever the program ends.

    Raises:
        AnswersError: It cannot be written.
    """
    write_file(path, as_text(answers, calls))


def write_file(path: Path, text: str) -> None:
    """Write a file at once.

    Raises:
        AnswersError: It cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise AnswersError(
            f"{path} cannot be written: {error.strerror}; name another file with --answers or --report"
        ) from None


def as_text(answers: Answers, calls: Sequence[FieldCall]) -> str:
    """The file: every question, and behind a # what was not tried."""
    lines = [_HEAD]
    for call in calls:
        lines.append(f"[{call.name}]")
        for question in call.questions:
            lines.append(f"# {question.ask}")
            answer = answers.get((call.name, question.name))
            if answer is None:
                lines.append(f"# {question.name} = {_offered(question)}")
            else:
                lines.append(f"{question.name} = {json.dumps(answer, ensure_ascii=False)}")
        lines.append("")
    return "\n".join(lines)


def _offered(question: Question) -> str:
    if question.words:
        return json.dumps(" / ".join(question.words))
    return f"0  # {question.unit}"
