"""A number of a Call Control application is dialled: nothing happens but what the application commands."""

import asyncio
import base64
import io
import socket
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import telnyx
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from emulator import Audio, CannotReach, Digits, EmulatorError, EventHabits, HangUp, PhoneNetwork, Wait, tone
from emulator.line.caller import Manners
from tests.fake_application import ACCOUNT, EVENTS, Application, answering, hang_up
from tests.fake_bot import FakeBot, Line

ROOT = Path(__file__).resolve().parents[2]
QUICK = Manners(patience=0.2)
PATIENT = (Wait(30),)
STATE = base64.b64encode(b'{"call": "abc"}').decode()


async def call(on, talk=None, script=PATIENT, **options):
    """Call an application that does `on[event]`; returns the result and the application."""
    async with PhoneNetwork("telnyx") as network, Application(network, on) as app:
        if talk is not None:
            app.bot.talk = talk
        result = await network.call(app.url, script, mode="call_control", manners=QUICK, **options)
        await network.call_control.feed.settle(5)
        return result, app


def beep_and_hang_up(application):
    async def talk(line: Line) -> None:
        await line.beep(400)
        await line.mark("goodbye")
        await line.until("mark")
        await hang_up(application(), {"call_control_id": line.call_id})
        await line.until_closed()

    return talk


async def test_a_call_is_told_answered_streamed_and_hung_up_by_command():
    async with PhoneNetwork("telnyx") as network, Application(network) as app:
        app.on = {"call.initiated": answering(client_state=STATE, command_id="answer-1")}
        app.bot.talk = beep_and_hang_up(lambda: app)
        result = await network.call(app.url, [Wait(30)], mode="call_control", manners=QUICK)
        await network.call_control.feed.settle(5)
    assert app.types() == [
        "call.initiated",
        "call.answered",
        "streaming.started",
        "call.hangup",
        "streaming.stopped",
    ]
    initiated, answered, hangup = (
        app.of("call.initiated")[0],
        app.of("call.answered")[0],
        app.of("call.hangup")[0],
    )
    assert (initiated["direction"], initiated["state"]) == ("incoming", "parked")
    assert (initiated["from"], initiated["to"]) == ("+12025550143", "+12025550100")
    assert initiated["connection_id"] == ACCOUNT.telnyx_connection_id
    assert initiated["client_state"] is None
    assert initiated["call_control_id"] == result.report.call_id
    assert (answered["state"], answered["client_state"]) == ("answered", STATE)
    assert app.of("streaming.started")[0]["stream_url"] == app.socket_url
    assert (hangup["hangup_cause"], hangup["hangup_source"]) == ("normal_clearing", "callee")
    assert hangup["sip_hangup_cause"] == "unspecified"
    connected, start = app.bot.lines[0].messages[0], app.bot.lines[0].start
    assert connected["event"] == "connected"
    assert "x-telnyx-streaming-auth-token" not in connected
    assert start["start"]["client_state"] == STATE
    assert start["start"]["call_control_id"] == result.report.call_id
    assert start["start"]["call_session_id"] == initiated["call_session_id"]
    assert start["start"]["from"] == "+12025550143"
    assert start["start"]["media_format"] == {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}
    assert app.bot.lines[0].messages[-1]["event"] == "stop"
    assert app.answers[0][1:] == (200, {"data": {"result": "ok"}})
    assert result.report.ended_by == "bot"
    assert result.report.passed, result.report.shortcomings


async def test_events_are_signed_json_with_an_envelope():
    result, app = await call({"call.initiated": hang_up})
    seen = app.bot.seen[0]
    headers = {name.lower(): value for name, value in seen.headers.items()}
    assert (seen.method, seen.path) == ("POST", EVENTS)
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == "telnyx-webhooks"
    key = ACCOUNT.telnyx_key.public_key().public_bytes_raw()
    signed = headers["telnyx-timestamp"].encode() + b"|" + seen.body
    Ed25519PublicKey.from_public_bytes(key).verify(
        base64.b64decode(headers["telnyx-signature-ed25519"]), signed
    )
    event = app.events[0]
    assert event["data"]["record_type"] == "event"
    assert event["data"]["id"]
    assert event["data"]["occurred_at"].endswith("Z")
    assert event["meta"] == {"attempt": 1, "delivered_to": app.url + EVENTS}
    assert not result.report.answered


