"""What we do to a call: carrier first, then state.

Hanging up (`calls.hang_up`) is idempotent and never fails with an exception. Everything else, also what
`calls.transferring` and `calls.recordings` do with a control, either happens, or raises `NotDone` and leaves the caller
with the bot.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

from loguru import logger

from calls.call import Call
from calls.do_not_call import DoNotCall
from calls.errors import CallIsOver, CarrierFailed, NotDone, NotPossible
from calls.events.lifecycle import DigitsSent
from calls.hang_up import HANG_UP_BUDGET_SECS, hang_up, until_gone
from calls.insist import insist
from calls.states import CallState, EndedBy
from calls.store import AlreadyNamed, CallStore
from calls.transfer import Resume, ResumeReason
from calls.way_back import WayBack
from carriers.carrier import (
    CallEnded,
    Carrier,
    CarrierCall,
    CarrierError,
    CarrierRejected,
    CarrierUnavailable,
    CommandCarrier,
    Direction,
    StatusUpdate,
    runs_commands,
    runs_documents,
    sends_digits,
)

ACT_BUDGET_SECS = 4.0
"""How long anything but hanging up may be tried: the caller is on the line, hearing nothing."""

ANSWER_BUDGET_SECS = 20.0
"""How long taking a call that rings may be tried: its caller hears that it rings."""

CLOCKS_DIFFER = timedelta(seconds=2)
"""How much earlier than by our clock a call may have ended by its carrier's, which may know whole seconds only."""

T = TypeVar("T")


