"""Bringing numbered chunks of audio back into order, without a clock."""

from __future__ import annotations

from collections.abc import Callable

WINDOW_CHUNKS = 5
"""How many later chunks are held while one is missing: 100 ms of 20 ms chunks."""

JUMP_CHUNKS = 50
"""A number this far from the expected one (1 s) is a new count, not a lost second."""


class ReorderWindow:
    """Releases audio in the order of its chunk numbers.

    A chunk that comes in order is released at once: in the normal case nothing is delayed. A chunk that comes
    too early is held until the ones before it have come, or until more than `WINDOW_CHUNKS` are held: then
    the missing ones are given up. The window is counted in chunks, so it moves with the stream and needs no
    timer; what is still held when the stream ends is less than 120 ms and is dropped.

    A stream is expected to begin with chunk 1. When it begins later than the window reaches, or the numbers
    jump, or they fall back for ten chunks on end, the count starts anew from there.
    """

    def __init__(self, count: Callable[[str], None]):
        """Start with nothing held.

        Args:
            count: Called with `missing_chunk`, `late_chunk` or `duplicate_chunk`, once for each.
        """
        self._count = count
        self._expected: int | None = None
        self._held: dict[int, bytes] = {}
        self._given_up: set[int] = set()
        self._behind = 0
        self._begun = False

    def push(self, chunk: int | None, payload: bytes) -> bytes:
        """Take one chunk; return all audio that is now in order (often just this chunk, sometimes nothing).

        Args:
            chunk: Its number; `None` when it has none: then it is released at once, after all that is held.
            payload: Its audio. Empty when the chunk came but its audio is unusable: it still fills its place.
        """
        if self._expected is not None and chunk == self._expected and not self._held:  # nearly always
            self._expected, self._behind = self._expected + 1, 0
            return payload
        if chunk is None:
            self._begun = True
            return self._restart(None) + payload
        if self._expected is None:
            # Only the very first chunks may have been overtaken before anything was known of the count.
            overtaken = not self._begun and 1 < chunk <= 1 + WINDOW_CHUNKS
            self._expected = 1 if overtaken else chunk
        self._begun = True
        if abs(chunk - self._expected) > JUMP_CHUNKS:
            return self._restart(chunk + 1) + payload
        if chunk < self._expected:
            return self._take_behind(chunk, payload)
        self._behind = 0
        if chunk in self._held:
            self._count("duplicate_chunk")
            return b""
        self._held[chunk] = payload
        released = self._release()
        if len(self._held) > WINDOW_CHUNKS:
            self._give_up()
            released += self._release()
        return released

    def _take_behind(self, chunk: int, payload: bytes) -> bytes:
        late = chunk in self._given_up
        self._given_up.discard(chunk)
        self._behind += 1
        if self._behind >= 2 * WINDOW_CHUNKS:
            return self._restart(chunk + 1) + payload
        self._count("late_chunk" if late else "duplicate_chunk")
        return b""

    def _release(self) -> bytes:
        assert self._expected is not None
        released = b""
        while self._expected in self._held:
            released += self._held.pop(self._expected)
            self._expected += 1
        return released

    def _give_up(self) -> None:
        assert self._expected is not None
        reached = min(self._held)
        for missing in range(self._expected, reached):
            self._count("missing_chunk")
            self._given_up.add(missing)
        self._expected = reached
        self._given_up = {number for number in self._given_up if number >= reached - JUMP_CHUNKS}

    def _restart(self, expected: int | None) -> bytes:
        released = b"".join(self._held[number] for number in sorted(self._held))
        self._held.clear()
        self._given_up.clear()
        self._behind = 0
        self._expected = expected
        return released
