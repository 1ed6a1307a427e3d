"""How a call reaches the bot, and where its carrier reports: a server of ours has webhooks, other hosts have none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from calls.call import Call
from calls.carried import carry
from calls.cloud_media import CloudMedia
from carriers.carrier import StreamDocument


class WayBack(Protocol):
    """The addresses that a carrier is given for a call.

    The URLs are absolute, and say by themselves which call they are about, as the carrier's id of a call may not
    be known yet. They are None on a host without webhooks, such as Pipecat Cloud.
    """

    async def stream(self, call: Call) -> StreamDocument:
        """The stream that connects the call with the bot, the first time or again.

        Raises:
            NotDone: The bot's host accepts no media stream now.
        """
        ...

    def transfer_url(self, call: Call) -> str | None:
        """Where the carrier reports how a transfer went; the answer is the caller's next document."""
        ...

    def answered_url(self, call: Call) -> str | None:
        """Where the carrier reports that the destination of a transfer has answered."""
        ...

    def status_url(self, call: Call) -> str | None:
        """Where the carrier reports that the call rings, is answered and ends."""
        ...

    def amd_url(self, call: Call) -> str | None:
        """Where the carrier reports whether a person or a machine answered."""
        ...

    def recording_url(self, call: Call) -> str | None:
        """Where the carrier reports on recordings."""
        ...


def without_webhooks(
    carrier: str,
    *,
    secret: str | None,
    cloud_agent: str | None = None,
    cloud_region: str | None = None,
    cloud_media: CloudMedia | None = None,
    public_url: str | None = None,
) -> StreamOnly | None:
    """How a call gets to a bot that has no server of ours beside it.

    Args:
        carrier: Name of the call's carrier.
        secret: Signs what the call takes along.
        cloud_agent: The bot on Pipecat Cloud, `AGENT.ORGANISATION`.
        cloud_region: Where it is deployed; None for the default.
        cloud_media: Tickets for its media sockets; None where these need none.
        public_url: The base of a bot elsewhere.

    Returns:
        None when the address of the bot's host is not configured, or there is no secret.

    Raises:
        CloudError: The agent or the region cannot be right.
    """
    from carriers.cloud import cloud_stream

    if secret is None:
        return None
    if cloud_agent is not None:
        return StreamOnly(*cloud_stream(carrier, cloud_agent, cloud_region), secret, cloud_media)
    if public_url is not None:
        return StreamOnly(f"ws{public_url.removeprefix('http')}/ws", {}, secret)
    return None


class StreamOnly:
    """The way back where there are no webhooks: a media socket, and what the call takes along to it.

    Parameters:
        stream_url: The media socket's address.
        parameters: What the host itself wants to know.
        secret: Signs what the call takes along.
        cloud_media: Where we ask for the address each time; None to use `stream_url`.
    """

    def __init__(
        self,
        stream_url: str,
        parameters: Mapping[str, str],
        secret: str,
        cloud_media: CloudMedia | None = None,
    ):
        self._stream_url = stream_url
        self._parameters = dict(parameters)
        self._secret = secret
        self._cloud_media = cloud_media

    async def stream(self, call: Call) -> StreamDocument:
        """The stream that connects the call with the bot."""
        numbers = {"from_number": call.from_number, "to_number": call.to_number, "agent": call.agent}
        known = {name: value for name, value in numbers.items() if value}
        url = await self._cloud_media.ticket() if self._cloud_media else self._stream_url
        return StreamDocument(url, {**self._parameters, **known, **carry(call, self._secret)})

    def transfer_url(self, call: Call) -> str | None:
        """None, as this host has no webhooks."""
        return None

    def answered_url(self, call: Call) -> str | None:
        """None, as this host has no webhooks."""
        return None

    def status_url(self, call: Call) -> str | None:
        """None, as this host has no webhooks."""
        return None

    def amd_url(self, call: Call) -> str | None:
        """None, as this host has no webhooks."""
        return None

    def recording_url(self, call: Call) -> str | None:
        """None, as this host has no webhooks."""
        return None
