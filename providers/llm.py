"""Models. The tuned ones, such as `openai`, are in `conversation/services/catalogue.py`."""

from __future__ import annotations

from typing import Any

from providers.row import Row, key
from providers.stt import GOOGLE


def _llm(name: str, target: str, **rest: Any) -> Row:
    return Row("llm", name, target, language="", **rest)


LLM: tuple[Row, ...] = (
    _llm(
        "aws",
        "aws.llm:AWSBedrockLLMService",
        needs={"aws_secret_key": "AWS_SECRET_ACCESS_KEY", "aws_access_key": "AWS_ACCESS_KEY_ID"},
        may={"aws_session_token": "AWS_SESSION_TOKEN", "aws_region": "AWS_REGION"},
    ),
    _llm(
        "azure",
        "azure.llm:AzureLLMService",
        needs={"api_key": "AZURE_CHATGPT_API_KEY", "endpoint": "AZURE_CHATGPT_ENDPOINT"},
        note="`model` is the name of your deployment; the endpoint ends in `/openai/v1`.",
    ),
    _llm("baseten", "baseten.llm:BasetenLLMService", needs=key("BASETEN_API_KEY")),
    _llm("cerebras", "cerebras.llm:CerebrasLLMService", needs=key("CEREBRAS_API_KEY")),
    _llm("crusoe", "crusoe.llm:CrusoeLLMService", needs=key("CRUSOE_API_KEY")),
    _llm("deepseek", "deepseek.llm:DeepSeekLLMService", needs=key("DEEPSEEK_API_KEY")),
    _llm("fireworks", "fireworks.llm:FireworksLLMService", needs=key("FIREWORKS_API_KEY")),
    _llm(
        "google-vertex",
        "google.vertex.llm:GoogleVertexLLMService",
        needs={"project_id": "GOOGLE_CLOUD_PROJECT"},
        may={**GOOGLE, "location": "GOOGLE_CLOUD_LOCATION"},
        either=tuple(GOOGLE.values()),
        extra="google",
    ),
    _llm("grok", "xai.llm:GrokLLMService", needs=key("XAI_API_KEY")),
    _llm("groq", "groq.llm:GroqLLMService", needs=key("GROQ_API_KEY")),
    _llm("inception", "inception.llm:InceptionLLMService", needs=key("INCEPTION_API_KEY")),
    _llm("mistral", "mistral.llm:MistralLLMService", needs=key("MISTRAL_API_KEY")),
    _llm("nebius", "nebius.llm:NebiusLLMService", needs=key("NEBIUS_API_KEY")),
    _llm("novita", "novita.llm:NovitaLLMService", needs=key("NOVITA_API_KEY")),
    _llm("nvidia", "nvidia.llm:NvidiaLLMService", needs=key("NVIDIA_API_KEY")),
    _llm("openai-responses", "openai.responses.llm:OpenAIResponsesLLMService", needs=key("OPENAI_API_KEY")),
    _llm(
        "openai-responses-http",
        "openai.responses.llm:OpenAIResponsesHttpLLMService",
        needs=key("OPENAI_API_KEY"),
    ),
    _llm("openrouter", "openrouter.llm:OpenRouterLLMService", needs=key("OPENROUTER_API_KEY")),
    _llm("perplexity", "perplexity.llm:PerplexityAgentHttpLLMService", needs=key("PERPLEXITY_API_KEY")),
    _llm("qwen", "qwen.llm:QwenLLMService", needs=key("QWEN_API_KEY")),
    _llm("sambanova", "sambanova.llm:SambaNovaLLMService", needs=key("SAMBANOVA_API_KEY")),
    _llm("sarvam", "sarvam.llm:SarvamLLMService", needs=key("SARVAM_API_KEY")),
    _llm("smallest", "smallest.llm:SmallestLLMService", needs=key("SMALLEST_API_KEY")),
    _llm("together", "together.llm:TogetherLLMService", needs=key("TOGETHER_API_KEY")),
)
