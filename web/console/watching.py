"""Something that several people look at: kept up to date while at least one does, and rendered once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from loguru import logger

from web.console.feeds import Viewers, event

NOTHING_MORE = b"event: over\ndata: over\n\n"
"""Has the browser end the stream for good (`hx-sse:close`); it connects again after any other end."""


class Watched:
    """What is looked at. A subclass keeps it (`keep`), and says what is the case (`whole`).

    Attributes:
        viewers: Who looks: those who see numbers shortened, by True, and those who see all of them, by False.
        known: Set by `keep` once it is known what is the case.
        is_final: Whether nothing can change any more, as `keep` has ended by itself.
    """

    def __init__(self) -> None:
        """Begin with nobody who looks."""
        self.viewers = {False: Viewers(), True: Viewers()}
        self.known = asyncio.Event()
        self.is_final = False
        self._coming = 0
        self._keeping: asyncio.Task[None] | None = None

    async def keep(self) -> None:
        """Follow what happens, and tell `viewers` of it."""
        raise NotImplementedError

    def whole(self, *, shortly: bool) -> str:
        """All of it, as pieces of the page; called once it is known."""
        raise NotImplementedError

    def end(self) -> None:
        """Nobody looks any more."""
        if self._keeping is not None:
            self._keeping.cancel()
        self._keeping = None
        self.known.clear()

    async def watch(self, *, shortly: bool) -> AsyncIterator[bytes]:
        """Look: what is the case, then each change of it, as events for the page.

        Args:
            shortly: Whether numbers are shown shortened.
        """
        if self._keeping is None or self._keeping.done():
            self.known.clear()
            self._keeping = asyncio.create_task(self._keep(), name="console-watched")
        keeping = self._keeping
        self._coming += 1
        try:
            await self.known.wait()
            viewers = self.viewers[shortly].join(event(self.whole(shortly=shortly)))
            try:
                async for body in viewers:
                    yield body
                    if keeping.done():
                        break
            finally:
                await viewers.aclose()  # type: ignore[attr-defined]
            if self.is_final:
                yield NOTHING_MORE
        finally:
            self._coming -= 1
            if not self._coming:
                self.end()

    async def _keep(self) -> None:
        try:
            await self.keep()
            self.is_final = True
        except Exception as error:
            logger.opt(exception=error).error(
                "A page of the console is not kept up: {}", type(error).__name__
            )
        finally:
            self.known.set()
            for viewers in self.viewers.values():
                viewers.close()
