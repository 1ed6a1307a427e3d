"""Legs under Call Control are joined: transfer, bridge and refer."""

import asyncio
import base64
import time

import numpy as np
import pytest

from emulator import Audio, Colleague, Digits, HangUp, PhoneNetwork, Wait, tone
from emulator.legs.delivery import EventHabits
from emulator.line.caller import Manners
from emulator.line.codecs import SAMPLE_RATE
from tests.fake_application import Application, answering, hang_up
from tests.fake_bot import Line

SAM = "+12025550111"
SIP_SAM = "sip:sam@example.com"
QUICK = Manners(patience=0.2)
B_STATE = base64.b64encode(b"leg b").decode()
PATIENT = (Wait(30),)


def power(samples: np.ndarray, frequency: float) -> float:
    """How much of a recording is this tone, as its amplitude (0 to 32767) over the tone's best 200 ms."""
    size = SAMPLE_RATE // 5
    wave = np.exp(-2j * np.pi * frequency * np.arange(size) / SAMPLE_RATE)
    pieces = [samples[at : at + size] for at in range(0, len(samples) - size, size // 2)]
    return max((abs(np.dot(piece, wave)) * 2 / size for piece in pieces), default=0.0)


def transferring(to=SAM, **more):
    async def transfer(app, payload):
        await app.command(
            payload["call_control_id"], "transfer", to=to, target_leg_client_state=B_STATE, **more
        )

    return transfer


async def call(on, people, script=PATIENT, talk=None, events=None, **options):
    async with (
        PhoneNetwork("telnyx", people=people, events=events) as network,
        Application(network, {"call.initiated": answering()} | on) as app,
    ):
        if talk is not None:
            app.bot.talk = talk
        result = await network.call(app.url, script, mode="call_control", manners=QUICK, **options)
        await network.call_control.feed.settle(5)
        return result, app


async def test_a_transfer_joins_the_caller_to_somebody_and_the_stream_stays():
    sam = Colleague(SAM, 0.8, script=[Audio(tone(400, frequency=700), "hello"), Wait(1.5), HangUp()])
    result, app = await call(
        {"streaming.started": transferring()},
        [sam],
        [Wait(1.5), Audio(tone(400, frequency=1000), "hi", after_reply=False), Wait(30)],
    )
    (record,) = result.colleagues
    assert (record.outcome, record.ended_by) == ("completed", "colleague")
    assert 600 <= record.answered_ms - record.ringing_ms <= 3000
    assert power(result.heard, 700) > 5000
    assert power(record.heard, 1000) > 5000
    # Ringing was heard before.
    rang = slice(record.ringing_ms * 8, record.answered_ms * 8)
    assert power(result.heard[rang], 440) > 1000
    # Leg B has ids of its own in the same session, and the state that was given for it.
    a, b = result.report.call_id, record.call_id
    first, second = app.of("call.initiated")
    assert (second["call_control_id"], second["direction"], second["state"]) == (b, "outgoing", "bridging")
    assert second["call_session_id"] == first["call_session_id"]
    assert second["call_leg_id"] != first["call_leg_id"]
    assert (second["from"], second["to"]) == ("+12025550100", SAM)
    assert second["client_state"] == B_STATE
    assert app.types(b) == ["call.initiated", "call.answered", "call.bridged", "call.hangup"]
    assert not app.of("call.bridged", a)
    assert app.of("call.hangup", b)[0]["hangup_source"] == "callee"
    # Whoever remains is hung up too.
    assert app.of("call.hangup", a)[0]["hangup_cause"] == "normal_clearing"
    assert (result.report.ended_by, result.report.handed_over) == ("colleague", True)
    assert result.report.passed, result.report.shortcomings
    # The stream went on getting the caller until the end.
    line = app.bot.lines[0]
    assert line.messages[-1]["event"] == "stop"
    assert len(line.of("media")) * 20 > record.ended_ms - 400


@pytest.mark.parametrize(
    ("legs", "caller_hears", "colleague_hears"),
    [("self", True, False), ("opposite", False, True), ("both", True, True)],
)
async def test_what_the_bot_says_is_heard_by_its_target_legs_over_two_who_were_joined(
    legs, caller_hears, colleague_hears
):
    async def talk(line: Line) -> None:
        await asyncio.sleep(0.4)
        await line.beep(3000)
        await line.mark("to its end")
        await asyncio.sleep(1.2)
        await line.beep(1000)
        await line.until_closed()

    async def answer(app, payload):
        if payload["direction"] == "incoming":
            stream = app.stream | {"stream_bidirectional_target_legs": legs}
            await app.command(payload["call_control_id"], "answer", **stream)

    sam = Colleague(SAM, 1.0, script=[Wait(4), HangUp()])
    result, app = await call(
        {"call.initiated": answer, "streaming.started": transferring()}, [sam], talk=talk
    )
    (record,) = result.colleagues
    rang = result.heard[record.ringing_ms * 8 : record.answered_ms * 8]
    assert bool(power(rang, 440) > 5000) is caller_hears
    # What was queued, and what comes later.
    for since_ms in (400, 2400):
        assert bool(power(result.heard[(record.bridged_ms + since_ms) * 8 :], 440) > 5000) is caller_hears
        assert bool(power(record.heard[since_ms * 8 :], 440) > 5000) is colleague_hears
    assert [message["mark"]["name"] for message in app.bot.lines[0].of("mark")] == ["to its end"]
    assert bool(result.timeline.of("talked_over")) is caller_hears
    assert any("over people who were connected" in error for error in result.report.errors)


async def test_a_bot_that_takes_its_words_back_is_not_heard_over_two_who_were_joined():
    async def talk(line: Line) -> None:
        await asyncio.sleep(0.4)
        await line.beep(5000)
        await line.until_closed()

    async def bridged(app, payload):
        await app.bot.lines[0].clear()

    sam = Colleague(SAM, 1.0, script=[Wait(2.5), HangUp()])
    result, _ = await call({"streaming.started": transferring(), "call.bridged": bridged}, [sam], talk=talk)
    (record,) = result.colleagues
    assert power(result.heard[(record.bridged_ms + 1000) * 8 :], 440) < 500
    assert result.report.passed, result.report.shortcomings


async def test_both_legs_can_be_told_of_the_bridge():
    sam = Colleague(SAM, 0.1, script=[Wait(0.3), HangUp()])
    result, app = await call(
        {"streaming.started": transferring()}, [sam], events=EventHabits(transfer_tells_both=True)
    )
    assert {one["call_control_id"] for one in app.of("call.bridged")} == {
        result.report.call_id,
        result.colleagues[0].call_id,
    }


@pytest.mark.parametrize(
    ("behaviour", "outcome", "cause"),
    [
        ("busy", "busy", "user_busy"),
        ("declines", "declined", "call_rejected"),
        ("no_answer", "no_answer", "timeout"),
        (None, "failed", "not_found"),
    ],
)
async def test_a_transfer_that_fails_leaves_the_call_and_its_stream_up(behaviour, outcome, cause):
    async def talk(line: Line) -> None:
        # Hears the caller before and after the attempt.
        await line.until_closed()

    async def over(app, payload):
        if payload["to"] != SAM:
            return
        call_id = app.of("call.initiated")[0]["call_control_id"]
        _, body = await app.request("GET", f"/calls/{call_id}")
        assert body["data"]["is_alive"]
        await app.bot.lines[0].beep(400)
        await asyncio.sleep(0.8)
        await app.command(call_id, "hangup")

    people = [Colleague(SAM, 0.3, behaviour)] if behaviour else []
    result, app = await call(
        {"streaming.started": transferring(timeout_secs=5), "call.hangup": over}, people, talk=talk
    )
    (record,) = result.colleagues
    assert (record.outcome, record.answered_ms, record.bridged_ms) == (outcome, None, None)
    assert app.of("call.hangup", record.call_id)[0]["hangup_cause"] == cause
    assert len(app.bot.lines) == 1
    # The bot is heard again.
    assert power(result.heard[record.ended_ms * 8 :], 440) > 5000
    assert (result.report.ended_by, result.report.goodbye_heard) == ("bot", True)


async def test_a_caller_who_hangs_up_while_it_rings_stops_the_other_phone():
    result, app = await call(
        {"streaming.started": transferring()}, [Colleague(SAM, behaviour="no_answer")], [Wait(0.8), HangUp()]
    )
    assert result.colleagues[0].outcome == "canceled"
    assert app.of("call.hangup", result.colleagues[0].call_id)[0]["hangup_cause"] == "originator_cancel"


async def test_a_caller_who_hangs_up_ends_the_other_leg():
    sam = Colleague(SAM, 0.2, script=PATIENT)
    result, app = await call({"streaming.started": transferring()}, [sam], [Wait(1.5), HangUp()])
    (record,) = result.colleagues
    assert (record.outcome, record.ended_by) == ("completed", "caller")
    assert app.of("call.hangup", record.call_id)[0]["hangup_source"] == "caller"
    assert result.report.ended_by == "caller"


async def test_the_stream_can_be_stopped_once_they_talk():
    async def bridged(app, payload):
        caller = app.of("call.initiated")[0]["call_control_id"]
        assert (await app.command(caller, "streaming_stop"))[0] == 200

    sam = Colleague(SAM, 0.2, script=[Wait(2.6), HangUp()])
    result, app = await call({"streaming.started": transferring(), "call.bridged": bridged}, [sam])
    assert app.bot.lines[0].messages[-1]["event"] == "stop"
    assert app.types().index("streaming.stopped") < app.types().index("call.hangup")
    # Two people who talk are no dead air.
    assert result.report.passed, result.report.shortcomings


async def test_a_conversation_without_a_stream_passes_quickly_if_the_network_may_hurry():
    async def bridged(app, payload):
        await app.command(app.of("call.initiated")[0]["call_control_id"], "streaming_stop")

    begin = time.monotonic()
    sam = Colleague(SAM, 0.2, script=[Wait(120), HangUp()])
    async with (
        PhoneNetwork("telnyx", people=[sam], hold_speed=60) as network,
        Application(
            network,
            {"call.initiated": answering(), "streaming.started": transferring(), "call.bridged": bridged},
        ) as app,
    ):
        result = await network.call(app.url, [Wait(200)], mode="call_control")
    assert result.colleagues[0].ended_ms - result.colleagues[0].bridged_ms >= 120_000
    assert time.monotonic() - begin < 20


async def test_the_same_transfer_sent_twice_at_once_rings_once():
    async def twice(app, payload):
        work = transferring(command_id="once")
        await asyncio.gather(work(app, payload), work(app, payload))

    sam = Colleague(SAM, 0.3, script=[Wait(0.3), HangUp()])
    result, app = await call({"streaming.started": twice}, [sam])
    assert len(result.colleagues) == 1
    assert [status for action, status, _ in app.answers if action == "transfer"] == [200, 200]


async def test_a_second_transfer_while_the_first_rings_is_refused():
    async def twice(app, payload):
        await transferring()(app, payload)
        await transferring()(app, payload)
        await hang_up(app, payload)

    _, app = await call({"streaming.started": twice}, [Colleague(SAM, behaviour="no_answer")])
    assert [status for action, status, _ in app.answers if action == "transfer"] == [200, 422]


async def test_a_call_can_be_transferred_without_being_answered_first():
    async def initiated(app, payload):
        if payload["direction"] == "incoming":
            await transferring()(app, payload)

    sam = Colleague(SAM, 0.3, script=[Audio(tone(300, frequency=700), "hello"), Wait(0.5), HangUp()])
    result, app = await call({"call.initiated": initiated}, [sam])
    assert "call.answered" in app.types(result.report.call_id)
    assert power(result.heard, 700) > 5000


async def test_a_transfer_to_a_voicemail_box_is_told():
    box = Colleague(SAM, 0.1, "voicemail", script=[Audio(tone(800), "Hi"), Wait(1.2)])
    event = "call.machine.premium.detection.ended"
    result, app = await call(
        {"streaming.started": transferring(answering_machine_detection="premium"), event: hang_up}, [box]
    )
    payload = app.of(event)[0]
    assert payload["result"] == "machine"
    assert payload["call_control_id"] == result.colleagues[0].call_id
    assert payload["client_state"] == B_STATE


async def test_two_calls_are_bridged_and_hear_each_other():
    """A warm transfer: the bot talks to a colleague on a leg of its own, and then joins the two."""
    b_leg = {}

    async def started(app, payload):
        if b_leg:
            return
        b_leg.update(await app.dial(SAM, **app.stream, webhook_url=f"{app.url}/telnyx/events"))

    async def key(app, payload):
        a = app.of("call.initiated")[0]["call_control_id"]
        status, _ = await app.command(a, "bridge", call_control_id=payload["call_control_id"])
        assert status == 200

    sam = Colleague(
        SAM,
        0.2,
        script=[
            Wait(0.6),
            Digits("1", after_reply=False),
            Wait(0.5),
            Audio(tone(400, frequency=700), "hello", after_reply=False),
            Wait(1),
            HangUp(),
        ],
    )
    script = [Wait(2), Audio(tone(400, frequency=1000), "hi", after_reply=False), Wait(30)]
    async with (
        PhoneNetwork("telnyx", people=[sam]) as network,
        Application(
            network,
            {"call.initiated": answering(), "streaming.started": started, "call.dtmf.received": key},
        ) as app,
    ):
        result = await network.call(app.url, script, mode="call_control", manners=QUICK)
        other = await network.next_result(SAM)
        await network.call_control.feed.settle(5)
    a, b = result.report.call_id, b_leg["call_control_id"]
    assert app.of("call.bridged", a) and app.of("call.bridged", b)
    assert (
        app.of("call.initiated", a)[0]["call_session_id"] != app.of("call.initiated", b)[0]["call_session_id"]
    )
    assert power(result.heard, 700) > 5000
    assert power(other.heard, 1000) > 5000
    assert result.report.ended_by == "colleague"
    assert other.report.ended_by == "caller"
    assert {one["hangup_cause"] for one in app.of("call.hangup")} == {"normal_clearing"}


async def test_a_bridge_needs_two_answered_calls():
    codes = {}

    async def started(app, payload):
        call_id = payload["call_control_id"]
        data = await app.dial(SAM, webhook_url=f"{app.url}/telnyx/events")
        for name, other in (
            ("ringing", data["call_control_id"]),
            ("nobody", "v3:nobody"),
            ("itself", call_id),
        ):
            _, body = await app.command(call_id, "bridge", call_control_id=other)
            codes[name] = body["errors"][0]["code"]
        await hang_up(app, payload)

    await call({"streaming.started": started}, [Colleague(SAM, behaviour="no_answer")])
    assert codes == {"ringing": "90034", "nobody": "90015", "itself": "90015"}


async def test_a_sip_phone_can_be_referred():
    async def refer(app, payload):
        await app.command(payload["call_control_id"], "refer", sip_address=SIP_SAM)

    result, app = await call(
        {"streaming.started": refer},
        [Colleague(SIP_SAM, 0.3, script=[Audio(tone(300, frequency=700), "hello"), Wait(0.6), HangUp()])],
        from_number="sip:caller@example.com",
    )
    assert app.of("call.refer.started")[0]["sip_notify_response"] == 100
    assert app.of("call.refer.completed")[0]["sip_notify_response"] == 200
    hangup = app.of("call.hangup")[0]
    assert (hangup["hangup_cause"], hangup["hangup_source"]) == ("normal_clearing", "caller")
    # The two talk on without the carrier.
    assert result.colleagues[0].outcome == "completed"
    assert power(result.heard, 700) > 5000
    assert app.bot.lines[0].messages[-1]["event"] == "stop"
    assert result.report.passed, result.report.shortcomings


@pytest.mark.parametrize(
    ("caller", "behaviour", "code"),
    [
        ("sip:caller@example.com", "busy", 486),
        ("sip:caller@example.com", None, 404),
        ("+12025550143", "answers", 405),
    ],
)
async def test_a_refer_that_fails_leaves_the_call_up(caller, behaviour, code):
    async def refer(app, payload):
        await app.command(payload["call_control_id"], "refer", sip_address=SIP_SAM)

    people = [Colleague(SIP_SAM, 0.2, behaviour)] if behaviour else []
    result, app = await call(
        {"streaming.started": refer, "call.refer.failed": hang_up}, people, from_number=caller
    )
    assert app.of("call.refer.failed")[0]["sip_notify_response"] == code
    assert result.report.ended_by == "bot"
