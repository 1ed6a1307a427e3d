"""Fixed lines of a hosted voice are spoken once and kept; whatever happens to the folder, the voice can be asked."""

import multiprocessing
import os
import resource
from pathlib import Path

import numpy as np
import pytest
from loguru import logger
from pipecat.frames.frames import TTSSpeakFrame

from conversation.agents.agent import Agent
from conversation.ahead.fixed import fixed_lines
from conversation.ahead.line import LEAD_SECS, Damaged, SpokenLine, TimedWord, unpacked
from conversation.ahead.store import LineStore
from conversation.services import build_tts, kept_lines, resolve, speak_ahead
from conversation.services.readiness import _Speaking
from settings import load_settings
from tests import fake_services as fake
from tests.fake_services import endpoint, socket_service
from tests.fake_voices import SPEAKS, cartesia_voice, deepgram_voice, elevenlabs_voice
from tests.hosted import hosted_at

RATE = 8000
PATIENT = {"first_audio_secs": 6.0, "connect_secs": 5.0, "stall_secs": 5.0, "voice_cache_mb": 1}
ABOUT = {"voice": "openai", "text": "Hello."}


def agent(**table) -> Agent:
    return Agent.model_validate({"name": "desk", "greeting": "Hello.", "instructions": "Be kind.", **table})


@pytest.fixture
def logged():
    """The warnings of the test."""
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(line.record["message"]), level="WARNING")
    yield lines
    logger.remove(sink)


def hum(secs: float, rate: int = RATE) -> SpokenLine:
    samples = np.sin(np.arange(round(secs * rate)) * 2 * np.pi * 440 / rate) * 8000
    return SpokenLine(samples.astype(np.int16).tobytes(), rate)


# Which texts are fixed


def test_what_stands_in_the_file_alone_is_fixed():
    who = agent(
        greeting="This is {{ business }}, {{ agent }} speaking.", variables={"business": "Willow Dental"}
    )
    assert fixed_lines(who)[0] == "This is Willow Dental, desk speaking."


@pytest.mark.parametrize(
    "greeting",
    [
        "Hello {{ caller_name }}.",
        "Hello {{ caller_name | default('there') }}.",
        "{% if caller_number %}You called before.{% else %}Hello.{% endif %}",
        "Hello, today is {{ today }}.",
        "It is {{ now.hour }} o'clock.",
        "Hello {{ business }} {{ order['number'] }}.",
        "{% set name = caller_name %}Hello {{ name }}.",
    ],
)
def test_what_a_call_a_caller_or_the_day_decides_is_not(greeting):
    who = agent(greeting=greeting, variables={"business": "Willow"})
    for said in ("Hello there.", "Hello .", "Hello.", "Hello Willow ."):
        assert said not in fixed_lines(who)


def test_lines_about_a_transfer_are_not_as_they_name_a_person():
    lines = fixed_lines(agent())
    assert not any("put you through" in line or "reach" in line for line in lines)
    assert {"Thank you for calling. Goodbye.", "Are you still there?", "One moment."} <= set(lines)


@pytest.mark.parametrize(
    ("announce", "said"), [("before", "We record. Hello."), ("after", "Hello. We record.")]
)
def test_a_greeting_that_announces_a_recording_is_one_line(announce, said):
    recording = {"enabled": True, "announcement": "We record.", "announce": announce}
    assert fixed_lines(agent(recording=recording))[:2] == [said, "Hello."]


def test_a_greeting_that_announces_more_is_one_line_with_and_without_a_recording_that_has_not_begun():
    recording = {"enabled": True, "announcement": "We record.", "announce": "after"}
    monitoring = {"listen": True, "announcement": "We listen."}
    said = fixed_lines(agent(recording=recording, monitoring=monitoring))
    assert said[:3] == ["We listen. Hello. We record.", "We listen. Hello.", "Hello."]
    assert "We listen." not in said


def test_a_greeting_with_an_announcement_of_each_call_is_not_kept_with_it():
    monitoring = {"listen": True, "announcement": "We listen, {{ caller_number }}."}
    assert [line for line in fixed_lines(agent(monitoring=monitoring)) if "Hello" in line] == ["Hello."]


# What is kept of a line


