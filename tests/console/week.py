"""A week of calls that nobody has made, with a recording of one: for pictures of the console, and tests of its pages.

All names and numbers are invented; the numbers are of those that are kept free for that (555-01xx).
"""

from __future__ import annotations

import io
import random
import wave
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from aiohttp import web

from calls.call import Call
from calls.events.event import CallEvent
from calls.events.lifecycle import (
    Answered,
    ErrorHappened,
    RecordingReported,
    TransferEnded,
    TransferStarted,
)
from calls.events.people import MessageHandled
from calls.events.talk import (
    Attached,
    BotHeard,
    BotSaid,
    CallerSaid,
    Detached,
    Interrupted,
    MessageTaken,
    Responded,
    ToolStarted,
    ToolUsed,
    TurnMeasured,
)
from calls.states import CallState, EndedBy
from calls.store import CallStore
from calls.transfer import TransferOutcome
from tests.web_service import Running

ACCOUNT = {"twilio_account_sid": "AC" + "1" * 32, "twilio_auth_token": "invented"}
MAIN_LINE = "+12025550100"
RECORDING = "RE" + "5" * 32
RATE = 8000
OWNERS = {
    "end_of_turn": ("VAD stop_secs", "setting"),
    "recogniser": ("DeepgramSTTService", "service"),
    "model": ("OpenAILLMService", "service"),
    "tool": ("transfer_call", "bot"),
    "voice": ("CartesiaTTSService", "service"),
    "line": ("line and edges", "line"),
}


class Clock:
    """The time, which stands still until it is moved."""

    def __init__(self, now: datetime):
        self.now = now

    def __call__(self) -> datetime:
        return self.now


class Talk:
    """A call that is made up as it goes, on a clock.

    Attributes:
        call: The call.
        spoken: Who spoke from when to when, in seconds after the answer: 0 the caller, 1 the bot.
    """

    def __init__(self, store: CallStore, clock: Clock, begin: datetime, number: str, **known: Any):
        self.clock = clock
        clock.now = begin
        values = {"carrier": "twilio", "from_number": number, "to_number": MAIN_LINE, "agent": "receptionist"}
        values["carrier_call_id"] = f"CA{random.Random(str(begin)).getrandbits(128):032x}"
        self.call: Call = store.open(**{**values, **known})
        self.spoken: list[tuple[int, float, float]] = []
        self._turns = 0
        clock.now += timedelta(seconds=0.9)
        self.call.move(CallState.IN_PROGRESS, cause="answered")
        if not self.call.has(Answered):
            self.call.record(Answered())
        self.answered = clock.now
        self.happens(Attached(stream_id="MZ1"), 0.05)

    @property
    def secs(self) -> float:
        """Since the answer."""
        return (self.clock.now - self.answered).total_seconds()

    def happens(self, event: CallEvent, after: float = 0.2) -> Talk:
        """Something happens, after some seconds."""
        self.clock.now += timedelta(seconds=after)
        self.call.record(event)
        return self

    def caller(self, text: str, after: float = 0.6) -> Talk:
        """The caller speaks."""
        begin = self.secs + after
        length = 0.35 + 0.062 * len(text)
        self.spoken.append((0, begin, begin + length))
        self.happens(CallerSaid(text=text), after + length)
        return self

    def bot(self, *texts: str, stages: Sequence[int] = (200, 110, 240, 0, 90, 20), unheard: str = "") -> Talk:
        """The bot answers, after what it waited for; `unheard` is the end of its last sentence, which is cut off."""
        named = {name: ms for name, ms in zip(OWNERS, stages, strict=True) if ms}
        waited = sum(named.values())
        to = "caller" if self._turns else "call"
        self.happens(Responded(to=to, ms=waited, stages=named), waited / 1000)
        after_answer = round(self.secs * 1000)
        for number, text in enumerate(texts):
            cut = unheard if number == len(texts) - 1 else ""
            self.call.record(BotSaid(text=f"{text} {cut}".strip()))
            length = 0.3 + 0.058 * len(text)
            self.spoken.append((1, self.secs, self.secs + length))
            self.happens(Interrupted(heard=text) if cut else BotHeard(text=text), length)
        parts = [
            {"key": key, "stage": key, "owner": OWNERS[key][0], "kind": OWNERS[key][1], "ms": ms}
            for key, ms in named.items()
        ]
        self.call.record(
            TurnMeasured(
                n=self._turns,
                to=to,
                response_ms=waited,
                parts=parts,
                by_sound=True,
                interrupted=bool(unheard),
                after_answer_ms=after_answer,
            )
        )
        self._turns += 1
        return self

    def ends(self, by: EndedBy = EndedBy.CALLER, cause: str = "hung up", after: float = 0.6) -> Talk:
        """The call is over."""
        self.happens(Detached(reason="the stream has ended"), after)
        self.call.will_end(by, cause)
        self.call.move(CallState.COMPLETED, cause=cause)
        return self

    def recorded(self, recording_id: str = RECORDING) -> Talk:
        """The carrier has a recording of it, from a quarter of a second after the answer on."""
        started = self.answered + timedelta(seconds=0.25)
        return self.happens(
            RecordingReported(
                state="completed",
                recording_id=recording_id,
                url=None,
                duration_secs=round(self.secs),
                channels=2,
                started_at=started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            )
        )

    def wav(self) -> bytes:
        """What such a recording sounds like: a hum with syllables wherever somebody spoke."""
        frames = int((self.spoken[-1][2] + 0.5) * RATE)
        sound = np.zeros((frames, 2))
        noise = random.Random(7)
        for side, begin, end in self.spoken:
            first, last = int((begin - 0.25) * RATE), int((end - 0.25) * RATE)
            time = np.arange(max(0, last - max(0, first))) / RATE
            pitch = (120, 190)[side]
            voice = sum(np.sin(2 * np.pi * pitch * n * time) / n for n in range(1, 9))
            rate, shift = noise.uniform(3.6, 4.6), noise.uniform(0, 6)
            syllables = np.clip(np.cos(2 * np.pi * rate * time), -0.2, 1) + 0.2
            words = 0.6 + 0.4 * np.sin(2 * np.pi * 0.7 * time + shift)
            sound[max(0, first) : max(0, first) + len(time), side] = voice * syllables * words * 7000
        file = io.BytesIO()
        with wave.open(file, "wb") as writer:
            writer.setnchannels(2)
            writer.setsampwidth(2)
            writer.setframerate(RATE)
            writer.writeframes(np.clip(sound, -32768, 32767).astype("<i2").tobytes())
        return file.getvalue()


