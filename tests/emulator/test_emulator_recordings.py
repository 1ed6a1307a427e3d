"""Calls are recorded by REST on both carriers: what was said and heard, its pauses, the file and who is told."""

import asyncio
import io
import json
import wave

import aiohttp
import numpy as np
import pytest

from emulator import Audio, Credentials, Digits, HangUp, PhoneNetwork, Wait, tone
from emulator.line.caller import Manners
from tests.fake_bot import FakeBot, Line

ACCOUNT = Credentials()
TWILIO_AUTH = aiohttp.BasicAuth(ACCOUNT.twilio_account_sid, ACCOUNT.twilio_auth_token)
TELNYX_AUTH = {"Authorization": f"Bearer {ACCOUNT.telnyx_api_key}"}
QUICK = Manners(patience=0.2)
STREAM = '<Connect><Stream url="wss://HOST/ws" bidirectionalMode="rtp"/></Connect>'


def amplitude(samples: np.ndarray, frequency: float) -> float:
    wave_ = np.exp(-2j * np.pi * frequency * np.arange(len(samples)) / 8000)
    return abs(np.dot(samples.astype(float), wave_)) * 2 / max(1, len(samples))


def read(content: bytes) -> np.ndarray:
    with wave.open(io.BytesIO(content)) as reader:
        samples = np.frombuffer(reader.readframes(reader.getnframes()), dtype="<i2")
        return samples.reshape(-1, reader.getnchannels())


class Rest:
    """What a bot's server sends to a carrier to record its call."""

    def __init__(self, network: PhoneNetwork, session: aiohttp.ClientSession, call_id: str) -> None:
        self.carrier, self.session = network.dialect.name, session
        base = f"{network.rest_url}/2010-04-01/Accounts/{ACCOUNT.twilio_account_sid}/Calls/{call_id}"
        texml = f"{network.rest_url}/v2/texml/Accounts/{ACCOUNT.telnyx_account_id}/Calls/{call_id}"
        self.calls = base if self.carrier == "twilio" else texml
        self.commands = f"{network.rest_url}/v2/calls/{call_id}/actions"

    async def post(self, path: str, **form: str) -> tuple[int, dict]:
        auth = {"auth": TWILIO_AUTH} if self.carrier == "twilio" else {"headers": TELNYX_AUTH}
        async with self.session.post(f"{self.calls}/{path}", data=form, **auth) as response:
            return response.status, await response.json()

    async def command(self, name: str, **body) -> tuple[int, dict]:
        async with self.session.post(f"{self.commands}/{name}", json=body, headers=TELNYX_AUTH) as response:
            return response.status, await response.json()

    async def fetch(self, url: str) -> bytes:
        async with self.session.get(url) as response:
            response.raise_for_status()
            return await response.read()


async def with_bot(carrier, talk, script, *, inspect=None, mode=""):
    """A call to a bot whose `talk` also gets REST; `inspect` is called when the call is over."""
    async with PhoneNetwork(carrier, silent_secs=(0, 0)) as network, aiohttp.ClientSession() as session:

        async def speak(line: Line) -> None:
            await talk(line, Rest(network, session, line.call_id), bot)

        async with FakeBot(speak, {f"/{carrier}/voice": STREAM, "/recorded": ""}) as bot:
            result = await network.call(bot.url, script, manners=QUICK)
            found = None if inspect is None else await inspect(bot, Rest(network, session, ""), network)
        return result, found


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_a_recording_has_the_caller_on_the_left_and_what_they_heard_on_the_right(carrier):
    channels = {"twilio": {"RecordingChannels": "dual"}, "telnyx": {}}[carrier]

    async def talk(line, rest, bot):
        status, started = await rest.post(
            "Recordings.json",
            RecordingStatusCallback=f"{bot.url}/recorded",
            RecordingStatusCallbackEvent="in-progress completed",
            **channels,
        )
        assert status == (201 if carrier == "twilio" else 200)
        assert started["channels"] == 2
        await line.beep(400)
        await line.caller_spoke()
        await asyncio.sleep(0.2)

    async def inspect(bot, rest, network):
        forms = [seen.form for seen in bot.seen if seen.path == "/recorded"]
        assert [form["RecordingStatus"] for form in forms] == ["in-progress", "completed"]
        assert (forms[1]["RecordingChannels"], forms[1]["RecordingSource"]) == ("2", "StartCallRecordingAPI")
        if carrier == "telnyx":
            account = rest.calls.partition("/Calls")[0]
            url = f"{account}/Recordings/{forms[1]['RecordingSid']}.json"
            async with rest.session.get(url, headers=TELNYX_AUTH) as response:
                assert (await response.json())["media_url"] == forms[1]["RecordingUrl"] + ".wav"
        return forms[1], read(await rest.fetch(forms[1]["RecordingUrl"] + ".wav"))

    result, (form, samples) = await with_bot(
        carrier, talk, [Audio(tone(400, frequency=1000), "hi")], inspect=inspect
    )
    assert result.report.errors == []
    assert form["CallSid"] == result.report.call_id
    assert int(form["RecordingDuration"]) == round(len(samples) / 8000)
    left, right = samples[:, 0], samples[:, 1]
    assert amplitude(left, 1000) * len(left) / 3200 > 5000
    assert amplitude(right, 440) * len(right) / 3200 > 5000
    assert amplitude(left, 440) < 50
    # To the sample what was on the line
    whole = np.stack([result.said, result.heard], axis=1)
    start = next(at for at in range(0, 8000, 160) if np.array_equal(whole[at : at + len(samples)], samples))
    assert len(whole) - start - len(samples) <= 320


