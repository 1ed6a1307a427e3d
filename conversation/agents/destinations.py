"""Where an agent's file lets callers be put through to, and what callers hear of that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calls.call import Call
from calls.errors import NotPossible
from calls.transfer import Target, TransferOutcome
from conversation.agents.agent import Agent
from conversation.agents.tables import CALLERS_OWN_NUMBER


def spoken_name(agent: Agent, transfer: str, variables: Mapping[str, Any]) -> str:
    """How a transfer's destination is named to callers.

    Args:
        agent: Whose transfer.
        transfer: Its name in the file.
        variables: What the templates are rendered with.
    """
    target = agent.transfers.get(transfer)
    return agent.render(target.spoken if target else "", variables) or transfer.replace("-", " ")


def target_of(agent: Agent, name: str, call: Call) -> Target:
    """Find a transfer's target by its name.

    Args:
        agent: Whose file names it.
        name: As a model or the API gives it.
        call: The call that is to be put through.

    Raises:
        NotPossible: There is no such name. Only names are accepted: otherwise a caller could talk the model into
            dialling any number, at the owner's cost.
    """
    found = agent.transfers.get(name)
    if found is None:
        known = ", ".join(agent.transfers) or "none: add [transfers.NAME] to the agent's file"
        raise NotPossible(f"there is no destination {name[:60]!r}; those of {agent.name} are {known}")
    caller_id = found.caller_id
    if caller_id == CALLERS_OWN_NUMBER:
        # With a live call from that number the carriers let it be passed on, not on a leg that is called for itself.
        theirs = call.other_number or ""
        caller_id = theirs if theirs.startswith("+") and not found.warm else None
    return Target(
        name=name,
        address=found.number or found.sip or "",
        warm=found.warm,
        ring_timeout_secs=found.ring_timeout_secs,
        caller_id=caller_id,
        refer=found.refer,
    )


def outcome_line(agent: Agent, outcome: TransferOutcome) -> str:
    """What a caller who is back hears first. A template."""
    lines = agent.lines
    return {
        TransferOutcome.BUSY: lines.transfer_busy,
        TransferOutcome.NO_ANSWER: lines.transfer_no_answer,
        TransferOutcome.DECLINED: lines.transfer_declined_by,
        TransferOutcome.VOICEMAIL: lines.transfer_voicemail,
        TransferOutcome.UNKNOWN: lines.transfer_unknown,
    }.get(outcome, lines.transfer_error)
