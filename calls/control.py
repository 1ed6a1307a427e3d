"""What we do to a call: carrier first, then state.

Hanging up (`calls.hang_up`) is idempotent and never fails with an exception. Everything else either happens, or raises
`NotDone` and leaves the caller with the bot.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

from loguru import logger

from calls.call import Call
from calls.colleague import Colleague
from calls.do_not_call import DoNotCall
from calls.errors import CallIsOver, CarrierFailed, NotDone, NotPossible
from calls.events.lifecycle import DigitsSent, TransferEnded, TransferStarted
from calls.hang_up import HANG_UP_BUDGET_SECS, hang_up, until_gone
from calls.insist import insist
from calls.recordings import recordings, was_changed
from calls.states import CallState, EndedBy
from calls.store import AlreadyNamed, CallStore
from calls.transfer import Resume, ResumeReason, Target, TransferOutcome
from calls.way_back import WayBack
from carriers.carrier import (
    CallEnded,
    Carrier,
    CarrierCall,
    CarrierError,
    CarrierRejected,
    CarrierUnavailable,
    CommandCarrier,
    DialOut,
    DialUncertain,
    Direction,
    MachineDetection,
    Meeting,
    RecordingFormat,
    StatusUpdate,
    TransferDocument,
    runs_commands,
    runs_documents,
    sends_digits,
)

RECORD_BUDGET_SECS = 8.0
"""How long the start of a recording may be tried: a carrier may record only once audio flows. Nobody waits for it."""

ACT_BUDGET_SECS = 4.0
"""How long anything but hanging up may be tried: the caller is on the line, hearing nothing."""

CLOCKS_DIFFER = timedelta(seconds=2)
"""How much earlier than by our clock a call may have ended by its carrier's, which may know whole seconds only."""

RECORDING_ACTIONS = {"start": "in_progress", "pause": "paused", "resume": "in_progress", "stop": "stopped"}
"""What can be done to a recording, and the state that it is in afterwards."""

T = TypeVar("T")


