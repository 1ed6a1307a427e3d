"""From files to talks, with every mistake found in one reading."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from emulator.line.caller import KEYS, PAUSE_MS
from emulator.stories.reading.yaml_values import Mistake, Unreadable, Value, read_yaml
from talks.errors import TalksError
from talks.format import (
    AFTER_SECS,
    BOTH,
    BRAINS,
    CARRIERS,
    EITHER,
    ENDS,
    KINDS,
    TRANSFER,
    Echo,
    Line,
    Stored,
    Talk,
    Turn,
)

DATA = Path(__file__).parent / "data"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ,'_-]*")
PAUSE = re.compile(r"<([^<>]*)>")
SECS = re.compile(r"\d+(\.\d+)?")
LONGEST_PAUSE = 5.0

TALK_KEYS = (
    *(
        "name",
        "about",
        "carrier",
        "brain",
        "agent",
        "placed_by",
        "parameters",
        "quick",
        "voice",
        "line",
        "turns",
    ),
    *("stored", "ends"),
)
LINE_KEYS = ("noise", "snr_db", "gain_db", "clip", "loss", "codec", "speed", "echo")
DOINGS = ("say", "sound", "press", "silence", "hang_up")
MOMENTS = ("after", "into", "then")
TURN_KEYS = (
    *DOINGS,
    *MOMENTS,
    *("kind", "understood", "answered", "answered_all", "not_answered", "topic", "keeps_talking", "stops"),
    *("waits", "voice", "line"),
)


@dataclass(frozen=True)
class Known:
    """Names that files may use; None where any name will do.

    Attributes:
        voices: Who can speak.
        noises: What can be in the background.
        sounds: What can be heard instead of words.
        codecs: What can be on the way.
    """

    voices: Collection[str] | None = None
    noises: Collection[str] | None = None
    sounds: Collection[str] | None = None
    codecs: Collection[str] | None = None


def read_talks(folder: Path = DATA, known: Known | None = None) -> list[Talk]:
    """Read all talks of a folder, file by file in the order of their names.

    Raises:
        TalksError: There are none, or there are mistakes; the message has a line for each: file, line, key, fix.
    """
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise TalksError(f"{folder} has no talks: give a folder with *.yaml files")
    mistakes: list[str] = []
    talks: list[Talk] = []
    for file in files:
        found, wrong = _file(file, known or Known())
        talks += found
        mistakes += wrong
    first: dict[str, Talk] = {}
    for talk in talks:
        if (other := first.setdefault(talk.name.lower(), talk)) is not talk:
            where = f"{other.file.name}:{other.at}"
            mistakes.append(f"{talk.file}:{talk.at}: name: {talk.name!r} is also at {where}; rename one")
    if mistakes:
        raise TalksError("\n".join(mistakes))
    return talks


def _file(file: Path, known: Known) -> tuple[list[Talk], list[str]]:
    mistakes: list[Mistake] = []
    try:
        root = read_yaml(file.read_text(encoding="utf-8"), mistakes)
    except OSError as error:
        return [], [f"{file}: {error.strerror or error}; see that it can be read"]
    except UnicodeDecodeError:
        return [], [f"{file}: is not UTF-8 text; save it as UTF-8"]
    except Unreadable as error:
        return [], [f"{file}:{error.mistake}"]
    talks = [_talk(item, file, known) for item in root.items()]
    return talks, [f"{file}:{mistake}" for mistake in mistakes]


def _talk(value: Value, file: Path, known: Known) -> Talk:
    table = value.table(TALK_KEYS)
    name = table["name"].text() if "name" in table else ""
    if "name" not in table:
        value.wrong("a talk needs a name; write `name:` with a few words")
    elif name and not NAME.fullmatch(name):
        table["name"].wrong("is a file's name, too; use letters, digits, spaces, commas and hyphens")
    turns = [_turn(item, known) for item in table["turns"].items()] if "turns" in table else []
    if not turns:
        value.wrong("a talk needs turns; write `turns:` with a list of what the caller does")
    elif turns[0].then is not None:
        value.wrong("the first turn has no line before it; use `after` or `into` instead of `then`")
    for number, turn in enumerate(turns):
        if turn.hang_up and number != len(turns) - 1:
            value.wrong(f"nothing can follow hang_up, which is at line {turn.at}; make it the last turn")
    ends = _ends(table["ends"]) if "ends" in table else "goodbye"
    if turns and turns[-1].hang_up and ends not in ("hang_up", "open"):
        value.wrong(f"the caller hangs up, so it cannot end with {ends}; write `ends: hang_up`")
    stored = _stored(table["stored"]) if "stored" in table else None
    if ends == "message" and (stored is None or stored.nothing):
        value.wrong("it ends with a message; say which one with `stored`")
    return Talk(
        name=name,
        turns=turns,
        about=table["about"].text() if "about" in table else "",
        carrier=table["carrier"].one_of((EITHER, BOTH, *CARRIERS)) if "carrier" in table else EITHER,
        brain=table["brain"].one_of((*BRAINS, BOTH)) if "brain" in table else BRAINS[0],
        agent=table["agent"].text() if "agent" in table else Talk.agent,
        placed_by=table["placed_by"].one_of(("caller", "bot")) if "placed_by" in table else "caller",
        parameters=_texts(table["parameters"]) if "parameters" in table else {},
        quick="quick" in table and table["quick"].flag(),
        voice=_voice(table["voice"], known) if "voice" in table else Talk.voice,
        line=_line(table["line"], known) if "line" in table else Line(),
        stored=stored,
        ends=ends,
        file=file,
        at=value.line,
    )


def _turn(value: Value, known: Known) -> Turn:
    table = value.table(TURN_KEYS)
    doings = [name for name in DOINGS if name in table]
    if len(doings) != 1:
        value.wrong(f"a turn does one of {', '.join(DOINGS)}; this one does {' and '.join(doings) or 'none'}")
    moments = [name for name in MOMENTS if name in table]
    if len(moments) > 1:
        value.wrong(f"a turn comes at one moment; keep one of {' and '.join(moments)}")
    turn = Turn(
        kind=table["kind"].one_of(KINDS) if "kind" in table else "plain",
        say=_say(table["say"]) if "say" in table else None,
        sound=_among(table["sound"], known.sounds) if "sound" in table else None,
        press=_keys(table["press"]) if "press" in table else None,
        silence=table["silence"].secs() if "silence" in table else None,
        hang_up="hang_up" in table and table["hang_up"].flag(),
        after=table["after"].secs() if "after" in table else AFTER_SECS,
        into=table["into"].secs() if "into" in table else None,
        then=table["then"].secs() if "then" in table else None,
        understood=_maybe_empty(table["understood"]) if "understood" in table else None,
        answered=_patterns(table, "answered"),
        answered_all=_patterns(table, "answered_all"),
        not_answered=_patterns(table, "not_answered"),
        topics=[one.text() for one in table["topic"].one_or_more()] if "topic" in table else (),
        keeps_talking="keeps_talking" in table and table["keeps_talking"].flag(),
        stops="stops" in table and table["stops"].flag(),
        waits=table["waits"].secs() if "waits" in table else None,
        voice=_voice(table["voice"], known) if "voice" in table else None,
        line=_line(table["line"], known) if "line" in table else None,
        at=value.line,
    )
    if turn.keeps_talking and turn.stops:
        value.wrong("the bot cannot both go on and fall silent; keep one of keeps_talking and stops")
    if (turn.keeps_talking or turn.stops) and turn.into is None and turn.then is None:
        value.wrong("this is judged while the bot speaks; say with `into: SECONDS` when it comes")
    return turn


def _line(value: Value, known: Known) -> Line:
    table = value.table(LINE_KEYS)
    numbers = {
        name: table[name].number() for name in ("snr_db", "gain_db", "clip", "loss", "speed") if name in table
    }
    if not 0 <= numbers.get("loss", 0) < 1:
        table["loss"].wrong("is a share of packets; write a number from 0 to less than 1")
    if not 0.5 <= numbers.get("speed", 1) <= 2:
        table["speed"].wrong("nobody speaks so; write a number from 0.5 to 2")
    if "snr_db" in table and "noise" not in table:
        table["snr_db"].wrong("speech over what noise? write `noise:`, too")
    echo = None
    if "echo" in table:
        parts = table["echo"].table(("gain_db", "delay_ms"))
        echo = Echo(
            parts["gain_db"].number() if "gain_db" in parts else Echo.gain_db,
            parts["delay_ms"].whole(20) if "delay_ms" in parts else Echo.delay_ms,
        )
    noise = _among(table["noise"], known.noises) if "noise" in table else None
    codec = _among(table["codec"], known.codecs) if "codec" in table else None
    return Line(noise=noise, echo=echo, codec=codec, **numbers)


def _stored(value: Value) -> Stored:
    if value.is_text:
        if value.text() != "nothing":
            value.wrong("write `nothing`, or a table with name, number and words")
        return Stored(nothing=True)
    table = value.table(("name", "number", "words"))
    number = table["number"].text() if "number" in table else None
    if number is not None and len(re.sub(r"\D", "", number)) < 4:
        table["number"].wrong("is no telephone number; write its digits in quotes")
    return Stored(
        name=table["name"].text() if "name" in table else None,
        number=number,
        words=[one.text() for one in table["words"].one_or_more()] if "words" in table else (),
    )


def _ends(value: Value) -> str:
    text = value.text()
    if text not in ENDS and not (text.startswith(TRANSFER) and len(text) > len(TRANSFER)):
        value.wrong(f"{text!r} is no end; use one of {', '.join(ENDS)}, or transfer:NAME")
        return ENDS[0]
    return text


def _say(value: Value) -> str:
    text = value.text()
    for pause in PAUSE.findall(text):
        if not SECS.fullmatch(pause) or not 0 < float(pause) <= LONGEST_PAUSE:
            value.wrong(f"<{pause}> is no pause; write seconds up to {LONGEST_PAUSE:g}, as in <0.8>")
    if text and not words_said(text):
        value.wrong("has no words; write what is said, or use `silence`")
    return text


def _keys(value: Value) -> str:
    keys = value.text()
    if not keys or set(keys) - KEYS - PAUSE_MS.keys():
        value.wrong(f'{keys!r} are no keys; use 0-9 * # A-D (in quotes: "#"), w waits half a second')
    return keys


def _patterns(table: dict[str, Value], key: str) -> list[str]:
    if key not in table:
        return []
    patterns = []
    for one in table[key].one_or_more():
        try:
            re.compile(one.text())
            patterns.append(one.text())
        except re.error as error:
            one.wrong(f"is no regular expression: {error}; put a backslash before what is meant as it is")
    return patterns


def _voice(value: Value, known: Known) -> str:
    return _among(value, known.voices)


def _among(value: Value, names: Collection[str] | None) -> str:
    return value.text() if names is None else value.one_of(sorted(names))


def _maybe_empty(value: Value) -> str:
    return "" if value.is_text and str(value.node.value) == "" else value.text()


def _texts(value: Value) -> dict[str, str]:
    return {name: one.text() for name, one in value.table().items()}


def words_said(say: str) -> str:
    """What a line says, without its pauses."""
    return " ".join(PAUSE.sub(" ", say).split())


def pieces(say: str) -> list[tuple[str, float]]:
    """A line cut at its pauses: the words of each piece that has some, and the pause after it in seconds."""
    parts = PAUSE.split(say)
    found: list[tuple[str, float]] = []
    for words, pause in zip(parts[::2], [*parts[1::2], "0"], strict=True):
        if words.strip():
            found.append((" ".join(words.split()), float(pause)))
        elif found:
            found[-1] = (found[-1][0], found[-1][1] + float(pause))
    return found


def all_speech(talks: Iterable[Talk]) -> list[tuple[str, str]]:
    """Every voice with all that it says, each once, in the order of the talks."""
    wanted = {
        (turn.voice or talk.voice, words): None
        for talk in talks
        for turn in talk.turns
        if turn.say is not None
        for words, _ in pieces(turn.say)
    }
    return list(wanted)
