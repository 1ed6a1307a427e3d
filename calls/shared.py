"""One call over all processes that share a database: who talks on it, what is asked of whom, and what others wrote.

Each process shows that it lives by a count that it raises every `BEAT_SECS`. One whose count stands still for
`DEAD_SECS`, by the monotonic clock of whoever looks, is dead, and has no session any more: no clock is compared with
another, so none can do harm by jumping. A process that was taken for dead and goes on is known again at its next beat.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from loguru import logger

from calls.call import Call
from calls.database import leases, processes
from calls.database.engine import READING, WRITING
from calls.database.errors import DatabaseError, DatabaseUnavailable
from calls.database.merging import Theirs, merge
from calls.database.processes import Beat, Command, Me, Offer
from calls.database.waking import EVERYTHING, Names, Waking, tell
from calls.errors import CallIsOver, CarrierFailed, NoAnswer, NotAllowed, NotDone, NotPossible, UnderWay

if TYPE_CHECKING:
    from calls.database.call_database import CallDatabase
    from calls.database.writer import CallWriter

T = TypeVar("T")

BEAT_SECS = 1.0
DEAD_SECS = 5.0

FORGET_SECS = 60.0
"""How long a dead process is remembered."""

SURE_BEATS = 3
"""After so many more beats of a process it was after the moment from which they are counted that it said what it
offers: the next beat may have been written before that moment and not been seen yet."""

TAKE_SECS = 2.5
"""How long a process may take to begin what it is asked to do; then it is asked no more, and has not done it."""

DONE_SECS = 12.0
"""How long it may take to do it: a carrier is asked several times."""

ASK_SECS = 2.0
"""How long the database may take to say where a call's session is."""

AGAIN_SECS = 1.0
"""When to try again after the database has failed."""

CarryOut = Callable[[Command], Awaitable[Any]]
"""Does what another process asks for; returns what JSON has, or raises `NotDone`."""

NOT_DONE: Mapping[str, type[NotDone]] = {
    kind.__name__: kind for kind in (NotPossible, NotAllowed, CallIsOver, UnderWay, CarrierFailed, NoAnswer)
}
"""What may come back instead."""


@dataclass
class _Seen:
    """A process, as it was seen last."""

    beat: Beat
    at: float


