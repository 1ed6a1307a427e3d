"""Whatever a hosted model does or does not do, the caller hears something that leads on. Through Pipecat's service."""

import asyncio

import pytest
from loguru import logger

from calls.states import EndedBy
from conversation.agents.errors import AgentError
from conversation.agents.files import load_agent
from emulator import Digits, Wait
from emulator.line.colleague import Colleague
from tests import fake_services as fake
from tests.fake_services import endpoint
from tests.hosted import IMPATIENT_AGENT, openai_model
from tests.talking_bot import talking

WAY_ON, APOLOGY = "Say it again?", "I am broken. Bye."

MISBEHAVIOURS = {
    "nothing at all": (fake.nothing(), "model_silent"),
    "reasoning only": (fake.reasoning_only(), "model_silent"),
    "thinking in its text only": (fake.thinking_aloud_only(), "model_silent"),
    "a tool call that is cut": (fake.calls("end_call", '{"farewell": "Go'), "model_failed"),
    "headers and no token": (fake.headers_and_no_token(), "model_stalled"),
    "no headers": (fake.no_answer(), "model_stalled"),
    "comments that keep the connection alive": (fake.keeps_alive_only(), "model_stalled"),
    "a closed connection": (fake.closes(), "model_failed"),
    "500": (fake.status(500), "model_failed"),
    "429 with a minute to wait": (fake.status(429, "Retry-After: 60"), "model_failed"),
}


def texts(call, kind):
    return [event.data["text"] for event in call.events if event.kind == kind]


def fired(call):
    return [(event.data["stage"], event.data["cause"]) for event in call.events if event.kind == "dead_air"]


def calling(monkeypatch, tmp_path, url, carrier="twilio", agent=IMPATIENT_AGENT):
    return talking(
        monkeypatch,
        tmp_path,
        carrier,
        lambda _: [],
        agent=agent,
        model=lambda: openai_model(url),
        LLM="openai",
        OPENAI_API_KEY="sk-test",
        OPENAI_BASE_URL=url,
    )


@pytest.mark.parametrize("what", MISBEHAVIOURS)
async def test_for_ever(monkeypatch, tmp_path, what):
    behaviour, cause = MISBEHAVIOURS[what]
    async with endpoint(behaviour) as service, calling(monkeypatch, tmp_path, service.url) as bot:
        result = await bot.network.call(bot.url, [Digits("1#")])
    (call,) = bot.store.list()
    heard = texts(call, "bot_heard")
    assert [text for text in heard if text != "Wait."] == ["Hello.", WAY_ON, APOLOGY]
    assert ("way_on", cause) in fired(call)
    assert fired(call)[-1] == ("fallback", cause)
    assert call.ended_by is EndedBy.ERROR
    assert call.end_cause == f"dead air: {cause}"
    assert result.report.goodbye_heard
    assert len(service.requests) == 2, "asked once more, not for ever"


@pytest.mark.parametrize("what", MISBEHAVIOURS)
async def test_once(monkeypatch, tmp_path, what):
    behaviour, _ = MISBEHAVIOURS[what]
    goodbye = fake.calls("end_call", '{"farewell": "Bye."}')
    async with (
        endpoint(behaviour, fake.words("We are open."), goodbye) as service,
        calling(monkeypatch, tmp_path, service.url, "telnyx") as bot,
    ):
        await bot.network.call(bot.url, [Digits("1#"), Digits("2#")])
    (call,) = bot.store.list()
    heard = [text for text in texts(call, "bot_heard") if text != "Wait."]
    assert heard == ["Hello.", "We are open.", "Bye."], "a passing fault costs a moment, and no words"
    assert call.ended_by is EndedBy.BOT


async def test_the_words_before_a_stall_are_spoken(monkeypatch, tmp_path):
    goodbye = fake.calls("end_call", '{"farewell": "Bye."}')
    async with (
        endpoint(fake.stalls_after("We open at nine and"), fake.words("Close at five."), goodbye) as service,
        calling(monkeypatch, tmp_path, service.url) as bot,
    ):
        await bot.network.call(bot.url, [Digits("1#"), Digits("2#")])
    (call,) = bot.store.list()
    heard = [text for text in texts(call, "bot_heard") if text != "Wait."]
    assert heard == ["Hello.", "We open at nine and", "Close at five.", "Bye."]
    assert "the answer stalled" in str([event.data for event in call.events if event.kind == "error"])