def test_a_line_is_brought_to_the_lines_rate_without_the_silence_before_it():
    quiet = np.zeros(24000 // 2, np.int16).tobytes()
    line = SpokenLine(quiet + hum(1.0, 24000).audio, 24000, (TimedWord("Hello", 0.5, len(quiet)),)).at_rate(
        RATE
    )
    assert line.rate == RATE
    assert line.secs == pytest.approx(1.0 + LEAD_SECS, abs=0.01)
    (word,) = line.words
    assert word.secs == pytest.approx(LEAD_SECS, abs=0.001)
    assert word.at / 2 / RATE == pytest.approx(LEAD_SECS, abs=0.01)


def test_what_was_written_is_read():
    line = SpokenLine(hum(0.2).audio, RATE, (TimedWord("Hé", 0.1, 640, True),))
    assert unpacked(line.packed(ABOUT)) == line


@pytest.mark.parametrize("cut", [0, 1, 20, 400, 3000])
def test_a_file_that_is_not_whole_is_known(cut):
    content = hum(0.2).packed(ABOUT)
    with pytest.raises(Damaged):
        unpacked(content[:cut])


def test_a_file_with_another_byte_is_known():
    content = bytearray(hum(0.2).packed(ABOUT))
    content[-7] ^= 1
    with pytest.raises(Damaged):
        unpacked(bytes(content))


# The folder


def test_the_least_recently_used_go_first(tmp_path):
    store = LineStore(tmp_path / "lines", 70_000)  # four of 16 kB, and their first lines
    for number in range(4):
        store.put(f"k{number}", hum(1.0), ABOUT)
    for age, number in enumerate((1, 2, 3, 0)):
        path = tmp_path / "lines" / f"k{number}.line"
        os.utime(path, (1000 + age, 1000 + age))
    later = LineStore(tmp_path / "lines", 70_000)
    assert later.get("k1") is not None, "what is asked for is used"
    later.put("k4", hum(1.0), ABOUT)
    left = {path.stem for path in (tmp_path / "lines").iterdir()}
    assert left == {"k1", "k3", "k0", "k4"}


def test_what_is_larger_than_the_folder_may_be_is_in_memory_alone(tmp_path):
    store = LineStore(tmp_path / "lines", 10_000)
    store.put("k", hum(1.0), ABOUT)
    assert store.get("k") == hum(1.0)
    assert LineStore(tmp_path / "lines", 10_000).get("k") is None


def test_a_damaged_file_is_said_once_and_removed(tmp_path, logged):
    store = LineStore(tmp_path, 100_000)
    store.put("k", hum(0.5), ABOUT)
    path = tmp_path / "k.line"
    path.write_bytes(path.read_bytes()[:-1])
    later = LineStore(tmp_path, 100_000)
    assert later.get("k") is None
    assert later.get("k") is None
    assert not path.exists()
    assert len([line for line in logged if "damaged" in line]) == 1
    later.put("k", hum(0.5), ABOUT)
    assert LineStore(tmp_path, 100_000).get("k") == hum(0.5)


def test_a_folder_that_cannot_be_written_is_said_once(tmp_path, logged):
    (tmp_path / "lines").write_text("a file where the folder should be")
    store = LineStore(tmp_path / "lines", 100_000)
    for key in ("k1", "k2"):
        store.put(key, hum(0.5), ABOUT)
        assert store.get(key) == hum(0.5), "this process has it all the same"
    assert len([line for line in logged if "cannot be kept" in line]) == 1


def test_a_disk_that_is_full_leaves_no_half_files(tmp_path, logged):
    store = LineStore(tmp_path, 100_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))  # a write fails, as on a full disk
    try:
        store.put("k", hum(0.5), ABOUT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
    assert store.get("k") == hum(0.5)
    assert len([line for line in logged if "cannot be kept" in line]) == 1


def _write_again_and_again(folder: Path, secs: float) -> None:
    store = LineStore(folder, 200_000)
    for _ in range(60):
        store.put("k", hum(secs), ABOUT)


def test_two_processes_that_write_the_same_line_leave_it_whole(tmp_path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_again_and_again, args=(tmp_path, secs)) for secs in (0.5, 0.7)]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        line = LineStore(tmp_path, 200_000).get("k")
        if line is not None:
            seen.add(round(line.secs, 1))
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert seen <= {0.5, 0.7}
    assert seen
    assert [path.name for path in tmp_path.iterdir()] == ["k.line"]


# The voices


async def plain(text: str, _kind: str = "") -> str:
    return text


async def speak(who: Agent, settings) -> tuple[int, str]:
    choice = resolve(who, settings)
    return await speak_ahead(who, lambda: build_tts(choice, who, settings), plain, RATE)


