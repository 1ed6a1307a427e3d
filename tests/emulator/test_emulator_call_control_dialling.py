"""An application dials out by Call Control: the phone rings, the outcome is told, and who has answered."""

import asyncio
import base64
from dataclasses import replace

import pytest

from emulator import Audio, Colleague, HangUp, PhoneNetwork, Wait, tone
from emulator.carriers.telnyx.control.orders import COMMANDS
from emulator.facts.values import Rule
from tests.fake_application import ACCOUNT, Application, hang_up
from tests.fake_bot import Line

SAM = "+12025550111"
NOBODY = "+12025550199"
STATE = base64.b64encode(b"dialled").decode()


async def dial(person, on=None, talk=None, **body):
    """Dial `person`; returns the result, the application and what `dial` answered."""
    async with PhoneNetwork("telnyx", people=[person] if person else []) as network:
        async with Application(network, on or {}) as app:
            network.call_control.application_url = f"{app.url}/telnyx/events"
            if talk is not None:
                app.bot.talk = talk
            number = person.number if person else NOBODY
            data = await app.dial(number, **body)
            result = await network.next_result(number)
            await network.call_control.feed.settle(5)
            return result, app, data


async def test_a_dialled_person_answers_and_talks_to_the_bot():
    async def talk(line: Line) -> None:
        await line.caller_spoke()
        await line.beep(300)
        await line.mark("done")
        await line.until("mark")
        await line.bot.hang_up(line.call_id)
        await line.until_closed()

    sam = Colleague(SAM, 0.3, script=[Audio(tone(300), "Hello?"), Wait(20)])
    async with PhoneNetwork("telnyx", people=[sam]) as network, Application(network) as app:
        app.bot.hang_up = lambda call_id: app.command(call_id, "hangup")
        app.bot.talk = talk
        data = await app.dial(
            SAM,
            **app.stream,
            stream_auth_token="secret",
            client_state=STATE,
            webhook_url=f"{app.url}/telnyx/events",
        )
        result = await network.next_result(SAM)
        await network.call_control.feed.settle(5)
    assert data["is_alive"] is False
    assert data["record_type"] == "call"
    call_id = data["call_control_id"]
    assert app.types() == [
        "call.initiated",
        "call.answered",
        "streaming.started",
        "call.hangup",
        "streaming.stopped",
    ]
    initiated, hangup = app.of("call.initiated")[0], app.of("call.hangup")[0]
    assert (initiated["direction"], initiated["client_state"]) == ("outgoing", STATE)
    assert (initiated["call_control_id"], initiated["call_leg_id"]) == (call_id, data["call_leg_id"])
    assert (initiated["from"], initiated["to"]) == ("+12025550100", SAM)
    assert (hangup["hangup_cause"], hangup["hangup_source"]) == ("normal_clearing", "caller")
    assert hangup["sip_hangup_cause"] == "200"
    start = app.bot.lines[0].start["start"]
    assert (start["client_state"], start["call_control_id"]) == (STATE, call_id)
    assert app.bot.lines[0].messages[0]["x-telnyx-streaming-auth-token"] == "secret"
    assert result.report.ended_by == "bot"
    assert result.leg.ending == "completed"
    assert not result.report.errors


@pytest.mark.parametrize(
    ("behaviour", "cause", "source", "sip"),
    [
        ("busy", "user_busy", "callee", "486"),
        ("declines", "call_rejected", "callee", "603"),
        ("unreachable", "unspecified", "callee", "480"),
        (None, "not_found", "callee", "404"),
    ],
)
async def test_a_person_who_is_not_reached_is_told_with_a_cause(behaviour, cause, source, sip):
    person = Colleague(SAM, 0.1, behaviour) if behaviour else None
    _, app, data = await dial(person)
    assert app.types() == ["call.initiated", "call.hangup"]
    hangup = app.of("call.hangup")[0]
    assert (hangup["hangup_cause"], hangup["hangup_source"]) == (cause, source)
    assert hangup["sip_hangup_cause"] == sip
    assert hangup["call_control_id"] == data["call_control_id"]


async def test_a_phone_that_nobody_answers_in_time_is_told_as_a_timeout():
    result, app, _ = await dial(Colleague(SAM, behaviour="no_answer"), timeout_secs=5)
    assert app.of("call.hangup")[0]["hangup_cause"] == "timeout"
    assert result.leg.ending == "no_answer"


async def test_a_ringing_call_can_be_cancelled_by_command():
    async def ringing(app, payload):
        await asyncio.sleep(0.2)
        await hang_up(app, payload)

    result, app, _ = await dial(Colleague(SAM, behaviour="no_answer"), {"call.initiated": ringing})
    assert app.of("call.hangup")[0]["hangup_cause"] == "originator_cancel"
    assert result.leg.ending == "canceled"


