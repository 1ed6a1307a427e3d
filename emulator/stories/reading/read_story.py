"""From a file to a `Story`, with every mistake found in one reading."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from emulator import carriers
from emulator.carriers import WORD_SETS
from emulator.errors import EmulatorError
from emulator.legs.delivery import EventHabits
from emulator.line.colleague import BEHAVIOURS
from emulator.line.detected import FINDS, THE_TRUTH, Detected
from emulator.line.tonespeech import words_of
from emulator.stories.reading.read_bot import check_failing, check_part
from emulator.stories.reading.read_expect import read_expectations, read_share
from emulator.stories.reading.read_faults import read_faults
from emulator.stories.reading.read_line import read_line
from emulator.stories.reading.read_steps import Names, read_operator, read_steps
from emulator.stories.reading.yaml_values import (
    Mistake,
    Unreadable,
    Value,
    all_texts,
    did_you_mean,
    read_yaml,
)
from emulator.stories.story import (
    CALLER,
    CARRIERS,
    PRINTED,
    PRINTED_BIN,
    STORY_HOST,
    Answering,
    CallPart,
    Person,
    Story,
    StoryLine,
)

ENV_EXAMPLE = Path(".env.example")
"""Where the server's variables are listed, in the folder that it is started in; without it they are not checked."""

VARIABLE = re.compile(r"^#? ?([A-Z][A-Z0-9_]*)=", re.M)

LISTS = ("lag", "at_once")
METHODS = ("GET", "POST")
VOICES = ("beeps", "words")
CALL_KEYS = ("from", "to", "codec", "noise_db", "patience", "query")
KEYS = (
    "story",
    "about",
    "carriers",
    "voice",
    "limit",
    "agent",
    "agents",
    "beside",
    "settings",
    "number",
    "documents",
    "bot",
    "failing",
    "people",
    "caller",
    "calls",
    "operator",
    "faults",
    "events",
    "seed",
    "hurry",
    "lists",
    "detection_words",
    "line",
    "expect",
    *CALL_KEYS,
)


class StoryError(EmulatorError):
    """A story's file cannot be used; the message has a line for each mistake: file, line, key, fix."""