async def test_a_call_that_nobody_answers_is_given_up_by_the_caller():
    result, app = await call({}, gives_up_secs=0.5)
    assert app.types() == ["call.initiated", "call.hangup"]
    hangup = app.of("call.hangup")[0]
    assert (hangup["hangup_cause"], hangup["hangup_source"]) == ("originator_cancel", "caller")
    assert (result.report.answered, result.report.ended_by) == (False, "caller")
    assert not app.bot.lines


@pytest.mark.parametrize(
    ("cause", "told"),
    [("USER_BUSY", "user_busy"), ("CALL_REJECTED", "call_rejected"), ("NOT_FOUND", "not_found")],
)
async def test_a_call_can_be_rejected_with_a_cause(cause, told):
    async def reject(app, payload):
        await app.command(payload["call_control_id"], "reject", cause=cause)

    result, app = await call({"call.initiated": reject})
    assert app.of("call.hangup")[0]["hangup_cause"] == told
    assert result.report.ended_by == "rejected"


async def test_a_caller_who_hangs_up_is_told_as_the_source():
    result, app = await call({"call.initiated": answering()}, script=[Wait(0.5), HangUp()])
    hangup = app.of("call.hangup")[0]
    assert (hangup["hangup_cause"], hangup["hangup_source"]) == ("normal_clearing", "caller")
    assert result.report.ended_by == "caller"
    assert app.bot.lines[0].messages[-1]["event"] == "stop"


async def test_the_caller_is_heard_on_the_socket_and_the_bot_by_the_caller():
    async def talk(line: Line) -> None:
        await line.beep(300)
        await line.caller_spoke()
        await line.beep(300)
        await line.until_closed()

    script = [Audio(tone(400), "hello"), Wait(0.6), HangUp()]
    result, app = await call({"call.initiated": answering()}, talk, script)
    assert result.report.turns[1].response_ms is not None
    assert len(app.bot.lines[0].of("media")) > 20


@pytest.mark.parametrize(
    ("legs", "is_heard"),
    [({}, False), ({"opposite"}, False), ({"self"}, True), ({"both"}, True)],
    ids=["default", "opposite", "self", "both"],
)
async def test_whoever_is_alone_on_a_leg_hears_only_a_stream_that_is_meant_for_it(legs, is_heard):
    async with PhoneNetwork("telnyx") as network, Application(network) as app:

        async def answer(app, payload):
            stream = {name: value for name, value in app.stream.items() if not name.endswith("target_legs")}
            for one in legs:
                stream["stream_bidirectional_target_legs"] = one
            await app.command(payload["call_control_id"], "answer", **stream)

        app.on = {"call.initiated": answer}
        app.bot.talk = beep_and_hang_up(lambda: app)
        result = await network.call(app.url, [Wait(30)], mode="call_control", manners=QUICK)
        await network.call_control.feed.settle(5)
    assert bool(np.any(np.abs(result.heard) > 1000)) is is_heard
    assert (
        bool([note for note in result.timeline.of("note") if "heard by nobody" in note.text]) is not is_heard
    )


async def test_a_bot_that_only_closes_its_socket_leaves_the_caller_in_dead_air():
    async def talk(line: Line) -> None:
        await line.beep(300)
        await asyncio.sleep(0.5)

    result, app = await call({"call.initiated": answering()}, talk, [Wait(3.5), HangUp()])
    assert result.report.ended_by == "caller"
    assert app.types()[:4] == ["call.initiated", "call.answered", "streaming.started", "streaming.stopped"]
    closed = result.timeline.of("socket_closed")[0].at_ms
    (warning,) = result.timeline.of("warning")
    assert "dead air" in warning.text
    assert 1900 <= warning.at_ms - closed <= 3400
    assert not result.report.passed


