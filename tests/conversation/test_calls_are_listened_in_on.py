"""Who listens in on a call hears both sides as they are on the wire, once they may; and nobody else costs anything."""

import asyncio
import base64
import json

import pytest
from pipecat.frames.frames import InterruptionFrame, OutputAudioRawFrame

from calls.errors import CallIsOver, NotAllowed, UnderWay
from calls.events.lifecycle import RecordingChanged
from calls.events.people import ListeningEnded, ListeningStarted
from calls.events.talk import Attached, BotHeard, Detached, Interrupted
from calls.listening import listeners
from calls.states import CallState, EndedBy
from calls.store import CallStore
from conversation import overhearing
from conversation.agents.files import load_agent
from conversation.overhearing import (
    BOT,
    CALLER,
    HEAD,
    MAX_OF_CALL,
    MAX_OF_PROCESS,
    TAKEN_BACK,
    how_many,
    may_be_overheard,
    overheard,
    was_told,
)
from conversation.session import Session
from serializers import MediaFormat, SerializerOptions, StreamStart, serializer_for

AGENT = 'greeting = "Hello."\ninstructions = "x"\n'
LISTEN = '[monitoring]\nlisten = true\nannouncement = "Others may listen. Thank you!"\n'
STARTS = {
    "twilio": StreamStart(carrier="twilio", stream_id="MZ1", call_id="CA1"),
    "telnyx": StreamStart(carrier="telnyx", stream_id="6b4f", call_id="v3:abc"),
}
STREAM_KEY = {"twilio": "streamSid", "telnyx": "stream_id"}


class Line:
    """A session on a line, and what the carrier sends and gets."""

    def __init__(self, tmp_path, carrier="twilio", text=AGENT + LISTEN, told=True, **stream):
        (tmp_path / "desk.toml").write_text(text)
        agent = load_agent("desk", tmp_path)
        start = STARTS[carrier] if not stream else StreamStart(**{**vars(STARTS[carrier]), **stream})
        self.start, self.chunk = start, 0
        self.serializer = serializer_for(start, options=SerializerOptions())
        store = CallStore()
        self.call = store.open(carrier=carrier, carrier_call_id=start.call_id)
        self.session = Session(
            call=self.call,
            store=store,
            control=None,
            agent=agent,
            variables=agent.call_variables(),
            data_dir=tmp_path,
        )
        may_be_overheard(self.session, self.serializer)
        if told:
            self.session.record(BotHeard(text="Others may listen."))
            self.session.record(BotHeard(text="Thank you! Hello."))

    def listen(self, by="ann"):
        return overheard(self.session).listen(by)

    async def caller(self, wire):
        """The carrier sends something of the caller."""
        self.chunk += 1
        payload = base64.b64encode(wire).decode()
        media = {"track": "inbound", "chunk": str(self.chunk), "timestamp": "5", "payload": payload}
        message = {"event": "media", "sequence_number": str(self.chunk), "media": media}
        key = STREAM_KEY[self.start.carrier]
        message = {**message, key: self.start.stream_id}
        return await self.serializer.deserialize(json.dumps(message, separators=(",", ":")))

    async def bot(self, pcm):
        """The bot says something; returns what of it is on the wire."""
        sent = await self.serializer.serialize(OutputAudioRawFrame(pcm, 8000, 1))
        return base64.b64decode(json.loads(sent)["media"]["payload"])


def pieces(messages):
    """Who said what, of the binary messages."""
    found = []
    for message in messages:
        while isinstance(message, bytes) and message:
            side, length = HEAD.unpack(message[: HEAD.size])
            found.append((side, message[HEAD.size : HEAD.size + length]))
            message = message[HEAD.size + length :]
    return found


def told(messages):
    return [json.loads(one) for one in messages if isinstance(one, str)]


def happened(call, *kinds):
    return [event for event in call.events if isinstance(event, kinds)]


@pytest.fixture(autouse=True)
def nobody_is_left():
    yield
    overhearing._all.clear()


@pytest.fixture
def line(tmp_path):
    return Line(tmp_path)


# Nobody listens


@pytest.mark.parametrize("carrier", STARTS)
async def test_a_stream_that_nobody_listens_to_knows_nothing_of_it(tmp_path, monkeypatch, carrier):
    async def never(*_):
        raise AssertionError("somebody was told")

    for name in ("caller_said", "bot_said", "bot_taken_back", "_pass_on"):
        monkeypatch.setattr(overhearing.Overheard, name, never)
    line = Line(tmp_path, carrier)
    tasks, watchers = asyncio.all_tasks(), list(line.call._watchers)
    assert line.serializer.overhearing is None
    assert (await line.caller(b"\x01" * 160)).audio
    await line.bot(b"\x00\x10" * 800)
    await line.serializer.serialize(InterruptionFrame())
    assert line.serializer.overhearing is None
    assert line.call._watchers == watchers and asyncio.all_tasks() == tasks


