"""What an owner writes in `NAME.py` works in a whole call, and does no harm when it does not."""

import pytest

from conversation.agents.files import load_agent
from conversation.local.brain import LocalBrain
from emulator import Digits, HangUp, Wait
from tests.talking_bot import QUICK_AGENT, talking

AGENT = QUICK_AGENT.replace('tools = ["end_call", "take_message", "transfer_call", "send_digits"]\n', "")
CODE = '''
import asyncio
import json
import pathlib

from pipecat.adapters.llm.schemas.direct_function import tool_options
from pipecat.frames.frames import Frame, TTSSpeakFrame, TextFrame
from pipecat.processors.frame_processor import FrameProcessor

from conversation.public import done, filler, not_done

SEEN = pathlib.Path(__file__).with_name("seen")


def see(*what):
    with SEEN.open("a") as seen:
        seen.write(json.dumps(what) + "\\n")


async def order(params, cake: str, pieces: int, names: list[str] = []):
    """Order a cake."""
    session = params.app_resources
    see("order", cake, pieces, names, session.call.direction, session.call.state, session.variables["direction"])
    session.variables["cake"] = cake
    return {"number": 7, "cake": cake}


async def remember(params):
    """Keep something with the call and the caller."""
    store = params.app_resources.store
    before = [await store.call.get("n", 0), await store.caller.get("n", 0)]
    await store.call.set("n", before[0] + 1)
    await store.caller.set("n", before[1] + 1)
    return before


async def by_callback(params):
    """Give the result as Pipecat's functions do, and another one too late."""
    await params.result_callback({"first": 1})
    await params.result_callback({"second": 2})
    return "third"


async def refuse(params):
    """Say no."""
    return not_done("There is no more cake.")


async def raise_it(params):
    """Fail."""
    raise RuntimeError("with the caller's words")


@filler("Let me look, {{ agent }}.")
async def look(params):
    """Take long."""
    await asyncio.sleep(3)
    return done("Found.")


@tool_options(timeout_secs=2.5)
async def hang(params):
    """Never end."""
    try:
        await asyncio.sleep(100)
    finally:
        see("hang was stopped")


async def odd(params):
    """Give what no JSON can hold."""
    value = [object(), float("nan"), {1, 2}]
    value.append(value)
    return value


async def bye(params):
    """Say goodbye."""
    await params.app_resources.finish("See you.")


async def people(params):
    """Put the caller through."""
    reached = await params.app_resources.transfer("desk", "cake")
    return not_done(reached.outcome) if reached else "gone"


async def on_call_start(session):
    see("start", session.call.direction)
    session.variables["greeted"] = "yes"


async def on_turn(session, who, text):
    see("turn", who, text)
    if who == "caller" and "9" in text:
        raise ValueError(text)


async def on_call_end(session):
    see("end", session.call.state)


class Louder(FrameProcessor):
    async def process_frame(self, frame: Frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSSpeakFrame | TextFrame):
            see("before_tts", frame.text)
        await self.push_frame(frame, direction)


def processors(session):
    return {"before_tts": [Louder()], "nowhere": [Louder()], "after_stt": ["no processor"]}


def services(session):
    return {"stt": "no service"}
'''


async def placed(
    monkeypatch, tmp_path, answers, script, *, agent=AGENT, people=(), carrier="twilio", code=CODE
):
    (tmp_path / "quick.py").write_text(code)
    async with talking(monkeypatch, tmp_path, carrier, answers, agent=agent) as bot:
        for person in people:
            bot.network.add_person(person)
        await bot.network.call(bot.url, list(script))
    (call,) = bot.store.list()
    seen = (tmp_path / "seen").read_text().splitlines() if (tmp_path / "seen").exists() else []
    return call, bot, [line.replace('"', "'") for line in seen]


def heard(call):
    return [event.data["text"] for event in call.events if event.kind == "bot_heard"]


def used(call):
    return [
        (one.data["name"], one.data["result"], one.data["ok"]) for one in call.events if one.kind == "tool"
    ]


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_a_call_with_own_tools_and_hooks(monkeypatch, tmp_path, carrier):
    def answers(words):
        if "1" in words:
            return [("order", {"cake": "apple", "pieces": "2", "names": ["Ann"]})]
        if "tool" in words:
            return ["It is ordered."]
        return [("bye", {})]

    greeting = AGENT.replace('"Hello."', '"Hello{{ greeted }}."')
    call, _, seen = await placed(
        monkeypatch, tmp_path, answers, [Digits("1#"), Digits("9#")], agent=greeting, carrier=carrier
    )
    assert heard(call) == ["Helloyes.", "It is ordered.", "See you."]
    assert used(call) == [("order", {"number": 7, "cake": "apple"}, True), ("bye", "Done.", True)]
    assert "['order', 'apple', 2, ['Ann'], 'inbound', 'in_progress', 'inbound']" in seen
    assert seen[0] == "['start', 'inbound']" and seen[-1] == "['end', 'completed']"
    turns = [line for line in seen if line.startswith("['turn'")]
    assert turns == [
        "['turn', 'bot', 'Helloyes.']",
        "['turn', 'caller', 'DTMF: 1#']",
        "['turn', 'bot', 'It is ordered.']",
        "['turn', 'caller', 'DTMF: 9#']",
        "['turn', 'bot', 'See you.']",
    ]
    assert "['before_tts', 'It is ordered.']" in seen
    assert call.ended_by == "bot"


