"""Recognisers. The tuned ones, such as `deepgram`, are in `conversation/services/catalogue.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.row import Row, key

ENGLISH = frozenset({"en"})

AWS: Mapping[str, str] = {"api_key": "AWS_SECRET_ACCESS_KEY", "aws_access_key_id": "AWS_ACCESS_KEY_ID"}
AWS_MORE: Mapping[str, str] = {"aws_session_token": "AWS_SESSION_TOKEN", "region": "AWS_REGION"}
GOOGLE: Mapping[str, str] = {
    "credentials": "GOOGLE_CREDENTIALS",
    "credentials_path": "GOOGLE_APPLICATION_CREDENTIALS",
}
SAGEMAKER_NOTE = (
    "Your own SageMaker endpoint, from Python 3.12 on; AWS' library finds its credentials on the machine."
)
OWN_MACHINE = (
    "Runs on this machine, without a key; its model is fetched at its first use, and loaded when a call begins, which "
    "other calls wait for."
)


WIDE: Mapping[str, Any] = {"hears_hz": 16000}
"""For what knows 16 kHz only. Source: Pipecat's classes, which name that rate, or resample to it as it comes."""


def _stt(name: str, target: str, **rest: Any) -> Row:
    return Row("stt", name, target, **rest)


STT: tuple[Row, ...] = (
    _stt(
        "assemblyai-sync",
        "assemblyai.stt:AssemblyAISyncSTTService",
        needs=key("ASSEMBLYAI_API_KEY"),
        with_session=True,
        language="language_codes",
    ),
    _stt("aws", "aws.stt:AWSTranscribeSTTService", needs=AWS, may=AWS_MORE, imports=("aiobotocore",)),
    _stt(
        "azure",
        "azure.stt:AzureSTTService",
        needs={"api_key": "AZURE_SPEECH_API_KEY", "region": "AZURE_SPEECH_REGION"},
    ),
    _stt("cartesia", "cartesia.stt:CartesiaSTTService", needs=key("CARTESIA_API_KEY")),
    _stt(
        "cartesia-turns",
        "cartesia.turns.stt:CartesiaTurnsSTTService",
        needs=key("CARTESIA_API_KEY"),
        language="",
        speaks=ENGLISH,
    ),
    _stt(
        "deepgram-flux",
        "deepgram.flux.stt:DeepgramFluxSTTService",
        needs=key("DEEPGRAM_API_KEY"),
        language="",
        speaks=ENGLISH,
        note='Other languages: `model = "flux-general-multi"` and `language_hints`.',
    ),
    _stt(
        "deepgram-flux-sagemaker",
        "deepgram.flux.sagemaker.stt:DeepgramFluxSageMakerSTTService",
        needs={"endpoint_name": "SAGEMAKER_STT_ENDPOINT_NAME", "region": "AWS_REGION"},
        extra="sagemaker",
        language="",
        speaks=ENGLISH,
        note=SAGEMAKER_NOTE,
    ),
    _stt(
        "deepgram-sagemaker",
        "deepgram.sagemaker.stt:DeepgramSageMakerSTTService",
        needs={"endpoint_name": "SAGEMAKER_STT_ENDPOINT_NAME", "region": "AWS_REGION"},
        extra="sagemaker",
        note=SAGEMAKER_NOTE,
    ),
    _stt("elevenlabs", "elevenlabs.stt:ElevenLabsRealtimeSTTService", needs=key("ELEVENLABS_API_KEY")),
    _stt(
        "elevenlabs-http",
        "elevenlabs.stt:ElevenLabsSTTService",
        needs=key("ELEVENLABS_API_KEY"),
        with_session=True,
    ),
    _stt("fal", "fal.stt:FalSTTService", needs=key("FAL_KEY"), with_session=True),
    _stt("funasr", "funasr.stt:FunASRSTTService", **WIDE, note=OWN_MACHINE),
    _stt(
        "gemini",
        "google.gemini_live.stt:GeminiSTTService",
        needs=key("GOOGLE_API_KEY"),
        language="languages",
    ),
    _stt(
        "gladia",
        "gladia.stt:GladiaSTTService",
        needs=key("GLADIA_API_KEY"),
        may={"region": "GLADIA_REGION"},
        language="",
        note="It finds the language out by itself.",
    ),
    _stt(
        "google",
        "google.stt:GoogleSTTService",
        may=GOOGLE,
        either=tuple(GOOGLE.values()),
        language="languages",
    ),
    _stt("gradium", "gradium.stt:GradiumSTTService", needs=key("GRADIUM_API_KEY")),
    _stt("groq", "groq.stt:GroqSTTService", needs=key("GROQ_API_KEY")),
    _stt("meta", "meta.stt:MetaSTTService", needs=key("META_API_KEY"), **WIDE),
    _stt("mistral", "mistral.stt:MistralSTTService", needs=key("MISTRAL_API_KEY"), language=""),
    _stt("moonshine", "moonshine.stt:MoonshineSTTService", **WIDE, note=OWN_MACHINE),
    _stt("nvidia", "nvidia.stt:NvidiaSTTService", needs=key("NVIDIA_API_KEY")),
    _stt("nvidia-segmented", "nvidia.stt:NvidiaSegmentedSTTService", needs=key("NVIDIA_API_KEY")),
    _stt(
        "nvidia-sagemaker",
        "nvidia.sagemaker.stt:NvidiaSageMakerSTTService",
        needs={"endpoint_name": "SAGEMAKER_ASR_ENDPOINT_NAME"},
        may={"region": "AWS_REGION"},
        extra="aws,sagemaker",
        note=SAGEMAKER_NOTE,
    ),
    _stt("sarvam", "sarvam.stt:SarvamSTTService", needs=key("SARVAM_API_KEY")),
    _stt("sarvam-realtime", "sarvam.stt:SarvamRealtimeSTTService", needs=key("SARVAM_API_KEY")),
    _stt("smallest", "smallest.stt:SmallestSTTService", needs=key("SMALLEST_API_KEY")),
    _stt("soniox", "soniox.stt:SonioxSTTService", needs=key("SONIOX_API_KEY"), language="language_hints"),
    _stt("speechmatics", "speechmatics.stt:SpeechmaticsSTTService", needs=key("SPEECHMATICS_API_KEY")),
    _stt("together", "together.stt:TogetherSTTService", needs=key("TOGETHER_API_KEY"), **WIDE),
    _stt("whisper", "whisper.stt:WhisperSTTService", **WIDE, note=OWN_MACHINE),
    _stt(
        "whisper-mlx",
        "whisper.stt:WhisperSTTServiceMLX",
        extra="whisper,mlx-whisper",
        imports=("mlx_whisper",),
        **WIDE,
        note=f"{OWN_MACHINE} For Apple's processors.",
    ),
    _stt("xai", "xai.stt:XAISTTService", needs=key("XAI_API_KEY")),
    _stt("zoom-ai", "zoom_ai.stt:ZoomAISTTService", needs=key("ZOOM_AI_API_KEY"), **WIDE),
)
