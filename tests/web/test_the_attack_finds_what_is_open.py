"""The attack suite: it can fail, its tries are the same for the same seed, and it tells the public from the private."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from itertools import islice

from attack.knowledge import Knowledge, Seen
from attack.raw_requests import Try, request, statuses
from attack.tries import Tries
from tests.web_service import running

KNOWN = Knowledge(
    port=1,
    call_ids=["CA1"],
    used_tokens=["/ws/twilio/tabcdefgh"],
    keyed=["/telnyx/connect-ended?call=call_1&key=abcdefghijklmnop"],
    seen=[
        Seen("/twilio/voice", {"X-Twilio-Signature": "x" * 28}, "a=1", "application/x-www-form-urlencoded")
    ],
    read_key="phonebot_read",
    revoked_key="phonebot_gone",
    session="phonebot=API_KEY~abc.def.ghijklmnop",
)


def test_a_server_without_proofs_is_found_open():
    """The same attack on a server that believes everybody: it would be no attack if it found nothing."""
    ended = subprocess.run(
        [sys.executable, "-m", "attack", "--weaken", "--tries", "60", "--calls", "1", "--port", "7964"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    outcome = json.loads(ended.stdout.splitlines()[-1])
    assert list(outcome) == [
        "tried",
        "accepted",
        "bots_started",
        "carrier_requests",
        "unhandled",
        "legitimate_ok",
    ]
    assert outcome["tried"] >= 60
    assert outcome["accepted"] > 0
    assert ended.returncode == 1


def test_the_same_seed_tries_the_same():
    def of(seed: int) -> list[str]:
        # Time stamps differ: they are the time.
        return [attempt.kind + str(len(attempt.data)) for attempt in islice(Tries(seed, KNOWN), 300)]

    assert of(1) == of(1)
    assert of(1) != of(2)
    kinds = {kind.rstrip("0123456789") for kind in of(1)}
    assert len(kinds) >= 15
    assert {"a read key that acts", "a revoked key", "a forged cookie", "another site's page"} <= kinds


def test_without_keys_and_sessions_nobody_tries_with_them():
    without = replace(KNOWN, read_key="", revoked_key="", session="")
    kinds = {attempt.kind for attempt in islice(Tries(1, without), 300)}
    assert not kinds & {"a read key that acts", "a revoked key", "a forged cookie", "another site's page"}


async def test_answers_are_told_from_silence(tmp_path):
    import asyncio

    async with running(tmp_path) as service:
        port = int(service.url.rpartition(":")[2])

        async def got(data: bytes) -> list[int]:
            return await asyncio.to_thread(statuses, port, Try("x", data, wait_secs=0.5))

        assert await got(request("GET", "/healthz")) == [200]
        assert await got(request("GET", "/nowhere")) == [404]
        assert await got(b"GET /hea") == []
        assert await got(b"\x00\r\n\r\n") == [400]