async def test_a_stream_that_cannot_be_opened_is_told_and_the_call_stays_up():
    async def answer(app, payload):
        url = f"ws://127.0.0.1:{app.bot.port}/ws"
        app.bot.talk = None
        await app.command(payload["call_control_id"], "answer", stream_url=url)

    async def failed(app, payload):
        await app.command(payload["call_control_id"], "speak", payload="Sorry, goodbye.", voice="female")

    async def spoken(app, payload):
        await hang_up(app, payload)

    result, app = await call(
        {"call.initiated": answer, "streaming.failed": failed, "call.speak.ended": spoken}
    )
    payload = app.of("streaming.failed")[0]
    assert payload["failure_reason"]
    assert payload["stream_type"] == "websocket"
    assert payload["stream_params"] == {"stream_url": app.socket_url, "track": "inbound_track"}
    assert app.types()[-3:] == ["call.speak.started", "call.speak.ended", "call.hangup"]
    assert result.timeline.of("say")[0].text == "Sorry, goodbye."
    assert result.report.ended_by == "bot"


async def test_a_stream_can_be_started_and_stopped_after_the_answer():
    async def answer(app, payload):
        await app.command(payload["call_control_id"], "answer")

    async def start(app, payload):
        more = {"stream_auth_token": "secret", "custom_parameters": [{"name": "agent", "value": "shop"}]}
        await app.command(payload["call_control_id"], "streaming_start", **app.stream, **more)

    async def started(app, payload):
        call_id = payload["call_control_id"]
        assert (await app.command(call_id, "streaming_start", **app.stream))[1]["errors"][0][
            "code"
        ] == "90045"
        assert (await app.command(call_id, "streaming_stop"))[0] == 200
        assert (await app.command(call_id, "streaming_stop"))[1]["errors"][0]["code"] == "90048"
        await hang_up(app, payload)

    _, app = await call({"call.initiated": answer, "call.answered": start, "streaming.started": started})
    line = app.bot.lines[0]
    assert line.messages[0]["x-telnyx-streaming-auth-token"] == "secret"
    assert line.start["start"]["custom_parameters"] == {"agent": "shop"}
    upgrade = {name.lower(): value for name, value in app.bot.upgrades[0].headers.items()}
    assert upgrade["x-telnyx-streaming-auth-token"] == "secret"
    assert line.messages[-1]["event"] == "stop"
    assert app.types().index("streaming.stopped") < app.types().index("call.hangup")


async def test_answer_has_no_token_for_the_stream():
    result, app = await call(
        {"call.initiated": answering(stream_auth_token="secret"), "streaming.started": hang_up}
    )
    assert "x-telnyx-streaming-auth-token" not in app.bot.lines[0].messages[0]
    assert [error for error in result.report.errors if "answer has no parameter stream_auth_token" in error]


async def test_keys_reach_the_socket_and_are_told_as_events():
    result, app = await call(
        {"call.initiated": answering()},
        script=[Wait(0.5), Digits("4#", after_reply=False), Wait(0.2), HangUp()],
    )
    assert [message["dtmf"]["digit"] for message in app.bot.lines[0].of("dtmf")] == ["4", "#"]
    assert sorted(payload["digit"] for payload in app.of("call.dtmf.received")) == ["#", "4"]
    assert not result.report.errors


