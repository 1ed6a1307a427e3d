"""In a call, what a model takes to think goes on in the pause that ends the caller's turn, and not after it."""

from calls.events.talk import BotSaid, Responded
from conversation import pipeline
from conversation.turns.ear import Ear
from emulator import Audio, Digits, tone
from tests.fake_ears import deepgram_ears
from tests.fake_services import endpoint, late, socket_service, words
from tests.hosted import IMPATIENT_AGENT, hosted_at, openai_model, socket_ears
from tests.talking_bot import talking
from tests.tone_services import ToneActivity

TOLD = "I lost an umbrella on the train."
THINKS_SECS = 0.4
ANSWER = "Which one?"


async def waits(monkeypatch, tmp_path, agent=IMPATIENT_AGENT, **environment):
    """The stages of the wait for the first answer, what was said, and the requests to the model."""
    monkeypatch.setattr(pipeline, "open_ear", lambda *_, **__: Ear(ToneActivity()))
    patient = {"connect_secs": 5, "first_token_secs": 6, "stall_secs": 5}
    agent = agent.replace("filler_secs = 0.5", "filler_secs = 1.5")
    peer = deepgram_ears(TOLD, "understands")
    async with socket_service(peer) as service, endpoint(late(THINKS_SECS, words(ANSWER))) as model:
        hosted_at(monkeypatch, "stt", "deepgram", service.url)
        async with talking(
            monkeypatch,
            tmp_path,
            "twilio",
            lambda _: [],
            agent=agent,
            ears=lambda: socket_ears("deepgram", **patient),
            model=lambda: openai_model(model.url, **patient),
            **environment,
        ) as bot:
            await bot.network.call(bot.url, [Audio(tone(1200), TOLD), Digits("#")])
            (call,) = bot.store.list()
        requests = [
            [one["content"] for one in body["messages"] if one["role"] == "user"] for body in model.requests
        ]
    first = next(one for one in call.events if isinstance(one, Responded) and one.to == "caller")
    return first.stages, [one.text for one in call.events if isinstance(one, BotSaid)], requests


async def test_the_model_has_thought_when_the_turn_is_over(monkeypatch, tmp_path):
    stages, said, requests = await waits(monkeypatch, tmp_path)
    assert stages.get("end_of_turn", 0) >= 400, "the caller was not waited for"
    assert stages.get("model", 0) <= 200
    assert said[1] == ANSWER
    assert requests[0] == [TOLD]


async def test_an_owner_may_have_it_asked_afterwards(monkeypatch, tmp_path):
    stages, said, requests = await waits(monkeypatch, tmp_path, ASK_AHEAD="false")
    assert stages["model"] >= THINKS_SECS * 1000 * 0.8
    assert said[1] == ANSWER
    assert requests[0] == [TOLD]


async def test_who_may_change_the_language_is_answered_afterwards(monkeypatch, tmp_path):
    agent = f'languages = ["en", "es"]\n{IMPATIENT_AGENT}'
    stages, _, _ = await waits(monkeypatch, tmp_path, agent)
    assert stages["model"] >= THINKS_SECS * 1000 * 0.8