@pytest.mark.parametrize(("behaviour", "silent"), [("silence", True), ("skip", False)])
async def test_a_paused_recording_is_silent_or_shorter_there(behaviour, silent):
    async def talk(line, rest, bot):
        await rest.post("Recordings.json", RecordingChannels="dual")
        await line.beep(300)
        await asyncio.sleep(0.5)
        status, paused = await rest.post(
            "Recordings/Twilio.CURRENT.json", Status="paused", PauseBehavior=behaviour
        )
        assert (status, paused["status"]) == (200, "paused")
        await line.beep(400)
        await asyncio.sleep(0.6)
        await rest.post(f"Recordings/{paused['sid']}.json", Status="in-progress")
        await line.beep(200)
        await asyncio.sleep(0.4)
        status, stopped = await rest.post("Recordings/Twilio.CURRENT.json", Status="stopped")
        assert (stopped["status"], stopped["channels"]) == ("completed", 2)
        status, refused = await rest.post("Recordings/Twilio.CURRENT.json", Status="paused")
        assert (status, refused["code"]) == (404, 20404)
        await line.beep(100)
        await asyncio.sleep(0.3)

    async def inspect(bot, rest, network):
        (recording,) = network.exchange.recordings.all()
        return read(recording.wav())

    result, samples = await with_bot("twilio", talk, [Wait(10)], inspect=inspect)
    loud_ms = np.count_nonzero(samples[:, 1]) / 8
    assert 450 <= loud_ms <= 520
    assert (len(samples) / 8 > 1300) is silent
    states = [entry.data["state"] for entry in result.timeline.of("recording")]
    assert states == ["in-progress", "paused", "resumed", "completed"]
    assert [text for text in result.report.errors if "20404" not in text] == []


async def test_a_mono_recording_is_a_mix_and_one_of_nothing_is_absent():
    async def talk(line, rest, bot):
        _, started = await rest.post("Recordings.json", RecordingStatusCallback=f"{bot.url}/recorded")
        assert started["channels"] == 1
        await rest.post(f"Recordings/{started['sid']}.json", Status="paused", PauseBehavior="skip")
        await asyncio.sleep(0.1)

    async def inspect(bot, rest, network):
        return [seen.form["RecordingStatus"] for seen in bot.seen if seen.path == "/recorded"]

    _, told = await with_bot("twilio", talk, [Wait(5)], inspect=inspect)
    assert told in ([], ["completed"])  # a frame may have passed before the pause


