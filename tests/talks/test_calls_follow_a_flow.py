"""A call flow beside an agent's file, over real sockets on both carriers: what the caller hears, and what is kept."""

import asyncio
from types import SimpleNamespace

import pytest
from loguru import logger
from pipecat.frames.frames import LLMContextFrame
from pipecat.services.llm_service import LLMService

from calls.call import Call
from calls.events.talk import FlowNode, FlowState, ToolUsed
from calls.states import EndedBy
from carriers.carrier import Direction
from conversation.agents.files import load_agent
from conversation.flows.kept import Kept
from conversation.local.brain import LocalBrain
from emulator import Colleague, Digits, Wait
from tests.talking_bot import Script, talking

CARRIERS = pytest.mark.parametrize("carrier", ["twilio", "telnyx"])

AGENT = """
greeting = "Pizza?"
instructions = "Answer in one word."
tools = ["end_call", "transfer_call"]
[transfers.desk]
number = "+12025550111"
spoken = "the desk"
ring_timeout_secs = 5
[flow.nodes.start]
say = "Pizza or not?"
[flow.nodes.start.choices.pizza]
label = "a pizza"
key = "1"
[flow.nodes.start.choices.person]
key = "3"
[flow.nodes.size]
say = "Size?"
digits = "take_size"
[flow.nodes.size.choices.nothing]
key = "0"
[flow.nodes.done]
say = "{{ size }} it is."
[flow.nodes.done.choices.enough]
key = "9"
[flow.nodes.desk]
say = "Again?"
[flow.nodes.desk.choices.pizza]
key = "1"
[limits]
max_duration_secs = {max_duration_secs}
notice_secs = {notice_secs}
silence_secs = {silence_secs}
[lines]
goodbye = "Bye."
transfer_announce = "One moment."
transfer_busy = "It is busy."
reconnected = "Back again."
[brain]
tool_failed = "That failed."
not_an_option = "No such key."
menu_intro = "Now."
[dead_air]
filler = ""
way_on = "Say it again?"
"""

WITHOUT_WORDS = AGENT.split("[flow.")[0] + "[limits]" + AGENT.split("[limits]")[1]

FLOW = """
initial_node: start
nodes:
  start:
    role_message: You sell pizza.
    task_messages: [{role: developer, content: Ask whether they want pizza.}]
    functions:
      - {name: pizza, transition_only: true, description: They want a pizza., transition_to: size}
      - {name: person, transition_only: true, description: They want a person., transition_to: desk}
  size:
    task_messages: [{role: developer, content: Ask for the size.}]
    functions:
      - name: take_size
        transition_to: {field: status, cases: {ok: done}}
      - {name: nothing, transition_only: true, description: They want nothing., transition_to: end}
  done:
    context_strategy: reset
    task_messages: [{role: developer, content: "Tell them that {{ size }} is ordered."}]
    functions:
      - {name: enough, transition_only: true, description: That is all., transition_to: end}
  desk:
    pre_actions: [{type: transfer, destination: desk, reason: Pizza}]
    task_messages: [{role: developer, content: Nobody was there.}]
    functions:
      - {name: pizza, transition_only: true, description: They want a pizza., transition_to: size}
  end:
    pre_actions: [{type: end_conversation, text: "Enjoy your {{ size }}."}]
    task_messages: [{role: developer, content: Say goodbye.}]
"""

CODE = '''
import asyncio
from pipecat.flows import TRANSITION_IN_YAML


async def take_size(flow_manager, size: str):
    """Take the size of a pizza.

    Args:
        size: In inches.
    """
    if size == "13":
        raise ValueError("unlucky")
    if size == "14":
        await asyncio.Event().wait()
    if size == "15":
        return "no tuple"
    if size == "16":
        return {"other": 1}, TRANSITION_IN_YAML
    if size == "17":
        return {"status": "ok", "what": object()}, TRANSITION_IN_YAML
    if size == "18":
        return {"status": "ok"}, TRANSITION_IN_YAML  # and nothing in the state, which the next node needs
    flow_manager.state["size"] = size
    return {"status": "ok"}, TRANSITION_IN_YAML
'''


def write(tmp_path, flow=FLOW, code=CODE):
    (tmp_path / "quick.flow.yaml").write_text(flow)
    (tmp_path / "quick.py").write_text(code)


