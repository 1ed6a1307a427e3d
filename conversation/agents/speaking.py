"""The languages of an agent: what its file says of them, and the agent as it is in each."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import Field, ValidationError

from conversation.agents.errors import did_you_mean
from conversation.agents.tables import (
    BrainLines,
    DeadAir,
    Lines,
    Name,
    Reference,
    ServiceKind,
    Table,
    Text,
)
from conversation.lines.fixed import DEFAULT, LINES, fixed, is_spoken, languages, primary
from conversation.lines.names import name_of

if TYPE_CHECKING:
    from pipecat.transcriptions.language import Language

    from conversation.agents.agent import Agent


class SpokenTransfer(Table):
    """How callers hear of a transfer in one of the agent's languages.

    Attributes:
        spoken: How it is named to them. A template.
        announcement: What they hear before, instead of the line `transfer_announce`. A template.
    """

    spoken: Text | None = None
    announcement: Text | None = None


class InLanguage(Table):
    """What is different while the conversation is in one of the agent's languages. Nothing of it need be given.

    Attributes:
        voice: The voice of `tts` for it; otherwise that of `[services.options.tts]`, or the service's own.
        greeting: The first words in this language, of a call that begins in it and when its key is pressed. A template.
        instructions: What a model is told in place of the agent's `instructions`. A template.
        lines: Fixed lines of `[lines]` in this language, which win over ours. Templates.
        dead_air: The sentences of `[dead_air]` in this language, which win over ours. Templates.
        announcement: The one of `[recording]` in this language, which wins over ours. A template.
        monitoring_announcement: The one of `[monitoring]` in this language, which wins over ours. A template.
        transfers: How callers hear of transfers, by the names of these.
        outbound_greeting: The `greeting` of `[dial_out]`. A template.
        voicemail_message: The one of `[dial_out]`. A template.
        pronounce: Words that the voice gets wrong in this language, and how to write them for it.
        options: Options of the services in this language, such as `options.stt`, as in `[services.options]`.
    """

    voice: Reference = None
    greeting: Text | None = None
    instructions: Text | None = None
    lines: dict[Name, Any] = Field(default_factory=dict)
    dead_air: dict[Name, Any] = Field(default_factory=dict)
    announcement: Text | None = None
    monitoring_announcement: Text | None = None
    transfers: dict[Name, SpokenTransfer] = Field(default_factory=dict)
    outbound_greeting: Text | None = None
    voicemail_message: Text | None = None
    pronounce: dict[Text, Text] = Field(default_factory=dict)
    options: dict[ServiceKind, dict[str, Any]] = Field(default_factory=dict)

    def options_of(self, kind: ServiceKind) -> dict[str, Any]:
        """The options of a service in this language, the voice among them."""
        voice = {"voice": self.voice} if kind == "tts" and self.voice is not None else {}
        return {**self.options.get(kind, {}), **voice}


@cache
def known_tags() -> Mapping[str, Language]:
    """The tags of languages that services are told, by their small letters."""
    from pipecat.transcriptions.language import (
        Language,  # not before an agent is checked: half of Pipecat comes with it
    )

    return {language.value.lower(): language for language in Language}


def tag_problem(tag: str) -> str:
    """What is wrong with a tag, with the fix; empty for one that is known."""
    known = known_tags()
    written = tag.strip().lower().replace("_", "-")
    if written in known:
        return ""
    named = next(
        (code for code in languages() for other in (code, DEFAULT) if _is_name(written, code, other)), None
    )
    close = [named] if named else difflib.get_close_matches(written, known, n=1)
    return (
        f"{tag!r} is no language tag; use one such as {known[close[0]].value if close else 'en, de or es-MX'}"
    )


def _is_name(written: str, code: str, other: str) -> bool:
    return written == name_of(code, other).lower()


def in_first_language(table: dict[str, Any]) -> dict[str, Any]:
    """The table of an agent's file with the fixed lines of its first language, where the file has none of its own.

    Args:
        table: As the file has it. `languages` may be a list of tags, or a table with a table for each.

    Raises:
        ValueError: `languages` cannot be used.
    """
    table = dict(table)
    if "languages" in table:
        table["languages"] = spoken = _tables_of(table["languages"])
        first = next(iter(spoken))
        stated = table.get("language", first)
        if not isinstance(stated, str) or primary(stated) != primary(first):
            raise ValueError(
                f"languages begins with {first!r}, but language is {stated!r}: remove language, which the first of "
                "languages stands for"
            )
        table["language"] = first
        _prefer(table, spoken[first])
    language = table.get("language", DEFAULT)
    if isinstance(language, str) and primary(language) in languages() and primary(language) != DEFAULT:
        for name in LINES:
            given = table.get(name, {})
            if isinstance(given, dict):
                table[name] = {**fixed(language, name), **given}
    return table


def _tables_of(spoken: Any) -> dict[str, Any]:
    if isinstance(spoken, list):
        if not all(isinstance(tag, str) for tag in spoken):
            raise ValueError('languages: write tags such as ["en", "es"]')
        for tag in spoken:
            if spoken.count(tag) > 1:
                raise ValueError(f"languages: {tag!r} is there twice; remove one")
        spoken = {tag: {} for tag in spoken}
    if not isinstance(spoken, dict):
        raise ValueError(
            'languages: write a list of tags such as ["en", "es"], or a table [languages.es] for each'
        )
    if not spoken:
        raise ValueError(
            'languages names none: write those that the agent speaks, such as ["en", "es"], or remove it'
        )
    by_language: dict[str, str] = {}
    for tag in spoken:
        if problem := tag_problem(tag):
            raise ValueError(f"languages: {problem}")
        other = by_language.setdefault(primary(tag), tag)
        if other != tag:
            raise ValueError(
                f"languages: {other!r} and {tag!r} are one language to callers; keep one of them"
            )
    return spoken


def _prefer(table: dict[str, Any], given: Any) -> None:
    """What the file has in `[languages.TAG]` for its first language wins over the rest of it."""
    if not isinstance(given, dict):
        return
    for name in ("greeting", "instructions"):
        if name in given:
            table[name] = given[name]
    pairs = [("lines", given.get("lines", {})), ("dead_air", given.get("dead_air", {}))]
    for key, name in (("announcement", "recording"), ("monitoring_announcement", "monitoring")):
        if key in given:
            pairs.append((name, {"announcement": given[key]}))
    outbound = {
        "greeting": given.get("outbound_greeting"),
        "voicemail_message": given.get("voicemail_message"),
    }
    pairs.append(("dial_out", {name: text for name, text in outbound.items() if text is not None}))
    pairs.append(("pronounce", given.get("pronounce", {})))
    for name, more in pairs:
        before = table.get(name, {})
        if more and isinstance(more, dict) and isinstance(before, dict):
            table[name] = {**before, **more}
    targets, told = table.get("transfers"), given.get("transfers")
    if isinstance(targets, dict) and isinstance(told, dict):
        both = {name for name in told if isinstance(told[name], dict) and isinstance(targets.get(name), dict)}
        table["transfers"] = {**targets, **{name: {**targets[name], **told[name]} for name in both}}


def spoken_in(home: Agent, tag: str) -> dict[str, Any]:
    """What of an agent is different in another of its languages, as fields of `Agent`.

    Args:
        home: The agent in its first language.
        tag: The other language, as `languages` has it.

    Raises:
        ValueError: What the file says of that language cannot be used.
    """
    own = home.languages[tag]
    where = f"languages.{tag}"
    for name in own.transfers:
        if name not in home.transfers:
            raise ValueError(
                f"{where}.transfers: there is no transfer {name!r}{did_you_mean(name, home.transfers)}"
            )
    sentences = fixed(tag, "dead_air")
    kept = {name: value for name, value in home.dead_air if name not in sentences}
    if not home.dead_air.filler:
        sentences = {**sentences, "filler": ""}  # an agent that says none says none in any language
    # An agent that announces nothing does so in no language.
    recorded = own.announcement or (
        fixed(tag, "recording")["announcement"] if home.recording.announcement else ""
    )
    monitored = own.monitoring_announcement or (
        fixed(tag, "monitoring")["announcement"] if home.monitoring.announcement else ""
    )
    outbound: dict[str, Any] = {
        name: text
        for name, text in (("greeting", own.outbound_greeting), ("voicemail_message", own.voicemail_message))
        if text is not None
    }
    return {
        "language": tag,
        "greeting": own.greeting or home.greeting,
        "instructions": own.instructions or home.instructions,
        "lines": _table(Lines, {**fixed(tag, "lines"), **own.lines}, f"{where}.lines"),
        "brain": _table(BrainLines, fixed(tag, "brain"), where),
        "dead_air": _table(DeadAir, {**kept, **sentences, **own.dead_air}, f"{where}.dead_air"),
        "recording": home.recording.model_copy(update={"announcement": recorded}),
        "monitoring": home.monitoring.model_copy(update={"announcement": monitored}),
        "transfers": {
            name: target.model_copy(update=_named(own, name)) for name, target in home.transfers.items()
        },
        "dial_out": home.dial_out.model_copy(update=outbound),
        "pronounce": {**home.pronounce, **own.pronounce},
    }


def _named(own: InLanguage, transfer: str) -> dict[str, Any]:
    """How callers hear of a transfer; its announcement in the first language would not be understood."""
    told = own.transfers.get(transfer, SpokenTransfer())
    return {"announcement": told.announcement} | ({"spoken": told.spoken} if told.spoken else {})


T = TypeVar("T", bound=Table)


def _table(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        problem = error.errors()[0]
        key = str(problem["loc"][0]) if problem["loc"] else ""
        if problem["type"] == "extra_forbidden":
            raise ValueError(
                f"{where}: unknown key {key!r}{did_you_mean(key, list(kind.model_fields))}"
            ) from None
        raise ValueError(
            f"{where}.{key}: {problem['msg'].removeprefix('Value error, ')}; correct it"
        ) from None


def said_in_english(agent: Agent) -> list[str]:
    """Languages of an agent that have no fixed lines of ours nor all of their own: one line each, with the fix."""
    found = []
    for tag in agent.languages or {agent.language: InLanguage()}:
        if is_spoken(tag):
            continue
        first = tag == agent.home.language
        own = set(agent.home.lines.model_fields_set if first else agent.languages[tag].lines)
        missing = [name for name in Lines.model_fields if name not in own]
        if missing:
            found.append(
                f"{agent.name}.toml: {name_of(tag, DEFAULT)} has no fixed lines of ours, so English is said: "
                f"write {', '.join(missing[:3])} and the others into [{'lines' if first else f'languages.{tag}.lines'}]"
            )
    return found


def texts_of(own: InLanguage, tag: str) -> Iterator[tuple[str, str]]:
    """The templates among what the file says of a language that stand in tables of texts."""
    for name in ("lines", "dead_air"):
        for key, value in getattr(own, name).items():
            for number, text in enumerate(value if isinstance(value, list) else [value]):
                if isinstance(text, str) and text:
                    place = f"[{number}]" if isinstance(value, list) else ""
                    yield f"languages.{tag}.{name}.{key}{place}", text
