"""How long callers wait for a hang-up, for a transfer, and for the bot's word about a transfer that failed.

The server runs with `bench.quick_bot`'s voice and keys. Times are the emulator's: of its timelines, of its REST
server's log, and of the frames that reached the caller's or the colleague's ear.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.figures import Figure, figure_of
from bench.serving import serving, without_services
from emulator import (
    CallResult,
    Colleague,
    Digits,
    EmulatorError,
    HangUp,
    PhoneNetwork,
    ScriptItem,
    Timeline,
    Wait,
    tone,
)
from emulator.legs.call import Call
from emulator.line.caller import Manners, Until
from emulator.line.codecs import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE, Pcm
from emulator.line.line import PhoneLine

SETUPS = (("twilio", ""), ("telnyx", ""), ("telnyx", "call_control"))
"""Where it is measured: documents of both carriers, and Telnyx's commands."""

SALES, BILLING = "+12025550111", "+12025550112"
AGENT = f"""
greeting = "Hello."
instructions = "Answer in one word."
tools = ["end_call", "transfer_call"]
[transfers.sales]
number = "{SALES}"
warm = true
[transfers.billing]
number = "{BILLING}"
[lines]
briefing = "A caller asks about {{{{ reason }}}}. Press one or two."
"""

CALLER_HZ, COLLEAGUE_HZ = 700, 1150
"""Voices that are told apart from each other and from the bot's."""

AUDIBLE_AMPLITUDE = 1000.0
TALK_MS = 15_000
MANNERS = Manners(patience=0.3, reply_timeout=10.0)
PAUSE_MS = 300
RINGS_SECS = 1.0
"""Longer than a pause within speech: the bot's first word after a line was found busy must not seem one of its last."""


@dataclass
class Waits:
    """The times of one setup, in ms."""

    name: str
    hang_up: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    failed: list[float] = field(default_factory=list)

    def figures(self) -> list[Figure]:
        """As lines of a table."""
        return [
            figure_of(f"{self.name}: last word played to hang-up request", self.hang_up, 500),
            figure_of(f"{self.name}: transfer accepted to hearing each other", self.warm, 1000),
            figure_of(f"{self.name}: line found busy to the bot's first word", self.failed, 2000),
        ]


async def measure_control(times: int, port: int, directory: Path) -> tuple[list[Figure], list[str]]:
    """Place calls that end, that are handed over and that come back, in each setup.

    Args:
        times: How many calls of each kind.
        port: A free port.
        directory: For the server's agent, data and output.

    Returns:
        The figures, and what went wrong, one sentence each.

    Raises:
        EmulatorError: The server cannot be started or reached.
    """
    agents = directory / "agents"
    agents.mkdir()
    (agents / "bench.toml").write_text(AGENT, encoding="utf-8")
    figures: list[Figure] = []
    problems: list[str] = []
    for carrier, mode in SETUPS:
        waits = Waits(f"{carrier}, Call Control" if mode else carrier)
        async with PhoneNetwork(carrier) as network:
            environment = {
                **network.environment(),
                **without_services(),
                "TELNYX_MODE": mode or "texml",
                "AGENTS_DIR": str(agents),
                "AGENT": "bench",
                "DATA_DIR": str(directory / f"data-{carrier}-{mode}"),
            }
            command = f"{sys.executable} -m bench.quick_bot"
            base = f"http://127.0.0.1:{port}"
            async with serving(command, environment, port, directory / "control.log") as served:
                voice_url = base if mode else served.voice_address(carrier) or base
                calls = _Calls(network, voice_url, mode, None if mode else f"{base}/{carrier}/status")
                for number in range(times):
                    for wait, values in (
                        (calls.hang_up, waits.hang_up),
                        (calls.warm_transfer, waits.warm),
                        (calls.failed_transfer, waits.failed),
                    ):
                        try:
                            values.append(await wait())
                        except NotMeasured as error:
                            problems.append(f"{waits.name}: {error}")
                    print(f"  {waits.name}: {number + 1} of {times}", flush=True)
        figures += waits.figures()
    return figures, problems


class NotMeasured(EmulatorError):
    """A call did not go as it must for its time to count; the message says what was missing."""


