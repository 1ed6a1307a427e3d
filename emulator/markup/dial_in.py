"""A dialled-in call: it rings, and the carrier asks the server what to do with it (or dials its socket at once)."""

from __future__ import annotations

from collections.abc import Mapping

from emulator.documents.parsing import Verb
from emulator.errors import CannotReach
from emulator.legs.addressing import Target
from emulator.legs.call import Call
from emulator.legs.plan import GoTo
from emulator.legs.stream import StreamRefused
from emulator.markup.connect import stream_once
from emulator.markup.interpreter import follow


async def dial_in(call: Call, target: Target, parameters: Mapping[str, str]) -> None:
    """The opening of a dialled-in call.

    Args:
        call: The call.
        target: Where it goes.
        parameters: Custom parameters of a socket that is dialled without a document.

    Raises:
        CannotReach: Nothing listens there.
    """
    call.timeline.note(
        "ringing", f"{call.dialect.name} call {call.leg.call_id[:12]}… from {call.leg.from_number}"
    )
    if target.socket is not None:
        await _dial_socket(call, target.socket, parameters)
        return
    assert target.webhook is not None
    if call.dialect.answers_before_webhook:
        call.answer()
    try:
        await follow(call, GoTo(target.webhook, call.plan.method, voice=True, first=True))
    except CannotReach:
        raise CannotReach(f"nothing listens at {target.base}: start the server or change --url") from None


async def _dial_socket(call: Call, url: str, parameters: Mapping[str, str]) -> None:
    """Without a webhook the socket is dialled at once, as if a document had said so."""
    call.answer()
    attributes = {"url": url, "bidirectionalMode": "rtp", "enableReconnect": "false"}
    children = tuple(Verb("Parameter", {"name": name, "value": value}) for name, value in parameters.items())
    try:
        await stream_once(call, Verb("Stream", attributes, children=children), None)
    except StreamRefused as error:
        if str(error).startswith("31902"):
            raise CannotReach(f"nothing listens at {url}: start the bot or change --url") from None
        call.fail(str(error))
        call.left_by = "error"
    call.end(call.left_by or "error", "the stream is over")
