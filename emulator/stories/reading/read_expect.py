"""Expectations, as they are written in a story."""

from __future__ import annotations

import re
from typing import Any

from emulator.line.seams import KINDS
from emulator.requests import VERBS
from emulator.stories.reading.read_steps import Names
from emulator.stories.reading.yaml_values import Value, did_you_mean
from emulator.stories.story import Expectation, Span, Timing

HEARING = {
    "hears": "hears",
    "never hears": "never_hears",
    "hears part of": "hears_part",
    "hears keys": "hears_keys",
    "never waits": "never_waits",
}
"""What a story can say that a person hears, and the kind of that expectation."""

CALL_VALUES = ("ended_by", "answered", "handed_over", "goodbye_heard", "underruns")
ENDERS = ("bot", "caller", "colleague", "peer", "limit", "error", "nobody")
OUTCOMES = ("completed", "busy", "declined", "no_answer", "failed", "canceled")
API = ("api", "api_events", "api_never", "api_counts")
OTHERS = ("event", "never", "rest", "dialled", "outcome", "problem", "may_happen", "file", "lost")
MODIFIERS = ("within", "of", "after", "before", "at_least", "anywhere", "call", "times", "text", "where")
_EAR = re.compile(rf"(?P<who>\S+) (?P<kind>{'|'.join(sorted(HEARING, key=len, reverse=True))})")


def read_expectations(value: Value, names: Names) -> list[Expectation]:
    """Read the list `expect:` of a story."""
    found = (_expectation(item, names) for item in value.items())
    return [one for one in found if one is not None]


def _expectation(value: Value, names: Names) -> Expectation | None:
    before = len(value.mistakes)
    table = value.table()
    mains = {name: _kind_of(name) for name in table if _kind_of(name) is not None}
    for name in table.keys() - mains.keys() - set(MODIFIERS):
        everybody = [*names.callers, *names.people]
        known = [
            *CALL_VALUES,
            *API,
            *OTHERS,
            *MODIFIERS,
            *(f"{who} {what}" for who in everybody for what in HEARING),
        ]
        table[name].wrong(
            f"this expectation is not known{did_you_mean(name, known) or '; see docs/stories.md'}"
        )
    if len(mains) != 1:
        if len(value.mistakes) == before:
            value.wrong("write one expectation after each hyphen, for example `caller hears: Hello.`")
        return None
    (name, kind) = next(iter(mains.items()))
    main = table[name]
    assert kind is not None
    who = ""
    texts: list[str] = []
    content: Any = None
    if match := _EAR.fullmatch(name):
        who = match["who"]
        if who not in (*names.callers, *names.people):
            everybody = [*names.callers, *names.people]
            main.wrong(
                f"nobody is called {who!r}{did_you_mean(who, everybody)}; there are {', '.join(everybody)}"
            )
        if kind == "never_waits":
            content = main.secs()
        else:
            texts = [one.text() for one in main.one_or_more()]
    else:
        content = _content(kind, main, names)
    if kind in ("event", "never"):
        content = {"event": content, **_details(table)}
    at_least = None
    if "at_least" in table:
        at_least = read_share(table["at_least"])
    call = table["call"].text() if "call" in table else None
    if call is not None and call not in names.callers and not kind.startswith("api"):
        table["call"].wrong(f"no call is named {call!r}; there are {', '.join(names.callers)}")
    return Expectation(
        kind,
        f"{name}: {_short(main.plain())}",
        who,
        texts,
        content,
        at_least,
        "anywhere" in table and table["anywhere"].flag(),
        _timing(table, names),
        call,
        value.line,
    )


def _kind_of(name: str) -> str | None:
    if match := _EAR.fullmatch(name):
        return HEARING[match["kind"]]
    return name if name in (*CALL_VALUES, *API, *OTHERS) else None


def _content(kind: str, main: Value, names: Names) -> Any:
    if kind in ("event", "never"):
        return [main_moment for one in main.one_or_more() if (main_moment := names.moment(one)) is not None]
    if kind == "rest":
        table = main.table()
        for name, one in table.items():
            if name not in (*VERBS, "any"):
                one.wrong(f"no request is called {name!r}{did_you_mean(name, VERBS)}; use {', '.join(VERBS)}")
        return {name: _counted(one) for name, one in table.items()}
    if kind in ("answered", "handed_over", "goodbye_heard"):
        return main.flag()
    if kind == "dialled":
        return _counted(main)
    if kind == "api_counts":
        return {name: _counted(one) for name, one in main.table().items()}
    if kind == "outcome":
        table = main.table(names.people)
        return {name: [one.one_of(OUTCOMES) for one in value.one_or_more()] for name, value in table.items()}
    if kind == "ended_by":
        return main.one_of(ENDERS)
    if kind in ("problem", "may_happen"):
        return [one.text() for one in main.one_or_more()]
    if kind == "api_events" or kind == "api_never":
        return [one.plain() for one in main.one_or_more()]
    if kind == "lost":
        return {name: read_span(one) for name, one in main.table(KINDS).items()}
    if kind == "file":
        return {name: one.text() for name, one in main.table(("name", "has")).items()}
    return main.plain()


def _counted(value: Value) -> tuple[int, int]:
    """`2`, or `1..3`, or `1..` for at least one."""
    match = re.fullmatch(r"(\d+)(?:(\.\.)(\d*))?", value.text())
    if match is None:
        value.wrong("write a number, or a range like 1..3 or 1..")
        return 0, 0
    least = int(match[1])
    return (least, least) if match[2] is None else (least, int(match[3]) if match[3] else 10**9)


def read_share(value: Value) -> float:
    """A percentage, as a number from 0 to 1."""
    text = value.text()
    match = re.fullmatch(r"(\d+)\s*%", text)
    if match is None or not 0 < int(match[1]) <= 100:
        value.wrong("write a percentage, for example 60%")
        return 1.0
    return int(match[1]) / 100


def _details(table: dict[str, Value]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "times" in table:
        found["times"] = _counted(table["times"])
    if "text" in table:
        found["text"] = table["text"].text()
    if "where" in table:
        found["where"] = table["where"].plain()
    return found


def _timing(table: dict[str, Value], names: Names) -> Timing | None:
    if not {"within", "of", "after", "before"} & table.keys():
        return None
    if ("within" in table) != ("of" in table):
        present, missing = ("within", "of") if "within" in table else ("of", "within")
        table[present].wrong(f"`{present}` needs `{missing}` beside it")
        return None
    moments = {name: names.moment(table[name]) for name in ("of", "after", "before") if name in table}
    span = read_span(table["within"]) if "within" in table else None
    return Timing(span, moments.get("of"), moments.get("after"), moments.get("before"))


def read_span(value: Value) -> Span:
    """`2s` for 0 to 2 s, or `1s..3s`."""
    text = value.text()
    one, dots, other = text.partition("..")
    least, most = (_secs(part.strip(), value) for part in ((one, other) if dots else ("0s", one)))
    return Span(least, most)


def _secs(text: str, value: Value) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m)", text)
    if match is None:
        value.wrong("write a length of time like 2s, or a range like 1s..3s")
        return 0.0
    return float(match[1]) * {"ms": 0.001, "s": 1.0, "m": 60.0}[match[2]]


def _short(plain: Any) -> str:
    text = str(plain)
    return text if len(text) <= 90 else text[:87] + "..."
