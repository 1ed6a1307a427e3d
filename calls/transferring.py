"""Putting a caller through: by the carrier itself, or by a call of the colleague's own that is connected with theirs.

How a transfer ended is written down by `Call.transfer_ended`.
"""

from __future__ import annotations

import uuid

from loguru import logger

from calls.call import Call
from calls.colleague import Colleague
from calls.control import CallControl
from calls.errors import CallIsOver, CarrierFailed, NotDone, NotPossible
from calls.events.lifecycle import ColleagueCalled
from calls.insist import insist
from calls.states import CallState
from calls.transfer import Resume, ResumeReason, Target
from carriers.carrier import (
    CarrierError,
    DialOut,
    DialUncertain,
    MachineDetection,
    Meeting,
    TransferDocument,
)

COLLEAGUE_PAUSES_SECS = (0.5, 1.0)
"""Before each further attempt to call a colleague, after one that certainly did nothing: a caller is waiting."""


async def transfer(control: CallControl, target: Target) -> None:
    """Hand the caller over without asking the colleague first.

    When this returns, the colleague's phone rings. Where the carrier runs markup, the media stream ends for it,
    and unless the two get to talk, another one begins (`Resume`).

    Args:
        control: Of the caller's call.
        target: To whom.

    Raises:
        NotDone: The caller is still with the bot. `CarrierFailed.uncertain` says that this is not sure.
    """
    control.do_not_call.check(target.address)
    call, carrier = control.call, control.able("transfer the caller")
    action_url = control.way_back.transfer_url(call) if control.way_back else None
    fallback = None
    call.expect_return(Resume(ResumeReason.TRANSFER, target.name))
    try:
        if not carrier.keeps_stream_while_transferring and action_url is None:
            fallback = await control.back("transfer the caller").stream(call)
        document = TransferDocument(
            destination=target.address,
            caller_id=target.caller_id or control.our_number,
            ring_timeout_secs=target.ring_timeout_secs,
            action_url=action_url,
            answered_url=control.way_back.answered_url(call) if control.way_back else None,
            fallback=fallback,
            refer=target.refer and control.is_sip,
        )
        call.move(CallState.TRANSFERRING, cause=f"transfer to {target.name}")
        command_id = str(uuid.uuid4())
        await control.act(
            lambda: carrier.transfer(call.carrier_call_id, document, command_id=command_id), "transfer"
        )
    except NotDone as error:
        if not getattr(error, "uncertain", False):
            call.not_transferred()
        raise
    if carrier.keeps_stream_while_transferring:
        call.take_return()


async def call_colleague(control: CallControl, target: Target, about: str) -> Call:
    """Call a colleague on a leg of their own, on which the bot will ask whether they take the caller.

    Args:
        control: Of the caller's call.
        target: The colleague.
        about: What the bot tells them about the caller's wish.

    Returns:
        The colleague's call, ringing soon. The bot session on it finds the caller's call in its parameters.

    Raises:
        NotDone: No call was made.
    """
    control.do_not_call.check(target.address)
    call, carrier = control.call, control.able("call a colleague")
    way_back = control.back("call a colleague")
    from_number = target.caller_id or control.our_number
    if from_number is None:
        raise NotPossible(
            f"nobody knows the number to call {target.name} from: set caller_id in [transfers.{target.name}]"
        )
    colleague = control.store.dial_out(
        carrier=call.carrier,
        mode=call.mode,
        from_number=from_number,
        to_number=target.address,
        agent=call.agent,
        parameters=Colleague(call.id, call.carrier_call_id, target.name, about).as_parameters(),
    )
    call.record(ColleagueCalled(colleague.id))
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
        _, dialled = await insist(
            carrier,
            lambda: carrier.dial(order),
            colleague.id,
            pauses_secs=COLLEAGUE_PAUSES_SECS,
            only_if_nothing_done=True,
            still_wanted=lambda: not call.is_over,
        )
    except DialUncertain as error:
        # The phone may ring; then its media stream tells us, and to dial again could ring it twice.
        logger.warning("Call {}: whether the colleague's phone rings is not known: {}", call.id, error)
        return colleague
    except CarrierError as error:
        colleague.move(CallState.FAILED, cause=str(error))
        raise CarrierFailed(str(error)) from None
    if dialled.id:
        control.store.bind(colleague, dialled.id)
    return colleague


async def connect(control: CallControl, caller: Call | None) -> None:
    """Let the caller and the colleague hear each other.

    Args:
        control: Of the colleague's call.
        caller: The caller's call, when it is known here; its carrier's id is in the colleague's parameters in any case.

    Raises:
        NotDone: The caller is with the bot, or has hung up; the colleague may be alone now.
    """
    call, carrier = control.call, control.able("connect the two")
    colleague = Colleague.of(call)
    if colleague is None or not colleague.peer or (caller is not None and caller.is_over):
        raise CallIsOver("the caller has hung up")
    ended_url = control.way_back.transfer_url(caller) if control.way_back and caller else None
    meeting = Meeting(name=colleague.for_call or call.id, ended_url=ended_url)
    command_id = str(uuid.uuid4())
    if caller is not None and caller.state is CallState.IN_PROGRESS:
        # Before the carrier acts: the caller's media stream ends with it, and must not look like a hang-up.
        caller.move(CallState.TRANSFERRING, cause="a colleague takes the call")
    try:
        await control.act(
            lambda: carrier.connect_calls(
                colleague.peer, call.carrier_call_id, meeting, command_id=command_id
            ),
            "connect the two",
        )
    except NotDone:
        if caller is not None and caller.state is CallState.TRANSFERRING:
            caller.move(CallState.IN_PROGRESS, cause="back with the bot")
        raise
