"""One media socket: the carrier is the WebSocket client, sends the caller and plays the bot.

Sources: Twilio docs, voice/media-streams; Telnyx docs, media streaming over websockets.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from emulator.faults import NO_MEDIA_FAULT, MediaFault
from emulator.legs.dialect import BotAudio, BotClear, BotMark, Frame, Refused, StreamDialect
from emulator.line.codecs import FRAME_MS, Pcm
from emulator.line.impairments import StreamImpairments, under_way
from emulator.line.line import PhoneLine
from emulator.timeline import Timeline
from emulator.wire import Tap

CONNECT_SECS = 10.0
"""How long the carrier waits for the socket to open; not documented by either."""

CLOSE_SECS = 2.0
OUTBOX_FRAMES = 500
"""Ten seconds of unread audio, then frames are thrown away as Twilio does (31930)."""

CLEAN_CODES = frozenset({1000, 1001, 1005})


class StreamRefused(Exception):
    """The socket could not be opened. The message names the carrier's error code and the cause."""


@dataclass(frozen=True)
class StreamEnded:
    """The bot's side closed the socket.

    Attributes:
        code: The WebSocket close code; 1006 when the connection broke.
        clean: Whether it was closed on purpose.
    """

    code: int
    clean: bool


class MediaStream:
    """A stream from the upgrade to the last frame.

    Args:
        dialect: The carrier's frames.
        line: The caller's line, whose ear and mouth this stream serves while it is open.
        timeline: Where it is written down.
        warn: Takes a warning of the carrier (code and text).
        on_clear: Takes the length in ms of audible audio that a `clear` threw away.
        fault: What is to go wrong with it.
        hang_up: Ends the call: takes who did it, and a sentence about it.
        impairments: What the network does to its messages; nothing when not given.
        tap: Takes every message as it is sent; None for nobody who watches.
    """

    def __init__(
        self,
        dialect: StreamDialect,
        line: PhoneLine,
        timeline: Timeline,
        warn: Callable[[str], None],
        on_clear: Callable[[int], None],
        fault: MediaFault = NO_MEDIA_FAULT,
        hang_up: Callable[[str, str], None] | None = None,
        impairments: StreamImpairments | None = None,
        tap: Tap | None = None,
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._tap = tap or (lambda to_server, raw: None)
        self._impairments = impairments or StreamImpairments()
        self._frames_to_first = round(self._impairments.first_audio_secs * 1000 / FRAME_MS)
        self._overtaken: list[tuple[int, Frame]] = []
        self._fault = fault
        self._hang_up = hang_up
        self._silent = True
        self.dialect = dialect
        self.marks_sent = 0
        self.marks_returned = 0
        self._line = line
        self._timeline = timeline
        self._warn = warn
        self._on_clear = on_clear
        self._warned: set[str] = set()
        self._outbox: asyncio.Queue[tuple[float, str | bytes] | None] = asyncio.Queue()
        self._socket: ClientConnection | None = None

    async def open(self, url: str, headers: dict[str, str], user_agent: str) -> None:
        """Dial the bot's socket and send `connected` and `start`.

        Raises:
            StreamRefused: Bad URL, nothing listens, time-out, or an answer other than 101.
        """
        try:
            self._socket = await connect(
                url,
                additional_headers=headers,
                user_agent_header=user_agent,
                compression=None,
                open_timeout=CONNECT_SECS,
                close_timeout=CLOSE_SECS,
                ping_interval=None,
                max_size=None,
                max_queue=None,
                proxy=None,
            )
        except InvalidURI:
            raise StreamRefused("31922 the stream's URL is not a WebSocket URL") from None
        except InvalidStatus as error:
            status = error.response.status_code
            raise StreamRefused(
                f"31920 the server answered the WebSocket upgrade with HTTP {status}, not 101"
            ) from None
        except InvalidHandshake as error:
            raise StreamRefused(f"31920 the WebSocket handshake failed: {error}") from None
        except TimeoutError:
            raise StreamRefused(f"31901 the socket did not open within {CONNECT_SECS:.0f} s") from None
        except ssl.SSLError as error:
            # Source: Twilio docs, error 31910
            reason = getattr(error, "verify_message", None) or error.reason or type(error).__name__
            raise StreamRefused(f"31910 there is no secure connection to the socket: {reason}") from None
        except (OSError, EOFError, ConnectionClosed) as error:
            raise StreamRefused(f"31902 the socket could not be opened: {type(error).__name__}") from None
        for message in self.dialect.opening():
            self._post(message)

    async def run(self) -> StreamEnded:
        """Speak and listen until the bot closes; on cancellation send `stop` and close, as at the call's end."""
        assert self._socket is not None
        self._line.stream = self
        sender = asyncio.create_task(self._send(self._socket))
        spoilers = [
            asyncio.create_task(self._cut()),
            asyncio.create_task(self._end_without_audio()),
        ]
        try:
            async for raw in self._socket:
                self._tap(False, raw)
                await under_way(self._impairments.from_bot.next())
                self._take(raw)
            return self._ended(self._socket)
        except ConnectionClosed:
            return self._ended(self._socket)
        finally:
            for spoiler in spoilers:
                spoiler.cancel()
            self._line.stream = None
            await self._say_goodbye(self._socket, sender)

    @property
    def port(self) -> int | None:
        """The TCP port of the carrier's end of the socket: who has the other end can tell which stream it is."""
        local = self._socket.local_address if self._socket is not None else None
        return int(local[1]) if isinstance(local, tuple) else None

    def press(self, digit: str) -> None:
        """Send a key of the caller."""
        self._post(self.dialect.dtmf(digit))

    def say(self, frame: Pcm) -> bool:
        """Send 20 ms of the caller; whether that is possible yet."""
        if self._frames_to_first > 0:
            self._frames_to_first -= 1
            return False
        if self._impairments.is_lost():
            self.dialect.lost()
        elif self._outbox.qsize() < OUTBOX_FRAMES:
            self._send_audio(self.dialect.media(frame))
        else:
            self._refuse(
                Refused("31930", "the server does not read its socket: the caller's audio is thrown away")
            )
        return True

    def _send_audio(self, message: Frame) -> None:
        late, self._impairments.late_first_secs = self._impairments.late_first_secs, 0.0
        if overtaking := self._impairments.overtaken_by(late):
            self._overtaken.append((overtaking, message))
            return
        self._post(message, late)
        self._overtake()

    def _overtake(self) -> None:
        # Whatever is sent overtakes all that is held back, so nothing is passed by more often than it is to be.
        self._overtaken = [(overtaking - 1, one) for overtaking, one in self._overtaken]
        for place, (overtaking, one) in enumerate(self._overtaken):
            if overtaking <= 0:
                del self._overtaken[place]
                self._post(one)
                self._overtake()
                return

    def return_marks(self, names: list[str]) -> None:
        """Send marks back."""
        if names and self._fault.marks_lost:
            self._timeline.note("fault", f"{len(names)} mark(s) are lost")
        elif names and self._fault.marks_late_secs:
            asyncio.get_running_loop().call_later(self._fault.marks_late_secs, self._return_marks, names)
        else:
            self._return_marks(names)

    def _return_marks(self, names: list[str]) -> None:
        for name in names:
            self.marks_returned += 1
            self._timeline.note("mark_returned", name, name=name)
            self._post(self.dialect.mark(name))

    def _take(self, raw: str | bytes) -> None:
        message = self.dialect.read(raw)
        match message:
            case BotAudio(samples):
                self._silent = False
                if not self._line.bot_is_heard:
                    self._unheard()
                self._line.earpiece.play(samples)
            case BotMark(name):
                self.marks_sent += 1
                self._timeline.note("mark_sent", name, name=name)
                self.return_marks(self._line.earpiece.mark(name))
            case BotClear():
                dropped_ms, audible_ms = self._line.earpiece.buffered_ms, self._line.earpiece.audible_ms
                self._timeline.note(
                    "clear",
                    f"the bot takes back {dropped_ms} ms of audio",
                    dropped_ms=dropped_ms,
                    audible_ms=audible_ms,
                )
                self._on_clear(audible_ms)
                self.return_marks(self._line.earpiece.clear())
            case Refused() as refused:
                self._refuse(refused)

    def break_off(self, text: str = "the media socket breaks") -> None:
        """Let the connection break, as a network does: without a word to either side."""
        if self._socket is not None:
            self._timeline.note("fault", text)
            self._socket.transport.abort()

    async def _cut(self) -> None:
        if self._fault.cut_after_secs is not None:
            await asyncio.sleep(self._fault.cut_after_secs)
            self.break_off(f"the media socket breaks after {self._fault.cut_after_secs:g} s")

    async def _end_without_audio(self) -> None:
        secs = self._fault.silent_ends_secs
        if secs is None or self._hang_up is None:
            return
        await asyncio.sleep(secs)
        if self._silent:
            text = f"the carrier ends the call: no audio was sent for {secs:g} s"
            self._timeline.note("fault", text)
            self._hang_up("error", text)

    def _unheard(self) -> None:
        if "unheard" not in self._warned:
            self._warned.add("unheard")
            self._timeline.note("note", "what the bot says now is heard by nobody")

    def _refuse(self, refused: Refused) -> None:
        if refused.answer is not None:
            self._post(refused.answer)
        if refused.once and refused.code in self._warned:
            return
        self._warned.add(refused.code)
        self._warn(f"{refused.code} {refused.text}")

    def _post(self, message: Frame, late_secs: float = 0.0) -> None:
        data = message if isinstance(message, bytes) else json.dumps(message, separators=(",", ":"))
        self._outbox.put_nowait((late_secs, data))

    async def _send(self, socket: ClientConnection) -> None:
        try:
            while (waiting := await self._outbox.get()) is not None:
                late_secs, message = waiting
                await under_way(late_secs or self._impairments.to_bot.next())
                self._tap(True, message)
                await socket.send(message)
        except ConnectionClosed:
            return

    async def _say_goodbye(self, socket: ClientConnection, sender: asyncio.Task[None]) -> None:
        # A socket that the bot has closed takes nothing more; else this is the end of the call or a new
        # document.
        try:
            async with asyncio.timeout(CLOSE_SECS):
                if socket.close_code is None:
                    pause = self._impairments.stop_to_close()
                    if pause is not None:
                        self._post(self.dialect.stop())
                        self._outbox.put_nowait(None)
                        await sender
                        await under_way(pause)
                    await socket.close()
        except TimeoutError:
            self._timeline.note("note", "the server does not answer the closing of its socket")
            socket.transport.abort()
        finally:
            sender.cancel()

    @staticmethod
    def _ended(socket: ClientConnection) -> StreamEnded:
        code = socket.close_code if socket.close_code is not None else 1006
        return StreamEnded(code, code in CLEAN_CODES)
