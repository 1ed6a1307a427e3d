"""Calls whose callers must notice nothing: five at a time, on both carriers, as long as strangers try."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from attack.talkative_bot import LONG_ANSWER, MORE
from bench.quick_bot import WORD_SECS
from emulator import Digits, PhoneNetwork, Wait
from emulator.legs.call import Call
from emulator.line.caller import Manners
from emulator.network import CallResult

ROUNDS = 3
"""Long answers in a call."""

ANSWER_SECS = len(LONG_ANSWER.split()) * WORD_SECS
MAX_GAP_MS = 60
MANNERS = Manners(patience=0.3, reply_timeout=10.0)


@dataclass
class Beside:
    """The callers that the strangers must not disturb.

    Parameters:
        url: The server's.
        networks: A phone network for each carrier.
        voice_urls: The voice addresses that the server has printed, by carrier.
        at_once: How many calls at a time.
        call_ids: The carriers' ids of all of them.
        problems: What a caller would complain about.
    """

    url: str
    networks: list[PhoneNetwork]
    voice_urls: dict[str, str]
    at_once: int = 5
    call_ids: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    finished: int = 0

    async def keep_calling(self, enough: asyncio.Event) -> None:
        """Place calls until it is enough, and finish those that have begun."""
        while True:
            calls = [
                self._one(self.networks[number % len(self.networks)], number)
                for number in range(self.at_once)
            ]
            await asyncio.gather(*calls)
            if enough.is_set():
                return

    async def _one(self, network: PhoneNetwork, number: int) -> None:
        await asyncio.sleep(number * 0.3)
        script = [item for _ in range(ROUNDS) for item in (Digits(MORE), Wait(ANSWER_SECS + 1.5))]
        carrier = network.dialect.name
        result = await network.call(
            self.voice_urls.get(carrier, self.url),
            [*script, Digits("1#")],
            manners=MANNERS,
            status_callback=f"{self.url}/{carrier}/status",
            on_call=self._note,
        )
        self.problems += shortcomings(result)
        self.finished += 1

    def _note(self, call: Call) -> None:
        self.call_ids.append(call.leg.call_id)


def shortcomings(result: CallResult) -> list[str]:
    """What the caller would complain about after a call."""
    report = result.report
    name = f"{report.carrier} {report.call_id[:8]}"
    found = [f"{name}: {error}" for error in report.errors]
    if not report.answered:
        found.append(f"{name}: not answered")
    if not report.goodbye_heard or report.ended_by != "bot":
        found.append(f"{name}: no goodbye was heard, or the call was ended by {report.ended_by}")
    gaps = [entry.data["ms"] for entry in result.timeline.entries if entry.kind == "underrun"]
    found += [f"{name}: a gap of {gap} ms in the bot's voice" for gap in gaps if gap > MAX_GAP_MS]
    loud = abs(result.heard.astype(int)) > 500
    if loud.sum() / 8000 < ROUNDS * ANSWER_SECS * 0.6:
        found.append(f"{name}: only {loud.sum() / 8000:.1f} s of the bot's voice were heard")
    return found