async def test_an_outgoing_call_cannot_be_answered_by_command():
    async def ringing(app, payload):
        await app.command(payload["call_control_id"], "answer")
        await hang_up(app, payload)

    _, app, _ = await dial(Colleague(SAM, behaviour="no_answer"), {"call.initiated": ringing})
    assert app.answers[0][1:][1]["errors"][0]["code"] == "90102"


@pytest.mark.parametrize(
    ("person", "kind", "told"),
    [
        (
            Colleague(SAM, 0.1, script=[Audio(tone(600), "Hello?"), Wait(20)]),
            "premium",
            [("premium.detection.started", None), ("premium.detection.ended", "human_residence")],
        ),
        (
            Colleague(SAM, 0.1, "voicemail", script=[Audio(tone(800), "Hi"), Wait(1.5)]),
            "premium",
            [
                ("premium.detection.started", None),
                ("premium.detection.ended", "machine"),
                ("premium.greeting.ended", "beep_detected"),
            ],
        ),
        (
            Colleague(SAM, 0.1, "voicemail", script=[Audio(tone(300), "Hi")]),
            "premium",
            [("premium.detection.started", None), ("premium.greeting.ended", "beep_detected")],
        ),
        (
            Colleague(SAM, 0.1, "voicemail", script=[Audio(tone(800), "Hi"), Wait(1.5)]),
            "greeting_end",
            [("detection.ended", "machine"), ("greeting.ended", "ended")],
        ),
        (
            Colleague(SAM, 0.1, "voicemail", script=[Audio(tone(800), "Hi"), Wait(1.5)]),
            "detect",
            [("detection.ended", "machine")],
        ),
        (Colleague(SAM, 0.1, script=[Wait(20)]), "detect", [("detection.ended", "not_sure")]),
    ],
)
async def test_it_is_told_who_has_answered(person, kind, told):
    last = f"call.machine.{told[-1][0]}"
    _, app, _ = await dial(person, {last: hang_up}, answering_machine_detection=kind)
    machine = [
        (one["data"]["event_type"].removeprefix("call.machine."), one["data"]["payload"].get("result"))
        for one in app.events
        if one["data"]["event_type"].startswith("call.machine.")
    ]
    assert machine == told


async def test_a_voicemail_box_without_a_beep_is_told_when_the_time_is_over():
    box = Colleague(SAM, 0.1, "voicemail", script=[Audio(tone(800), "Hi")], beeps=False)
    event = "call.machine.premium.greeting.ended"
    _, app, _ = await dial(
        box,
        {event: hang_up},
        answering_machine_detection="premium",
        answering_machine_detection_config={"total_analysis_time_millis": 3000},
    )
    assert app.of(event)[0]["result"] == "no_beep_detected"


async def test_a_dial_is_refused_as_documented():
    async with PhoneNetwork("telnyx") as network, Application(network) as app:
        good = {"connection_id": ACCOUNT.telnyx_connection_id, "from": "+12025550100", "to": SAM}
        for change, code in (
            ({"connection_id": None}, "10004"),
            ({"connection_id": "2"}, "10017"),
            ({"to": "12345"}, "10016"),
            ({"from": None}, "10004"),
            ({"timeout_secs": 3}, "90028"),
            ({"time_limit_secs": 59}, "90029"),
            ({"time_limit_secs": 14001}, "90029"),
            ({"client_state": "!"}, "90017"),
            ({"answering_machine_detection": "yes"}, "10032"),
            ({"link_to": "v3:nobody"}, "90015"),
            ({"stream_url": "wss://x/ws", "stream_bidirectional_codec": "pcmu"}, "10032"),
            ({"stream_url": "ws://x/ws"}, "10003"),
        ):
            status, body = await app.request("POST", "/calls", **(good | change))
            assert (status, body["errors"][0]["code"]) == (422, code), change
        assert not app.events


async def test_the_same_command_id_dials_once():
    async with (
        PhoneNetwork("telnyx", people=[Colleague(SAM, 0.1, script=[Wait(0.5), HangUp()])]) as network,
        Application(network) as app,
    ):
        body = {"webhook_url": f"{app.url}/telnyx/events", "command_id": "once"}
        first, second = await app.dial(SAM, **body), await app.dial(SAM, **body)
        await network.next_result(SAM)
        await network.call_control.feed.settle(5)
    assert first == second
    assert app.types().count("call.initiated") == 1


async def test_a_call_is_over_at_its_time_limit(monkeypatch):
    parameters = {**COMMANDS["dial"].parameters, "time_limit_secs": Rule(kind="integer")}
    monkeypatch.setitem(COMMANDS, "dial", replace(COMMANDS["dial"], parameters=parameters))
    result, app, _ = await dial(Colleague(SAM, 0.1, script=[Wait(30)]), time_limit_secs=1)
    assert app.of("call.hangup")[0]["hangup_cause"] == "time_limit"
    assert result.report.ended_by == "limit"
