"""How long a hosted service may keep a caller waiting.

The libraries' own time-outs are made for programs that can wait: minutes for an answer, ten seconds for a connection,
and none between two words. Here every hosted service of Pipecat has the same bounds, whichever provider it is of: a
model must give its first token, and each next one, in time; a voice its first sound; and each of them must connect in
time. What came before a time-out is spoken; the time-out itself is an error of the service like any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMTextFrame,
    LLMThoughtTextFrame,
    TTSAudioRawFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessorSetup
from pipecat.services.llm_service import LLMService
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.services.tts_service import TTSService, WebsocketTTSService
from pipecat.utils.errors import ErrorCategory, classify_http_exception

if TYPE_CHECKING:
    from settings import Settings


ATTEMPTS = 2
"""How often a voice is asked for a sentence."""


SOON_SECS = 1.0
"""A transcript's request that failed later than this is not repeated: the bot has spoken to the caller by then."""


@dataclass(frozen=True)
class Patience:
    """Time-outs in seconds, see the settings of the same names."""

    connect_secs: float = 3.0
    first_token_secs: float = 4.0
    stall_secs: float = 3.0
    first_audio_secs: float = 3.0

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take them from the settings."""
        return cls(
            settings.connect_secs, settings.first_token_secs, settings.stall_secs, settings.first_audio_secs
        )


class Stalled(TimeoutError):
    """A service did not answer within its time-out."""


class GaveUp(Exception):
    """A voice was asked twice for a sentence and gave no sound; the cause is that of the second attempt."""


class CutOff(ValueError):
    """A service has stopped in the middle of something."""


class _PatientConnection:
    """Bounds connecting, for services that keep a connection; they try again when they are given work.

    Setting the session up does not wait for it: a recogniser that cannot be reached holds no greeting up.
    """

    patience = Patience()
    _is_set_up = False
    _connecting: asyncio.Task[None] | None = None

    async def setup(self, setup: FrameProcessorSetup) -> None:
        await super().setup(setup)  # type: ignore[misc]
        self._is_set_up = True

    async def _connect(self, *args: Any, **kwargs: Any) -> None:
        if self._connecting is None or self._connecting.done():
            connecting = self._connect_in_time(*args, **kwargs)
            self._connecting = self.create_task(connecting, f"{self}::connect")  # type: ignore[attr-defined]
        if self._is_set_up:
            await asyncio.wait({self._connecting})

    async def _disconnect(self) -> None:
        connecting, self._connecting = self._connecting, None
        if connecting not in (None, asyncio.current_task()):
            await self.cancel_task(connecting)  # type: ignore[attr-defined]
        await super()._disconnect()  # type: ignore[misc]

    async def _connect_in_time(self, *args: Any, **kwargs: Any) -> None:
        try:
            async with asyncio.timeout(self.patience.connect_secs):
                await super()._connect(*args, **kwargs)  # type: ignore[misc]
        except TimeoutError:
            error = Stalled(f"no connection within {self.patience.connect_secs:g} s")
            await self.push_error(  # type: ignore[attr-defined]
                str(error), exception=error, category=ErrorCategory.CONNECTIVITY
            )


class _PatientSocket:
    """Bounds the handshake of a WebSocket, also of one that is opened again."""

    patience = Patience()

    async def _websocket_connect(self, uri: str, **kwargs: Any) -> Any:
        kwargs.setdefault("open_timeout", self.patience.connect_secs)
        return await super()._websocket_connect(uri, **kwargs)  # type: ignore[misc]


class _PatientModel(LLMService[Any]):
    """Gives up a request whose first token, or next one, does not come in time."""

    patience = Patience()
    tells_before_the_end = False
    """Whether a stall is reported before the end of the reply that it cuts, so that another model can go on with it."""
    _waiting: asyncio.Timeout | None = None
    _stall_reported = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if not isinstance(frame, LLMContextFrame):
            await super().process_frame(frame, direction)
            return
        self._stall_reported = False
        try:
            async with asyncio.timeout(self.patience.first_token_secs) as self._waiting:
                await super().process_frame(frame, direction)
        except TimeoutError:
            await self._report_stall()
        finally:
            self._waiting = None

    async def stop_ttfb_metrics(self, *args: Any, **kwargs: Any) -> None:
        # Each of Pipecat's services calls this with every piece that a model sends, be it words or a tool's arguments.
        self._goes_on()
        await super().stop_ttfb_metrics(*args, **kwargs)

    async def _report_stall(self) -> None:
        if not self._stall_reported:
            self._stall_reported = True
            error = Stalled("the answer stalled")
            await self.push_error(str(error), exception=error, category=ErrorCategory.CONNECTIVITY)

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        if self.tells_before_the_end and isinstance(frame, LLMFullResponseEndFrame):
            if self._waiting is not None and self._waiting.expired():
                await self._report_stall()
        await super().push_frame(frame, direction)
        if isinstance(frame, LLMTextFrame | LLMThoughtTextFrame):
            self._goes_on()

    def _goes_on(self) -> None:
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(asyncio.get_running_loop().time() + self.patience.stall_secs)


class _PatientVoice(TTSService):
    """Asks once more for a sentence that brings no sound, and gives up when none has come in time.

    A request that fails is made again at once. If it has brought no sound after half of the time, a second one is made
    beside it, and the caller hears whichever sounds first. A voice that keeps a connection gets its words once; if the
    connection is lost, the guard against dead air gives it the words again.
    """

    patience = Patience()

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self.patience.first_audio_secs
        keeps_connection = hasattr(self, "_connect")
        due = deadline if keeps_connection else deadline - self.patience.first_audio_secs / 2
        came: asyncio.Queue[tuple[int, Frame | object | None]] = asyncio.Queue()
        requests: list[asyncio.Task[None]] = []
        sounding: int | None = None
        held: dict[int, list[Frame]] = {}
        error: ErrorFrame | None = None

        def ask() -> None:
            number = len(requests)
            held[number] = []
            frames = super(_PatientVoice, self).run_tts(text, context_id)
            requests.append(
                asyncio.create_task(_hand_over(frames, lambda frame: came.put_nowait((number, frame))))
            )

        try:
            ask()
            while True:
                try:
                    async with asyncio.timeout_at(due):
                        number, frame = await came.get()
                except TimeoutError:
                    if sounding is None and due < deadline:
                        due = deadline
                        if len(requests) < ATTEMPTS:
                            ask()
                        continue
                    if sounding is None:
                        yield self._gave_up(_stalled(f"no sound within {self.patience.first_audio_secs:g} s"))
                    else:
                        yield _stalled(f"no sound within {self.patience.stall_secs:g} s")
                    return
                if sounding is None:
                    if frame is None or isinstance(frame, TTSAudioRawFrame):
                        sounding = number
                        for other, request in enumerate(requests):
                            if other != number:
                                request.cancel()
                        for before in held[number]:
                            yield before
                    elif isinstance(frame, ErrorFrame):
                        error = frame
                        continue
                    elif isinstance(frame, Frame):
                        held[number].append(frame)
                        continue
                    elif len(requests) < ATTEMPTS:
                        due = deadline
                        ask()
                        continue
                    elif all(request.done() for request in requests) and came.empty():
                        yield self._gave_up(error or _stalled("no sound came"))
                        return
                    else:
                        continue
                if number != sounding:
                    continue
                if frame is _END:
                    return
                due = clock() + self.patience.stall_secs
                yield frame  # type: ignore[misc]
        finally:
            for request in requests:
                request.cancel()
            await asyncio.gather(*requests, return_exceptions=True)

    def _gave_up(self, frame: ErrorFrame) -> ErrorFrame:
        cause = frame.exception
        category = frame.category
        if category is None and cause is not None:
            category = self._classify_error(cause) or classify_http_exception(cause)
        gave_up = GaveUp(frame.error)
        gave_up.__cause__ = cause
        return ErrorFrame(frame.error, exception=gave_up, category=category)


class _PatientSocketVoice(WebsocketTTSService):
    """Takes what was being said over a lost connection as ended, so that it can be said again.

    Pipecat does so where it opens the connection again itself; some services see to that on their own.
    """

    _is_asking = _was_asked = False

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        self._is_asking = True
        try:
            async for frame in super().run_tts(text, context_id):
                self._was_asked = True
                yield frame
        finally:
            self._is_asking = False

    async def _websocket_connect(self, uri: str, **kwargs: Any) -> Any:
        websocket = await super()._websocket_connect(uri, **kwargs)
        if self._was_asked and not self._is_asking:
            self._was_asked = False
            await self._close_connection_contexts()
        return websocket


class _PatientEars(SegmentedSTTService):
    """Asks once more, at once, for the words of a stretch of speech when the request has failed."""

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        clock = asyncio.get_running_loop().time
        begun = clock()
        for last in (False, True):
            error: ErrorFrame | None = None
            async for frame in super().run_stt(audio):
                if isinstance(frame, ErrorFrame):
                    error = frame
                else:
                    yield frame
            if error is None:
                return
            if last or clock() - begun > SOON_SECS:
                yield error
                return


_END = object()


async def _hand_over(
    frames: AsyncGenerator[Frame | None, None], take: Callable[[Frame | object | None], None]
) -> None:
    """Hand over what a request brings, an exception as the error that it is, and its end."""
    try:
        async for frame in frames:
            take(frame)
    except Exception as error:
        take(ErrorFrame(type(error).__name__, exception=error))
    finally:
        take(_END)
        await frames.aclose()


def _stalled(text: str) -> ErrorFrame:
    return ErrorFrame(text, exception=Stalled(text), category=ErrorCategory.CONNECTIVITY)


async def connected(service: Any) -> None:
    """Wait until a service is connected that keeps a connection and is connecting, or has failed to."""
    connecting: asyncio.Task[None] | None = getattr(service, "_connecting", None)
    if connecting is not None:
        await asyncio.wait({connecting})


def with_patience(cls: Any, patience: Patience) -> Any:
    """A service's class, with its waiting bounded.

    Args:
        cls: A hosted service of Pipecat.
        patience: The time-outs.

    Returns:
        A subclass of the same name, which logs and metrics show.
    """
    bounds: list[type] = []
    if issubclass(cls, LLMService):
        bounds.append(_PatientModel)
    if issubclass(cls, TTSService):
        bounds.append(_PatientVoice)
    if issubclass(cls, WebsocketTTSService):
        bounds.append(_PatientSocketVoice)
    if issubclass(cls, SegmentedSTTService):
        bounds.append(_PatientEars)
    # Only what the service has: not all keep a connection.
    bounds += [
        bound
        for bound, method in ((_PatientConnection, "_connect"), (_PatientSocket, "_websocket_connect"))
        if hasattr(cls, method)
    ]
    return type(cls.__name__, (*bounds, cls), {"patience": patience})
