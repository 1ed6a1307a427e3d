"""eSpeak NG and SVOX Pico, each text in a process of its own: this file is its program, and `asked` runs it.

Both libraries keep what they need of one text for the next (the phase of the voice, random numbers), so that a text
would sound otherwise after another one. And eSpeak is in Piper's package, too: two of them in one process crash.

    python -I alone.py espeak|sounds|pico SPEAKER < text

Interfaces: speak_lib.h of eSpeak NG 1.52, which `espeakng-loader` brings as a shared library; `py_nanotts`.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Callable
from typing import Any

ESPEAK_RATE = 22050
PICO_RATE = 16000
"""Samples per second of what they say."""

SYNCHRONOUS = 2
"""AUDIO_OUTPUT_SYNCHRONOUS: samples come by the callback before espeak_Synth returns."""

DONT_EXIT = 0x8000
"""espeakINITIALIZE_DONT_EXIT: an error is returned and does not end the process."""

UTF8, IPA = 1, 2
LONGEST_SECS = 30


def asked(engine: str, speaker: str, text: str) -> bytes:
    """What an engine makes of a text: 16 bits per sample, or for `sounds` a text in IPA with the stress of words.

    Args:
        engine: `espeak`, `sounds` (eSpeak's, of each line of the text, without punctuation) or `pico`.
        speaker: A voice of the engine's, or for `sounds` a language.
        text: What is said.

    Raises:
        OSError: It failed.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-I", __file__, engine, speaker],
            input=text.encode(),
            capture_output=True,
            timeout=LONGEST_SECS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise OSError(f"{engine} takes more than {LONGEST_SECS} s for this text") from None
    if done.returncode:
        raise OSError(f"{engine} cannot say this as {speaker}: {done.stderr.decode()[-200:].strip()}")
    return done.stdout


def _espeak(speaker: str, text: str) -> bytes:
    library, said = _library(speaker), bytearray()

    def take(samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            said.extend(ctypes.string_at(samples, 2 * count))
        return 0

    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    callback = kind(take)
    library.espeak_SetSynthCallback(callback)
    words = text.encode()
    if library.espeak_Synth(words, len(words) + 1, 0, 1, 0, UTF8, None, None) != 0:
        sys.exit("it takes no text")
    return bytes(said)


def _sounds(language: str, text: str) -> bytes:
    library, lines = _library(language), []
    for line in text.split("\n"):
        rest = ctypes.c_char_p(line.encode())
        clauses = []
        while rest.value is not None:
            clauses.append(library.espeak_TextToPhonemes(ctypes.byref(rest), UTF8, IPA).decode())
        lines.append(" ".join(clauses).strip())
    return "\n".join(lines).encode()


def _library(voice: str) -> Any:
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
    data = espeakng_loader.get_data_path().encode()
    if library.espeak_Initialize(SYNCHRONOUS, 0, data, DONT_EXIT) != ESPEAK_RATE:
        sys.exit("it does not find its data: install espeakng-loader anew")
    library.espeak_ng_SetRandSeed(ctypes.c_long(1))  # it is the time otherwise
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        sys.exit("there is no such voice")
    return library


def _pico(speaker: str, text: str) -> bytes:
    from py_nanotts import NanoTTS

    return bytes(NanoTTS().speak(text, voice=speaker))


ENGINES: dict[str, Callable[[str, str], bytes]] = {"espeak": _espeak, "sounds": _sounds, "pico": _pico}

if __name__ == "__main__":
    sys.stdout.buffer.write(ENGINES[sys.argv[1]](sys.argv[2], sys.stdin.buffer.read().decode()))