def invoice(store: CallStore, clock: Clock, begin: datetime) -> Talk:
    """The call of the pictures: a question, a transfer that nobody answers, a slow response, and a message."""
    talk = Talk(store, clock, begin, "+12025550143")
    talk.bot(
        "Thank you for calling Willow Dental.",
        "This is the automated assistant. How can I help you today?",
        stages=(0, 0, 0, 0, 390, 20),
    )
    talk.caller("Hi, are you open on Saturday?")
    talk.bot("On Saturdays we are open from nine to one.", "Would you like to book a visit?")
    talk.caller("Actually I have a question about an invoice, the one from October.")
    talk.happens(ToolStarted(name="transfer_call", arguments={"destination": "billing"}), 0.5)
    talk.bot(
        "One moment, I'll see whether somebody at our billing office is free.",
        stages=(210, 120, 330, 60, 110, 30),
    )
    talk.happens(TransferStarted(destination="billing", warm=True))
    talk.happens(
        TransferEnded(destination="billing", outcome=TransferOutcome.NO_ANSWER, reason="nobody answered"), 9.6
    )
    talk.happens(
        ToolUsed(
            name="transfer_call",
            arguments={"destination": "billing"},
            result={"outcome": "no_answer"},
            ok=False,
        )
    )
    talk.bot(
        "I'm sorry, nobody at our billing office can take the call.",
        stages=(0, 0, 180, 0, 90, 20),
        unheard="Shall I take a message for them?",
    )
    talk.caller("Yes please, my name is Ann Cole.", 0.1)
    talk.bot("And which number can we reach you at, Ann?", stages=(230, 170, 1340, 0, 270, 40))
    talk.caller("Two oh two, five five five, oh one four three.")
    talk.happens(
        ToolUsed(
            name="take_message",
            arguments={"caller_name": "Ann Cole", "message": "A question about the invoice of October."},
            result={"taken": True},
            ok=True,
        )
    )
    talk.happens(
        MessageTaken(
            caller_name="Ann Cole",
            callback_number="+12025550143",
            message="A question about the invoice of October.",
        )
    )
    talk.bot("Thank you, I will pass it on. Goodbye.", stages=(220, 130, 310, 0, 100, 30))
    return talk.ends(EndedBy.BOT, "goodbye").recorded()


QUESTIONS = (
    ("Are you open on Saturday?", "Yes, from nine to one."),
    ("Where are you located?", "At 40 Willow Street, right by the station."),
    ("How much is a check-up?", "A check-up is eighty dollars."),
    ("I would like to move my appointment to Thursday.", "Thursday at ten is free. Shall I book it?"),
    ("Do you take new patients?", "We do. May I have your name?"),
    ("My crown came off this morning.", "I am sorry to hear that. Can you come in at two?"),
    ("Can I park there?", "There are four places behind the house."),
)

