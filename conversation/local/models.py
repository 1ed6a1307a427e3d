"""The models of the keyless default: loaded once in a process, warmed, and shared by all of its calls.

Recogniser (Moonshine tiny, or Whisper tiny where Moonshine's weights are missing), voice (Piper) and sentence model
(MiniLM) all come as Python packages with their weights inside. Nothing here touches the network.

Loading takes about two seconds and must not happen on the event loop: `await local_models().ready()` before the first
call. What is not loaded then is loaded by the first call that needs it.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import soxr
from loguru import logger

from conversation.agents.agent import Agent
from conversation.local.beam import Nearness
from conversation.local.dictation import Dictated, Dictation, may_be
from conversation.local.encoder import SentenceModel
from conversation.local.loading import load_encoder, load_lone_words, load_voice
from conversation.local.lone_words import AROUND_SECS, LONGEST_SECS, MARGIN, LoneWords, is_doubtful
from conversation.local.loud import since_it_is_loud
from conversation.local.recognisers import (
    STT_RATE,
    MoonshineRecogniser,
    Recogniser,
    load_recogniser,
)
from conversation.local.retrieval import Retriever
from conversation.local.usual import WORTH_OF_NAME, of_callers, of_names
from conversation.local.weights import Weights
from conversation.native_memory import give_memory_back

VOICE = "en_US-joe-medium"

SPEECH_WORKERS = 2
"""Sentences that are rendered at the same time."""

CACHE_BYTES = 16 * 1024 * 1024
"""Rendered audio that is kept: a thousand seconds at 8 kHz."""

_PEAK = 0.9  # of full scale; resampling overshoots a little

_T = TypeVar("_T")


class SpeechCache:
    """Rendered sentences, the least recently spoken of which give way first. Used from several threads."""

    def __init__(self, limit: int = CACHE_BYTES):
        """Make an empty cache.

        Args:
            limit: Bytes of audio that are kept.
        """
        self._limit = limit
        self._audio: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._lock = threading.Lock()
        self.size = 0

    def __len__(self) -> int:
        return len(self._audio)

    def get(self, sentence: str, rate: int) -> bytes | None:
        """Return the audio of a sentence at a rate in Hz, or None."""
        with self._lock:
            audio = self._audio.get((sentence, rate))
            if audio is not None:
                self._audio.move_to_end((sentence, rate))
            return audio

    def put(self, sentence: str, rate: int, audio: bytes) -> None:
        """Keep the audio of a sentence; one that is larger than the cache is not kept."""
        if len(audio) > self._limit:
            return
        with self._lock:
            self.size += len(audio) - len(self._audio.pop((sentence, rate), b""))
            self._audio[(sentence, rate)] = audio
            while self.size > self._limit:
                _, dropped = self._audio.popitem(last=False)
                self.size -= len(dropped)

    def drop(self, sentence: str) -> None:
        """Forget a sentence at all rates."""
        with self._lock:
            for key in [key for key in self._audio if key[0] == sentence]:
                self.size -= len(self._audio.pop(key))


_SENTENCE_END = re.compile(
    r"(?<!\bDr\.)(?<!\bMr\.)(?<!\bMrs\.)(?<!\bMs\.)(?<!\bSt\.)(?<=[.?!])\s+(?=[\"'A-Z0-9])"
)


def sentences(text: str) -> list[str]:
    """Cut a text into the sentences that are rendered, and kept, one by one."""
    return [sentence for sentence in _SENTENCE_END.split(" ".join(text.split())) if sentence]


@dataclass(frozen=True)
class Expected:
    """What may well be said now.

    Attributes:
        words: Those that callers say alone.
        margin: How readily one of them is taken for what was said, see `LoneWords.heard_as`.
        asked: What the bot has just asked for.
        so_far: What the caller has said since.
        nearness: How near texts are to what callers say.
    """

    words: Sequence[str] = ()
    margin: float = MARGIN
    asked: Dictated | None = None
    so_far: str = ""
    nearness: Nearness | None = None


class LocalModels:
    """The shared models. Every method may be called from any thread; those that block say so."""

    def __init__(self) -> None:
        """Prepare to load; nothing is loaded yet."""
        self.cache = SpeechCache()
        self._loaded: dict[str, Any] = {}
        self._locks = {
            name: threading.Lock()
            for name in ("recogniser", "lone_words", "dictation", "voice", "encoder", "retrievers")
        }
        self._retrievers: OrderedDict[str, Retriever] = OrderedDict()
        self._fixed: set[str] = set()
        # Own threads: a queue of sentences must not hold up what else the process does in the default executor.
        self._hearing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="local-stt")
        self._speaking = ThreadPoolExecutor(max_workers=SPEECH_WORKERS, thread_name_prefix="local-tts")

    # Loading

    def load(self, *, stt: bool = True, tts: bool = True, brain: bool = True) -> None:
        """Load and warm the models. Blocks for about two seconds; does nothing for what is loaded.

        Args:
            stt: The recogniser.
            tts: The voice.
            brain: The sentence model.

        Raises:
            LocalStackMissing: A package is not installed.
        """
        if stt:
            _ = self.recogniser, self.lone_words, self.dictation
        if tts:
            _ = self.voice
        if brain:
            _ = self.encoder
        give_memory_back()

    async def ready(self, *, stt: bool = True, tts: bool = True, brain: bool = True) -> None:
        """Load and warm the models in a thread, see `load`."""
        await asyncio.to_thread(self.load, stt=stt, tts=tts, brain=brain)

    @property
    def recogniser(self) -> Recogniser:
        """The recogniser; blocks while it loads."""
        return self._once("recogniser", load_recogniser)

    @property
    def lone_words(self) -> LoneWords | None:
        """What knows a lone "Yes."; None where another recogniser than Moonshine listens; blocks while it loads."""
        return self._once("lone_words", lambda: load_lone_words(self._weights))

    @property
    def dictation(self) -> Dictation | None:
        """What knows numbers and spellings, see `lone_words`."""
        return self._once("dictation", lambda: Dictation(self._weights) if self._weights else None)

    @property
    def _weights(self) -> Weights | None:
        recogniser = self.recogniser
        return recogniser.weights if isinstance(recogniser, MoonshineRecogniser) else None

    @property
    def voice(self) -> Any:
        """The Piper voice; blocks while it loads."""
        return self._once("voice", load_voice)

    @property
    def encoder(self) -> SentenceModel:
        """The sentence model; blocks while it loads."""
        return self._once("encoder", load_encoder)

    def _once(self, name: str, load: Callable[[], _T]) -> _T:
        if name not in self._loaded:
            with self._locks[name]:
                if name not in self._loaded:
                    self._loaded[name] = load()
                    logger.debug(f"local {name} loaded")
        loaded: _T = self._loaded[name]
        return loaded

    # Hearing

    def transcribe(
        self,
        pcm: bytes,
        rate: int = STT_RATE,
        nearness: Nearness | None = None,
        *,
        asked_for_name: bool = False,
    ) -> str:
        """Transcribe 16-bit mono PCM. Blocks.

        Args:
            pcm: A whole utterance: it is brought to the recogniser's rate in one piece, which delays nothing and leaves
                no seams.
            rate: Its rate in Hz.
            nearness: How near texts are to what may well be said.
            asked_for_name: Whether it may well be somebody's name.
        """
        return self.recogniser.transcribe(_samples(pcm, rate), nearness, asked_for_name=asked_for_name)

    async def hear(self, pcm: bytes, rate: int = STT_RATE) -> str:
        """Transcribe 16-bit mono PCM in a thread, one utterance of all calls after the other; see `transcribe`."""
        return await asyncio.get_running_loop().run_in_executor(self._hearing, self.transcribe, pcm, rate)

    def transcribe_alone(self, pcm: bytes, rate: int, speech: tuple[float, float], expected: Expected) -> str:
        """Transcribe 16-bit mono PCM in which a lone word, a number or a spelling may be. Blocks.

        Args:
            pcm: A whole utterance with the silence around it.
            rate: Its rate in Hz.
            speech: From where to where there is speech in it, in seconds, as the detector has noticed it: it may have
                missed the beginning.
            expected: What may well be said.
        """
        asked_for_name = expected.asked is Dictated.LETTERS
        text = self.transcribe(pcm, rate, expected.nearness, asked_for_name=asked_for_name)
        begin, end = since_it_is_loud(pcm, rate, speech), speech[1]
        is_lone = end - begin <= LONGEST_SECS and is_doubtful(text, expected.words)
        dictated = may_be(text, expected.asked, expected.so_far)
        if not (is_lone or dictated) or self.lone_words is None or self.dictation is None:
            return text
        first, last = (round(secs * rate) for secs in (max(0.0, begin - AROUND_SECS), end + AROUND_SECS))
        samples = _samples(pcm[2 * first : 2 * last], rate)
        # What was understood counts as likelier here, too; "Yes, sir." does not.
        weights = self.dictation.weights
        worth = (of_names(weights) if asked_for_name else of_callers(weights)).worth_of(text)
        worth = worth if worth >= WORTH_OF_NAME else 0.0
        if dictated and (found := self.dictation.heard_as(samples, text, dictated, expected.so_far, worth)):
            return found
        if not is_lone:
            return text
        word = self.lone_words.heard_as(samples, text, expected.words, expected.margin, worth)
        return text if word is None else f"{word}."

    async def hear_alone(self, pcm: bytes, rate: int, speech: tuple[float, float], expected: Expected) -> str:
        """Transcribe in a thread, see `transcribe_alone`."""
        return await asyncio.get_running_loop().run_in_executor(
            self._hearing, self.transcribe_alone, pcm, rate, speech, expected
        )

    # Speaking

    def render(self, sentence: str, rate: int) -> bytes:
        """Render a sentence as 16-bit mono PCM at a rate in Hz. Blocks, unless it is in the cache.

        Piper's 22,050 Hz are brought to the rate here and not by the transport: the sentence is whole, so no filter
        has to carry its tail over into the next one, and what is kept is a third of the size.
        """
        sentence = " ".join(sentence.split())
        audio = self.cache.get(sentence, rate)
        if audio is None:
            voice = self.voice
            chunks = [chunk.audio_float_array for chunk in voice.synthesize(sentence)]
            if not chunks:  # nothing to pronounce
                return b""
            samples = soxr.resample(
                np.concatenate(chunks) * _PEAK, voice.config.sample_rate, rate, quality="HQ"
            )
            audio = (np.clip(samples, -1.0, 1.0) * 32767).astype(np.int16).tobytes()
            # Only the owner's sentences: what a caller said must not stay behind in memory.
            if sentence in self._fixed:
                self.cache.put(sentence, rate, audio)
        return audio

    async def say(self, sentence: str, rate: int) -> bytes:
        """Render a sentence in a thread, see `render`."""
        audio = self.cache.get(" ".join(sentence.split()), rate)
        if audio is not None:
            return audio
        return await asyncio.get_running_loop().run_in_executor(self._speaking, self.render, sentence, rate)

    def keep(self, texts: Iterable[str]) -> set[str]:
        """Name texts whose sentences may stay in the cache once they were spoken; they are the same in every call.

        Returns:
            The sentences that were not among them so far; for `forget`.
        """
        new = {sentence for text in texts for sentence in sentences(text)} - self._fixed
        self._fixed |= new
        return new

    def forget(self, kept: Iterable[str]) -> None:
        """Take sentences back that `keep` was given for a while only."""
        for sentence in kept:
            self._fixed.discard(sentence)
            self.cache.drop(sentence)

    def warm_lines(self, texts: Iterable[str], rate: int = 8000) -> None:
        """Render texts ahead, so that they start at once. Blocks, about 0.05 s for each second of speech.

        Args:
            texts: Greetings, prompts, goodbyes: what is said word for word in many calls.
            rate: The rate in Hz of the pipeline's output.
        """
        texts = list(texts)
        self.keep(texts)
        for text in texts:
            for sentence in sentences(text):
                self.render(sentence, rate)

    async def warm(self, texts: Iterable[str], rate: int = 8000) -> None:
        """Render texts ahead in a thread, see `warm_lines`."""
        await asyncio.get_running_loop().run_in_executor(self._speaking, self.warm_lines, list(texts), rate)

    def warm_later(self, texts: Iterable[str], rate: int = 8000) -> set[str]:
        """Render texts ahead while calls go on, sentence by sentence, so that a call's own sentences come between.

        Args:
            texts: As for `warm_lines`.
            rate: The rate in Hz of the pipeline's output.

        Returns:
            The sentences that were not kept before; for `forget`, when they are of one call only.
        """
        texts = list(texts)
        new = self.keep(texts)

        def render_all() -> None:
            with suppress(RuntimeError):  # the process ends, and nothing new can be begun
                for text in texts:
                    for sentence in sentences(text):
                        self._speaking.submit(self.render, sentence, rate).result()
                give_memory_back()

        # A daemon: a process that ends early does not wait for speech that no caller will hear.
        threading.Thread(target=render_all, name="local-tts-ahead", daemon=True).start()
        return new

    # Understanding

    def retriever(self, agent: Agent) -> Retriever:
        """Return the index of an agent's facts. Blocks for about half a second when it is the agent's first."""
        key = json.dumps([agent.name, [fact.model_dump() for fact in agent.facts], sorted(agent.transfers)])
        key += "".join(target.description for target in agent.transfers.values()) + repr(agent.variables)
        key += repr((agent.call_flow.config, agent.call_flow.words)) if agent.call_flow is not None else ""
        with self._locks["retrievers"]:
            if key not in self._retrievers:
                self._retrievers[key] = Retriever(agent, self.encoder)
                while len(self._retrievers) > 16:
                    self._retrievers.popitem(last=False)
            self._retrievers.move_to_end(key)
            return self._retrievers[key]


@lru_cache(maxsize=1)
def local_models() -> LocalModels:
    """Return the models that all calls of this process share."""
    return LocalModels()


def _samples(pcm: bytes, rate: int) -> np.ndarray:
    samples = np.frombuffer(pcm, dtype=np.int16).astype(np.float32) / 32768.0
    return samples if rate == STT_RATE else soxr.resample(samples, rate, STT_RATE, quality="HQ")
