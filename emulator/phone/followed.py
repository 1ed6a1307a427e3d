"""One call of the phone: its sound goes to the page and comes from there, and the page is told what happens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol, Self

from emulator.bot.server_api import HEARD, SPOKEN, ServerEvent
from emulator.legs.call import Call
from emulator.line.caller import Keypad
from emulator.line.codecs import SAMPLE_RATE
from emulator.line.line import PhoneLine
from emulator.line.live_caller import LiveCaller
from emulator.network import CallResult, PhoneNetwork
from emulator.phone.sound import Sound
from emulator.phone.telling import Telling
from emulator.timeline import Entry, Timeline

TELL_SECS = 0.1
"""How often a page is told what happened."""


class Page(Protocol):
    """Who has the phone in hand."""

    def tell(self, message: Mapping[str, Any]) -> None:
        """Something happened."""

    def hear(self, sound: bytes) -> None:
        """20 ms of what is heard, at the page's rate."""


class FollowedCall:
    """A call from its beginning to its end. Use as an async context manager.

    Args:
        network: Whose call it is.
        page: Who has the phone in hand.
        rate: Of the page's samples, in Hz.
    """

    def __init__(self, network: PhoneNetwork, page: Page, rate: int = SAMPLE_RATE) -> None:
        """Nothing is told yet."""
        self.page = page
        self.telling = Telling(network.exchange.clock.now)
        self.call: Call | None = None
        self.caller: LiveCaller | None = None
        self.sound = Sound(rate)
        self._network = network
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Watch the wire from now on; entering the context does it, too, and leaving it ends it."""
        if self._task is None:
            self._network.wire.watchers.append(self.telling.wire)
            self._network.faults.listeners.append(self.telling.fault)
            self._task = asyncio.create_task(self._go_on_telling())

    async def __aenter__(self) -> Self:
        """Watch the wire."""
        self.begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Tell the rest."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._network.wire.watchers.remove(self.telling.wire)
        self._network.faults.listeners.remove(self.telling.fault)
        self._tell()

    def attach(self, call: Call) -> None:
        """This is the call."""
        self.call = call
        self.telling.follow(call)
        call.timeline.listeners.append(lambda entry: self._happened(call, entry))

    def handset(self, line: PhoneLine, press: Keypad, timeline: Timeline) -> LiveCaller:
        """The person at the call's phone is who has the page in hand."""
        self.caller = LiveCaller(line, press, timeline, lambda frame: self.page.hear(self.sound.heard(frame)))
        return self.caller

    def understood(self, event: ServerEvent) -> None:
        """The server says what the bot heard or says."""
        who = {HEARD: "caller", SPOKEN: "bot"}.get(event.kind)
        if who is not None and event.text:
            self.page.tell({"said": {"t": self.telling.now_ms(), "who": who, "text": event.text}})

    def take(self, caller: LiveCaller) -> None:
        """Who is at the call's phone already is who has the page in hand."""
        caller.hear = lambda frame: self.page.hear(self.sound.heard(frame))
        self.caller = caller

    def speak(self, raw: bytes) -> None:
        """Say this, 16-bit samples."""
        if self.caller is not None:
            self.caller.speak(self.sound.spoken(raw))

    def press(self, digit: str) -> None:
        """Press a key; nothing happens while nobody has answered."""
        if self.caller is not None and self.call is not None and self.call.leg.answered_at is not None:
            self.caller.press(digit)

    def hang_up(self) -> None:
        """Put the receiver down."""
        if self.call is not None and self.call.leg.answered_at is None:
            self.call.hang_up("caller", "the caller hangs up before an answer")
        elif self.caller is not None:
            self.caller.hang_up()

    def break_socket(self) -> None:
        """Let the media socket break now; nothing happens without one."""
        if self.call is not None and self.call.stream is not None:
            self.call.stream.break_off()

    def _happened(self, call: Call, entry: Entry) -> None:
        if entry.kind == "answered":
            self.page.tell({"state": "up", "answered": self.telling.ms(call.timeline.zero)})
        elif entry.kind == "bot_speech" and entry.data.get("edge") == "start" and self.caller is not None:
            waited = self.caller.waited_ms(entry.at_ms)
            if waited is not None:
                self.page.tell({"response_ms": waited})
                at_ms = self.telling.ms(call.timeline.zero) + entry.at_ms
                self.telling.line("response", at_ms, f"{waited} ms after the caller's last sound")

    async def _go_on_telling(self) -> None:
        while True:
            await asyncio.sleep(TELL_SECS)
            self._tell()

    def _tell(self) -> None:
        rows = self.telling.taken()
        if rows:
            self.page.tell({"rows": rows})
        if self.call is None or self.caller is None:
            return
        mouth, ear = self.caller.mouthpiece, self.call.line.earpiece
        figures = {
            "frames_out": self.telling.frames[True],
            "frames_in": self.telling.frames[False],
            "marks_sent": self.telling.marks_sent,
            "marks_returned": self.telling.marks_returned,
            "mouth_gaps": mouth.gaps,
            "mouth_dropped_ms": mouth.dropped_ms,
            "mouth_ms": mouth.waiting_ms,
            "bot_gaps": ear.underruns,
            "bot_ms": ear.buffered_ms,
        }
        self.page.tell({"figures": figures})


def told(result: CallResult) -> dict[str, Any]:
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
