"""A caller is told that the call is recorded, and what is said during a pause of the recording is kept nowhere."""

import asyncio

import pytest
from pipecat.services.llm_service import FunctionCallParams

from calls.control import CallControl
from calls.errors import CarrierFailed
from calls.events.event import NOT_RECORDED
from calls.events.lifecycle import ErrorHappened, RecordingChanged
from calls.events.talk import BotSaid, CallerSaid, DtmfReceived, ToolUsed
from calls.recordings import change_recording
from calls.store import CallStore
from carriers.telnyx.call_control import TelnyxCallControl
from carriers.telnyx.carrier import TelnyxCarrier
from conversation.agents.files import load_agent
from conversation.first_words import first_words, greeting_words, record_from_the_start
from conversation.session import Session
from conversation.tools.face import Face
from conversation.tools.offered import tools_of
from conversation.tools.running import Together, run_tool
from emulator import Digits, HangUp, PhoneNetwork, Wait
from tests.fake_bot import FakeBot
from tests.rest_client import ACCOUNT
from tests.talking_bot import QUICK_AGENT, talking

AGENT = 'greeting = "Hello."\ninstructions = "x"\n'
ON = "[recording]\nenabled = true\n"


class Control:
    """Changes a recording, or fails."""

    def __init__(self, call, error=None):
        self.call, self.error, self.asked = call, error, []

    async def record(self, action, file_format=None):
        self.asked.append((action, str(file_format) if file_format else None))
        if self.error is not None:
            raise self.error
        state = {"start": "in_progress", "pause": "paused", "resume": "in_progress", "stop": "stopped"}[
            action
        ]
        self.call.record(RecordingChanged(state=state))


@pytest.fixture
def attach(tmp_path, monkeypatch):
    for module in ("conversation.first_words", "conversation.tools.face"):
        monkeypatch.setattr(f"{module}.change_recording", lambda control, *asked: control.record(*asked))

    def build(text=AGENT, error=None):
        (tmp_path / "desk.toml").write_text(text)
        agent = load_agent("desk", tmp_path)
        store = CallStore()
        call = store.open(carrier="twilio", carrier_call_id="CA1")
        return Session(
            call=call,
            store=store,
            control=Control(call, error),
            agent=agent,
            variables=agent.call_variables(),
            data_dir=tmp_path,
        )

    return build


async def use(session, name):
    """Use a tool as a model does; returns what the model is told."""
    told = []

    async def told_to_the_model(result, *, properties=None):
        told.append(result)

    session.agent.tools.append(name)
    tools = tools_of(session.agent)
    params = FunctionCallParams(name, "call_1", {}, None, None, None, told_to_the_model)
    await run_tool(session, Face(session), tools[name], params, Together(tools))
    return told


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        (AGENT, "Hello."),
        (AGENT + ON, "This call is recorded. Hello."),
        (AGENT + ON + 'announce = "after"', "Hello. This call is recorded."),
        (AGENT + ON + 'announcement = ""', "Hello."),
        (AGENT + ON + 'announcement = "{{ agent }} records this."', "desk records this. Hello."),
        (AGENT + "[monitoring]\nlisten = true", "Our staff may listen to this call. Hello."),
        (AGENT + '[monitoring]\nlisten = true\nannouncement = ""', "Hello."),
        (AGENT + '[monitoring]\nannouncement = "We listen."', "Hello."),
        (
            AGENT + ON + '[monitoring]\nlisten = true\nannounce = "after"',
            "This call is recorded. Hello. Our staff may listen to this call.",
        ),
    ],
)
def test_a_caller_is_told_of_the_recording_with_the_greeting(attach, text, heard):
    session = attach(text)
    assert first_words(session, session.agent.greeting) == heard


async def test_a_call_is_recorded_from_its_first_words_in_the_format_of_the_agent(attach):
    session = attach(AGENT + ON + 'format = "mp3"')
    await record_from_the_start(session)
    assert session.control.asked == [("start", "mp3")]
    await record_from_the_start(session)  # the caller comes back from a transfer
    assert len(session.control.asked) == 1


async def test_nothing_is_recorded_without_a_word_in_the_file(attach):
    session = attach()
    await record_from_the_start(session)
    assert session.control.asked == []


async def test_a_recording_that_does_not_start_is_an_error_in_the_history_and_no_more(attach):
    session = attach(AGENT + ON, CarrierFailed("could not start the recording: HTTP 500"))
    await record_from_the_start(session)
    assert "not recorded" in session.call.last(ErrorHappened).data["message"]


async def test_what_is_said_during_a_pause_is_not_kept(attach):
    session = attach()
    assert await use(session, "pause_recording") == ["Paused. What is said now is not recorded."]
    session.record(CallerSaid(text="four one one one"))
    session.record(BotSaid(text="I have four one one one."))
    session.record(DtmfReceived(digits="4111"))
    session.record(ToolUsed(name="pay", arguments={"card": "4111"}, result="ok"))
    assert await use(session, "resume_recording") == ["The recording goes on."]
    session.record(CallerSaid(text="Thank you."))
    kept = str([event.data for event in session.call.events])
    assert "four one" not in kept and "4111" not in kept
    assert [event.data["text"] for event in session.call.events if event.kind == "caller_said"] == [
        NOT_RECORDED,
        "Thank you.",
    ]


