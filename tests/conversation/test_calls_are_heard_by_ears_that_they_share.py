"""The detector of speech that all calls of a process share hears each of them as Pipecat's own would."""

import asyncio
import threading
import time
import wave
from pathlib import Path

import numpy as np
import pytest
import soxr
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams, VADState
from pipecat.frames.frames import VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame

from conversation.turns import ear as ear_module
from conversation.turns import ears as ears_module
from conversation.turns.detectors import PHONE_VAD
from conversation.turns.ear import CallerGoesOnFrame, CallerPausesFrame
from conversation.turns.ears import SharedEar, ears_of

PIECE_SECS = 0.02


@pytest.fixture(autouse=True)
def _a_machine_that_has_more_to_do_is_not_taken_for_a_slow_model(monkeypatch):
    monkeypatch.setattr(ears_module, "SLOW_SECS", 60.0)
    monkeypatch.setattr(ears_module, "AT_ONCE_SECS", 60.0)


def recording(name: str, rate: int, secs: float = 12.0) -> bytes:
    """The beginning of a recording of a person, between pauses, as a quiet line carries it."""
    moonshine = pytest.importorskip("moonshine_voice", reason="the local stack is not installed: make setup")
    with wave.open(str(Path(moonshine.__file__).parent / "assets" / f"{name}.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)[:: file.getnchannels()]
        of = file.getframerate()
    speech = soxr.resample(samples[: round(secs * of)].astype(np.float32), of, rate)
    line = np.random.default_rng(1).normal(0, 8, round((secs + 3) * rate))  # -72 dB
    line[rate : rate + len(speech)] += speech
    return np.clip(line, -32768, 32767).astype(np.int16).tobytes()


RECORDINGS = ("two_cities", "beckett", "endgame_nagg_nell")


def pieces(pcm: bytes, rate: int) -> list[bytes]:
    size = 2 * round(rate * PIECE_SECS)
    return [pcm[at : at + size] for at in range(0, len(pcm) - size + 1, size)]


def states_of_pipecat(pcm: bytes, rate: int, params: VADParams, *, smoothed: bool = False) -> list[str]:
    """What Pipecat's analyzer and its controller report, a piece at a time: "12.34 started" and so on."""
    analyzer = SileroVADAnalyzer(sample_rate=rate, params=params)
    analyzer.set_sample_rate(rate)
    if not smoothed:
        analyzer._smoothing_factor = 1.0
    told, before = [], VADState.QUIET
    for place, piece in enumerate(pieces(pcm, rate)):
        state = analyzer._run_analyzer(piece)
        if state in (VADState.SPEAKING, VADState.QUIET) and state is not before:
            before = state
            told.append(f"{(place + 1) * PIECE_SECS:.2f} {state.name}")
    return told


class Listener:
    """Notes what an ear tells, and after which piece."""

    def __init__(self, params: VADParams = PHONE_VAD) -> None:
        self.ear = SharedEar(params)
        self.place = 0
        self.frames: list = []
        self.told: list[str] = []
        self.pauses: list[str] = []

    def begin(self, rate: int) -> None:
        self.ear.begin(rate, self._tell)

    def _tell(self, frame) -> None:
        self.frames.append(frame)
        secs = f"{self.place * PIECE_SECS:.2f}"
        if isinstance(frame, VADUserStartedSpeakingFrame):
            self.told.append(f"{secs} SPEAKING")
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            self.told.append(f"{secs} QUIET")
        else:
            self.pauses.append(f"{secs} {type(frame).__name__}")


async def hear(listeners, sounds, rate) -> None:
    """Let each listener hear its sound, all at the same pace."""
    for one in listeners:
        one.begin(rate)
    for all_at_once in zip(*(pieces(sound, rate) for sound in sounds), strict=False):
        for one, piece in zip(listeners, all_at_once, strict=True):
            one.place += 1
            one.ear.hear(piece)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    for one in listeners:
        one.ear.close()


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("params", [PHONE_VAD, VADParams()], ids=["phone", "pipecat"])
async def test_it_reports_what_pipecats_analyzer_reports_with_the_loudness_as_it_is(rate, params):
    sounds = [recording(name, rate) for name in RECORDINGS]
    listeners = [Listener(params) for _ in sounds]
    await hear(listeners, sounds, rate)
    for one, sound in zip(listeners, sounds, strict=True):
        expected = states_of_pipecat(sound, rate, params)
        assert len(expected) >= 4
        assert one.told == expected


async def test_speech_after_silence_is_heard_no_later_than_with_a_smoothed_loudness():
    sound = recording("two_cities", 8000)
    one = Listener()
    await hear([one], [sound], 8000)
    first, smoothed = one.told[0], states_of_pipecat(sound, 8000, PHONE_VAD, smoothed=True)[0]
    assert float(first.split()[0]) <= float(smoothed.split()[0])


async def test_many_calls_at_once_are_heard_as_if_each_were_alone(monkeypatch):
    monkeypatch.setattr(ears_module, "TICK_SECS", 0.0)
    sounds = [recording(name, 8000)[: 16000 * (5 + place)] for place in range(4) for name in RECORDINGS]
    alone = []
    for sound in sounds:
        one = Listener()
        await hear([one], [sound], 8000)
        alone.append(one.told)
    together = [Listener() for _ in sounds]
    sizes = []
    ask = ears_module.Ears._ask

    def noted(self, sound, states):
        sizes.append(len(sound))
        return ask(self, sound, states)

    monkeypatch.setattr(ears_module.Ears, "_ask", noted)
    longest = max(map(len, sounds))
    await hear(together, [sound.ljust(longest, b"\0") for sound in sounds], 8000)
    assert max(sizes) > 6
    for one, sound, expected in zip(together, sounds, alone, strict=True):
        heard = [told for told in one.told if float(told.split()[0]) <= len(sound) / 16000]
        assert heard == expected


async def test_a_pause_is_told_before_the_end_of_speech_and_taken_back_when_speech_goes_on():
    one = Listener()
    await hear([one], [recording("endgame_nagg_nell", 8000)], 8000)
    kinds = [type(frame) for frame in one.frames]
    assert CallerGoesOnFrame in kinds
    for place, kind in enumerate(kinds):
        if kind in (CallerGoesOnFrame, VADUserStoppedSpeakingFrame):
            assert kinds[place - 1] is CallerPausesFrame
    ends = [place for place, kind in enumerate(kinds) if kind is VADUserStoppedSpeakingFrame]
    for end in ends:
        assert one.frames[end - 1].rest_secs == pytest.approx(0.064)


async def test_a_muted_call_is_not_heard_and_goes_on_as_it_was():
    sound = recording("two_cities", 8000)
    one = Listener()
    one.begin(8000)
    one.ear.mute(True)
    for piece in pieces(sound, 8000):
        one.ear.hear(piece)
    await asyncio.sleep(0.01)
    assert one.told == []
    one.ear.mute(False)
    for piece in pieces(sound, 8000):
        one.ear.hear(piece)
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    assert [told.split()[1] for told in one.told] == [
        told.split()[1] for told in states_of_pipecat(sound, 8000, PHONE_VAD)
    ]
    one.ear.close()


async def test_speech_ends_when_no_more_sound_comes(monkeypatch):
    monkeypatch.setattr(ear_module, "IDLE_SECS", 0.2)
    sound = recording("two_cities", 8000)
    begins = float(states_of_pipecat(sound, 8000, PHONE_VAD)[0].split()[0])
    one = Listener()
    one.begin(8000)
    for piece in pieces(sound, 8000)[: round((begins + 0.1) / PIECE_SECS)]:
        one.ear.hear(piece)
    await asyncio.sleep(0.1)
    assert [told.split()[1] for told in one.told] == ["SPEAKING"]
    await asyncio.sleep(0.3)
    assert [told.split()[1] for told in one.told] == ["SPEAKING", "QUIET"]
    one.ear.close()


async def test_sound_that_comes_late_and_all_at_once_is_heard_in_its_order():
    sound = recording("two_cities", 8000)
    one = Listener()
    one.begin(8000)
    for at in range(0, len(sound), 16000):  # a second each
        one.ear.hear(sound[at : at + 16000])
        for _ in range(5):
            await asyncio.sleep(0.005)
    expected = [told.split()[1] for told in states_of_pipecat(sound, 8000, PHONE_VAD)]
    assert [told.split()[1] for told in one.told] == expected
    one.ear.close()


async def test_a_call_that_cannot_be_judged_harms_no_other(monkeypatch):
    sound = recording("two_cities", 8000)
    whole, ask = Listener(), ears_module.Ears._ask
    await hear([whole], [sound], 8000)

    def fails_for_the_loud_one(self, sound, states):
        if np.abs(sound).max() > 0.999:
            raise RuntimeError("cannot be judged")
        return ask(self, sound, states)

    monkeypatch.setattr(ears_module.Ears, "_ask", fails_for_the_loud_one)
    spoilt = np.full(len(sound) // 2, -32768, np.int16).tobytes()
    good, bad = Listener(), Listener()
    await hear([good, bad], [sound, spoilt], 8000)
    assert good.told == whole.told
    assert bad.told == []


async def test_one_whose_listener_fails_harms_no_other():
    sound = recording("two_cities", 8000)
    good, bad = Listener(), Listener()

    def fails(frame):
        raise RuntimeError("no ear for this")

    bad._tell = fails
    await hear([bad, good], [sound, sound], 8000)
    assert good.told == states_of_pipecat(sound, 8000, PHONE_VAD)


async def test_a_model_that_takes_long_does_not_hold_up_the_loop(monkeypatch):
    monkeypatch.setattr(ears_module, "SLOW_SECS", 0.25)
    sound = recording("two_cities", 8000)
    ask, in_thread, slow = ears_module.Ears._ask, [], [True]

    def takes_long(self, sound, states):
        in_thread.append(threading.current_thread() is not threading.main_thread())
        if slow[0]:
            time.sleep(0.3)
        return ask(self, sound, states)

    monkeypatch.setattr(ears_module.Ears, "_ask", takes_long)
    one = Listener()
    one.begin(8000)
    for piece in pieces(sound, 8000)[:20]:
        one.ear.hear(piece)
    await asyncio.sleep(0.01)
    longest = 0.0
    for _ in range(50):
        began = time.monotonic()
        await asyncio.sleep(0.005)
        longest = max(longest, time.monotonic() - began)
    slow[0] = False
    assert longest < 0.25
    assert in_thread[0] is False
    assert in_thread[1] is True
    for _ in range(100):
        await asyncio.sleep(0.01)
    one.ear.hear(pieces(sound, 8000)[0] * 2)
    await asyncio.sleep(0.01)
    assert in_thread[-1] is False  # it is quick again
    one.ear.close()


async def test_calls_come_and_go_in_the_middle_of_a_batch_and_leave_their_places():
    sound = pieces(recording("two_cities", 8000), 8000)
    shared = ears_of(asyncio.get_running_loop(), 8000)
    expected = Listener()
    await hear([expected], [b"".join(sound)], 8000)
    stays = Listener()
    stays.begin(8000)
    rows = set()
    for place, piece in enumerate(sound):
        comes = Listener()
        comes.begin(8000)
        rows.add(comes.ear.row)
        comes.ear.hear(sound[-place - 1] * 3)
        stays.place += 1
        stays.ear.hear(piece)
        if place % 2:
            await asyncio.sleep(0)
        comes.ear.close()
        await asyncio.sleep(0)
        assert not comes.told
    stays.ear.close()
    assert stays.told == expected.told
    assert len(rows) < 8
    assert shared._calls == 0
    assert not shared._waiting


async def test_two_hundred_calls_begin_within_a_moment():
    sound = pieces(recording("two_cities", 8000), 8000)
    calls = [Listener() for _ in range(200)]
    began = time.monotonic()
    threads = threading.active_count()
    for one in calls:
        one.begin(8000)
    assert time.monotonic() - began < 1.0
    for piece in sound[50:100]:
        for one in calls:
            one.ear.hear(piece)
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    assert {tuple(one.told) for one in calls} == {tuple(calls[0].told)}
    assert threading.active_count() <= threads + 1
    for one in calls:
        one.ear.close()


def test_another_loop_has_ears_of_its_own():
    async def hears() -> list[str]:
        one = Listener()
        await hear([one], [recording("two_cities", 8000)], 8000)
        return one.told

    first, second = asyncio.run(hears()), asyncio.run(hears())
    assert first == second != []


def test_every_attribute_of_pipecats_analyzer_is_there():
    own = set(vars(SharedEar()._analyzer))
    assert own - set(vars(SileroVADAnalyzer())) == {"confidence", "_behind"}
    assert set(vars(SileroVADAnalyzer())) <= own


async def test_what_a_caller_says_ends_though_somebody_talks_on_behind_them():
    """A caller says two sentences, in a room in which somebody reads aloud all the time, 14 dB softer."""
    rate = 8000
    caller = np.frombuffer(recording("two_cities", rate, 3.0), np.int16).astype(np.float32)
    behind = np.frombuffer(recording("beckett", rate, 12.0), np.int16).astype(np.float32)[rate : rate * 12]
    behind *= np.abs(caller).std() / np.abs(behind).std() * 10 ** (-14 / 20)
    sound = np.tile(behind, 2)
    for at in (1.0, 12.0):
        begin = round(at * rate)
        sound[begin : begin + len(caller)] += caller
    ends = round(at * rate) + len(caller) - 2 * rate
    one = Listener()
    await hear([one], [np.clip(sound, -32768, 32767).astype(np.int16).tobytes()], rate)
    last = [float(told.split()[0]) for told in one.told if told.endswith("QUIET")]
    assert any(ends / rate < secs < ends / rate + 1.0 for secs in last), one.told
    by_pipecat = states_of_pipecat(np.clip(sound, -32768, 32767).astype(np.int16).tobytes(), rate, PHONE_VAD)
    assert one.told != by_pipecat
