"""Events of the talk: sessions of the bot, what was said and heard, keys, tools, and who or what has answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from calls.events.event import LEFT_OUT, CallEvent, Personal, Privacy, Said
from calls.transfer import ResumeReason


@dataclass(frozen=True, repr=False)
class Attached(CallEvent, kind="attached"):
    """A session of the bot begins on the call, with a media stream.

    Parameters:
        stream_id: The carrier's id of the stream; without a phone, the kind of connection.
    """

    stream_id: str


@dataclass(frozen=True, repr=False)
class Detached(CallEvent, kind="detached"):
    """The session is over, as its media stream is. The call may go on.

    Parameters:
        reason: Why, in a few words for people.
    """

    reason: str


@dataclass(frozen=True, repr=False)
class HandedOver(CallEvent, kind="handed_over"):
    """The process in which the bot talks is to stop: it lets go of the caller, and another process goes on.

    Parameters:
        unsaid: What the bot was still to say.
        amid: What no better moment came for: `` (nothing), `caller` (the caller spoke) or `answer` (the caller was
            waiting for one).
    """

    unsaid: Said = ""
    amid: str = ""


@dataclass(frozen=True, repr=False)
class Resumed(CallEvent, kind="resumed"):
    """The caller is back with the bot, on a media stream that is not the call's first.

    Parameters:
        reason: Why: keys were pressed for the other side, a transfer has ended, the stream before was lost, or another
            process has handed the call over.
    """

    reason: ResumeReason


@dataclass(frozen=True, repr=False)
class LanguageChanged(CallEvent, kind="language"):
    """The conversation goes on in another of the agent's languages. The call keeps it, on its next streams, too.

    Parameters:
        language: Its tag, as the agent's file has it.
        why: `key` (the caller pressed its key), `asked` (their words asked for it), `spoken` (the recogniser heard it),
            `tool` (the model called `change_language`) or `answered` (the model has answered in it).
    """

    language: str
    why: str


@dataclass(frozen=True, repr=False)
class CallerSaid(CallEvent, kind="caller_said"):
    """The caller's turn is over.

    Parameters:
        text: What was understood; keys are in it as `DTMF: 12#`.
    """

    MAY_WAIT = True

    text: Said


@dataclass(frozen=True, repr=False)
class BotSaid(CallEvent, kind="bot_said"):
    """The bot's voice got a text to say. How much of it the caller heard is in `bot_heard` and `interrupted`.

    Parameters:
        text: About a sentence.
    """

    MAY_WAIT = True

    text: Said


@dataclass(frozen=True, repr=False)
class BotHeard(CallEvent, kind="bot_heard"):
    """The caller has heard something of the bot's to its end: the carrier has played it.

    Parameters:
        text: About a sentence.
        confirmed: Whether the carrier has said so. If not, its word for it is overdue, and nothing says that the caller
            has not heard it.
    """

    MAY_WAIT = True

    text: Said
    confirmed: bool = field(default=True, metadata=LEFT_OUT)


@dataclass(frozen=True, repr=False)
class Interrupted(CallEvent, kind="interrupted"):
    """The bot was cut off, by the caller or by the end of the stream.

    Parameters:
        heard: What the caller heard of the sentence that was cut; empty when that is nothing.
    """

    MAY_WAIT = True

    heard: Said = ""


@dataclass(frozen=True, repr=False)
class InterruptionUndone(CallEvent, kind="interruption_undone"):
    """The bot fell silent for a sound that was no interruption, and has gone on from where it was heard."""

    MAY_WAIT = True


@dataclass(frozen=True, repr=False)
class Responded(CallEvent, kind="responded"):
    """The bot's voice has begun, after the caller's words or at the beginning of the call.

    Parameters:
        to: `caller`, or `call` for the first words of all.
        ms: How long the caller has waited, in milliseconds: from the end of their speech, or from the beginning of the
            media stream, to the first sound that was sent to the phone line.
        stages: What of it was spent on what, in milliseconds. They add up to `ms`. `end_of_turn` (whether the caller
            has finished), `recogniser` (their words), `model` (its first words), `tool` (tools and their calls),
            `voice` (its first sound), `line` (the way out), `other` (all else).
    """

    MAY_WAIT = True

    to: str
    ms: int
    stages: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class TurnMeasured(CallEvent, kind="turn"):
    """A turn of the bot is over, and measured: how long the caller waited for it, what for, and whether it was cut off.

    It follows the `responded` of the same turn, once the bot was interrupted, has begun its next turn, or its media
    stream has ended.

    Parameters:
        n: Which turn of the call it is, from 0.
        to: `caller` for a response, or `call` for the first words on a media stream.
        response_ms: How long the caller has waited, in milliseconds: from their last sound, or from the beginning of
            the media stream, to the first sound of the bot as the carrier plays it.
        parts: What was waited for, in order. Each has `key` (what was done), `stage` (as in `responded`), `owner` (the
            service that did it, or the setting that makes it last), `kind` (`service`, `setting`, `bot`, `pipeline` or
            `line`) and `ms`. These add up to `response_ms`.
        by_sound: Whether both ends are taken from the sound on the line; if not, one of them is when frames have
            passed, which is some hundredths of a second off.
        interrupted: Whether the caller has cut the bot off in this turn.
        after_answer_ms: When the bot's first sound of the turn was played, in milliseconds after the call was
            answered; null when that is not known.
    """

    MAY_WAIT = True

    n: int
    to: str
    response_ms: int
    parts: list[Any] = field(default_factory=list)
    by_sound: bool = False
    interrupted: bool = False
    after_answer_ms: int | None = None


@dataclass(frozen=True, repr=False)
class NotUnderstood(CallEvent, kind="not_understood"):
    """The local brain has not understood the caller, and has said so."""

    MAY_WAIT = True


@dataclass(frozen=True, repr=False)
class DtmfReceived(CallEvent, kind="dtmf"):
    """The other side has pressed a key.

    Parameters:
        digits: The key: 0-9, A-D, * or #.
    """

    MAY_WAIT = True

    digits: Said


@dataclass(frozen=True, repr=False)
class SilencePrompted(CallEvent, kind="silence_prompt"):
    """The caller was silent, and is asked whether they are still there.

    Parameters:
        n: For which time since they last said something, from 1.
    """

    MAY_WAIT = True

    n: int


@dataclass(frozen=True, repr=False)
class ServiceFailedOver(CallEvent, kind="service_failed_over"):
    """A service has failed, and the next one of its list goes on with what it was at.

    Parameters:
        job: What they do: `stt`, `llm` or `tts`.
        failed: The service that has failed, as the agent's file names it.
        next: The one that goes on.
        cause: `failed` (it reported an error), `stalled` (it was silent for too long) or `silent` (it was done, and
            brought no word or sound).
        category: What kind of error it was, such as `authentication` or `connectivity`; empty where none was reported.
    """

    MAY_WAIT = True

    job: str
    failed: str
    next: str
    cause: str
    category: str = ""


@dataclass(frozen=True, repr=False)
class DeadAirNoticed(CallEvent, kind="dead_air"):
    """The caller has waited in silence for a bot that failed or was slow.

    Parameters:
        stage: What is done about it: `filler` (a word), `way_on` (a sentence that leads on) or `fallback` (a transfer,
            a message or a goodbye).
        cause: What the bot was waiting for, or what has failed: `model_silent` (a reply without words),
            `model_stalled`, `model_failed`, `voice_silent`, `voice_failed`, `recogniser_silent` (the caller speaks, and
            no words come of it), `recogniser_failed`, `tool_slow` or `unknown`.
        silent_secs: How long nothing was heard, in seconds, to a tenth.
    """

    MAY_WAIT = True

    stage: str
    cause: str
    silent_secs: float


@dataclass(frozen=True, repr=False)
class ToolStarted(CallEvent, kind="tool_started"):
    """The model has called a tool, which begins. `tool` follows when it has returned.

    Without that, as after the death of the process, it is not known whether the tool did what it is for. The model is
    told so, and the tool is not run again by itself.

    Parameters:
        name: The tool's.
        arguments: What it is called with.
    """

    name: str
    arguments: Annotated[Mapping[str, Any], Privacy.SAID] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class ToolUsed(CallEvent, kind="tool"):
    """The model has called a tool, which has returned.

    Parameters:
        name: The tool's.
        arguments: What it was called with.
        result: What it returned.
        ok: Whether it did what it is for; missing in events that earlier versions of the program wrote.
    """

    name: str
    arguments: Annotated[Mapping[str, Any], Privacy.SAID] = field(default_factory=dict)
    result: Annotated[Any, Privacy.PERSONAL] = ""
    ok: bool | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True, repr=False)
class MessageTaken(CallEvent, kind="message_taken"):
    """A message for the business was taken and stored.

    Parameters:
        caller_name: Who left it; empty when they did not say.
        callback_number: Where they can be called back; empty when that is not known.
        message: What they said.
    """

    caller_name: Personal = ""
    callback_number: Personal = ""
    message: Personal = ""


@dataclass(frozen=True, repr=False)
class MessageRecorded(MessageTaken, kind="message_taken"):
    """A message that the carrier has recorded, of a caller whom there was no room for, has this as well.

    Its words are not known: the call's recording, as the events `recording` have it, is the message.

    Parameters:
        recorded: True.
    """

    ONCE = True

    recorded: bool = field(kw_only=True)


@dataclass(frozen=True, repr=False)
class SummedUp(CallEvent, kind="after_call"):
    """After its end the call was summed up by the agent's model, as `[after_call]` of its file says.

    Parameters:
        result: `made`, `no_model` (the local brain makes up nothing), `nothing_said` (the caller said nothing), `late`
            (the model took too long) or `failed` (it could not be asked, or its answer is not what was asked for).
        summary: What the call was about; empty unless it was made and asked for.
        disposition: One of the agent's `dispositions`; null unless it was made and asked for.
        fields: What the model has found out for the agent's `fields`, by their names; null for what was not said.
    """

    result: str
    summary: Personal = ""
    disposition: str | None = None
    fields: Annotated[Mapping[str, Any], Privacy.PERSONAL] = field(default_factory=dict)


# Call flows


@dataclass(frozen=True, repr=False)
class FlowNode(CallEvent, kind="flow_node"):
    """The conversation has come to a node of the agent's flow. The next session of the call goes on in the last one.

    Parameters:
        node: Its name in the flow's file.
    """

    node: str


@dataclass(frozen=True, repr=False)
class FlowState(CallEvent, kind="flow_state"):
    """What a flow keeps for the call has changed. The next session of the call begins with the last state.

    Parameters:
        state: All of it.
    """

    state: Annotated[Mapping[str, Any], Privacy.SAID] = field(default_factory=dict)


# Calls that we make


@dataclass(frozen=True, repr=False)
class OpeningDecided(CallEvent, kind="opening"):
    """The bot has made up its mind about who, or what, has answered. It may change it.

    Parameters:
        who: `human`, `machine`, `fax`, or `screen` for a telephone that asks who calls before it rings.
        why: What decided it: `the carrier`, `a beep`, `what was said`, …
    """

    who: str
    why: str


@dataclass(frozen=True, repr=False)
class BeepHeard(CallEvent, kind="beep"):
    """The tone of an answering machine was heard."""


@dataclass(frozen=True, repr=False)
class VoicemailLeft(CallEvent, kind="voicemail_message"):
    """A message was spoken to an answering machine.

    Parameters:
        heard: Whether it is known to have been played to its end.
    """

    heard: bool
