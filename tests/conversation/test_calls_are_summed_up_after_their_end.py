"""After a call the agent's model says what came of it, checked against what was asked for; nothing is invented."""

import asyncio
import json

import pytest
from aiohttp import web
from loguru import logger

from calls.events.talk import Attached, BotHeard, CallerSaid, Detached, SummedUp
from calls.outbox import sender as sender_module
from calls.states import CallState, EndedBy
from calls.store import CallStore
from conversation.after_call import schema_of, sum_up
from conversation.agents.errors import AgentError
from conversation.agents.files import load_agent
from conversation.telling import sender_of
from settings import load_settings
from tests.calls_on_disk import store_on
from tests.receiver import SECRET, receiving

AGENT = """
greeting = "Hello."
instructions = "Repair bicycles."
[services]
stt = "local"
llm = "openai"
tts = "local"
[after_call]
summary = true
dispositions = ["booked", "no interest"]
timeout_secs = 2
[after_call.fields.days]
type = "integer"
minimum = 0
[after_call.fields.bicycle]
type = "string"
"""
FITS = {"summary": "A repair.", "disposition": "booked", "fields": {"days": 2, "bicycle": None}}
SAID = "My bicycle is broken."


class Model:
    """A server of OpenAI's chat completions."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    async def handle(self, request):
        self.asked.append(await request.json())
        answer = self.answers.pop(0)
        if isinstance(answer, int):
            return web.json_response({"error": {"message": SAID}}, status=answer)
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            answer = FITS
        text = answer if isinstance(answer, str) else json.dumps(answer)
        message = {"role": "assistant", "content": text}
        return web.json_response(
            {
                "id": "1",
                "object": "chat.completion",
                "created": 1,
                "model": "m",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            }
        )


@pytest.fixture
async def ask(tmp_path):
    """Sums a call up with a model that gives these answers; returns the event and the model."""
    runners = []

    async def settings_for(model, text=AGENT, **values):
        app = web.Application()
        app.router.add_post("/v1/chat/completions", model.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        (tmp_path / "desk.toml").write_text(text)
        return load_settings(
            agents_dir=tmp_path,
            agent="desk",
            openai_api_key="k",
            openai_base_url=f"http://127.0.0.1:{runner.addresses[0][1]}/v1",
            **values,
        )

    async def asked(*answers, text=AGENT, call=None):
        model = Model(*answers)
        settings = await settings_for(model, text)
        return await sum_up(call or a_call(), settings), model

    asked.settings_for = settings_for
    yield asked
    for runner in runners:
        await runner.cleanup()


def a_call(store=None, *, says=(SAID,)):
    call = (store or CallStore()).open(carrier="twilio", carrier_call_id="CA1", agent="desk")
    call.move(CallState.IN_PROGRESS, cause="answered")
    call.record(Attached(stream_id="MZ1"))
    call.record(BotHeard(text="Hello."))
    for text in says:
        call.record(CallerSaid(text=text))
    return call


async def test_what_the_model_says_is_kept_when_it_fits(ask):
    event, model = await ask(FITS)
    assert event == SummedUp("made", "A repair.", "booked", {"days": 2, "bicycle": None})
    (question,) = model.asked
    assert question["stream"] is False
    told = json.dumps(question["messages"])
    assert SAID in told and "Repair bicycles" not in told
    assert question["response_format"]["json_schema"]["schema"]["required"] == [
        "summary",
        "disposition",
        "fields",
    ]


async def test_json_in_a_fence_is_json(ask):
    event, _ = await ask(f"Here it is:\n```json\n{json.dumps(FITS)}\n```")
    assert event.result == "made"


@pytest.mark.parametrize(
    "wrong",
    [
        "I cannot do that.",
        "[]",
        {**FITS, "disposition": "sold"},
        {**FITS, "fields": {"days": -1, "bicycle": None}},
        {**FITS, "fields": {"days": "two", "bicycle": None}},
        {"summary": "A repair."},
        {**FITS, "more": 1},
        500,
        400,
    ],
)
async def test_what_does_not_fit_is_asked_once_more_and_then_nothing_is_kept(ask, wrong):
    event, model = await ask(wrong, FITS)
    assert event.result == "made"
    assert "response_format" in model.asked[0] and "response_format" not in model.asked[-1]
    if not isinstance(wrong, int):
        event, model = await ask(wrong, wrong)
        assert event == SummedUp("failed")
        assert len(model.asked) == 2


async def test_a_model_that_takes_too_long_is_not_waited_for(ask):
    clock = asyncio.get_running_loop().time
    began = clock()
    event, _ = await ask(30.0, text=AGENT.replace("timeout_secs = 2", "timeout_secs = 0.3"))
    assert event == SummedUp("late")
    assert clock() - began < 5


async def test_the_local_brain_makes_up_nothing(ask):
    event, model = await ask(text=AGENT.replace('llm = "openai"', 'llm = "local"'))
    assert (event, model.asked) == (SummedUp("no_model"), [])


async def test_a_caller_who_said_nothing_is_nothing_to_sum_up(ask):
    event, model = await ask(call=a_call(says=()))
    assert (event, model.asked) == (SummedUp("nothing_said"), [])


async def test_an_agent_that_wants_nothing_is_not_asked(ask):
    event, model = await ask(text='greeting = "Hello."\ninstructions = "x"\n')
    assert (event, model.asked) == (None, [])


async def test_words_of_a_call_are_not_logged(ask):
    lines = []
    sink = logger.add(lambda line: lines.append(str(line)), level="INFO")
    try:
        await ask("no", "no")
        await ask(400, 400)
    finally:
        logger.remove(sink)
    assert any("not summed up" in line for line in lines)
    assert not [line for line in lines if "bicycle is broken" in line]


@pytest.mark.parametrize("kept", ["file", "memory"])
async def test_it_is_an_event_of_the_call_and_in_the_notice_of_its_end(ask, tmp_path, monkeypatch, kept):
    monkeypatch.setattr(sender_module, "IDLE_LOOK_SECS", 0.2)
    async with receiving() as receiver:
        settings = await ask.settings_for(Model(0.6), webhook_url=receiver.url, webhook_secret=SECRET)
        async with store_on(tmp_path / "calls.db") as on_disk:
            store = CallStore() if kept == "memory" else on_disk
            running = asyncio.create_task(sender_of(store, settings).run())
            call = a_call(store)
            call.move(CallState.COMPLETED, cause="hung up", ended_by=EndedBy.CALLER)
            call.record(Detached(reason="stop"))
            await receiver.has("call.ended")
            assert call.last(SummedUp).disposition == "booked"
            if kept == "file":
                assert (await store.as_written(call.id)).last(SummedUp).summary == "A repair."
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    assert receiver.kinds() == ["call.started", "call.ended"]
    assert receiver.taken[-1]["data"]["after_call"] == {
        "result": "made",
        "summary": "A repair.",
        "disposition": "booked",
        "fields": {"days": 2, "bicycle": None},
    }


def test_what_was_not_said_is_null_and_all_is_asked_for(tmp_path):
    (tmp_path / "desk.toml").write_text(AGENT)
    schema = schema_of(load_agent("desk", tmp_path))
    assert schema["additionalProperties"] is False
    fields = schema["properties"]["fields"]
    assert fields["required"] == ["days", "bicycle"]
    assert fields["properties"]["days"] == {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]}


def test_a_field_that_is_no_json_schema_is_told_at_start(tmp_path):
    (tmp_path / "desk.toml").write_text(AGENT.replace('type = "string"', 'type = "sting"'))
    with pytest.raises(AgentError, match=r"desk\.toml.*after_call.*fields\.bicycle is no JSON schema"):
        load_agent("desk", tmp_path)
