"""What hand-made tries are made of: ids, words, fields, paths, and signatures that are not the carrier's."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import time
from urllib.parse import parse_qsl, quote, urlencode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from attack.knowledge import Knowledge
from attack.raw_requests import frame

NUMBERS = ("+12025550111", "+5352345679", "911", "anonymous", "sip:a@evil.example", "+1" * 40, "٣٣٣", "")
NASTY = (
    "\x00",
    "../../etc/passwd",
    "%2e%2e%2f",
    "{{7*7}}",
    "' OR 1=1 --",
    "<script>",
    "\u202e",
    "9" * 400,
    "-1",
    "NaN",
    "1e999",
)
STRANGERS_KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"a stranger").digest())


class Ingredients:
    """Makes what a try is made of.

    Parameters:
        chance: Decides each of them.
        known: What the strangers know.
    """

    def __init__(self, chance: random.Random, known: Knowledge):
        self._chance = chance
        self._known = known

    def fields(self) -> dict[str, str]:
        """The fields of a webhook about a call, some of them missing or nasty."""
        fields = {
            "CallSid": self.call_id(),
            "AccountSid": "AC00000000000000000000000000000001",
            "From": self._chance.choice(NUMBERS),
            "To": self._chance.choice(NUMBERS),
            "CallStatus": self._chance.choice(("ringing", "in-progress", "completed", "busy", self.word())),
            "Direction": "inbound",
            "DialCallStatus": self._chance.choice(("completed", "busy", "no-answer", self.word())),
            "RecordingSid": self.word(),
            "RecordingUrl": "http://169.254.169.254/latest/meta-data",
            "AnsweredBy": "human",
        }
        for _ in range(self._chance.randrange(3)):
            fields[self._chance.choice(("agent", "call", "role", "for_call", self.word()))] = (
                self._chance.choice(NASTY)
            )
        if self._chance.random() < 0.2:
            del fields[self._chance.choice(sorted(fields))]
        return fields

    def target(self, path: str) -> str:
        """A path, perhaps with another segment or a query behind it."""
        chance = self._chance.random()
        if chance < 0.2:
            path += "/" + quote(self.word(), safe="")
        if chance > 0.5:
            query = {
                self._chance.choice(("call", "agent", "key", "k", "role")): self._chance.choice(
                    (self.word(), *NASTY)
                )
            }
            path += "?" + urlencode(query)
        return path

    def signature(
        self, carrier: str, target: str, fields: dict[str, str], body: bytes
    ) -> list[tuple[str, str]]:
        """The headers of a signature that is not the carrier's, or no headers."""
        chance = self._chance.randrange(6)
        if chance == 0:
            return []
        if carrier == "twilio":
            signed = f"http://127.0.0.1:{self._known.port}{target}" + "".join(
                k + fields[k] for k in sorted(fields)
            )
            secret = self._chance.choice((b"", b"token", b"AC00000000000000000000000000000001", b"\x00"))
            made = base64.b64encode(
                hmac.new(secret, signed.encode("utf-8", "replace"), hashlib.sha1).digest()
            ).decode()
            return [
                (
                    "X-Twilio-Signature",
                    self._chance.choice((made, made, "", self.word(), "=" * 28, "\u00e9" * 28)),
                )
            ]
        stamp = self._chance.choice(
            (str(int(time.time())), "0", "-1", "9" * 400, "1e9", "nan", "", " 1", "+1", f"{time.time():.6f}")
        )
        proof = STRANGERS_KEY.sign(f"{stamp}|".encode() + body)
        made = base64.b64encode(proof).decode()
        signature = self._chance.choice((made, made, "", self.word(), made[:-4], "A" * 88, "\u00e9"))
        return [("Telnyx-Signature-Ed25519", signature), ("Telnyx-Timestamp", stamp)]

    def start(self) -> bytes:
        """The frame that begins a media stream, or nothing."""
        call = self.call_id()
        start = {
            "event": "start",
            "streamSid": "MZ1",
            "start": {
                "callSid": call,
                "streamSid": "MZ1",
                "accountSid": "AC1",
                "customParameters": {"call_id": call},
            },
        }
        return frame(json.dumps(start).encode()) if self._chance.random() < 0.7 else b""

    def call_id(self) -> str:
        """The carrier's id of a live call, or a made-up one."""
        ids = self._known.call_ids
        return (
            self._chance.choice(ids)
            if ids and self._chance.random() < 0.5
            else f"CA{self._chance.randbytes(16).hex()}"
        )

    def word(self) -> str:
        """A random id, or the name of an agent or of a call."""
        return self._chance.choice(
            (self._chance.randbytes(8).hex(), "a", "receptionist", "call_" + self._chance.randbytes(6).hex())
        )

    def moved(self, form: str) -> str:
        """The form with the fields that follow the call's id in a signature moved into that id."""
        fields = dict(sorted(parse_qsl(form)))
        following = list(fields)[list(fields).index("CallSid") + 1 :]
        for name in following[: self._chance.randrange(1, len(following))]:
            fields["CallSid"] += name + fields.pop(name)
        return urlencode(fields)

    def changed(self, text: str) -> str:
        """The text with another value somewhere: of a form's field, or a character."""
        pairs = parse_qsl(text, keep_blank_values=True) if "=" in text and "{" not in text else []
        if pairs:
            place = self._chance.randrange(len(pairs))
            pairs[place] = (pairs[place][0], pairs[place][1] + self.word())
            return urlencode(pairs)
        if len(text) < 4:
            return text + self.word()
        # Not the last characters: base64 has several ways to write the same last byte.
        place = self._chance.randrange(len(text) - 3)
        other = self._chance.choice([c for c in "abcXYZ0189" if c != text[place]])
        return text[:place] + other + text[place + 1 :]
