"""Voices. The tuned ones, such as `cartesia`, are in `conversation/services/catalogue.py`."""

from __future__ import annotations

from typing import Any

from providers.row import Row, key
from providers.stt import AWS, AWS_MORE, ENGLISH, GOOGLE, OWN_MACHINE, SAGEMAKER_NOTE

VOICE = ("voice",)


def _tts(name: str, target: str, **rest: Any) -> Row:
    return Row("tts", name, target, **rest)


TTS: tuple[Row, ...] = (
    _tts("asyncai", "asyncai.tts:AsyncAITTSService", needs=key("ASYNCAI_API_KEY"), choose=VOICE),
    _tts(
        "asyncai-http",
        "asyncai.tts:AsyncAIHttpTTSService",
        needs=key("ASYNCAI_API_KEY"),
        with_session=True,
        choose=VOICE,
    ),
    _tts("aws", "aws.tts:AWSPollyTTSService", needs=AWS, may=AWS_MORE, speaks=ENGLISH),
    _tts(
        "azure",
        "azure.tts:AzureTTSService",
        needs={"api_key": "AZURE_SPEECH_API_KEY", "region": "AZURE_SPEECH_REGION"},
        speaks=ENGLISH,
    ),
    _tts(
        "azure-http",
        "azure.tts:AzureHttpTTSService",
        needs={"api_key": "AZURE_SPEECH_API_KEY", "region": "AZURE_SPEECH_REGION"},
        speaks=ENGLISH,
    ),
    _tts("bland", "bland.tts:BlandTTSService", needs=key("BLAND_API_KEY")),
    _tts("bland-http", "bland.tts:BlandHttpTTSService", needs=key("BLAND_API_KEY"), with_session=True),
    _tts("camb", "camb.tts:CambTTSService", needs=key("CAMB_API_KEY")),
    _tts(
        "cartesia-http",
        "cartesia.tts:CartesiaHttpTTSService",
        needs=key("CARTESIA_API_KEY"),
        with_session=True,
        choose=VOICE,
    ),
    _tts(
        "deepgram-flux",
        "deepgram.flux.tts:DeepgramFluxTTSService",
        needs=key("DEEPGRAM_API_KEY"),
        language="",
        speaks=ENGLISH,
    ),
    _tts(
        "deepgram-flux-sagemaker",
        "deepgram.flux.sagemaker.tts:DeepgramFluxSageMakerTTSService",
        needs={"endpoint_name": "SAGEMAKER_TTS_ENDPOINT_NAME", "region": "AWS_REGION"},
        extra="sagemaker",
        language="",
        speaks=ENGLISH,
        note=SAGEMAKER_NOTE,
    ),
    _tts(
        "deepgram-http",
        "deepgram.tts:DeepgramHttpTTSService",
        needs=key("DEEPGRAM_API_KEY"),
        with_session=True,
        language="",
        speaks=ENGLISH,
    ),
    _tts(
        "deepgram-sagemaker",
        "deepgram.sagemaker.tts:DeepgramSageMakerTTSService",
        needs={"endpoint_name": "SAGEMAKER_TTS_ENDPOINT_NAME", "region": "AWS_REGION"},
        extra="sagemaker",
        language="",
        speaks=ENGLISH,
        note=SAGEMAKER_NOTE,
    ),
    _tts(
        "elevenlabs-dialogue",
        "elevenlabs.dialogue.tts:ElevenLabsDialogueTTSService",
        needs=key("ELEVENLABS_API_KEY"),
        choose=VOICE,
    ),
    _tts(
        "elevenlabs-http",
        "elevenlabs.tts:ElevenLabsHttpTTSService",
        needs=key("ELEVENLABS_API_KEY"),
        with_session=True,
        choose=VOICE,
    ),
    _tts("fish", "fish.tts:FishAudioTTSService", needs=key("FISH_API_KEY"), choose=VOICE),
    _tts(
        "gemini",
        "google.tts:GeminiTTSService",
        needs=key("GOOGLE_API_KEY"),
        # It speaks at 24 kHz only, and with the API's key only where it is told to
        with_arguments={"sample_rate": 24000, "use_genai": True},
    ),
    _tts(
        "google",
        "google.tts:GoogleTTSService",
        may=GOOGLE,
        either=tuple(GOOGLE.values()),
        speaks=ENGLISH,
    ),
    _tts(
        "google-http",
        "google.tts:GoogleHttpTTSService",
        may=GOOGLE,
        either=tuple(GOOGLE.values()),
        speaks=ENGLISH,
    ),
    _tts("gradium", "gradium.tts:GradiumTTSService", needs=key("GRADIUM_API_KEY")),
    _tts("groq", "groq.tts:GroqTTSService", needs=key("GROQ_API_KEY"), speaks=ENGLISH),
    _tts("hume", "hume.tts:HumeTTSService", needs=key("HUME_API_KEY"), language="", choose=VOICE),
    _tts("inworld", "inworld.tts:InworldTTSService", needs=key("INWORLD_API_KEY")),
    _tts(
        "inworld-http", "inworld.tts:InworldHttpTTSService", needs=key("INWORLD_API_KEY"), with_session=True
    ),
    _tts("kokoro", "kokoro.tts:KokoroTTSService", choose=VOICE, note=OWN_MACHINE),
    _tts(
        "minimax",
        "minimax.tts:MiniMaxHttpTTSService",
        needs={"api_key": "MINIMAX_API_KEY", "group_id": "MINIMAX_GROUP_ID"},
        with_session=True,
    ),
    _tts("mistral", "mistral.tts:MistralTTSService", needs=key("MISTRAL_API_KEY"), choose=VOICE),
    _tts("neuphonic", "neuphonic.tts:NeuphonicTTSService", needs=key("NEUPHONIC_API_KEY"), choose=VOICE),
    _tts(
        "neuphonic-http",
        "neuphonic.tts:NeuphonicHttpTTSService",
        needs=key("NEUPHONIC_API_KEY"),
        with_session=True,
        choose=VOICE,
    ),
    _tts("nvidia", "nvidia.tts:NvidiaTTSService", needs=key("NVIDIA_API_KEY"), speaks=ENGLISH),
    _tts(
        "nvidia-sagemaker",
        "nvidia.sagemaker.tts:NvidiaSageMakerTTSService",
        needs={"endpoint_name": "SAGEMAKER_MAGPIE_ENDPOINT_NAME"},
        may={"region": "AWS_REGION"},
        extra="aws,sagemaker",
        speaks=ENGLISH,
        note=SAGEMAKER_NOTE,
    ),
    _tts(
        "nvidia-sagemaker-http",
        "nvidia.sagemaker.tts:NvidiaSageMakerHTTPTTSService",
        needs={"endpoint_name": "SAGEMAKER_MAGPIE_ENDPOINT_NAME"},
        may={"region": "AWS_REGION"},
        extra="aws,sagemaker",
        speaks=ENGLISH,
        note=SAGEMAKER_NOTE,
    ),
    _tts("piper", "piper.tts:PiperTTSService", choose=VOICE, note=OWN_MACHINE),
    _tts(
        "piper-http",
        "piper.tts:PiperHttpTTSService",
        needs={"base_url": "PIPER_BASE_URL"},
        with_session=True,
        choose=VOICE,
        note="A server of your own that runs Piper.",
    ),
    _tts("pocket-tts", "pocket_tts.tts:PocketTTSService", note=OWN_MACHINE),
    _tts("resembleai", "resembleai.tts:ResembleAITTSService", needs=key("RESEMBLE_API_KEY"), choose=VOICE),
    _tts("rime", "rime.tts:RimeTTSService", needs=key("RIME_API_KEY"), choose=VOICE),
    _tts(
        "rime-http",
        "rime.tts:RimeHttpTTSService",
        needs=key("RIME_API_KEY"),
        with_session=True,
        choose=VOICE,
    ),
    _tts("rime-v1", "rime.tts_v1:RimeV1TTSService", needs=key("RIME_API_KEY"), choose=VOICE),
    _tts("sarvam", "sarvam.tts:SarvamTTSService", needs=key("SARVAM_API_KEY")),
    _tts("sarvam-http", "sarvam.tts:SarvamHttpTTSService", needs=key("SARVAM_API_KEY"), with_session=True),
    _tts("smallest", "smallest.tts:SmallestTTSService", needs=key("SMALLEST_API_KEY")),
    _tts("soniox", "soniox.tts:SonioxTTSService", needs=key("SONIOX_API_KEY")),
    _tts(
        "speechify",
        "speechify.tts:SpeechifyHttpTTSService",
        needs=key("SPEECHIFY_API_KEY"),
        with_session=True,
    ),
    _tts(
        "speechmatics",
        "speechmatics.tts:SpeechmaticsTTSService",
        needs=key("SPEECHMATICS_API_KEY"),
        with_session=True,
        language="",
        speaks=ENGLISH,
    ),
    _tts("together", "together.tts:TogetherTTSService", needs=key("TOGETHER_API_KEY")),
    _tts("xai", "xai.tts:XAITTSService", needs=key("XAI_API_KEY")),
    _tts("xai-http", "xai.tts:XAIHttpTTSService", needs=key("XAI_API_KEY"), with_session=True),
)
