"""After a barge-in the model and the transcript have what the caller heard of the answer, and no more."""

import itertools

import httpx
import pytest

from emulator import Digits, HangUp, Wait
from emulator.legs.stream import MediaStream
from serializers import transport
from tests.talking_bot import API_KEY, MS_PER_CHARACTER, Beeps, talking
from tests.voices import TimedBeeps, ToldAheadBeeps

ONE = "This is the first part."
TWO = "And here comes the second one, which is longer."
THREE = "Nobody hears the third."
CARRIERS = pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
VOICES = pytest.mark.parametrize(
    "voice",
    [
        pytest.param(Beeps, id="a sentence a time"),
        pytest.param(lambda: TimedBeeps(words_first=True), id="timed words before the sound"),
        pytest.param(lambda: TimedBeeps(words_first=False), id="timed words after the sound"),
        pytest.param(ToldAheadBeeps, id="all texts ahead"),
    ],
)
IN_THE_SECOND = Digits("WWw2#", after_reply=False)
"""The first sentence takes 1.4 s, the second 2.8 s."""


def answers(words):
    return [("end_call", {"farewell": "Bye."})] if words.endswith("2#") else [f"{ONE} {TWO} {THREE}"]


def of_the_bot(context):
    return [
        message["content"] for message in context if message["role"] == "assistant" and message.get("content")
    ]


def texts(call, kind):
    return [event.data["text"] for event in call.events if event.kind == kind]


async def turns(bot):
    (call,) = bot.store.list()
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{bot.url}/calls/{call.id}", headers={"Authorization": f"Bearer {API_KEY}"})
    return answer.json()["turns"]


@CARRIERS
@VOICES
async def test_a_barge_in_leaves_what_was_heard(monkeypatch, tmp_path, carrier, voice):
    # A carrier that holds back far more than usual: all of the answer is sent when the caller is in its middle.
    monkeypatch.setattr(transport, "LEAD_SECS", 20)
    async with talking(monkeypatch, tmp_path, carrier, answers, voice=voice) as bot:
        await bot.network.call(bot.url, [Digits("1#"), IN_THE_SECOND])
        shown = await turns(bot)
    (call,) = bot.store.list()
    assert [m["role"] for m in bot.contexts[-1]] == ["system", "assistant", "user", "assistant", "user"]
    greeting, answer = of_the_bot(bot.contexts[-1])
    assert greeting == "Hello."
    assert answer.startswith(ONE)
    assert f"{ONE} {TWO}".startswith(answer)
    assert len(ONE) < len(answer) < len(f"{ONE} {TWO}")

    assert texts(call, "bot_heard")[:2] == ["Hello.", ONE]
    assert shown == [
        {"caller_said": "", "bot_replied": "Hello.", "interrupted": False},
        {"caller_said": "DTMF: 1#", "bot_replied": answer, "interrupted": True},
        {"caller_said": "DTMF: 2#", "bot_replied": "Bye.", "interrupted": False},
    ]


@VOICES
@pytest.mark.parametrize("carrier", ["twilio"])
async def test_an_answer_that_nobody_interrupts_is_kept_whole(monkeypatch, tmp_path, carrier, voice):
    async with talking(monkeypatch, tmp_path, carrier, answers, voice=voice) as bot:
        result = await bot.network.call(bot.url, [Digits("1#"), Digits("2#")])
        shown = await turns(bot)
    assert of_the_bot(bot.contexts[-1]) == ["Hello.", f"{ONE} {TWO} {THREE}"]
    (call,) = bot.store.list()
    heard = [event for event in call.events if event.kind == "bot_heard"]
    assert [event.data["text"] for event in heard] == ["Hello.", ONE, TWO, THREE, "Bye."]
    # Each mark is where its sentence ends, not somewhere behind it.
    for before, after in itertools.pairwise(heard[1:4]):
        secs = len(after.data["text"]) * MS_PER_CHARACTER / 1000
        assert (after.at - before.at).total_seconds() == pytest.approx(secs, abs=0.4)
    assert [turn["interrupted"] for turn in shown] == [False, False, False]
    assert result.report.marks_returned == result.report.marks_sent


async def test_of_a_single_word_that_was_cut_off_nothing_was_heard(monkeypatch, tmp_path):
    def one_word(words):
        return answers(words) if words.endswith("2#") else ["Mississippi" * 5]

    async with talking(monkeypatch, tmp_path, "telnyx", one_word) as bot:
        await bot.network.call(bot.url, [Digits("1#"), Digits("W2#", after_reply=False)])
        shown = await turns(bot)
    assert [m["role"] for m in bot.contexts[-1]] == ["system", "assistant", "user", "user"]
    assert shown[1] == {"caller_said": "DTMF: 1#", "bot_replied": "", "interrupted": True}


