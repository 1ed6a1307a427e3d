"""A process that is full, too busy or about to stop gives each new caller a defined end, and running calls go on."""

import asyncio
import gc
import signal
import time
import weakref

import pytest
import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatus

from calls.events.lifecycle import TurnedAway
from calls.states import CallState, EndedBy
from desk import room
from desk.load import LOOKS, Load, cores
from desk.room import Room
from tests.fake_rest import fake_rest
from tests.web.test_web_call_control_events import DONE, commands, event, initiated, serving, tell
from tests.web_service import make_settings, running, start_of, stream_of, streaming, until, verbs

CALL = {"CallSid": "CA1", "From": "+14155550100", "To": "+14155550101"}
SECOND = {**CALL, "CallSid": "CA2"}
KEY = {"Authorization": "Bearer secret"}
BUSY = "I'm sorry, all our lines are busy at the moment. Please call again in a few minutes. Goodbye."
CARRIERS = pytest.mark.parametrize("carrier", ["twilio", "telnyx"])


async def ready(service) -> tuple[int, object]:
    answer = await service.http.get("/readyz")
    return answer.status_code, answer.json().get("reason")


@CARRIERS
async def test_the_second_caller_of_one_hears_so_within_a_second_and_the_first_goes_on(tmp_path, carrier):
    async with running(tmp_path, max_calls=1) as service:
        url, _ = stream_of((await service.post(f"/{carrier}/voice", **CALL)).text)
        assert await ready(service) == (503, "full")
        asked = time.monotonic()
        answer = await service.post(f"/{carrier}/voice", **SECOND)
        assert time.monotonic() - asked < 1
        assert verbs(answer.text) == [("Say", BUSY), ("Pause", None), ("Hangup", None)]
        # The carrier asks about both again: one goes on, the other one is turned away again, and counted once.
        assert stream_of((await service.post(f"/{carrier}/voice", **CALL)).text)
        assert verbs((await service.post(f"/{carrier}/voice", **SECOND)).text)[0] == ("Say", BUSY)
        async with streaming(url, carrier):  # the running call's socket is never refused
            second = service.store.find(carrier, "CA2")
            assert [e.data for e in second.events if e.kind == "turned_away"] == [
                {"reason": "full", "how": "say"}
            ]
            await service.post(f"/{carrier}/status", **SECOND, CallStatus="completed")
            assert (second.state, second.ended_by) == (CallState.COMPLETED, EndedBy.LIMIT)
            assert service.app.state.service.room.turned_away == {"full": 1}
            await service.post(f"/{carrier}/status", **CALL, CallStatus="completed")
        await until(lambda: service.app.state.service.room.reason is None)
        assert stream_of((await service.post(f"/{carrier}/voice", **{**CALL, "CallSid": "CA3"})).text)


async def test_the_agents_own_words_are_said_in_its_language(tmp_path):
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "wirt.toml").write_text(
        'greeting = "Hallo."\ninstructions = "x"\nlanguage = "de"\n', encoding="utf-8"
    )
    async with running(tmp_path, max_calls=1) as service:
        await service.post("/twilio/voice", **CALL)
        answer = await service.post("/twilio/voice?agent=wirt", **SECOND)
        assert "Leitungen belegt" in answer.text
        assert 'language="de-DE"' in answer.text


@CARRIERS
async def test_a_busy_tone_is_the_carriers_own(tmp_path, carrier):
    async with running(tmp_path, max_calls=1, when_full="busy") as service:
        await service.post(f"/{carrier}/voice", **CALL)
        answer = await service.post(f"/{carrier}/voice", **SECOND)
        assert [verb for verb, _ in verbs(answer.text)] == ["Reject"]
        assert 'reason="busy"' in answer.text
        second = service.store.find(carrier, "CA2")
        assert (second.state, second.ended_by) == (CallState.BUSY, EndedBy.LIMIT)
        # Its first answer may have got lost.
        assert (await service.post(f"/{carrier}/voice", **SECOND)).text == answer.text