async def test_a_voice_over_http_is_asked_once_for_each_line(tmp_path):
    async with endpoint(fake.audio(0.2)) as service:
        settings = load_settings(openai_base_url=service.url, data_dir=tmp_path, **PATIENT)
        who = agent(services={"tts": "openai"})
        count = len(fixed_lines(who))
        assert await speak(who, settings) == (count, "")
        assert [one["input"] for one in service.requests] == fixed_lines(who)
        assert await speak(who, settings) == (count, "")
        assert len(service.requests) == count
    entries = kept_lines(settings).entries()
    assert {entry.text for entry in entries} == set(fixed_lines(who))
    assert {entry.secs for entry in entries} == {0.2}


async def test_another_voice_another_line(tmp_path):
    async with endpoint(fake.audio(0.2)) as service:
        settings = load_settings(openai_base_url=service.url, data_dir=tmp_path, **PATIENT)
        for voice in ("alloy", "nova"):
            await speak(agent(services={"tts": "openai", "options": {"tts": {"voice": voice}}}), settings)
    assert len(service.requests) == 2 * len(fixed_lines(agent()))


@pytest.mark.parametrize(
    ("vendor", "peer"),
    [("deepgram", deepgram_voice), ("cartesia", cartesia_voice), ("elevenlabs", elevenlabs_voice)],
)
async def test_a_voice_on_a_socket_is_asked_once_for_each_line(monkeypatch, tmp_path, vendor, peer):
    asked: list[str] = []
    async with socket_service(peer(SPEAKS, asked=asked)) as service:
        hosted_at(monkeypatch, "tts", vendor, service.url)
        settings = load_settings(**{f"{vendor}_api_key": "k"}, data_dir=tmp_path, **PATIENT)
        who = agent(services={"tts": vendor})
        lines = fixed_lines(who)
        for _ in range(2):
            assert await speak(who, settings) == (len(lines), "")
    assert [text.strip() for text in asked] == lines


@pytest.mark.parametrize("what", ["500", "cut off", "nothing"])
async def test_a_voice_that_fails_at_start_is_one_line_in_the_log(tmp_path, logged, what):
    ways = {"500": fake.status(500), "cut off": fake.audio_that("close"), "nothing": fake.no_sound()}
    async with endpoint(fake.audio(0.2), ways[what]) as service:
        settings = load_settings(openai_base_url=service.url, data_dir=tmp_path, **PATIENT)
        count, reason = await speak(agent(services={"tts": "openai"}), settings)
    assert count == 1
    assert reason
    assert len(kept_lines(settings).entries()) == 1
    assert len([line for line in logged if "not spoken ahead" in line]) == 1


async def test_half_a_line_of_a_voice_on_a_socket_is_not_kept(monkeypatch, tmp_path):
    async with socket_service(deepgram_voice("aborts in mid-audio")) as service:
        hosted_at(monkeypatch, "tts", "deepgram", service.url)
        settings = load_settings(deepgram_api_key="k", data_dir=tmp_path, **PATIENT)
        count, _ = await speak(agent(services={"tts": "deepgram"}), settings)
    assert count == 0
    assert kept_lines(settings).entries() == []


async def test_what_is_said_to_one_caller_is_never_kept(tmp_path):
    async with endpoint(fake.audio(0.2)) as service:
        settings = load_settings(openai_base_url=service.url, data_dir=tmp_path, **PATIENT)
        who = agent(greeting="Hello {{ caller_name }}.", services={"tts": "openai"})
        voice = build_tts(resolve(who, settings), who, settings)
        async with _Speaking(voice, RATE) as speaking:
            for text in ("Hello Ada Lovelace.", "Your number is 5550143."):
                await speaking._worker.queue_frame(TTSSpeakFrame(text))
            for text in ("One moment.", "Thank you for calling. Goodbye."):
                assert await speaking.speak(text) == ""
    assert len(service.requests) == 4
    kept = {entry.text for entry in kept_lines(settings).entries()}
    assert kept == {"One moment.", "Thank you for calling. Goodbye."}
    assert not any(b"Ada" in path.read_bytes() for path in tmp_path.rglob("*.line"))


async def test_nothing_is_kept_without_room(tmp_path):
    async with endpoint(fake.audio(0.2)) as service:
        given = PATIENT | {"voice_cache_mb": 0}
        settings = load_settings(openai_base_url=service.url, data_dir=tmp_path, **given)
        assert await speak(agent(services={"tts": "openai"}), settings) == (
            0,
            "what this voice says is not kept",
        )
    assert list(tmp_path.iterdir()) == []
