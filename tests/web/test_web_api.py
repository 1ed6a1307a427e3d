"""The REST API."""

import asyncio
import json
import re

import pytest
from pipecat.runner.types import WebSocketRunnerArguments

from calls.events.event import FORMAT
from calls.events.reading import read_event
from calls.events.talk import CallerSaid
from calls.states import CallState, EndedBy
from tests.fake_rest import Answer, fake_rest
from tests.web_service import Running, running, stream_of, streaming, until

KEY = {"Authorization": "Bearer secret"}
CALL = {"CallSid": "CA1", "From": "+14155550100", "To": "+14155550101"}
ROUTES = [
    ("GET", "/calls"),
    ("GET", "/calls/CA1"),
    ("GET", "/calls/CA1/events"),
    ("POST", "/calls/CA1/hangup"),
    ("POST", "/calls/CA1/transfer"),
    ("POST", "/calls/CA1/digits"),
    ("POST", "/calls/CA1/recording"),
    ("PATCH", "/calls/CA1"),
    ("GET", "/calls.csv"),
    ("GET", "/messages"),
    ("PATCH", "/messages/CA1/1"),
    ("GET", "/stats"),
    ("GET", "/events"),
    ("POST", "/calls"),
]


def with_key(tmp_path, **values):
    return running(tmp_path, api_key="secret", **values)


async def a_call(service: Running):
    await service.post("/twilio/voice", **CALL)
    return service.store.list()[0]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_the_api_is_closed_without_the_key(tmp_path, method, path):
    async with with_key(tmp_path) as service:
        await a_call(service)
        wrong = ("Bearer wrong", "secret", "Bearer", "Basic secret")
        for headers in ({}, *({"Authorization": value} for value in wrong)):
            answer = await service.http.request(method, path, headers=headers)
            assert answer.status_code == 401
            assert answer.json() == {"error": "unauthorized"}
            assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_the_api_is_closed_when_no_key_is_set(tmp_path, method, path):
    async with running(tmp_path) as service:
        answer = await service.http.request(method, path, headers={"Authorization": "Bearer x"})
        assert answer.status_code == 401
        assert answer.json() == {"error": "unauthorized"}


@pytest.mark.parametrize(("method", "path"), ROUTES[1:8])
async def test_an_unknown_call_is_not_found(tmp_path, method, path):
    bodies = {
        "transfer": {"destination": "desk"},
        "digits": {"digits": "1"},
        "recording": {"action": "start"},
    }
    async with with_key(tmp_path) as service:
        body = {"note": "A prank."} if method == "PATCH" else bodies.get(path.rsplit("/", 1)[1])
        answer = await service.http.request(method, path, headers=KEY, json=body)
        assert (answer.status_code, "no such call" in answer.json()["error"]) == (404, True)


async def test_a_call_is_shown_with_its_turns_and_events(tmp_path):
    async with with_key(tmp_path) as service:
        call = await a_call(service)
        call.move(CallState.IN_PROGRESS, cause="media stream")
        for kind, text in [("bot_heard", "Hello."), ("caller_said", "Hi!"), ("bot_heard", "What can I do?")]:
            call.record(read_event(call.clock(), kind, {"text": text}))
        call.move(CallState.COMPLETED, cause="goodbye", ended_by=EndedBy.BOT)
        shown = (await service.http.get(f"/calls/{call.id}", headers=KEY)).json()
        assert shown == (await service.http.get("/calls/CA1", headers=KEY)).json()
        events, turns = shown.pop("events"), shown.pop("turns")
        times = {name: shown.pop(name) for name in ("created_at", "answered_at", "ended_at")}
        first_words_ms, talk_secs = shown.pop("first_words_ms"), shown.pop("talk_secs")
        assert first_words_ms == shown["figures"].pop("first_words_ms")
        assert talk_secs is not None
        assert shown == {
            "id": call.id,
            "carrier": "twilio",
            "carrier_call_id": "CA1",
            "mode": "",
            "direction": "inbound",
            "from_number": CALL["From"],
            "to_number": CALL["To"],
            "state": "completed",
            "ended_by": "bot",
            "end_cause": "goodbye",
            "agent": "receptionist",
            "answered_by": None,
            "transfers": [],
            "recordings": [],
            "failovers": [],
            "listeners": [],
            "figures": {
                "first_sound_ms": None,
                "responses": 0,
                "response_p50_ms": None,
                "response_p90_ms": None,
                "response_longest_ms": None,
                "stages_p50_ms": {},
                "interruptions": 0,
                "interruptions_undone": 0,
                "dead_air": 0,
                "dead_air_longest_ms": None,
                "not_understood": 0,
            },
            "event_format": FORMAT,
            "outcome": "answered",
            "outcome_found": "answered",
            "reviewed_at": None,
            "note": "",
            "response_ms": {"p50": None, "max": None},
            "responses": 0,
            "interruptions": 0,
            "errors": 0,
            "has": [],
            "about": "Hi!",
            "turn_times": [],
        }
        assert turns == [
            {"caller_said": "", "bot_replied": "Hello.", "interrupted": False},
            {"caller_said": "Hi!", "bot_replied": "What can I do?", "interrupted": False},
        ]
        assert [event["kind"] for event in events] == [event.kind for event in call.events]
        assert events[-1] == {
            "at": times["ended_at"],
            "kind": "ended",
            "ended_by": "bot",
            "cause": "goodbye",
        } | {"at": events[-1]["at"]}
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time) for time in times.values())


