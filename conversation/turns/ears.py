"""The ears of all phone calls of a process: one model for all of them, run for what several have heard at once.

Pipecat gives each call a detector with a thread of its own, behind the recogniser. Here all calls share it: what has
come in on several lines within a moment is judged in one run of the model, each call with its own state. A line costs a
third of what it costs alone, and nobody waits for a thread.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADParams
from pipecat.frames.frames import Frame

from conversation.turns.behind import Behind
from conversation.turns.ear import Ear
from conversation.turns.sessions import SILERO, shared_session

BUSY_CALLS = 10
"""From this many calls on, what comes in is gathered before it is judged."""

TICK_SECS = 0.01
"""How long it is gathered then."""

ROWS = 64
"""How many calls are judged in one run of the model: 1 ms."""

AT_ONCE_SECS = 0.005
"""How long the model runs before everything else has its turn: late sound of many calls comes at once."""

SLOW_SECS = 0.05
"""After a run that took this long, the next ones are made in a thread until they are quick again."""

KEPT_SECS = 3.0
"""How much sound waits for a model that is slow; what is older is not judged."""


class JudgedElsewhere(SileroVADAnalyzer):
    """Pipecat's Silero analyzer for windows whose confidence is known already.

    It differs in two things. The loudness is asked only where the model hears speech, and not smoothed: smoothed,
    speech that begins on a quiet line has to wait for its loudness to rise, up to 0.2 s. And speech behind the caller
    is none (`Behind`).

    Attributes:
        confidence: That of the window which is analyzed next.
    """

    def __init__(self, params: VADParams | None, forget: Callable[[], None]):
        """Initialize the analyzer of one call.

        Args:
            params: Thresholds and times.
            forget: Has the model forget what it has heard in this call.
        """
        # Not Silero's own constructor, which loads the model; a test compares the two analyzers.
        VADAnalyzer.__init__(self, params=params)
        self._model = _Forgetful(forget)  # type: ignore[assignment]  # all that is asked of it is to forget
        self._windows_since_reset = 0
        self._low_confidence_windows = 0
        self._behind = Behind()
        self.confidence = 0.0

    def voice_confidence(self, buffer: bytes) -> float:
        """The confidence that is known, of the caller's speech."""
        self._maybe_reset_model(self.confidence)
        secs = len(buffer) / 2 / self.sample_rate
        if self._behind.hears(buffer, self.confidence >= self._params.confidence, secs):
            self.confidence = 0.0
        return self.confidence

    def _get_smoothed_volume(self, audio: bytes) -> float:
        """The loudness as it is, asked only where it decides something."""
        self._volume_tracker.update(audio, self.sample_rate)
        return self._volume_tracker.volume if self.confidence >= self._params.confidence else 0.0


class _Forgetful:
    def __init__(self, forget: Callable[[], None]):
        self.reset_states = forget


class SharedEar(Ear):
    """Hears one call with the model that all calls share."""

    _analyzer: JudgedElsewhere

    def __init__(self, params: VADParams | None = None):
        """Initialize the ear; it takes no time once the model is loaded.

        Args:
            params: Thresholds and times.
        """
        super().__init__(JudgedElsewhere(params, self._forget))
        self._ears: Ears | None = None
        self._rest = b""
        self.row = -1
        self.windows: deque[bytes] = deque()

    def begin(self, sample_rate: int, tell: Callable[[Frame], None]) -> None:
        """Begin to listen, in the running loop.

        Args:
            sample_rate: Of the sound: 8000 or 16000 Hz.
            tell: Told what is heard, from the loop.
        """
        super().begin(sample_rate, tell)
        self._ears = ears_of(asyncio.get_running_loop(), sample_rate)
        self._size = 2 * self._ears.samples
        self.windows = deque(maxlen=round(KEPT_SECS * sample_rate / self._ears.samples))
        self.row = self._ears.enter()

    def judged(self, window: bytes, confidence: float) -> None:
        """Take what the model thinks of a window of this call."""
        if self._tell is None:
            return
        self._analyzer.confidence = confidence
        self._decide(window)

    def close(self) -> None:
        """Listen no more, and make room for another call."""
        super().close()
        if self._ears is not None:
            self._ears.leave(self)
            self._ears = None

    @property
    def has_left(self) -> bool:
        """Whether the call is over."""
        return self._ears is None

    def _listen(self, audio: bytes) -> None:
        assert self._ears is not None
        audio, size = self._rest + audio, self._size
        for at in range(0, len(audio) - size + 1, size):
            self.windows.append(audio[at : at + size])
            self._ears.wait_for(self)
        self._rest = audio[len(audio) - len(audio) % size :]

    def _forget(self) -> None:
        if self._ears is not None:
            self._ears.forget(self.row)