LEFT = (
    ("Ben Okafor", "Please call back about the appointment on Monday."),
    ("Clara Ruiz", "My son has a toothache; is there any place today?"),
    ("", "The invoice has the wrong address on it."),
    ("Dilan Aydin", "Thursday does not work after all."),
)


def ordinary(store: CallStore, clock: Clock, begin: datetime, dice: random.Random) -> Talk:
    """A call like most."""
    number = f"+1202555{dice.randrange(100, 200):04d}"
    outbound = dice.random() < 0.12
    known = {}
    if outbound:
        known = {
            "direction": "outbound",
            "from_number": MAIN_LINE,
            "to_number": number,
            "agent": "reminder",
        }
    talk = Talk(store, clock, begin, number, **known)

    def waits() -> tuple[int, ...]:
        model = int(dice.lognormvariate(5.55, 0.45)) + (1200 if dice.random() < 0.03 else 0)
        return (200, dice.randrange(70, 160), model, 0, dice.randrange(60, 150), dice.randrange(10, 40))

    talk.bot(
        "Thank you for calling Willow Dental. How can I help you?",
        stages=(0, 0, 0, 0, dice.randrange(280, 640), 20),
    )
    kind = dice.random()
    if kind < 0.06:
        return talk.ends(EndedBy.CALLER, "hung up", 1.0)
    for asked, answered in dice.sample(QUESTIONS, dice.randrange(1, 4)):
        talk.caller(asked).bot(answered, stages=waits())
    if kind < 0.26:
        name, message = dice.choice(LEFT)
        talk.happens(MessageTaken(caller_name=name, callback_number=number, message=message))
        seq = len(talk.call.events)
        if dice.random() < 0.85:
            talk.happens(MessageHandled(seq=seq, handled=True, by="maria"), 0.1)
        talk.bot("I will pass it on. Goodbye.", stages=waits())
        return talk.ends(EndedBy.BOT, "goodbye")
    if kind < 0.40:
        talk.bot("One moment please.", stages=waits())
        talk.happens(TransferStarted(destination="desk", warm=False))
        talk.happens(
            TransferEnded(destination="desk", outcome=TransferOutcome.CONNECTED, reason=""),
            dice.uniform(2, 9),
        )
        return talk.ends(EndedBy.HUMAN, "hung up", dice.uniform(30, 200))
    if kind < 0.43:
        talk.happens(ErrorHappened(message="the media stream broke"))
        return talk.ends(EndedBy.ERROR, "the line was lost")
    return talk.caller("Thank you, goodbye.").bot("Goodbye.", stages=waits()).ends(EndedBy.BOT, "goodbye")


async def week(store: CallStore, clock: Clock, now: datetime, *, per_day: int = 40, seed: int = 7) -> Talk:
    """Fill a store with the calls of the week before a moment, the one of the pictures last; returns that one."""
    dice = random.Random(seed)
    for days in range(6, -1, -1):
        day = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)
        begins = sorted(day + timedelta(hours=dice.triangular(7, 20, 10.5)) for _ in range(per_day))
        for begin in begins:
            if begin < now - timedelta(minutes=10):
                ordinary(store, clock, begin, dice)
        await store.flush()
    talk = invoice(store, clock, now - timedelta(minutes=4))
    await store.flush()
    clock.now = now
    return talk


@asynccontextmanager
async def carrier_with(content: bytes) -> AsyncIterator[str]:
    """A carrier's REST API that has nothing but a recording, of whatever is asked for, in parts if need be."""

    async def answer(request: web.Request) -> web.Response:
        wanted = request.http_range
        if wanted == slice(None, None, 1):
            return web.Response(body=content, content_type="audio/x-wav")
        piece = content[wanted]
        first = wanted.start or 0
        headers = {"Content-Range": f"bytes {first}-{first + len(piece) - 1}/{len(content)}"}
        return web.Response(body=piece, status=206, content_type="audio/x-wav", headers=headers)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def cookies_of(service: Running) -> list[dict[str, Any]]:
    """The cookies of whoever is logged in, as a browser keeps them."""
    return [
        {
            "name": one.name,
            "value": one.value or "",
            "domain": "127.0.0.1",
            "path": "/",
            "expires": -1,
            "httpOnly": True,
            "secure": False,
            "sameSite": "Lax",
        }
        for one in service.http.cookies.jar
    ]