@pytest.mark.parametrize("carrier", STARTS)
async def test_it_knows_nothing_of_it_again_when_the_last_one_has_left(tmp_path, carrier):
    line = Line(tmp_path, carrier)
    tasks, watchers = asyncio.all_tasks(), list(line.call._watchers)
    first, second = line.listen("ann"), line.listen("ben")
    first.close()
    assert line.serializer.overhearing is not None
    second.close()
    await asyncio.sleep(0.01)
    assert line.serializer.overhearing is None
    assert line.call._watchers == watchers and asyncio.all_tasks() == tasks
    assert await second.take() != [] and await second.take() == []


def test_a_session_that_is_forgotten_takes_its_stream_along(tmp_path):
    import gc
    import weakref

    line = Line(tmp_path)
    session = weakref.ref(line.session)
    assert overheard(line.session) is not None
    del line
    gc.collect()
    assert session() is None


# What is heard


@pytest.mark.parametrize("carrier", STARTS)
async def test_both_sides_are_heard_as_they_are_on_the_wire_in_their_order(tmp_path, carrier):
    line = Line(tmp_path, carrier)
    ear = line.listen()
    assert (await line.caller(b"\x01" * 160)).audio
    said = await line.bot(b"\x00\x10" * 800)
    await line.caller(b"\x02" * 160)
    await line.serializer.serialize(InterruptionFrame())
    messages = await ear.take()
    codec = {"encoding": "PCMU", "sample_rate": 8000, "byte_order": "little"}
    assert told(messages) == [{"type": "start", "caller": codec, "bot": codec, "listeners": 1}]
    heard = pieces(messages)
    assert heard == [(CALLER, b"\x01" * 160), (BOT, said), (CALLER, b"\x02" * 160), (TAKEN_BACK, b"")]
    assert len(said) == 800


async def test_a_piece_that_is_too_short_to_be_sent_yet_is_heard_once(tmp_path):
    line = Line(tmp_path, "telnyx")
    ear = line.listen()
    short = OutputAudioRawFrame(b"\x00\x10" * 100, 8000, 1)
    assert await line.serializer.serialize(short) is None
    await line.serializer.serialize(short)
    line.serializer.flush()
    assert [len(wire) for _, wire in pieces(await ear.take())] == [100, 100]


async def test_each_side_is_described_by_its_own_encoding(tmp_path):
    line = Line(tmp_path, "telnyx", media_format=MediaFormat(encoding="PCMA", sample_rate=8000))
    (start,) = told(await line.listen().take())
    assert (start["caller"]["encoding"], start["bot"]["encoding"]) == ("PCMA", "PCMU")


async def test_what_comes_within_a_tenth_of_a_second_is_one_message(line):
    ear = line.listen()
    for _ in range(5):
        await line.caller(b"\x01" * 160)
    messages = await ear.take()
    assert [type(one) for one in messages] == [str, bytes]
    assert len(pieces(messages)) == 5


async def test_everybody_knows_how_many_listen(line):
    first, second = line.listen("ann"), line.listen("ben")
    assert [one.get("listeners") for one in told(await first.take())] == [1, 2]
    assert [one["listeners"] for one in told(await second.take())] == [2]
    second.close()
    assert told(await first.take()) == [{"type": "listeners", "listeners": 1}]


# What must not be heard


async def test_nothing_is_heard_while_the_recording_is_paused(line):
    ear = line.listen()
    await line.caller(b"\x01" * 160)
    line.session.record(RecordingChanged(state="in_progress", recording_id="RE1"))
    line.session.record(RecordingChanged(state="paused", recording_id="RE1"))
    await line.caller(b"\x02" * 160)
    await line.bot(b"\x00\x10" * 160)
    late = line.listen("ben")  # who comes in the middle of it
    line.session.record(RecordingChanged(state="in_progress", recording_id="RE1"))
    await line.caller(b"\x03" * 160)
    messages = await ear.take()
    assert [wire[:1] for _, wire in pieces(messages)] == [b"\x01", b"\x03"]
    silent = [one["silent"] for one in told(messages) if one["type"] == "silent"]
    assert silent == [True, False]
    messages = await late.take()
    assert [wire[:1] for _, wire in pieces(messages)] == [b"\x03"]
    assert [one["silent"] for one in told(messages) if one["type"] == "silent"] == [True, False]


async def test_nothing_is_heard_of_a_colleague_who_was_told_nothing(line):
    ear = line.listen()
    line.session.step_aside()
    await line.caller(b"\x02" * 160)
    with pytest.raises(UnderWay, match="colleague"):
        line.listen("ben")
    line.session.step_back()
    await line.caller(b"\x03" * 160)
    assert [wire[:1] for _, wire in pieces(await ear.take())] == [b"\x03"]


# Who may


def test_nobody_may_unless_the_file_says_so(tmp_path):
    with pytest.raises(NotAllowed, match=r"listen = true under \[monitoring\] in desk.toml"):
        Line(tmp_path, text=AGENT).listen()


async def test_nobody_may_before_the_caller_was_told(tmp_path):
    line = Line(tmp_path, told=False)
    with pytest.raises(UnderWay, match="not heard to its end"):
        line.listen()
    assert line.serializer.overhearing is None and happened(line.call, ListeningStarted) == []
    line.session.record(BotHeard(text="Others may listen. Thank you!"))
    line.listen()