async def test_a_turn_of_a_single_key_finds_the_context_mended(monkeypatch, tmp_path):
    """The key interrupts, is a whole turn and asks the model, all in the same moment."""

    def hash_ends(words):
        return answers("2#") if words == "DTMF: #" else [f"{ONE} {TWO} {THREE}"]

    async with talking(monkeypatch, tmp_path, "twilio", hash_ends) as bot:
        await bot.network.call(bot.url, [Digits("1#"), Digits("WWw#", after_reply=False)])
        shown = await turns(bot)
    said = [(m["role"], m["content"]) for m in bot.contexts[-1][1:]]
    assert [role for role, _ in said] == ["assistant", "user", "assistant", "user"]
    assert said[-1] == ("user", "DTMF: #")
    assert said[-2][1].startswith(ONE) and len(said[-2][1]) < len(f"{ONE} {TWO}")
    assert [turn["interrupted"] for turn in shown] == [False, True, False]


async def test_calls_of_tools_and_their_results_outlive_a_barge_in(monkeypatch, tmp_path):
    def takes_message(words):
        if words == "(tool)":
            return [f"{ONE} {TWO} {THREE}"]
        if words.endswith("2#"):
            return answers(words)
        return ["Wait.", ("take_message", {"caller_name": "Ann", "message": "Call me."})]

    async with talking(monkeypatch, tmp_path, "twilio", takes_message) as bot:
        await bot.network.call(bot.url, [Digits("1#"), Digits("WWW2#", after_reply=False)])
    context = bot.contexts[-1]
    (calling,) = [index for index, message in enumerate(context) if message.get("tool_calls")]
    assert context[calling + 1]["role"] == "tool"
    assert context[calling + 1]["tool_call_id"] == context[calling]["tool_calls"][0]["id"]
    assert "taken" in context[calling + 1]["content"]
    *_, last = of_the_bot(context)
    assert last.startswith(ONE) and THREE not in last
    (call,) = bot.store.list()
    tools = [event.data for event in call.events if event.kind == "tool"]
    assert [tool["name"] for tool in tools] == ["take_message", "end_call"]
    assert tools[0]["arguments"] == {"caller_name": "Ann", "message": "Call me."}
    assert "taken" in tools[0]["result"]


@CARRIERS
async def test_a_caller_who_hangs_up_in_the_middle_heard_what_the_marks_say(monkeypatch, tmp_path, carrier):
    monkeypatch.setattr(transport, "LEAD_SECS", 20)
    async with talking(monkeypatch, tmp_path, carrier, answers) as bot:
        await bot.network.call(bot.url, [Digits("1#"), Wait(2.5), HangUp()])
        shown = await turns(bot)
    assert shown[-1] == {"caller_said": "DTMF: 1#", "bot_replied": ONE, "interrupted": True}


@CARRIERS
async def test_a_carrier_that_returns_no_marks_holds_nothing_up(monkeypatch, tmp_path, carrier):
    monkeypatch.setattr(MediaStream, "return_marks", lambda *_: None)

    def short_first(words):
        return [f"{ONE} {THREE}"] if words.endswith("3#") else answers(words)

    async with talking(monkeypatch, tmp_path, carrier, short_first) as bot:
        result = await bot.network.call(bot.url, [Digits("3#"), Wait(7.3), Digits("1#"), IN_THE_SECOND])
        shown = await turns(bot)
    assert result.report.ended_by == "bot"
    # What was said long before the interruption was heard for all that anybody knows.
    greeting, first, second = of_the_bot(bot.contexts[-1])
    assert (greeting, first) == ("Hello.", f"{ONE} {THREE}")
    assert THREE not in second
    # No mark, no receipt: the transcript does not claim it.
    assert THREE not in " ".join(turn["bot_replied"] for turn in shown)


async def test_a_greeting_that_was_cut_off_is_what_was_heard_of_it(monkeypatch, tmp_path):
    (tmp_path / "talkative.toml").write_text(
        f'greeting = "{ONE} {TWO}"\ninstructions = "Be brief."\n[lines]\ngoodbye = "Bye."\n'
    )
    script = [Digits("WWw2#", after_reply=False)]
    async with talking(monkeypatch, tmp_path, "telnyx", answers, AGENT="talkative") as bot:
        await bot.network.call(bot.url, script)
        shown = await turns(bot)
    (greeting,) = of_the_bot(bot.contexts[-1])
    assert shown[0] == {"caller_said": "", "bot_replied": greeting, "interrupted": True}
    assert 0 < len(greeting) < len(f"{ONE} {TWO}")
    assert f"{ONE} {TWO}".startswith(greeting)
