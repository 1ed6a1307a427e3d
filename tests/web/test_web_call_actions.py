"""What the API does to calls, and what it says when that cannot be done."""

import asyncio
from typing import Any
from urllib.parse import parse_qs

import pytest

from calls.control import CallControl
from calls.events.lifecycle import DigitsSent
from calls.events.people import SaidByPerson
from calls.states import CallState
from conversation.agents.files import load_agent
from conversation.session import Session
from tests.fake_rest import Answer, FakeRest, fake_rest
from tests.web_service import Running, running

KEY = {"Authorization": "Bearer secret"}
TO, FROM = "+12025550143", "+12025550100"
CREATED = Answer.json(201, {"sid": "CA1", "status": "queued"})
RECORDED = Answer.json(201, {"sid": "RE1", "status": "in-progress"})


def serving(tmp_path, rest: FakeRest | None, **values: Any):
    credentials = {"twilio_account_sid": "AC1", "twilio_auth_token": "t", "allow_unsigned_webhooks": True}
    if rest is not None:
        credentials["twilio_api_base_url"] = rest.url
    return running(tmp_path, **{"api_key": "secret", "caller_id": FROM, **credentials, **values})


async def ask(service: Running, path: str, **body: Any):
    return await service.http.post(f"/calls{path}", json=body, headers=KEY, timeout=30)


def live(service: Running):
    call = service.store.open(carrier="twilio", carrier_call_id="CA1", to_number=FROM)
    call.move(CallState.IN_PROGRESS, cause="media stream")
    return call


# Placing calls


async def test_a_call_is_placed_and_followed_to_its_end(tmp_path):
    async with fake_rest(CREATED) as rest, serving(tmp_path, rest) as service:
        answer = await ask(
            service, "", to="+1 202 555 0143", agent="sales", parameters={"name": "Ann", "visits": 3}
        )
        assert answer.status_code == 202
        shown = answer.json()
        assert "warning" not in shown
        assert (shown["state"], shown["direction"], shown["to_number"]) == ("queued", "outbound", TO)
        (request,) = rest.requests
        form = {name: values[0] for name, values in parse_qs(request.body).items()}
        assert (form["To"], form["From"], form["Timeout"]) == (TO, FROM, "30")
        assert form["StatusCallback"] == f"{service.url}/twilio/status?call={shown['id']}"
        assert form["AsyncAmdStatusCallback"] == f"{service.url}/twilio/amd?call={shown['id']}"
        assert 'name="name" value="Ann"' in form["Twiml"]
        await service.post(f"/twilio/status?call={shown['id']}", CallSid="CA1", CallStatus="busy")
        ended = (await service.http.get(f"/calls/{shown['id']}", headers=KEY)).json()
        assert (ended["state"], ended["agent"], ended["carrier_call_id"]) == ("busy", "sales", "CA1")


async def test_no_machine_is_listened_for_when_nobody_wants_it(tmp_path):
    async with (
        fake_rest(CREATED) as rest,
        serving(tmp_path, rest, caller_ids="+12025550101") as service,
    ):
        order = {"to": TO, "machine_detection": False, "ring_timeout_secs": 12, "from": "+1 202 555 0101"}
        assert (await ask(service, "", **order)).status_code == 202
        form = parse_qs(rest.requests[0].body)
        assert ("MachineDetection" in form, form["Timeout"], form["From"]) == (
            False,
            ["12"],
            ["+12025550101"],
        )


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ({"to": "12"}, "emergency number"),
        ({"to": "call me"}, "E.164"),
        ({"to": "+1202555014"}, "no such telephone number"),
        ({"to": "+493012345678"}, "DIAL_COUNTRIES"),
        ({"to": "+19005550143"}, "premium-rate"),
        ({"to": "sip:desk@example.com"}, "DIAL_SIP_HOSTS"),
        ({"to": TO, "from": "me"}, "CALLER_ID"),
        ({"to": TO, "agent": "nobody"}, "nobody"),
        ({"to": TO, "agent": "broken"}, "broken"),
        ({"to": TO, "carrier": "acme"}, "there is no carrier 'acme'"),
        ({"to": TO, "carrier": "telnyx"}, "no credentials for telnyx"),
        ({"to": TO, "parameters": {"role": "colleague"}}, "role"),
        ({"to": TO, "parameters": {"name": "A" * 3000}}, "2000 are allowed"),
        ({"to": TO, "parameters": ["name", "Ann"]}, "parameters"),
        ({"to": TO, "ring_timeout_secs": 4}, "ring_timeout_secs"),
        ({"to": TO, "voice": "loud"}, "voice"),
        ({}, "to: Field required"),
    ],
)
async def test_what_may_not_be_dialled_is_refused_in_one_line(tmp_path, order, words):
    async with fake_rest(CREATED) as rest, serving(tmp_path, rest) as service:
        answer = await ask(service, "", **order)
        assert answer.status_code == 422
        assert words in answer.json()["error"]
        assert "\n" not in answer.json()["error"]
        assert TO not in answer.text
        assert (rest.requests, service.store.list()) == ([], [])