@CARRIERS
async def test_another_server_gets_the_call_once(tmp_path, carrier):
    secret = {"stream_token_secret": "s" * 32}
    async with (
        running(tmp_path, **secret) as other,
        running(tmp_path, max_calls=1, when_full=other.url, **secret) as service,
    ):
        await service.post(f"/{carrier}/voice", **CALL)
        answer = await service.post(f"/{carrier}/voice?agent=sales&campaign=spring", **SECOND)
        ((verb, address),) = verbs(answer.text)
        assert verb == "Redirect"
        assert address.startswith(f"{other.url}/{carrier}/voice")
        assert service.store.find(carrier, "CA2") is None
        _, parameters = stream_of((await other.http.post(address, data=SECOND)).text)
        assert (parameters["agent"], parameters["campaign"]) == ("sales", "spring")
        assert "sent_on" not in parameters
    async with running(tmp_path, max_calls=1, when_full="http://127.0.0.1:9", **secret) as service:
        await service.post(f"/{carrier}/voice", **CALL)
        # Sent here by another full one: it does not go round in circles.
        answer = await service.post(f"/{carrier}/voice?sent_on=1", **SECOND)
        assert verbs(answer.text)[0] == ("Say", BUSY)


@CARRIERS
async def test_a_number_takes_the_call_and_its_end_is_the_calls_end(tmp_path, carrier):
    async with running(tmp_path, max_calls=1, when_full="+12025550111") as service:
        await service.post(f"/{carrier}/voice", **CALL)
        answer = await service.post(f"/{carrier}/voice", **SECOND)
        assert [verb for verb, _ in verbs(answer.text)] == ["Dial"]
        assert "+12025550111" in answer.text
        second = service.store.find(carrier, "CA2")
        path = service.way_back_path(second, "transfer")
        result = {"CallSid": "CA2", "CallStatus": "in-progress", "DialCallStatus": "no-answer"}
        answer = await service.post(path, **result)
        assert verbs(answer.text)[0] == ("Say", BUSY)  # not the bot, for which there was no room


@pytest.mark.parametrize(
    ("when_full", "asked"),
    [
        ("say", ["answer", "speak", "hangup"]),
        ("busy", ["reject"]),
        ("+12025550111", ["answer", "transfer"]),
        ("https://bot2.example.com", ["answer", "speak", "hangup"]),
    ],
)
async def test_calls_that_are_run_by_commands_end_the_same(tmp_path, when_full, asked):
    async with fake_rest(DONE) as rest, serving(tmp_path, rest, max_calls=1, when_full=when_full) as service:
        await tell(service, initiated())
        await until(lambda: commands(rest) == ["answer"])
        second = {"call_control_id": "v3:2"}
        await tell(service, initiated(**second))
        await until(lambda: len(commands(rest)) > 1 and commands(rest)[-1] in ("speak", "reject", "transfer"))
        await tell(service, event("call.speak.ended", status="completed", **second))
        await until(lambda: commands(rest)[1:] == asked)
        cause = "user_busy" if when_full == "busy" else "normal_clearing"
        await tell(service, event("call.hangup", hangup_cause=cause, **second))
        call = service.store.find("telnyx", "v3:2")
        assert call.has(TurnedAway)
        assert call.state == ("busy" if when_full == "busy" else "completed")
        assert call.ended_by == ("caller" if when_full.startswith("+") else "limit")


async def test_sockets_without_a_token_are_refused_before_the_upgrade(tmp_path):
    async with running(tmp_path, max_calls=1, allow_tokenless_streams=True) as service:
        async with streaming(f"{service.ws_url}/ws", call_id="CA1"):
            await until(lambda: service.app.state.service.room.taken == 1)
            with pytest.raises(InvalidStatus) as refused:
                await websockets.connect(f"{service.ws_url}/ws")
            assert refused.value.response.status_code == 503
        await until(lambda: service.app.state.service.room.taken == 0)
        async with streaming(f"{service.ws_url}/ws", call_id="CA2") as socket:
            await socket.send("x")
    assert service.app.state.service.refusals.counts == {"no_room": 1}


