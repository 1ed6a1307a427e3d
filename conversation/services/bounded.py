"""Classes of services whose waiting is bounded, whatever library the vendor gives them: Pipecat's and owners' alike."""

from __future__ import annotations

from typing import Any

from pipecat.services.llm_service import LLMService

from conversation.ahead.connections import shared_http_client
from conversation.services.catalogue import openai_timeout
from conversation.services.patience import Patience, with_patience
from conversation.services.tool_calls import CheckedCalls, NoticedCuts
from settings import Settings


class _AskedOnce:
    """Keeps a vendor's library from making a request again by itself: `conversation/services/patience.py` does.

    The libraries that OpenAI, Anthropic, Groq and others have generated alike take it as `with_options`.
    """

    request_timeout: Any = None

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        client: Any = getattr(self, "_client", None)
        if hasattr(client, "with_options"):
            timeout = {} if self.request_timeout is None else {"timeout": self.request_timeout}
            self._client = client.with_options(max_retries=0, **timeout)


class _OwnSession:
    """Closes the HTTP session that was made for the service."""

    session: Any = None

    async def cleanup(self) -> None:
        await super().cleanup()  # type: ignore[misc]
        await self.session.close()


def bounded(cls: Any, settings: Settings, *, own_time_outs: bool) -> Any:
    """A service's class that keeps callers waiting no longer than the settings say.

    Args:
        cls: A service of Pipecat or of an owner's.
        settings: The time-outs.
        own_time_outs: Whether its arguments give its client time-outs already.

    Returns:
        A subclass of the same name, which logs and metrics show.
    """
    from openai import AsyncOpenAI
    from pipecat.services.openai.base_llm import BaseOpenAILLMService

    patient = with_patience(cls, Patience.of(settings))
    if issubclass(cls, LLMService):
        patient = type(cls.__name__, (CheckedCalls, patient), {})
    if not issubclass(cls, BaseOpenAILLMService):
        timeout = None if own_time_outs else openai_timeout(settings, settings.first_audio_secs)
        return type(cls.__name__, (_AskedOnce, patient), {"request_timeout": timeout})
    timeout = openai_timeout(settings, settings.first_token_secs)

    def create_client(self: Any, **kwargs: Any) -> Any:
        # Retries are decided where the caller is spoken to meanwhile.
        asked_once: dict[str, Any] = {"timeout": timeout, "max_retries": 0}
        if (shared := shared_http_client()) is not None:
            asked_once["http_client"] = shared
        if cls.create_client is not BaseOpenAILLMService.create_client:
            return patient.create_client(self, **kwargs).with_options(**asked_once)
        known = ("api_key", "base_url", "organization", "project", "default_headers")
        asked_once |= {name: kwargs.get(name) for name in known}
        return AsyncOpenAI(**asked_once)

    return type(cls.__name__, (NoticedCuts, patient), {"create_client": create_client})


def with_session(cls: Any, settings: Settings) -> tuple[Any, Any]:
    """A class that closes its HTTP session at the end of the call, and the session, which needs a running loop.

    Args:
        cls: The service's class.
        settings: How long connecting may take, and how long a vendor may be silent.
    """
    import aiohttp

    timeout = aiohttp.ClientTimeout(
        total=None, connect=settings.connect_secs, sock_read=settings.first_audio_secs
    )
    session = aiohttp.ClientSession(timeout=timeout)
    return type(cls.__name__, (_OwnSession, cls), {"session": session}), session