class NoRanker:
    """In these tests callers press keys."""

    def rank(self, text, days=()):
        return []

    def corrected(self, text):
        return None


def brain(tmp_path) -> LLMService:
    return LocalBrain(load_agent("quick", tmp_path), retriever=NoRanker())


def keyless(monkeypatch, tmp_path, carrier="twilio", *, agent=AGENT, **more):
    return talking(
        monkeypatch,
        tmp_path,
        carrier,
        lambda _: [],
        agent=agent,
        model=lambda: brain(tmp_path),
        LLM="local",
        **more,
    )


def heard(call) -> list[str]:
    return [event.data["text"] for event in call.events if event.kind == "bot_heard"]


def nodes(call) -> list[str]:
    return [event.node for event in call.events if isinstance(event, FlowNode)]


async def until(condition) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


@CARRIERS
async def test_without_a_model_keys_lead_through_it_and_the_goodbye_is_heard(monkeypatch, tmp_path, carrier):
    write(tmp_path)
    async with keyless(monkeypatch, tmp_path, carrier) as bot:
        result = await bot.network.call(bot.url, [Digits("1#"), Digits("12#"), Digits("9#")])
    (call,) = bot.store.list()
    assert heard(call) == ["Pizza?", "Size?", "12 it is.", "Enjoy your 12."]
    assert nodes(call) == ["start", "size", "done", "end"]
    assert [event.state for event in call.events if isinstance(event, FlowState)] == [{"size": "12"}]
    assert [(event.name, event.ok) for event in call.events if isinstance(event, ToolUsed)] == [
        ("pizza", True),
        ("take_size", True),
        ("enough", True),
    ]
    assert (call.ended_by, call.end_cause) == (EndedBy.BOT, "the flow has ended")
    assert result.report.goodbye_heard


FAILURES = {
    "13": "failed: ValueError",
    "14": "took longer than 8 s",
    "15": "failed: FlowError",
    "16": "failed: FlowError",
    "17": "failed: TypeError",
    "18": "cannot lead to 'done': its prompts need size",
}


@pytest.mark.parametrize("size", FAILURES)
async def test_a_function_that_fails_is_told_and_the_flow_stays_in_its_node(monkeypatch, tmp_path, size):
    write(tmp_path)
    log = []
    sink = logger.add(log.append, level="ERROR")
    try:
        async with keyless(monkeypatch, tmp_path) as bot:
            await bot.network.call(bot.url, [Digits("1#"), Digits(f"{size}#"), Digits("12#"), Digits("9#")])
    finally:
        logger.remove(sink)
    (call,) = bot.store.list()
    said = [text for text in heard(call) if text != "Thank you for waiting. I'm still working on it."]
    assert said == ["Pizza?", "Size?", "That failed.", "Size?", "12 it is.", "Enjoy your 12."]
    assert nodes(call) == ["start", "size", "done", "end"]
    (failed,) = [event for event in call.events if isinstance(event, ToolUsed) and event.ok is False]
    assert (failed.name, failed.result["status"]) == ("take_size", "error")
    assert FAILURES[size] in "".join(log)
    assert "unlucky" not in "".join(log)


@pytest.mark.parametrize(("carrier", "mode"), [("twilio", ""), ("telnyx", ""), ("telnyx", "call_control")])
async def test_a_caller_whose_stream_was_lost_is_in_the_same_node(monkeypatch, tmp_path, carrier, mode):
    write(tmp_path)
    async with keyless(monkeypatch, tmp_path, carrier) as bot:
        script = [Digits("1#"), Digits("12#"), Wait(7), Digits("9#")]
        calling = asyncio.create_task(bot.network.call(bot.url, script, mode=mode))
        await until(lambda: bot.store.list() and "12 it is." in heard(bot.store.list()[0]))
        (call,) = bot.store.list()
        await bot.lose_streams(call)
        await calling
        await until(lambda: call.is_over)
    assert heard(call) == ["Pizza?", "Size?", "12 it is.", "Back again.", "Enjoy your 12."]
    assert nodes(call) == ["start", "size", "done", "end"]


