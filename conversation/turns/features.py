"""The features that Smart Turn sees, computed without a matrix library.

Pipecat's own (`pipecat.audio.turn.smart_turn._whisper_features`) multiply two large matrices. The library behind numpy
spreads that over all cores and lets its threads spin afterwards, unless it was told not to before numpy was imported,
which a host may have done long ago. Nearly all of one of the matrices is zero: each of the 80 bands looks at a few
neighbouring frequencies. So here the bands are summed one by one, which is no slower, and leaves no thread behind.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from pipecat.audio.turn.smart_turn._whisper_features import (
    _HANN_WINDOW,
    _HOP_LENGTH,
    _MEL_FILTERS,
    _MEL_FLOOR,
    _N_FFT,
    _NORM_VARIANCE_EPS,
)


def _bands() -> list[tuple[slice, np.ndarray]]:
    bands = []
    for weights in _MEL_FILTERS.T:
        used = np.flatnonzero(weights)
        place = slice(int(used[0]), int(used[-1]) + 1) if used.size else slice(0, 0)
        bands.append((place, weights[place, np.newaxis]))
    return bands


_BANDS = _bands()


def log_mel(audio: np.ndarray) -> np.ndarray:
    """Compute what `compute_whisper_log_mel_features` does, which a test compares.

    Args:
        audio: Eight seconds of float samples at 16 kHz. Zeros before what was said, which fill them up, cost nothing.

    Returns:
        An array of 80 bands in 800 moments.
    """
    samples = np.asarray(audio, dtype=np.float32)
    said = np.flatnonzero(samples)
    begins = int(said[0]) if said.size else len(samples)
    samples = (samples - samples.mean()) / np.sqrt(samples.var() + _NORM_VARIANCE_EPS)
    half = _N_FFT // 2
    moments = sliding_window_view(np.pad(samples.astype(np.float64), half, mode="reflect"), _N_FFT)
    moments = moments[::_HOP_LENGTH]
    # All moments that end before anything was said look alike: one stands for all of them.
    alike = max(1, (begins - half) // _HOP_LENGTH + 1)
    spectrum = np.fft.rfft(moments[alike - 1 :] * _HANN_WINDOW, axis=-1)
    power = np.ascontiguousarray((spectrum.real**2 + spectrum.imag**2).T)
    mel = np.empty((len(_BANDS), len(moments)))
    for band, (place, weights) in enumerate(_BANDS):
        np.sum(power[place] * weights, axis=0, out=mel[band, alike - 1 :])
    mel[:, : alike - 1] = mel[:, alike - 1 : alike]
    logs = np.log10(np.maximum(_MEL_FLOOR, mel))[:, :-1]
    logs = np.maximum(logs, logs.max() - 8.0)
    features: np.ndarray = ((logs + 4.0) / 4.0).astype(np.float32)
    return features
