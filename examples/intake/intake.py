"""The one function of the intake: it asks the company's own service about an account."""

import os
from typing import Any

import httpx
from pipecat.flows import TRANSITION_IN_YAML, FlowManager

ANSWER_SECS = 3.0
"""A caller waits meanwhile; after that somebody has to ask them."""


async def check_account(flow_manager: FlowManager, number: str) -> tuple[dict[str, Any], Any]:
    """Look an account up, as soon as the caller has given its number.

    Args:
        number: The account number, its digits.
    """
    session = flow_manager.worker.app_resources  # what tools have as params.app_resources
    try:
        answer = await session.http.get(
            f"{os.environ['ACCOUNTS_URL']}/accounts/{number}", timeout=ANSWER_SECS
        )
        if answer.status_code == 404:
            return {"status": "unknown"}, TRANSITION_IN_YAML
        answer.raise_for_status()
        name = str(answer.json()["name"])
    except (httpx.HTTPError, KeyError, ValueError):
        return {"status": "away"}, TRANSITION_IN_YAML
    flow_manager.state.update(account=number, name=name)
    return {"status": "found", "name": name}, TRANSITION_IN_YAML