@pytest.mark.parametrize(
    ("keys", "order", "told"),
    [
        ("123#", {"maximum_digits": 6}, ("123", "valid")),
        ("4711", {"maximum_digits": 4, "terminating_digit": ""}, ("4711", "valid")),
        ("19#", {"minimum_digits": 3}, ("19", "invalid")),
        ("", {"initial_timeout_millis": 300}, ("", "timeout")),
    ],
)
async def test_keys_can_be_gathered(keys, order, told):
    async def answer(app, payload):
        await app.command(payload["call_control_id"], "answer")

    async def gather(app, payload):
        await app.command(payload["call_control_id"], "gather", **order)

    script = [Wait(0.3), *([Digits(keys, after_reply=False)] if keys else []), Wait(10)]
    _, app = await call(
        {"call.initiated": answer, "call.answered": gather, "call.gather.ended": hang_up}, script=script
    )
    payload = app.of("call.gather.ended")[0]
    assert (payload["digits"], payload["status"]) == told


async def test_keys_can_be_sent_to_the_caller():
    async def started(app, payload):
        await app.command(payload["call_control_id"], "send_dtmf", digits="1w2", duration_millis=100)
        await asyncio.sleep(1.3)
        await hang_up(app, payload)

    result, _ = await call({"call.initiated": answering(), "streaming.started": started})
    assert [entry.data["digit"] for entry in result.timeline.of("keys_heard")] == ["1", "2"]


