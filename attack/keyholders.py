"""Tries of those who have something: a key that may only read, one that was revoked, the page of another site."""

from __future__ import annotations

import json
import random
from urllib.parse import quote, urlencode

from attack.ingredients import NUMBERS, Ingredients
from attack.knowledge import Knowledge
from attack.raw_requests import FORM, JSON, Try, request

IN_CONSOLE = ("hangup", "transfer", "say", "note")
ACTS = ("hangup", "transfer", "say", "note", "digits", "recording")

REVEALING = (
    *(
        "/calls",
        "/calls.csv",
        "/calls?q=rosebud",
        "/calls/x",
        "/calls/x/events",
        "/events",
        "/messages",
        "/stats",
    ),
    *("/drain", "/docs", "/openapi.json"),
)

OTHER_SITES: tuple[list[tuple[str, str]], ...] = (
    [],
    [("Origin", "https://evil.example")],
    [("Origin", "null")],
    [("Origin", "http://127.0.0.1.evil.example")],
    [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate")],
    [("Sec-Fetch-Site", "same-site"), ("Origin", "http://127.0.0.1:1")],
    [("Sec-Fetch-Site", "none")],
    [("Sec-Fetch-Site", "same-origin"), ("Origin", "https://evil.example")],
    [("Referer", "https://evil.example/")],
)
"""What a browser says of a page that is none of ours, or of none."""


class Keyholders:
    """Makes their tries.

    Parameters:
        chance: Decides each of them.
        known: What they know; without keys there are no tries.
        ingredients: What the tries are made of.
    """

    def __init__(self, chance: random.Random, known: Knowledge, ingredients: Ingredients):
        self._chance = chance
        self._known = known
        self._ingredients = ingredients

    def read_key_that_acts(self) -> Try:
        """A key that may read dials, ends calls, erases callers or empties the service."""
        return Try("a read key that acts", self._act([("Authorization", f"Bearer {self._known.read_key}")]))

    def revoked_key(self) -> Try:
        """A key that was good once, for anything."""
        key = [("Authorization", f"Bearer {self._known.revoked_key}")]
        if self._chance.random() < 0.5:
            path = self._chance.choice(REVEALING)
            return Try("a revoked key", request("GET", path, key))
        return Try("a revoked key", self._act(key))

    def forged_cookie(self) -> Try:
        """A session that nobody has begun: a genuine one that was changed, or made up."""
        name, _, value = self._known.session.partition("=")
        match self._chance.randrange(5):
            case 0:
                value = self._ingredients.changed(value)
            case 1:
                value = self._chance.choice(("API_KEY", "reader", "admin")) + "~" + value.partition("~")[2]
                value = self._ingredients.changed(value)
            case 2:
                value = value.rpartition(".")[0]
            case 3:
                value = f"{value.rpartition('.')[0]}.{self._ingredients.word()}"
            case _:
                value = f"API_KEY~{self._ingredients.word()}.aaaaaa.{self._ingredients.word()}"
        headers = [("Cookie", f"{name}={value}"), ("Sec-Fetch-Site", "same-origin")]
        if self._chance.random() < 0.3:
            return Try("a forged cookie", request("GET", "/calls", headers))
        return Try("a forged cookie", self._act(headers))

    def page_of_another_site(self) -> Try:
        """A page of another site has the browser of somebody who is logged in do something, or log in as another."""
        headers = [("Cookie", self._known.session), *self._chance.choice(OTHER_SITES)]
        if self._chance.random() < 0.3:
            path = self._chance.choice(("/console/login", "/console/logout"))
            body = urlencode({"key": self._known.read_key, "next": "https://evil.example"}).encode()
            return Try("another site's page", request("POST", path, [("Content-Type", FORM), *headers], body))
        return Try("another site's page", self._act(headers))

    def guess(self) -> Try:
        """A key that somebody guesses at the login."""
        headers = [("Content-Type", FORM), ("Origin", f"http://127.0.0.1:{self._known.port}")]
        body = urlencode({"key": self._ingredients.word(), "next": "//evil.example"}).encode()
        return Try("a guess at the login", request("POST", "/console/login", headers, body))

    def _act(self, headers: list[tuple[str, str]]) -> bytes:
        """A request that would do something, with these headers."""
        call = quote(self._ingredients.call_id(), safe="")
        method, path = self._chance.choice(
            (
                ("POST", "/calls"),
                *(("POST", f"/calls/{call}/{act}") for act in ACTS),
                *(("POST", f"/console/calls/{call}/{act}") for act in IN_CONSOLE),
                ("POST", "/console/setup/check"),
                ("PATCH", f"/calls/{call}"),
                ("PATCH", f"/messages/{call}/{self._chance.randrange(1, 30)}"),
                ("DELETE", "/callers/%2B12025550143"),
                ("POST", "/drain"),
                ("DELETE", "/drain"),
            )
        )
        body = self._chance.choice(
            (
                {"to": self._chance.choice(NUMBERS)},
                {"to": "+12025550143"},
                {"destination": "desk"},
                {"digits": "1"},
                {"action": "start"},
                {"note": self._ingredients.word()},
                {"handled": True},
            )
        )
        return request(method, path, [("Content-Type", JSON), *headers], json.dumps(body).encode())
