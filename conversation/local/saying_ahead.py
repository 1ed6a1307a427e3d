"""What the brain is about to say is rendered while it waits whether the caller goes on, and not only afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from loguru import logger

from conversation.local.models import LocalModels, sentences


class SaysAhead:
    """Renders the beginning of a text with the local voice, and forgets it when the next one comes."""

    def __init__(self, models: LocalModels, aloud: Callable[[str], Awaitable[str]], rate: int):
        """Initialize it.

        Args:
            models: They hold the voice.
            aloud: Turns a text into words for the voice, as is done on its way to it.
            rate: Of the pipeline's output, in Hz.
        """
        self._models = models
        self._aloud = aloud
        self._rate = rate
        self._kept: set[str] = set()

    async def prepare(self, text: str) -> None:
        """Render the first sentence of a text; the others are rendered while it is heard.

        A voice that fails here is told of where it should speak.
        """
        self.forget()
        try:
            first = sentences(await self._aloud(text))[:1]
            self._kept = self._models.keep(first)
            for sentence in first:
                await self._models.say(sentence, self._rate)
        except Exception as error:
            logger.debug(f"nothing was said ahead: {type(error).__name__}")

    def forget(self) -> None:
        """Keep nothing of what was rendered: it may be what a caller has said."""
        self._models.forget(self._kept)
        self._kept = set()