class CallControl:
    """Acts on one call.

    Parameters:
        call: The call.
        carrier: Its carrier, or None when there are no credentials for it.
        store: Where the call is remembered.
        way_back: How the caller comes back from what needs another document; None where there is no way.
        do_not_call: Who asked not to be called; callers are not put through to them.
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
        self.call = call
        self.carrier = carrier
        self.store = store
        self.way_back = way_back
        self.do_not_call = do_not_call or DoNotCall()
        self._budget_secs = budget_secs

    @property
    def keeps_stream_while_transferring(self) -> bool:
        """Whether the bot hears how a transfer ends, instead of being attached anew after it."""
        return self.carrier is not None and self.carrier.keeps_stream_while_transferring

    @property
    def can_transfer(self) -> bool:
        """Whether a transfer could be tried, and its caller could come back."""
        return self.carrier is not None and self.way_back is not None

    def of(self, other: Call) -> CallControl:
        """The control of another call of the same carrier."""
        return CallControl(
            other, self.carrier, self.store, way_back=self.way_back, do_not_call=self.do_not_call
        )

    async def refresh(self) -> bool:
        """Ask the carrier for the call's state, and apply it.

        Returns:
            Whether the carrier answered. Without an answer the call stays as it is.
        """
        call = self.call
        if self.carrier is None:
            return False
        try:
            if not call.carrier_call_id and (
                call.direction is not Direction.OUTBOUND or not await self.find(call.created_at)
            ):
                return False
            # Also right after it was found: a list may be some seconds old.
            found = await self.carrier.fetch_call(call.carrier_call_id)
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
            CarrierError: The carrier did not say.
        """
        call, carrier = self.call, self.carrier
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
            if await self.store.restore(call.carrier, candidate.id) is None:
                return await self.found(candidate)
        return False

    async def found(self, at_carrier: CarrierCall) -> bool:
        """Name a call, take over its state, and end it if that was asked for before it had a name.

        Returns:
            False when the name is another call's.
        """
        call = self.call
        try:
            self.store.bind(call, at_carrier.id)
        except AlreadyNamed as error:
            logger.warning("{}", error)
            return False
        if not call.is_over:
            call.apply(StatusUpdate(at_carrier.id, at_carrier.state))
        if call.ending is not None and not call.is_over:
            ending = call.ending
            await self.hang_up(ending.by, ending.cause, state=ending.state)
        return True

    async def noted(self) -> None:
        """Let other processes know what was noted of the call: the carrier's report may come to one of them."""
        await self.store.noted()

    async def is_alive(self) -> bool:
        """Whether the carrier says that the call goes on."""
        return await self.refresh() and not self.call.is_over

    # Beginning

    async def answer(self) -> None:
        """Take a call that rings, and connect it with the bot; for carriers that do not answer by themselves.

        Raises:
            NotDone: It rings on, as far as we know.
        """
        call, carrier, way_back = self.call, self.commanded("answer"), self.back("answer")
        stream, command_id = await way_back.stream(call), str(uuid.uuid4())
        await self.act(
            lambda: carrier.answer(call.carrier_call_id, stream, command_id=command_id),
            "answer",
            ANSWER_BUDGET_SECS,
        )

    async def answer_without_the_bot(self) -> None:
        """Take a call that rings, for the carrier to say something; for carriers that do not answer by themselves.

        Raises:
            NotDone: It rings on, as far as we know.
        """
        call, carrier, command_id = self.call, self.commanded("answer"), str(uuid.uuid4())
        await self.act(
            lambda: carrier.answer(call.carrier_call_id, None, command_id=command_id),
            "answer",
            ANSWER_BUDGET_SECS,
        )

    async def reject(self) -> None:
        """Let the caller of a call that rings hear a busy tone, where commands run it.

        Raises:
            NotDone: It rings on, as far as we know.
        """
        call, carrier, command_id = self.call, self.commanded("reject the call"), str(uuid.uuid4())
        await self.act(lambda: carrier.reject(call.carrier_call_id, command_id=command_id), "reject the call")

    async def speak(self, text: str, language: str, *, command_id: str | None = None) -> None:
        """Say a sentence in the carrier's own voice, where commands run the call and no media stream is open.

        Args:
            text: The sentence.
            language: As in BCP 47.
            command_id: Under which it is said once only; a fresh one if not given.

        Raises:
            NotDone: It may not be said.
        """
        call, carrier = self.call, self.commanded("speak")
        command_id = command_id or str(uuid.uuid4())
        await self.act(
            lambda: carrier.speak(call.carrier_call_id, text, language, command_id=command_id), "speak"
        )

    async def stream_again(self) -> None:
        """Connect a call with the bot whose media stream was lost; for carriers that run no documents.

        Raises:
            NotDone: The caller hears nothing.
        """
        what = "connect the call with the bot again"
        call, carrier, way_back = self.call, self.commanded(what), self.back(what)
        stream, command_id = await way_back.stream(call), str(uuid.uuid4())
        await self.act(
            lambda: carrier.start_stream(call.carrier_call_id, stream, command_id=command_id), what
        )

    # Hanging up

    async def hang_up(
        self,
        ended_by: EndedBy,
        cause: str,
        *,
        state: CallState = CallState.COMPLETED,
        by: str | None = None,
    ) -> bool:
        """End the call through the carrier's REST API.

        It may be called again, and by several at once: they share one attempt, which goes on when one of them
        is cancelled. The call is over when its carrier says so, which is mostly a moment later. Until then it is asked
        again in the background, whatever came of this attempt (`calls.hang_up`).

        Args:
            ended_by: Who ends it.
            cause: Why, for people who read the events.
            state: Which end it is: `completed`, or `voicemail` for a call that a machine has answered.
            by: Which of the operator's people has asked for it.

        Returns:
            True when the carrier has taken the request, or the call is over. False when the request failed, after an
            event `hang_up_failed`: all that can be done at once then is to close the media socket.
        """
        return await hang_up(self, ended_by, cause, state, self._budget_secs, by=by)

    async def gone(self) -> bool:
        """Wait until the carrier says that a call is over that was hung up; for hosts without webhooks.

        Returns:
            Whether it is over; False also when the carrier does not say so for a minute.
        """
        await until_gone(self)
        return self.call.is_over

    async def let_go(self) -> bool:
        """End the bot's media stream on a call that goes on without us, where the carrier does not do so itself.

        Returns:
            False when it may go on: all that can be done then is to close the media socket.
        """
        call, carrier = self.call, self.carrier
        if carrier is None or not runs_commands(carrier):
            return True
        command_id = str(uuid.uuid4())
        try:
            await self.act(
                lambda: carrier.stop_stream(call.carrier_call_id, command_id=command_id),
                "end the media stream",
            )
        except CallIsOver:
            return True
        except NotDone as error:
            logger.warning("Call {}: {}", call.id, error)
            return False
        return True

    # Keys

    async def send_digits(self, digits: str, *, by: str | None = None) -> bool:
        """Press keys for the other side.

        Args:
            digits: Which ones.
            by: Which of the operator's people has asked for it.

        Returns:
            Whether the media stream goes on. If not, it ends now, and another one begins afterwards.

        Raises:
            NotDone: No key was pressed.
        """
        call, carrier = self.call, self.able("send digits")
        command_id = str(uuid.uuid4())
        try:
            if sends_digits(carrier):
                await self.act(
                    lambda: carrier.send_digits(call.carrier_call_id, digits, command_id=command_id),
                    "send digits",
                )
                call.record(DigitsSent(count=len(digits), by=by))
                return True
            if not runs_documents(carrier):
                raise NotPossible("the carrier cannot send digits")
            document = carrier.digits_document(digits, await self.back("send digits").stream(call))
        except ValueError as error:
            raise NotPossible(str(error)) from None
        call.expect_return(Resume(ResumeReason.DIGITS))
        call.record(DigitsSent(count=len(digits), by=by))
        try:
            await self.act(lambda: carrier.update_document(call.carrier_call_id, document), "send digits")
        except NotDone as error:
            if not getattr(error, "uncertain", False):
                call.take_return()
            raise
        return False

    # What all that is done needs

    @property
    def our_number(self) -> str | None:
        """Our own number that the call is on; None when it is not known, or a SIP address."""
        inbound = self.call.direction is Direction.INBOUND
        number = self.call.to_number if inbound else self.call.from_number
        return number if number and number.startswith("+") else None

    @property
    def is_sip(self) -> bool:
        """Whether the other side is on a SIP leg, the only kind that can be referred."""
        return (self.call.other_number or "").casefold().startswith(("sip:", "sips:"))

    def able(self, what: str) -> Carrier:
        """The carrier, for a call that something can be done to.

        Args:
            what: What is to be done, for the message.

        Raises:
            NotDone: The call is over or has no name yet, or there are no credentials.
        """
        call = self.call
        if call.is_over:
            raise CallIsOver(f"the call has ended: there is nothing to {what} any more")
        if self.carrier is None:
            raise NotPossible(
                f"cannot {what}: no credentials for {call.carrier} are set; add them to .env, and start again"
            )
        if not call.carrier_call_id:
            raise NotPossible(f"cannot {what}: the carrier has not named the call yet; try again in a moment")
        return self.carrier

    def commanded(self, what: str) -> CommandCarrier:
        """The same for what only calls need that are run by commands.

        Raises:
            NotDone: As for `able`; or the call is run by documents.
        """
        carrier = self.able(what)
        if not runs_commands(carrier):
            raise NotPossible(
                f"cannot {what}: the call runs by documents, and the carrier asks for the next one"
            )
        return carrier

    def back(self, what: str) -> WayBack:
        """How the caller comes back.

        Raises:
            NotPossible: There is no way.
        """
        if self.way_back is None:
            raise NotPossible(
                f"cannot {what}: the caller could not come back to the bot; set PUBLIC_URL, or on Pipecat Cloud "
                "PIPECAT_CLOUD_AGENT"
            )
        return self.way_back

    async def act(
        self, request: Callable[[], Awaitable[T]], what: str, budget_secs: float | None = None
    ) -> T:
        """Do something; again only where that cannot do it twice.

        Args:
            request: Asks the carrier once.
            what: What is done, for messages.
            budget_secs: How long it may be tried.

        Raises:
            NotDone: It was not done, as far as we know.
        """
        carrier = self.carrier
        assert carrier is not None  # `able` was asked
        try:
            _, done = await insist(
                carrier,
                request,
                self.call.id,
                budget_secs=budget_secs or ACT_BUDGET_SECS,
                only_if_nothing_done=not carrier.ignores_repeated_commands,
            )
            return done
        except CallEnded as error:
            raise CallIsOver(f"could not {what}: {error}") from None
        except CarrierUnavailable as error:
            raise CarrierFailed(
                f"could not {what}: {error}",
                uncertain=not error.nothing_done,
                retry_after_secs=error.retry_after_secs,
            ) from None
        except CarrierError as error:
            raise CarrierFailed(f"could not {what}: {error}") from None
        except ValueError as error:
            raise NotPossible(f"could not {what}: {error}") from None
