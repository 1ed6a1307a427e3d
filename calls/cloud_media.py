"""Tickets for media sockets on Pipecat Cloud: each document that leads to one gets its own.

An agent with `websocket_auth = "token"` accepts no connection without one. We ask Pipecat Cloud for a ticket with the
organization's public key; it is good for one connection within five minutes, and starts no bot before the carrier
connects.

Source: Pipecat docs, guides/websocket-authentication; REST reference, POST /v1/public/{agent}/start.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from calls.errors import CarrierFailed
from carriers.cloud import CLOUD_HOST

TRY_SECS = 2.5
TRIES = 2
"""How often a ticket is asked for. The caller hears ringing or nothing meanwhile, and gives up before the carrier."""


class CloudUnavailable(CarrierFailed):
    """Pipecat Cloud gave no ticket; the message says why and what to do."""


class CloudMedia:
    """Asks for tickets.

    Parameters:
        agent: `AGENT.ORGANIZATION`.
        public_key: The organization's public API key.
        api_url: Where the API is; None for the real one.
    """

    def __init__(self, agent: str, public_key: str, api_url: str | None = None):
        self._agent = agent.rpartition(".")[0] or agent
        self._headers = {"Authorization": f"Bearer {public_key}"}
        self._api_url = (api_url or f"https://{CLOUD_HOST}").rstrip("/")

    async def ticket(self) -> str:
        """The address of a media socket that one connection may open.

        Raises:
            CloudUnavailable: There is none.
        """
        url, reason = f"{self._api_url}/v1/public/{self._agent}/start", ""
        async with httpx.AsyncClient(headers=self._headers, timeout=TRY_SECS) as http:
            for _ in range(TRIES):
                try:
                    async with asyncio.timeout(TRY_SECS):
                        answer = await http.post(url, json={"transport": "websocket"})
                except (httpx.HTTPError, TimeoutError) as error:
                    reason = f"Pipecat Cloud does not answer ({type(error).__name__})"
                else:
                    if not answer.is_server_error:
                        return self._address(answer)
                    reason = f"Pipecat Cloud answers {answer.status_code}"
        raise CloudUnavailable(f"{reason}: see its status page, or set PIPECAT_CLOUD_API_BASE_URL right")

    def _address(self, answer: httpx.Response) -> str:
        if answer.is_error:
            raise CloudUnavailable(
                f"Pipecat Cloud answers {answer.status_code}: {_advice(answer.status_code)}"
            )
        try:
            content = answer.json()
            address, token = content["wsUrl"], content["token"]
            usable = urlsplit(address).scheme in ("wss", "ws") and isinstance(token, str) and token != ""
        except (ValueError, TypeError, KeyError, AttributeError):
            usable = False
        if not usable:
            raise CloudUnavailable(
                'Pipecat Cloud gave no ticket: deploy the agent with websocket_auth = "token"'
            )
        return f"{address}/{quote(token, safe='=')}"


def cloud_media_of(settings: Any) -> CloudMedia | None:
    """Where media sockets are opened with tickets.

    Args:
        settings: What the operator configured.

    Returns:
        None where the media does not go to Pipecat Cloud, or its sockets need no ticket there.
    """
    if settings.pipecat_cloud_public_key is None or settings.pipecat_cloud_agent is None:
        return None
    key = settings.pipecat_cloud_public_key.get_secret_value()
    return CloudMedia(settings.pipecat_cloud_agent, key, settings.pipecat_cloud_api_base_url)


def _advice(status: int) -> str:
    if status in (401, 403):
        return "PIPECAT_CLOUD_PUBLIC_KEY is not a public key of the agent's organization"
    if status == 404:
        return "there is no agent of this name: see `pipecat cloud agent list` and PIPECAT_CLOUD_AGENT"
    if status == 429:
        return "all instances are taken: raise max_agents in pcc-deploy.toml"
    return "see its error codes"
