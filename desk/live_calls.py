"""What an operator may do to a call that goes on: end it, put its caller through, press keys, record it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loguru import logger

from calls.call import Call
from calls.database.processes import Command
from calls.errors import CallIsOver, CarrierFailed, NoAnswer, NotPossible, UnderWay
from calls.events.lifecycle import HangUpFailed
from calls.events.people import NoteGiven, SaidByPerson
from calls.recordings import change_recording
from calls.states import CallState, EndedBy
from calls.transcript import NOTE
from carriers.carrier import Direction, RecordingFormat
from carriers.documents import checked_digits
from conversation import handover, services
from conversation.agents.errors import AgentError
from conversation.agents.files import load_agent
from conversation.services.catalogue import LOCAL
from conversation.session import Session, attached_to
from conversation.speakable import speakable
from desk import overhearing
from desk.elsewhere import Obey, ask, may_talk_elsewhere, obey, talks_elsewhere
from desk.service import Service

BY_API = "API"
"""The cause of an end that an operator's request has brought about."""


async def hang_up(service: Service, call: Call, by: str | None = None) -> str | None:
    """End a call, also in the middle of a transfer. A call that has ended already is no error.

    When the process that talks on the call does not answer, this one ends the call.

    Args:
        service: The service.
        call: The call.
        by: Who has asked for it, for the call's events: the name of a key. So it is in what follows.

    Returns:
        A warning when the call is ended later only.

    Raises:
        CarrierFailed: It may still be up.
    """
    if process := await may_talk_elsewhere(service, call):
        # At once: if that process is dead, the call may end for that while it is asked.
        call.will_end(EndedBy.HUMAN, BY_API, _end_of(call))
        await service.store.noted()
        try:
            warning = await ask(service, process, call, "hang_up", by=by)
            return None if warning is None else str(warning)
        except NoAnswer as error:
            logger.warning("Call {}: {}; it is hung up from here", call.id, error)
    return await _hang_up(service, call, by)


async def put_through(
    service: Service, call: Call, destination: str, reason: str, by: str | None = None
) -> None:
    """Put the caller through. How it ends is an event of the call.

    Args:
        service: The service.
        call: The caller's.
        destination: A name under `[transfers]` in the agent's file.
        reason: What the caller wants, for the colleague.
        by: See `hang_up`.

    Raises:
        NotDone: The caller stays with the bot.
    """
    _must_live(call)
    if process := await talks_elsewhere(service, call):
        await ask(service, process, call, "put_through", destination=destination, reason=reason, by=by)
        return
    _put_through(call, destination, reason, by)


async def press(service: Service, call: Call, digits: str, by: str | None = None) -> None:
    """Press keys for the other side.

    Raises:
        NotDone: No key was pressed.
    """
    _must_live(call)
    try:
        checked_digits(digits)
    except ValueError as error:
        raise NotPossible(str(error)) from None
    if process := await talks_elsewhere(service, call):
        await ask(service, process, call, "press", digits=digits, by=by)
        return
    _must_be_with_the_bot(call)
    await service.control(call).send_digits(digits, by=by)


async def record(service: Service, call: Call, action: str, by: str | None = None) -> None:
    """Start, pause, resume or stop the recording of a call.

    Raises:
        NotDone: The recording is as it was.
    """
    _must_live(call)
    if process := await talks_elsewhere(service, call):
        await ask(service, process, call, "record", action=action, by=by)
        return
    await _record(service, call, action, by)


async def say(service: Service, call: Call, text: str, by: str | None = None) -> None:
    """Have the bot say something to the other side, after what it says now. The caller may cut it short as ever.

    Raises:
        NotDone: It was not given to the bot's voice.
    """
    _must_live(call)
    if process := await talks_elsewhere(service, call):
        await ask(service, process, call, "say", text=text, by=by)
        return
    await _say(call, text, by)


async def note(
    service: Service, call: Call, text: str, *, answer_now: bool = False, by: str | None = None
) -> None:
    """Tell the bot something that the other side does not hear.

    Args:
        service: The service.
        call: The call.
        text: What the model finds in the conversation from now on.
        answer_now: Whether the bot says something at once.
        by: See `hang_up`.

    Raises:
        NotDone: The bot does not know of it.
    """
    _must_live(call)
    if process := await talks_elsewhere(service, call):
        await ask(service, process, call, "note", text=text, answer_now=answer_now, by=by)
        return
    await _note(service, call, text, answer_now, by)


async def obey_others(service: Service, command: Command) -> Any:
    """Do what another process asks for, because this one talks on the call.

    Raises:
        NotDone: It was not done.
    """
    return await obey(service, command, COMMANDS)


# In the process that talks on the call, or where none does