async def test_an_audio_file_is_played_until_its_end():
    content = io.BytesIO()
    with wave.open(content, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(tone(600).tobytes())

    async def file(request):
        return web.Response(body=content.getvalue(), content_type="audio/wav")

    async def answer(app, payload):
        app.bot.documents["/file.wav"] = file
        await app.command(payload["call_control_id"], "answer")

    async def play(app, payload):
        await app.command(payload["call_control_id"], "playback_start", audio_url=f"{app.url}/file.wav")

    result, app = await call(
        {"call.initiated": answer, "call.answered": play, "call.playback.ended": hang_up}
    )
    assert app.of("call.playback.ended")[0]["status"] == "completed"
    (heard,) = (one for one in result.timeline.of("bot_speech") if one.data["edge"] == "stop")
    assert 500 <= heard.data["end_ms"] - heard.data["start_ms"] <= 700


async def test_commands_are_refused_as_documented():
    seen = {}

    async def initiated(app, payload):
        call_id = payload["call_control_id"]
        for name, action, body in (
            ("early", "speak", {"payload": "x", "voice": "female"}),
            ("state", "answer", {"client_state": "no base64!"}),
            ("unknown", "dance", {}),
            ("value", "answer", app.stream | {"stream_bidirectional_mode": "wav"}),
            ("missing", "reject", {}),
        ):
            seen[name] = await app.command(call_id, action, **body)
        seen["id"] = await app.command("v3:nobody", "answer")
        await hang_up(app, payload)
        seen["late"] = await app.command(call_id, "answer")
        seen["status"] = await app.request("GET", f"/calls/{call_id}")

    await call({"call.initiated": initiated})
    codes = {
        name: (status, body["errors"][0]["code"]) for name, (status, body) in seen.items() if "errors" in body
    }
    assert codes == {
        "early": (422, "90034"),
        "state": (422, "90017"),
        "unknown": (404, "10005"),
        "value": (422, "10032"),
        "missing": (422, "10004"),
        "id": (422, "90015"),
        "late": (422, "90018"),
    }
    assert seen["late"][1]["errors"][0]["title"] == "Call has already ended"
    assert seen["status"][1]["data"]["is_alive"] is False


async def test_a_wrong_key_is_refused():
    async with PhoneNetwork("telnyx") as network, Application(network) as app:
        app._session.headers["Authorization"] = "Bearer wrong"
        for method, path in (("POST", "/calls"), ("POST", "/calls/x/actions/answer"), ("GET", "/calls/x")):
            status, body = await app.request(method, path)
            assert (status, body["errors"][0]["code"]) == (401, "10009")


async def test_a_command_id_that_was_used_already_does_nothing_again():
    async def initiated(app, payload):
        for _ in range(2):
            await app.command(payload["call_control_id"], "answer", **app.stream, command_id="once")

    async def started(app, payload):
        for _ in range(2):
            await app.command(payload["call_control_id"], "send_dtmf", digits="5", command_id="key")
        await asyncio.sleep(0.6)
        await hang_up(app, payload)

    result, app = await call({"call.initiated": initiated, "streaming.started": started})
    assert [status for _, status, _ in app.answers] == [200] * 5
    assert len(app.of("call.answered")) == 1
    assert len(result.timeline.of("keys_heard")) == 1


async def test_a_call_gets_through_doubled_and_shuffled_events():
    habits = EventHabits(doubled=0.6, out_of_order=0.5, delay_secs=0.2, seed=5)
    async with PhoneNetwork("telnyx", events=habits) as network, Application(network) as app:
        app.on = {"call.initiated": answering()}
        app.bot.talk = beep_and_hang_up(lambda: app)
        result = await network.call(app.url, [Wait(30)], mode="call_control", manners=QUICK)
        await network.call_control.feed.settle(5)
    kinds = set(app.types())
    assert len(app.types()) > len(kinds) == 5
    assert result.report.passed, result.report.shortcomings


async def test_the_client_state_can_be_changed_for_later_events():
    async def started(app, payload):
        await app.command(payload["call_control_id"], "client_state_update", client_state=STATE)
        await hang_up(app, payload)

    _, app = await call({"call.initiated": answering(), "streaming.started": started})
    assert app.of("call.answered")[0]["client_state"] is None
    assert app.of("call.hangup")[0]["client_state"] == STATE


async def test_telnyxs_own_library_commands_a_call():
    async with PhoneNetwork("telnyx") as network:
        client = telnyx.AsyncTelnyx(api_key=ACCOUNT.telnyx_api_key, base_url=f"{network.rest_url}/v2")

        async def initiated(app, payload):
            answer = await client.calls.actions.answer(
                payload["call_control_id"],
                stream_url=app.socket_url,
                stream_bidirectional_mode="rtp",
                stream_bidirectional_codec="PCMU",
                stream_bidirectional_target_legs="self",
                client_state=STATE,
            )
            assert answer.data.result == "ok"

        async def started(app, payload):
            call_id = payload["call_control_id"]
            status = await client.calls.retrieve_status(call_id)
            assert status.data.is_alive
            assert status.data.client_state == STATE
            await client.calls.actions.hangup(call_id)
            with pytest.raises(telnyx.UnprocessableEntityError) as refused:
                await client.calls.actions.hangup(call_id)
            assert refused.value.body["errors"][0]["code"] == "90018"

        async with (
            client,
            Application(network, {"call.initiated": initiated, "streaming.started": started}) as app,
        ):
            result = await network.call(app.url, [Wait(20)], mode="call_control")
    assert result.report.ended_by == "bot"


async def test_the_command_line_calls_such_a_number_too():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with Application(None, {"call.initiated": answering()}, rest_url=f"http://127.0.0.1:{port}") as app:
        app.bot.talk = beep_and_hang_up(lambda: app)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "emulator", "call", "--carrier", "telnyx", "--mode", "call-control"),
            *("--url", app.url, "--rest-port", str(port), "--no-voice-report", "--digits", "1"),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
    text = out.decode()
    assert "call.initiated" in text, text
    assert "hang-up by REST" in text
    assert app.types()[-2:] == ["call.hangup", "streaming.stopped"]


async def test_only_telnyx_has_call_control():
    async with PhoneNetwork("twilio") as network:
        with pytest.raises(EmulatorError, match="documents only"):
            await network.call("http://127.0.0.1:1", mode="call_control")
        with pytest.raises(EmulatorError, match="only Telnyx"):
            assert network.call_control


async def test_a_server_that_is_not_there_is_no_call():
    async with PhoneNetwork("telnyx") as network, FakeBot() as bot:
        url = bot.url
        await bot.__aexit__()
        with pytest.raises(CannotReach):
            await network.call(url, mode="call_control")
