"""How long callers wait is measured by the bot itself, and is what the line has seen."""

import httpx
import pytest

from calls.events.talk import Responded, TurnMeasured
from conversation import pipeline
from conversation.turns.ear import Ear
from emulator import Audio, Digits, tone
from tests.fake_ears import deepgram_ears
from tests.fake_services import endpoint, late, socket_service, words
from tests.hosted import IMPATIENT_AGENT, hosted_at, openai_model, socket_ears
from tests.talking_bot import API_KEY, talking
from tests.tone_services import ToneActivity

SPEECH = Audio(tone(1200), "What are your hours?")
SLOW_MODEL_SECS = 0.6
SLACK_MS = 250
BY_SOUND_MS = 60
"""What is measured by the sound may be off by three stretches in which sound is judged: one at each end, and one of the
emulator's."""


def turns(result):
    """When the caller ended a turn, and when the bot began to speak after it, in milliseconds."""
    entries = result.timeline.entries
    ends = [one.at_ms for one in entries if one.kind == "caller_speech" and "stops" in one.text]
    begins = [one.at_ms for one in entries if one.kind == "bot_speech" and "starts" in one.text]
    return [next((begin for begin in begins if begin > end), None) - end for end in ends]


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_what_the_bot_measures_is_what_the_line_has_seen(monkeypatch, tmp_path, carrier):
    monkeypatch.setattr(pipeline, "open_ear", lambda *_, **__: Ear(ToneActivity()))
    peer = deepgram_ears("what are your hours", "understands")
    answer = late(SLOW_MODEL_SECS, words("We are open from nine to six."))
    patient = {"connect_secs": 5, "first_token_secs": 6, "stall_secs": 5}
    agent = IMPATIENT_AGENT.replace("filler_secs = 0.5", "filler_secs = 1.5")
    async with socket_service(peer) as service, endpoint(answer) as model:
        hosted_at(monkeypatch, "stt", "deepgram", service.url)
        async with talking(
            monkeypatch,
            tmp_path,
            carrier,
            lambda _: [],
            agent=agent,
            ears=lambda: socket_ears("deepgram", **patient),
            model=lambda: openai_model(model.url, **patient),
        ) as bot:
            result = await bot.network.call(bot.url, [SPEECH, SPEECH, Digits("#")])
            (call,) = bot.store.list()
            async with httpx.AsyncClient(headers={"Authorization": f"Bearer {API_KEY}"}) as client:
                told = (await client.get(f"{bot.url}/calls/{call.id}")).json()
    measured = [event for event in call.events if isinstance(event, Responded)]
    seen = turns(result)
    print(seen, [(one.to, one.ms, dict(one.stages)) for one in measured])
    assert measured[0].to == "call"
    of_speech = [one for one in measured if one.to == "caller"][: len(seen)]
    assert len(of_speech) == 2
    for one, wait_ms in zip(of_speech, seen, strict=True):
        assert abs(one.ms - wait_ms) < SLACK_MS
        assert sum(one.stages.values()) == one.ms
        assert one.stages["model"] >= SLOW_MODEL_SECS * 1000 * 0.8
        assert one.stages["end_of_turn"] > 0
    turns_of_bot = [event for event in call.events if isinstance(event, TurnMeasured)]
    print([(one.to, one.response_ms, one.by_sound, one.parts) for one in turns_of_bot])
    assert [one.n for one in turns_of_bot] == list(range(len(measured)))
    of_callers = [one for one in turns_of_bot if one.to == "caller"][: len(seen)]
    for one, wait_ms in zip(of_callers, seen, strict=True):
        assert one.by_sound
        assert abs(one.response_ms - wait_ms) <= BY_SOUND_MS
        assert sum(part["ms"] for part in one.parts) == one.response_ms
        assert all(part["ms"] >= 0 for part in one.parts)
        model = sum(part["ms"] for part in one.parts if part["stage"] == "model")
        assert model >= SLOW_MODEL_SECS * 1000 * 0.8
        owners = {part["stage"]: part["owner"] for part in one.parts if part["kind"] == "service"}
        assert (owners["recogniser"], owners["model"]) == ("DeepgramSTTService", "OpenAILLMService")
        assert one.after_answer_ms > wait_ms
    assert [one["n"] for one in told["turn_times"]] == [one.n for one in turns_of_bot]
    assert told["first_words_ms"] == turns_of_bot[0].after_answer_ms
    figures = told["figures"]
    assert figures["responses"] >= 2
    assert figures["first_sound_ms"] == turns_of_bot[0].response_ms
    assert figures["stages_p50_ms"]["model"] >= SLOW_MODEL_SECS * 1000 * 0.8
    assert {"at", "kind", "to", "ms", "stages"} == set(
        next(event for event in told["events"] if event["kind"] == "responded")
    )
