"""Telnyx's Call Control: legs that do nothing until an application commands them.

Sources: Telnyx docs, "Sending commands", call commands (one page each), "Receiving webhooks for programmable voice"
(a `command_id` that was used within 60 s is ignored); the client library's parameters and answers (4.189).

Not documented and chosen here: a duplicate of a command gets the answer of the first one; `answer` to a call that is
answered already does nothing; `reject` of an answered call and a second `transfer` while the first one rings are
refused with 10027; several destinations of one `dial` are not emulated, the first one is called.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from emulator.carriers.credentials import Credentials
from emulator.carriers.telnyx.control.bridge import Transfer, bridge, dialled_out
from emulator.carriers.telnyx.control.command_errors import CommandRefused, not_ours
from emulator.carriers.telnyx.control.controlled_call import ControlledCall, new_call
from emulator.carriers.telnyx.control.events import EventFeed, WebhookAddress
from emulator.carriers.telnyx.control.orders import COMMANDS as DOCUMENTED
from emulator.carriers.telnyx.control.orders import (
    EMULATED,
    DialOut,
    address_of,
    check,
    client_state_of,
    dial_of,
    digits_of,
    gather_of,
    stream_of,
)
from emulator.carriers.telnyx.control.payloads import REJECTIONS, initiated, status
from emulator.carriers.telnyx.control.recording_commands import COMMANDS
from emulator.carriers.telnyx.control.referring import follow_refer
from emulator.carriers.telnyx.control.sounds import Gathering
from emulator.errors import CannotReach
from emulator.legs.addressing import Target
from emulator.legs.delivery import EventHabits
from emulator.legs.exchange import Exchange
from emulator.legs.leg import BY_REST, INBOUND, Leg
from emulator.legs.plan import CallPlan

COMMAND_MEMORY_SECS = 60.0
OK = {"data": {"result": "ok"}}

Body = Mapping[str, Any]
Command = Callable[[ControlledCall, Body], Awaitable[None]]


@dataclass(frozen=True)
class Reply:
    """The answer to a request."""

    status: int
    body: dict[str, Any]


class CallControl:
    """All legs under Call Control.

    Args:
        exchange: The network's inside.
        credentials: The account: its connection and its signing key.
        habits: How events are delivered.
    """

    def __init__(
        self, exchange: Exchange, credentials: Credentials, habits: EventHabits | None = None
    ) -> None:
        """No legs yet."""
        self.exchange = exchange
        self.feed = EventFeed(credentials.telnyx_key, habits, exchange.clock, exchange.faults, exchange.wire)
        self.application_url: str | None = None
        """Where the events of a leg go that was dialled without a `webhook_url`: the application's address."""
        self.failover_url: str | None = None
        """Where an event goes that `application_url` does not take."""
        self.commands: dict[str, Command] = {
            "answer": self._answer,
            "reject": self._reject,
            "hangup": self._hangup,
            "transfer": self._transfer,
            "bridge": self._bridge,
            "refer": self._refer,
            "streaming_start": self._streaming_start,
            "streaming_stop": self._streaming_stop,
            "send_dtmf": self._send_dtmf,
            "speak": self._speak,
            "playback_start": self._playback_start,
            "playback_stop": self._playback_stop,
            "gather": self._gather,
            "gather_stop": self._gather_stop,
            "client_state_update": self._client_state_update,
            **COMMANDS,
        }
        """What carries out which command. A new command is a function and one line here."""
        self._connection_id = credentials.telnyx_connection_id
        self._remembered: dict[tuple[str, str], tuple[float, asyncio.Future[Reply]]] = {}

    def dial_in(self, leg: Leg, plan: CallPlan, target: Target, gives_up_secs: float) -> ControlledCall:
        """A caller dials the application's number; `run` of the call lets it ring."""
        url = target.webhook
        self.application_url = url
        self.failover_url = None if plan.fallback is None else plan.fallback.url
        address = WebhookAddress(url, failover=self.failover_url)
        return new_call(
            self.exchange, self.feed, leg, plan, lambda call: _parked(call, target, gives_up_secs), address
        )

    def shut_down(self) -> None:
        """The network is about to stop: events to servers that are gone already need not be sent again."""
        self.feed.insist = False

    async def aclose(self) -> None:
        """Stop delivering events."""
        await self.feed.aclose()

    # Requests

    async def dial(self, body: Body) -> Reply:
        """`POST /v2/calls`."""

        async def work() -> Reply:
            call = await self._dial(body)
            # Source: types/call_dial_response: dialling is asynchronous, so the call is never alive yet.
            return Reply(200, {"data": status(call.leg) | {"is_alive": False}})

        return await self._once("dial", body, work)

    async def command(self, call: ControlledCall, action: str, body: Body) -> Reply:
        """`POST /v2/calls/{id}/actions/{action}`."""

        async def work() -> Reply:
            await self._carry_out(call, action, body)
            return Reply(200, OK)

        # The same id for another call is another command (source: the parameter's description).
        return await self._once(call.leg.call_id, body, work)

    async def _once(self, whose: str, body: Body, work: Callable[[], Awaitable[Reply]]) -> Reply:
        """Carry out a command, unless its `command_id` was used already, also by one that is not done yet."""
        command_id = str(body.get("command_id") or "")
        now = time.monotonic()
        self._remembered = {
            key: kept for key, kept in self._remembered.items() if now - kept[0] < COMMAND_MEMORY_SECS
        }
        if command_id and (whose, command_id) in self._remembered:
            return await asyncio.shield(self._remembered[whose, command_id][1])
        answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        if command_id:
            self._remembered[whose, command_id] = now, answered
        try:
            reply = await work()
        except CommandRefused as refused:
            # What was not carried out may be tried again.
            self._remembered.pop((whose, command_id), None)
            reply = Reply(refused.status, refused.body())
        except BaseException:
            self._remembered.pop((whose, command_id), None)
            answered.cancel()
            raise
        answered.set_result(reply)
        return reply

    async def _carry_out(self, call: ControlledCall, action: str, body: Body) -> None:
        if call.leg.ended:
            raise CommandRefused("90018")
        command = self.commands.get(action)
        if command is None:
            raise CommandRefused("10005")
        check(action, body)
        _warn(call, action, body)
        await command(call, _own_parameters(action, body))
        if (state := client_state_of(body)) is not None:
            call.leg.client_state = state

    # Making legs

    async def _dial(self, given: Body) -> ControlledCall:
        check("dial", given)
        body = _own_parameters("dial", given)
        if str(body["connection_id"]) != self._connection_id:
            raise CommandRefused("10017", pointer="/connection_id")
        order = dial_of(body)
        address = address_of(body, WebhookAddress(self.application_url, failover=self.failover_url))
        linked = self._other(body["link_to"]) if body.get("link_to") else None
        if body.get("bridge_on_answer") and linked is None:
            raise CommandRefused("10004", "link_to is required with bridge_on_answer", "/link_to")
        exchange = self.exchange
        if not exchange.may_show(order.from_number):
            raise not_ours("/from")
        person = exchange.person_at(order.to[0])
        leg = exchange.dialect.new_leg(order.from_number, order.to[0], "PCMU", direction=BY_REST)
        leg.client_state = order.client_state
        if linked is not None:
            leg.session_id = linked.leg.session_id
        plan = CallPlan(
            address.url or exchange.server_url,
            () if person is None else await exchange.script_of(person),
            voice=exchange.speak,
            person=person,
        )
        bridged_with = linked if body.get("bridge_on_answer") else None
        call = new_call(
            self.exchange, self.feed, leg, plan, lambda _: _dialled(call, order, bridged_with), address
        )
        call.timeline.note("note", f"a call to {order.to[0]} is created by REST", call_id=leg.call_id)
        _warn(call, "dial", given)
        if len(order.to) > 1:
            call.fail("dial: several destinations are not emulated; the first one is called")
        exchange.start(call)
        return call

    def _other(self, call_control_id: Any) -> ControlledCall:
        call = self.exchange.find(str(call_control_id))
        if not isinstance(call, ControlledCall):
            raise CommandRefused("90015", pointer="/call_control_id")
        if call.leg.ended:
            raise CommandRefused("90018")
        return call

    # The commands

    async def _answer(self, call: ControlledCall, body: Body) -> None:
        if call.leg.direction != INBOUND:
            raise CommandRefused("90102")
        stream = stream_of(body)
        call.address = address_of(body, call.address)
        if call.leg.answered_at is not None:
            call.timeline.note("note", "answer: the call is answered already")
            return
        # The state is that of the events and of the stream that the command leads to.
        call.leg.client_state = client_state_of(body) or call.leg.client_state
        call.answer()
        if stream is not None:
            call.streaming.start(stream)
        else:
            call.watch_for_dead_air()

    async def _reject(self, call: ControlledCall, body: Body) -> None:
        cause = body["cause"]
        if call.leg.answered_at is not None or call.leg.direction != INBOUND:
            raise CommandRefused("10027")
        call.leg.client_state = client_state_of(body) or call.leg.client_state
        call.cause = REJECTIONS[cause]
        call.hang_up("rejected", f"the application rejects the call ({cause})")

    async def _hangup(self, call: ControlledCall, body: Body) -> None:
        call.leg.client_state = client_state_of(body) or call.leg.client_state
        call.hang_up("bot", "hang-up by REST")

    async def _transfer(self, call: ControlledCall, body: Body) -> None:
        order = dial_of(body, default_from=call.leg.to_number, transfer=True)
        if call.calling is not None:
            raise CommandRefused("10027")
        if not self.exchange.may_show(order.from_number, call):
            raise not_ours("/from")
        await Transfer(call, order, address_of(body, call.address)).start()

    async def _bridge(self, call: ControlledCall, body: Body) -> None:
        other = self._other(body["call_control_id"])
        _need_answer(call)
        _need_answer(other)
        if other is call:
            raise CommandRefused("90015", pointer="/call_control_id")
        if body.get("prevent_double_bridge") and other.peer is not None:
            raise CommandRefused("10027")
        bridge(call, other)
        call.leg.client_state = client_state_of(body) or call.leg.client_state
        call.tell("call.bridged")
        other.tell("call.bridged")

    async def _refer(self, call: ControlledCall, body: Body) -> None:
        address = body["sip_address"]
        _need_answer(call)
        call.background(lambda: follow_refer(call, address))

    async def _streaming_start(self, call: ControlledCall, body: Body) -> None:
        order = stream_of(body)
        _need_answer(call)
        assert order is not None
        call.leg.client_state = client_state_of(body) or call.leg.client_state
        call.streaming.start(order)

    async def _streaming_stop(self, call: ControlledCall, body: Body) -> None:
        await call.streaming.stop()
        call.watch_for_dead_air()

    async def _send_dtmf(self, call: ControlledCall, body: Body) -> None:
        digits, duration_ms = digits_of(body)
        _need_answer(call)
        call.background(lambda: call.sounds.press(digits, duration_ms))

    async def _speak(self, call: ControlledCall, body: Body) -> None:
        _need_answer(call)
        call.sounds.speak(body["payload"])

    async def _playback_start(self, call: ControlledCall, body: Body) -> None:
        _need_answer(call)
        call.sounds.play(body["audio_url"])

    async def _playback_stop(self, call: ControlledCall, body: Body) -> None:
        _need_answer(call)
        await call.sounds.stop()

    async def _gather(self, call: ControlledCall, body: Body) -> None:
        order = gather_of(body)
        _need_answer(call)
        if call.gathering is not None:
            call.gathering.stop()
        call.gathering = Gathering(call, order, str(body.get("gather_id") or ""), call.gathered)

    async def _gather_stop(self, call: ControlledCall, body: Body) -> None:
        _need_answer(call)
        if call.gathering is not None:
            call.gathering.stop()

    async def _client_state_update(self, call: ControlledCall, body: Body) -> None:
        """Do nothing else: the `client_state` of every command is kept in any case."""


