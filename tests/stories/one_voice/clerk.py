"""Takes the agent's service from the address in MODEL_URL."""

import os

from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService


def services(session):
    """The service in place of the vendor's."""
    url = os.environ["MODEL_URL"].replace("http", "ws", 1)
    return {"voice": OpenAIRealtimeLLMService(api_key="k", base_url=url)}