async def test_telnyxs_commands_record_a_call_control_leg_and_the_saved_file_is_told():
    async with PhoneNetwork("telnyx", silent_secs=(0, 0)) as network, aiohttp.ClientSession() as session:
        events: list[dict] = []

        async def take(request):
            events.append(json.loads(await request.read())["data"])
            if events[-1]["event_type"] == "call.initiated":
                rest = Rest(network, session, events[-1]["payload"]["call_control_id"])
                asyncio.get_running_loop().create_task(command(rest))
            return aiohttp.web.Response()

        async def command(rest: Rest) -> None:
            status, refused = await rest.command("record_start", channels="dual", format="wav")
            assert (status, refused["errors"][0]["code"]) == (422, "90034")
            await rest.command("answer")
            assert (await rest.command("record_start", channels="dual"))[0] == 422
            assert await rest.command("record_start", channels="dual", format="wav") == (
                200,
                {"data": {"result": "ok"}},
            )
            await asyncio.sleep(0.6)
            await rest.command("record_pause")
            await asyncio.sleep(0.5)
            await rest.command("record_resume")
            await rest.command("send_dtmf", digits="1")
            await asyncio.sleep(0.6)
            await rest.command("record_stop")
            assert (await rest.command("record_pause"))[0] == 422
            await rest.command("hangup")

        async with FakeBot(None, {"/telnyx/events": take}) as bot:
            result = await network.call(
                bot.url, [Audio(tone(200, frequency=700), "hi"), Wait(9)], manners=QUICK, mode="call_control"
            )
        saved = next(event["payload"] for event in events if event["event_type"] == "call.recording.saved")
        samples = read(await Rest(network, session, "").fetch(saved["recording_urls"]["wav"]))
        assert saved["channels"] == "dual"
        url = f"{network.rest_url}/v2/recordings/{saved['recording_id']}"
        async with session.get(url, headers=TELNYX_AUTH) as response:
            known = (await response.json())["data"]
        assert known["download_urls"] == saved["recording_urls"] and known["channels"] == "dual"
        for path, headers, status in ((url, {}, 401), (f"{url}0", TELNYX_AUTH, 404)):
            async with session.get(path, headers=headers) as response:
                assert response.status == status
        assert saved["call_control_id"] == result.report.call_id
        assert 900 <= len(samples) / 8 <= 1600
        assert amplitude(samples[:, 1], 697) > 100  # the key that was sent


async def test_a_texml_call_takes_the_commands_to_send_digits_and_to_record():
    async def talk(line, rest, bot):
        assert (await rest.command("send_dtmf", digits="12#"))[0] == 200
        assert (await rest.command("send_dtmf", digits="x"))[0] == 422
        assert (await rest.command("record_start", channels="single", format="wav"))[0] == 200
        assert (await rest.command("no_such", digits="x"))[0] == 404
        await asyncio.sleep(1.0)

    result, _ = await with_bot("telnyx", talk, [Wait(9)])
    assert [entry.data["digit"] for entry in result.timeline.of("keys_heard")] == ["1", "2", "#"]
    assert result.timeline.of("recording")


async def gathered(inner, script, *, carrier="twilio", **documents):
    answers = {f"/{carrier}/voice": inner, "/next": "<Hangup/>", **documents}
    async with FakeBot(None, answers) as bot, PhoneNetwork(carrier) as network:
        result = await network.call(bot.url, script, manners=QUICK)
        return result, next((seen.form for seen in bot.seen if seen.path == "/next"), None)


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
@pytest.mark.parametrize(
    ("attributes", "keys", "digits"),
    [
        ('numDigits="3"', "1234", "123"),
        ("", "12#", "12"),
        ('finishOnKey="*"', "1#*", "1#"),
        ('timeout="1"', "7", "7"),
    ],
)
async def test_keys_are_gathered_until_there_are_enough(carrier, attributes, keys, digits):
    inner = f'<Gather {attributes} action="/next"><Say>press</Say></Gather><Say>nothing</Say>'
    _, form = await gathered(inner, [Wait(0.5), Digits(keys, after_reply=False), Wait(9)], carrier=carrier)
    assert form["Digits"] == digits


async def test_without_keys_the_next_verb_runs_unless_the_action_is_wanted_even_so():
    inner = '<Gather timeout="1" action="/next"/><Say>nothing</Say>'
    result, form = await gathered(inner, [Wait(9)])
    assert form is None
    assert [entry.text for entry in result.timeline.of("say")] == ["nothing"]
    wanted = inner.replace("timeout", 'actionOnEmptyResult="true" timeout')
    _, form = await gathered(wanted, [Wait(9)])
    assert form["Digits"] == ""


async def test_the_first_key_interrupts_the_prompt_and_the_clock_starts_behind_it():
    words = " ".join(["word"] * 20)  # eight seconds of silence without a voice
    inner = f'<Gather numDigits="1" timeout="1" action="/next"><Say>{words}</Say></Gather>'
    result, form = await gathered(inner, [Wait(1.5), Digits("5", after_reply=False), Wait(9)])
    assert form["Digits"] == "5"
    assert 1400 <= result.timeline.of("gather")[1].at_ms <= 4500


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_a_message_is_recorded_until_the_caller_is_silent_or_presses_a_key(carrier):
    """Telnyx documents no field of what its `action` is told."""
    inner = '<Record timeout="1" action="/next"/>'
    said = Audio(tone(600, frequency=700), "a message", after_reply=False)
    result, form = await gathered(inner, [Wait(0.5), said, Wait(9)], carrier=carrier)
    assert form["CallSid"] == result.report.call_id
    (begun, ended) = [entry for entry in result.timeline.of("recording")]
    assert 2000 <= ended.at_ms - begun.at_ms <= 2600
    told = {name: form.get(name) for name in ("RecordingDuration", "Digits")}
    assert told == ({"RecordingDuration": "1", "Digits": ""} if carrier == "twilio" else dict.fromkeys(told))
    assert "RecordingSid" not in form
    _, form = await gathered(
        inner, [Wait(0.5), said, Digits("#", after_reply=False), Wait(9)], carrier=carrier
    )
    assert form.get("Digits") == ("#" if carrier == "twilio" else None)


