"""`phonebot calls erase`: forget one caller, in the database of this machine or by a running server."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from loguru import logger

from calls.call import Call
from calls.database.errors import DatabaseError
from calls.errors import NotDone
from carriers import carrier_for
from carriers.carrier import Carrier
from commands.calls import CANNOT, WITHOUT_SERVER, NothingKept, store_of
from desk.retention import NOT_ERASED, erase_caller
from settings import Settings, SettingsError, load_settings
from web.client import NotAnswered, accepted, server_at

LEFT = 1

BY = "command line"
"""Who has erased, in the calls' events, where nobody was asked for a key."""

COUNTED = {
    "calls": "calls without number and words",
    "deleted": "calls deleted",
    "recordings": "recordings deleted at the carrier",
    "recordings_left": "recordings that are left",
    "notices": "notices that were not delivered",
    "values": "values that agents had kept",
    "messages": "messages",
    "call_backs": "entries of those to be called back",
}


def erase(number: str, *, url: str | None) -> int:
    """Forget a caller, and print what was erased, without the number.

    Args:
        number: As a person writes it, with country code, or a SIP address.
        url: The address of the server to ask; None uses the database.

    Returns:
        The exit status.
    """
    logger.remove()
    try:
        done = asyncio.run(_erased(number, load_settings(), url))
    except (SettingsError, DatabaseError, NotAnswered, NothingKept, NotDone, OSError) as error:
        print(error, file=sys.stderr)
        return CANNOT
    print("erased:")
    for name, words in COUNTED.items():
        if done.get(name):
            print(f"  {done[name]} {words}")
    if not any(done.get(name) for name in COUNTED):
        print("  nothing: nothing of this number is kept here")
    print("not erased, as it is not kept here or must stay:")
    for line in done.get("not_erased", ()):
        print(f"  {line}")
    if done.get("recordings_left"):
        print("the carrier has not deleted all recordings: run this again", file=sys.stderr)
        return LEFT
    return 0


async def _erased(number: str, settings: Settings, url: str | None) -> dict[str, Any]:
    if url is not None:
        async with server_at(url.rstrip("/"), settings, otherwise=WITHOUT_SERVER) as http:
            return accepted(await http.delete(f"/callers/{quote(number, safe='')}"))
    carriers: dict[tuple[str, str], Carrier | None] = {}

    def carrier_of(call: Call) -> Carrier | None:
        key = (call.carrier, call.mode)
        if key not in carriers:
            carriers[key] = carrier_for(call.carrier, settings, call.mode)
        return carriers[key]

    async with store_of(settings) as store:
        try:
            done = await erase_caller(number, store, settings, carrier_of, by=BY)
        finally:
            for carrier in carriers.values():
                if carrier is not None:
                    await carrier.aclose()
    return {**asdict(done), "not_erased": NOT_ERASED}