def _need_answer(call: ControlledCall) -> None:
    if call.leg.answered_at is None:
        raise CommandRefused("90034")


def _own_parameters(command: str, body: Body) -> Body:
    """What the command has of the given parameters."""
    known = DOCUMENTED[command].parameters
    return {name: value for name, value in body.items() if name in known}


def _warn(call: ControlledCall, command: str, body: Body) -> None:
    """Note parameters that have no effect; unknown ones are errors, as what Telnyx does with them is not documented."""
    for name in DOCUMENTED[command].unknown(body):
        call.fail(f"{command} has no parameter {name[:40]}: it has no effect")
    for name in sorted((set(body) & set(DOCUMENTED[command].parameters)) - EMULATED):
        call.timeline.note("note", f"{command}: {name} is not emulated and has no effect")


async def _parked(call: Any, target: Target, gives_up_secs: float) -> None:
    """The opening of a dialled-in call: it rings until a command answers it, or the caller gives up."""
    name = call.dialect.name
    call.timeline.note("ringing", f"{name} call {call.leg.call_id[:12]}… from {call.leg.from_number}")
    told = call.tell("call.initiated", initiated(call.leg), insist=False)
    until = call.clock.now() + gives_up_secs
    accepted = asyncio.create_task(call.accepted.wait())
    try:
        with call.clock.real_time():
            await asyncio.wait({told, accepted}, timeout=gives_up_secs, return_when=asyncio.FIRST_COMPLETED)
            if told.done() and any(one.unreachable for one in told.result()):
                raise CannotReach(f"nothing listens at {target.base}: start the server or change --url")
            await asyncio.wait({accepted}, timeout=until - call.clock.now())
    finally:
        accepted.cancel()
    if not call.accepted.is_set():
        call.hang_up("caller", f"the caller gives up: nobody has answered for {gives_up_secs:g} s")
    await call.gone.wait()


async def _dialled(call: ControlledCall, order: DialOut, bridged_with: ControlledCall | None) -> None:
    """The opening of a leg that the application has dialled."""
    if not await dialled_out(call, order):
        return
    if bridged_with is not None and not bridged_with.over:
        bridged_with.answer()
        bridge(bridged_with, call)
        bridged_with.tell("call.bridged")
        call.tell("call.bridged")
    elif order.stream is None and order.detection is None:
        call.watch_for_dead_air()
    await call.gone.wait()