async def test_transfers_recordings_and_who_answered_are_told_apart(tmp_path):
    async with with_key(tmp_path) as service:
        call = await a_call(service)
        for kind, data in [
            ("answered_by", {"who": "human"}),
            ("recording", {"state": "in_progress", "recording_id": None}),
            ("recording", {"state": "completed", "recording_id": "RE1", "url": "https://h/1", "channels": 2}),
            ("recording", {"state": "in_progress", "recording_id": "RE2"}),
            ("recording", {"state": "paused", "recording_id": None}),
            ("transfer_started", {"destination": "desk", "warm": False}),
            ("transfer_ended", {"destination": "desk", "outcome": "busy", "reason": "says so"}),
            ("transfer_started", {"destination": "billing", "warm": True}),
        ]:
            call.record(read_event(call.clock(), kind, data))
        shown = (await service.http.get("/calls/CA1", headers=KEY)).json()
        assert shown["answered_by"] == "human"
        assert [(one["recording_id"], one["state"]) for one in shown["recordings"]] == [
            ("RE1", "completed"),
            ("RE2", "paused"),
        ]
        assert all(one["started_at"] and one["after_answer_ms"] is None for one in shown["recordings"])
        assert [(one["destination"], one["warm"], one["outcome"]) for one in shown["transfers"]] == [
            ("desk", False, "busy"),
            ("billing", True, None),
        ]


async def test_calls_are_listed_newest_first(tmp_path):
    async with with_key(tmp_path) as service:
        for number in range(3):
            await service.post("/telnyx/voice", CallSid=f"v3:{number}")
        answer = (await service.http.get("/calls?limit=2", headers=KEY)).json()
        assert [call["carrier_call_id"] for call in answer["calls"]] == ["v3:2", "v3:1"]
        wrong = await service.http.get("/calls?limit=none", headers=KEY)
        assert (wrong.status_code, "limit" in wrong.json()["error"]) == (422, True)


async def test_events_stream_until_the_call_has_ended(tmp_path):
    async with with_key(tmp_path) as service:
        call = await a_call(service)
        received: list[dict] = []
        names: list[str] = []
        async with service.http.stream("GET", "/calls/CA1/events", headers=KEY) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["event-format"] == str(FORMAT)
            async for line in answer.aiter_lines():
                if line.startswith("event: "):
                    names.append(line.removeprefix("event: "))
                if line.startswith("data: "):
                    received.append(json.loads(line.removeprefix("data: ")))
                    if names[-1] == "ringing":
                        call.record(CallerSaid(text="Hällo\nthere"))
                    if names[-1] == "caller_said":
                        call.move(CallState.COMPLETED, cause="over")
        assert names == ["state", "ringing", "caller_said", "state", "ended"]
        assert [event["kind"] for event in received] == names
        assert received[2]["text"] == "Hällo\nthere"
        assert received[2]["at"].endswith("Z")
        assert (received[-1]["ended_by"], received[-1]["cause"]) == ("caller", "over")


async def test_a_listener_that_goes_away_is_forgotten(tmp_path):
    async with with_key(tmp_path) as service:
        call = await a_call(service)
        before = list(call._watchers)
        async with service.http.stream("GET", "/calls/CA1/events", headers=KEY) as answer:
            await anext(answer.aiter_lines())
            assert len(call._watchers) == len(before) + 1
        for _ in range(100):
            if call._watchers == before:
                break
            await asyncio.sleep(0.05)
        assert call._watchers == before


async def test_hanging_up_tells_the_carrier(tmp_path):
    async with fake_rest(Answer.json(200, {"sid": "CA1", "status": "completed"})) as rest:
        credentials = {"twilio_account_sid": "AC1", "twilio_auth_token": "t", "twilio_api_base_url": rest.url}
        async with with_key(tmp_path, **credentials) as service:
            service.store.open(carrier="twilio", carrier_call_id="CA1")
            for _ in "12":
                answer = await service.http.post("/calls/CA1/hangup", headers=KEY)
                assert answer.status_code == 200
                assert (answer.json()["state"], answer.json()["ended_by"]) == ("completed", "human")
        assert len(rest.requests) == 1


async def test_hanging_up_closes_the_socket_when_the_carrier_cannot_be_told(tmp_path):
    async def bot(arguments: WebSocketRunnerArguments) -> None:
        async for _ in arguments.websocket.iter_text():
            pass

    async with with_key(tmp_path, run_bot=bot) as service:
        url, _ = stream_of((await service.post("/twilio/voice", **CALL)).text)
        async with streaming(url) as socket:
            await until(lambda: service.app.state.service.sockets)
            answer = await service.http.post("/calls/CA1/hangup", headers=KEY)
            assert answer.status_code == 200
            await asyncio.wait_for(socket.wait_closed(), 5)
        ended = await service.post("/twilio/connect-ended", **CALL, CallStatus="in-progress")
        assert "Say" not in ended.text
        assert "<Hangup" in ended.text


async def test_hanging_up_without_any_means_says_so(tmp_path):
    async with with_key(tmp_path) as service:
        await a_call(service)
        answer = await service.http.post("/calls/CA1/hangup", headers=KEY)
        assert answer.status_code == 502
        assert "no credentials for twilio" in answer.json()["error"]


async def test_wrong_paths_and_methods_are_one_line_of_json(tmp_path):
    async with with_key(tmp_path) as service:
        assert (await service.http.get("/nowhere")).json() == {"error": "not found"}
        wrong = await service.http.get("/calls/CA1/hangup", headers=KEY)
        assert (wrong.status_code, wrong.json()) == (405, {"error": "method not allowed"})
