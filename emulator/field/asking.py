"""Shows the calls one by one, and asks what was seen."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Callable, Sequence

from emulator.field.answer_file import Answers, kept
from emulator.field.call_log import CallLog, LoggedCall, NoLog
from emulator.field.field_calls import FieldCall, Question

WIDTH = 100


class Stopped(Exception):
    """The person wants to go on another time."""


def described(call: FieldCall, number: int, of: int) -> str:
    """A call for people."""
    lines = [f"Call {number} of {of}: {call.name}", *_wrapped(call.title, "  ")]
    lines += [f"  Needs: {call.account}"]
    for head, steps in (("Set up", call.set_up), ("Do", call.do), ("Watch", call.watch)):
        lines += ["", f"  {head}"]
        for count, step in enumerate(steps, start=1):
            text, _, copied = step.partition("\n$ ")
            lines += _wrapped(text, f"    {count}. ")
            lines += [copied.strip()] if copied else []
    return "\n".join(lines)


def asked(question: Question) -> str:
    """A question for people, with what may be answered."""
    return "\n".join(_wrapped(f"[{', '.join(question.rows)}] {question.ask} ({question.choices})", "  "))


def _wrapped(text: str, first: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )


class Interview:
    """A talk with the person who makes the calls.

    Args:
        ask: Shows a prompt and returns a line, as `input` does.
        tell: Shows a text, as `print` does.
        save: Called after each answer.
        log: The server's log of calls, or None.
    """

    def __init__(
        self,
        ask: Callable[[str], str],
        tell: Callable[[str], None],
        save: Callable[[Answers], None],
        log: CallLog | None = None,
    ) -> None:
        """Nothing was asked yet."""
        self._ask = ask
        self._tell = tell
        self._save = save
        self._log = log

    def run(self, calls: Sequence[FieldCall], answers: Answers, *, again: bool = False) -> None:
        """Go through the calls; what was answered before is not asked again.

        Args:
            calls: Which ones.
            answers: What was answered so far; answers are added to it.
            again: Whether calls that were answered are asked about once more.

        Raises:
            Stopped: By `q`. What Ctrl-C and the end of the input raise is passed on too; nothing is lost by it.
        """
        for number, call in enumerate(calls, start=1):
            open_ones = [one for one in call.questions if again or (call.name, one.name) not in answers]
            if open_ones:
                self._tell("\n" + described(call, number, len(calls)) + "\n")
                if self._line("Enter when the call is over; s: skip it, q: stop here > ").lower() != "s":
                    self._questions(call, open_ones, answers)
            else:
                self._tell(f"\nCall {number} of {len(calls)}: {call.name} was answered before")

    def _questions(self, call: FieldCall, questions: Sequence[Question], answers: Answers) -> None:
        logged = self._logged(call)
        self._tell("")
        for question in questions:
            earlier = answers.get((call.name, question.name))
            proposed, whence = earlier, "as before"
            if proposed is None and logged is not None and question.evidence is not None:
                proposed, whence = self._told(logged, question), "as the server says"
            self._tell(asked(question))
            answer = self._answer(question, proposed, whence)
            if answer is not None and answer != earlier:
                answers[call.name, question.name] = answer
                self._save(answers)

    def _answer(self, question: Question, proposed: str | float | None, whence: str) -> str | float | None:
        otherwise = "not tried" if proposed is None else f"{proposed}, {whence}"
        while True:
            line = self._line(f"    (Enter: {otherwise}) > ")
            if not line:
                return proposed
            if line == "-":
                return None
            try:
                return kept(question, line)
            except ValueError as error:
                self._tell(f"    That {error}. `-`: not tried.")

    def _line(self, prompt: str) -> str:
        line = self._ask(prompt).strip()
        if line.lower() == "q":
            raise Stopped
        return line

    def _logged(self, call: FieldCall) -> LoggedCall | None:
        if self._log is None or not call.log or all(one.evidence is None for one in call.questions):
            return None
        try:
            logged = asyncio.run(self._log.latest(call.log))
        except NoLog as error:
            self._tell(f"  {error} Answer by hand.")
            return None
        self._tell(f"  The server's newest call of this kind: {logged.told}. Its log answers where it can.")
        return logged

    @staticmethod
    def _told(logged: LoggedCall, question: Question) -> str | float | None:
        assert question.evidence is not None
        value = logged.answer(question.evidence)
        try:
            return None if value is None else kept(question, value)
        except ValueError:
            return None  # a word that is not among those asked for
