"""Where Pipecat Cloud takes media streams: what to paste into a TwiML or TeXML Bin."""

from __future__ import annotations

import re

from carriers.telnyx import texml
from carriers.twilio import twiml

CLOUD_HOST = "api.pipecat.daily.co"
CLOUD_REGIONS = ("us-west", "us-east", "eu-central", "ap-south")
"""Source: Pipecat docs, guides/regions. Without a region it is us-west."""


class CloudError(ValueError):
    """The agent or region cannot be right; the message names cause and fix."""


def cloud_documents(agent: str, region: str | None = None) -> dict[str, str]:
    """The bins' texts by carrier name.

    Args:
        agent: `AGENT.ORGANISATION`, as shown by `pipecat cloud`.
        region: Where the agent is deployed; None for the default.

    Raises:
        CloudError: One of them cannot be right.
    """
    host = _host(agent, region)
    return {"twilio": twiml.cloud_document(host, agent), "telnyx": texml.cloud_document(host, agent)}


def cloud_stream(carrier: str, agent: str, region: str | None = None) -> tuple[str, dict[str, str]]:
    """The address of a carrier's media sockets, and the parameters that find the agent.

    Args:
        carrier: Its name.
        agent: `AGENT.ORGANISATION`.
        region: Where the agent is deployed; None for the default.

    Raises:
        CloudError: One of them cannot be right.

    Source: Pipecat docs, guides/telephony/twilio-websocket and telnyx-websocket.
    """
    host = _host(agent, region)
    if carrier == "telnyx":
        return f"wss://{host}/ws/telnyx?serviceHost={agent}", {}
    return f"wss://{host}/ws/{carrier}", {"_pipecatCloudServiceHost": agent}


def _host(agent: str, region: str | None) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*\.[A-Za-z0-9][A-Za-z0-9-]*", agent):
        raise CloudError(
            f"PIPECAT_CLOUD_AGENT is {agent!r}, expected AGENT.ORGANISATION (lower-case letters, digits, "
            "hyphens), for example receptionist.my-company"
        )
    if region is not None and region not in CLOUD_REGIONS:
        raise CloudError(f"PIPECAT_CLOUD_REGION is {region!r}, expected one of {', '.join(CLOUD_REGIONS)}")
    return f"{region}.{CLOUD_HOST}" if region else CLOUD_HOST
