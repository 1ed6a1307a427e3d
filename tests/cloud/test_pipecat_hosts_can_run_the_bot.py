"""What else Pipecat connects to a bot still works: its eval harness, strangers, its cloud's readiness probe."""

import gc
import time
from types import SimpleNamespace

import pytest
from pipecat.evals.scenario import EvalScenarioFile
from pipecat.evals.script_session import EvalScriptSession

import bot
from conversation.agents.files import choose_agent
from settings import load_settings
from tests.talking_bot import talking

SCENARIO = """
name: reaches_the_bot
scenarios:
  - name: question
    turns:
      - user: "What is your name?"
        expect:
          - event: response
            text_contains: "Robin"
"""


async def test_the_eval_harness_gets_an_answer_over_the_media_socket(monkeypatch, tmp_path):
    def answers(words):
        return [f"Robin heard: {words}"]

    (tmp_path / "scenario.yaml").write_text(SCENARIO)
    (scenario,) = EvalScenarioFile.load(str(tmp_path / "scenario.yaml"))
    async with talking(monkeypatch, tmp_path, "twilio", answers, ALLOW_TOKENLESS_STREAMS="true") as server:
        session = EvalScriptSession.from_scenario(scenario, server.url.replace("http", "ws") + "/ws")
        result = await session.run()
    assert result.passed, result.failures


def test_an_agent_named_by_a_deployment_need_not_exist():
    settings = load_settings()
    assert choose_agent(settings, None, "a-deployment-of-ours").name == settings.agent
    assert choose_agent(settings, "minimal", settings.agent).name == "minimal"
    assert choose_agent(settings, "../../etc/passwd", 7, None).name == settings.agent


async def test_a_socket_of_nobody_known_is_closed_and_not_answered(monkeypatch):
    closed = []

    class Stranger:
        query_params: dict[str, str] = {}
        messages = iter(['{"label": "rtvi-ai", "type": "client-message", "data": {}}'])

        async def receive(self):
            return {"type": "websocket.receive", "text": next(self.messages)}

        async def close(self, code):
            closed.append(code)

    await bot.bot(SimpleNamespace(websocket=Stranger(), body=None, session_id=None, handle_sigint=False))
    assert closed == [bot.POLICY_VIOLATION]


@pytest.mark.parametrize(("environment", "ready"), [({"AGENT": "no-such-agent"}, False)])
def test_a_bot_that_could_not_answer_says_so_to_its_host(monkeypatch, environment, ready):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(bot, "_warm_up", bot._WarmUp())
    deadline = time.monotonic() + 10
    while bot.readyz().get("reason") == "loading" and time.monotonic() < deadline:
        time.sleep(0.05)
    state = bot.readyz()
    assert state["ready"] is ready
    assert "no-such-agent" in state["reason"]


def test_what_a_ready_bot_has_loaded_is_left_out_of_garbage_collections(monkeypatch):
    async def nothing_to_load() -> None:
        return None

    monkeypatch.setattr(bot, "prepare", nothing_to_load)
    monkeypatch.setattr(bot, "_warm_up", bot._WarmUp())
    gc.unfreeze()
    try:
        deadline = time.monotonic() + 10
        while not bot.readyz()["ready"] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert gc.get_freeze_count() > 1000
    finally:
        gc.unfreeze()