async def _hang_up(service: Service, call: Call, by: str | None) -> str | None:
    if await service.control(call).hang_up(EndedBy.HUMAN, BY_API, state=_end_of(call), by=by):
        return None
    if not call.carrier_call_id:
        return "the carrier has not named the call yet: it is ended as soon as that happens"
    if not await service.close_sockets(call):
        failed = call.last(HangUpFailed)
        reason = failed.reason if failed else "the carrier could not be told"
        raise CarrierFailed(f"the call may still be up: {reason}")
    return None


def _end_of(call: Call) -> CallState:
    """Which end it is when a person ends a call."""
    unanswered = call.direction is Direction.OUTBOUND and call.answered_at is None
    return CallState.CANCELED if unanswered else CallState.COMPLETED


def _put_through(call: Call, destination: str, reason: str, by: str | None) -> None:
    session = attached_to(call)
    if session is None:
        _must_be_with_the_bot(call)
        raise UnderWay(
            "no bot session talks on the call, or the process that had it has died: try again when the caller is with "
            "the bot"
        )
    if not session.control.can_transfer:
        raise NotPossible(
            f"no credentials for {call.carrier} are set: a caller could not be put through; add them to .env, and "
            "start the server again"
        )
    handover.put_through(session, destination, reason, by_tool=False, by=by)


async def _record(service: Service, call: Call, action: str, by: str | None) -> None:
    try:
        agent = load_agent(call.agent or service.settings.agent, service.settings.agents_dir)
        file_format = RecordingFormat(agent.recording.format)
    except AgentError:
        file_format = RecordingFormat.WAV
    await change_recording(service.control(call), action, file_format, by=by)


async def _say(call: Call, text: str, by: str | None) -> None:
    session = _session_of(call)
    words = await speakable(text)
    if not any(one.isalnum() for one in words):
        # The voice would make no sound of it, and the call would go on as if it had failed
        raise NotPossible("nothing of it can be spoken: write words, without markup")
    if not await session.say(words):
        raise UnderWay("the bot says goodbye, or is not on the line: nothing more can be said")
    session.record(SaidByPerson(words, by=by or ""))


async def _note(service: Service, call: Call, text: str, answer_now: bool, by: str | None) -> None:
    session = _session_of(call)
    if services.resolve(session.agent, service.settings).llm == LOCAL:
        raise NotPossible(
            "this bot has no model that could take a note: it says what its agent's file has; have it say something "
            "instead, or set the key of a model"
        )
    if not await session.note(f"{NOTE} {text}", answer=answer_now):
        raise UnderWay("the bot says goodbye, or is not on the line: a note would change nothing")
    session.record(NoteGiven(text, answer_now, by=by or ""))


def _session_of(call: Call) -> Session:
    """The bot's session, which talks in this process.

    Raises:
        UnderWay: There is none.
    """
    _must_be_with_the_bot(call)
    session = attached_to(call)
    if session is None:
        raise UnderWay("no bot session talks on the call now: try again when the caller is with the bot")
    return session


def _by(arguments: Mapping[str, Any]) -> str | None:
    by = arguments.get("by")  # a process of an earlier version does not say it
    return str(by) if by is not None else None


async def _obey_hang_up(service: Service, call: Call, arguments: Mapping[str, Any]) -> str | None:
    return await _hang_up(service, call, _by(arguments))


async def _obey_put_through(_: Service, call: Call, arguments: Mapping[str, Any]) -> None:
    _must_live(call)
    _put_through(call, str(arguments["destination"]), str(arguments["reason"]), _by(arguments))


async def _obey_press(service: Service, call: Call, arguments: Mapping[str, Any]) -> None:
    _must_live(call)
    _must_be_with_the_bot(call)
    await service.control(call).send_digits(str(arguments["digits"]), by=_by(arguments))


async def _obey_record(service: Service, call: Call, arguments: Mapping[str, Any]) -> None:
    _must_live(call)
    await _record(service, call, str(arguments["action"]), _by(arguments))


async def _obey_say(_: Service, call: Call, arguments: Mapping[str, Any]) -> None:
    _must_live(call)
    await _say(call, str(arguments["text"]), _by(arguments))


async def _obey_note(service: Service, call: Call, arguments: Mapping[str, Any]) -> None:
    _must_live(call)
    answer_now = arguments.get("answer_now") is True
    await _note(service, call, str(arguments["text"]), answer_now, _by(arguments))


async def _obey_step_aside(_: Service, call: Call, __: Mapping[str, Any]) -> None:
    if (session := attached_to(call)) is not None:
        session.step_aside()


async def _obey_close_sockets(service: Service, call: Call, _: Mapping[str, Any]) -> int:
    return await service.close_sockets(call)


COMMANDS: Mapping[str, Obey] = {
    "hang_up": _obey_hang_up,
    "put_through": _obey_put_through,
    "press": _obey_press,
    "record": _obey_record,
    "say": _obey_say,
    "note": _obey_note,
    "step_aside": _obey_step_aside,
    "close_sockets": _obey_close_sockets,
    "may_listen": overhearing.obey_may_listen,
    "listen": overhearing.obey_listen,
}
"""What one process may ask another to do with a call that the other one talks on."""


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
