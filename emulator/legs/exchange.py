"""The inside of the network: which legs there are, who can be reached, and what they share."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

from loguru import logger

from emulator.account import Account
from emulator.errors import EmulatorError
from emulator.faults import Faults
from emulator.legs.call import Call, Handler, Opening
from emulator.legs.dialect import Dialect
from emulator.legs.leg import BY_REST, INBOUND, Leg
from emulator.legs.lists import Listed
from emulator.legs.plan import CallPlan, Prepared, Speak
from emulator.legs.recordings import Recordings
from emulator.line.caller import Audio, Say, ScriptItem
from emulator.line.clock import Clock
from emulator.line.colleague import Colleague, same_address
from emulator.wire import Wire

KEPT_CALLS = 1000
STOP_SECS = 10.0


class Exchange:
    """What the legs of a network share.

    Args:
        dialect: The carrier.
        clock: The network's time.
        verbs: What carries out which verb of a document (`emulator.markup.verbs`, which needs what is here).
        faults: What is to go wrong.
        listed: What lists of calls have in them; as late as the carriers' lists when not given.
        recordings: Where recordings are kept.
        account: What the account owns.
        wire: Passes on what goes over the wire.
    """

    def __init__(
        self,
        dialect: Dialect,
        clock: Clock,
        verbs: Mapping[str, Handler],
        faults: Faults | None = None,
        listed: Listed | None = None,
        recordings: Recordings | None = None,
        account: Account | None = None,
        wire: Wire | None = None,
    ) -> None:
        """No legs and nobody there."""
        self.dialect = dialect
        self.clock = clock
        self.verbs = verbs
        self.faults = faults or Faults()
        self._listed = listed or Listed(clock)
        self.account = account or Account()
        self.wire = wire or Wire()
        self.speak: Speak | None = None
        self.people: list[Colleague] = []
        self.anybody: Colleague | None = None
        """Who is at every other number; None for nobody."""
        self.recordings = recordings or Recordings()
        self.rest_base = ""
        """Base URL of the REST server, where files are found."""
        self.server_url: str | None = None
        """The server that was last called or has last called: documents without a URL are taken to be its."""
        self.on_new_call: list[Callable[[Call], None]] = []
        """Called with each new leg."""
        self._calls: OrderedDict[str, Call] = OrderedDict()
        self._tasks: dict[asyncio.Task[None], Call] = {}
        self._scripts: dict[int, tuple[Colleague, Prepared]] = {}
        self._over: list[Call] = []
        self._one_more_over = asyncio.Event()

    # Legs

    @property
    def calls(self) -> list[Call]:
        """All legs that are remembered, the oldest first."""
        return list(self._calls.values())

    @property
    def listed(self) -> list[Leg]:
        """The legs that the carrier's list of calls has by now, the oldest first."""
        return self._listed.legs(call.leg for call in self._calls.values())

    def may_show(self, number: str, call: Call | None = None) -> bool:
        """Whether a number may be the caller id of an outgoing leg: it is the account's own, or verified.

        Every number that callers have dialled on this network counts as the account's own.

        Args:
            number: E.164. A caller id that is no number, such as a SIP address, is allowed.
            call: The call that dials the leg, if any. Both carriers let its caller's number be passed on. Sources:
                Twilio docs, voice/twiml/dial, callerId; Telnyx docs, external transfers, which need a live call from
                that number.
        """
        called = {one.leg.to_number for one in self._calls.values() if one.leg.direction == INBOUND}
        passed_on = call is not None and number in (call.leg.from_number, call.leg.to_number)
        return not number.startswith("+") or passed_on or number in called or self.account.has(number)

    def find(self, call_id: str) -> Call | None:
        """A leg by the carrier's id, also for some time after its end."""
        return self._calls.get(call_id)

    def new_call(self, leg: Leg, plan: CallPlan, opening: Opening, *, listed: bool = True) -> Call:
        """A leg that does nothing yet, but can be found (unless it is none of the carrier's)."""
        call = Call(self, leg, plan, opening)
        if listed:
            self.add(call)
        return call

    def add(self, call: Call) -> None:
        """A leg can be found from now on."""
        self._calls[call.leg.call_id] = call
        self._listed.add(call.leg)
        for listener in self.on_new_call:
            listener(call)
        while len(self._calls) > KEPT_CALLS:
            self._calls.popitem(last=False)

    def complain(self, text: str, call: Call | None = None) -> None:
        """Make what the carrier would write into the account's log of errors an error of the call.

        Args:
            text: What is wrong.
            call: The call that it is about; without one it is an error of all calls that are under way.
        """
        for one in self.calls if call is None else [call]:
            if call is not None or not one.over:
                one.fail(text)

    def start(self, call: Call) -> None:
        """Run a leg in the background; an exception that ends it is among its errors."""
        task = asyncio.create_task(self._run(call))
        self._tasks[task] = call
        task.add_done_callback(self._tasks.pop)

    async def next_over(self, number: str, timeout_secs: float) -> Call:
        """The next call that a server placed to this number and that is over; each is returned once.

        Raises:
            TimeoutError: There was none in time.
        """
        async with asyncio.timeout(timeout_secs):
            while True:
                for call in self._over:
                    if same_address(call.leg.to_number, number):
                        self._over.remove(call)
                        return call
                await self._one_more_over.wait()

    async def until_over(self, call: Call) -> None:
        """Wait for the end of a leg that `start` runs; `next_over` does not return it then."""
        tasks = {task for task, running in self._tasks.items() if running is call}
        if tasks:
            await asyncio.wait(tasks)
        if call in self._over:
            self._over.remove(call)

    async def until_quiet(self) -> None:
        """Wait until every leg that `start` runs is over and its server has all callbacks."""
        while tasks := list(self._tasks):
            await asyncio.wait(tasks)

    async def stop(self) -> None:
        """Hang up all legs that are left."""
        for call in self._tasks.values():
            call.hang_up("error", "the network is shut down")
        tasks = set(self._tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_SECS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _run(self, call: Call) -> None:
        try:
            await call.run()
        except Exception as error:
            logger.opt(exception=error).error("a leg of the emulated network failed")
            call.fail(f"the emulator itself failed: {type(error).__name__}: {error}")
        finally:
            if call.leg.direction == BY_REST:
                self._over.append(call)
                one_more, self._one_more_over = self._one_more_over, asyncio.Event()
                one_more.set()

    # People

    def add_person(self, person: Colleague) -> None:
        """Let a person be reached from now on, in place of an earlier one at the same number.

        Raises:
            EmulatorError: The person has sentences to say, and there is no voice.
        """
        self._need_voice(person.script)
        self.people = [one for one in self.people if not same_address(one.number, person.number)]
        self.people.append(person)

    def person_at(self, address: str, call: Call | None = None) -> Colleague | None:
        """The person at a number or SIP address; None where nobody is.

        It is looked for among the people that `call` has brought, then those of the network, then those of other live
        calls; last comes whoever is at every other number.
        """
        own = list(call.plan.people) if call is not None else []
        others = [one for other in self._calls.values() if not other.over for one in other.plan.people]
        reachable = (*own, *self.people, *others)
        return next((one for one in reachable if same_address(one.number, address)), self.anybody)

    async def script_of(self, person: Colleague) -> Prepared:
        """What a person says and does after the answer, with the sentences as audio."""
        known = self._scripts.get(id(person))
        if known is None or known[0] is not person:
            known = self._scripts[id(person)] = (person, await self.prepare(person.script))
        return known[1]

    async def prepare(self, script: Sequence[ScriptItem]) -> Prepared:
        """Turn a script's sentences into audio.

        Raises:
            EmulatorError: A sentence, and no voice.
        """
        self._need_voice(script)
        prepared: Prepared = []
        for item in script:
            if not isinstance(item, Say):
                prepared.append(item)
                continue
            assert self.speak is not None
            samples = await asyncio.to_thread(self.speak, item.text)
            prepared.append(Audio(samples, item.text, item.after_reply))
        return prepared

    def _need_voice(self, script: Sequence[ScriptItem]) -> None:
        if self.speak is None and any(isinstance(item, Say) for item in script):
            raise EmulatorError(
                "the script has sentences but the network has no voice: pass speak=Voice().speak"
            )
