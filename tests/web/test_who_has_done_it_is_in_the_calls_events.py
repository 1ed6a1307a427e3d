"""Everything that a person does to a call is in its events, with the name of their key."""

import pytest

from calls.events.lifecycle import (
    CallerErased,
    DigitsSent,
    HangUpStarted,
    RecordingChanged,
    TransferStarted,
    TurnedAway,
)
from calls.events.people import MessageHandled, Reviewed
from calls.events.reading import read_event
from calls.events.talk import CallerSaid, MessageTaken
from calls.recordings import recordings
from calls.states import CallState
from conversation import handover
from desk.api_keys import FILE, Scope, add, new_key
from tests.calls_on_disk import store_on
from tests.fake_rest import Answer, fake_rest
from tests.web_service import running

TWILIO = {"twilio_account_sid": "AC1", "twilio_auth_token": "t", "allow_unsigned_webhooks": True}


def a_key(tmp_path, name: str, scope: Scope) -> dict[str, str]:
    key, kept = new_key(name, scope, 0)
    add(tmp_path / "data" / FILE, kept)
    return {"Authorization": f"Bearer {key}"}


def live(service):
    call = service.store.open(carrier="twilio", carrier_call_id="CA1", from_number="+12025550143")
    call.move(CallState.IN_PROGRESS, cause="media stream")
    return call


async def test_hanging_up_pressing_keys_and_recording_name_the_key(tmp_path):
    ann, headers = "ann", a_key(tmp_path, "ann", Scope.CALL)
    done = [
        Answer.json(201, {"sid": "RE1", "status": "in-progress"}),
        Answer.json(200, {"sid": "CA1", "status": "in-progress"}),
        Answer.json(200, {"sid": "CA1", "status": "completed"}),
    ]
    async with fake_rest(*done) as rest:
        async with running(tmp_path, api_key="secret", twilio_api_base_url=rest.url, **TWILIO) as service:
            call = live(service)
            for path, body in (
                ("recording", {"action": "start"}),
                ("digits", {"digits": "1"}),
                ("hangup", None),
            ):
                answer = await service.http.post(f"/calls/CA1/{path}", json=body, headers=headers)
                assert answer.status_code == 200, answer.text
            assert [call.last(kind).by for kind in (RecordingChanged, DigitsSent, HangUpStarted)] == [ann] * 3
            [shown] = answer.json()["recordings"]
            assert "by" not in shown  # who has asked for a change is the event's
            by = {event["kind"]: event.get("by") for event in answer.json()["events"]}
            assert (by["hang_up"], by["digits_sent"], by["recording"], by["state"]) == (ann, ann, ann, None)


async def test_the_key_of_the_settings_is_named_like_its_variable(tmp_path):
    async with running(tmp_path, api_key="secret") as service:
        call = live(service)
        await service.http.post("/calls/CA1/hangup", headers={"Authorization": "Bearer secret"})
        assert call.last(HangUpStarted).by == "API_KEY"


async def test_what_is_said_of_a_call_and_who_deals_with_a_message_name_the_key(tmp_path):
    headers = a_key(tmp_path, "ann", Scope.CALL)
    async with store_on(tmp_path / "calls.db") as store, running(tmp_path, store=store) as service:
        call = live(service)
        call.record(MessageTaken("Bob", "+12025550143", "Call me."))
        answer = await service.http.patch("/calls/CA1", json={"note": "A prank."}, headers=headers)
        assert answer.status_code == 200 and call.last(Reviewed).by == "ann"
        await store.flush()
        [message] = (await service.http.get("/messages", headers=headers)).json()["messages"]
        path = f"/messages/CA1/{message['seq']}"
        shown = (await service.http.patch(path, json={"handled": True}, headers=headers)).json()
        assert shown["handled_by"] == "ann" == call.last(MessageHandled).by


