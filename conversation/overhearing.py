"""Listening in on a call: both sides, as they are on the wire, for people whom the agent's file lets hear it.

Nobody hears anything before the caller has heard the announcement of `[monitoring]` to its end; nor while the call's
recording is paused, as for the number of a card; nor when a colleague, who was told nothing, talks with the caller.

As long as nobody listens, a media stream knows nothing of all this: its serializer has no `overhearing`. Who listens
takes what has come together every tenth of a second, and is dropped when that has become too much. A call never waits
for them.

What they get are text messages, JSON with a `type`, and binary ones. `start` has how each side is encoded, `listeners`
how many people listen now, `silent` whether nothing may be heard now. A binary message has pieces of audio, each behind
one byte that says whose it is (0 the caller's, 1 the bot's) and four with its length, big-endian. A piece of 2, without
audio, says that the bot's audio that has not been played yet is taken back: the bot is ahead of its playing.
"""

from __future__ import annotations

import asyncio
import json
import re
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

from loguru import logger

from calls.errors import CallIsOver, NotAllowed, UnderWay
from calls.events.event import CallEvent
from calls.events.people import ListeningEnded, ListeningStarted
from calls.events.talk import BotHeard, Interrupted
from conversation.agents.errors import AgentError
from conversation.session import Session
from serializers.base import MediaStreamSerializer
from serializers.codecs import Codec

MAX_OF_CALL = 4
MAX_OF_PROCESS = 20
"""How many people may listen to one call, and in all."""

GATHER_SECS = 0.1
"""For how long audio is gathered for one message: a message of its own for each piece would be sixty a second."""

BEHIND_SECS = 4.0
"""How much of both sides may wait for who listens. Who is further behind is dropped."""

CALLER, BOT, TAKEN_BACK = 0, 1, 2

HEAD = struct.Struct(">BI")

LEFT, DETACHED, TOO_SLOW, NOT_ALLOWED = "left", "detached", "too_slow", "not_allowed"
"""Why somebody listens no more, as in `ListeningEnded`."""


class Listener:
    """Takes what is said, for one person.

    Parameters:
        by: Who they are.
        began: When they began, by `time.monotonic`.
        over: Why they listen no more; None while they do.
    """

    def __init__(self, by: str, at_most: int, leave: Callable[[Listener, str], None]):
        """Begin to listen.

        Args:
            by: Who it is.
            at_most: How many bytes of audio may wait.
            leave: Called when they have enough.
        """
        self.by = by
        self.began = time.monotonic()
        self.over: str | None = None
        self._at_most = at_most
        self._leave = leave
        self._waiting: list[str | bytearray] = []
        self._bytes = 0
        self._woken = asyncio.Event()

    async def take(self) -> list[str | bytes]:
        """Wait for what is said next.

        Returns:
            Messages, in order; none when it is over.
        """
        await self._woken.wait()
        if self.over is None:
            await asyncio.sleep(GATHER_SECS)
        taken, self._waiting, self._bytes = self._waiting, [], 0
        if self.over is None:
            self._woken.clear()
        return [one if isinstance(one, str) else bytes(one) for one in taken]

    def close(self, why: str = LEFT) -> None:
        """Listen no more; the first reason counts."""
        self._leave(self, why)

    def tell(self, **message: Any) -> None:
        """Put a message behind what waits."""
        self._waiting.append(json.dumps(message))
        self._woken.set()

    def hear(self, piece: bytes) -> bool:
        """Put audio behind what waits; returns whether there was room for it."""
        self._bytes += len(piece)
        if self._bytes > self._at_most:
            return False
        if self._waiting and isinstance(self._waiting[-1], bytearray):
            self._waiting[-1] += piece
        else:
            self._waiting.append(bytearray(piece))
        self._woken.set()
        return True

    def end(self, why: str) -> None:
        """Give out what waits, and no more."""
        self.over = why
        self._woken.set()


_all: set[Listener] = set()


def how_many() -> int:
    """How many people listen in, in this process."""
    return len(_all)


_streams: WeakKeyDictionary[Session, MediaStreamSerializer] = WeakKeyDictionary()


def may_be_overheard(session: Session, serializer: MediaStreamSerializer) -> None:
    """Note the media stream of a session with a caller, which may be listened to."""
    _streams[session] = serializer


def overheard(session: Session) -> Overheard | None:
    """What can be listened to of a session; None where it is not with a caller, by a carrier's media stream."""
    serializer = _streams.get(session)
    if serializer is None:
        return None
    listened_to = serializer.overhearing
    return listened_to if isinstance(listened_to, Overheard) else Overheard(session, serializer)


