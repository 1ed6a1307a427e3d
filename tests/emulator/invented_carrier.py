"""A carrier that does not exist, for the emulator: binary audio frames, JSON at its REST interface, and documents."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from emulator.account import Account
from emulator.carriers.carrier import Carrier, Control, Readings
from emulator.carriers.credentials import Credentials
from emulator.carriers.twilio.dialect import Twilio
from emulator.documents.parsing import Verb
from emulator.legs.dialect import BotAudio, BotClear, BotMark, BotMessage, Dialect, Refused, StreamDialect
from emulator.legs.exchange import Exchange
from emulator.legs.leg import Leg
from emulator.line.codecs import Pcm, decode, encode

KEY = "the key of the invented account"


class Frames:
    """Audio is binary A-law; everything else is a JSON object with a `type`."""

    def __init__(self, leg: Leg) -> None:
        self.stream_id = str(uuid.uuid4())
        self._leg = leg

    def opening(self) -> list[dict[str, Any]]:
        return [{"type": "begin", "call": self._leg.call_id, "stream": self.stream_id}]

    def media(self, frame: Pcm) -> bytes:
        return encode("PCMA", frame)

    def lost(self) -> None:
        """Nothing is numbered."""

    def dtmf(self, digit: str) -> dict[str, Any]:
        return {"type": "key", "key": digit}

    def mark(self, name: str) -> dict[str, Any]:
        return {"type": "played", "name": name}

    def stop(self) -> dict[str, Any]:
        return {"type": "end"}

    def read(self, raw: str | bytes) -> BotMessage:
        if isinstance(raw, bytes):
            return BotAudio(decode("PCMA", raw))
        match json.loads(raw):
            case {"type": "tell", "name": str(name)}:
                return BotMark(name)
            case {"type": "forget"}:
                return BotClear()
        return Refused("1", "no such message")


class InventedDialect(Twilio):
    """Forms like Twilio's; the socket is its own."""

    name = "invented"

    def open_stream(
        self, leg: Leg, stream: Verb, parameters: dict[str, str]
    ) -> tuple[StreamDialect, list[str]]:
        return Frames(leg), []


class InventedCarrier(Carrier):
    """A call is ended by `PATCH /invented/calls/ID` with `{"state": "over"}`."""

    name = "invented"
    title = "Invented"
    paths = ("/invented/",)

    def dialect(self, credentials: Credentials, readings: Readings) -> Dialect:
        return InventedDialect(credentials)

    def routes(
        self,
        exchange: Exchange,
        credentials: Credentials,
        account: Account,
        readings: Readings,
        control: Control | None,
    ) -> list[web.RouteDef]:
        async def change(request: web.Request) -> web.Response:
            if request.headers.get("Authorization") != f"Bearer {KEY}":
                return self.made_up_error(401)
            call = exchange.find(request.match_info["call"])
            if call is None or await request.json() != {"state": "over"}:
                return self.made_up_error(404)
            call.hang_up("bot", "hang-up by REST")
            return web.json_response({"state": "over"})

        return [web.patch("/invented/calls/{call}", change)]

    def verb_of(self, method: str, path: str, fields: Mapping[str, str]) -> str:
        return "hang_up" if fields.get("state") == "over" else "update"

    def made_up_error(self, status: int) -> web.Response:
        return web.json_response({"wrong": status}, status=status)
