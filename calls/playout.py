"""What the caller has really heard.

Sent is not heard: audio waits at the carrier, and a barge-in throws it away. The carrier's marks tell the difference. A
mark comes back when everything before it was played, but also, at once, when a `clear` emptied the queue
(Source: Twilio docs, media-streams websocket messages; Telnyx docs, media streaming over WebSockets). So each name
carries a generation that `cleared()` moves on: a mark of an older generation was thrown away, not heard.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Chunk:
    """A stretch of speech that ends in a mark.

    Parameters:
        mark: The mark's name on the wire.
        text: The words of this stretch; empty for a mark that only fences off what came before.
    """

    mark: str
    text: str = ""


@dataclass
class _Waiting:
    chunk: Chunk
    sent: asyncio.Event = field(default_factory=asyncio.Event)
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    heard: bool = False


class Playout:
    """Follows the marks of one media stream, from their request to their return.

    The order of a mark's life: `expect` (named), `sent` (on the wire), `returned` (heard) or `cleared` (thrown away).
    """

    def __init__(self) -> None:
        """Start with nothing said."""
        self._generation = 0
        self._count = 0
        self._named: dict[str, _Waiting] = {}
        self._sent: dict[str, _Waiting] = {}

    @property
    def pending(self) -> tuple[Chunk, ...]:
        """What was said and is not known to be heard yet, in order."""
        return tuple(entry.chunk for entry in (*self._sent.values(), *self._named.values()))

    def expect(self, text: str = "") -> str:
        """Name the mark that will follow a stretch of speech.

        Args:
            text: The words that the mark confirms; empty for a fence.

        Returns:
            A mark name that is unique on this stream.
        """
        self._count += 1
        name = f"{self._generation}.{self._count}"
        self._named[name] = _Waiting(Chunk(name, text))
        return name

    def sent(self, name: str) -> None:
        """Note that the mark is on the wire: all audio before it was handed to the carrier."""
        if entry := self._named.pop(name, None):
            self._sent[name] = entry
            entry.sent.set()

    def returned(self, name: str) -> tuple[Chunk, ...]:
        """Take a mark that the carrier returned.

        A mark confirms all marks that were sent before it as well, so one that was lost on the way holds nothing up.
        The order of sending counts, not that of naming: a fence is named before the words that it waits for.

        Returns:
            The chunks that are now known to be heard, oldest first; empty for a foreign, doubled or cleared mark.
        """
        if entry := self._named.pop(name, None):
            # It came back before its sender could say so.
            self._sent[name] = entry
        if name not in self._sent:
            return ()
        heard = []
        for mark in list(self._sent):
            entry = self._sent.pop(mark)
            entry.heard = True
            entry.settled.set()
            heard.append(entry.chunk)
            if mark == name:
                break
        return tuple(heard)

    def cleared(self) -> tuple[Chunk, ...]:
        """Note that the carrier's queue was emptied by a barge-in.

        Returns:
            The chunks that the caller did not hear to their end.
        """
        self._generation += 1
        unheard = (*self._sent.values(), *self._named.values())
        self._sent.clear()
        self._named.clear()
        for entry in unheard:
            entry.settled.set()
        return tuple(entry.chunk for entry in unheard)

    async def heard(self, name: str, *, send_secs: float, return_secs: float) -> bool:
        """Wait until the caller has heard everything before a mark.

        Two caps, because two different things can hang: the voice service before the mark is on the wire, and the
        carrier after it.

        Args:
            name: A name that `expect` gave.
            send_secs: How long the speech may take to be made and sent, in seconds.
            return_secs: How long the carrier may take to return the mark after that, in seconds.

        Returns:
            True when the mark came back; False when it was cleared or a cap ran out.
        """
        entry = self._named.get(name) or self._sent.get(name)
        if entry is None:
            return False
        try:
            async with asyncio.timeout(send_secs):
                waits = [asyncio.ensure_future(event.wait()) for event in (entry.sent, entry.settled)]
                try:
                    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for wait in waits:
                        wait.cancel()
            async with asyncio.timeout(return_secs):
                await entry.settled.wait()
        except TimeoutError:
            return False
        return entry.heard