class Overheard:
    """A session's media stream, for those who listen in."""

    def __init__(self, session: Session, serializer: MediaStreamSerializer):
        """Nobody listens yet, and nothing is done."""
        self._session = session
        self._serializer = serializer
        self._listeners: list[Listener] = []
        self._off_the_record = self._was_silent = False
        self._stop_watching: Callable[[], None] = lambda: None
        self._end: asyncio.Task[None] | None = None

    def check(self) -> None:
        """Find out whether somebody may begin to listen now.

        Raises:
            NotDone: They may not; the message says why.
        """
        session = self._session
        if not session.agent.monitoring.listen:
            raise NotAllowed(
                f"nobody may listen to calls of this agent: to allow it, write listen = true under [monitoring] in "
                f"{session.agent.name}.toml"
            )
        if session.call.is_over:
            raise CallIsOver(f"the call has ended ({session.call.state}): there is nothing to hear any more")
        if session.is_detached:
            raise UnderWay("the bot does not talk with the caller now: try again when it does")
        if session.aside:
            raise UnderWay(
                "the caller is with a colleague, who was not told that others may listen: wait until the bot talks "
                "with the caller again"
            )
        if not was_told(session):
            raise UnderWay(
                "the caller has not heard to its end that others may listen: try again when they have; whoever talks "
                "over the announcement is not listened to"
            )
        if len(self._listeners) >= MAX_OF_CALL:
            raise UnderWay(
                f"{MAX_OF_CALL} people listen to this call, and no more can: one of them must stop"
            )
        if len(_all) >= MAX_OF_PROCESS:
            raise UnderWay(
                f"{MAX_OF_PROCESS} people listen to calls of this process, and no more can: one of them must stop"
            )

    def listen(self, by: str) -> Listener:
        """Begin to listen.

        Args:
            by: Who wants to.

        Raises:
            NotDone: As for `check`.
        """
        self.check()
        listener = Listener(by, self._at_most, self._leave)
        if not self._listeners:
            self._begin()
        self._listeners.append(listener)
        _all.add(listener)
        caller, bot = map(_encoding, self._serializer.codecs)
        listener.tell(type="start", caller=caller, bot=bot, listeners=len(self._listeners))
        if self._was_silent:
            listener.tell(type="silent", silent=True)
        self._tell_how_many(besides=listener)
        self._session.record(ListeningStarted(by=by))
        return listener

    # What the serializer tells, when somebody listens

    def caller_said(self, wire: bytes) -> None:
        """Take audio of the caller."""
        self._pass_on(CALLER, wire)

    def bot_said(self, wire: bytes) -> None:
        """Take audio of the bot."""
        self._pass_on(BOT, wire)

    def bot_taken_back(self) -> None:
        """Note that the carrier throws away what it has not played."""
        self._pass_on(TAKEN_BACK, b"")

    def _pass_on(self, side: int, wire: bytes) -> None:
        if self._must_be_silent():
            return
        piece = HEAD.pack(side, len(wire)) + wire
        for listener in self._listeners:
            if not listener.hear(piece):
                # Not here: an event of the call wakes others, and the stream must go on.
                asyncio.get_running_loop().call_soon(listener.close, TOO_SLOW)

    def _must_be_silent(self) -> bool:
        silent = self._off_the_record or self._session.aside
        if silent is not self._was_silent:
            self._was_silent = silent
            for listener in self._listeners:
                listener.tell(type="silent", silent=silent)
        return silent

    @property
    def _at_most(self) -> int:
        # A piece of 20 ms has five bytes before it.
        return round(
            BEHIND_SECS * sum(1.1 * one.sample_rate * one.sample_bytes for one in self._serializer.codecs)
        )

    def _begin(self) -> None:
        self._look()
        self._was_silent = self._off_the_record or self._session.aside
        self._stop_watching = self._session.call.watch(self._look)
        self._end = asyncio.create_task(self._end_with_the_session())
        self._serializer.overhearing = self

    def _look(self) -> None:
        self._off_the_record = self._session.off_the_record

    async def _end_with_the_session(self) -> None:
        await self._session.wait_detached()
        for listener in tuple(self._listeners):
            self._leave(listener, DETACHED)

    def _leave(self, listener: Listener, why: str) -> None:
        if listener.over is not None:
            return
        listener.end(why)
        self._listeners.remove(listener)
        _all.discard(listener)
        if not self._listeners:
            self._serializer.overhearing = None
            self._stop_watching()
            if self._end is not None and self._end is not asyncio.current_task():
                self._end.cancel()
        self._tell_how_many()
        if why == TOO_SLOW:
            logger.warning(
                "Call {}: somebody who listens in took nothing, and is dropped", self._session.call.id
            )
        secs = round(time.monotonic() - listener.began, 1)
        self._session.record(ListeningEnded(by=listener.by, secs=secs, why=why))

    def _tell_how_many(self, besides: Listener | None = None) -> None:
        for listener in self._listeners:
            if listener is not besides:
                listener.tell(type="listeners", listeners=len(self._listeners))


def _encoding(codec: Codec) -> dict[str, Any]:
    return {"encoding": codec.encoding, "sample_rate": codec.sample_rate, "byte_order": codec.byte_order}


# The announcement


def was_told(session: Session) -> bool:
    """Whether the caller has heard to its end, on this session or an earlier one of the call, that others may listen.

    It may have been said in another of the agent's languages than the one that is spoken now. Where the agent announces
    nothing there is nothing to hear.
    """
    if not session.agent.monitoring.announcement.strip():
        return True
    heard = "|".join(_heard(session.call.events))
    return any(words in heard for words in _announcements(session))


def _announcements(session: Session) -> Iterator[str]:
    for tag in session.agent.languages or (session.agent.language,):
        try:
            words = _plain(session.render(session.agent.in_language(tag).monitoring.announcement))
        except AgentError:
            continue
        if words:  # a template that comes to nothing has told nobody anything
            yield words


def _heard(events: list[CallEvent]) -> Iterator[str]:
    """What was heard, in stretches without an interruption."""
    stretch: list[str] = []
    for event in events:
        if isinstance(event, BotHeard):
            stretch.append(_plain(event.text))
        elif isinstance(event, Interrupted):
            yield "".join((*stretch, _plain(event.heard)))
            stretch.clear()
    yield "".join(stretch)


def _plain(text: str) -> str:
    """Letters and digits alone: a voice may report its words with other blanks and stops than it was given."""
    return re.sub(r"[\W_]+", "", text.casefold())
