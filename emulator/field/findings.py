"""What the calls have shown, compared with what the emulator assumes, as a file that can be passed on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from emulator.field.answer_file import Answers
from emulator.field.field_calls import OTHER, FieldCall, Question

Verdict = Literal["as assumed", "otherwise", "not tried"]


@dataclass(frozen=True)
class Finding:
    """One question, answered or not.

    Attributes:
        call: After which call it is asked.
        question: The question.
        seen: The answer, for people; empty for none.
        verdict: What it says of the emulator.
    """

    call: FieldCall
    question: Question
    seen: str
    verdict: Verdict


def findings(calls: Sequence[FieldCall], answers: Answers) -> list[Finding]:
    """One for each question, in the order of the calls."""
    return [
        _finding(call, question, answers.get((call.name, question.name)))
        for call in calls
        for question in call.questions
    ]


def _finding(call: FieldCall, question: Question, answer: str | float | None) -> Finding:
    if answer is None:
        return Finding(call, question, "", "not tried")
    verdict: Verdict = "as assumed" if question.is_as_assumed(answer) else "otherwise"
    seen = answer.removeprefix(OTHER) if isinstance(answer, str) else f"{answer:g} {question.unit}"
    return Finding(call, question, seen, verdict)


def summary(found: Sequence[Finding]) -> str:
    """How many of each, in one line."""
    counts = {verdict: sum(one.verdict == verdict for one in found) for verdict in _ORDER}
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items())


_ORDER: tuple[Verdict, ...] = ("otherwise", "as assumed", "not tried")


def report(found: Sequence[Finding], day: date) -> str:
    """The file, in Markdown.

    Args:
        found: What was found.
        day: Of the report.
    """
    lines = [
        "# What calls by hand have shown",
        "",
        f"{day.isoformat()}, by `python -m emulator.field`. Of {len(found)} questions about what the documentation of "
        f"the carriers does not say: {summary(found)}.",
        "The rows are those of docs/fidelity.md.",
    ]
    for verdict in _ORDER:
        these = [one for one in found if one.verdict == verdict]
        if not these:
            continue
        lines += ["", f"## {verdict.capitalize()}", ""]
        head = ["rows", "call", "question", "seen", "assumed", "what to change"]
        width = {"otherwise": 6, "as assumed": 5, "not tried": 3}[verdict]
        lines += [_row(head[:width]), _row(["---"] * width)]
        for one in these:
            asked = one.question
            cells = [
                ", ".join(asked.rows),
                one.call.name,
                asked.ask,
                one.seen,
                asked.assumption,
                asked.change,
            ]
            lines.append(_row(cells[:width]))
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
