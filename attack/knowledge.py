"""What a stranger knows who has seen a carrier's traffic: addresses, ids of live calls, genuine requests."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


@dataclass
class Seen:
    """A carrier's genuine request that the stranger has seen: no part of it may help with another one.

    Parameters:
        path: With its query.
        headers: Those that prove that the carrier sent it.
        body: As the carrier sent it.
        content_type: Of the body.
    """

    path: str
    headers: dict[str, str]
    body: str
    content_type: str


@dataclass
class Knowledge:
    """What strangers start from.

    Parameters:
        port: The server's, on 127.0.0.1.
        call_ids: Carriers' ids of live calls.
        used_tokens: Paths of media sockets that a carrier has opened.
        keyed: Addresses that the server gave a carrier for one call, with the keys in them.
        seen: Genuine requests.
        read_key: A key that may read; empty for none.
        revoked_key: A key that was good once.
        session: The cookie of somebody who may do everything, as `NAME=VALUE`: other sites' pages have it sent along,
            and cannot read it.
    """

    port: int
    call_ids: list[str] = field(default_factory=list)
    used_tokens: list[str] = field(default_factory=list)
    keyed: list[str] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    read_key: str = ""
    revoked_key: str = ""
    session: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Knowledge:
        content = json.loads(text)
        content["seen"] = [Seen(**seen) for seen in content["seen"]]
        return cls(**content)
