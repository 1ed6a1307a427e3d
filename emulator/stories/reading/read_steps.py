"""Steps of callers, of people and of the operator, as they are written in a story."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from emulator.line.caller import KEYS, PAUSE_MS
from emulator.stories.reading.moments import read_moment
from emulator.stories.reading.yaml_values import Value, did_you_mean
from emulator.stories.story import Moment, OperatorStep, Step

STEPS = ("say", "press", "wait", "wait_for", "hang_up")
WAITS = ("reply", "silence", "speech")
MODIFIERS = {
    "say": ("at_once", "over"),
    "press": ("at_once", "over"),
    "wait_for": ("at_most",),
    "wait": (),
    "hang_up": (),
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
OPERATOR_STEPS = ("wait", "wait_for", "kill")
OPERATOR_MODIFIERS = ("at_most", "back_after", "json", "status", "answer", "save")
AT_MOST_SECS = 15.0
NEVER = -1.0
"""How long a server is away that is not started again."""


@dataclass(frozen=True)
class Names:
    """The names of a story's callers and of its other people."""

    people: Collection[str]
    callers: Collection[str]

    def moment(self, value: Value) -> Moment | None:
        """Read a moment, which may name any of them."""
        return read_moment(value, self.people, self.callers)


def read_steps(value: Value, names: Names) -> list[Step]:
    """Read a list of steps."""
    steps = (_step(item, names) for item in value.items())
    return [step for step in steps if step is not None]


def _step(value: Value, names: Names) -> Step | None:
    if value.is_text:
        if value.text() != "hang_up":
            value.wrong(
                f"{value.text()!r} is no step{did_you_mean(value.text(), STEPS)}; use {', '.join(STEPS)}"
            )
            return None
        return Step("hang_up", line=value.line)
    table = value.table((*STEPS, "at_once", "over", "at_most"))
    kinds = [name for name in table if name in STEPS]
    if len(kinds) != 1:
        if not kinds and not value.mistakes:
            value.wrong(f"this is no step; use one of {', '.join(STEPS)}")
        elif len(kinds) > 1:
            value.wrong(f"{' and '.join(kinds)} are two steps; begin each with a hyphen")
        return None
    kind = kinds[0]
    for name in table:
        if name != kind and name not in MODIFIERS[kind]:
            table[name].wrong(f"`{kind}` does not have this key")
    at_once = "at_once" in table and table["at_once"].flag()
    over = table["over"].secs() if "over" in table else None
    main = table[kind]
    match kind:
        case "say":
            return Step("say", main.text(), at_once=at_once, over=over, line=value.line)
        case "press":
            keys = main.text()
            if not keys or set(keys) - KEYS - PAUSE_MS.keys():
                main.wrong(f'{keys!r} are no keys; use 0-9 * # A-D (in quotes: "#"), w waits half a second')
            return Step("press", keys, at_once=at_once, over=over, line=value.line)
        case "wait":
            return Step("wait", secs=main.secs(), line=value.line)
        case "hang_up":
            return Step("hang_up", line=value.line)
    at_most = table["at_most"].secs() if "at_most" in table else AT_MOST_SECS
    if main.is_text and main.text() in WAITS:
        return Step("wait_for", main.text(), at_most, line=value.line)
    moment = names.moment(main)
    return None if moment is None else Step("wait_for", secs=at_most, moment=moment, line=value.line)


def read_operator(value: Value, names: Names) -> list[OperatorStep]:
    """Read what the operator does."""
    steps = (_operator_step(item, names) for item in value.items())
    return [step for step in steps if step is not None]


def _operator_step(value: Value, names: Names) -> OperatorStep | None:
    table = value.table((*METHODS, *OPERATOR_STEPS, *OPERATOR_MODIFIERS))
    kinds = [name for name in table if name in (*METHODS, *OPERATOR_STEPS)]
    if len(kinds) != 1:
        if not value.mistakes:
            value.wrong("write one of wait, wait_for, kill, or a request like `POST: /calls/{call}/hangup`")
        return None
    kind = kinds[0]
    main = table[kind]
    if kind == "wait":
        return OperatorStep("wait", secs=main.secs(), line=value.line)
    if kind == "kill":
        main.one_of(("server",))
        away = table["back_after"].secs() if "back_after" in table else NEVER
        return OperatorStep("kill", secs=away, line=value.line)
    if kind == "wait_for":
        moment = names.moment(main)
        at_most = table["at_most"].secs() if "at_most" in table else AT_MOST_SECS
        return (
            None if moment is None else OperatorStep("wait_for", secs=at_most, moment=moment, line=value.line)
        )
    path = main.text()
    if not path.startswith("/"):
        main.wrong(f"{path!r} is no path; begin it with a slash, as in /calls/{{call}}/hangup")
    return OperatorStep(
        "request",
        kind,
        path,
        table["json"].plain() if "json" in table else None,
        table["status"].whole(100) if "status" in table else None,
        table["answer"].plain() if "answer" in table else None,
        {name: at.text() for name, at in table["save"].table().items()} if "save" in table else {},
        line=value.line,
    )