async def test_what_is_missing_for_dialling_is_named(tmp_path):
    async with serving(tmp_path, None, caller_id=None) as service:
        assert "CALLER_ID" in (await ask(service, "", to=TO)).json()["error"]
    async with serving(tmp_path, None, twilio_account_sid=None, twilio_auth_token=None) as service:
        assert "no credentials for twilio or telnyx" in (await ask(service, "", to=TO)).json()["error"]
    async with serving(tmp_path, None, telnyx_api_key="k") as service:
        assert "give `carrier`" in (await ask(service, "", to=TO)).json()["error"]


async def test_the_same_number_is_called_a_few_times_a_day_only(tmp_path):
    async with (
        fake_rest(CREATED, Answer.json(201, {"sid": "CA2", "status": "queued"})) as rest,
        serving(tmp_path, rest, dial_max_per_number_per_day=2) as service,
    ):
        answers = [await ask(service, "", to=TO) for _ in "123"]
        assert [answer.status_code for answer in answers] == [202, 202, 422]
        assert "DIAL_MAX_PER_NUMBER_PER_DAY" in answers[-1].json()["error"]


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (Answer.json(401, {"code": 20003, "message": "Authenticate"}), "TWILIO_"),
        (Answer.json(400, {"code": 21210, "message": "not verified"}), "21210"),
        (Answer.json(404, {"code": 20404, "message": "not found"}), "20404"),
        (Answer.json(429, {"code": 20429, "message": "Too Many Requests"}), "429"),
    ],
)
async def test_a_carrier_that_says_no_is_quoted_and_the_call_has_failed(tmp_path, refusal, words):
    async with fake_rest(refusal) as rest, serving(tmp_path, rest) as service:
        answer = await ask(service, "", to=TO)
        assert (answer.status_code, words in answer.json()["error"]) == (502, True)
        assert [call.state for call in service.store.list()] == ["failed"]


@pytest.mark.parametrize(("path", "body"), [("", {"to": TO}), ("/CA1/digits", {"digits": "1"})])
async def test_a_longer_wait_than_anybody_can_wait_is_passed_on(tmp_path, path, body):
    busy = Answer(429, '{"code": 20429, "message": "Too Many Requests"}', headers=(("Retry-After", "40"),))
    async with fake_rest(busy) as rest, serving(tmp_path, rest) as service:
        live(service)
        answer = await ask(service, path, **body)
        assert (answer.status_code, answer.headers["Retry-After"]) == (502, "40")
        assert "asks to wait 40 s" in answer.json()["error"]
        assert len(rest.requests) == 1


@pytest.mark.parametrize(
    "strange",
    [Answer(500, "oops"), Answer(201, "<html>hello</html>", "text/html"), Answer(hang_up=True)],
)
async def test_a_call_that_nobody_is_sure_of_is_a_warning_and_never_dialled_twice(tmp_path, strange):
    async with fake_rest(strange) as rest, serving(tmp_path, rest) as service:
        answer = await ask(service, "", to=TO)
        assert answer.status_code == 202
        assert "not known" in answer.json()["warning"]
        assert sum(request.method == "POST" for request in rest.requests) == 1
        (call,) = service.store.list()
        # Hanging up such a call is remembered until it has a name.
        hung_up = await ask(service, f"/{call.id}/hangup")
        assert (hung_up.status_code, "not named" in hung_up.json()["warning"]) == (200, True)


async def test_a_carrier_that_never_answers_is_not_waited_for(tmp_path):
    async with fake_rest(Answer(delay_secs=30)) as rest, serving(tmp_path, rest) as service:
        placing = asyncio.create_task(ask(service, "", to=TO))
        live(service)
        started = asyncio.get_running_loop().time()
        answers = await asyncio.gather(
            ask(service, "/CA1/digits", digits="1"), ask(service, "/CA1/recording", action="start")
        )
        assert asyncio.get_running_loop().time() - started < 8
        for answer in answers:
            assert (answer.status_code, "did not answer" in answer.json()["error"]) == (502, True)
        placed = await placing
        assert (placed.status_code, "not known" in placed.json()["warning"]) == (202, True)


