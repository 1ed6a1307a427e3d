"""Our webhooks in front of Pipecat Cloud's media: each document gets a ticket for a media socket there.

An agent with `websocket_auth = "token"` lets nobody in without one. A ticket is asked for with the organization's
public key, is good for one connection within five minutes, and starts no bot before the carrier connects.

Source: Pipecat docs, guides/websocket-authentication; REST reference, POST /v1/public/{agent}/start.
"""

from __future__ import annotations

import asyncio
from urllib.parse import quote, urlsplit

import httpx

from calls.call import Call
from calls.carried import carry
from calls.errors import CarrierFailed
from carriers.carrier import StreamDocument
from carriers.cloud import CLOUD_HOST
from settings import Settings
from web.keys import AddressKeys
from web.tokens import StreamTokens
from web.way_back import ServerWayBack

TRY_SECS = 2.5
TRIES = 2
"""Somebody hears it ring, or nothing: a carrier waits longer than this for a document, a caller hardly."""


class CloudUnavailable(CarrierFailed):
    """Pipecat Cloud gave no ticket; the message says why and what to do."""


class CloudMedia:
    """Asks for tickets.

    Parameters:
        agent: `AGENT.ORGANIZATION`.
        public_key: The organization's public API key.
        api_url: Where the API is, without a slash at its end.
    """

    def __init__(self, agent: str, public_key: str, api_url: str = f"https://{CLOUD_HOST}"):
        self._agent = agent.rpartition(".")[0] or agent
        self._http = httpx.AsyncClient(
            base_url=api_url, headers={"Authorization": f"Bearer {public_key}"}, timeout=TRY_SECS
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> CloudMedia | None:
        """None when the media does not go to Pipecat Cloud."""
        if settings.pipecat_cloud_public_key is None or settings.pipecat_cloud_agent is None:
            return None
        key = settings.pipecat_cloud_public_key.get_secret_value()
        api_url = settings.pipecat_cloud_api_base_url or f"https://{CLOUD_HOST}"
        return cls(settings.pipecat_cloud_agent, key, api_url.rstrip("/"))

    async def ticket(self) -> str:
        """The address of a media socket that one connection may open.

        Raises:
            CloudUnavailable: There is none.
        """
        for tries_left in reversed(range(TRIES)):
            try:
                async with asyncio.timeout(TRY_SECS):
                    answer = await self._http.post(
                        f"/v1/public/{self._agent}/start", json={"transport": "websocket"}
                    )
            except (httpx.HTTPError, TimeoutError) as error:
                reason = f"Pipecat Cloud does not answer ({type(error).__name__})"
            else:
                if not answer.is_server_error:
                    return self._address(answer)
                reason = f"Pipecat Cloud answers {answer.status_code}"
            if not tries_left:
                break
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

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


class CloudWayBack(ServerWayBack):
    """The way to a bot on Pipecat Cloud whose webhooks are ours; good for one media socket.

    Parameters:
        public_url: The base that carriers call, without a slash at its end.
        tokens: Tickets for media sockets of our own.
        keys: The secret parts of addresses.
        address: Of the media socket, with its ticket.
        secret: Signs what the call takes along, as the bot cannot look it up here; None takes nothing.
    """

    def __init__(
        self, public_url: str, tokens: StreamTokens, keys: AddressKeys, address: str, secret: str | None
    ):
        super().__init__(public_url, tokens, keys)
        self._address = address
        self._secret = secret

    def stream(self, call: Call) -> StreamDocument:
        """Connects the call with the bot; what comes after the stream is asked of us."""
        own = super().stream(call)
        carried = carry(call, self._secret) if self._secret else {}
        return StreamDocument(self._address, {**own.parameters, **carried}, own.ended_url)


def _advice(status: int) -> str:
    if status in (401, 403):
        return "PIPECAT_CLOUD_PUBLIC_KEY is not a public key of the agent's organization"
    if status == 404:
        return "there is no agent of this name: see `pipecat cloud agent list` and PIPECAT_CLOUD_AGENT"
    if status == 429:
        return "all instances are taken: raise max_agents in pcc-deploy.toml"
    return "see its error codes"
