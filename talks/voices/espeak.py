"""eSpeak NG, out of the shared library of the package `espeakng-loader`: a voice, and the sounds of words for Kokoro.

The library keeps what it needs of one text for the next (the phase of the voice, its random numbers), so that a text
sounds otherwise after another one. Each text is therefore spoken by a process of its own, which takes 0.1 s: this file is
its program. Sounds (`phonemes`) depend on nothing but the text and are asked for in this process.

Interface: speak_lib.h of eSpeak NG 1.52.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 22050
"""Samples per second of what eSpeak says."""

SYNCHRONOUS = 2
"""AUDIO_OUTPUT_SYNCHRONOUS: samples come by the callback before espeak_Synth returns."""

DONT_EXIT = 0x8000
"""espeakINITIALIZE_DONT_EXIT: an error is returned and does not end the process."""

UTF8, IPA = 1, 2
SPEAK_SECS = 30


def phonemes(text: str, language: str) -> str:
    """The sounds of a text in IPA, with the stress of words.

    Args:
        text: Words without punctuation: eSpeak drops it.
        language: `en-us` or `en-gb`.
    """
    library = _library()
    library.espeak_SetVoiceByName(language.encode())
    rest = ctypes.c_char_p(text.encode())
    clauses = []
    while rest.value is not None:
        clauses.append(library.espeak_TextToPhonemes(ctypes.byref(rest), UTF8, IPA).decode())
    return " ".join(clauses).strip()


def speak(speaker: str, text: str) -> tuple[NDArray[np.float32], int]:
    """A text as this voice of eSpeak's says it.

    Raises:
        OSError: eSpeak failed.
    """
    done = subprocess.run(
        [sys.executable, "-I", __file__, speaker],
        input=text.encode(),
        capture_output=True,
        timeout=SPEAK_SECS,
        check=False,
    )
    if done.returncode:
        raise OSError(f"eSpeak cannot speak with the voice {speaker}: {done.stderr.decode()[-200:]}")
    return np.frombuffer(done.stdout, np.int16).astype(np.float32) / 32768, RATE


@cache
def _library() -> Any:
    """The library, made ready once in this process."""
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    if library.espeak_Initialize(SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), DONT_EXIT) != RATE:
        raise OSError("eSpeak does not find its data: install espeakng-loader anew")
    return library


def main() -> None:
    """Write what a voice (the argument) makes of a text (standard input) to standard output, 16 bits per sample."""
    library, said = _library(), bytearray()

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    def take(samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            said.extend(ctypes.string_at(samples, 2 * count))
        return 0

    library.espeak_SetSynthCallback(take)
    if library.espeak_SetVoiceByName(sys.argv[1].encode()) != 0:
        sys.exit(f"there is no voice {sys.argv[1]}")
    text = sys.stdin.buffer.read()
    if library.espeak_Synth(text, len(text) + 1, 0, 1, 0, UTF8, None, None) != 0:
        sys.exit("it takes no text")
    sys.stdout.buffer.write(said)


if __name__ == "__main__":
    main()
