"""The scripted model is one to OpenAI's own client, answers by what it was sent, and refuses what OpenAI refuses."""

import asyncio
import json

import openai
import pytest

from talks.agent_facts import AgentFacts, read_agent
from talks.scripted_model import KEY, ScriptedModel
from talks.stage import AGENTS

FACTS = read_agent("receptionist", [AGENTS])
KNOWN = "\n".join(f"- {topic}: {answer}" for topic, answer in FACTS.facts.items())
TOLD = {"role": "system", "content": f"You answer the telephone.\n{KNOWN}"}
TOOLS = [
    {
        "type": "function",
        "function": {"name": "end_call", "parameters": {"type": "object", "properties": {}}},
    },
    {
        "type": "function",
        "function": {
            "name": "transfer_call",
            "parameters": {
                "type": "object",
                "properties": {"destination": {"type": "string", "enum": ["front-desk", "billing"]}},
            },
        },
    },
    {
        "type": "function",
        "function": {"name": "take_message", "parameters": {"type": "object", "properties": {}}},
    },
]


@pytest.fixture
async def model():
    async with ScriptedModel([FACTS, AgentFacts({"x": "y"})], first_token_secs=0.0) as one:
        yield one


def client(model, key=KEY):
    return openai.AsyncOpenAI(api_key=key, base_url=model.base_url, max_retries=0)


async def streamed(model, messages, tools=TOOLS):
    """What OpenAI's client makes of a streamed answer: its words, and the tool with its arguments."""
    async with client(model) as one:
        words, name, arguments, reason, usage = "", None, "", None, None
        stream = await one.chat.completions.create(
            model="any", messages=messages, tools=tools, stream=True, stream_options={"include_usage": True}
        )
        async for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                words += choice.delta.content or ""
                for call in choice.delta.tool_calls or []:
                    name = call.function.name or name
                    arguments += call.function.arguments or ""
                reason = choice.finish_reason or reason
    assert usage is not None and usage.total_tokens > 0
    assert reason == ("tool_calls" if name else "stop")
    return words, name, json.loads(arguments) if arguments else None


def talk(*texts):
    """A talk so far: the caller's and the model's texts by turns, the caller first."""
    roles = ("user", "assistant")
    return [TOLD, *({"role": roles[place % 2], "content": text} for place, text in enumerate(texts))]


async def test_a_question_is_answered_with_the_fact_that_was_sent(model):
    words, tool, _ = await streamed(model, talk("What are your opening hours?"))
    assert words == FACTS.facts["our opening hours"] and tool is None
    assert model.complaints == {}


async def test_a_fact_that_was_not_sent_is_not_known(model):
    messages = [{"role": "system", "content": "You answer the telephone."}, *talk("Where can I park?")[1:]]
    words, _, _ = await streamed(model, messages)
    assert "Mill Street" not in words and "don't know" in words


async def test_two_questions_get_two_answers(model):
    words, _, _ = await streamed(model, talk("Where can I park, and how can I pay?"))
    assert FACTS.facts["parking"] in words and FACTS.facts["paying"] in words


async def test_an_unknown_thing_is_not_made_up(model):
    words, _, _ = await streamed(model, talk("Who won the world cup in nineteen sixty six?"))
    assert "message" in words


async def test_a_message_is_collected_read_back_and_taken(model):
    said = ["I'd like to leave a message.", "My name is Ann Miller.", "202 555", "0143", "About my crown."]
    texts = []
    for text in said:
        texts.append(text)
        words, tool, _ = await streamed(model, talk(*texts))
        assert tool is None
        texts.append(words)
    assert "Ann Miller" in words and "two zero two five five five zero one four three" in words
    _, tool, arguments = await streamed(model, talk(*texts, "Yes."))
    assert (tool, arguments) == (
        "take_message",
        {"caller_name": "Ann Miller", "callback_number": "2025550143", "message": "About my crown."},
    )
    _, tool, arguments = await streamed(model, talk(*texts, "No, the number is 202 555 0199.", "?", "Yes."))
    assert (tool, arguments["callback_number"]) == ("take_message", "2025550199")


