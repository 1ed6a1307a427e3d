"""Hand-made tries: forged, replayed, mutated and malformed. Endless, and the same for the same seed."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl, quote, urlencode

from attack.ingredients import NASTY, NUMBERS, Ingredients
from attack.keyholders import Keyholders
from attack.knowledge import Knowledge
from attack.raw_requests import FORM, JSON, Try, frame, request, upgrade

ROUTES = (
    "voice",
    "fallback",
    "connect-ended",
    "transfer",
    "transfer-answered",
    "status",
    "amd",
    "recording",
    "message",
)
METHODS = ("GET", "POST", "POST", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "get", "PRI")
EVENTS = (
    "call.initiated",
    "call.answered",
    "call.hangup",
    "call.bridged",
    "streaming.stopped",
    "call.recording.saved",
)
ACTIONS = ("hangup", "transfer", "say", "note", "digits", "recording", "events")
FORWARDED = (
    [],
    [("X-Forwarded-For", "203.0.113.7")],
    [("X-Forwarded-For", "127.0.0.1"), ("X-Real-IP", "127.0.0.1")],
    [("Forwarded", "for=127.0.0.1;proto=https")],
    [("Origin", "https://evil.example")],
    [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.example")],
)


class Tries:
    """Makes tries.

    Parameters:
        seed: Decides all of them.
        known: What the strangers know.
    """

    def __init__(self, seed: int, known: Knowledge):
        self._chance = random.Random(seed)
        self._known = known
        self._ingredients = Ingredients(self._chance, known)
        self._keyholders = Keyholders(self._chance, known, self._ingredients)

    def __iter__(self) -> Iterator[Try]:
        kinds: list[Callable[[], Try]] = [
            *([self.forged_webhook] * 6),
            *([self.forged_event] * 3),
            *([self.mutated_request] * 4),
            *([self.keyed_address] * 2),
            *([self.api_without_key] * 4),
            *self._with_keys(),
            *([self.upgrade_with_token] * 4),
            *([self.upgrade_without_token] * 3),
            *([self.frames_at_once] * 2),
            *([self.malformed] * 4),
            self.unfinished,
            self.too_large,
            self.many_small_parts,
        ]
        while True:
            yield self._chance.choice(kinds)()

    def _with_keys(self) -> list[Callable[[], Try]]:
        """Tries of those who have a key or a session, where there are some."""
        holders = self._keyholders
        return [
            holders.guess,
            *([holders.read_key_that_acts] * 2 if self._known.read_key else []),
            *([holders.revoked_key] if self._known.revoked_key else []),
            *([holders.forged_cookie] * 2 if self._known.session else []),
            *([holders.page_of_another_site] * 2 if self._known.session else []),
        ]

    def forged_webhook(self) -> Try:
        """A carrier's webhook, unsigned or signed with a stranger's key."""
        carrier = self._chance.choice(("twilio", "telnyx"))
        target = self._ingredients.target(f"/{carrier}/{self._chance.choice(ROUTES)}")
        fields = self._ingredients.fields()
        method = self._chance.choice(METHODS[:4] if self._chance.random() < 0.8 else METHODS)
        body = urlencode(fields).encode() if method != "GET" else b""
        if method == "GET":
            target += ("&" if "?" in target else "?") + urlencode(fields)
        headers = [
            ("Content-Type", FORM),
            *self._chance.choice(FORWARDED),
            *self._ingredients.signature(carrier, target, fields, body),
        ]
        return Try(f"forged {carrier} webhook", request(method, target, headers, body))

    def forged_event(self) -> Try:
        """A Call Control event, unsigned or signed with a stranger's key."""
        event = {
            "data": {
                "event_type": self._chance.choice(EVENTS),
                "id": self._ingredients.word(),
                "occurred_at": "2026-11-25T10:00:00Z",
                "payload": {
                    "call_control_id": self._ingredients.call_id(),
                    "call_leg_id": self._ingredients.word(),
                    "connection_id": "1000000000000000001",
                    "direction": self._chance.choice(("incoming", "outgoing", self._ingredients.word())),
                    "from": self._chance.choice(NUMBERS),
                    "to": self._chance.choice(NUMBERS),
                    "client_state": base64.b64encode(
                        json.dumps({"call_id": self._ingredients.word()}).encode()
                    ).decode(),
                    "hangup_cause": self._chance.choice(
                        ("normal_clearing", "user_busy", self._ingredients.word())
                    ),
                },
            }
        }
        body = json.dumps(event).encode()
        target = self._ingredients.target("/telnyx/events")
        headers = [
            ("Content-Type", JSON),
            *self._chance.choice(FORWARDED),
            *self._ingredients.signature("telnyx", target, {}, body),
        ]
        return Try("forged event", request("POST", target, headers, body))

    def mutated_request(self) -> Try:
        """A genuine request of a carrier's with one part changed, or sent to another route."""
        if not self._known.seen:
            return self.forged_webhook()
        seen = self._chance.choice(self._known.seen)
        path, body, headers = seen.path, seen.body, dict(seen.headers)
        match self._chance.randrange(7):
            case 0:
                path = f"/{self._chance.choice(('twilio', 'telnyx'))}/{self._chance.choice(ROUTES)}"
                body += f"&Extra={self._ingredients.word()}" if seen.content_type == FORM else " "
            case 1:
                path += (
                    "&" if "?" in path else "?"
                ) + f"{self._ingredients.word()}={self._ingredients.word()}"
                body = self._ingredients.changed(body)
            case 2:
                body = self._ingredients.changed(body)
            case 3:
                name = self._chance.choice(sorted(headers))
                headers[name] = self._ingredients.changed(headers[name])
                body = self._ingredients.changed(body)
            case 5 if "CallSid" in body:
                body = self._ingredients.moved(body)
            case 4:
                body = (
                    f"{body}&{self._chance.choice(('From', 'To', 'CallStatus'))}={self._ingredients.word()}"
                )
            case _:
                headers.pop(self._chance.choice(sorted(headers)))
        kind = [("Content-Type", seen.content_type)]
        return Try("mutated request", request("POST", path, [*kind, *headers.items()], body.encode()))

    def keyed_address(self) -> Try:
        """An address that the server gave a carrier, used for another call or route, or with its key changed."""
        if not self._known.keyed:
            return self.forged_webhook()
        path, _, query = self._chance.choice(self._known.keyed).partition("?")
        fields = dict(parse_qsl(query))
        call = fields.pop("call", "")
        (name, key), *_ = fields.items()
        match self._chance.randrange(4):
            case 0:
                call = self._ingredients.word()
            case 1:
                others = [route for route in ROUTES if not path.endswith("/" + route)]
                path = f"/telnyx/{self._chance.choice(others)}"
            case 2:
                place = self._chance.randrange(len(key))
                key = key[:place] + ("A" if key[place] != "A" else "B") + key[place + 1 :]
            case _:
                path, call = f"/telnyx/voice/{key}", ""
        target = path + "?" + urlencode({**({"call": call} if call else {}), name: key})
        body = urlencode(self._ingredients.fields()).encode()
        return Try("another's key", request("POST", target, [("Content-Type", FORM)], body))

    def api_without_key(self) -> Try:
        """A request to the operator's API with everything but the key."""
        call = self._ingredients.call_id()
        target = self._chance.choice(
            [
                *("/calls", "/calls.csv", "/messages", f"/messages/{call}/1", "/stats", "/events"),
                *(f"/calls/{call}", *(f"/calls/{call}/{action}" for action in ACTIONS)),
                *("/console", "/console/setup", "/console/live/feed"),
                *(f"/console/calls/{call}", f"/console/calls/{call}/feed"),
            ]
        )
        if self._chance.random() < 0.3:
            target += "?" + urlencode(
                {self._chance.choice(("api_key", "key", "token", "limit")): self._ingredients.word()}
            )
        key: list[tuple[str, str]] = self._chance.choice(
            [
                [],
                [("Authorization", "Bearer")],
                [("Authorization", f"Bearer {self._ingredients.word()}")],
                [("Authorization", "Bearer null")],
                [("Authorization", f"Basic {base64.b64encode(b'admin:admin').decode()}")],
                [("Authorization", "Bearer " + "k" * 5000)],
                [("X-API-Key", self._ingredients.word())],
                [("Cookie", f"session={self._ingredients.word()}")],
                [("Authorization", "Bearer \u00e9\u00ff")],
                [("Authorization", "Bearer "), ("Authorization", f"Bearer {self._ingredients.word()}")],
            ]
        )
        body = self._chance.choice(
            (
                json.dumps(
                    {"to": self._chance.choice(NUMBERS), "from": self._chance.choice(NUMBERS)}
                ).encode(),
                b'{"destination": "sales"}',
                b'{"digits": "1"}',
                b"[" * self._chance.randrange(1, 5000),
                b"",
                b"\xff\xfe",
            )
        )
        method = self._chance.choice(METHODS)
        return Try("api without key", request(method, target, [("Content-Type", JSON), *key], body))

    def upgrade_with_token(self) -> Try:
        """A media socket with a token that was used before, was changed, or is made up."""
        carrier = self._chance.choice(("twilio", "telnyx"))
        token = self._ingredients.word()
        if self._known.used_tokens and self._chance.random() < 0.8:
            used = self._chance.choice(self._known.used_tokens)
            token = used.rsplit("/", 1)[1]
            match self._chance.randrange(5):
                case 0:
                    carrier = used.split("/")[2]
                case 1:
                    token = self._ingredients.changed(token)
                case 2:
                    token = token[: self._chance.randrange(len(token))]
                case 3:
                    token = token + self._ingredients.word()
                case _:
                    token = "".join(self._chance.sample(token, len(token)))
        start = self._ingredients.start()
        return Try(
            "upgrade with a token",
            upgrade(f"/ws/{carrier}/{quote(token)}", self._chance.choice(FORWARDED), start),
        )

    def upgrade_without_token(self) -> Try:
        """A media socket without a token, as on Pipecat Cloud, unsigned or signed with a stranger's key."""
        path = self._chance.choice(
            (
                *("/ws", "/ws/twilio", "/ws/telnyx", "/ws/telnyx?serviceHost=a.b", "/ws/", "/ws/x", "/"),
                f"/calls/{quote(self._ingredients.word(), safe='')}/listen",
            )
        )
        if self._chance.random() < 0.3:
            path += (
                "?body=" + base64.b64encode(json.dumps({"agent": self._ingredients.word()}).encode()).decode()
            )
        headers = [*self._chance.choice(FORWARDED), *self._ingredients.signature("twilio", path, {}, b"")]
        return Try("upgrade without a token", upgrade(path, headers, self._ingredients.start()))

    def frames_at_once(self) -> Try:
        """WebSocket frames that do not wait for the server's answer to the upgrade, and break the protocol."""
        frames = b"".join(
            frame(
                self._chance.choice((b"", b"\xff\xfe", b"{}", b"[" * 500, self._chance.randbytes(200))),
                self._chance.randrange(16),
                final=self._chance.random() < 0.7,
                masked=self._chance.random() < 0.7,
            )
            for _ in range(self._chance.randrange(1, 20))
        )
        path = self._chance.choice(("/ws", "/ws/twilio", f"/ws/twilio/{self._ingredients.word()}"))
        return Try("frames", upgrade(path, [], frames))

    def malformed(self) -> Try:
        """Bytes that are no HTTP request, or almost one."""
        whole = request(
            "POST", "/twilio/voice", [("Content-Type", FORM)], urlencode(self._ingredients.fields()).encode()
        )
        match self._chance.randrange(9):
            case 0:
                data = self._chance.randbytes(self._chance.randrange(1, 2000)) + b"\r\n\r\n"
            case 1:
                mutated = bytearray(whole)
                for _ in range(self._chance.randrange(1, 12)):
                    mutated[self._chance.randrange(len(mutated))] = self._chance.randrange(256)
                data = bytes(mutated)
            case 2:
                data = request(
                    "POST",
                    "/twilio/voice",
                    [("Content-Type", FORM)],
                    b"a=1",
                    length=self._chance.choice(NASTY),
                )
            case 3:
                both = [
                    ("Content-Type", FORM),
                    ("Transfer-Encoding", self._chance.choice(("chunked", "chunKed", "gzip, chunked", "x"))),
                ]
                data = request("POST", "/telnyx/status", both, b"5\r\nCallS\r\n0\r\n\r\n")
            case 4:
                # Another request in the body, for servers that lose count.
                inner = request("POST", "/calls", [("Content-Type", JSON)], b'{"to": "+12025550111"}')
                data = request("POST", "/twilio/status", [("Content-Type", FORM)], inner, length="5")
            case 5:
                data = request(self._chance.choice(METHODS), self._chance.choice(NASTY) or "/")
            case 6:
                data = request("GET", "/calls/" + quote(self._chance.choice(NASTY), safe=""))
            case 7:
                data = request(
                    "POST",
                    "/twilio/voice",
                    [("Content-Encoding", "gzip"), ("Content-Type", FORM)],
                    b"\x1f\x8b" * 99,
                )
            case _:
                data = upgrade(
                    "/ws/twilio",
                    [("Sec-WebSocket-Version", "12"), ("Sec-WebSocket-Extensions", self._ingredients.word())],
                )
        return Try("malformed", data, wait_secs=0.5)

    def unfinished(self) -> Try:
        """A request whose end the stranger never sends."""
        whole = request("POST", "/twilio/voice", [("Content-Type", FORM)], b"CallSid=CA1" * 10)
        return Try("unfinished", whole[: self._chance.randrange(len(whole) - 1)], wait_secs=0.1)

    def too_large(self) -> Try:
        """A request that is larger than any carrier's or operator's."""
        match self._chance.randrange(4):
            case 0:
                data = request("POST", "/calls", [("Content-Type", JSON)], b"[" + b"[]," * 300_000 + b"[]]")
            case 1:
                data = request("POST", "/twilio/voice", [("Content-Type", FORM)], b"a=1&" * 200_000)
            case 2:
                data = request("GET", "/calls", [(f"X-{n}", "x" * 500) for n in range(200)])
            case _:
                data = request("GET", "/" + "x" * 100_000)
        return Try("too large", data)

    def many_small_parts(self) -> Try:
        """A request that costs a stranger little to send and the server much to read."""
        chunked = [
            ("Content-Type", FORM),
            ("X-Twilio-Signature", self._ingredients.word()),
            ("Transfer-Encoding", "chunked"),
        ]
        path = self._chance.choice(("/twilio/voice", "/telnyx/events", "/calls", "/nowhere"))
        head = request("GET", path, chunked).replace(b"GET", b"POST", 1)
        count = self._chance.randrange(1000, 50_000)
        match self._chance.randrange(5):
            case 0:
                data = b"GET /x HTTP/1.1\r\n\r\n" * count
            case 1:
                data = head + b"1\r\na\r\n" * count
            case 2:
                data = head + b"0\r\n" + b"a:b\r\n" * count
            case 3:
                data = head + b"1;" + b"a" * count
            case _:
                data = b"\r\n" * count
        return Try("many small parts", data, wait_secs=0.2)