@pytest.mark.parametrize(
    "url, cause",
    [
        ("http://127.0.0.1:9/v1", "127.0.0.1:9: connection refused"),
        ("http://no-such-host.invalid/v1", "no-such-host.invalid: its name is not known"),
    ],
)
async def test_a_model_that_is_not_reachable_is_no_fault_of_the_callers(monkeypatch, tmp_path, url, cause):
    lines = []
    sink = logger.add(lines.append, level="ERROR", format="{message}", filter="conversation.dead_air.trouble")
    async with calling(monkeypatch, tmp_path, url) as bot:
        await bot.network.call(bot.url, [Digits("1#")])
    logger.remove(sink)
    (call,) = bot.store.list()
    heard = [text for text in texts(call, "bot_heard") if text != "Wait."]
    assert heard == ["Hello.", WAY_ON, APOLOGY]
    assert all(f"LLM failed, {cause}" in line for line in lines)
    assert lines
    assert not any("unknown reason" in line for line in lines)


async def test_a_tls_handshake_that_hangs(monkeypatch, tmp_path):
    async with fake.mute_socket() as port:
        async with calling(monkeypatch, tmp_path, f"https://127.0.0.1:{port}/v1") as bot:
            await bot.network.call(bot.url, [Digits("1#")])
    (call,) = bot.store.list()
    assert [text for text in texts(call, "bot_heard") if text != "Wait."] == ["Hello.", WAY_ON, APOLOGY]


async def test_a_filler_comes_first_and_a_late_answer_is_spoken_after_it(monkeypatch, tmp_path):
    async def late(writer):
        await asyncio.sleep(1.2)
        await fake.words("We are open.")(writer)

    goodbye = fake.calls("end_call", '{"farewell": "Bye."}')
    async with (
        endpoint(late, goodbye) as service,
        talking(
            monkeypatch,
            tmp_path,
            "twilio",
            lambda _: [],
            agent=IMPATIENT_AGENT,
            model=lambda: openai_model(service.url, first_token_secs=4),
        ) as bot,
    ):
        await bot.network.call(bot.url, [Digits("1#"), Digits("WWWWWW2#")])
    (call,) = bot.store.list()
    assert texts(call, "bot_heard") == ["Hello.", "Wait.", "We are open.", "Bye."]
    assert fired(call) == [("filler", "model_stalled")]


async def test_a_fallback_can_be_a_colleague(monkeypatch, tmp_path):
    agent = IMPATIENT_AGENT + 'fallback = "desk"\n'
    async with (
        endpoint(fake.no_answer()) as service,
        calling(monkeypatch, tmp_path, service.url, agent=agent) as bot,
    ):
        result = await bot.network.call(
            bot.url, [Digits("1#"), Wait(8)], colleagues=[Colleague("+12025550111", 0.2, "busy")]
        )
    (call,) = bot.store.list()
    assert [one.outcome for one in result.colleagues] == ["busy"]
    # Nobody is there, and the model is still gone: what was tried in vain is not tried again.
    heard = [text for text in texts(call, "bot_heard") if text != "Wait."]
    assert heard[:5] == ["Hello.", WAY_ON, "Sorry.", "One moment.", "It is busy."]
    assert heard[-1] == APOLOGY
    assert [event.kind for event in call.events].count("transfer_started") == 1


async def test_a_fallback_can_be_a_message(monkeypatch, tmp_path):
    agent = IMPATIENT_AGENT + 'fallback = "take_message"\n'
    async with (
        endpoint(fake.no_answer()) as service,
        calling(monkeypatch, tmp_path, service.url, agent=agent) as bot,
    ):
        await bot.network.call(bot.url, [Digits("1#"), Wait(6), Digits("4711#")])
    (call,) = bot.store.list()
    heard = " ".join(text for text in texts(call, "bot_heard") if text != "Wait.")
    assert heard.startswith(f"Hello. {WAY_ON} Sorry. Your message?")
    (taken,) = [event.data for event in call.events if event.kind == "message_taken"]
    assert "4711" in taken["message"]
    assert "4711" in (tmp_path / "messages.jsonl").read_text()
    assert heard.endswith("Bye.")
    assert call.ended_by is EndedBy.ERROR


def test_a_fallback_to_nobody_is_found_when_the_file_is_read(tmp_path):
    text = 'greeting = "Hello."\ninstructions = "Be kind."\n[transfers.desk]\nnumber = "+12025550111"\n'
    (tmp_path / "quick.toml").write_text(text + '[dead_air]\nfallback = "dsek"\n')
    with pytest.raises(AgentError, match=r"dead_air.*dsek.*did you mean 'desk'"):
        load_agent("quick", tmp_path)