@pytest.mark.parametrize(
    ("tool", "arguments", "told", "ok"),
    [
        ("by_callback", {}, {"first": 1}, True),
        ("refuse", {}, "There is no more cake.", False),
        ("raise_it", {}, "Failed: RuntimeError. Tell the caller, and offer another way.", False),
        ("hang", {}, "Failed: it took too long. Tell the caller, and offer another way.", False),
        ("odd", {}, "a list that cannot be written as JSON", True),
        (
            "order",
            {"cake": "apple"},
            "Not done: pieces is missing. Call it again, with arguments as its description has them.",
            False,
        ),
        (
            "order",
            {"cake": "apple", "pieces": "many"},
            "Not done: pieces must be a whole number. Call it again, with arguments as its description has them.",
            False,
        ),
        (
            "order",
            {"cake": "apple", "pieces": 2, "names": [7]},
            "Not done: names[0] must be a text. Call it again, with arguments as its description has them.",
            False,
        ),
    ],
)
async def test_a_tool_has_one_result_whatever_happens(monkeypatch, tmp_path, tool, arguments, told, ok):
    def answers(words):
        return [(tool, arguments)] if "1" in words else ["So it is."] if "tool" in words else []

    call, _, seen = await placed(monkeypatch, tmp_path, answers, [Digits("1#"), Wait(4.5), HangUp()])
    assert used(call) == [(tool, told, ok)]
    assert heard(call)[-1] == "So it is."
    if tool == "hang":
        assert "['hang was stopped']" in seen
        assert "One moment." in heard(call), "the agent's filler"


async def test_what_is_kept_with_a_caller_is_there_on_the_next_call(monkeypatch, tmp_path):
    def answers(words):
        return (
            [("remember", {})] if "1" in words or "2" in words else [] if "tool" in words else [("bye", {})]
        )

    (tmp_path / "quick.py").write_text(CODE)
    async with talking(monkeypatch, tmp_path, "twilio", answers, agent=AGENT) as bot:
        for _ in range(2):
            await bot.network.call(bot.url, [Digits("1#"), Wait(0.5), Digits("2#"), Wait(0.5), Digits("9#")])
    told = [[result for name, result, _ in used(call) if name == "remember"] for call in bot.store.list()]
    assert sorted(told) == [[[0, 0], [1, 1]], [[0, 2], [1, 3]]]


async def test_a_caller_who_waits_for_a_tool_hears_its_filler(monkeypatch, tmp_path):
    def answers(words):
        return [("look", {})] if "1" in words else ["So it is."] if "tool" in words else []

    call, _, _ = await placed(monkeypatch, tmp_path, answers, [Digits("1#"), Wait(4.5), HangUp()])
    assert heard(call) == ["Hello.", "Let me look, quick.", "So it is."]
    noticed = [event.data for event in call.events if event.kind == "dead_air"]
    assert [(one["stage"], one["cause"]) for one in noticed] == [("filler", "tool_slow")]
    assert 1.5 <= noticed[0]["silent_secs"] < 2.5


async def test_the_local_brain_calls_an_own_tool_from_the_menu(monkeypatch, tmp_path):
    class NothingKnown:
        def rank(self, text, days=()):
            return []

        def corrected(self, text):
            return None

    menu = AGENT + '[menu.1]\nlabel = "the look"\ntool = "look"\n[menu.2]\nlabel = "no"\ntool = "raise_it"\n'

    def brain():
        return LocalBrain(load_agent("quick", tmp_path), retriever=NothingKnown())

    (tmp_path / "quick.py").write_text(CODE)
    async with talking(monkeypatch, tmp_path, "twilio", lambda _: [], agent=menu, model=brain) as bot:
        await bot.network.call(bot.url, [Digits("1#"), Digits("2#"), Wait(4.5), HangUp()])
    (call,) = bot.store.list()
    assert heard(call) == [
        "Hello.",
        "Let me look, quick.",
        "Found.",
        "Is there anything else I can help with?",
        "I'm sorry, that did not work.",
        "Is there anything else I can help with?",
    ]
