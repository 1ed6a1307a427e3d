"""How long a hosted service may keep a caller waiting.

The libraries' own time-outs are made for programs that can wait: minutes for an answer, ten seconds for a connection,
and none between two words. Here every hosted service of Pipecat is bounded in the same way, whoever makes it: a model
by its first token and the pauses within an answer, a voice by its first sound, all by the time that connecting takes.
What came before a time-out is spoken; the time-out itself is an error of the service like any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pipecat.frames.frames import ErrorFrame, Frame, LLMContextFrame, LLMTextFrame, LLMThoughtTextFrame
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import LLMService
from pipecat.services.tts_service import TTSService
from pipecat.utils.errors import ErrorCategory

if TYPE_CHECKING:
    from settings import Settings


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
    """A service was waited for long enough."""


class CutOff(ValueError):
    """A service has stopped in the middle of something."""


class _PatientConnection:
    """Bounds connecting, for services that keep a connection; they try again when they are given work."""

    patience = Patience()

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(self.patience.connect_secs):
                await super()._connect()  # type: ignore[misc]
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
    """Gives a request up that brings no first token, or no next one, in time."""

    patience = Patience()
    _waiting: asyncio.Timeout | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if not isinstance(frame, LLMContextFrame):
            await super().process_frame(frame, direction)
            return
        try:
            async with asyncio.timeout(self.patience.first_token_secs) as self._waiting:
                await super().process_frame(frame, direction)
        except TimeoutError:
            error = Stalled("the answer stalled")
            await self.push_error(str(error), exception=error, category=ErrorCategory.CONNECTIVITY)
        finally:
            self._waiting = None

    async def stop_ttfb_metrics(self, *args: Any, **kwargs: Any) -> None:
        # Each of Pipecat's services calls this with every piece that a model sends, be it words or a tool's arguments.
        self._goes_on()
        await super().stop_ttfb_metrics(*args, **kwargs)

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        await super().push_frame(frame, direction)
        if isinstance(frame, LLMTextFrame | LLMThoughtTextFrame):
            self._goes_on()

    def _goes_on(self) -> None:
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(asyncio.get_running_loop().time() + self.patience.stall_secs)


class _PatientVoice(TTSService):
    """Gives a sentence up that brings no first sound, or no next one, in time."""

    patience = Patience()

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        frames = super().run_tts(text, context_id)
        limit = self.patience.first_audio_secs
        try:
            while True:
                async with asyncio.timeout(limit):
                    frame = await anext(frames, _END)
                if frame is _END:
                    return
                limit = self.patience.stall_secs
                yield frame  # type: ignore[misc]
        except TimeoutError:
            error = Stalled(f"no sound within {limit:g} s")
            yield ErrorFrame(str(error), exception=error, category=ErrorCategory.CONNECTIVITY)
        finally:
            await frames.aclose()


_END = object()


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
    # Only what the service has: not all keep a connection.
    bounds += [
        bound
        for bound, method in ((_PatientConnection, "_connect"), (_PatientSocket, "_websocket_connect"))
        if hasattr(cls, method)
    ]
    return type(cls.__name__, (*bounds, cls), {"patience": patience})