# Keys and recordings


@pytest.mark.parametrize(("path", "body"), [("digits", {"digits": "1"}), ("recording", {"action": "start"})])
@pytest.mark.parametrize(
    "strange",
    [
        Answer(500, "oops"),
        Answer(401, '{"code": 20003, "message": "Authenticate"}'),
        Answer(404, '{"code": 20003, "message": "nowhere"}'),
        Answer(429, '{"code": 20429, "message": "Too Many Requests"}'),
        Answer(200, "<html>hello</html>", "text/html"),
        Answer(hang_up=True),
    ],
)
async def test_a_carrier_that_fails_is_quoted_and_the_call_goes_on(tmp_path, path, body, strange):
    async with fake_rest(strange) as rest, serving(tmp_path, rest) as service:
        call = live(service)
        answer = await ask(service, f"/CA1/{path}", **body)
        assert (answer.status_code, "could not" in answer.json()["error"]) == (502, True)
        assert call.state == "in_progress"


async def test_keys_are_pressed_and_the_bot_is_to_come_back_silently(tmp_path):
    async with fake_rest(Answer.json(200, {"sid": "CA1"})) as rest, serving(tmp_path, rest) as service:
        call = live(service)
        answer = await ask(service, "/CA1/digits", digits="1w23#")
        assert answer.status_code == 200
        assert 'digits="1w23#"' in parse_qs(rest.requests[0].body)["Twiml"][0]
        assert (call.resume.reason, call.last(DigitsSent).count) == ("digits", 5)


@pytest.mark.parametrize("digits", ["", "hello", "1" * 65])
async def test_what_is_no_key_is_refused(tmp_path, digits):
    async with serving(tmp_path, None) as service:
        live(service)
        answer = await ask(service, "/CA1/digits", digits=digits)
        assert (answer.status_code, "digits must be" in answer.json()["error"]) == (422, True)


async def test_a_recording_is_started_paused_and_resumed(tmp_path):
    async with fake_rest(RECORDED) as rest, serving(tmp_path, rest) as service:
        live(service)
        for action, state in [
            ("start", "in_progress"),
            ("pause", "paused"),
            ("resume", "in_progress"),
            ("stop", "stopped"),
        ]:
            answer = await ask(service, "/CA1/recording", action=action)
            assert answer.status_code == 200
            (recording,) = answer.json()["recordings"]
            assert (recording["recording_id"], recording["state"]) == ("RE1", state)
        answer = await ask(service, "/CA1/recording", action="burn")
        assert (answer.status_code, "action" in answer.json()["error"]) == (422, True)


async def test_a_recording_whose_file_is_there_before_the_answer_to_stop_is_complete(tmp_path):
    slow = Answer.json(200, {"sid": "RE1", "status": "stopped"})
    slow.delay_secs = 1
    async with fake_rest(RECORDED, slow) as rest, serving(tmp_path, rest) as service:
        call = live(service)
        await ask(service, "/CA1/recording", action="start")
        stopping = asyncio.create_task(ask(service, "/CA1/recording", action="stop"))
        while len(rest.requests) < 2:
            await asyncio.sleep(0.01)
        report = {"RecordingSid": "RE1", "RecordingStatus": "completed", "RecordingUrl": "https://h/RE1"}
        await service.post(f"/twilio/recording?call={call.id}", CallSid="CA1", **report)
        assert not stopping.done()
        (recording,) = (await stopping).json()["recordings"]
        assert (recording["state"], recording["url"]) == ("completed", "https://h/RE1")


# The wrong moment


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("transfer", {"destination": "desk"}),
        ("digits", {"digits": "1"}),
        ("recording", {"action": "start"}),
    ],
)
async def test_nothing_can_be_done_to_a_call_that_has_ended(tmp_path, path, body):
    async with serving(tmp_path, None) as service:
        live(service).move(CallState.COMPLETED, cause="over")
        answer = await ask(service, f"/CA1/{path}", **body)
        assert (answer.status_code, "has ended" in answer.json()["error"]) == (409, True)