async def test_a_model_finds_the_node_its_role_and_its_state_on_another_stream(monkeypatch, tmp_path):
    write(tmp_path, FLOW.replace("You sell pizza.", "You sell pizza to {{ caller_number }}."))
    contexts, told, offered = [], [], []
    async with talking(
        monkeypatch, tmp_path, "twilio", model, agent=AGENT, model=lambda: watched(contexts, told, offered)
    ) as bot:
        script = [Digits("1#"), Digits("12#"), Wait(7), Digits("3#")]
        calling = asyncio.create_task(bot.network.call(bot.url, script))
        await until(lambda: bot.store.list() and len(heard(bot.store.list()[0])) == 3)
        (call,) = bot.store.list()
        await bot.lose_streams(call)
        await calling
    assert heard(call)[3] == "Back again."
    assert told[-1].startswith(f"Answer in one word.\n\nYou sell pizza to {call.from_number}.")
    assert offered[-1] == {"end_call", "transfer_call", "enough"}
    (task,) = [
        one["content"] for one in contexts[-1] if one["role"] == "developer" and "Tell" in one["content"]
    ]
    assert task == "Tell them that 12 is ordered."


def watched(contexts: list, told: list, offered: list) -> Script:
    """A model that is watched for what it is told and offered each time."""

    class Watched(Script):
        async def process_frame(self, frame, direction):
            await super().process_frame(frame, direction)
            if isinstance(frame, LLMContextFrame):
                told.append(self._settings.system_instruction)
                offered.append({tool.name for tool in frame.context.tools.standard_tools})

    return Watched(model, contexts)


@CARRIERS
async def test_a_caller_whom_nobody_answers_is_back_in_the_node_of_the_transfer(
    monkeypatch, tmp_path, carrier
):
    write(tmp_path)
    async with keyless(monkeypatch, tmp_path, carrier) as bot:
        script = [Digits("3#"), Wait(8), Digits("1#"), Digits("0#")]
        await bot.network.call(bot.url, script, colleagues=[Colleague("+12025550111", 0.2, "busy")])
    (call,) = bot.store.list()
    assert heard(call) == ["Pizza?", "One moment.", "It is busy.", "Again?", "Size?", "Enjoy your."]
    assert nodes(call) == ["start", "desk", "size", "end"]


async def test_keys_that_mean_nothing_are_said_so_and_the_question_stays(monkeypatch, tmp_path):
    write(tmp_path)
    async with keyless(monkeypatch, tmp_path) as bot:
        await bot.network.call(bot.url, [Digits("7#"), Digits("*"), Digits("1#"), Digits("0#")])
    (call,) = bot.store.list()
    assert heard(call)[:4] == ["Pizza?", "No such key.", "Now.", "Press 1 for a pizza, 3 for person."]
    assert heard(call)[4:] == ["Pizza or not?", "Size?", "Enjoy your."]


def model(words: str) -> list:
    for key, function in {"1#": "pizza", "9#": "enough"}.items():
        if f"DTMF: {key}" in words:
            return [(function, {})]
    if "DTMF" in words:
        return [("take_size", {"size": words.removeprefix("DTMF: ").removesuffix("#")})]
    return ["Well."]


@CARRIERS
async def test_a_model_has_the_nodes_instructions_functions_and_keys_and_the_agents_tools(
    monkeypatch, tmp_path, carrier
):
    write(tmp_path)
    contexts, told, offered = [], [], []
    async with talking(
        monkeypatch, tmp_path, carrier, model, agent=AGENT, model=lambda: watched(contexts, told, offered)
    ) as bot:
        await bot.network.call(bot.url, [Digits("1#"), Digits("12#"), Digits("9#")])
    (call,) = bot.store.list()
    assert heard(call) == ["Pizza?", "Well.", "Well.", "Enjoy your 12."]
    assert nodes(call) == ["start", "size", "done", "end"]
    assert all(one.startswith("Answer in one word.\n\nYou sell pizza.") for one in told)
    assert offered[0] == {"end_call", "transfer_call", "pizza", "person"}
    assert {"end_call", "transfer_call", "enough"} in offered
    first = [message["content"] for message in contexts[0] if message["role"] == "developer"]
    assert first == [
        "Ask whether they want pizza.",
        "Keys that the caller may press here: 1 calls pizza; 3 calls person.",
    ]
    assert "Tell them that 12 is ordered." in str(contexts[-1])
    assert "Ask whether they want pizza." not in str(contexts[-1]), "the node begins the conversation anew"


