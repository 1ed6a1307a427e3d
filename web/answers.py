"""What the API answers, as models for its OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from calls.states import CallState, EndedBy
from carriers.carrier import Direction

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""In UTC, to the millisecond, such as 2026-11-26T06:01:15.250Z."""


class _Answer(BaseModel):
    # What `web.descriptions` returns is passed on whole, also fields that are not declared here
    model_config = ConfigDict(extra="allow")


class Problem(BaseModel):
    """Why something was not done."""

    error: str = Field(description="Cause and fix, in one line.")


class CallSummary(_Answer):
    """A call without its events."""

    id: str = Field(
        description="Our id of the call, which stays.", examples=["call_0f6c7f0b7d5e4e0c9a3b1d2e3f405162"]
    )
    carrier: str = Field(description="The phone company's name.")
    carrier_call_id: str = Field(description="The carrier's id of the call; empty while it has named none.")
    mode: str = Field(description="Which of the carrier's interfaces runs the call, where it has several.")
    direction: Direction
    from_number: str | None = Field(description="Who called: E.164 or SIP. `null` for a withheld number.")
    to_number: str | None = Field(description="Who was called, in the same way.")
    state: CallState = Field(description="Where the call stands.")
    ended_by: EndedBy | None = Field(description="Who ended it; `null` while it lives.")
    end_cause: str | None = Field(description="Why it ended, for people; `null` while it lives.")
    agent: str | None = Field(description="The agent that talks.")
    created_at: Time = Field(description="When the service heard of the call.")
    answered_at: Time | None
    ended_at: Time | None
    outcome: str | None = Field(
        description="What the call has achieved, apart from how it ended: `transferred`, `message`, `answered`, "
        "`voicemail`, `abandoned`, `turned_away`, `busy`, `no_answer`, `canceled`, `failed` or `lost`; `null` while it "
        "lives. A person may have overruled what was found."
    )
    outcome_found: str | None = Field(description="What was found, of the same.")
    reviewed_at: Time | None = Field(description="When a person was done with it; `null` while nobody is.")
    note: str = Field(description="A person's note; empty for none.")
    talk_secs: float | None = Field(description="From the answer to the end, in seconds.")
    first_words_ms: int | None = Field(
        description="From the answer to the bot's first sound, in milliseconds."
    )
    response_ms: ResponseTimes
    responses: int | None = Field(description="How many times the bot has responded.")
    interruptions: int | None = Field(description="How many times the caller has cut the bot off.")
    errors: int | None = Field(description="How many times something went wrong.")
    has: list[str] = Field(description="What there is of it: `error`, `message`, `recording`, `transfer`.")
    about: str | None = Field(description="The first words of the caller.")


class ResponseTimes(_Answer):
    """How long the caller has waited for the bot, in milliseconds."""

    p50: int | None = Field(description="The median.")
    max: int | None = Field(description="The longest.")


class Turn(_Answer):
    """One exchange, as it was heard. The first has an empty `caller_said` when the bot spoke first."""

    caller_said: str = Field(description="The caller's words or keys.")
    bot_replied: str = Field(description="What the caller heard of the reply.")
    interrupted: bool = Field(description="Whether the bot was cut off in it.")


class Transfer(_Answer):
    """An attempt to put the caller through to a colleague."""

    destination: str | None = Field(description="A name under `[transfers]` in the agent's file.")
    warm: bool = Field(description="Whether the colleague is asked first.")
    started_at: Time
    outcome: str | None = Field(
        description="How it ended, such as `connected` or `busy`; `null` while it is not known."
    )
    reason: str | None = Field(description="More about the outcome.")
    ended_at: Time | None


class Recording(_Answer):
    """What is known of a recording of the call, which the carrier keeps."""

    recording_id: str | None = Field(description="The carrier's id of it.")
    state: str | None = Field(description="`in_progress`, `paused`, `completed` and so on.")
    url: str | None = Field(description="Where the carrier has it.")
    duration_secs: int | float | None
    channels: int | None = Field(description="2: one side of the call in each.")
    started_at: Time | None = Field(description="When it began.")
    after_answer_ms: int | None = Field(
        description="The same, in milliseconds after the call was answered: where it lies on the call's clock."
    )


