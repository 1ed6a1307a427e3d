"""`/metrics`: who may read it, and what becomes of each event of a call there."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from calls.events.lifecycle import ErrorHappened, HangUpFailed, TurnedAway
from calls.events.talk import (
    Attached,
    CallerSaid,
    DeadAirNoticed,
    Detached,
    ServiceFailedOver,
    TurnMeasured,
)
from calls.settled import Settled
from calls.states import CallState, EndedBy
from calls.store import CallStore
from calls.transfer import TransferOutcome
from conversation.playout import LOST_MARKS
from desk.api_keys import FILE, Scope, add, new_key
from serializers.base import IGNORED
from settings import ROOT
from tests.exposed import labels, named, samples
from tests.web_service import running, until
from web.observing.labels import NONE, OTHER, Bounded

ELSEWHERE = "https://bot.example.com"
CALLER, BOT = "+12025550143", "+12025550100"
WORDS = "my card is four two four two"


def turn(n, ms, to="caller", interrupted=False, after_ms=None):
    parts = [
        {
            "key": "endpointing_wait",
            "stage": "end_of_turn",
            "owner": "VAD stop_secs",
            "kind": "setting",
            "ms": 200,
        },
        {
            "key": "llm_inference",
            "stage": "model",
            "owner": "OpenAILLMService",
            "kind": "service",
            "ms": ms - 300,
        },
        {
            "key": "speech_synthesis",
            "stage": "voice",
            "owner": "CartesiaTTSService",
            "kind": "service",
            "ms": 60,
        },
        {
            "key": "sentence_aggregation",
            "stage": "voice",
            "owner": "CartesiaTTSService",
            "kind": "service",
            "ms": 40,
        },
    ]
    return TurnMeasured(n, to, ms, parts, True, interrupted, after_ms)


def begun(store, **known):
    given = {
        "carrier": "twilio",
        "carrier_call_id": "CA1",
        "from_number": CALLER,
        "to_number": BOT,
        "agent": "receptionist",
    }
    return store.open(**{**given, **known})


async def metrics(service, **headers):
    answer = await service.http.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_a_call_gives_exactly_these_counters(tmp_path):
    async with running(tmp_path) as service:
        call = begun(service.store)
        assert named(await metrics(service), "phonebot_calls_live") == {labels(state="ringing"): 1}
        call.move(CallState.IN_PROGRESS, cause="answered")
        call.record(Attached("MZ1"))
        call.record(turn(0, 500, to="call", after_ms=700))
        call.record(CallerSaid(WORDS))
        call.record(turn(1, 650, interrupted=True, after_ms=9000))
        call.record(turn(2, 2400, after_ms=19_000))
        call.record(ServiceFailedOver("llm", "openai", "anthropic", "stalled"))
        call.record(DeadAirNoticed("filler", "model_silent", 1.5))
        call.record(ErrorHappened(f"a service quotes {WORDS}", "connectivity"))
        call.record(HangUpFailed("the carrier says no"))
        call.transfer_ended("desk", TransferOutcome.BUSY, bot_tells=True)
        text = await metrics(service)
        assert named(text, "phonebot_calls_live") == {labels(state="in_progress"): 1}
        assert named(text, "phonebot_calls_total") == {}
        call.move(CallState.COMPLETED, cause="bye", ended_by=EndedBy.BOT)
        assert named(await metrics(service), "phonebot_calls_total") == {}  # its session goes on
        call.record(Detached("over"))
        await until(lambda: not service.app.state.observing._counting._settled._waiting)
        text = await metrics(service)
    counted = {
        key: value
        for key, value in samples(text).items()
        if value and (key[0].endswith("_total") or key[0].endswith("_count") or key[0].endswith("_sum"))
        if not key[0].startswith(("phonebot_cpu", "phonebot_event_loop"))
    }
    whole = {key: value for key, value in counted.items() if not key[0].endswith("_sum")}
    assert whole == {
        (
            "phonebot_calls_total",
            labels(carrier="twilio", direction="inbound", agent="receptionist", outcome="answered"),
        ): 1,
        ("phonebot_call_seconds_count", ()): 1,
        ("phonebot_answer_seconds_count", labels(carrier="twilio")): 1,
        ("phonebot_first_words_seconds_count", ()): 1,
        ("phonebot_response_seconds_count", labels(agent="receptionist")): 2,
        ("phonebot_response_stage_seconds_count", labels(stage="end_of_turn", service=NONE)): 2,
        ("phonebot_response_stage_seconds_count", labels(stage="model", service="OpenAILLMService")): 2,
        ("phonebot_response_stage_seconds_count", labels(stage="voice", service="CartesiaTTSService")): 2,
        ("phonebot_interruptions_total", ()): 1,
        ("phonebot_transfers_total", labels(outcome="busy")): 1,
        ("phonebot_errors_total", labels(kind="connectivity")): 1,
        ("phonebot_errors_total", labels(kind="hang_up_failed")): 1,
        ("phonebot_failovers_total", labels(job="llm", cause="stalled")): 1,
        ("phonebot_dead_air_total", labels(stage="filler", cause="model_silent")): 1,
    }
    assert counted["phonebot_response_seconds_sum", labels(agent="receptionist")] == pytest.approx(3.05)
    assert counted["phonebot_first_words_seconds_sum", ()] == pytest.approx(0.7)
    model = labels(stage="model", service="OpenAILLMService")
    assert counted["phonebot_response_stage_seconds_sum", model] == pytest.approx(2.45)
    voice = labels(stage="voice", service="CartesiaTTSService")
    assert counted["phonebot_response_stage_seconds_sum", voice] == pytest.approx(0.2)
    buckets = {
        dict(key)["le"]: value for key, value in named(text, "phonebot_response_seconds_bucket").items()
    }
    assert (buckets.get("0.6"), buckets["0.8"], buckets["2.0"], buckets["3.0"]) == (None, 1, 1, 2)
    assert named(text, "phonebot_calls_live") == {}
    for private in (CALLER, CALLER[-4:], WORDS, "card", call.id, call.carrier_call_id, "MZ1"):
        assert private not in text


async def test_what_another_process_has_recorded_is_that_ones_to_count(tmp_path):
    async with running(tmp_path) as service:
        call = begun(service.store)
        call.record(turn(0, 650))
        theirs = [
            type(event)(**{**event.data, "stored": event.data})
            for event in (HangUpFailed("no"), TurnedAway("full", "say"))
        ]
        call.learned([*call.events, *theirs], theirs, {})
        text = await metrics(service)
        assert named(text, "phonebot_turned_away_total") == named(text, "phonebot_errors_total") == {}
        assert named(text, "phonebot_response_seconds_count") == {labels(agent="receptionist"): 1}


async def test_what_streams_requests_and_refusals_count_is_told(tmp_path):
    async with running(tmp_path, api_key="secret", public_url=ELSEWHERE) as service:
        key = {"Authorization": "Bearer secret"}
        IGNORED["bad_json"] += 3
        LOST_MARKS["end"] += 2
        assert (await service.http.get("/metrics")).status_code == 401
        assert (await service.http.post("/twilio/voice", data={"CallSid": "CA9"})).status_code == 403
        service.app.state.observing._counting.look()
        text = await metrics(service, **key)
        assert named(text, "phonebot_media_ignored_total") == {labels(reason="bad_json"): 3}
        assert named(text, "phonebot_marks_lost_total") == {(): 2}
        assert named(text, "phonebot_refused_total")[labels(reason="api_key")] == 1
        assert named(text, "phonebot_webhook_seconds_count") == {labels(route="/twilio/voice"): 1}
        assert (await service.http.post("/twilio/+12025550143")).status_code == 404
        text = await metrics(service, **key)
        assert named(text, "phonebot_webhook_seconds_count")[labels(route="unknown")] == 1


@pytest.mark.parametrize("path", ["/metrics", "/metrics/"])
async def test_strangers_see_nothing(tmp_path, path):
    secrets = {"api_key": "secret", "metrics_token": "for prometheus"}
    async with running(tmp_path, public_url=ELSEWHERE, **secrets) as service:
        for given in (None, "Bearer", "Bearer wrong", "Basic c2VjcmV0", "Bearer for", "Bearer forprometheus"):
            headers = {"Authorization": given} if given else {}
            answer = await service.http.get(path, headers=headers)
            assert (answer.status_code, answer.json()) == (401, {"error": "unauthorized"})
        for given in secrets.values():
            answer = await service.http.get(path, headers={"Authorization": f"Bearer {given}"})
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        token = {"Authorization": "Bearer for prometheus"}
        assert (await service.http.get("/calls", headers=token)).status_code == 401
        assert (await service.http.post("/drain", headers=token)).status_code == 401
    async with running(tmp_path, public_url=ELSEWHERE) as service:
        assert (await service.http.get(path)).status_code == 401


async def test_a_key_that_may_read_opens_them_and_one_that_may_only_look_on_does_not(tmp_path):
    async with running(tmp_path, public_url=ELSEWHERE) as service:
        for scope, status in ((Scope.VIEW, 403), (Scope.READ, 200)):
            key, kept = new_key(str(scope), scope, 0)
            add(tmp_path / "data" / FILE, kept)
            answer = await service.http.get("/metrics", headers={"Authorization": f"Bearer {key}"})
            assert answer.status_code == status


async def test_a_developer_sees_them_on_their_own_machine(tmp_path):
    async with running(tmp_path) as service:
        assert (await service.http.get("/metrics")).status_code == 200
        passed_on = {"X-Forwarded-For": "203.0.113.7"}
        assert (await service.http.get("/metrics", headers=passed_on)).status_code == 401


async def test_prometheus_may_ask_for_the_open_format(tmp_path):
    async with running(tmp_path) as service:
        accept = {"Accept": "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"}
        answer = await service.http.get("/metrics", headers=accept)
        assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        assert answer.text.endswith("# EOF\n")


def test_labels_are_names_and_there_are_not_many_of_them():
    known = Bounded(3, lambda: ["sales", "desk", "a", "b"])
    assert [known(one) for one in ("sales", "+12025550143", None, "", "other people")] == [
        "sales",
        OTHER,
        NONE,
        NONE,
        OTHER,
    ]
    assert [known(one) for one in ("desk", "a", "b", "sales", "mine")] == ["desk", "a", OTHER, "sales", OTHER]
    anything = Bounded(2)
    assert [anything(one) for one in ("x" * 61, "a b", "1", 'a"b', "A.b-c_1", "z", "y")] == [
        *[OTHER] * 4,
        "A.b-c_1",
        "z",
        OTHER,
    ]


async def test_agents_that_nobody_has_written_share_one_label(tmp_path):
    async with running(tmp_path) as service:
        for n in range(200):
            call = begun(service.store, carrier_call_id=f"CA{n}", agent=f"made-up-{n}" if n else "sales")
            call.move(CallState.IN_PROGRESS, cause="answered")
            call.record(turn(1, 500))
        found = named(await metrics(service), "phonebot_response_seconds_count")
        assert found == {labels(agent="sales"): 1, labels(agent=OTHER): 199}


async def test_a_call_is_settled_once_its_session_is_over():
    store, told = CallStore(), []
    settled = Settled(store.feed, told.append, after_secs=0.05, longest_secs=0.3)
    quick, slow, stuck = (begun(store, carrier_call_id=one) for one in ("CA1", "CA2", "CA3"))
    for call in (slow, stuck):
        call.record(Attached("MZ"))
    for call in (quick, slow, stuck):
        call.move(CallState.COMPLETED, cause="over")
    await until(lambda: told == [quick])
    slow.record(Detached("over"))
    await until(lambda: told == [quick, slow])
    await until(lambda: told == [quick, slow, stuck])
    last = begun(store, carrier_call_id="CA4")
    last.move(CallState.COMPLETED, cause="over")
    settled.close()
    assert told == [quick, slow, stuck, last]


A_PROCESS = """
import asyncio, json, os, sys
from calls.states import CallState
from calls.store import CallStore
from tests.web.test_metrics_are_made_of_events import begun, turn
from tests.web_service import running
from pathlib import Path

