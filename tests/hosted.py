"""Hosted services of Pipecat, built as the product builds them, but pointed at this machine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pipecat.services.cartesia.tts
import pipecat.services.deepgram.stt
import pipecat.services.deepgram.tts
import pipecat.services.openai.stt
import pipecat.services.openai.tts  # noqa: F401 (loaded before the first call, which would wait for it)
import pytest
from pipecat.services.llm_service import LLMService
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService

from conversation.services import build_llm, build_stt, build_tts, catalogue, resolve
from settings import load_settings
from tests.conversation.test_services_are_chosen_by_name import agent
from tests.talking_bot import QUICK_AGENT

SOON = {"connect_secs": 0.5, "first_token_secs": 0.8, "stall_secs": 0.6, "first_audio_secs": 0.6}
"""Time-outs that a test can wait for."""

IMPATIENT_AGENT = (
    QUICK_AGENT
    + """
technical_problem = "I am broken. Bye."
[dead_air]
filler_secs = 0.5
way_on_secs = 1.6
fallback_secs = 3.2
filler = "Wait."
way_on = "Say it again?"
working = "I work on it."
bad_line = "A bad line."
apology = "Sorry."
message_prompt = "Your message?"
"""
)
"""An agent whose caller is spoken to soon."""


def openai_model(url: str, **settings: Any) -> LLMService:
    """A model of OpenAI's protocol at an address."""
    given = load_settings(openai_base_url=url, **{**SOON, **settings})
    who = agent(llm="openai")
    return build_llm(resolve(who, given), who, given)


def openai_voice(url: str, **settings: Any) -> TTSService:
    """A voice of OpenAI's protocol at an address."""
    given = load_settings(openai_base_url=url, **{**SOON, **settings})
    who = agent(tts="openai")
    return build_tts(resolve(who, given), who, given)


def openai_ears(url: str, **settings: Any) -> STTService:
    """A recogniser of OpenAI's protocol at an address."""
    given = load_settings(openai_base_url=url, **{**SOON, **settings})
    who = agent(stt="openai")
    return build_stt(resolve(who, given), who, given)


ADDRESSES = {
    ("tts", "deepgram"): "base_url",
    ("tts", "cartesia"): "url",
    ("stt", "deepgram"): "base_url",
}
"""The argument of Pipecat's service that says where it is, for those that are made to fail in every way."""

SPEAKS_AT = ADDRESSES | {("tts", "elevenlabs"): "url"}
"""The same, also for those that only do what they should."""


def hosted_at(monkeypatch: pytest.MonkeyPatch, kind: str, name: str, url: str) -> None:
    """Have a vendor's service, which our settings give no address for, at an address."""

    def there(service: catalogue.Service) -> catalogue.Service:
        if (service.kind, service.name) != (kind, name):
            return service
        argument = {SPEAKS_AT[kind, name]: url}
        return replace(service, arguments=lambda settings: service.arguments(settings) | argument)

    if (kind, name) == ("llm", "anthropic"):
        # Its library takes the address from the environment
        monkeypatch.setenv("ANTHROPIC_BASE_URL", url.removesuffix("/v1"))
        return

    monkeypatch.setattr(catalogue, "SERVICES", tuple(there(service) for service in catalogue.SERVICES))


def socket_voice(name: str, **settings: Any) -> TTSService:
    """The voice of a vendor, spoken to over a WebSocket."""
    given = load_settings(**{f"{name}_api_key": "k", **SOON, **settings})
    who = agent(tts=name)
    return build_tts(resolve(who, given), who, given)


def socket_ears(name: str, **settings: Any) -> STTService:
    """The recogniser of a vendor, spoken to over a WebSocket."""
    given = load_settings(**{f"{name}_api_key": "k", **SOON, **settings})
    who = agent(stt=name)
    return build_stt(resolve(who, given), who, given)
