"""Speech to speech: one service in the place of recogniser, model and voice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.row import Row, key
from providers.stt import GOOGLE

FULL_DUPLEX: Mapping[str, Any] = {
    "takes_messages": False,
    "note": "It speaks whenever it likes: it says no line on request, and no key stops it.",
}
"""Source: Pipecat's `OpenAILiveLLMService`: there is no "response triggering", and the model says what it is told "in
its own words"."""

TRANSCRIBED: Mapping[str, Any] = {"audio": {"input": {"transcription": {}}}}
"""Otherwise nobody learns what the caller said. Source: OpenAI's Realtime API reference, `session.update`."""

VOICE_LIVE: Mapping[str, Any] = {
    "modalities": ["text", "audio"],
    "voice": {"type": "azure-standard", "name": "en-US-Ava:DragonHDLatestNeural"},
    "turn_detection": {"type": "azure_semantic_vad"},
    "input_audio_transcription": {"model": "azure-speech"},
    "input_audio_noise_reduction": {"type": "azure_deep_noise_suppression"},
}
"""What Pipecat's service has by default, and forgets with the first option. Source: its constructor."""


def _voice(name: str, target: str, *, language: str = "", **rest: Any) -> Row:
    return Row("voice", name, target, language=language, **rest)


VOICE: tuple[Row, ...] = (
    _voice(
        "aws-nova-sonic",
        "aws.nova_sonic.llm:AWSNovaSonicLLMService",
        needs={
            "secret_access_key": "AWS_SECRET_ACCESS_KEY",
            "access_key_id": "AWS_ACCESS_KEY_ID",
            "region": "AWS_REGION",
        },
        may={"session_token": "AWS_SESSION_TOKEN"},
        extra="aws-nova-sonic",
        note="From Python 3.12 on.",
    ),
    _voice(
        "azure-realtime",
        "azure.realtime.llm:AzureRealtimeLLMService",
        needs={"api_key": "AZURE_REALTIME_API_KEY", "base_url": "AZURE_REALTIME_BASE_URL"},
        with_settings=TRANSCRIBED,
    ),
    _voice(
        "azure-voice-live",
        "azure.voice_live.llm:AzureVoiceLiveLLMService",
        needs={"api_key": "AZURE_VOICE_LIVE_API_KEY", "endpoint": "AZURE_VOICE_LIVE_ENDPOINT"},
        ours="conversation.voice.realtime:AzureVoiceLive",
        with_settings=VOICE_LIVE,
        note="Models called `azure-realtime` want a `voice` of their own.",
    ),
    _voice(
        "gemini-live",
        "google.gemini_live.llm:GeminiLiveLLMService",
        needs=key("GOOGLE_API_KEY"),
        ours="conversation.voice.gemini:GeminiVoice",
        language="language",
    ),
    _voice(
        "gemini-live-vertex",
        "google.gemini_live.vertex.llm:GeminiLiveVertexLLMService",
        needs={"project_id": "GOOGLE_CLOUD_PROJECT", "location": "GOOGLE_CLOUD_LOCATION"},
        may=GOOGLE,
        either=tuple(GOOGLE.values()),
        ours="conversation.voice.gemini:GeminiVertexVoice",
        language="language",
    ),
    _voice("grok", "xai.realtime.llm:GrokRealtimeLLMService", needs=key("XAI_API_KEY")),
    _voice(
        "inworld",
        "inworld.realtime.llm:InworldRealtimeLLMService",
        needs=key("INWORLD_API_KEY"),
        ours="conversation.voice.realtime:InworldVoice",
        note="Options of the session (`audio`, ...) take the place of all its defaults: write them whole.",
    ),
    _voice("openai-live", "openai.live.llm:OpenAILiveLLMService", needs=key("OPENAI_API_KEY"), **FULL_DUPLEX),
    _voice(
        "openai-realtime",
        "openai.realtime.llm:OpenAIRealtimeLLMService",
        needs=key("OPENAI_API_KEY"),
        with_settings=TRANSCRIBED,
    ),
    _voice(
        "ultravox",
        "ultravox.llm:UltravoxRealtimeLLMService",
        needs={"api_key": "ULTRAVOX_API_KEY"},
        ours="conversation.voice.ultravox:UltravoxVoice",
        note="Fixed lines are spoken word for word.",
    ),
)