async def main(folder, calls):
    async with running(folder, metrics_folder=os.environ["PROMETHEUS_MULTIPROC_DIR"]) as service:
        for n in range(calls):
            call = begun(service.store, carrier_call_id=f"CA{n}")
            call.move(CallState.IN_PROGRESS, cause="answered")
            call.record(turn(1, 500))
        text = (await service.http.get("/metrics")).text
        print(json.dumps({"pid": os.getpid(), "text": text}), flush=True)
        sys.stdin.read()

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


def test_whichever_process_is_asked_answers_for_all(tmp_path):
    from prometheus_client.multiprocess import mark_process_dead

    folder = tmp_path / "metrics"
    folder.mkdir()
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder), "DATA_DIR": str(tmp_path)}
    processes = []

    def begin(calls):
        place = tmp_path / str(len(processes))
        place.mkdir()
        process = subprocess.Popen(
            [sys.executable, "-c", A_PROCESS, str(place), str(calls)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        told = json.loads(process.stdout.readline())
        assert told["pid"] == process.pid
        return told["text"]

    turns, live = "phonebot_response_seconds_count", "phonebot_calls_live"
    try:
        assert named(begin(2), turns) == {labels(agent="receptionist"): 2}
        both = begin(3)
        assert named(both, turns) == {labels(agent="receptionist"): 5}
        assert named(both, live) == {labels(state="in_progress"): 5}
        assert named(both, "phonebot_processes") == {(): 2}
        processes[0].kill()
        processes[0].wait()
        mark_process_dead(processes[0].pid, str(folder))  # as the parent does
        after = begin(1)
        # What the dead one has counted stays counted, and its calls are not there any more.
        assert named(after, turns) == {labels(agent="receptionist"): 6}
        assert named(after, live) == {labels(state="in_progress"): 4}
        assert named(after, "phonebot_processes") == {(): 2}
    finally:
        for process in processes:
            process.kill()
            process.communicate()
