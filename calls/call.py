"""What a phone call is.

A call lives at the carrier, from ringing to hang-up; a media socket is only attached to it, for one session of the bot.
Everything that happens to a call is an event with a time. The state changes in one place, `Call.move`, and never leaves
an end.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self

from calls.events.event import CallEvent, E
from calls.events.lifecycle import Answered, Ended, Ringing, StateChanged, TransferEnded, TransferStarted
from calls.events.talk import Attached
from calls.states import NEXT, CallState, EndedBy
from calls.transfer import Resume, ResumeReason, TransferOutcome
from carriers.carrier import Direction, StatusUpdate


class IllegalMove(Exception):
    """A call cannot go from its state to the one asked for."""


@dataclass(frozen=True)
class Ending:
    """Who is ending a call, and why: noted before the carrier confirms that it is over."""

    by: EndedBy
    cause: str
    state: CallState = CallState.COMPLETED
    """Which end it is when the carrier reports just "completed": it does not know a voicemail from a talk."""


@dataclass(eq=False)
class Call:
    """One phone call.

    Parameters:
        carrier: Name of the carrier.
        carrier_call_id: The carrier's id of the call; empty while a call of ours has none.
        direction: Who dialled.
        from_number: The number (E.164) or SIP address of the caller; None when withheld or not known.
        to_number: The number or address that was dialled.
        agent: Name of the agent that talks; None while not known.
        parameters: What the bot knows about the call from the operator, the carrier or the API.
        mode: Which of the carrier's interfaces runs the call, where it has several; empty for its markup.
        id: Our own id, `call_` and 32 hexadecimal digits.
        clock: Where the times of events come from.
        state: Where it stands. Changed by `move` only.
        events: All that happened, in the order in which it is kept: what another process has written comes before what
            this one has not written yet.
        arrived: The same, in the order in which this process learned of it.
        ending: Who is about to end it, or ended it.
        resume: What the next session must know, while one is expected.
        created_at: When we heard of it.
        answered_at: When it was answered.
        ended_at: When it ended.
    """

    carrier: str
    carrier_call_id: str
    direction: Direction = Direction.INBOUND
    from_number: str | None = None
    to_number: str | None = None
    agent: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    mode: str = ""
    id: str = field(default_factory=lambda: f"call_{uuid.uuid4().hex}")
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC), repr=False)
    state: CallState = field(init=False)
    events: list[CallEvent] = field(init=False, default_factory=list, repr=False)
    arrived: list[CallEvent] = field(init=False, default_factory=list, repr=False)
    ending: Ending | None = field(init=False, default=None)
    resume: Resume | None = field(init=False, default=None)
    created_at: datetime = field(init=False)
    answered_at: datetime | None = field(init=False, default=None)
    ended_at: datetime | None = field(init=False, default=None)
    _watchers: list[Callable[[], None]] = field(init=False, default_factory=list, repr=False)

    def __post_init__(self) -> None:
        """Enter the first state: an incoming call rings already, an outgoing one is only queued."""
        self.created_at = self.clock()
        if self.direction is Direction.INBOUND:
            self._enter(CallState.RINGING, "dial-in")
        else:
            self._enter(CallState.QUEUED, "dial-out")

    @classmethod
    def restored(
        cls,
        *,
        state: CallState,
        events: list[CallEvent],
        ending: Ending | None,
        resume: Resume | None,
        created_at: datetime,
        answered_at: datetime | None,
        ended_at: datetime | None,
        **known: Any,
    ) -> Self:
        """A call as it was remembered: nothing begins, and nothing is recorded.

        Args:
            state: See the class; so are the others.
            events: All that happened.
            ending: Who is about to end it, or ended it.
            resume: What the next session must know.
            created_at: When we heard of it.
            answered_at: When it was answered.
            ended_at: When it ended.
            **known: What a new call is made from.
        """
        call = cls(**known)
        call.state, call.events, call.arrived = state, events, list(events)
        call.ending, call.resume = ending, resume
        call.created_at, call.answered_at, call.ended_at = created_at, answered_at, ended_at
        return call

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.state.is_end

    @property
    def talked_secs(self) -> float:
        """How long ago the call was answered; 0 before that."""
        return (self.clock() - self.answered_at).total_seconds() if self.answered_at else 0.0

    @property
    def other_number(self) -> str | None:
        """The number of the person on the line: the caller's, or for a call that we made the callee's."""
        return self.from_number if self.direction is Direction.INBOUND else self.to_number

    @property
    def ended_by(self) -> EndedBy | None:
        """Who ended it; None while it lives."""
        return self.ending.by if self.ending and self.is_over else None

    @property
    def end_cause(self) -> str | None:
        """Why it ended; None while it lives."""
        return self.ending.cause if self.ending and self.is_over else None

    @property
    def transfer_under_way(self) -> str | None:
        """Name of the destination of a transfer whose outcome is not known yet; None when there is none."""
        latest = self.last(TransferStarted, TransferEnded)
        return latest.destination if isinstance(latest, TransferStarted) else None

    def record(self, event: E, *, at: datetime | None = None) -> E:
        """Append an event, and call the functions given to `watch`.

        Args:
            event: What happened.
            at: When; now, unless given.

        Returns:
            The event as it is kept.
        """
        event = replace(event, at=at or self.clock())
        self.events.append(event)
        self.arrived.append(event)
        self._changed()
        return event

    def record_once(self, event: CallEvent) -> bool:
        """Append an event, unless the same was recorded before.

        Returns:
            Whether it is new.
        """
        if event in self.events:
            return False
        self.record(event)
        return True

    def learned(self, events: list[CallEvent], news: Sequence[CallEvent], changes: Mapping[str, Any]) -> None:
        """Take in what another process has written about the call, and call the functions given to `watch`.

        Args:
            events: All events in their order.
            news: Those of them that this process did not know.
            changes: What else is different now: attributes by name.
        """
        self.events[:] = events
        self.arrived += news
        for name, value in changes.items():
            setattr(self, name, value)
        if news or changes:
            self._changed()

    def has(self, kind: type[CallEvent]) -> bool:
        """Whether something of this kind has happened."""
        return self.last(kind) is not None

    def last(self, *kinds: type[E]) -> E | None:
        """The latest event of one of these kinds."""
        return next((event for event in reversed(self.events) if isinstance(event, kinds)), None)

    def news(self, kind: type[E]) -> asyncio.Future[E]:
        """The next event of a kind, once it happens."""
        future: asyncio.Future[E] = asyncio.get_running_loop().create_future()
        seen = len(self.arrived)

        def look() -> None:
            for event in self.arrived[seen:]:
                if isinstance(event, kind) and not future.done():
                    future.set_result(event)

        stop = self.watch(look)
        future.add_done_callback(lambda _: stop())
        return future

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Have a function called after each event.

        Returns:
            A function that stops it.
        """
        self._watchers.append(wake)
        return lambda: self._watchers.remove(wake)

    async def subscribe(self) -> AsyncIterator[CallEvent]:
        """All events, past ones first, then each as it happens, until the call has ended."""
        changed = asyncio.Event()
        stop = self.watch(changed.set)
        seen = 0
        try:
            while True:
                changed.clear()
                while seen < len(self.arrived):
                    seen += 1
                    yield self.arrived[seen - 1]
                # Not at the `ended` event itself: a call may have events after its end, such as `detached`.
                if self.is_over:
                    return
                await changed.wait()
        finally:
            stop()

    async def comes_true(self, condition: Callable[[], bool], secs: float) -> bool:
        """Wait for at most `secs` until a condition is true of the call; returns whether it is."""
        changed = asyncio.Event()
        stop = self.watch(changed.set)
        try:
            async with asyncio.timeout(secs):
                while not condition():
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            pass
        finally:
            stop()
        return condition()

    async def over_within(self, secs: float) -> bool:
        """Wait for the end for at most `secs`; returns whether it has come."""
        return await self.comes_true(lambda: self.is_over, secs)

    def will_end(self, by: EndedBy, cause: str, state: CallState = CallState.COMPLETED) -> None:
        """Note who is ending the call, so that the end that the carrier reports is not put down to the caller.

        The first note counts; later ones are ignored.
        """
        if self.ending is None:
            self.ending = Ending(by, cause, state)
            self._changed()

    def ended_before(self, by: EndedBy, cause: str) -> None:
        """Correct a note: the carrier says that the call had ended before `will_end`'s author got through."""
        if not self.is_over:
            self.ending = Ending(by, cause)
            self._changed()

    def expect_return(self, resume: Resume) -> None:
        """Note why the bot lets go of the caller, or why the caller comes back, for the next session."""
        self.resume = resume
        self._changed()

    def take_return(self) -> Resume | None:
        """What `expect_return` noted, once."""
        resume, self.resume = self.resume, None
        if resume is not None:
            self._changed()
        return resume

    def not_transferred(self) -> None:
        """Note that the caller stayed with the bot after all."""
        self.take_return()
        if self.state is CallState.TRANSFERRING:
            self.move(CallState.IN_PROGRESS, cause="back with the bot")

    def transfer_ended(
        self, destination: str, outcome: TransferOutcome, detail: str = "", *, bot_tells: bool = True
    ) -> bool:
        """Write down how a transfer ended, and what the next session must know of it.

        Args:
            destination: Name of the destination in the agent's file.
            outcome: How it ended.
            detail: More about that, in a few words.
            bot_tells: Whether a session of the bot is with the caller and says so. If not, the next one does.

        Returns:
            False when an outcome was written down before: the carrier may report several times, and the first report
            counts. The next session still gets the last one.
        """
        latest = self.last(TransferStarted, TransferEnded, Attached)
        is_first = not isinstance(self.last(TransferStarted, TransferEnded), TransferEnded)
        if is_first:
            self.record(TransferEnded(destination, outcome, detail))
            if outcome is TransferOutcome.CONNECTED:
                if self.state is CallState.IN_PROGRESS:
                    self.move(CallState.TRANSFERRING, cause=f"transfer to {destination}")
                if self.state is CallState.TRANSFERRING:
                    self.move(CallState.TRANSFERRED, cause=f"talks with {destination}")
            elif self.state in (CallState.TRANSFERRING, CallState.TRANSFERRED):
                self.move(CallState.IN_PROGRESS, cause="back with the bot")
        if outcome is TransferOutcome.CONNECTED:
            self.take_return()
        elif not bot_tells and (is_first or not isinstance(latest, Attached)):
            self.expect_return(Resume(ResumeReason.TRANSFER, destination, outcome, detail))
        return is_first

    def move(self, state: CallState, *, cause: str, ended_by: EndedBy | None = None) -> bool:
        """Change the state. This is the only place where that happens.

        Args:
            state: The new state.
            cause: Why, for people who read the events.
            ended_by: Who ended the call, for a move to an end. A note by `will_end` takes precedence.

        Returns:
            False when nothing changed, and nothing was recorded: the call was in this state already, or it is over and
            `state` is another end. The first end that we learn of stays.

        Raises:
            IllegalMove: No call can go this way.
        """
        if state is CallState.COMPLETED and self.ending is not None:
            state = self.ending.state
        if state is self.state or (state.is_end and self.is_over):
            return False
        if state not in NEXT[self.state]:
            raise IllegalMove(f"{self.id} cannot go from {self.state} to {state} ({cause})")
        if state.is_end and ended_by is not None:
            self.will_end(ended_by, cause)
        self._enter(state, cause)
        return True

    def apply(self, update: StatusUpdate) -> bool:
        """Take in a carrier's report, which may be late, doubled or out of order.

        Returns:
            Whether it changed the state. What comes too late to be true changes nothing.
        """
        if update.state is None:
            return False
        state = CallState(update.state.value)
        if state is CallState.IN_PROGRESS and self.state in (CallState.TRANSFERRING, CallState.TRANSFERRED):
            # A late "answered" must not be taken for a transfer that came back.
            return False
        if state not in NEXT[self.state]:
            return False
        return self.move(state, cause=update.reason or f"{self.carrier} reported {state}")

    def _changed(self) -> None:
        for wake in list(self._watchers):
            wake()

    def _enter(self, state: CallState, cause: str) -> None:
        self.state = state
        now = self.record(StateChanged(state, cause)).at
        if state is CallState.RINGING:
            self.record(Ringing())
        elif state is CallState.IN_PROGRESS and self.answered_at is None:
            self.answered_at = now
            self.record(Answered(), at=now)
        elif state.is_end:
            self.ended_at = now
            if self.ending is None:
                self.ending = Ending(self._who_ended(state), cause)
            self.record(Ended(self.ending.by, self.ending.cause), at=now)

    def _who_ended(self, state: CallState) -> EndedBy:
        if state is CallState.FAILED:
            return EndedBy.ERROR
        if state is CallState.VOICEMAIL:
            return EndedBy.BOT
        if state is CallState.CANCELED and self.direction is Direction.OUTBOUND:
            return EndedBy.BOT
        return EndedBy.CALLER