class CallFigures(_Answer):
    """How the call felt, so far. Times are in milliseconds."""

    first_sound_ms: int | None = Field(
        description="From the beginning of the media stream to the first sound; `null` when the caller spoke first."
    )
    first_words_ms: int | None = Field(
        description="From the answer to the bot's first sound; `null` when there was none."
    )
    responses: int = Field(description="How many times the bot has responded to the caller.")
    response_p50_ms: int | None = Field(
        description="From the end of the caller's speech to the first sound of the response, the median."
    )
    response_p90_ms: int | None = Field(description="What nine of ten of these do not exceed.")
    response_longest_ms: int | None
    stages_p50_ms: dict[str, int] = Field(
        description="The median of each stage of a response: `end_of_turn`, `recogniser`, `model`, `tool`, `voice`, "
        "`line` and `other`."
    )
    interruptions: int = Field(description="How many times the caller has cut the bot off.")
    interruptions_undone: int = Field(
        description="How many times the bot fell silent for a sound that was no interruption, and went on."
    )
    dead_air: int = Field(description="How many times the bot had to fill a silence of its own.")
    dead_air_longest_ms: int | None
    not_understood: int = Field(description="How many of the caller's lines were not understood.")


class Failover(_Answer):
    """A service that has failed in the call, and the one that went on."""

    job: str = Field(description="What they do: `stt`, `llm` or `tts`.")
    failed: str = Field(description="The service that has failed.")
    next: str = Field(description="The one that went on.")
    cause: str = Field(description="`failed`, `stalled` or `silent`.")
    category: str = Field(description="What kind of error was reported; empty for none.")
    at: Time


class Event(_Answer):
    """Something that happened on the call. What else it has depends on its kind."""

    at: Time
    kind: str = Field(description="What happened: `ringing`, `answered`, `caller_said`, `ended` and so on.")


class TurnTime(_Answer):
    """How long one turn of the bot was waited for: an event `turn`, which docs/events.md explains."""

    at: Time
    n: int = Field(description="Which turn of the call, from 0.")
    to: str = Field(description="`caller` for a response, `call` for the first words on a media stream.")
    response_ms: int = Field(description="How long the caller has waited, to the bot's first sound.")
    parts: list[dict[str, Any]] = Field(
        description="What for: each part has `key`, `stage`, `owner`, `kind` and `ms`."
    )
    by_sound: bool = Field(description="Whether both ends are taken from the sound on the line.")
    interrupted: bool = Field(description="Whether the caller has cut the bot off.")
    after_answer_ms: int | None = Field(description="When the bot began, in milliseconds after the answer.")


class CallDescription(CallSummary):
    """All that is known of a call."""

    answered_by: str | None = Field(
        description="Who has answered a call of ours: `human`, `machine` and so on."
    )
    transfers: list[Transfer]
    recordings: list[Recording]
    figures: CallFigures
    failovers: list[Failover] = Field(
        description="Services that have failed in it, for which others went on."
    )
    listeners: list[str] = Field(description="Who listens in now.")
    turns: list[Turn] = Field(description="The conversation so far.")
    turn_times: list[TurnTime] = Field(description="How long each turn of the bot was waited for.")
    events: list[Event] = Field(description="All that happened, oldest first.")
    event_format: int = Field(description="The version of the events' format.")
    warning: str | None = Field(
        default=None, description="What is not certain yet, in one line. It is there only when something is."
    )


class Listening(_Answer):
    """Somebody may listen in on the call now."""

    listeners: list[str] = Field(description="Who does so already.")


class Calls(_Answer):
    """Calls, a part of the list."""

    calls: list[CallSummary] = Field(description="Newest first.")
    next: str | None = Field(description="Where the list goes on, for `before`; `null` at its end.")
    whole: bool = Field(
        description="Whether the database was asked; while it does not answer, only what this process knows is listed."
    )


