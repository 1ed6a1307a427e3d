"""Fixed lines are data: the same ones in every language, with the same variables, and in that language.

Whether a line is in its language is judged by lingua, a library that tells languages apart.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache

import pytest
from jinja2 import Environment, meta
from lingua import Language, LanguageDetectorBuilder

from conversation.agents.agent import Agent
from conversation.agents.tables import BrainLines, DeadAir, Lines, Monitoring, Recording
from conversation.lines.fixed import DATA, LINES, fixed, languages, primary
from conversation.lines.words import Words, plain, words_of

NINE = {"de", "en", "es", "fr", "hi", "it", "nl", "pl", "pt"}
OTHERS = sorted(NINE - {"en"})
TABLES = {
    "lines": Lines,
    "brain": BrainLines,
    "dead_air": DeadAir,
    "recording": Recording,
    "monitoring": Monitoring,
}
SAID = (*LINES, "carrier")
JUDGED_WORDS = 5
"""Lines of fewer words may be of two languages."""


def read(language: str) -> dict:
    return tomllib.loads((DATA / f"{language}.toml").read_text(encoding="utf-8"))


def texts(language: str, *tables: str) -> dict[str, str]:
    """Each text with the place where it stands."""
    found = {}
    for table in tables:
        for key, value in read(language)[table].items():
            for number, text in enumerate(value if isinstance(value, list) else [value]):
                found[f"{table}.{key}[{number}]"] = text
    return found


def variables(text: str) -> set[str]:
    return meta.find_undeclared_variables(Environment(autoescape=True).parse(text))


@cache
def judge():
    return LanguageDetectorBuilder.from_languages(
        *[one for one in Language.all() if code_of(one) in NINE]
    ).build()


def code_of(language: Language) -> str:
    return language.iso_code_639_1.name.lower()


def test_the_languages_are_the_nine():
    assert set(languages()) == NINE


@pytest.mark.parametrize("table", LINES)
def test_the_data_have_every_fixed_line_of_an_agents_file(table):
    fields = TABLES[table].model_fields.items()
    spoken = {name for name, field in fields if field.annotation is str or "list" in str(field.annotation)}
    not_said = {"fallback", "announce", "format"}
    assert set(read("en")[table]) == spoken - not_said


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_the_same_keys_in_the_same_order(language):
    english, other = read("en"), read(language)
    assert list(other) == list(english)
    for table in english:
        assert list(other[table]) == list(english[table]), table


@pytest.mark.parametrize("language", OTHERS)
def test_templates_have_the_same_variables(language):
    english = texts("en", *SAID)
    wrong = {
        key for key, text in texts(language, *SAID).items() if variables(text) != variables(english[key])
    }
    assert wrong == set()


@pytest.mark.parametrize("language", OTHERS)
def test_nothing_is_left_in_english(language):
    english, other = texts("en", *SAID), texts(language, *SAID)
    assert [key for key, text in other.items() if english[key] and text == english[key]] == []
    assert [key for key, text in other.items() if bool(text) != bool(english[key])] == []


@pytest.mark.parametrize("language", sorted(NINE))
def test_every_line_is_in_its_language(language):
    judged, wrong = 0, {}
    for key, text in texts(language, *SAID).items():
        words = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", text)
        if len(words.split()) < JUDGED_WORDS:
            continue
        judged += 1
        found = judge().detect_language_of(words)
        if found is None or code_of(found) != language:
            wrong[key] = (found and found.name, text)
    assert judged > 40
    assert wrong == {}


@pytest.mark.parametrize("language", sorted(NINE))
def test_short_lines_are_in_their_language_when_taken_together(language):
    short = [text for text in texts(language, *SAID).values() if 0 < len(text.split()) < JUDGED_WORDS]
    assert short
    found = judge().detect_language_of(" ".join(re.sub(r"\{\{.*?\}\}", "", text) for text in short))
    assert found is not None and code_of(found) == language


@pytest.mark.parametrize("language", sorted(NINE))
def test_set_words_are_words_that_can_be_compared(language):
    words = words_of(language)
    for kind in Words.__dataclass_fields__:
        known = getattr(words, kind)
        assert known, kind
        assert all(plain(word) == word for word in known)
        assert len(known) == len(set(map(plain, read(language)["words"][kind]))), f"{kind} has a word twice"
    assert not words.yes & words.no
    assert words.are_only(" ".join(read(language)["words"]["yes"][:2]), "yes")
    assert not words.are_only("", "yes")


@pytest.mark.parametrize("language", OTHERS)
def test_an_agent_of_another_language_says_its_fixed_lines_in_it(language):
    agent = Agent.model_validate(
        {
            "name": "desk",
            "language": language,
            "greeting": "g",
            "instructions": "i",
            "lines": {"goodbye": "Own."},
        }
    )
    assert agent.lines.goodbye == "Own.", "the owner's text wins"
    assert agent.lines.time_notice == read(language)["lines"]["time_notice"]
    assert agent.dead_air.filler == read(language)["dead_air"]["filler"]
    assert agent.recording.announcement == read(language)["recording"]["announcement"]
    assert agent.monitoring.announcement == read(language)["monitoring"]["announcement"]
    assert agent.brain.go_on == read(language)["brain"]["go_on"]


def test_a_region_has_the_lines_of_its_language_and_an_unknown_language_those_in_english():
    assert fixed("es-MX", "lines") == fixed("es", "lines")
    assert fixed("PT_br", "lines") == fixed("pt", "lines")
    assert fixed("sv", "lines") == fixed("en", "lines")
    assert primary("zh-Hant-TW") == "zh"
