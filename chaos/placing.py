"""Places the calls: as a caller, and through the server's API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import httpx

from chaos import talk
from chaos.judging import Witnessed
from chaos.schedule import IN, PlannedCall
from chaos.witness import nobody, witness
from emulator import Audio, Colleague, EmulatorError, PhoneNetwork
from emulator.legs.call import Call
from emulator.line import tonespeech
from emulator.line.caller import Manners, ScriptItem, Wait
from emulator.network import BOT_NUMBER

MANNERS = Manners(patience=0.35, reply_timeout=20.0, goodbye_timeout=45.0)
"""A caller with more patience than people have: how long the silence was is judged afterwards."""

LONGEST_SECS = 80.0
"""A call that has lasted so long is left open, and is ended here."""

BYES = 2
"""How often a caller says goodbye again to a bot that has spoken, and has not hung up."""

BYE_AGAIN_SECS = 3.0
"""How long a bot has for that, at least."""

DIALS_SECS = 40.0
"""How long a request to dial is tried again."""

RINGS_SECS = 150.0
"""How long it may take until the phone rings, or the API says that the call has failed."""

DIALS = 3
"""How often a call is asked for whose number was not dialled."""

ASK_SECS = 10.0
ASK_AGAIN_SECS = 2.0
LOOK_AGAIN_SECS = 0.1
AREAS = ("202", "212", "213", "312", "415", "617", "713", "702", "305", "206")


def number_of(call: PlannedCall) -> str:
    """A number of its own for each call, of those that are reserved for fiction."""
    area = AREAS[call.number // 90 % len(AREAS)]
    return f"+1{area}55501{call.number % 90 + 10:02d}"


@dataclass
class Live:
    """A call that goes on."""

    planned: PlannedCall
    call: Call
    forced: bool = False


@dataclass
class Placing:
    """Places calls, and knows which go on.

    Attributes:
        networks: A phone network for each carrier.
        url: The server as carriers see it.
        api: The server as its operator sees it.
        api_key: Opens the API.
        voice_urls: What is entered at the carriers for the bot's number, by carrier.
        fallbacks: The carriers' own documents for when the server does not answer, by carrier.
        live: Calls that go on, by the number of the planned call.
        lines: What the person at the phone says, one line after the other.
        doubled: Calls that the server has placed although it had placed them before.
    """

    networks: Mapping[str, PhoneNetwork]
    url: str
    api: str
    api_key: str
    voice_urls: Mapping[str, str]
    fallbacks: Mapping[str, str]
    lines: Sequence[str] = talk.LINES
    live: dict[int, Live] = field(default_factory=dict)
    doubled: list[Call] = field(default_factory=list)

    async def place(self, planned: PlannedCall) -> Witnessed:
        """Place a call, stay on it to its end, and write down what was seen of it."""
        try:
            if planned.direction == IN:
                await self._dial_in(planned)
            else:
                await self._dial_out(planned)
        except (EmulatorError, httpx.HTTPError, TimeoutError) as error:
            if planned.number not in self.live:
                return nobody(planned, str(error) or type(error).__name__)
        one = self.live.pop(planned.number)
        return await asyncio.to_thread(witness, planned, one.call, forced=one.forced)

    async def _dial_in(self, planned: PlannedCall) -> None:
        network = self.networks[planned.carrier]
        limits: list[asyncio.Task[None]] = []

        def begin(call: Call) -> None:
            self.live[planned.number] = Live(planned, call)
            limits.append(asyncio.create_task(self._limit(self.live[planned.number])))

        status = None if planned.mode else f"{self.url}/{planned.carrier}/status"
        try:
            await network.call(
                self.url if planned.mode else self.voice_urls[planned.carrier],
                self._script(),
                from_number=number_of(planned),
                mode=planned.mode,
                manners=MANNERS,
                status_callback=status,
                fallback_url=None if planned.mode else self.fallbacks[planned.carrier],
                gives_up_secs=LONGEST_SECS,
                on_call=begin,
            )
        finally:
            for limit in limits:
                limit.cancel()

    async def _dial_out(self, planned: PlannedCall) -> None:
        network = self.networks[planned.carrier]
        number = number_of(planned)
        hello: list[ScriptItem] = [Audio(tonespeech.speak("Hello"), "Hello")]
        network.add_person(Colleague(number, 0.5, script=[*hello, *self._script()]))
        rings = asyncio.Event()

        def begin(call: Call) -> None:
            if call.leg.to_number == number:
                if rings.is_set():
                    self.doubled.append(call)
                    return
                self.live[planned.number] = Live(planned, call)
                rings.set()

        network.exchange.on_new_call.append(begin)
        try:
            for _ in range(DIALS):
                if await self._rings(rings, await self._ask_to_dial(planned, number)):
                    break
        finally:
            network.exchange.on_new_call.remove(begin)
        if planned.number not in self.live:
            raise EmulatorError(f"the API says {DIALS} times that it has failed")
        one = self.live[planned.number]
        limit = asyncio.create_task(self._limit(one))
        try:
            while not one.call.over:
                await asyncio.sleep(LOOK_AGAIN_SECS)
        finally:
            limit.cancel()

    async def _rings(self, rings: asyncio.Event, call_id: str | None) -> bool:
        """Whether the phone rings; otherwise the API says that the call has ended without that.

        Raises:
            EmulatorError: Neither is so in time.
        """
        until = time.monotonic() + RINGS_SECS
        headers = {"Authorization": f"Bearer {self.api_key}"}
        async with httpx.AsyncClient(trust_env=False, timeout=ASK_SECS, headers=headers) as http:
            while time.monotonic() < until:
                with suppress(TimeoutError):
                    await asyncio.wait_for(rings.wait(), ASK_AGAIN_SECS)
                if rings.is_set():
                    return True
                with suppress(httpx.HTTPError, ValueError):
                    if call_id and (await http.get(f"{self.api}/calls/{call_id}")).json().get("ended_at"):
                        return rings.is_set()
        raise EmulatorError(
            f"{RINGS_SECS:.0f} s after POST /calls no phone rings, and the API does not say why"
        )

    async def _ask_to_dial(self, planned: PlannedCall, number: str) -> str | None:
        """Ask as an operator's program would: again when nobody answers, but for a phone that rings already.

        Returns:
            The API's id of the call; None if the phone rings although nobody has answered.

        Raises:
            EmulatorError: It is refused for good.
        """
        headers = {"Authorization": f"Bearer {self.api_key}"}
        body = {"to": number, "from": BOT_NUMBER, "carrier": planned.carrier}
        until = time.monotonic() + DIALS_SECS
        answer = "no answer"
        async with httpx.AsyncClient(trust_env=False, timeout=ASK_SECS, headers=headers) as http:
            while time.monotonic() < until and planned.number not in self.live:
                with suppress(httpx.HTTPError):
                    response = await http.post(f"{self.api}/calls", json=body)
                    answer = f"HTTP {response.status_code}: {response.text[:200]}"
                    if response.status_code < 300:
                        return str(response.json()["id"])
                    if response.status_code in (400, 401, 403, 422):
                        break
                await asyncio.sleep(ASK_AGAIN_SECS)
        if planned.number not in self.live:
            raise EmulatorError(f"POST /calls: {answer}")
        return None

    def _script(self) -> list[ScriptItem]:
        script: list[ScriptItem] = [Audio(tonespeech.speak(line), line) for line in self.lines]
        for _ in range(BYES):  # to a bot that was away, and says so
            script += [Wait(BYE_AGAIN_SECS), Audio(tonespeech.speak(self.lines[-1]), self.lines[-1])]
        return script

    async def _limit(self, one: Live) -> None:
        await asyncio.sleep(LONGEST_SECS)
        one.forced = True
        one.call.hang_up("error", f"it is ended here: it was still open after {LONGEST_SECS:.0f} s")
