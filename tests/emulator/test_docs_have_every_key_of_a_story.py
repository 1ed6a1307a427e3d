"""docs/stories.md is the reference of the stories' format: each key that a file may have, and none that it may not."""

import re

import pytest

from emulator.carriers.telnyx.detection_words import TEXML
from emulator.line.colleague import BEHAVIOURS
from emulator.line.detected import FINDS
from emulator.stories.judging import hearing_checks, judge
from emulator.stories.reading import read_bot, read_expect, read_faults, read_steps
from emulator.stories.reading import read_story as reading
from emulator.stories.reading.read_story import StoryError, read_story
from emulator.stories.story import CARRIERS
from settings import ROOT
from tests import story_bot

REFERENCE = (ROOT / "docs" / "stories.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", REFERENCE, flags=re.DOTALL)
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", REFERENCE, flags=re.MULTILINE | re.DOTALL))
EXPECTATIONS = (*read_expect.CALL_VALUES, *read_expect.API, *read_expect.OTHERS)

WORDS = {
    "One story": (
        *reading.KEYS,
        *reading.VOICES,
        *reading.LISTS,
        *TEXML,
        *CARRIERS,
        "name",
        "steps",
        "begin",
        "after",
    ),
    "Who does what": (
        *read_steps.STEPS,
        *read_steps.WAITS,
        *(modifier for modifiers in read_steps.MODIFIERS.values() for modifier in modifiers),
        *("number", "does", "after", "detected", *BEHAVIOURS),
        *("as", "word", *FINDS),
        *read_bot.BOT_KEYS,
        *read_bot.OF_LISTS,
        *(way for ways in read_bot.OF_LISTS.values() for way in ways),
        *("how", *read_bot.OFTEN, "after", "timed", "unless", "local"),
        *("POST", *read_steps.OPERATOR_STEPS, *read_steps.OPERATOR_MODIFIERS),
    ),
    "What is expected": (
        *EXPECTATIONS,
        *read_expect.HEARING,
        *read_expect.MODIFIERS,
        *read_expect.ENDERS,
        *read_expect.OUTCOMES,
        *("name", "has"),
    ),
    "What goes wrong": (
        *("rest", "webhook", "media", "which", "chance", "any"),
        *read_faults.REST,
        *read_faults.WEBHOOK,
        *read_faults.MEDIA,
        *("doubled", "out_of_order", "delay"),
    ),
}
UNDOCUMENTED = {"peer"}
"""Words that the files may have for the sake of old ones; the reference has no use for them."""


def code_of(section: str) -> str:
    """What a section writes as code: its blocks, and its words between backticks."""
    blocks = re.findall(r"```\w*\n(.*?)```", section, flags=re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", section, flags=re.DOTALL))
    return "\n".join([*blocks, *spans])


@pytest.mark.parametrize("heading", WORDS)
def test_every_key_is_in_the_section_that_it_belongs_to(heading):
    written = code_of(SECTIONS[heading])
    missing = [
        word
        for word in dict.fromkeys(WORDS[heading])
        if word not in UNDOCUMENTED and not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", written)
    ]
    assert missing == [], (
        f"docs/stories.md, {heading}: {', '.join(missing)} can be written and is not explained"
    )


def test_the_tables_have_no_key_that_a_file_may_not_have():
    known = {word for words in WORDS.values() for word in words}
    (table,) = re.findall(r"^\| key \| what it says \|\n(.*?)\n\n", REFERENCE, flags=re.MULTILINE | re.DOTALL)
    named = [key for row in table.splitlines()[1:] for key in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(named) == sorted(reading.KEYS)
    (bot,) = re.findall(r"^\| key \| \|\n(.*?)\n\n", REFERENCE, flags=re.MULTILINE | re.DOTALL)
    named = [
        key for row in bot.splitlines()[1:] for key in re.findall(r"`(\w+)(?::[^`]*)?`", row.split("|")[1])
    ]
    assert sorted(named) == sorted(read_bot.BOT_KEYS)
    assert set(named) <= known


def test_the_bot_plays_all_that_its_part_may_say():
    assert story_bot.RULE_KEYS == set(read_bot.BOT_KEYS)


@pytest.mark.parametrize("kind", [*EXPECTATIONS, *read_expect.HEARING.values()])
def test_whatever_can_be_expected_is_judged(kind):
    assert kind in judge._CHECKS or kind in hearing_checks.CHECKS


BASE = """
story: An example of the documents
caller: []
expect: [{ended_by: bot}]
"""


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_example_can_be_read(tmp_path, number):
    text = EXAMPLES[number]
    file = tmp_path / "example.yaml"
    file.write_text(text if text.startswith("story:") else BASE + text, encoding="utf-8")
    try:
        read_story(file)
    except StoryError as error:
        raise AssertionError(f"docs/stories.md has an example with mistakes:\n{error}") from None
    assert story_bot.read_part(file) is not None


@pytest.mark.parametrize(
    "written",
    ["pause: 1s", "once: yes", "knows: Ann", "silent: yes", "fails: authentication", "hears: a, says: b"],
)
def test_a_key_of_the_bots_is_taken_by_the_emulator_and_played_by_the_bot(tmp_path, written):
    file = tmp_path / "example.yaml"
    file.write_text(f"{BASE}bot: [{{does: {{end_call: {{}}}}, {written}}}]\n", encoding="utf-8")
    read_story(file)
    part = story_bot.read_part(file)
    assert part is not None
    assert len(part.rules) == 1


@pytest.mark.parametrize("job", read_bot.OF_LISTS)
def test_the_way_in_which_one_of_a_list_fails_is_taken_and_played(tmp_path, job):
    for way in read_bot.OF_LISTS[job]:
        file = tmp_path / "example.yaml"
        file.write_text(
            f"{BASE}failing: {{{job}: {{openai: {{how: {way}, from: 2, after: 1.5, timed: yes}}}}}}\n"
        )
        read_story(file)
        part = story_bot.read_part(file)
        assert part is not None
        failing = part.of_list(job, "openai")
        assert [failing.now(), failing.now()] == [None, way]
        assert part.of_list(job, "deepgram").now() is None
