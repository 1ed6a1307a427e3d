"""Hosted services of Pipecat, built as the product builds them, but pointed at this machine."""

from __future__ import annotations

from typing import Any

from pipecat.services.llm_service import LLMService
from pipecat.services.tts_service import TTSService

from conversation.services import build_llm, build_tts, resolve
from settings import load_settings
from tests.talking_bot import QUICK_AGENT
from tests.test_services_are_chosen_by_name import agent

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
