"""A voice is told what its agent is, also where Pipecat has something to add of tools that go on beside the talk."""

from emulator import HangUp, Wait
from tests.fake_realtime import RealtimeModel
from tests.talks.test_a_speech_to_speech_model_talks import answers, calling


async def test_the_agents_instructions_reach_a_model_with_a_tool_that_outlives_interruptions(
    monkeypatch, tmp_path
):
    model = RealtimeModel(answers)
    async with calling(monkeypatch, tmp_path, "twilio", model) as bot:
        await bot.network.call(bot.url, [Wait(2), HangUp()])
    assert "transfer_call" in str(model.session["tools"])
    assert model.session["instructions"].startswith("Answer in one word.")
