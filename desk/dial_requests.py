"""Calls that an operator asks for, by the API or on the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from calls.call import Call
from calls.dialler import Dialler
from calls.do_not_call import DoNotCall
from calls.errors import NotPossible
from calls.events.lifecycle import ErrorHappened
from calls.policy import DialPolicy, DialRefused
from calls.way_back import WayBack
from carriers import descriptor_of, known_carriers
from carriers.carrier import Carrier, MachineDetection
from carriers.dialling import RING_SECS, DialOrder
from carriers.numbers import phone_number
from conversation.agents.agent import Agent
from conversation.agents.errors import AgentError
from conversation.agents.files import load_agent
from desk.call_addresses import OURS
from settings import Settings

MAX_PARAMETER_CHARS = 2000
"""Names and values of a call's parameters together: they travel in its document, which may have 4000 characters."""


class DialBody(BaseModel):
    """Whom to call, and how. What is left out comes from the settings and the agent's file."""

    model_config = ConfigDict(
        extra="forbid",
        str_strip_whitespace=True,
        populate_by_name=True,
        allow_inf_nan=False,
        json_schema_extra={
            "examples": [{"to": "+12025550143", "agent": "reminder", "parameters": {"name": "Ann"}}]
        },
    )

    to: str = Field(
        min_length=1,
        max_length=200,
        description="A telephone number in E.164, or as it is written in the country called from, or a SIP address.",
    )
    agent: str | None = Field(default=None, description="Who talks; AGENT when not given.")
    carrier: str | None = Field(
        default=None, description="By which carrier; may be left out when there are credentials for one only."
    )
    from_number: Annotated[
        str | None,
        Field(
            alias="from", description="Caller id, one of CALLER_ID and CALLER_IDS; CALLER_ID when not given."
        ),
    ] = None
    parameters: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="What the agent's texts may use; a value may be an object (`{{ user.first_name }}`).",
    )
    ring_timeout_secs: int = Field(
        default=30, ge=RING_SECS[0], le=RING_SECS[-1], description="How long to let it ring, in seconds."
    )
    machine_detection: bool | None = Field(
        default=None,
        description="Whether to listen for an answering machine; as the agent's file says when not given.",
    )


async def place_call(
    body: DialBody,
    settings: Settings,
    dialler: Dialler,
    carrier_named: Callable[[str, str], Carrier | None],
    way_back_of: Callable[[str], WayBack],
    by: str | None = None,
) -> tuple[Call, str | None]:
    """Place a call.

    Args:
        body: Whom to call, and how.
        settings: The defaults.
        dialler: Makes the call.
        carrier_named: A carrier by its name and mode; None when there are no credentials for it.
        way_back_of: How the call gets to the bot, by the carrier's name.
        by: Which of the operator's people has asked for it.

    Returns:
        The call, and a warning when it is not known yet whether it was dialled.

    Raises:
        NotDone: No call was made.
    """
    agent = _agent(body, settings)
    name, carrier = _carrier(body, settings, carrier_named)
    from_number = _from_number(body, settings)
    try:
        order = DialOrder(
            body.to,
            from_number,
            ring_timeout_secs=body.ring_timeout_secs,
            machine_detection=_machine_detection(body, agent),
        )
    except ValueError as error:
        raise DialRefused(str(error)) from None
    call = await dialler.place(
        order, carrier, way_back_of(name), agent=agent.name, parameters=_parameters(body), by=by
    )
    uncertain = None if call.carrier_call_id or call.is_over else call.last(ErrorHappened)
    return call, uncertain.message if uncertain else None


def policy_of(settings: Settings) -> DialPolicy:
    """What an operator's settings allow to be dialled."""
    return DialPolicy.read(
        settings.dial_countries,
        settings.dial_max_per_number_per_day,
        settings.dial_sip_hosts,
        per_hour=settings.dial_max_per_hour,
        at_once=settings.dial_max_at_once,
        minutes_per_day=settings.dial_max_minutes_per_day,
        do_not_call=DoNotCall(settings.dial_do_not_call),
    )


def _from_number(body: DialBody, settings: Settings) -> str:
    """The caller id, which decides which country may be called: so a request may only name one that is configured."""
    ours = settings.numbers
    if body.from_number is None:
        if not ours:
            raise NotPossible(
                "there is no number to call from: set CALLER_ID to a number of the carrier's account"
            )
        return ours[0]
    wanted = phone_number(body.from_number)
    if wanted is None or wanted not in ours:
        raise NotPossible(
            "the number to call from is none of this service's: use one of CALLER_ID and CALLER_IDS, or add it there"
        )
    return wanted


def _agent(body: DialBody, settings: Settings) -> Agent:
    try:
        return load_agent(body.agent or settings.agent, settings.agents_dir)
    except AgentError as error:
        raise NotPossible(str(error)) from None


def _carrier(
    body: DialBody, settings: Settings, carrier_named: Callable[[str, str], Carrier | None]
) -> tuple[str, Carrier]:
    if body.carrier is not None and body.carrier not in known_carriers():
        raise NotPossible(f"there is no carrier {body.carrier[:40]!r}: use {' or '.join(known_carriers())}")
    names = [body.carrier] if body.carrier else known_carriers()
    found = [(name, carrier_named(name, descriptor_of(name).dialling_mode(settings))) for name in names]
    usable = [(name, carrier) for name, carrier in found if carrier is not None]
    if not usable:
        raise NotPossible(
            f"no credentials for {' or '.join(names)} are set: add them to .env, and start the server again"
        )
    if len(usable) > 1:
        raise NotPossible(f"there are credentials for several carriers: give `carrier`, {' or '.join(names)}")
    return usable[0]


def _parameters(body: DialBody) -> dict[str, JsonValue]:
    if ours := sorted(OURS & body.parameters.keys()):
        raise NotPossible(f"parameters may not be called {', '.join(ours)}: choose another name")
    chars = sum(len(name) + len(str(value)) for name, value in body.parameters.items())
    if chars > MAX_PARAMETER_CHARS:
        raise NotPossible(f"the parameters have {chars} characters, {MAX_PARAMETER_CHARS} are allowed")
    return dict(body.parameters)


def _machine_detection(body: DialBody, agent: Agent) -> MachineDetection | None:
    wanted = agent.dial_out.machine_detection if body.machine_detection is None else body.machine_detection
    if not wanted:
        return None
    leaves_message = agent.dial_out.on_voicemail == "leave_message"
    return MachineDetection.END_OF_GREETING if leaves_message else MachineDetection.DETECT
