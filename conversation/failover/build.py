"""The services of an agent's lists, as what stands in a pipeline in the place of one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from loguru import logger
from pipecat.frames.frames import ErrorFrame
from pipecat.utils.text.transforms.text_transform import TextTransform

from conversation import services
from conversation.agents.agent import Agent
from conversation.failover.ears import Ears
from conversation.failover.health import HEALTH
from conversation.failover.models import Models
from conversation.failover.spare import Spare
from conversation.failover.switching import FailedOver
from conversation.failover.voices import Voices
from conversation.local.models import local_models
from conversation.local.recognisers import LocalStackMissing
from conversation.services.service import LOCAL, Kind, Service
from settings import Settings

_warming: set[asyncio.Task[None]] = set()


def hastened(settings: Settings) -> Settings:
    """The settings for a service that has another one behind it: callers need not wait as long for it."""
    longest = settings.failover_secs
    return settings.model_copy(
        update={
            name: min(getattr(settings, name), longest)
            for name in ("connect_secs", "first_token_secs", "stall_secs", "first_audio_secs")
        }
    )


def is_local_next(choice: services.ServiceChoice, kind: Kind) -> bool:
    """Whether the local service goes on as soon as the first one of a list fails."""
    names = choice.lists.get(kind, ())
    after = [*names[1:], *([LOCAL] if choice.behind(kind) is not None else [])]
    return after[:1] == [LOCAL]


def in_order(choice: services.ServiceChoice, kind: Kind) -> list[str]:
    """The names of a list in the order in which a new call tries them."""
    return HEALTH.in_order(kind, choice.lists[kind], LOCAL if choice.behind(kind) is not None else None)


class Lists:
    """Builds what an agent has lists for."""

    def __init__(
        self,
        choice: services.ServiceChoice,
        settings: Settings,
        failed_over: FailedOver,
        spoken_by: Callable[[], Agent],
    ) -> None:
        """Take what is needed for it.

        Args:
            choice: The agent's services.
            settings: Keys and time-outs.
            failed_over: Told when one service goes on for another.
            spoken_by: The agent in the language that the conversation is in.
        """
        self._choice = choice
        self._spoken_by = spoken_by
        self._settings = settings
        self._told = failed_over

    def ears(self) -> Ears | None:
        """What hears; None where the agent names no list."""
        spares = self._spares("stt", lambda choice, given: services.build_stt(choice, choice.agent, given))
        return Ears(spares, self._failed_over) if spares else None

    def models(self, variables: Mapping[str, Any], succeeded: Mapping[str, bool]) -> Models | None:
        """What answers; None where the agent names no list.

        Args:
            variables: What the agent's texts are filled in with in this call.
            succeeded: Which calls of tools did what they are for.
        """
        spares = self._spares(
            "llm",
            lambda choice, given: services.build_llm(
                choice, choice.agent, given, variables=variables, succeeded=succeeded
            ),
            keeps_former=True,
        )
        return Models(spares, self._failed_over) if spares else None

    def voices(self, say: TextTransform | None = None) -> Voices | None:
        """What speaks; None where the agent names no list.

        Args:
            say: Makes of a text what a voice speaks.
        """

        def build(choice: services.ServiceChoice, given: Settings) -> Any:
            voice = services.build_tts(choice, choice.agent, given)
            if say is not None:
                voice.add_text_transformer(say)
            return voice

        spares = self._spares("tts", build)
        return Voices(spares, self._failed_over, silent_secs=self._settings.failover_secs) if spares else None

    def _spares(
        self,
        kind: Kind,
        build: Callable[[services.ServiceChoice, Settings], Any],
        *,
        keeps_former: bool = False,
    ) -> list[Spare]:
        if kind not in self._choice.lists:
            return []
        names = in_order(self._choice, kind)
        hasty = hastened(self._settings) if len(names) > 1 else self._settings

        def spare(name: str) -> Spare:
            choice = self._choice.only(kind, name)
            given = self._settings if name == LOCAL else hasty

            def made() -> Any:
                return build(choice.spoken_by(self._spoken_by()), given)

            return Spare(choice.of(kind), made, keeps_former=keeps_former)

        return [spare(name) for name in names]

    def _failed_over(self, failed: Service, following: Service, error: ErrorFrame | None, why: str) -> None:
        kind = failed.kind
        if LOCAL in self._choice.lists[kind] or self._choice.behind(kind) is not None:
            _warm(kind)  # it may be needed next, and its models are read from a disk
        self._told(failed, following, error, why)


def _warm(kind: Kind) -> None:
    """Load the local service's models beside the calls, once per process."""

    async def load() -> None:
        try:
            await local_models().ready(stt=kind == "stt", tts=kind == "tts", brain=kind == "llm")
        except LocalStackMissing as error:
            logger.warning(f"no local {kind} to go on with: {error}")

    task = asyncio.create_task(load())
    _warming.add(task)
    task.add_done_callback(_warming.discard)