LAST_WORDS = """
initial_node: start
nodes:
  start:
    task_messages: [{role: developer, content: Ask.}]
    functions:
      - {name: pizza, transition_only: true, description: They want a pizza., transition_to: end}
  end:
    pre_actions: [{type: tts_say, text: "This must be heard by you."}, {type: function, handler: note}]
    task_messages: [{role: developer, content: Say goodbye.}]
    post_actions: [{type: end_conversation}]
"""

NOTE = """
async def note(action, flow_manager):
    flow_manager.state["noted"] = flow_manager.worker.app_resources.agent
    raise ValueError("unlucky")
"""


GOODBYE = """
initial_node: start
nodes:
  start:
    task_messages: []
    functions:
      - {name: pizza, transition_only: true, description: They want a pizza., transition_to: end}
  end:
    pre_actions: [{type: end_conversation, text: "This is a goodbye that takes its time to be heard."}]
    task_messages: []
"""


async def test_a_caller_who_was_lost_in_the_goodbye_hears_it_again(monkeypatch, tmp_path):
    write(tmp_path, GOODBYE, "")
    by_key = f"{WITHOUT_WORDS}\n[flow.nodes.start.choices.pizza]\nkey = '1'\n"
    async with keyless(monkeypatch, tmp_path, agent=by_key) as bot:
        calling = asyncio.create_task(bot.network.call(bot.url, [Digits("1#")]))
        await until(lambda: bot.store.list() and "end" in nodes(bot.store.list()[0]))
        (call,) = bot.store.list()
        await asyncio.sleep(1)
        await bot.lose_streams(call)
        result = await calling
    assert heard(call) == ["Pizza?", "This is a goodbye that takes its time to be heard."]
    assert call.ended_by is EndedBy.BOT
    # The report of the call counts what was lost with the stream as of the last words, as those follow at once. So the
    # carrier's marks tell: all of it was played on the second stream.
    kinds = [event.kind for event in call.events]
    assert kinds.count("attached") == 2
    again = kinds[len(kinds) - kinds[::-1].index("attached") :]
    assert again.index("bot_said") < again.index("bot_heard") < again.index("ended")
    assert result.report.marks_returned and result.report.hangup_after_goodbye_ms is not None


@CARRIERS
async def test_words_and_a_goodbye_are_heard_to_their_end_whatever_the_caller_does(
    monkeypatch, tmp_path, carrier
):
    write(tmp_path, LAST_WORDS, NOTE)

    def goodbye(words):
        return [("pizza", {})] if "DTMF: 1" in words else ["Thank you for calling us."]

    def interrupts(call):
        return [event for event in call.events if event.kind == "interrupted" and event.data["heard"]]

    async with talking(
        monkeypatch,
        tmp_path,
        carrier,
        goodbye,
        agent=WITHOUT_WORDS,
    ) as bot:
        script = [
            Digits("1#"),
            Wait(1),
            Digits("2", after_reply=False),
            Wait(1.5),
            Digits("3", after_reply=False),
        ]
        result = await bot.network.call(bot.url, script)
    (call,) = bot.store.list()
    assert heard(call) == ["Pizza?", "This must be heard by you.", "Thank you for calling us."]
    assert not interrupts(call)
    assert [event.state for event in call.events if isinstance(event, FlowState)] == [{"noted": "quick"}]
    assert (call.ended_by, call.end_cause) == (EndedBy.BOT, "the flow has ended")
    assert result.report.goodbye_heard


async def test_the_state_is_not_written_down_while_the_recording_is_paused():
    call = Call(id="call_1", carrier="twilio", carrier_call_id="CA1", direction=Direction.INBOUND)
    session = SimpleNamespace(call=call, off_the_record=False, record=call.record)
    kept = Kept(session)
    kept.changed({"name": "Ann"})
    session.off_the_record = True
    kept.changed({"name": "Ann", "card": "4111"})
    session.off_the_record = False
    kept.changed({"name": "Ann", "what": object()})
    kept.changed({"name": "Ben", "all": "x" * 70000})
    kept.node("end")
    assert [event.data for event in call.events[-2:]] == [{"state": {"name": "Ann"}}, {"node": "end"}]
    again = Kept(session)
    assert (again.nodes, again.state) == (["end"], {"name": "Ann"})
