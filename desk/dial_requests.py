"""Calls that somebody asks for, by the API or on the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from calls.call import Call
from calls.dialling import Dialler, DialRequest
from calls.do_not_call import DoNotCall
from calls.errors import NotPossible
from calls.policy import DialPolicy
from calls.way_back import WayBack
from carriers import descriptor_of, known_carriers
from carriers.carrier import Carrier, MachineDetection
from carriers.dialling import RING_SECS
from carriers.numbers import phone_number
from conversation.agents.agent import Agent, AgentError, load_agent
from desk.addresses import OURS
from settings import Settings

MAX_PARAMETER_CHARS = 2000
"""Names and values of a call's parameters together: they travel in its document, which may have 4000 characters."""


class DialOrder(BaseModel):
    """Whom to call.

    Parameters:
        to: A telephone number in E.164, or as it is written in the country that is called from, or a SIP address.
        agent: Who talks; the configured agent when not given.
        carrier: By which carrier; may be left out when there are credentials for one only.
        from_number: Caller id (`from`), one of CALLER_ID and CALLER_IDS; CALLER_ID when not given.
        parameters: What the agent's texts may use; a value may be an object (`{{ user.first_name }}`).
        ring_timeout_secs: How long to let it ring.
        machine_detection: Whether to listen for an answering machine; as the agent's file says when not given.
    """

    model_config = ConfigDict(
        extra="forbid", str_strip_whitespace=True, populate_by_name=True, allow_inf_nan=False
    )

    to: Annotated[str, Field(min_length=1, max_length=200)]
    agent: str | None = None
    carrier: str | None = None
    from_number: Annotated[str | None, Field(alias="from")] = None
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    ring_timeout_secs: Annotated[int, Field(ge=RING_SECS[0], le=RING_SECS[-1])] = 30
    machine_detection: bool | None = None


async def place_order(
    order: DialOrder,
    settings: Settings,
    dialler: Dialler,
    carrier_named: Callable[[str, str], Carrier | None],
    way_back_of: Callable[[str], WayBack],
) -> tuple[Call, str | None]:
    """Call somebody.

    Args:
        order: Whom.
        settings: The defaults.
        dialler: Makes the call.
        carrier_named: A carrier by its name and mode; None when there are no credentials for it.
        way_back_of: How the call gets to the bot, by the carrier's name.

    Returns:
        The call, and a warning when nobody knows yet whether it was dialled.

    Raises:
        NotDone: Nobody is called.
    """
    agent = _agent(order, settings)
    name, carrier = _carrier(order, settings, carrier_named)
    from_number = _from_number(order, settings)
    request = DialRequest(
        to=order.to,
        from_number=from_number,
        agent=agent.name,
        parameters=_parameters(order),
        ring_timeout_secs=order.ring_timeout_secs,
        machine_detection=_machine_detection(order, agent),
        mode=carrier.mode,
    )
    call = await dialler.place(request, carrier, way_back_of(name))
    uncertain = None if call.carrier_call_id or call.is_over else call.last("error")
    return call, str(uncertain.data.get("message")) if uncertain else None


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


def _from_number(order: DialOrder, settings: Settings) -> str:
    """What is called from. It says which country may be called, so no request may bring one of its own."""
    ours = settings.numbers
    if order.from_number is None:
        if not ours:
            raise NotPossible(
                "there is no number to call from: set CALLER_ID to a number of the carrier's account"
            )
        return ours[0]
    wanted = phone_number(order.from_number)
    if wanted is None or wanted not in ours:
        raise NotPossible(
            "the number to call from is none of this service's: use one of CALLER_ID and CALLER_IDS, or add it there"
        )
    return wanted


def _agent(order: DialOrder, settings: Settings) -> Agent:
    try:
        return load_agent(order.agent or settings.agent, settings.agents_dir)
    except AgentError as error:
        raise NotPossible(str(error)) from None


def _carrier(
    order: DialOrder, settings: Settings, carrier_named: Callable[[str, str], Carrier | None]
) -> tuple[str, Carrier]:
    if order.carrier is not None and order.carrier not in known_carriers():
        raise NotPossible(f"there is no carrier {order.carrier[:40]!r}: use {' or '.join(known_carriers())}")
    names = [order.carrier] if order.carrier else known_carriers()
    found = [(name, carrier_named(name, descriptor_of(name).dialling_mode(settings))) for name in names]
    usable = [(name, carrier) for name, carrier in found if carrier is not None]
    if not usable:
        raise NotPossible(
            f"no credentials for {' or '.join(names)} are set: add them to .env, and start the server again"
        )
    if len(usable) > 1:
        raise NotPossible(f"there are credentials for several carriers: give `carrier`, {' or '.join(names)}")
    return usable[0]


def _parameters(order: DialOrder) -> dict[str, JsonValue]:
    if ours := sorted(OURS & order.parameters.keys()):
        raise NotPossible(f"parameters may not be called {', '.join(ours)}: choose another name")
    chars = sum(len(name) + len(str(value)) for name, value in order.parameters.items())
    if chars > MAX_PARAMETER_CHARS:
        raise NotPossible(f"the parameters have {chars} characters, {MAX_PARAMETER_CHARS} are allowed")
    return dict(order.parameters)


def _machine_detection(order: DialOrder, agent: Agent) -> MachineDetection | None:
    wanted = agent.dial_out.machine_detection if order.machine_detection is None else order.machine_detection
    if not wanted:
        return None
    leaves_message = agent.dial_out.on_voicemail == "leave_message"
    return MachineDetection.END_OF_GREETING if leaves_message else MachineDetection.DETECT