class Shared:
    """What this process knows of the others, and they of it. It does nothing before `run`.

    Parameters:
        database: Of the calls.
        writer: Reads and writes it.
        live: The calls in memory that have not ended.
        learned: Called in the calls' loop with each call that another process has changed.
        clock: Monotonic time in seconds.
        offer: What this process would take over; the others know it with its next beat.
    """

    def __init__(
        self,
        database: CallDatabase,
        writer: CallWriter,
        live: Callable[[], Sequence[Call]],
        learned: Callable[[Call], None],
        clock: Callable[[], float] = time.monotonic,
    ):
        self.me = Me(uuid.uuid4().hex, f"{socket.gethostname()}/{os.getpid()}")
        self.offer = Offer()
        self._database = database
        self._writer = writer
        self._live = live
        self._learned = learned
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._carry_out: CarryOut | None = None
        self._seen: dict[str, _Seen] = {}
        self._next_beat = 0.0
        self._asking: dict[str, asyncio.Future[Mapping[str, Any]]] = {}
        self._begun: dict[str, asyncio.Task[None]] = {}
        self._followed: dict[str, set[asyncio.Event]] = {}
        self._held: set[str] = set()
        self._failing = False

    @property
    def runs(self) -> bool:
        """Whether this process is one of those that share the calls."""
        return self._loop is not None

    @property
    def alone(self) -> bool:
        """Whether no other process is known to share the calls."""
        return self._loop is None or not any(self.lives(one) for one in list(self._seen) if one != self.me.id)

    def lives(self, process_id: str) -> bool:
        """Whether a process has shown lately that it lives."""
        seen = self._seen.get(process_id)
        return seen is not None and self._clock() - seen.at < DEAD_SECS

    @property
    def living(self) -> list[str]:
        """The ids of the processes that live, this one among them."""
        return [one for one in list(self._seen) if self.lives(one)]

    @property
    def beats(self) -> dict[str, int]:
        """How many beats of each process were seen, by its id."""
        return {one: seen.beat.count for one, seen in list(self._seen.items())}

    def room_elsewhere(self, since: Mapping[str, int]) -> int | None:
        """How many calls other processes of this deployment would take over.

        Args:
            since: `beats` of some moment. What a process has offered before it does not count: it may be about to stop,
                too.

        Returns:
            None while that is not known of all of them.
        """
        room = 0
        for one, seen in list(self._seen.items()):
            offer = seen.beat.offer
            if one == self.me.id or not self.lives(one) or offer.deployment != self.offer.deployment:
                continue
            if offer.room and one in since and seen.beat.count < since[one] + SURE_BEATS:
                return None
            room += offer.room
        return room

    @property
    def has_neighbour(self) -> bool:
        """Whether another process on this machine would take calls over."""
        machine = processes.machine_of(self.me.name)
        return any(
            one != self.me.id
            and self.lives(one)
            and seen.beat.machine == machine
            and seen.beat.offer.deployment == self.offer.deployment
            and seen.beat.offer.room
            for one, seen in list(self._seen.items())
        )

    def machine_of(self, process_id: str) -> str | None:
        """The name of the machine on which another process lives; None for this one's own."""
        seen = self._seen.get(process_id)
        machine = seen.beat.machine if seen is not None else ""
        return None if machine == processes.machine_of(self.me.name) else machine

    async def holds(self, name: str) -> bool:
        """Whether this process is the one that does some work for all. It takes it over from one that is dead.

        Ask before each piece of the work: who was taken for dead has lost it. While the database does not answer, it
        stays as it was.

        Args:
            name: Of the work.
        """
        if self._loop is None:
            return True
        if not self._seen:
            return False  # others may live, and the database has not said so yet
        try:
            holder = await self._do(lambda connection: leases.holder_of(connection, name), begin=READING)
            mine = holder == self.me.id
            if not mine and (holder is None or not self.lives(holder)):
                unseen = holder not in self._seen
                mine = await self._do(
                    lambda connection: leases.take(connection, self.me, name, holder, must_be_gone=unseen)
                )
        except NoAnswer:
            return name in self._held
        (self._held.add if mine else self._held.discard)(name)
        return mine

    async def run(self, carry_out: CarryOut) -> None:
        """Be one of the processes that share the calls, until cancelled.

        Args:
            carry_out: Does what another process asks for.
        """
        self._loop, self._carry_out = asyncio.get_running_loop(), carry_out
        self._writer.share(self._merge, self._wake_followers)
        self._database.me = self.me
        try:
            await self._writer.run(self._watch)
        finally:
            self._loop = self._database.me = None
            self._writer.share(None, lambda _: None)
            for task in self._begun.values():
                task.cancel()
            if not self._failing:
                with suppress(NoAnswer):
                    await self._do(lambda connection: processes.forget(connection, [self.me.id]))

    # What others have written

    async def catch_up(self, call: Call) -> None:
        """Bring a call up to what other processes have written about it; as it is, when the database is silent."""
        if self.alone:
            return
        try:
            async with asyncio.timeout(ASK_SECS):
                await self._writer.catch_up([call])
        except (DatabaseError, TimeoutError) as error:
            logger.warning(
                "Call {}: what others have written of it is not known: {}", call.id, error or "too late"
            )

    @contextmanager
    def following(self, call_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever something was written about a call, by this process or another."""
        woken = asyncio.Event()
        self._followed.setdefault(call_id, set()).add(woken)
        try:
            yield woken
        finally:
            self._followed[call_id].discard(woken)
            if not self._followed[call_id]:
                del self._followed[call_id]

    # What is asked of whom

    async def elsewhere(self, call_id: str) -> str | None:
        """Which other process has the bot's session on a call; None for none that lives, or that is known.

        Raises:
            NoAnswer: The database does not say.
        """
        if self.alone:
            return None
        place = await self._do(lambda connection: processes.session_of(connection, call_id), begin=READING)
        return place if place and place != self.me.id and self.lives(place) else None

    async def ask(self, process_id: str, call_id: str, what: str, arguments: Mapping[str, Any]) -> Any:
        """Have another process do something with a call.

        Args:
            process_id: Which one.
            call_id: Our id of the call.
            what: The command's name.
            arguments: What goes with it, as JSON has it.

        Returns:
            What it answers.

        Raises:
            NotDone: It says so; or `NoAnswer`.
        """
        command = Command(uuid.uuid4().hex, call_id, what, arguments)
        answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._asking[command.id] = answer

        def put(connection: sa.Connection) -> None:
            processes.put_command(connection, self.me, process_id, command)
            tell(connection, [process_id])

        try:
            await self._do(put)
            return await self._answer(command, answer)
        finally:
            del self._asking[command.id]
            with suppress(NoAnswer):
                await asyncio.shield(
                    self._do(lambda connection: processes.delete_command(connection, command.id))
                )

    async def _answer(self, command: Command, answer: asyncio.Future[Mapping[str, Any]]) -> Any:
        done, _ = await asyncio.wait({answer}, timeout=TAKE_SECS)
        if not done and await self._do(lambda connection: processes.withdraw_command(connection, command.id)):
            raise NoAnswer(
                f"the process that talks on the call has not answered within {TAKE_SECS:g} s, and nothing was done: it "
                "has died, or hangs; try again when the caller is back with the bot"
            )
        done, _ = await asyncio.wait({answer}, timeout=DONE_SECS)
        if not done:
            raise NoAnswer(
                f"the process that talks on the call has begun it and not answered within {DONE_SECS:g} s: look at the "
                "call's events before you ask again",
                uncertain=True,
            )
        said = answer.result()
        if error := said.get("not_done"):
            kind = NOT_DONE.get(error, NotDone)
            options = (
                {"uncertain": True} if said.get("uncertain") and kind in (CarrierFailed, NoAnswer) else {}
            )
            raise kind(said.get("why", ""), **options)
        return said.get("done")

    async def _do(self, work: Callable[[sa.Connection], T], *, begin: str = WRITING) -> T:
        try:
            async with asyncio.timeout(ASK_SECS):
                return await self._writer.ask(lambda database: database.do(work, begin=begin))
        except (DatabaseError, TimeoutError):
            raise NoAnswer(
                "the database, by which the processes know of each other, does not answer"
            ) from None

    async def _obey(self, command: Command) -> None:
        """Do what another process asks for, and tell it what came of it."""
        assert self._carry_out is not None
        if not await self._do(lambda connection: processes.take_command(connection, command.id)):
            return
        said: dict[str, Any]
        try:
            said = {"done": await self._carry_out(command)}
        except NotDone as error:
            named = next((name for name, kind in NOT_DONE.items() if isinstance(error, kind)), "NotDone")
            said = {"not_done": named, "why": str(error), "uncertain": getattr(error, "uncertain", False)}
        except Exception as error:
            logger.opt(exception=error).error(
                "{} of call {} failed: {}", command.what, command.call_id, type(error).__name__
            )
            said = {
                "not_done": "NotDone",
                "why": "the process that talks on the call failed; its log has more",
            }

        def answer(connection: sa.Connection) -> None:
            if asked_by := processes.answer_command(connection, command.id, said):
                tell(connection, [asked_by])

        # What was done is to be seen by whoever reads the answer.
        await self._writer.flush(ASK_SECS)
        await self._do(answer)

    def _begin(self, commands: Sequence[Command]) -> None:
        """In the calls' loop: begin what is asked for."""
        for command in commands:
            if command.id not in self._begun:
                task = asyncio.create_task(self._obey(command), name=f"{command.what} {command.call_id}")
                self._begun[command.id] = task
                task.add_done_callback(partial(self._obeyed, command))

    def _obeyed(self, command: Command, task: asyncio.Task[None]) -> None:
        self._begun.pop(command.id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.warning("{} of call {} could not be answered: {}", command.what, command.call_id, error)

    def _take_answers(self, answers: Mapping[str, Mapping[str, Any]]) -> None:
        for command_id, said in answers.items():
            if (waiting := self._asking.get(command_id)) is not None and not waiting.done():
                waiting.set_result(said)

    # In the writer's loop

    async def _watch(self) -> None:
        while True:
            try:
                async with self._database.waking() as waking:
                    await self._look_for_ever(waking)
            except DatabaseError as error:
                if not self._failing:
                    self._failing = True
                    logger.warning("Nothing is known of other processes for now: {}", error)
            except Exception as error:
                logger.opt(exception=error).error(
                    "Other processes were lost sight of: {}", type(error).__name__
                )
            await asyncio.sleep(AGAIN_SECS)

    async def _look_for_ever(self, waking: Waking) -> None:
        while True:
            names: Names | None = EVERYTHING  # a word of others may have been lost
            if self._clock() >= self._next_beat:
                await self._beat()
            else:
                names = await waking.wait(self._next_beat - self._clock())
            if names is not None and not self.alone:
                await self._look(names)
            self._failing = False

    async def _beat(self) -> None:
        now = self._clock()
        if now - self._next_beat > BEAT_SECS:
            # This process, or the database, was away: whether others were is not known.
            self._seen = {one: _Seen(seen.beat, now) for one, seen in self._seen.items()}
        self._next_beat = now + BEAT_SECS
        beats = await self._database.do(lambda connection: processes.beat(connection, self.me, self.offer))
        self._see(beats, now)
        dead = [one for one, seen in self._seen.items() if now - seen.at >= FORGET_SECS and one in beats]
        if dead:
            await self._database.do(lambda connection: processes.forget(connection, dead))

    def _see(self, beats: Mapping[str, Beat], now: float) -> None:
        for process, beat in beats.items():
            seen = self._seen.get(process)
            if seen is None or seen.beat.count != beat.count:
                self._seen[process] = _Seen(beat, now)
        for process in set(self._seen) - set(beats):
            del self._seen[process]

    async def _look(self, names: Names) -> None:
        """Look at what others may have written."""
        calls = [call for call in self._live() if not names or call.id in names]
        if calls:
            await self._writer.catch_up_here(calls)
        self._wake_followers(names or list(self._followed))
        if names and self.me.id not in names:
            return
        commands, answers = await self._database.do(self._asked, begin=READING)
        if commands:
            self._in_calls_loop(self._begin, commands)
        if answers:
            self._in_calls_loop(self._take_answers, answers)

    def _asked(self, connection: sa.Connection) -> tuple[list[Command], dict[str, Mapping[str, Any]]]:
        answers = processes.answers_for(connection, self.me) if self._asking else {}
        return processes.commands_for(connection, self.me), answers

    def _wake_followers(self, call_ids: Iterable[str]) -> None:
        for call_id in call_ids:
            for woken in list(self._followed.get(call_id, ())):
                self._in_calls_loop(woken.set)

    async def _merge(
        self, call: Call, base: Mapping[str, Any], known: int, taken: int, theirs: Theirs
    ) -> int:
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        here = asyncio.get_running_loop()

        def in_calls_loop() -> None:
            try:
                events = merge(call, base, known, taken, theirs)
                self._learned(call)
            except Exception as error:
                here.call_soon_threadsafe(_settle, done, None, error)
            else:
                here.call_soon_threadsafe(_settle, done, events, None)

        self._in_calls_loop(in_calls_loop)
        return await done

    def _in_calls_loop(self, function: Callable[..., None], *arguments: Any) -> None:
        if (loop := self._loop) is None:
            raise DatabaseUnavailable("this process stops")
        with suppress(RuntimeError):  # it is closed: the process ends
            loop.call_soon_threadsafe(function, *arguments)


def _settle(future: asyncio.Future[int], result: int | None, error: Exception | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    elif result is not None:
        future.set_result(result)