class Ears:
    """The model, and what it remembers of each call that is on the line now, in rows.

    Attributes:
        samples: How many samples a window has.
    """

    def __init__(self, sample_rate: int):
        """Prepare to listen; from then on everything happens in one loop.

        Args:
            sample_rate: Of the sound: 8000 or 16000 Hz.
        """
        # The sizes of Silero's windows, and of what it wants to see again of the window before (`SileroOnnxModel`).
        self.samples, self._context_samples = (512, 64) if sample_rate == 16000 else (256, 32)
        self._rate = np.array(sample_rate, dtype="int64")
        self._session = shared_session(SILERO)
        self._states = np.zeros((2, 0, 128), dtype="float32")
        self._contexts = np.zeros((0, self._context_samples), dtype="float32")
        self._free: list[int] = []
        self._calls = 0
        self._waiting: dict[SharedEar, None] = {}
        self._due: asyncio.Handle | None = None
        self._is_away = False
        self._is_slow = False
        self._has_failed = False

    def enter(self) -> int:
        """Make room for a call.

        Returns:
            Its row.
        """
        if not self._free:
            rows, more = len(self._contexts), max(8, len(self._contexts))
            self._states = np.concatenate([self._states, np.zeros((2, more, 128), dtype="float32")], axis=1)
            self._contexts = np.concatenate(
                [self._contexts, np.zeros((more, self._context_samples), dtype="float32")]
            )
            self._free = list(range(rows + more - 1, rows - 1, -1))
        self._calls += 1
        row = self._free.pop()
        self.forget(row)
        return row

    def leave(self, ear: SharedEar) -> None:
        """A call is over."""
        self._waiting.pop(ear, None)
        self._free.append(ear.row)
        self._calls -= 1

    def forget(self, row: int) -> None:
        """Forget what was heard in a call."""
        self._states[:, row] = 0
        self._contexts[row] = 0

    def wait_for(self, ear: SharedEar) -> None:
        """Have the windows of a call judged, soon."""
        self._waiting[ear] = None
        if self._due is None and not self._is_away:
            loop = asyncio.get_running_loop()
            many = self._calls >= BUSY_CALLS
            self._due = loop.call_later(TICK_SECS, self._judge) if many else loop.call_soon(self._judge)

    def _judge(self) -> None:
        """Judge what waits, the oldest window of each call first."""
        self._due = None
        enough = time.monotonic() + AT_ONCE_SECS
        while self._waiting and not self._is_away:
            batch = self._take()
            sound, states = self._what_is_known(batch)
            if self._is_slow:
                self._is_away = True
                away = asyncio.get_running_loop().run_in_executor(_spare_thread(), self._run, sound, states)
                away.add_done_callback(partial(self._is_back, batch, sound))
                return
            self._hand_out(batch, sound, *self._run(sound, states))
            if self._waiting and time.monotonic() > enough:
                self._due = asyncio.get_running_loop().call_soon(self._judge)
                return

    def _take(self) -> list[tuple[SharedEar, bytes]]:
        batch = []
        for ear in list(self._waiting)[:ROWS]:
            batch.append((ear, ear.windows.popleft()))
            del self._waiting[ear]
            if ear.windows:
                self._waiting[ear] = None  # behind the others
        return batch

    def _what_is_known(self, batch: Sequence[tuple[SharedEar, bytes]]) -> tuple[np.ndarray, np.ndarray]:
        rows = [ear.row for ear, _ in batch]
        sound = np.empty((len(batch), self._context_samples + self.samples), dtype="float32")
        sound[:, : self._context_samples] = self._contexts[rows]
        windows = np.frombuffer(b"".join(window for _, window in batch), dtype=np.int16)
        np.divide(windows.reshape(len(batch), -1), 32768.0, out=sound[:, self._context_samples :])
        return sound, self._states[:, rows]

    def _run(self, sound: np.ndarray, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ask the model, and note how quick it was. One call that it cannot judge takes no other with it."""
        began = time.monotonic()
        try:
            return self._ask(sound, states)
        except Exception as error:
            if not self._has_failed:
                self._has_failed = True
                logger.error("The detector of speech fails: {}", type(error).__name__)
            confidences, after = np.zeros((len(sound), 1), dtype="float32"), np.zeros_like(states)
            if len(sound) > 1:
                for row in range(len(sound)):
                    confidences[row], after[:, row : row + 1] = self._run(
                        sound[row : row + 1], states[:, row : row + 1]
                    )
            return confidences, after
        finally:
            self._is_slow = time.monotonic() - began > SLOW_SECS

    def _ask(self, sound: np.ndarray, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        confidences, after = self._session.run(None, {"input": sound, "state": states, "sr": self._rate})
        return confidences, after

    def _is_back(
        self,
        batch: Sequence[tuple[SharedEar, bytes]],
        sound: np.ndarray,
        away: asyncio.Future[tuple[np.ndarray, np.ndarray]],
    ) -> None:
        self._is_away = False
        if not away.cancelled():
            self._hand_out(batch, sound, *away.result())
        if self._waiting and self._due is None:
            self._due = asyncio.get_running_loop().call_soon(self._judge)

    def _hand_out(
        self,
        batch: Sequence[tuple[SharedEar, bytes]],
        sound: np.ndarray,
        confidences: np.ndarray,
        states: np.ndarray,
    ) -> None:
        for place, (ear, window) in enumerate(batch):
            if ear.has_left:
                continue
            self._states[:, ear.row] = states[:, place]
            self._contexts[ear.row] = sound[place, -self._context_samples :]
            try:
                ear.judged(window, float(confidences[place, 0]))
            except Exception as error:
                logger.error("What the detector heard in a call could not be used: {}", type(error).__name__)


_ears: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, Ears]] = WeakKeyDictionary()


def ears_of(loop: asyncio.AbstractEventLoop, sample_rate: int) -> Ears:
    """Return the ears that all calls of a loop share whose sound has this rate in Hz."""
    by_rate = _ears.setdefault(loop, {})
    if sample_rate not in by_rate:
        by_rate[sample_rate] = Ears(sample_rate)
    return by_rate[sample_rate]


def load_ears(sample_rate: int) -> None:
    """Load the model, and run it once. Blocks.

    Args:
        sample_rate: Of the sound: 8000 or 16000 Hz.
    """
    ears = Ears(sample_rate)
    row = [ears.enter()]
    size = ears.samples + ears._context_samples
    ears._ask(np.zeros((1, size), dtype="float32"), ears._states[:, row])


def open_ear(params: VADParams | None = None) -> Ear:
    """Make the ear of one call.

    Args:
        params: Thresholds and times.
    """
    return SharedEar(params)


@lru_cache(maxsize=1)
def _spare_thread() -> Any:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="local-ears")