async def test_a_message_for_the_number_that_calls_is_taken_without_one(model):
    texts = [
        "Please take a message.",
        "?",
        "Ann.",
        "?",
        "This number is good.",
        "?",
        "My crown is loose.",
        "?",
        "Yes.",
    ]
    _, tool, arguments = await streamed(model, talk(*texts))
    assert tool == "take_message"
    assert arguments == {"caller_name": "Ann", "callback_number": "", "message": "My crown is loose."}


async def test_what_is_no_name_and_no_number_is_not_taken_for_one(model):
    words, _, _ = await streamed(model, talk("I want to leave a message.", "?", "Yeah, so."))
    assert "name" in words
    words, _, _ = await streamed(
        model, talk("Take a message.", "?", "Ann.", "?", "Ask them to call me about my invoice.")
    )
    assert "number" in words
    words, tool, _ = await streamed(model, talk("Take a message.", "?", "Please don't send it, never mind."))
    assert "anything else" in words and tool is None


async def test_a_person_is_asked_for_and_a_goodbye_ends_the_call(model):
    _, tool, arguments = await streamed(model, talk("Can you put me through to billing?"))
    assert (tool, arguments["destination"]) == ("transfer_call", "billing")
    _, tool, _ = await streamed(model, talk("Thank you, goodbye."))
    assert tool == "end_call"


async def test_an_answer_in_one_piece_is_one_too(model):
    async with client(model) as one:
        answer = await one.chat.completions.create(
            model="any", messages=talk("Where can I park?"), tools=TOOLS
        )
        assert answer.choices[0].message.content == FACTS.facts["parking"]


CALL = {"id": "call_1", "type": "function", "function": {"name": "end_call", "arguments": "{}"}}


@pytest.mark.parametrize(
    "messages, what",
    [
        ([], "empty array"),
        ([{"role": "robot", "content": "x"}], "role"),
        ([TOLD, {"role": "user"}], "content"),
        ([TOLD, {"role": "assistant", "tool_calls": [CALL]}], "tool messages"),
        (
            [TOLD, {"role": "assistant", "tool_calls": [CALL]}, {"role": "user", "content": "x"}],
            "tool_call_id",
        ),
        ([TOLD, {"role": "tool", "tool_call_id": "call_1", "content": "x"}], "preceding message"),
    ],
)
async def test_what_openai_refuses_is_refused_and_counted(model, messages, what):
    async with client(model) as one:
        with pytest.raises(openai.BadRequestError, match=what):
            await one.chat.completions.create(model="any", messages=messages)
    assert sum(model.complaints.values()) == 1


async def test_a_wrong_key_is_refused(model):
    async with client(model, "other") as one:
        with pytest.raises(openai.AuthenticationError):
            await one.chat.completions.create(model="any", messages=[TOLD])


@pytest.mark.parametrize(
    "messages, what",
    [
        ([{"role": "user", "content": "Hi"}], "no system message"),
        ([{"role": "user", "content": "Hi"}, TOLD], "not the first message"),
        ([TOLD, {"role": "user", "content": " "}], "without words"),
        (
            [TOLD, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
            "its own words",
        ),
    ],
)
async def test_what_no_model_can_use_is_taken_and_counted(model, messages, what):
    await streamed(model, messages)
    assert [what in text for text in model.complaints] == [True]


async def test_an_answer_that_nobody_waits_for_is_cut_off(model):
    async with client(model) as one:
        stream = await one.chat.completions.create(
            model="any", messages=talk("What are your opening hours?"), stream=True
        )
        async for _ in stream:
            break
        await stream.close()
    async with asyncio.timeout(5):
        while not model.cut_off:
            await asyncio.sleep(0.02)
