"""While the brain waits whether the caller goes on, the local voice makes what it will say then."""

import time

import pytest
from pipecat.frames.frames import LLMContextFrame, LLMTextFrame, VADUserStoppedSpeakingFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.tests.utils import run_test

from conversation.local import brain as brains
from conversation.local.brain import LocalBrain
from conversation.local.models import LocalModels
from conversation.local.saying_ahead import SaysAhead
from tests.brain_talk import receptionist, retriever

RATE = 8000


class Slowly(LocalModels):
    """Models with a voice that takes its time, and counts what it was asked for."""

    def __init__(self):
        super().__init__()
        self.rendered = []

    def render(self, sentence, rate):
        time.sleep(0.1)
        self.rendered.append(sentence)
        if sentence in self._fixed:
            self.cache.put(sentence, rate, b"12")
        return b"12"


async def aloud(text):
    return text.replace("5", "five")


async def test_the_first_sentence_is_there_when_it_is_wanted_and_forgotten_with_the_next():
    models = Slowly()
    ahead = SaysAhead(models, aloud, RATE)
    await ahead.prepare("It is 5. The rest can wait.")
    assert models.rendered == ["It is five."]
    assert await models.say("It is five.", RATE) == b"12" and len(models.rendered) == 1
    await ahead.prepare("Something else.")
    assert models.cache.get("It is five.", RATE) is None
    ahead.forget()
    assert len(models.cache) == 0


async def test_what_is_fixed_is_not_forgotten():
    models = Slowly()
    models.keep(["Thank you."])
    ahead = SaysAhead(models, aloud, RATE)
    await ahead.prepare("Thank you. It was a pleasure.")
    ahead.forget()
    assert models.cache.get("Thank you.", RATE) == b"12"


@pytest.mark.parametrize(("words", "made"), [("The blue one over there", True), ("Where are you?", False)])
async def test_the_brain_has_it_made_within_its_wait(words, made, monkeypatch):
    monkeypatch.setattr(brains, "FRAGMENT_SECS", 0.4)
    monkeypatch.setattr(brains, "PATIENCE_SECS", 0.4)
    models = Slowly()
    brain = LocalBrain(receptionist(), retriever=retriever())
    brain.say_ahead(SaysAhead(models, aloud, RATE))
    context = LLMContext([{"role": "user", "content": words}])
    ended = VADUserStoppedSpeakingFrame(stop_secs=0.0)
    down, _ = await run_test(brain, frames_to_send=[ended, LLMContextFrame(context)])
    said = "".join(frame.text for frame in down if isinstance(frame, LLMTextFrame))
    assert said and models.rendered == ([said.split("? ")[0].split(". ")[0] + "."] if made else [])


async def test_a_voice_that_fails_does_not_take_the_answer_away():
    class Broken(LocalModels):
        def render(self, sentence, rate):
            raise RuntimeError("no voice")

    ahead = SaysAhead(Broken(), aloud, RATE)
    await ahead.prepare("Thank you.")
    ahead.forget()