def read_story(path: Path) -> Story:
    """Read a story.

    Raises:
        StoryError: The file cannot be read or has mistakes.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise StoryError(f"{path}: {error.strerror or error}; give the path of a story") from None
    except UnicodeDecodeError:
        raise StoryError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    mistakes: list[Mistake] = []
    try:
        story = _story(read_yaml(text, mistakes), path)
    except Unreadable as error:
        mistakes = [error.mistake]
    if mistakes:
        unique = dict.fromkeys(sorted(mistakes, key=lambda mistake: mistake.line))
        raise StoryError("\n".join(f"{path}:{mistake}" for mistake in unique))
    return story


def find_stories(paths: list[Path]) -> list[Path]:
    """The story files that some paths mean: files as they are, folders with all below them.

    Raises:
        StoryError: There is none.
    """
    found: list[Path] = []
    for path in paths:
        inside = sorted({*path.rglob("*.yaml"), *path.rglob("*.yml")}) if path.is_dir() else [path]
        if not inside:
            raise StoryError(f"{path}: no story is in there; stories are files that end in .yaml")
        found += inside
    return found


def _story(root: Value, path: Path) -> Story:
    table = root.table(KEYS)
    people_table = table["people"].table() if "people" in table else {}
    call_values = table["calls"].items() if "calls" in table else []
    callers = [CALLER] if "caller" in table else []
    callers += [_name_of(value, number) for number, value in enumerate(call_values)]
    names = Names(list(people_table), callers)
    if "caller" in table and call_values:
        table["calls"].wrong("there is a `caller` already; write each call here, or the only one there")
    if not callers and "operator" not in table:
        root.wrong("nobody calls; add `caller:` with steps, or `operator:` with a request that dials")
    if "story" not in table:
        root.wrong("the story has no name; add `story:` with a sentence")
    expect = read_expectations(table["expect"], names) if "expect" in table else []
    if not expect and not root.mistakes:
        root.wrong("nothing is expected; add `expect:` with what must be so in the end")
    agent = table["agent"].text() if "agent" in table else None
    if agent is not None and "=" in agent:
        try:
            tomllib.loads(agent)
        except tomllib.TOMLDecodeError as error:
            table["agent"].wrong(f"this is not valid TOML: {error}; correct that place, counted from here")
    if "bot" in table:
        check_part(table["bot"])
    if "failing" in table:
        check_failing(table["failing"])
    for name in ("settings", "beside"):
        if name in table:
            _check_variables(table[name], own="agents" in table)
    if "agents" in table:
        if not _folder(table["agents"], path).is_dir():
            table["agents"].wrong("there is no such folder; give it as it is seen from the story's file")
        if agent is None or "=" in agent:
            table["agents"].wrong("say with `agent:` which agent of the folder it is, by its name")
    if "caller" in table:
        only = CallPart(CALLER, **_how(table), steps=read_steps(table["caller"], names))
        calls = [only]
    else:
        calls = [
            call
            for value, name in zip(call_values, callers, strict=True)
            if (call := _call(value, name, names))
        ]
        for name in CALL_KEYS:
            if name in table:
                table[name].wrong("this belongs to a call; write it into the one of `calls` that it is about")
    words = frozenset(word for text in all_texts(root) for word in words_of(text))
    return Story(
        name=table["story"].text() if "story" in table else path.stem,
        file=path,
        about=table["about"].text() if "about" in table else "",
        carriers=_carriers(table["carriers"]) if "carriers" in table else tuple(carriers.CARRIERS),
        voice=table["voice"].one_of(VOICES) if "voice" in table else "beeps",
        limit_secs=table["limit"].secs() if "limit" in table else 60.0,
        agent=agent,
        agents=_folder(table["agents"], path) if "agents" in table else None,
        beside=_texts(table.get("beside")),
        settings=_texts(table.get("settings")),
        documents=_texts(table.get("documents")),
        people=[_person(value, names) for value in people_table.values()],
        calls=calls,
        operator=read_operator(table["operator"], names) if "operator" in table else [],
        faults=read_faults(table["faults"]) if "faults" in table else [],
        events=_habits(table["events"]) if "events" in table else EventHabits(),
        seed=table["seed"].whole() if "seed" in table else 0,
        detection_words=table["detection_words"].one_of(WORD_SETS) if "detection_words" in table else "guide",
        lists_lag=table["lists"].one_of(LISTS) == "lag" if "lists" in table else True,
        line=read_line(table["line"]) if "line" in table else StoryLine(),
        number=_answering(table["number"], list(_texts(table.get("documents"))))
        if "number" in table
        else Answering(),
        hurry=max(1.0, table["hurry"].number()) if "hurry" in table else 1.0,
        expect=expect,
        words=words,
    )


def _folder(value: Value, path: Path) -> Path:
    return (path.parent / value.text()).resolve()


def _check_variables(value: Value, *, own: bool) -> None:
    """Find settings that the server has not got: it would say nothing of them, and the story would prove nothing.

    Args:
        value: The table.
        own: Whether the agent is the story's own and may have variables of its own.
    """
    known = [STORY_HOST, *VARIABLE.findall(_read(ENV_EXAMPLE))]
    for name, one in value.table().items():
        if not VARIABLE.fullmatch(f"{name}="):
            one.wrong("this is no variable; write its name in capitals, as in .env")
        elif len(known) > 1 and name not in known and not own:
            one.wrong(f"the server has no such variable{did_you_mean(name, known) or '; see .env.example'}")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _name_of(value: Value, number: int) -> str:
    table = Value(value.node, value.key, []).table()
    return table["name"].text() if "name" in table else f"call{number + 1}"


def _call(value: Value, name: str, names: Names) -> CallPart | None:
    table = value.table(("name", "begin", "after", "steps", *CALL_KEYS))
    if "steps" not in table:
        value.wrong("this call has no `steps`; add what the caller does, or an empty list []")
        return None
    after = table["after"].one_of(names.callers) if "after" in table else None
    if after == name:
        table["after"].wrong("a call cannot wait for its own end")
    begin = table["begin"].secs() if "begin" in table else 0.0
    return CallPart(
        name, begin_secs=begin, after=after, **_how(table), steps=read_steps(table["steps"], names)
    )


def _how(table: dict[str, Value]) -> dict[str, Any]:
    """How a call is placed."""
    found: dict[str, Any] = {}
    if "from" in table:
        found["from_number"] = table["from"].text()
    if "to" in table:
        found["to_number"] = table["to"].text()
    if "codec" in table:
        found["codec"] = table["codec"].one_of(("PCMU", "PCMA"))
    if "noise_db" in table:
        found["noise_db"] = table["noise_db"].number()
    if "patience" in table:
        found["patience"] = table["patience"].secs()
    if "query" in table:
        found["query"] = _texts(table["query"])
    return found


def _person(value: Value, names: Names) -> Person:
    table = value.table(("number", "does", "after", "steps", "detected"))
    if "number" not in table:
        value.wrong("a person without a `number` cannot be called; add one, or a SIP URI")
    return Person(
        value.key.rpartition(".")[2],
        table["number"].text() if "number" in table else "",
        table["does"].one_of(BEHAVIOURS) if "does" in table else "answers",
        table["after"].secs() if "after" in table else 1.0,
        read_steps(table["steps"], names) if "steps" in table else (),
        _detected(table["detected"]) if "detected" in table else THE_TRUTH,
    )


def _detected(value: Value) -> Detected:
    if value.is_text:
        return Detected(value.one_of(FINDS))
    table = value.table(("as", "word", "after"))
    return Detected(
        table["as"].one_of(FINDS) if "as" in table else None,
        table["word"].text() if "word" in table else None,
        table["after"].secs() if "after" in table else None,
    )


def _answering(value: Value, documents: list[str]) -> Answering:
    table = value.table(("url", "method", "status_method", "fallback"))
    fallback = table["fallback"].text() if "fallback" in table else None
    printed = (PRINTED, PRINTED_BIN)
    if fallback is not None and fallback not in (*printed, *documents) and "://" not in fallback:
        known = ", ".join((*printed, *documents))
        table["fallback"].wrong(f"nothing is called {fallback!r}; write one of {known}, or a URL")
    return Answering(
        table["method"].one_of(METHODS) if "method" in table else None,
        table["status_method"].one_of(METHODS) if "status_method" in table else "POST",
        table["url"].text() if "url" in table else None,
        fallback,
    )


def _habits(value: Value) -> EventHabits:
    table = value.table(("doubled", "out_of_order", "delay"))
    return EventHabits(
        doubled=read_share(table["doubled"]) if "doubled" in table else 0.0,
        out_of_order=read_share(table["out_of_order"]) if "out_of_order" in table else 0.0,
        delay_secs=table["delay"].secs() if "delay" in table else 0.0,
    )


def _carriers(value: Value) -> list[str]:
    return [one.one_of(CARRIERS) for one in value.one_or_more()]


def _texts(value: Value | None) -> dict[str, str]:
    return {name: one.text() for name, one in value.table().items()} if value is not None else {}