async def test_nobody_may_when_the_call_or_the_session_is_over(tmp_path):
    line = Line(tmp_path)
    line.session.detached("gone")
    with pytest.raises(UnderWay, match="does not talk with the caller now"):
        line.listen()
    line.call.move(CallState.COMPLETED, cause="x", ended_by=EndedBy.CALLER)
    with pytest.raises(CallIsOver):
        line.listen()


async def test_four_may_listen_to_a_call_and_twenty_in_all(tmp_path):
    lines = [Line(tmp_path) for _ in range(MAX_OF_PROCESS // MAX_OF_CALL)]
    for number, one in enumerate(lines):
        ears = [one.listen(f"{number}-{place}") for place in range(MAX_OF_CALL)]
        with pytest.raises(UnderWay, match=f"{MAX_OF_CALL} people listen to this call"):
            one.listen()
    assert how_many() == MAX_OF_PROCESS
    with pytest.raises(UnderWay, match=f"{MAX_OF_PROCESS} people listen to calls of this process"):
        Line(tmp_path).listen()
    ears[0].close()
    Line(tmp_path).listen()


@pytest.mark.parametrize(
    ("heard", "is_told"),
    [
        ([], False),
        ([BotHeard(text="Others may listen.")], False),
        ([BotHeard(text="Others may listen."), BotHeard(text="Thank you!")], True),
        ([BotHeard(text="Hello. others may listen , thank YOU"), BotHeard(text="How are you?")], True),
        ([Interrupted(heard="Others may"), BotHeard(text="listen. Thank you!")], False),
        ([BotHeard(text="Others may listen."), Interrupted(heard="Thank you! How")], True),
        ([BotHeard(text="Others may listen."), Interrupted(heard="Thank"), BotHeard(text="you!")], False),
    ],
)
def test_a_caller_was_told_who_has_heard_every_word(tmp_path, heard, is_told):
    line = Line(tmp_path, told=False)
    for event in heard:
        line.session.record(event)
    assert was_told(line.session) is is_told


@pytest.mark.parametrize(("announcement", "is_told"), [("", True), ("  ", True), ("{{ nothing }}", False)])
def test_an_owner_may_announce_nothing_but_not_by_mistake(tmp_path, announcement, is_told):
    text = f'{AGENT}[monitoring]\nlisten = true\nannouncement = "{announcement}"\n'
    line = Line(tmp_path, text=text, told=False)
    line.session.record(BotHeard(text="Hello."))
    assert was_told(line.session) is is_told


def test_a_caller_was_told_in_the_language_of_then(tmp_path):
    text = f'languages = ["en", "de"]\n{AGENT}[monitoring]\nlisten = true\n'
    line = Line(tmp_path, text=text, told=False)
    line.session.record(BotHeard(text="Our staff may listen to this call."))
    line.session.agent = line.session.agent.in_language("de")
    assert was_told(line.session)


# The end


async def test_each_beginning_and_end_is_an_event_with_who_it_was(line):
    ear = line.listen("ann")
    line.listen("ben")
    assert listeners(line.call.events) == ["ann", "ben"]
    ear.close()
    ear.close()
    assert listeners(line.call.events) == ["ben"]
    started, ended = happened(line.call, ListeningStarted), happened(line.call, ListeningEnded)
    assert [one.by for one in started] == ["ann", "ben"]
    assert [(one.by, one.why, one.secs >= 0) for one in ended] == [("ann", "left", True)]


async def test_it_ends_with_the_session_after_all_that_was_said(line):
    ear = line.listen()
    await line.caller(b"\x01" * 160)
    line.session.detached("the carrier has stopped it")
    await asyncio.sleep(0.01)
    assert pieces(await ear.take()) == [(CALLER, b"\x01" * 160)]
    assert (await ear.take(), ear.over) == ([], "detached")
    assert line.serializer.overhearing is None
    assert listeners(line.call.events) == []


async def test_who_takes_nothing_is_dropped_and_the_call_does_not_notice(line):
    slow, quick = line.listen("slow"), line.listen("quick")
    for _ in range(300):  # six seconds of both sides
        assert (await line.caller(b"\x01" * 160)).audio
        await line.bot(b"\x00\x10" * 160)
        await asyncio.sleep(0)
        if len(quick._waiting) > 1:
            quick._waiting, quick._bytes = [], 0  # as if it had been taken
    assert (slow.over, quick.over) == ("too_slow", None)
    assert [(one.by, one.why) for one in happened(line.call, ListeningEnded)] == [("slow", "too_slow")]
    assert sum(len(one) for one in slow._waiting) < 200_000


def test_nobody_listens_beyond_the_session_in_which_they_began():
    events = [
        Attached("s1"),
        ListeningStarted("ann"),
        ListeningStarted("ann"),
        ListeningEnded("ann", 1.0, "left"),
    ]
    assert listeners(events) == ["ann"]
    assert listeners([*events, Detached("x")]) == []
    assert listeners([*events, Attached("s2")]) == []  # the process before has died
    assert listeners([*events, Detached("x"), ListeningEnded("ann", 1.0, "detached")]) == []