class CallControl:
    """Acts on one call.

    Parameters:
        call: The call.
        carrier: Its carrier, or None when there are no credentials for it.
        store: Where the call is remembered.
        way_back: How the caller comes back from what needs another document; None where there is no way.
        do_not_call: Who asked not to be called; nobody is put through to them.
        budget_secs: How long `hang_up` may try.
    """

    def __init__(
        self,
        call: Call,
        carrier: Carrier | None,
        store: CallStore,
        *,
        way_back: WayBack | None = None,
        do_not_call: DoNotCall | None = None,
        budget_secs: float = HANG_UP_BUDGET_SECS,
    ):
        self._call = call
        self._carrier = carrier
        self._store = store
        self._way_back = way_back
        self._do_not_call = do_not_call or DoNotCall()
        self._budget_secs = budget_secs

    @property
    def call(self) -> Call:
        """The call."""
        return self._call

    @property
    def carrier(self) -> Carrier | None:
        """Its carrier, or None when there are no credentials for it."""
        return self._carrier

    @property
    def keeps_stream_while_transferring(self) -> bool:
        """Whether the bot hears how a transfer ends, instead of being attached anew after it."""
        return self._carrier is not None and self._carrier.keeps_stream_while_transferring

    @property
    def can_transfer(self) -> bool:
        """Whether a transfer could be tried, and its caller could come back."""
        return self._carrier is not None and self._way_back is not None

    def of(self, other: Call) -> CallControl:
        """The control of another call of the same carrier."""
        return CallControl(
            other, self._carrier, self._store, way_back=self._way_back, do_not_call=self._do_not_call
        )

    async def refresh(self) -> bool:
        """Ask the carrier where the call stands, and take that over.

        Returns:
            Whether it answered. Without an answer the call stays as it is.
        """
        call = self._call
        if self._carrier is None:
            return False
        try:
            if not call.carrier_call_id and (
                call.direction is not Direction.OUTBOUND or not await self.find(call.created_at)
            ):
                return False
            # Also right after it was found: a list may be some seconds old.
            found = await self._carrier.fetch_call(call.carrier_call_id)
        except CarrierError as error:
            logger.debug("Call {}: the carrier does not say where it stands: {}", call.id, error)
            return False
        call.apply(StatusUpdate(call_id=call.carrier_call_id, state=found.state, reason="asked the carrier"))
        return True

    async def find(self, since: datetime) -> bool:
        """Look at the carrier for a call of ours that it has not named, and take over what it knows.

        Args:
            since: When it was dialled, or before.

        Returns:
            Whether it was found.

        Raises:
            CarrierError: There was no answer to that.
        """
        call, carrier = self._call, self._carrier
        if carrier is None:
            return False
        if not runs_documents(carrier):
            raise CarrierRejected(
                "the carrier does not list such calls by number: wait for the call's first event"
            )
        recent = await carrier.find_recent_call(call.to_number or "", call.from_number or "", since)
        for candidate in reversed(recent):  # the oldest first: who dialled first is named first
            if candidate.ended_at is not None and candidate.ended_at < since - CLOCKS_DIFFER:
                continue
            # Another call between the same numbers is not this one.
            if await self._store.restore(call.carrier, candidate.id) is None:
                return await self.found(candidate)
        return False

    async def found(self, at_carrier: CarrierCall) -> bool:
        """Name a call, take over its state, and end it if that was asked for before it had a name.

        Returns:
            False when the name is another call's.
        """
        call = self._call
        try:
            self._store.bind(call, at_carrier.id)
        except AlreadyNamed as error:
            logger.warning("{}", error)
            return False
        if not call.is_over:
            call.apply(StatusUpdate(at_carrier.id, at_carrier.state))
        if call.ending is not None and not call.is_over:
            ending = call.ending
            await self.hang_up(ending.by, ending.cause, state=ending.state)
        return True

    async def is_alive(self) -> bool:
        """Whether the carrier says that the call goes on."""
        return await self.refresh() and not self._call.is_over

    # Beginning

    async def answer(self) -> None:
        """Take a call that rings, and connect it with the bot; for carriers that do not answer by themselves.

        Raises:
            NotDone: It rings on, as far as we know.
        """
        call, carrier, way_back = self._call, self._commanded("answer"), self._back("answer")
        stream, command_id = await way_back.stream(call), str(uuid.uuid4())
        await self._act(lambda: carrier.answer(call.carrier_call_id, stream, command_id=command_id), "answer")

    async def stream_again(self) -> None:
        """Connect a call with the bot whose media stream was lost; for carriers that run no documents.

        Raises:
            NotDone: The caller hears nothing.
        """
        what = "connect the call with the bot again"
        call, carrier, way_back = self._call, self._commanded(what), self._back(what)
        stream, command_id = await way_back.stream(call), str(uuid.uuid4())
        await self._act(
            lambda: carrier.start_stream(call.carrier_call_id, stream, command_id=command_id), what
        )

    # Hanging up

    async def hang_up(self, ended_by: EndedBy, cause: str, *, state: CallState = CallState.COMPLETED) -> bool:
        """End the call through the carrier's REST API.

        It may be called again, and by several at once: they share one attempt, which goes on when one of them
        is cancelled. The call is over when its carrier says so, which is mostly a moment later. Until then it is asked
        again in the background, whatever came of this attempt (`calls.hang_up`).

        Args:
            ended_by: Who wants it to end.
            cause: Why, for people who read the events.
            state: Which end it is: `completed`, or `voicemail` for a call that a machine has answered.

        Returns:
            True when the carrier has taken the request, or the call is over. False when the carrier could not be told,
            after an event `hang_up_failed`: then closing the media socket is what is left to do at once.
        """
        return await hang_up(self, ended_by, cause, state, self._budget_secs)

    async def gone(self) -> bool:
        """Wait until the carrier says that a call is over that was hung up, for a host where nobody else asks.

        Returns:
            Whether it is over; False also when the carrier does not say so for a minute.
        """
        await until_gone(self)
        return self._call.is_over

    # Handing over

    async def transfer(self, target: Target) -> None:
        """Hand the caller over without asking the colleague first.

        When this returns, the colleague's phone rings. Where the carrier runs markup, the media stream ends for it,
        and unless the two get to talk, another one begins (`Resume`).

        Raises:
            NotDone: The caller is still with the bot. `CarrierFailed.uncertain` says that this is not sure.
        """
        self._do_not_call.check(target.address)
        call, carrier = self._call, self._able("transfer the caller")
        action_url = self._way_back.transfer_url(call) if self._way_back else None
        fallback = None
        call.expect_return(Resume(ResumeReason.TRANSFER, target.name))
        try:
            if not carrier.keeps_stream_while_transferring and action_url is None:
                fallback = await self._back("transfer the caller").stream(call)
            document = TransferDocument(
                destination=target.address,
                caller_id=target.caller_id or self.our_number,
                ring_timeout_secs=target.ring_timeout_secs,
                action_url=action_url,
                answered_url=self._way_back.answered_url(call) if self._way_back else None,
                fallback=fallback,
                refer=target.refer and self.is_sip,
            )
            call.move(CallState.TRANSFERRING, cause=f"transfer to {target.name}")
            command_id = str(uuid.uuid4())
            await self._act(
                lambda: carrier.transfer(call.carrier_call_id, document, command_id=command_id), "transfer"
            )
        except NotDone as error:
            if not getattr(error, "uncertain", False):
                self.not_transferred()
            raise
        if carrier.keeps_stream_while_transferring:
            call.take_return()

    def not_transferred(self) -> None:
        """Note that the caller stayed with the bot after all."""
        call = self._call
        call.take_return()
        if call.state is CallState.TRANSFERRING:
            call.move(CallState.IN_PROGRESS, cause="back with the bot")

    def transfer_ended(self, destination: str, outcome: TransferOutcome, detail: str = "") -> bool:
        """Write down how a transfer ended.

        Returns:
            False when that was written down before: several may hear of it, and the first one counts.
        """
        call = self._call
        latest = call.last(TransferStarted, TransferEnded)
        if isinstance(latest, TransferEnded):
            return False
        call.record(TransferEnded(destination, outcome, detail))
        if outcome is TransferOutcome.CONNECTED:
            if call.state is CallState.IN_PROGRESS:
                call.move(CallState.TRANSFERRING, cause=f"transfer to {destination}")
            if call.state is CallState.TRANSFERRING:
                call.move(CallState.TRANSFERRED, cause=f"talks with {destination}")
        elif call.state in (CallState.TRANSFERRING, CallState.TRANSFERRED):
            call.move(CallState.IN_PROGRESS, cause="back with the bot")
        return True

    async def call_colleague(self, target: Target, about: str) -> Call:
        """Call somebody on a leg of their own, on which the bot will ask whether they take the caller.

        Args:
            target: Whom.
            about: What the bot tells them.

        Returns:
            The colleague's call, ringing soon. The bot session on it finds in its parameters whom it is about.

        Raises:
            NotDone: Nobody is called.
        """
        self._do_not_call.check(target.address)
        call, carrier = self._call, self._able("call a colleague")
        way_back = self._back("call a colleague")
        from_number = target.caller_id or self.our_number
        if from_number is None:
            raise NotPossible(
                f"nobody knows the number to call {target.name} from: set caller_id in [transfers.{target.name}]"
            )
        colleague = self._store.dial_out(
            carrier=call.carrier,
            mode=call.mode,
            from_number=from_number,
            to_number=target.address,
            agent=call.agent,
            parameters=Colleague(call.id, call.carrier_call_id, target.name, about).as_parameters(),
        )
        try:
            stream = await way_back.stream(colleague)
        except NotDone as error:
            colleague.move(CallState.FAILED, cause=str(error))
            raise
        amd_url = way_back.amd_url(colleague)
        order = DialOut(
            to=target.address,
            from_number=from_number,
            stream=stream,
            status_url=way_back.status_url(colleague),
            ring_timeout_secs=target.ring_timeout_secs,
            machine_detection=MachineDetection.DETECT if amd_url else None,
            amd_url=amd_url,
        )
        try:
            dialled = await carrier.dial(order)
        except DialUncertain as error:
            # The phone may ring; then its media stream tells us, and to dial again could ring it twice.
            logger.warning("Call {}: whether the colleague's phone rings is not known: {}", call.id, error)
            return colleague
        except CarrierError as error:
            colleague.move(CallState.FAILED, cause=str(error))
            raise CarrierFailed(str(error)) from None
        if dialled.id:
            self._store.bind(colleague, dialled.id)
        return colleague

    async def connect(self, caller: Call | None) -> None:
        """Let the caller and the colleague, whose call this is, hear each other.

        Args:
            caller: The caller's call, when it is known here; its carrier's id is in our parameters in any case.

        Raises:
            NotDone: The caller is with the bot, or has hung up; the colleague may be alone now.
        """
        call, carrier = self._call, self._able("connect the two")
        colleague = Colleague.of(call)
        if colleague is None or not colleague.peer or (caller is not None and caller.is_over):
            raise CallIsOver("the caller has hung up")
        ended_url = self._way_back.transfer_url(caller) if self._way_back and caller else None
        meeting = Meeting(name=colleague.for_call or call.id, ended_url=ended_url)
        command_id = str(uuid.uuid4())
        if caller is not None and caller.state is CallState.IN_PROGRESS:
            # Before the carrier acts: the caller's media stream ends with it, and must not look like a hang-up.
            caller.move(CallState.TRANSFERRING, cause="a colleague takes the call")
        try:
            await self._act(
                lambda: carrier.connect_calls(
                    colleague.peer, call.carrier_call_id, meeting, command_id=command_id
                ),
                "connect the two",
            )
        except NotDone:
            if caller is not None and caller.state is CallState.TRANSFERRING:
                caller.move(CallState.IN_PROGRESS, cause="back with the bot")
            raise

    async def let_go(self) -> bool:
        """End the bot's media stream on a call that goes on without us, where the carrier does not do so itself.

        Returns:
            False when it may go on: then closing the media socket is what is left to do.
        """
        call, carrier = self._call, self._carrier
        if carrier is None or not runs_commands(carrier):
            return True
        command_id = str(uuid.uuid4())
        try:
            await self._act(
                lambda: carrier.stop_stream(call.carrier_call_id, command_id=command_id),
                "end the media stream",
            )
        except CallIsOver:
            return True
        except NotDone as error:
            logger.warning("Call {}: {}", call.id, error)
            return False
        return True

    # Keys and recordings

    async def send_digits(self, digits: str) -> bool:
        """Press keys for the other side.

        Returns:
            Whether the media stream goes on. If not, it ends now, and another one begins afterwards.

        Raises:
            NotDone: No key was pressed.
        """
        call, carrier = self._call, self._able("send digits")
        command_id = str(uuid.uuid4())
        try:
            if sends_digits(carrier):
                await self._act(
                    lambda: carrier.send_digits(call.carrier_call_id, digits, command_id=command_id),
                    "send digits",
                )
                call.record(DigitsSent(count=len(digits)))
                return True
            if not runs_documents(carrier):
                raise NotPossible("the carrier cannot send digits")
            document = carrier.digits_document(digits, await self._back("send digits").stream(call))
        except ValueError as error:
            raise NotPossible(str(error)) from None
        call.expect_return(Resume(ResumeReason.DIGITS))
        call.record(DigitsSent(count=len(digits)))
        try:
            await self._act(lambda: carrier.update_document(call.carrier_call_id, document), "send digits")
        except NotDone as error:
            if not getattr(error, "uncertain", False):
                call.take_return()
            raise
        return False

    async def record(self, action: str, file_format: str = RecordingFormat.WAV) -> None:
        """Start, pause, resume or stop the carrier's recording of the call.

        Args:
            action: One of `RECORDING_ACTIONS`.
            file_format: What file to make when it starts, one of `RecordingFormat`.

        Raises:
            NotDone: The recording is as it was.
        """
        call, carrier = self._call, self._able("record")
        if action not in RECORDING_ACTIONS:
            raise NotPossible(f"there is no {action!r} of a recording: use {', '.join(RECORDING_ACTIONS)}")
        call_id, command_id = call.carrier_call_id, str(uuid.uuid4())
        wanted = RecordingFormat(file_format)
        budget_secs = RECORD_BUDGET_SECS if action == "start" else None
        status_url = self._way_back.recording_url(call) if self._way_back else None
        known = (
            next((one.id for one in reversed(recordings(call)) if one.id), None)
            if action != "start"
            else None
        )

        async def request() -> str | None:
            nonlocal command_id
            if action == "start":
                try:
                    return await carrier.start_recording(
                        call_id, status_url=status_url, file_format=wanted, command_id=command_id
                    )
                except CarrierUnavailable as error:
                    if error.nothing_done:  # the refused one's id may count as a repetition
                        command_id = str(uuid.uuid4())
                    raise
            change = {
                "pause": carrier.pause_recording,
                "resume": carrier.resume_recording,
                "stop": carrier.stop_recording,
            }[action]
            await change(call_id, recording_id=known, command_id=command_id)
            return None

        recording_id = await self._act(request, f"{action} the recording", budget_secs)
        was_changed(call, RECORDING_ACTIONS[action], recording_id or known)

    # What all of them need

    @property
    def our_number(self) -> str | None:
        """The number of ours that the call is on, when it is known and a number."""
        inbound = self._call.direction is Direction.INBOUND
        number = self._call.to_number if inbound else self._call.from_number
        return number if number and number.startswith("+") else None

    @property
    def is_sip(self) -> bool:
        """Whether the other side is on a SIP leg, the only kind that can be referred."""
        return (self._call.other_number or "").casefold().startswith(("sip:", "sips:"))

    def _able(self, what: str) -> Carrier:
        call = self._call
        if call.is_over:
            raise CallIsOver(f"the call has ended: there is nothing to {what} any more")
        if self._carrier is None:
            raise NotPossible(
                f"cannot {what}: no credentials for {call.carrier} are set; add them to .env, and start again"
            )
        if not call.carrier_call_id:
            raise NotPossible(f"cannot {what}: the carrier has not named the call yet; try again in a moment")
        return self._carrier

    def _commanded(self, what: str) -> CommandCarrier:
        carrier = self._able(what)
        if not runs_commands(carrier):
            raise NotPossible(
                f"cannot {what}: the call runs by documents, and the carrier asks for the next one"
            )
        return carrier

    def _back(self, what: str) -> WayBack:
        if self._way_back is None:
            raise NotPossible(
                f"cannot {what}: the caller could not come back to the bot; set PUBLIC_URL, or on Pipecat Cloud "
                "PIPECAT_CLOUD_AGENT"
            )
        return self._way_back

    async def _act(
        self, request: Callable[[], Awaitable[T]], what: str, budget_secs: float | None = None
    ) -> T:
        """Do it; again only where that cannot do it twice."""
        carrier = self._carrier
        assert carrier is not None  # `_able` was asked
        try:
            _, done = await insist(
                carrier,
                request,
                self._call.id,
                budget_secs=budget_secs or ACT_BUDGET_SECS,
                only_if_nothing_done=not carrier.ignores_repeated_commands,
            )
            return done
        except CallEnded as error:
            raise CallIsOver(f"could not {what}: {error}") from None
        except CarrierUnavailable as error:
            raise CarrierFailed(f"could not {what}: {error}", uncertain=not error.nothing_done) from None
        except CarrierError as error:
            raise CarrierFailed(f"could not {what}: {error}") from None
        except ValueError as error:
            raise NotPossible(f"could not {what}: {error}") from None