async def test_a_running_call_without_tokens_may_come_back_and_no_other_takes_its_chance(tmp_path):
    async with running(tmp_path, max_calls=1, allow_tokenless_streams=True) as service:
        state = service.app.state.service
        async with streaming(f"{service.ws_url}/ws", call_id="CA1"):
            await until(lambda: state.live_sessions == 1)
            call = service.store.open(carrier="twilio", carrier_call_id="CA1")  # as the bot does
        await until(lambda: state.live_sessions == 0)
        assert state.room.reason == "full"  # its place is kept for a while
        async with websockets.connect(f"{service.ws_url}/ws") as socket:
            await socket.send(start_of("twilio", "CA2"))
            with pytest.raises(ConnectionClosed):
                await socket.recv()
        async with streaming(f"{service.ws_url}/ws", call_id="CA1"):
            await until(lambda: state.live_sessions == 1)
        call.move(CallState.COMPLETED, cause="over")
        assert state.room.reason is None


async def test_calls_that_we_would_place_wait(tmp_path):
    async with running(tmp_path, max_calls=1, api_key="secret") as service:
        await service.post("/twilio/voice", **CALL)
        answer = await service.http.post("/calls", json={"to": "+12025550143"}, headers=KEY)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert "MAX_CALLS" in answer.json()["error"]


async def test_draining_is_the_operators_and_can_be_taken_back(tmp_path):
    async with running(tmp_path, api_key="secret") as service:
        assert (await service.http.post("/drain")).status_code == 401
        url, _ = stream_of((await service.post("/twilio/voice", **CALL)).text)
        began = (await service.http.post("/drain", headers=KEY)).json()
        assert (began["draining"], began["calls"]) == (True, 1)
        assert await ready(service) == (503, "draining")
        assert (await service.http.get("/healthz")).status_code == 200
        assert verbs((await service.post("/twilio/voice", **SECOND)).text)[0] == ("Say", BUSY)
        async with streaming(url):
            pass
        assert (await service.http.delete("/drain", headers=KEY)).json()["draining"] is False
        assert await ready(service) == (200, None)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def a_room(tmp_path, max_calls=2, **more):
    from calls.store import CallStore

    clock, store = Clock(), CallStore()
    sockets: set[str] = set()
    return Room(max_calls, lambda call_id: call_id in sockets, clock=clock, **more), store, clock, sockets


def test_a_call_that_never_opens_its_socket_frees_its_place(tmp_path):
    places, store, clock, sockets = a_room(tmp_path)
    silent, talking = (store.open(carrier="twilio", carrier_call_id=name) for name in ("CA1", "CA2"))
    places.take(silent)
    places.take(talking)
    sockets.add(talking.id)
    assert places.reason == "full"
    clock.now = room.WITHOUT_SOCKET_SECS + 1
    assert (places.reason, places.running) == (None, [talking])
    clock.now += 3600
    assert places.running == [talking]


@pytest.mark.parametrize("max_calls", [0, 2])
def test_calls_that_have_ended_are_not_kept_for_their_place(tmp_path, max_calls):
    places, store, _, _ = a_room(tmp_path, max_calls)
    call = store.open(carrier="twilio", carrier_call_id="CA1")
    places.take(call)
    call.move(CallState.COMPLETED, cause="x")
    places.take(store.open(carrier="twilio", carrier_call_id="CA2"))
    ended, call = weakref.ref(call), store.open(carrier="twilio", carrier_call_id="CA3")
    store._drop(ended())  # as with the oldest of many
    gc.collect()
    assert ended() is None


def test_a_caller_who_talks_with_a_colleague_keeps_the_place(tmp_path):
    places, store, clock, _ = a_room(tmp_path)
    call = store.open(carrier="twilio", carrier_call_id="CA1")
    call.move(CallState.IN_PROGRESS, cause="x")
    call.move(CallState.TRANSFERRING, cause="x")
    places.take(call)
    clock.now = 3600
    assert places.running == [call]
    call.move(CallState.IN_PROGRESS, cause="back")
    assert places.running == []


