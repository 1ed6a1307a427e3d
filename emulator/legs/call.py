"""One leg in progress: a person at a phone, a line, and what the carrier does with it.

A call that is dialled in, one that a server created by REST, and the second leg of a `<Dial>` differ only in how
they begin (`emulator.markup.dial_in`, `emulator.markup.dial_out`, `emulator.markup.second_leg`); each may run
documents and be interrupted by REST. Source: Twilio docs, voice/api/call-resource (every leg is a call; an update
interrupts what runs).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from emulator.documents.parsing import Document, Verb
from emulator.errors import CannotReach
from emulator.faults import Faults
from emulator.legs.dialect import Dialect
from emulator.legs.leg import BY_DIAL, INBOUND, STATUSES, Leg
from emulator.legs.line_verbs import LineVerbs
from emulator.legs.plan import CallPlan, Loss, Prepared, Speak, Start
from emulator.legs.progress import Progress
from emulator.legs.recordings import Recordings
from emulator.legs.stream import MediaStream
from emulator.legs.webhooks import Webhooks
from emulator.line.caller import Person, ScriptedCaller
from emulator.line.clock import Clock
from emulator.line.colleague import (
    Colleague,
    ColleagueCall,
    Ending,
    FaxMachine,
    ScriptedColleague,
    VoicemailBox,
    script_after_answer,
)
from emulator.line.line import PhoneLine
from emulator.timeline import Timeline
from emulator.wire import Wire

TALKED_OVER_MS = 1000
"""For how long a bot may be heard over people who were just connected: it has to learn of it and to act first."""

Work = Coroutine[Any, Any, None]
Opening = Callable[["Call"], Work]
"""How a call begins: rings, and then does what it is for."""

Handler = Callable[["Call", Verb, Document], Coroutine[Any, Any, Start | None]]
"""Carries out a verb of a document; returns the next document, or None for the next verb."""


class Switch(Protocol):
    """What a call, and what is done on it, need of the network; `emulator.legs.exchange.Exchange` is one.

    Attributes:
        dialect: The carrier.
        clock: The network's time.
        verbs: What carries out which verb of a document.
        faults: What is to go wrong.
        recordings: Where recordings are kept.
        wire: Passes on what goes over the wire.
        speak: The network's voice, or None.
        rest_base: Base URL of the REST server, where files are found.
        server_url: The server that was last called or has last called.
    """

    dialect: Dialect
    clock: Clock
    verbs: Mapping[str, Handler]
    faults: Faults
    recordings: Recordings
    wire: Wire
    speak: Speak | None
    rest_base: str
    server_url: str | None

    def may_show(self, number: str, call: Call | None = None) -> bool:
        """Whether a number may be shown to who is called."""

    def new_call(self, leg: Leg, plan: CallPlan, opening: Opening, *, listed: bool = True) -> Call:
        """A leg that does nothing yet, but can be found (unless it is none of the carrier's)."""

    def add(self, call: Call) -> None:
        """A leg can be found from now on."""

    def start(self, call: Call) -> None:
        """Run a leg that nothing else waits for."""

    def person_at(self, address: str, call: Call | None = None) -> Colleague | None:
        """Who is at a number or SIP address."""

    async def script_of(self, person: Colleague) -> Prepared:
        """What a person says and does after the answer, as audio."""


class Call:
    """A leg and what is known of it afterwards.

    Args:
        exchange: What it shares with the other legs of its network.
        leg: The carrier's record of it.
        plan: What it brings with it.
        opening: How it begins.
    """

    def __init__(self, exchange: Switch, leg: Leg, plan: CallPlan, opening: Opening) -> None:
        """Prepare the call; `run` places it."""
        self.exchange = exchange
        self.dialect = exchange.dialect
        self.clock = exchange.clock
        self.leg = leg
        self.plan = plan
        self.timeline = Timeline(exchange.clock.now)
        impairments = exchange.faults.impairments
        noise_db = impairments.profile.noise_db if plan.noise_db is None else plan.noise_db
        self.line = PhoneLine(
            self.timeline, exchange.clock, noise_db=noise_db, impairments=impairments.line()
        )
        self.webhooks = Webhooks(
            self.dialect,
            self.timeline,
            exchange.clock,
            self.fail,
            exchange.faults,
            exchange.wire,
            leg.call_id,
        )
        self.progress = Progress(self.dialect, leg, self.webhooks, plan.reporting)
        self.caller = self._handset()
        """The person at this leg's phone: the caller, or the callee of an outgoing leg."""
        self.fallback = plan.fallback
        """The URL that the carrier asks for a document when it gets none elsewhere."""
        self.errors: list[str] = []
        self.report_to: Callable[[str], None] | None = None
        """Also takes this leg's errors: the leg whose `<Dial>` called this one."""
        self.colleagues: list[ColleagueCall] = []
        """Every attempt to reach a colleague by `<Dial>`, in the order of the calls."""
        self.handed_over = False
        """Whether the call ended with a person: while they talked, or because the colleague hung up."""
        self.losses: list[Loss] = []
        self.marks_sent = 0
        self.marks_returned = 0
        self.answered_wall: datetime | None = None
        self.ended_by = "error"
        self.bot_left_ms: int | None = None
        """When the bot's side last acted to end the call: its hang-up request or the closing of its socket."""
        self.left_by: str | None = None
        """Who ended what the call did before: `bot`, `colleague` or `error`."""
        self.over = False
        self.redirected = False
        """Whether a REST update has given it something else to do."""
        self.gone = asyncio.Event()
        """Set when the call is over or was redirected: a leg that is bridged with it need not wait any longer."""
        self.stream: MediaStream | None = None
        self.keypad: Callable[[str], bool] | None = None
        """Takes the keys of this phone first (a verb that waits for them); True if that was all."""
        self.line_verbs = LineVerbs(self.line, self.timeline, plan.voice, self.dialect.play_keys)
        self.documents = self.streams = 0
        self._opening = opening
        self._interruption: asyncio.Future[Callable[[], Work] | None] = (
            asyncio.get_running_loop().create_future()
        )
        self._background: set[asyncio.Task[None]] = set()
        self._watchers: list[asyncio.Task[None]] = []
        self._caller_task: asyncio.Task[None] | None = None
        self._clockwork: asyncio.Future[None] | None = None

    # The outside of the call

    @property
    def recordings_url(self) -> str:
        """Where the carrier serves the files of this call's recordings."""
        return f"{self.exchange.rest_base}{self.dialect.recordings_path(self.leg)}"

    def fail(self, text: str) -> None:
        """Write down something that went wrong; it is in the report's `errors`."""
        self.errors.append(text)
        self.timeline.note("warning", text)
        if self.report_to is not None:
            self.report_to(text)

    def hang_up(self, ended_by: str, text: str, *, ending: Ending | None = None) -> None:
        """End the call now.

        Args:
            ended_by: `bot`, `caller` (the person at this phone), `colleague`, `peer` (the leg that called this one),
                `limit` or `error`.
            text: What happened, for people.
            ending: How the attempt to reach the callee ended, if the leg was not answered.
        """
        if self.over or self._interruption.done():
            return
        if ended_by == "bot":
            self.bot_left_ms = self.timeline.now_ms()
        self.end(ended_by, text, ending=ending)
        self._interruption.set_result(None)

    def divert(self, work: Callable[[], Work]) -> None:
        """Let the call do this instead; what it does now is cancelled (a media stream gets its `stop`)."""
        if self.over or self._interruption.done():
            return
        self.left_by = "bot"
        self.bot_left_ms = self.timeline.now_ms()
        self.redirected = True
        self.gone.set()
        self._interruption.set_result(work)

    async def run(self) -> None:
        """Place the call and stay on it to its end.

        Raises:
            CannotReach: Nothing listens at the URL.
        """
        work: Callable[[], Work] | None = partial(self._opening, self)
        try:
            while work is not None:
                work = await self._one(work())
        except CannotReach:
            self.over = True  # there was no call, so there is no end to report
            self.leg.ended_at = self.clock.wall()
            raise
        finally:
            self.end("error", "the emulator stops the call")
            await self._finish()

    async def _one(self, running: Work) -> Callable[[], Work] | None:
        work = asyncio.create_task(running)
        try:
            waited: set[asyncio.Future[Any]] = {work, self._interruption}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            raise
        if not self._interruption.done():
            work.result()
            return None
        following = self._interruption.result()
        self._interruption = asyncio.get_running_loop().create_future()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        return following

    # What the parts of its life need

    def answer(self) -> None:
        """The phone is picked up (or the carrier takes the call); nothing happens the second time."""
        if self.leg.answered_at is not None:
            return
        self.leg.status = "in-progress"
        self.leg.answered_at = self.answered_wall = self.clock.wall()
        if self.leg.direction != INBOUND:
            self.leg.ending = "completed"
        self.timeline.answered()
        self.timeline.note("answered", "the call is answered", call_id=self.leg.call_id)
        self.progress.tell("answered")
        self._clockwork = self.line.start()
        self._clockwork.add_done_callback(self._watch)
        self._caller_task = asyncio.create_task(self._be_the_caller())
        self._caller_task.add_done_callback(self._watch)

    def end(self, ended_by: str, text: str, *, ending: Ending | None = None) -> None:
        """Write down that the call is over; nothing happens the second time."""
        if self.over:
            return
        self.over = True
        self.ended_by = ended_by
        with_person = self.line.other_end.is_person
        self.handed_over = with_person or ended_by == "colleague"
        if not with_person:
            self.lose(self.line.unheard_ms, at_a_seam=ended_by != "caller")
        if (talked_over_ms := self.line.talked_over_ms) > TALKED_OVER_MS:
            self.fail(f"the bot was heard for {talked_over_ms / 1000:.1f} s over people who were connected")
        self.line.hang()
        if not self.leg.ended:
            self._write_down_end(ended_by, ending)
        self.timeline.note("hang_up", text, by=ended_by)
        self.gone.set()

    def release(self, text: str) -> None:
        """The carrier is out of the call, and the phone talks on without it (after a SIP REFER)."""
        self._write_down_end("caller", None)
        self.timeline.note("released", text)
        self.progress.tell("completed")

    def _write_down_end(self, ended_by: str, ending: Ending | None) -> None:
        leg = self.leg
        leg.ended_at = self.clock.wall()
        inbound = leg.direction == INBOUND
        if leg.answered_at is not None:
            leg.status = "completed"
        elif inbound:
            leg.status = "failed" if ended_by == "error" else "busy"
        else:
            leg.ending = ending or ("failed" if ended_by == "error" else "canceled")
            leg.status = STATUSES[leg.ending]
        leg.hangup_source = "caller" if (ended_by == "caller") == inbound else "callee"

    def application_error(self, reason: str) -> None:
        """End the call because the carrier cannot carry out what the server wants."""
        self.fail(reason)
        self.end("error", "the carrier says that an application error has occurred and ends the call")

    def lose(self, audible_ms: int, *, at_a_seam: bool = False) -> None:
        """Count speech of the bot that was never heard: at a seam of the call, or because the bot took it back."""
        if audible_ms and at_a_seam:
            self.line.seams.unplayed(audible_ms)
        if audible_ms:
            self.losses.append(Loss(self.timeline.now_ms(), audible_ms, taken_back=not at_a_seam))

    def watch(self, work: Work) -> None:
        """Do something beside the documents for as long as the call lasts."""
        self._watchers.append(asyncio.create_task(work))

    def in_background(self, work: Work) -> None:
        """Do something that may outlast the call a little: a callback."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    # Small parts

    def _handset(self) -> Person:
        person = self.plan.person
        held = None if person is None or person.held is None else person.held.handset
        live = self.plan.handset or held
        if live is not None:
            return live(self.line, self._press, self.timeline)
        kind: type[ScriptedCaller] = ScriptedCaller
        script = self.plan.script
        if self.leg.direction != INBOUND:
            kind = ScriptedColleague
            if person is not None:
                kinds = {"voicemail": VoicemailBox, "fax": FaxMachine}
                kind = kinds.get(person.behaviour, ScriptedColleague)
                script = script_after_answer(person, script)
        handset = kind(script, self.line, self._press, self.timeline, self.fail, self.plan.manners)
        if isinstance(handset, VoicemailBox) and person is not None:
            handset.beeps = person.beeps
        return handset

    async def _be_the_caller(self) -> None:
        await self.caller.run()
        self.hang_up("caller", f"the {self.caller.who} hangs up")

    def _watch(self, task: asyncio.Future[None]) -> None:
        # A call whose line or person has failed would never end; `_finish` raises what happened.
        if not task.cancelled() and task.exception() is not None:
            self.hang_up("error", "the emulator itself failed")

    async def _finish(self) -> None:
        tasks = [task for task in (self._clockwork, self._caller_task, *self._watchers) if task is not None]
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        self.progress.tell("completed")
        await self.progress.finish()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.webhooks.aclose()
        self._complain_of_unspoken()
        for result in results:
            if isinstance(result, Exception):
                raise result

    def _complain_of_unspoken(self) -> None:
        talks = self.plan.person is None or self.plan.person.behaviour == "answers"
        if self.caller.unspoken and self.leg.answered_at and talks and self.leg.direction != BY_DIAL:
            who = self.caller.who
            self.fail(f"unfinished script: {self.caller.unspoken} line(s) of the {who} were never said")

    def _press(self, digit: str) -> None:
        if self.keypad is not None and self.keypad(digit):
            return
        if self.stream is not None:
            self.stream.press(digit)
        if self.line.room is not None:
            self.line.room.press(self.line, digit)
        elif self.line.other_end.is_nobody:
            self.timeline.note("note", f"key {digit} is heard by nobody")
        elif self.stream is None:
            self.fail(f"key {digit} was pressed while no media stream was open")