@pytest.mark.parametrize(
    ("name", "told"), [("pause_recording", "Not paused: "), ("resume_recording", "Not resumed: ")]
)
async def test_a_model_hears_that_the_recording_was_not_changed(attach, name, told):
    session = attach(error=CarrierFailed("the carrier says no"))
    assert await use(session, name) == [told + "the carrier says no"]
    assert not session.off_the_record


def goodbye(words):
    return [("end_call", {"farewell": "Bye."})]


def heard_in(call):
    return " ".join(event.data["text"] for event in call.events if event.kind == "bot_heard")


async def test_a_caller_hears_the_announcement_and_then_the_greeting(monkeypatch, tmp_path):
    async with talking(monkeypatch, tmp_path, "twilio", goodbye, agent=QUICK_AGENT + ON) as bot:
        await bot.network.call(bot.url, [Digits("1#")])
    (call,) = bot.store.list()
    assert heard_in(call) == "This call is recorded. Hello. Bye."


async def test_a_caller_is_not_told_of_a_recording_that_the_carrier_does_not_make(monkeypatch, tmp_path):
    async with talking(
        monkeypatch,
        tmp_path,
        "twilio",
        goodbye,
        agent=QUICK_AGENT + ON,
        TWILIO_API_BASE_URL="http://127.0.0.1:9",
    ) as bot:
        await bot.network.call(bot.url, [Digits("1#")])
    (call,) = bot.store.list()
    assert heard_in(call) == "Hello. Bye."


async def test_a_recording_that_begins_late_is_announced_when_it_has_begun(attach, monkeypatch):
    session, said, begun = attach(AGENT + ON), [], asyncio.Event()
    record = session.control.record

    async def late(action, file_format=None):
        await begun.wait()
        await record(action, file_format)

    async def say(text, **_):
        said.append(text)
        return True

    session.control.record = late
    monkeypatch.setattr(session, "say", say)
    monkeypatch.setattr("conversation.first_words.RECORDING_SECS", 0.05)
    recording = asyncio.create_task(record_from_the_start(session))
    assert await greeting_words(session, session.agent.greeting) == "Hello."
    pausing = asyncio.create_task(use(session, "pause_recording"))
    await asyncio.sleep(0.05)
    assert (said, pausing.done()) == ([], False)  # what has not begun cannot be paused
    begun.set()
    await recording
    assert said == ["This call is recorded."]
    assert await pausing == ["Paused. What is said now is not recorded."]
    assert session.off_the_record


async def test_a_recording_that_begins_when_nobody_can_be_told_any_more_is_stopped(attach, monkeypatch):
    session = attach(AGENT + ON)
    monkeypatch.setattr("conversation.first_words.RECORDING_SECS", 0.05)
    assert await greeting_words(session, session.agent.greeting) == "Hello."
    session.step_aside()  # a person talks with the caller now
    await record_from_the_start(session)
    assert [action for action, _ in session.control.asked] == ["start", "stop"]
    assert not session.recorded


async def test_that_others_may_listen_is_said_at_once_when_the_recording_begins_late(attach, monkeypatch):
    session = attach(AGENT + ON + "[monitoring]\nlisten = true")
    monkeypatch.setattr("conversation.first_words.RECORDING_SECS", 0.05)
    assert (
        await greeting_words(session, session.agent.greeting) == "Our staff may listen to this call. Hello."
    )
    assert session.owes_announcement


async def test_a_recording_that_fails_in_the_end_is_never_announced(attach):
    session = attach(AGENT + ON, CarrierFailed("could not start the recording: 90020"))
    await record_from_the_start(session)
    assert await greeting_words(session, session.agent.greeting) == "Hello."
    assert "not recorded" in session.call.last(ErrorHappened).data["message"]


@pytest.mark.parametrize("mode", ["", "call_control"])
async def test_telnyx_is_asked_again_until_audio_has_commenced(mode):
    """With the emulated carrier, which refuses with 90020 until then, and each time with an id of its own."""
    build = TelnyxCallControl if mode else TelnyxCarrier
    async with (
        PhoneNetwork("telnyx", silent_secs=(1.0, 1.0)) as network,
        FakeBot(None, {"/telnyx/voice": '<Pause length="6"/>'}) as bot,
    ):
        carrier = build(
            api_key=ACCOUNT.telnyx_api_key,
            account_sid=ACCOUNT.telnyx_account_id,
            base_url=f"{network.rest_url}/v2",
        )
        placed = []
        going = asyncio.create_task(network.call(bot.url, [Wait(4), HangUp()], on_call=placed.append))
        async with asyncio.timeout(5):
            while not placed or placed[0].leg.answered_at is None:
                await asyncio.sleep(0.02)
        store = CallStore()
        call = store.open(carrier="telnyx", carrier_call_id=placed[0].leg.call_id)
        began = network.exchange.clock.now()
        await change_recording(CallControl(call, carrier, store), "start")
        took = network.exchange.clock.now() - began
        (recording,) = network.exchange.recordings.all()
        await carrier.aclose()
        result = await going
    asked = [one for one in network.requests.entries if one.verb == "record_start"]
    assert 0.8 <= took <= 3.0
    assert recording.call is placed[0]
    assert [one.status for one in asked] == [*[422] * (len(asked) - 1), 200]
    assert len(asked) > 1
    assert not result.report.errors