def test_a_call_that_is_to_end_is_waited_for_shortly(tmp_path):
    places, store, clock, _ = a_room(tmp_path)
    call = store.open(carrier="twilio", carrier_call_id="CA1")
    places.take(call)
    call.will_end(EndedBy.BOT, "said goodbye")
    assert places.taken == 1
    clock.now = room.ENDING_SECS + 0.1
    assert places.taken == 0


def test_a_busy_machine_takes_no_call_beside_one_that_runs(tmp_path):
    load = Load(1.0)
    places, store, _, _ = a_room(tmp_path, load=load)
    for _ in range(LOOKS):
        load.looked(0.3)
    assert places.reason is None  # nobody would suffer from it
    call = store.open(carrier="twilio", carrier_call_id="CA1")
    places.take(call)
    assert places.reason == "busy"
    for _ in range(LOOKS):
        load.looked(0.001)
    assert places.reason is None


def test_without_a_limit_nobody_is_turned_away(tmp_path):
    load = Load(1.0)
    for _ in range(LOOKS):
        load.looked(0.3)
    places, store, _, _ = a_room(tmp_path, 0, load=load)
    for number in range(100):
        places.take(store.open(carrier="twilio", carrier_call_id=f"CA{number}"))
    assert places.reason is None


async def test_processor_time_is_counted_by_the_cores_there_are():
    load = Load(0.001)  # a thousandth of a core: whatever this process does is too much
    watching = asyncio.create_task(load.watch())
    await asyncio.sleep(0.5)
    sum(number * number for number in range(2_000_000))
    await asyncio.sleep(0.5)
    watching.cancel()
    assert load.share > 1


def test_the_capacity_is_what_the_documents_plan_with(tmp_path, monkeypatch):
    from desk import capacity
    from settings import ROOT

    for count, keyless, hosted in ((0.5, 3, 15), (2.0, 12, 30), (8.0, 48, 30)):
        monkeypatch.setattr(capacity, "cores", lambda count=count: count)
        given = {"agents_dir": ROOT / "agents"}
        assert capacity.capacity_of(make_settings(**given)) == keyless
        assert capacity.capacity_of(make_settings(**given, deepgram_api_key="k")) == hosted
        assert capacity.capacity_of(make_settings(**given, max_calls=7)) == 7
    assert cores() > 0
    monkeypatch.setattr(capacity, "cores", lambda: 2.0)
    for workers, keyless, hosted in ((1, 12, 30), (2, 6, 30), ("auto", 6, 30), (4, 3, 15)):
        assert capacity.capacity_of(make_settings(**given, workers=workers)) == keyless
        assert capacity.capacity_of(make_settings(**given, workers=workers, deepgram_api_key="k")) == hosted
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert f"| hosted | {capacity.HOSTED_PER_CORE} |" in text
    assert f"| on this machine | {capacity.LOCAL_PER_CORE} |" in text


async def test_who_leaves_the_port_to_others_takes_a_call_that_still_comes_and_closes_its_connection(
    tmp_path,
):
    async with running(tmp_path) as service:
        drain = service.app.state.service.drain
        answer = await service.post("/twilio/voice", **CALL)
        assert "connection" not in answer.headers
        drain.leave()
        finishing = asyncio.create_task(drain.finish())
        answer = await service.post("/twilio/voice", **SECOND)
        assert stream_of(answer.text) and answer.headers["connection"] == "close"
        assert not finishing.done()
        for one in (CALL, SECOND):
            await service.post("/twilio/status", **one, CallStatus="completed")
        async with asyncio.timeout(30):
            await finishing


async def test_a_drain_is_for_all_who_share_the_port(tmp_path):
    async with running(tmp_path, api_key="secret") as service:
        sent = []
        service.app.state.service.drain.tell_all = sent.append
        assert (await service.http.post("/drain", headers=KEY)).json()["draining"]
        assert not (await service.http.delete("/drain", headers=KEY)).json()["draining"]
        assert sent == [signal.SIGUSR1, signal.SIGUSR2]
