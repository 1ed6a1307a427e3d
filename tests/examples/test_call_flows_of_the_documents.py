"""The flow of docs/flows.md is written out as it stands there, loaded, and called without a model and with one."""

import re

import pytest

from conversation.agents.contradictions import contradictions
from conversation.agents.files import agent_names, load_agent
from conversation.local.brain import LocalBrain
from conversation.services import beyond_the_brain
from emulator import Digits
from settings import ROOT, Settings
from tests.talking_bot import talking
from tests.talks.test_calls_follow_a_flow import NoRanker, heard, nodes

PAGE = (ROOT / "docs" / "flows.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`(pizza\.[a-z.]+)`:\n\n```[a-z]+\n(.*?)```", PAGE, flags=re.MULTILINE | re.DOTALL))


def write(folder, name="pizza"):
    for file, text in FILES.items():
        (folder / file.replace("pizza", name)).write_text(text, encoding="utf-8")


def test_it_is_an_agent_without_a_mistake_that_needs_no_model(tmp_path):
    assert set(FILES) == {"pizza.flow.yaml", "pizza.py", "pizza.toml"}
    write(tmp_path)
    agent = load_agent("pizza", tmp_path)
    assert contradictions(agent) == []
    assert beyond_the_brain(agent, Settings(_env_file=None, llm="local")) == []


@pytest.mark.parametrize("name", ["orderline", "intake"])
def test_the_examples_have_no_mistake(name):
    folder = ROOT / "examples" / name
    assert agent_names(folder) == [name]
    assert contradictions(load_agent(name, folder)) == []


async def test_callers_are_led_through_it_by_keys(monkeypatch, tmp_path):
    write(tmp_path, "quick")
    async with talking(
        monkeypatch,
        tmp_path,
        "twilio",
        lambda _: [],
        agent=FILES["pizza.toml"],
        model=lambda: LocalBrain(load_agent("quick", tmp_path), retriever=NoRanker()),
        LLM="local",
    ) as bot:
        result = await bot.network.call(bot.url, [Digits("1#"), Digits("99#"), Digits("12#")])
    (call,) = bot.store.list()
    question = "How many inches? Key them in, and press the hash key."
    assert " ".join(heard(call)) == (
        f"Pizza by phone. Would you like one? {question} {question} A pizza of 12 inches is on its way. Goodbye."
    )
    assert nodes(call) == ["start", "size", "done"]
    assert result.report.goodbye_heard


async def test_a_model_is_led_through_it(monkeypatch, tmp_path):
    write(tmp_path, "quick")

    def answer(words):
        if "DTMF: 1#" in words:
            return [("pizza", {})]
        return [("take_size", {"size": "12"})] if "DTMF" in words else ["Here you are."]

    async with talking(monkeypatch, tmp_path, "telnyx", answer, agent=FILES["pizza.toml"]) as bot:
        result = await bot.network.call(bot.url, [Digits("1#"), Digits("2#")])
    (call,) = bot.store.list()
    assert heard(call)[1:] == ["Here you are.", "Here you are."]
    assert nodes(call) == ["start", "size", "done"]
    assert result.report.goodbye_heard
    assert "Say that a pizza of 12 inches is on its way." in str(bot.contexts[-1])
