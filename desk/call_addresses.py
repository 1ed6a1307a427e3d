"""The addresses that a carrier is given for a call, on a server that takes its webhooks."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, urlencode

from calls.call import Call
from calls.carried import carry
from calls.cloud_media import CloudMedia
from calls.colleague import PRIVATE_PARAMETERS
from carriers import descriptor_of
from carriers.carrier import CALL_CONTROL, StreamDocument
from carriers.streams import Meanwhile
from desk.keys import AddressKeys
from desk.tokens import StreamGrant, StreamTokens

CALL = "call"
"""The name in an address's query that says which call it is about, by our id."""

KEY = "address_key"
"""The name of an address's secret part, in its query; see `desk.keys`."""

SENT_ON = "sent_on"
"""The name in a voice address's query that says that another server, which had no room, has sent the call here."""

OURS = PRIVATE_PARAMETERS | {CALL, KEY, SENT_ON, "agent", "from_number", "to_number"}
"""Parameters that only we may set: a custom parameter of such a name is neither passed on nor believed."""


class ServerWayBack:
    """The way back to a server of ours.

    Parameters:
        public_url: The base that carriers call, without a slash at its end.
        tokens: Tickets for media sockets.
        keys: The secret parts of addresses.
        meanwhile: What the callers of a call hear while the bot cannot be reached, where its document has to say that
            itself; None for nothing.
    """

    def __init__(
        self,
        public_url: str,
        tokens: StreamTokens,
        keys: AddressKeys,
        meanwhile: Callable[[Call], Meanwhile | None] = lambda _: None,
    ):
        self._public_url = public_url
        self._tokens = tokens
        self._keys = keys
        self._meanwhile = meanwhile

    async def stream(self, call: Call) -> StreamDocument:
        """The stream that connects the call with the bot, by its own ticket; the carrier asks us what follows it."""
        grant = StreamGrant(
            carrier=call.carrier,
            carrier_call_id=call.carrier_call_id,
            call_id=call.id,
            agent=call.agent or "",
            from_number=call.from_number,
            to_number=call.to_number,
            events=len(call.events),
        )
        scheme, _, rest = self._public_url.partition("://")
        token = quote(self._tokens.issue(grant), safe="")
        # A stream's parameter is text; the bot finds values of other types with the call.
        custom = {
            name: str(value)
            for name, value in call.parameters.items()
            if name not in OURS and not isinstance(value, (dict, list))
        }
        known = {"agent": call.agent, "from_number": call.from_number, "to_number": call.to_number}
        if call.mode == CALL_CONTROL:
            # Events carry the parameters, and one about a call without a name of the carrier's must find it.
            known["call_id"] = call.id
        return StreamDocument(
            # ws:// only when PUBLIC_URL is http://, as on a laptop.
            stream_url=f"{'ws' if scheme == 'http' else 'wss'}://{rest}/ws/{call.carrier}/{token}",
            parameters={name: value for name, value in {**custom, **known}.items() if value},
            ended_url=self.ended_url(call),
            meanwhile=self._meanwhile(call),
        )

    def ended_url(self, call: Call) -> str:
        """Where the carrier asks for the document after the bot's media stream."""
        return self._url(call, "connect-ended", for_a_document=True)

    def transfer_url(self, call: Call) -> str:
        """Where the carrier reports how a transfer went; the answer is the caller's next document."""
        return self._url(call, "transfer", for_a_document=True)

    def message_url(self, call: Call) -> str:
        """Where the carrier asks for the document after a message that it has recorded."""
        return self._url(call, "message", for_a_document=True)

    def answered_url(self, call: Call) -> str:
        """Where the carrier reports that the destination of a transfer has answered."""
        return self._url(call, "transfer-answered")

    def status_url(self, call: Call) -> str:
        """Where the carrier reports that the call rings, is answered and ends."""
        return self._url(call, "events" if call.mode == CALL_CONTROL else "status")

    def amd_url(self, call: Call) -> str:
        """Where the carrier reports whether a person or a machine answered."""
        return self._url(call, "events" if call.mode == CALL_CONTROL else "amd")

    def recording_url(self, call: Call) -> str:
        """Where the carrier reports on recordings."""
        return self._url(call, "events" if call.mode == CALL_CONTROL else "recording")

    def _url(self, call: Call, route: str, *, for_a_document: bool = False) -> str:
        query, descriptor = {CALL: call.id}, descriptor_of(call.carrier)
        if not descriptor.signs_addresses:
            query[KEY] = self._keys.key(call.carrier, route, call.id)
        url = f"{self._public_url}/{call.carrier}/{route}?{urlencode(query)}"
        overrides = descriptor.connection_overrides if for_a_document else ""
        return f"{url}#{overrides}" if overrides else url


class CloudWayBack(ServerWayBack):
    """The way to a bot on Pipecat Cloud whose webhooks are ours.

    Parameters:
        public_url: The base that carriers call, without a slash at its end.
        tokens: Tickets for media sockets of our own.
        keys: The secret parts of addresses.
        media: Tickets for media sockets there.
        secret: Signs what the call takes along, as the bot cannot look it up here; None to take nothing along.
    """

    def __init__(
        self, public_url: str, tokens: StreamTokens, keys: AddressKeys, media: CloudMedia, secret: str | None
    ):
        super().__init__(public_url, tokens, keys)
        self._media = media
        self._secret = secret

    async def stream(self, call: Call) -> StreamDocument:
        """The stream that connects the call with the bot; the carrier asks us what follows it."""
        own = await super().stream(call)
        carried = carry(call, self._secret) if self._secret else {}
        return StreamDocument(await self._media.ticket(), {**own.parameters, **carried}, own.ended_url)
