"""With any arguments of a model, and any failure of a tool, there is one result, one reply, one event, one farewell."""

import json

import pytest

from calls.states import EndedBy
from conversation.agents.modules import default_tools
from conversation.tools import face
from conversation.tools.arguments import UnusableArguments, arguments_for
from conversation.tools.tool import Tool
from emulator import Digits
from tests import fake_services as fake
from tests.fake_services import endpoint
from tests.hosted import IMPATIENT_AGENT, openai_model
from tests.talking_bot import talking

PRESSES_ONE = (Digits("1#"),)
GOODBYE = fake.calls("end_call", '{"farewell": "Bye."}')


def texts(call, kind):
    return [event.data["text"] for event in call.events if event.kind == kind]


async def called(monkeypatch, tmp_path, *behaviours, script=PRESSES_ONE):
    async with (
        endpoint(*behaviours) as service,
        talking(
            monkeypatch,
            tmp_path,
            "twilio",
            lambda _: [],
            agent=IMPATIENT_AGENT,
            model=lambda: openai_model(service.url),
        ) as bot,
    ):
        await bot.network.call(bot.url, list(script))
    (call,) = bot.store.list()
    used = [event.data for event in call.events if event.kind == "tool"]
    return call, used, service.requests


@pytest.mark.parametrize("arguments", ["null", "[1]", '"bye"', "7", '{"farewell": ["Bye."]}'])
async def test_arguments_that_are_not_usable_are_told_to_the_model_once(monkeypatch, tmp_path, arguments):
    call, used, requests = await called(monkeypatch, tmp_path, fake.calls("end_call", arguments), GOODBYE)
    heard = [text for text in texts(call, "bot_heard") if text != "Wait."]
    assert heard == ["Hello.", "Bye."], "neither a plea nor a second answer"
    assert [str(data["result"]).split(":")[0] for data in used] == ["Not done", "The call is ending."]
    assert [data["ok"] for data in used] == [False, True]
    assert len(requests) == 2
    shown = [made for message in requests[1]["messages"] for made in message.get("tool_calls") or ()]
    given = [json.loads(made["function"]["arguments"]) for made in shown]
    assert [type(each) for each in given] == [dict], (
        "a provider would refuse the conversation with others in it"
    )
    assert call.ended_by is EndedBy.BOT


@pytest.mark.parametrize(
    "arguments", ["{}", '{"farewell": "Bye.", "mood": {"warm": true}}', '{"farewell": null}']
)
async def test_what_is_missing_or_too_much_does_not_matter(monkeypatch, tmp_path, arguments):
    call, used, _ = await called(monkeypatch, tmp_path, fake.calls("end_call", arguments))
    assert texts(call, "bot_heard") == ["Hello.", "Bye."]
    assert len(used) == 1


async def test_a_tool_that_raises_is_one_result_for_the_model(monkeypatch, tmp_path):
    class Broken:
        def __init__(self, *_):
            raise ZeroDivisionError("with the caller's words in it")

    monkeypatch.setattr(face, "MessageBook", Broken)
    taken = fake.calls("take_message", '{"caller_name": "Ann", "message": "Call me."}')
    call, used, requests = await called(
        monkeypatch, tmp_path, taken, fake.words("I could not."), GOODBYE, script=(Digits("1#"), Digits("2#"))
    )
    assert texts(call, "bot_heard") == ["Hello.", "I could not.", "Bye."]
    assert used[0]["result"].startswith("Failed: ZeroDivisionError") and used[0]["ok"] is False
    assert len(requests) == 3


async def test_a_message_and_a_goodbye_in_one_reply(monkeypatch, tmp_path):
    both = fake.calls_both(
        ("take_message", '{"caller_name": "Ann", "message": "Call me."}'),
        ("end_call", '{"farewell": "Bye."}'),
    )
    call, used, requests = await called(monkeypatch, tmp_path, both, fake.words("Anything else?"))
    assert texts(call, "bot_heard") == ["Hello.", "Bye."]
    assert texts(call, "bot_said") == ["Hello.", "Bye."]
    assert {data["name"] for data in used} == {"take_message", "end_call"}
    assert len(requests) == 1


async def test_a_message_that_was_not_taken_keeps_the_goodbye_back(monkeypatch, tmp_path):
    both = fake.calls_both(("take_message", '{"message": ""}'), ("end_call", '{"farewell": "Bye."}'))
    call, _, _ = await called(
        monkeypatch, tmp_path, both, fake.words("What is it?"), GOODBYE, script=(Digits("1#"), Digits("2#"))
    )
    assert texts(call, "bot_heard") == ["Hello.", "What is it?", "Bye."]


async def test_a_goodbye_that_was_written_is_not_said_twice(monkeypatch, tmp_path):
    reply = fake.calls("end_call", '{"farewell": "Goodbye."}', says="Have a nice day, goodbye!")
    call, _, _ = await called(monkeypatch, tmp_path, reply)
    assert texts(call, "bot_heard") == ["Hello.", "Have a nice day, goodbye!"]


async def test_a_call_back_number_that_can_be_none_is_asked_for_again(monkeypatch, tmp_path):
    wrong = fake.calls("take_message", '{"message": "Call me.", "callback_number": "202 555 01433"}')
    right = fake.calls("take_message", '{"message": "Call me.", "callback_number": "202 555 0143"}')
    call, used, _ = await called(
        monkeypatch,
        tmp_path,
        wrong,
        fake.words("Say it again?"),
        right,
        GOODBYE,
        script=(Digits("1#"), Digits("2#")),
    )
    assert used[0]["result"].startswith("Not taken: the call-back number")
    (taken,) = [event.data for event in call.events if event.kind == "message_taken"]
    assert taken["callback_number"] == "202 555 0143"


@pytest.mark.parametrize(
    "given", ["[" * 100_000, '{"farewell":' * 100_000, {"farewell": 10**5000}, '"{}"', b"{}"]
)
def test_what_cannot_be_read_is_told_to_the_model(given):
    with pytest.raises(UnusableArguments):
        arguments_for(Tool.of(default_tools()["end_call"]).schema, given)


def test_half_a_character_is_no_reason_to_lose_a_message():
    given = '{"message": "Call \\ud83d me\\u0000 back."}'
    text = arguments_for(
        Tool.of(default_tools()["take_message"]).schema, given, optional=frozenset({"caller_name"})
    )["message"]
    assert text == "Call ? me  back."
