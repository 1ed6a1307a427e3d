"""What an owner's own code, the `NAME.py` beside an agent's file, may rely on. docs/tools.md explains it.

A tool is one of Pipecat's direct functions: an async function whose first parameter is `params`, whose signature and
docstring tell the model what it is for (`pipecat.adapters.llm.schemas.direct_function`, where `tool_options` is, too).
`params.app_resources` is the `BotSession`. Our own tools in `conversation/default_tools/` are written in just this way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import httpx
    from pipecat.adapters.llm.schemas.function_schema import FunctionSchema

    from calls.kept_json import KeptJson

Function = TypeVar("Function", bound=Callable[..., Any])

FILLER, ASKS_FOR, LAST, OFFERED = (
    f"_phonebot_{name}" for name in ("filler", "asks_for", "waits_for_others", "offered")
)
"""Names of the attributes that the decorators here leave at a function."""


DONE = "Done."
"""What the model is told of a tool that has given nothing."""


@dataclass(frozen=True)
class ToolResult:
    """What came of using a tool.

    Parameters:
        ok: Whether the tool did what it is for.
        told: What the model is told: words, or a table.
    """

    ok: bool
    told: Any


def done(told: Any) -> ToolResult:
    """The tool did what it is for. Any other value that a tool gives counts as this."""
    return ToolResult(True, told)


def not_done(told: Any) -> ToolResult:
    """The tool did not do what it is for; the words say why, and what to do now."""
    return ToolResult(False, told)


def filler(words: str) -> Callable[[Function], Function]:
    """Name what the caller hears when this tool takes longer than a moment; a template, empty for nothing."""
    return _marked(FILLER, words)


def asks_for(*names: str) -> Callable[[Function], Function]:
    """Name parameters that have a default in Python, and that the model must give all the same."""
    return _marked(ASKS_FOR, names)


def waits_for_others(function: Function) -> Function:
    """Let a tool run after the other tools of the same reply, and only if those went well: it ends the talk."""
    return _marked(LAST, True)(function)


def offered(
    when: Callable[[BotSession, FunctionSchema], FunctionSchema | None],
) -> Callable[[Function], Function]:
    """Name what decides for each session how a tool is described to the model, or with None that it is not offered."""
    return _marked(OFFERED, when)


def _marked(name: str, value: Any) -> Callable[[Function], Function]:
    def mark(function: Function) -> Function:
        setattr(function, name, value)
        return function

    return mark


@dataclass(frozen=True)
class CallFacts:
    """What is known of a call at one moment.

    Parameters:
        id: Our id of the call, as in the API.
        carrier: `twilio`, `telnyx`; without a phone, the kind of connection.
        carrier_call_id: The carrier's id of the call.
        direction: `inbound`, or `outbound` if the bot has placed the call.
        from_number: Who called, in E.164 form if the carrier tells it so; None when withheld.
        to_number: Who was called.
        parameters: The call's own parameters, from the carrier's document or the order to dial.
        state: As in the API: `in_progress`, `transferring`, `completed` and so on.
    """

    id: str
    carrier: str
    carrier_call_id: str
    direction: str
    from_number: str | None
    to_number: str | None
    parameters: Mapping[str, Any]
    state: str


@dataclass(frozen=True)
class NotReached:
    """Why a caller who was put through is with the bot again.

    Parameters:
        outcome: `busy`, `no_answer`, `declined`, `voicemail` or `failed`.
        detail: More about it, for people.
    """

    outcome: str
    detail: str = ""


class BotSession(Protocol):
    """A session of the bot on a call, as tools and hooks get it. What is not named here may change."""

    @property
    def call(self) -> CallFacts:
        """What is known of the call now."""
        ...

    @property
    def agent(self) -> str:
        """The agent's name."""
        ...

    @property
    def variables(self) -> dict[str, Any]:
        """What the agent's templates are filled in with. What is set here is in the sentences that follow."""
        ...

    @property
    def http(self) -> httpx.AsyncClient:
        """A client that all calls of the process share, with time-outs that fit a phone line; do not close it."""
        ...

    @property
    def store(self) -> KeptJson:
        """Small JSON values: `store.call` for this call, `store.caller` for the other side over all calls.

        Each has `await get(key, default)`, `await set(key, value)` and `await delete(key)`, and 64 KiB.
        """
        ...

    @property
    def destinations(self) -> Mapping[str, str]:
        """Where the caller can be put through to on this call: names, and what each is for. Empty when nowhere."""
        ...

    def render(self, template: str, **more: Any) -> str:
        """Fill a template in with `variables`, and with more."""
        ...

    async def say(self, text: str) -> bool:
        """Say a sentence, which the caller may cut short. Tells whether it was given to the voice."""
        ...

    async def say_to_the_end(self, text: str) -> bool:
        """Say words that no barge-in cuts short. Tells whether the caller is known to have heard them."""
        ...

    @property
    def languages(self) -> Mapping[str, str]:
        """The languages that the conversation can be in: tags, and their names in English. Empty for a single one."""
        ...

    async def change_language(self, language: str) -> None:
        """Go on in another language, with recogniser, voice and fixed lines.

        Raises:
            calls.errors.NotDone: The agent does not speak it; the words say which ones it does.
        """
        ...

    async def note(self, text: str) -> None:
        """Tell the model something that has happened, and let it answer."""
        ...

    async def transfer(self, destination: str, reason: str = "") -> NotReached | None:
        """Put the caller through, with an announcement, and wait for the outcome.

        Args:
            destination: A name from `destinations`.
            reason: What the caller wants, in words that a colleague may hear.

        Returns:
            Why the caller is still with the bot, and was told so; None when they are not: they talk with a colleague,
            or are gone. A tool then has nothing more to say.

        Raises:
            calls.errors.NotDone: There is no such destination, or this is not the moment; its words say which.
        """
        ...

    async def finish(self, farewell: str | None = None, *, cause: str = "finish") -> None:
        """Say goodbye, wait until it was heard, and hang up; all of that after the tool has returned.

        Args:
            farewell: The last words; the agent's own when None, none when empty. Words that the model has said already
                are not said again.
            cause: Why, for the call's history.
        """
        ...

    async def record(self, action: str) -> None:
        """Change the recording of the call: `start`, `pause`, `resume` or `stop`.

        Raises:
            calls.errors.NotDone: The carrier did not; after a failed `pause` what is said is still recorded.
        """
        ...

    async def send_digits(self, digits: str) -> None:
        """Press keys for the other side: 0-9, A-D, * and #, with w for half a second. The bot's words end first.

        Raises:
            calls.errors.NotDone: The keys were not pressed.
        """
        ...

    async def leave_message(self, text: str, *, caller_name: str = "", callback_number: str = "") -> None:
        """Keep a message for the business.

        Args:
            text: The message.
            caller_name: From whom.
            callback_number: The number to call back, as digits or as it was said; the caller's own when empty.

        Raises:
            calls.errors.NotDone: It is not kept; the words say why, and what to do.
        """
        ...


class ToolParams(Protocol):
    """What a tool gets as `params`: the parts of `pipecat.services.llm_service.FunctionCallParams` that tools need.

    Attributes:
        function_name: The tool's name.
        tool_call_id: The id of this call of it, as in the model's context.
        arguments: What the model gave, checked.
        app_resources: The session.
        result_callback: Takes the result: a `ToolResult`, or anything that JSON can hold. What the function returns is
            taken if this was not called.
    """

    function_name: str
    tool_call_id: str
    arguments: Mapping[str, Any]
    app_resources: BotSession
    result_callback: Callable[..., Awaitable[None]]