class MessageRow(_Answer):
    """A message that a caller has left for the business."""

    call_id: str = Field(description="Our id of the call.")
    seq: int = Field(description="The number of the message's event in the call.")
    taken_at: Time
    agent: str | None = Field(description="The agent that took it.")
    caller_name: str = Field(description="Who left it; empty when they did not say.")
    callback_number: str = Field(description="Where they can be called back; empty when that is not known.")
    message: str = Field(description="What they said.")
    from_number: str | None = Field(description="Who called.")
    to_number: str | None = Field(description="Who was called.")
    direction: Direction
    handled_at: Time | None = Field(description="When it was dealt with; `null` while nobody has.")
    handled_by: str | None = Field(description="Who did.")


class Messages(_Answer):
    """Messages, a part of the list."""

    messages: list[MessageRow] = Field(description="Newest first.")
    next: str | None = Field(description="Where the list goes on, for `before`; `null` at its end.")


class TimesOfMany(_Answer):
    """How long something took, in milliseconds, to 10 ms."""

    p50: int | None = Field(description="The median.")
    p95: int | None = Field(description="What 95 of 100 do not exceed.")
    n: int = Field(description="How many there are.")


class Counted(_Answer):
    """What was counted."""

    calls: int = Field(description="How many calls have begun.")
    outcomes: dict[str, int] = Field(description="How many of those that have ended achieved what.")
    minutes: float = Field(description="How long they were together, from their answers on.")
    response_ms: TimesOfMany = Field(description="How long callers waited for a response.")
    first_words_ms: TimesOfMany = Field(description="From the answer to the bot's first sound.")


class CountedIn(Counted):
    """What was counted of an hour or a day."""

    at: Time


class Stats(_Answer):
    """What was counted of calls, by hour or by day."""

    buckets: list[CountedIn] = Field(description="The hours or days, in order, those without a call as well.")
    totals: Counted
    stages_ms: dict[str, int] = Field(
        description="What a response was waited for on average, by stage: `end_of_turn`, `recogniser`, `model`, "
        "`tool`, `voice`, `line` and `other`; empty without a response."
    )
    open_messages: int = Field(description="How many messages nobody has dealt with, of whatever time.")


class Erased(_Answer):
    """What was erased of a caller, as counts, and what cannot be from here."""

    calls: int = Field(
        description="Calls of which the number and what was said were erased. They stay countable."
    )
    deleted: int = Field(description="Of them, those that are gone as a whole.")
    recordings: int = Field(description="Recordings that the carrier has deleted.")
    recordings_left: int = Field(
        description="Recordings that the carrier has not deleted. Their calls keep the number: ask again."
    )
    notices: int = Field(description="Notices and mails that were not delivered yet.")
    values: int = Field(description="Values that agents' code had kept with the calls and with the caller.")
    messages: int = Field(description="Messages in the file of messages.")
    call_backs: int = Field(description="Entries of the list of those to be called back.")
    not_erased: list[str] = Field(description="What may still have the number or the words, and is not ours.")


class PeaksOfRecording(_Answer):
    """How loud a recording is."""

    duration_secs: float = Field(description="Its length.")
    per_sec: float = Field(description="How many points a second has.")
    sides: list[list[int]] = Field(
        description="The points of each channel, the caller's first, from 0 to 100, in equal steps of time."
    )
    after_answer_ms: int | None = Field(
        description="When it begins, in milliseconds after the answer: as `recordings` of the call has it, put right "
        "by when the bot is heard to speak; `null` when it is not known."
    )


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The answers of a route that are an error, for `responses=`.

    Args:
        *statuses: Besides those of the key, which every route has.
    """
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    content = {"application/json": {"schema": schema}}
    return {
        status: {"description": WHEN[status], "content": content}
        for status in sorted({401, 403, 429, *statuses})
    }


WHEN = {
    401: "The API key is missing, wrong or revoked, or none is set.",
    403: "The key has not the scope that this needs, or the agent's file does not allow it.",
    404: "There is no such call, or nothing of the kind.",
    409: "Not now: the call has ended, or something else is under way on it.",
    416: "There is no such part.",
    422: "It cannot be done, or the request is not as it should be.",
    429: "Too many requests with this key, again after `Retry-After`; or too many calls, a limit of the settings.",
    502: "The carrier did not do it; again after `Retry-After`, if there is one.",
    503: "No room for another one, the service is being stopped, or the database does not answer: again later.",
    504: "The process that talks on the call does not answer: it has died, or hangs.",
}
"""What a status means."""
