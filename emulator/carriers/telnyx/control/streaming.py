"""The media stream of a Call Control leg.

Sources: Telnyx docs, media streaming over websockets (one stream a call, modes, `stream_auth_token`), Voice API
webhooks (streaming.started, streaming.stopped, streaming.failed), error codes 90045 and 90048.

Not documented and chosen here:

* A stream that ends, however it ends, leaves the call up: there is no document that could go on. A bot that only closes
  its socket leaves the person at the phone in dead air, which is warned of after two seconds.
* The socket is not dialled again: only TeXML has `enableReconnect`. A socket closed on purpose leads to
  streaming.stopped, a broken one to streaming.failed.
* Once the leg is bridged, the stream goes on as it was until streaming_stop or the hang-up: it gets the leg's own
  `inbound` audio, what was queued is played to its end, and what the bot sends from then on is heard too, over the two
  people who talk. Nothing but the application's own `clear` takes any of it back.

`stream_bidirectional_target_legs` says which legs hear the application: the leg itself, the one that is bridged with
it, or both. It is `opposite` unless it is given (OpenAPI of the Voice API): then the person on a leg that is not
bridged hears nothing of the application, whose audio is played all the same.
"""

from __future__ import annotations

import asyncio

from emulator.carriers.telnyx.control.command_errors import CommandRefused
from emulator.carriers.telnyx.control.orders import G711, StreamOrder
from emulator.carriers.telnyx.control.told_call import ToldCall
from emulator.carriers.telnyx.stream_messages import TOKEN_HEADER, TelnyxStream
from emulator.legs.addressing import socket_address
from emulator.legs.stream import MediaStream, StreamRefused
from emulator.markup.connect import before_stream

USER_AGENT = "telnyx-media-streaming"


class Streaming:
    """At most one stream at a time on a leg."""

    def __init__(self, leg: ToldCall) -> None:
        """No stream yet."""
        self._leg = leg
        self._media: MediaStream | None = None
        self._task: asyncio.Task[None] | None = None
        self._order: StreamOrder | None = None

    @property
    def active(self) -> bool:
        """Whether a stream is open or being opened."""
        return self._task is not None and not self._task.done()

    def start(self, order: StreamOrder) -> None:
        """Dial the socket.

        Raises:
            CommandRefused: 90045, there is a stream already.
        """
        if self.active:
            raise CommandRefused("90045")
        if order.track != "inbound_track":
            self._leg.fail(f"stream_track {order.track} is not emulated; inbound_track is used")
        self._order = order
        self._task = asyncio.create_task(self._run(order))

    async def stop(self) -> None:
        """Send `stop` and close.

        Raises:
            CommandRefused: 90048, there is no stream.
        """
        if not self.active:
            raise CommandRefused("90048")
        await self.close()

    async def close(self) -> None:
        """End the stream if there is one."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def press(self, digit: str) -> None:
        """A key of the person at the phone."""
        if self._media is not None:
            self._media.press(digit)

    async def _run(self, order: StreamOrder) -> None:
        leg = self._leg
        encoding = order.codec if order.codec in G711 else leg.leg.codec
        dialect = TelnyxStream(
            leg.leg,
            dict(order.parameters),
            encoding=encoding,
            bot_encoding=order.bot_codec,
            mode=order.mode,
            client_state=leg.leg.client_state,
            auth_token=order.auth_token,
        )
        media = MediaStream(
            dialect,
            leg.line,
            leg.timeline,
            leg.fail,
            leg.lose,
            leg.exchange.faults.media(),
            leg.hang_up,
            await before_stream(leg),
            leg.exchange.wire.tap(leg.leg.call_id),
        )
        try:
            address = socket_address(order.url, document_url=None, server_url=leg.plan.server_url)
            if address.note:
                leg.timeline.note("note", address.note)
            headers = {} if order.auth_token is None else {TOKEN_HEADER: order.auth_token}
            with leg.clock.real_time():
                await media.open(address.dial, headers, USER_AGENT)
        except StreamRefused as error:
            leg.fail(str(error))
            self._failed(order, dialect.stream_id, "connection_failed")
            leg.watch_for_dead_air()
            return
        text = f"media socket open, stream {dialect.stream_id}"
        leg.timeline.note("stream_open", text, stream_id=dialect.stream_id, port=media.port)
        leg.tell("streaming.started", {"stream_url": order.url})
        self._media = leg.stream = media
        leg.line.plays_here, leg.line.plays_there = order.heard_here, order.heard_there
        clean = True
        try:
            ended = await media.run()
            leg.left_by_bot(clean=ended.clean)
            clean = ended.clean
            text = f"the bot closes its socket (code {ended.code})"
            leg.timeline.note("socket_closed", text, code=ended.code)
            if not clean:
                leg.fail(f"the media socket broke (close code {ended.code})")
            leg.watch_for_dead_air()
        except asyncio.CancelledError:
            leg.timeline.note("socket_closed", "the carrier sends `stop` and closes the socket")
            raise
        finally:
            self._media = leg.stream = None
            leg.marks_sent += media.marks_sent
            leg.marks_returned += media.marks_returned
            leg.drop_unplayed()
            leg.line.plays_here, leg.line.plays_there = True, False
            if clean:
                leg.tell("streaming.stopped", {"stream_url": order.url})
            else:
                self._failed(order, dialect.stream_id, "connection_lost")

    def _failed(self, order: StreamOrder, stream_id: str, reason: str) -> None:
        details = {
            "failure_reason": reason,
            "stream_id": stream_id,
            "stream_params": {"stream_url": order.url, "track": order.track},
            "stream_type": "websocket",
        }
        self._leg.tell("streaming.failed", details)
