"""The example of a receiver takes our notices once each, and nobody else's."""

import asyncio
import json
import os
import sys
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from calls.events.talk import CallerSaid, MessageTaken
from calls.outbox.making import notice
from calls.outbox.notices import Kind
from calls.outbox.receivers import NotDelivered, Receiver
from calls.outbox.webhooks import http_client, post, signed_headers
from calls.states import CallState, EndedBy
from calls.store import CallStore
from settings import ROOT
from tests.receiver import SECRET, free_port

OTHER = "whsec_" + "QUJD" * 12


@pytest.fixture
async def example():
    """The example, run as it says: `python -m examples.webhook_receiver`."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", "-m", "examples.webhook_receiver"),
        cwd=ROOT,
        env={**os.environ, "WEBHOOK_SECRET": SECRET, "PORT": str(port)},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        url = f"http://127.0.0.1:{port}/"
        async with asyncio.timeout(60), httpx.AsyncClient(trust_env=False) as http:
            while True:
                try:
                    await http.get(url)
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
        yield url, process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def notices():
    call = CallStore().open(carrier="twilio", carrier_call_id="CA1", agent="sales")
    call.move(CallState.IN_PROGRESS, cause="answered")
    call.record(CallerSaid(text="Hello."))
    taken = call.record(MessageTaken(message="Call me."))
    call.move(CallState.COMPLETED, cause="over", ended_by=EndedBy.CALLER)
    now = datetime.now(UTC)
    seqs = {Kind.MESSAGE_TAKEN: call.events.index(taken) + 1}
    return call.id, {
        kind: json.dumps(notice(kind, call, seqs.get(kind, 1), now))
        for kind in (Kind.CALL_STARTED, Kind.MESSAGE_TAKEN, Kind.CALL_ENDED)
    }


async def test_it_takes_our_notices_once_and_nobody_elses(example):
    url, process = example
    call_id, bodies = notices()
    async with http_client() as http:
        for kind, body in bodies.items():
            for _ in range(2):
                await post(http, Receiver(url, SECRET), f"msg_{kind}", body)
        with pytest.raises(NotDelivered, match="401"):
            await post(http, Receiver(url, OTHER), "msg_other", body)
        late = signed_headers(Receiver(url, SECRET), "msg_late", body, datetime.now(UTC) - timedelta(hours=1))
        assert (await http.post(url, content=body, headers=late)).status_code == 401
    process.terminate()
    printed = (await process.stdout.read()).decode().splitlines()
    assert printed == [
        "waiting for notices",
        f"{call_id}: call.started",
        f"{call_id} left a message of 8 characters",
        f"{call_id} ended (completed, by caller): 1 lines",
    ]
