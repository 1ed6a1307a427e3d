"""A call of ours that was answered, with a line that plays at once, and the witnesses in the hands of the test."""

import asyncio
from contextlib import asynccontextmanager

from pipecat.frames.frames import (
    TranscriptionFrame,
    TTSSpeakFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext

from calls.control import CallControl
from calls.events.lifecycle import AnswererDetected
from calls.states import CallState
from calls.store import CallStore
from conversation.agents.files import load_agent
from conversation.outbound import first_seconds as voicemail
from conversation.outbound.first_seconds import outbound_opening
from conversation.session import Session
from serializers.frames import MarkFrame

GREETING, MESSAGE = "Hello, it is us.", "Please call us back."
AGENT = """
greeting = "Good day, who is calling?"
instructions = "x"
[dial_out]
greeting = "Hello, it is us."
on_voicemail = "{on_voicemail}"
voicemail_message = "Please call us back."
wait_for_hello_secs = {hello}
"""


class Line:
    """Plays what is said in next to no time, and returns its marks, unless it is held or hushed."""

    def __init__(self, session):
        self.session = session
        self.said, self.ended = [], False
        self.playing = asyncio.Event()
        self.playing.set()
        self.tasks = set()

    async def queue_frames(self, frames):
        for frame in frames:
            if isinstance(frame, TTSSpeakFrame):
                self.said.append(frame.text)
            elif isinstance(frame, MarkFrame):
                task = asyncio.create_task(self.play(frame.mark))
                self.tasks.add(task)
            else:
                self.ended = True
                self.session.detached("ended")

    async def play(self, mark):
        await asyncio.sleep(0.01)
        await self.playing.wait()
        self.session.playout.sent(mark)
        self.session.playout.returned(mark)


class Answered:
    """An answered call of ours, with the witnesses in the hands of the test."""

    def __init__(self, session, opening, line):
        self.session, self.opening, self.line = session, opening, line
        self.call = session.call

    @property
    def said(self):
        return self.line.said

    def carrier_says(self, who):
        self.session.record(AnswererDetected(who=who))

    def speaks(self, text="", *, ends=True):
        self.opening.heard(UserStartedSpeakingFrame())
        if text:
            self.opening.heard(TranscriptionFrame(text, "", ""))
        if ends:
            self.opening.heard(UserStoppedSpeakingFrame())

    def model_would_answer(self, text):
        return self.opening.takes(LLMContext([{"role": "user", "content": text}]))

    async def beep(self):
        await self.opening._beeped()

    async def until(self, done, secs=5.0):
        async with asyncio.timeout(secs):
            while not done():
                await asyncio.sleep(0.005)

    async def until_over(self):
        await self.until(lambda: self.line.ended or self.call.is_over)

    def events(self, kind):
        return [event.data for event in self.call.events if event.kind == kind]


@asynccontextmanager
async def answered(
    tmp_path, *, on_voicemail="leave_message", hello=9.0, quiet=9.0, before=None, monkeypatch=None
):
    if monkeypatch:
        monkeypatch.setattr(voicemail, "QUIET_SECS", quiet)
    (tmp_path / "caller.toml").write_text(AGENT.format(on_voicemail=on_voicemail, hello=hello))
    agent = load_agent("caller", tmp_path)
    store = CallStore()
    call = store.open(carrier="twilio", carrier_call_id="CA1", direction="outbound")
    call.move(CallState.IN_PROGRESS, cause="answered")
    session = Session(
        call=call,
        store=store,
        control=CallControl(call, None, store),
        agent=agent,
        variables=agent.call_variables(),
        data_dir=tmp_path,
    )
    if before:
        session.record(AnswererDetected(who=before))
    opening = outbound_opening(session, None)
    assert opening is not None
    line = Line(session)
    session.worker = line

    async def hush():
        session.playout.cleared()

    opening.gate.broadcast_interruption = hush
    await opening.begin()
    try:
        yield Answered(session, opening, line)
    finally:
        await opening.close()
        session.detached("test is over")
        await session.settle()
