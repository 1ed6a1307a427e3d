"""A whole talk over the emulator, with a real server and the scripted model, comes to a recording and a score."""

import wave

import numpy as np
import pytest

from emulator.line.speech import Ears, Voice
from talks.agent_facts import read_agent
from talks.format import Line, Play, Talk
from talks.listening import words_at_the_ear
from talks.parts import prepared
from talks.player import Player
from talks.scoring import score
from talks.scripted_model import ScriptedModel
from talks.stage import AGENTS, staged
from tests.phone_talks.made_up import say


class OneVoice:
    """Speech without what `make talks-voices` makes."""

    def __init__(self):
        self.speech = lambda _, text: self.voice.speak(text)
        self.voice = Voice()

    def sound(self, name):
        raise AssertionError(name)

    def on_line(self, samples, line):
        return samples

    def background(self, line):
        return np.zeros(8000, np.int16)


@pytest.mark.timeout(180)
async def test_a_talk_with_the_scripted_model(tmp_path):
    facts = read_agent("receptionist", [AGENTS])
    turns = [say("Where can I park?", kind="question", topics=["parking"]), say("Thank you, goodbye.")]
    play = Play(Talk("parking", turns, line=Line()), "telnyx", "model")
    told = []
    async with ScriptedModel([facts]) as model:
        services = {"STT": "local", "TTS": "local", **model.environment()}
        async with staged(tmp_path, services) as stage:
            sounds = OneVoice()
            player = Player({"model": stage}, sounds, {"receptionist": facts}, tmp_path / "kept", told.append)
            [recording] = await player.play_all([prepared(play, sounds)], 1)
    evidence = recording.evidence
    evidence.heard = words_at_the_ear(recording.heard, Ears().transcribe, list(evidence.bot))
    found = score(evidence, facts)
    assert (model.refused, model.complaints) == (0, {})
    assert model.requests >= 2 and len(told) == 1
    question, bye = found.lines
    assert question.relevant and not question.wrong_fact and question.words_understood >= 3
    assert 0 < question.response_ms < 15_000
    assert found.ended_well and found.messages_right is None and bye.over is False
    with wave.open(str(tmp_path / "kept" / "parking (telnyx, model).wav")) as kept:
        assert (kept.getnchannels(), kept.getframerate()) == (2, 8000)
        assert kept.getnframes() == len(recording.said) == len(recording.heard)
    assert "bot starts to speak" in (tmp_path / "kept" / "parking (telnyx, model).txt").read_text()
