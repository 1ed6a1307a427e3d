"""Where Pipecat Cloud takes media streams, and the documents that a carrier itself keeps for it."""

from __future__ import annotations

import re

from carriers import descriptor_of, descriptors

CLOUD_HOST = "api.pipecat.daily.co"
CLOUD_REGIONS = ("us-west", "us-east", "eu-central", "ap-south")
"""The regions of Pipecat Cloud; without one it is us-west. Source: Pipecat docs, guides/regions."""


class CloudError(ValueError):
    """The agent or region cannot be right; the message names cause and fix."""


def cloud_documents(agent: str, region: str | None = None) -> dict[str, str]:
    """The documents by carrier name.

    Args:
        agent: `AGENT.ORGANISATION`, as shown by `pipecat cloud`.
        region: Where the agent is deployed; None for the default.

    Raises:
        CloudError: One of them cannot be right.
    """
    host = _host(agent, region)
    return {one.name: one.cloud_document(host, agent) for one in descriptors()}


def cloud_stream(carrier: str, agent: str, region: str | None = None) -> tuple[str, dict[str, str]]:
    """The address of a carrier's media sockets, and the parameters that find the agent.

    Args:
        carrier: Its name, one of `known_carriers()`.
        agent: `AGENT.ORGANISATION`.
        region: Where the agent is deployed; None for the default.

    Raises:
        CloudError: One of them cannot be right.
    """
    return descriptor_of(carrier).cloud_stream(_host(agent, region), agent)


def _host(agent: str, region: str | None) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*\.[A-Za-z0-9][A-Za-z0-9-]*", agent):
        raise CloudError(
            f"PIPECAT_CLOUD_AGENT is {agent!r}, expected AGENT.ORGANISATION (lower-case letters, digits, "
            "hyphens), for example receptionist.my-company"
        )
    if region is not None and region not in CLOUD_REGIONS:
        raise CloudError(f"PIPECAT_CLOUD_REGION is {region!r}, expected one of {', '.join(CLOUD_REGIONS)}")
    return f"{region}.{CLOUD_HOST}" if region else CLOUD_HOST
