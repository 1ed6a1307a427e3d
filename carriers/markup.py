"""Calls that a carrier runs by documents of ours: what can be done to them, in terms of documents."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Protocol

from loguru import logger

from carriers.carrier import MARKUP
from carriers.documents import Meeting, TransferDocument
from carriers.errors import CallEnded, CarrierError, CarrierUnavailable, OtherCallEnded
from carriers.reports import HangUp


class _HangsUp(Protocol):
    async def hang_up(self, call_id: str) -> HangUp: ...


class _Documents(_HangsUp, Protocol):
    async def update_document(self, call_id: str, document: str) -> None: ...

    def transfer_document(self, document: TransferDocument) -> str: ...

    def conference_document(self, meeting: Meeting) -> str: ...


class MarkupCalls:
    """The part of a `DocumentCarrier` that is the same for every markup."""

    mode = MARKUP
    keeps_stream_while_transferring = False
    ignores_repeated_commands = False

    async def transfer(
        self: _Documents, call_id: str, document: TransferDocument, *, command_id: str | None = None
    ) -> None:
        """Connect the caller with the document's destination; the media stream ends. `command_id` is not used.

        Raises:
            CallEnded: The call is over, nothing was done.
            CarrierUnavailable: The destination's phone may be ringing.
            CarrierError: The call goes on as it was.
        """
        await self.update_document(call_id, self.transfer_document(document))

    async def connect_calls(
        self: _Documents, call_id: str, other_id: str, meeting: Meeting, *, command_id: str | None = None
    ) -> None:
        """Let two live calls meet in a conference, the colleague's first: it is the one that may be lost.

        When the caller cannot follow, or it is unknown whether the colleague did, the colleague's call is hung up: a
        colleague alone in a conference would wait there for hours.

        Raises:
            OtherCallEnded: The colleague is gone; the caller's call goes on as it was.
            CallEnded: The caller is gone, and the colleague's call is hung up.
            CarrierUnavailable: The caller's call may go on as it was or not.
            CarrierError: The caller's call goes on as it was.
        """
        try:
            await self.update_document(other_id, self.conference_document(replace(meeting, ended_url=None)))
        except CallEnded as error:
            raise OtherCallEnded(f"the other one: {error}", status=error.status, code=error.code) from None
        except (CarrierUnavailable, asyncio.CancelledError) as error:
            if not getattr(error, "nothing_done", False):
                await let_go(self, other_id)
            raise
        try:
            await self.update_document(call_id, self.conference_document(meeting))
        except (CarrierError, asyncio.CancelledError):
            await let_go(self, other_id)
            raise


async def let_go(carrier: _HangsUp, call_id: str) -> None:
    """Hang up a colleague who cannot be connected with the caller; if that fails, nothing changes for the caller."""
    try:
        await carrier.hang_up(call_id)
    except CarrierError as error:
        logger.warning("Call {} may be left alone on the line: {}", call_id, error)
