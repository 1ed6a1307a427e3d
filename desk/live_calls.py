"""What an operator may do to a call that goes on: end it, put its caller through, press keys, record it."""

from __future__ import annotations

from calls.call import Call
from calls.errors import CallIsOver, CarrierFailed, NotPossible, UnderWay
from calls.events.lifecycle import HangUpFailed
from calls.recordings import change_recording
from calls.states import CallState, EndedBy
from carriers.carrier import Direction, RecordingFormat
from carriers.documents import checked_digits
from conversation import handover
from conversation.agents.errors import AgentError
from conversation.agents.files import load_agent
from conversation.session import attached_to
from desk.service import Service


async def hang_up(service: Service, call: Call) -> str | None:
    """End a call, also in the middle of a transfer. A call that has ended already is no error.

    Returns:
        A warning when the call is ended later only.

    Raises:
        CarrierFailed: It may still be up.
    """
    unanswered = call.direction is Direction.OUTBOUND and call.answered_at is None
    state = CallState.CANCELED if unanswered else CallState.COMPLETED
    if await service.control(call).hang_up(EndedBy.HUMAN, "API", state=state):
        return None
    if not call.carrier_call_id:
        return "the carrier has not named the call yet: it is ended as soon as that happens"
    if not await service.close_sockets(call):
        failed = call.last(HangUpFailed)
        reason = failed.reason if failed else "the carrier could not be told"
        raise CarrierFailed(f"the call may still be up: {reason}")
    return None


def put_through(call: Call, destination: str, reason: str) -> None:
    """Put the caller through. How it ends is an event of the call.

    Args:
        call: The caller's.
        destination: A name under `[transfers]` in the agent's file.
        reason: What the caller wants, for the colleague.

    Raises:
        NotDone: The caller stays with the bot.
    """
    _must_live(call)
    session = attached_to(call)
    if session is None:
        _must_be_with_the_bot(call)
        raise UnderWay(
            "no bot session of this process talks on the call: try again once it is answered, or ask the process that "
            "serves it"
        )
    if not session.control.can_transfer:
        raise NotPossible(
            f"no credentials for {call.carrier} are set: a caller could not be put through; add them to .env, and "
            "start the server again"
        )
    handover.put_through(session, destination, reason, by_tool=False)


async def press(service: Service, call: Call, digits: str) -> None:
    """Press keys for the other side.

    Raises:
        NotDone: No key was pressed.
    """
    _must_live(call)
    _must_be_with_the_bot(call)
    try:
        checked_digits(digits)
    except ValueError as error:
        raise NotPossible(str(error)) from None
    await service.control(call).send_digits(digits)


async def record(service: Service, call: Call, action: str) -> None:
    """Start, pause, resume or stop the recording of a call.

    Raises:
        NotDone: The recording is as it was.
    """
    _must_live(call)
    try:
        agent = load_agent(call.agent or service.settings.agent, service.settings.agents_dir)
        file_format = RecordingFormat(agent.recording.format)
    except AgentError:
        file_format = RecordingFormat.WAV
    await change_recording(service.control(call), action, file_format)


def _must_live(call: Call) -> None:
    if call.is_over:
        raise CallIsOver(f"the call has ended ({call.state}): nothing can be done to it any more")


def _must_be_with_the_bot(call: Call) -> None:
    """Whether nothing is going on that a change of the carrier's document would cut off.

    Raises:
        UnderWay: The caller is being put through, or talks with a colleague.
    """
    if call.state is CallState.TRANSFERRED:
        raise UnderWay("the caller talks with a colleague: hang up, or wait until they are done")
    session = attached_to(call)
    handover = session.handover if session else None
    if call.state is CallState.TRANSFERRING or (handover is not None and handover.running):
        raise UnderWay("the caller is being put through: wait for the outcome")
    if call.state in (CallState.QUEUED, CallState.RINGING):
        raise UnderWay("the call is not answered yet: try again when it is")