async def test_an_empty_message_goes_on_with_the_next_verb_at_twilio():
    result, form = await gathered('<Record timeout="1" action="/next"/><Say>nothing</Say>', [Wait(9)])
    assert form is None
    assert result.timeline.of("say")


async def test_silence_counts_at_telnyx_once_something_was_said_and_ends_nothing_by_default():
    result, form = await gathered(
        '<Record timeout="1" maxLength="3" action="/next"/><Say>x</Say>', [Wait(9)], carrier="telnyx"
    )
    (begun, ended) = result.timeline.of("recording")
    assert form is not None and ended.at_ms - begun.at_ms >= 2900
    said = Audio(tone(300), "x", after_reply=False)
    result, form = await gathered('<Record maxLength="3"/><Say>then</Say>', [said, Wait(9)], carrier="telnyx")
    (begun, ended) = result.timeline.of("recording")
    assert ended.at_ms - begun.at_ms >= 2900
    assert [entry.text for entry in result.timeline.of("say")] == [
        "then"
    ]  # nothing is asked without an action


@pytest.mark.parametrize(("carrier", "told"), [("twilio", "hangup"), ("telnyx", None)])
async def test_a_caller_who_hangs_up_ends_the_message_and_only_twilio_documents_that_it_asks(carrier, told):
    said = Audio(tone(600), "x", after_reply=False)
    result, form = await gathered('<Record action="/next"/>', [Wait(0.3), said, HangUp()], carrier=carrier)
    assert result.report.ended_by == "caller"
    assert (form and form["Digits"]) == told
    if form:
        assert form["CallStatus"] == "completed"


@pytest.mark.parametrize(("carrier", "after_call"), [("twilio", False), ("telnyx", True)])
async def test_the_file_of_a_message_is_reported_when_it_is_documented(carrier, after_call):
    inner = '<Record timeout="1" action="/next" recordingStatusCallback="/recorded"/>'
    said = Audio(tone(600, frequency=700), "a message", after_reply=False)
    answers = {f"/{carrier}/voice": inner, "/next": '<Pause length="2"/>', "/recorded": ""}
    async with FakeBot(None, answers) as bot, PhoneNetwork(carrier) as network:
        result = await network.call(bot.url, [Wait(0.5), said, Wait(9)], manners=QUICK)
        (form,) = [seen.form for seen in bot.seen if seen.path == "/recorded"]
    assert (form["RecordingStatus"], form["RecordingSource"]) == ("completed", "RecordVerb")
    assert form["RecordingSid"] in form["RecordingUrl"]
    (told,) = [
        entry for entry in result.timeline.of("callback") if entry.text.startswith("recording completed")
    ]
    (ended,) = result.timeline.of("hang_up")
    assert (told.at_ms >= ended.at_ms) is after_call


@pytest.mark.parametrize(
    ("events", "status", "told"),
    [
        (["in-progress completed"], 201, ["in-progress", "completed"]),
        (["in-progress", "completed"], 400, []),
    ],
    ids=["one field", "repeated"],
)
async def test_the_events_of_a_recording_are_one_field_with_values_between_spaces(events, status, told):
    """Source: Twilio docs, voice/api/recording. What is done with a field that is repeated is not documented."""

    async def talk(line, rest, bot):
        form = aiohttp.FormData([("RecordingStatusCallback", f"{bot.url}/recorded")])
        for one in events:
            form.add_field("RecordingStatusCallbackEvent", one)
        async with rest.session.post(
            f"{rest.calls}/Recordings.json", data=form, auth=TWILIO_AUTH
        ) as response:
            assert response.status == status
        await line.beep(400)
        await asyncio.sleep(0.3)

    async def inspect(bot, rest, network):
        return [seen.form["RecordingStatus"] for seen in bot.seen if seen.path == "/recorded"]

    _, found = await with_bot("twilio", talk, [HangUp(after_reply=True)], inspect=inspect)
    assert found == told