async def test_two_who_hang_up_the_same_call_are_one_end_of_the_first(tmp_path):
    first, second = a_key(tmp_path, "ann", Scope.CALL), a_key(tmp_path, "bob", Scope.CALL)
    over = Answer.json(200, {"sid": "CA1", "status": "completed"})
    async with fake_rest(over) as rest:
        async with running(tmp_path, twilio_api_base_url=rest.url, **TWILIO) as service:
            call = live(service)
            for headers in (first, second):
                assert (await service.http.post("/calls/CA1/hangup", headers=headers)).status_code == 200
            assert [event.by for event in call.events if isinstance(event, HangUpStarted)] == ["ann"]
        assert len(rest.requests) == 1


async def test_a_transfer_names_the_key(tmp_path, monkeypatch):
    headers = a_key(tmp_path, "ann", Scope.CALL)
    asked = {}

    class Session:
        class control:
            can_transfer = True

    def put_through(session, destination, reason, *, by_tool, by):
        asked.update(destination=destination, by_tool=by_tool, by=by)

    monkeypatch.setattr("desk.live_calls.attached_to", lambda call: Session())
    monkeypatch.setattr(handover, "put_through", put_through)
    async with running(tmp_path, **TWILIO) as service:
        live(service)
        body = {"destination": "desk", "reason": "wants a refund"}
        assert (await service.http.post("/calls/CA1/transfer", json=body, headers=headers)).status_code == 202
    assert asked == {"destination": "desk", "by_tool": False, "by": "ann"}


async def test_callers_who_are_turned_away_while_somebody_drains_are_put_down_to_them(tmp_path):
    headers = a_key(tmp_path, "ann", Scope.ADMIN)
    async with running(tmp_path) as service:
        assert (await service.http.post("/drain", headers=headers)).status_code == 200
        await service.post("/twilio/voice", CallSid="CA7", From="+12025550143", To="+12025550100")
        assert service.store.list()[0].last(TurnedAway).by == "ann"
        assert (await service.http.delete("/drain", headers=headers)).status_code == 200
        assert service.app.state.service.room.drained_by is None


async def test_an_erased_call_says_who_has_erased_it_and_stays_so_when_it_is_read_again(tmp_path):
    headers = a_key(tmp_path, "ann", Scope.ADMIN)
    async with store_on(tmp_path / "calls.db") as store, running(tmp_path, store=store) as service:
        call = live(service)
        call.record(CallerSaid("Rosebud"))
        call.move(CallState.COMPLETED, cause="hung up")
        assert (await service.http.delete("/callers/%2B12025550143", headers=headers)).json()["calls"] == 1
        shown = (await service.http.get(f"/calls/{call.id}", headers=headers)).json()
        assert {"kind": "caller_erased", "by": "ann"}.items() <= shown["events"][-1].items()
        assert "Rosebud" not in str(shown) and shown["from_number"] is None


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (HangUpStarted("human", "API", "ann"), {"ended_by": "human", "cause": "API", "by": "ann"}),
        (HangUpStarted("bot", "goodbye"), {"ended_by": "bot", "cause": "goodbye"}),
        (DigitsSent(2), {"count": 2}),
        (DigitsSent(2, "ann"), {"count": 2, "by": "ann"}),
        (CallerErased("ann"), {"by": "ann"}),
        (CallerErased(), {}),
        (TransferStarted("desk", by="ann"), {"destination": "desk", "warm": False, "by": "ann"}),
    ],
)
def test_an_event_says_who_only_where_a_person_was(event, data):
    assert dict(event.data) == data
    again = read_event(event.at, event.kind, data)
    assert type(again) is type(event) and again.by == event.by


def test_a_recording_is_the_same_whoever_has_changed_it(tmp_path):
    from calls.store import CallStore

    call = CallStore().open(carrier="twilio", carrier_call_id="CA1")
    call.record(RecordingChanged("in_progress", "RE1", "ann"))
    call.record(RecordingChanged("paused", "RE1", "bob"))
    assert [(one.id, one.state) for one in recordings(call)] == [("RE1", "paused")]