@dataclass(frozen=True)
class _Calls:
    network: PhoneNetwork
    voice_url: str
    mode: str
    status_url: str | None

    async def hang_up(self) -> float:
        """From the return of the last word's mark to the request that ends the call."""
        result = await self._call([Digits("1#")])
        ends = [one.at for one in self.network.requests.entries if one.verb == "hang_up"]
        if not ends:
            raise NotMeasured("the bot did not ask for the end of the call")
        asked_ms = (ends[-1] - result.timeline.zero) * 1000
        marks = [one.at_ms for one in result.timeline.of("mark_returned") if one.at_ms <= asked_ms]
        return asked_ms - _first(reversed(marks), "no mark came back before the hang-up")

    async def warm_transfer(self) -> float:
        """From the colleague's key to the first sound of each in the other's ear."""
        script: list[ScriptItem] = [
            Until(10.0, "the briefing", _briefed),
            Until(1.0, "the colleague's own voice", _speak_on(COLLEAGUE_HZ)),
            Digits("1", after_reply=False),
            Wait(1.5),
            HangUp(),
        ]
        self.network.add_person(Colleague(SALES, 0.3, script=script))
        speak = Until(1.0, "the caller's own voice", _speak_on(CALLER_HZ), after_reply=True)
        result = await self._call([Digits("2#"), speak, Wait(TALK_MS / 1000)])
        leg = self._leg_to(SALES)
        key = _first((one.at_ms for one in leg.timeline.of("digits")), "the colleague pressed no key")
        # In the caller's time
        later = (leg.timeline.zero - result.timeline.zero) * 1000
        there = later + _heard_at(np.concatenate(leg.line.heard), CALLER_HZ, "the colleague")
        here = _heard_at(result.heard, COLLEAGUE_HZ, "the caller")
        return max(here, there) - (later + key)

    async def failed_transfer(self) -> float:
        """From the moment at which the colleague's line is found busy to the bot's first word."""
        self.network.add_person(Colleague(BILLING, RINGS_SECS, "busy"))
        result = await self._call([Digits("3#"), Until(10.0, "the bot to be back", _back), HangUp()])
        busy = _first(_busy(result.timeline), "the colleague's line was never found busy")
        words = [one.at_ms for one in result.timeline.of("bot_speech") if one.data.get("edge") == "start"]
        word = _first((at for at in words if _since(busy, at)), "the bot was never heard again")
        return max(0.0, word - busy)

    async def _call(self, script: list[ScriptItem]) -> CallResult:
        return await self.network.call(
            self.voice_url, script, manners=MANNERS, mode=self.mode, status_callback=self.status_url
        )

    def _leg_to(self, number: str) -> Call:
        legs = [one for one in self.network.exchange.calls if one.leg.to_number == number]
        if not legs:
            raise NotMeasured("the colleague was never called")
        return legs[-1]


def _speak_on(frequency: float) -> Callable[[PhoneLine], bool]:
    """Begin to speak, and do not wait for the end of it."""

    def begin(line: PhoneLine) -> bool:
        line.mouthpiece.speak(tone(TALK_MS, frequency=frequency))
        return True

    return begin


def _briefed(line: PhoneLine) -> bool:
    """Whether the bot has said something and is silent."""
    heard_ms = line.hearing.last_audible_ms
    return heard_ms is not None and line.now_ms - heard_ms >= PAUSE_MS


def _back(line: PhoneLine) -> bool:
    """Whether the bot has said something after a line was found busy."""
    busy, bursts = _busy(line.timeline), line.hearing.bursts
    return bool(busy and bursts) and _since(busy[0], bursts[-1].start_ms) and _briefed(line)


def _since(moment: float, start_ms: float) -> bool:
    """Whether what is heard from a time on was said after a moment: the frame that it begins in may be older."""
    return start_ms + FRAME_MS > moment


def _busy(timeline: Timeline) -> list[int]:
    return [one.at_ms for one in timeline.of("colleague_not_reached")]


def _first(times: Iterable[float], otherwise: str) -> float:
    """The first time, or what it means that there is none."""
    for at in times:
        return at
    raise NotMeasured(otherwise)


def _heard_at(heard: Pcm, frequency: float, who: str) -> float:
    """When a person first heard a voice, in ms: the end of its first frame.

    Args:
        heard: 8 kHz samples.
        frequency: Of the voice, in Hz; a multiple of 50, so that 20 ms hold whole periods of all voices.
        who: The person who should hear it, for the error.
    """
    frames = heard[: len(heard) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    wave = np.exp(-2j * np.pi * frequency * np.arange(FRAME_SAMPLES) / SAMPLE_RATE)
    loud = np.flatnonzero(np.abs(frames @ wave) * 2 / FRAME_SAMPLES >= AUDIBLE_AMPLITUDE)
    return _first(((int(loud[0]) + 1) * FRAME_MS for _ in loud[:1]), f"{who} never heard the other")