@pytest.mark.parametrize("path", ["transfer", "digits"])
async def test_a_caller_who_is_being_put_through_is_left_alone(tmp_path, path):
    body = {"transfer": {"destination": "desk"}, "digits": {"digits": "1"}}[path]
    async with serving(tmp_path, None) as service:
        call = live(service)
        call.move(CallState.TRANSFERRING, cause="transfer to desk")
        answer = await ask(service, f"/CA1/{path}", **body)
        assert (answer.status_code, "being put through" in answer.json()["error"]) == (409, True)
        call.move(CallState.TRANSFERRED, cause="talks")
        answer = await ask(service, f"/CA1/{path}", **body)
        assert (answer.status_code, "talks with a colleague" in answer.json()["error"]) == (409, True)


async def test_a_call_that_no_bot_session_talks_on_cannot_be_put_through(tmp_path):
    async with serving(tmp_path, None) as service:
        live(service)
        answer = await ask(service, "/CA1/transfer", destination="desk")
        assert (answer.status_code, "no bot session talks on the call" in answer.json()["error"]) == (
            409,
            True,
        )


async def test_a_call_can_be_hung_up_in_the_middle_of_a_transfer(tmp_path):
    over = Answer.json(200, {"sid": "CA1", "status": "completed"})
    async with fake_rest(over) as rest, serving(tmp_path, rest) as service:
        live(service).move(CallState.TRANSFERRING, cause="transfer to desk")
        answer = await ask(service, "/CA1/hangup")
        assert (answer.status_code, answer.json()["state"], answer.json()["ended_by"]) == (
            200,
            "completed",
            "human",
        )
        assert parse_qs(rest.requests[0].body) == {"Status": ["completed"]}


async def test_a_hang_up_that_was_only_taken_does_not_make_the_call_over(tmp_path):
    going = Answer.json(200, {"sid": "CA1", "status": "in-progress"})
    async with fake_rest(going) as rest, serving(tmp_path, rest) as service:
        call = live(service)
        answer = await ask(service, "/CA1/hangup")
        assert (answer.status_code, answer.json()["state"]) == (200, "in_progress")
        await service.post(f"/twilio/status?call={call.id}", CallSid="CA1", CallStatus="completed")
        assert (call.state, call.ended_by) == ("completed", "human")


async def test_a_call_of_ours_that_rings_is_canceled(tmp_path):
    async with (
        fake_rest(CREATED, Answer.json(200, {"sid": "CA1", "status": "canceled"})) as rest,
        serving(tmp_path, rest) as service,
    ):
        placed = (await ask(service, "", to=TO)).json()
        answer = await ask(service, f"/{placed['id']}/hangup")
        assert (answer.status_code, answer.json()["state"]) == (200, "canceled")


# Words for the other side, and for the bot


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("say", {"text": "Hello."}, 409, "no bot session talks on the call"),
        (
            "note",
            {"text": "They are in a hurry.", "answer_now": True},
            409,
            "no bot session talks on the call",
        ),
        ("say", {"text": "  "}, 422, "text"),
        ("say", {"text": "x" * 501}, 422, "500"),
        ("say", {}, 422, "text"),
        ("note", {"text": "x" * 1001}, 422, "1000"),
        ("note", {"text": "x", "loud": True}, 422, "loud"),
    ],
)
async def test_what_the_bot_cannot_be_told_is_refused(tmp_path, path, body, status, words):
    async with serving(tmp_path, None) as service:
        live(service)
        answer = await ask(service, f"/CA1/{path}", **body)
        assert (answer.status_code, words in answer.json()["error"]) == (status, True)


@pytest.mark.parametrize("text", ["<b></b>", "**", "\U0001f44d", "<script>document.title='owned'</script>"])
async def test_what_nobody_could_speak_is_not_given_to_the_voice(tmp_path, monkeypatch, text):
    """The voice would make no sound of it, and the call would be given up as if the voice had failed."""
    said = []

    async def say(self, words, **_):
        said.append(words)
        return True

    monkeypatch.setattr(Session, "say", say)
    async with serving(tmp_path, None) as service:
        call = live(service)
        agent = load_agent("receptionist", tmp_path / "agents")
        session = Session(
            call=call,
            store=service.store,
            control=CallControl(call, None, service.store),
            agent=agent,
            variables={},
            data_dir=tmp_path,
        )
        answer = await ask(service, "/CA1/say", text=text)
        assert (answer.status_code, "nothing of it can be spoken" in answer.json()["error"]) == (422, True)
        answer = await ask(service, "/CA1/say", text="Hello <b>Ann</b>.")
        assert (answer.status_code, said) == (200, ["Hello Ann."])
        [event] = [one.data for one in call.events if isinstance(one, SaidByPerson)]
        assert event == {"text": "Hello Ann.", "by": "API_KEY"}
        session.detached("over")
