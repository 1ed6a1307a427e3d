"""What happens on a second leg before the two are connected, SIP referrals, and long conversations in a short time."""

import asyncio
import time

import numpy as np
import pytest

from emulator import Audio, Colleague, HangUp, PhoneNetwork, Wait, tone
from emulator.line.codecs import SAMPLE_RATE
from tests.fake_bot import FakeBot, Line

SAM = "+12025550111"
PHONE = "sip:caller@phones.example"
SIP_SAM = "sip:sam@example.com"
CARRIERS = pytest.mark.parametrize("carrier", ["twilio", "telnyx"])


def power(samples: np.ndarray, frequency: float) -> float:
    """How much of a recording is this tone, as its amplitude (0 to 32767) over the tone's best 100 ms."""
    size = SAMPLE_RATE // 10
    wave = np.exp(-2j * np.pi * frequency * np.arange(size) / SAMPLE_RATE)
    pieces = [samples[at : at + size] for at in range(0, len(samples) - size, size // 2)]
    return max((abs(np.dot(piece, wave)) * 2 / size for piece in pieces), default=0.0)


async def dial(inner, carrier="twilio", *, person, script=None, documents=None, **options):
    """Call a bot whose first document is `inner`."""
    documents = {f"/{carrier}/voice": inner, "/next": "<Hangup/>", "/second": ""} | (documents or {})
    async with FakeBot(None, documents) as bot:
        async with PhoneNetwork(
            carrier, people=[person], speak=lambda text: tone(300, frequency=1500)
        ) as network:
            return await network.call(bot.url, script or [Wait(30)], **options), bot


def form_of(bot, path):
    return next(seen.form for seen in bot.seen if seen.path == path)


@CARRIERS
async def test_a_whisper_is_heard_by_the_callee_alone_before_the_two_are_connected(carrier):
    sam = Colleague(SAM, 0.2, script=[Wait(1.5), HangUp()])
    result, bot = await dial(
        f'<Dial action="/next"><Number url="/whisper">{SAM}</Number></Dial>',
        carrier,
        person=sam,
        documents={"/whisper": '<Say>from the bot</Say><Pause length="1"/>'},
    )
    (record,) = result.colleagues
    assert 1200 <= record.bridged_ms - record.answered_ms <= 2000
    assert power(record.heard, 1500) > 3000
    assert power(result.heard, 1500) < 300
    between = slice(record.answered_ms * 8, record.bridged_ms * 8)
    assert power(result.heard[between], 440) > 1000, "the caller hears it ring meanwhile"
    form = form_of(bot, "/whisper")
    assert (form["CallSid"], form["CallStatus"]) == (record.call_id, "in-progress")
    if carrier == "twilio":
        assert (form["ParentCallSid"], form["Direction"]) == (result.report.call_id, "outbound-dial")
    assert form_of(bot, "/next")["DialCallStatus"] == "completed"


async def test_a_whisper_that_hangs_up_connects_nobody():
    result, bot = await dial(
        f'<Dial action="/next"><Number url="/whisper">{SAM}</Number></Dial>',
        person=Colleague(SAM, 0.1),
        documents={"/whisper": "<Hangup/>"},
    )
    (record,) = result.colleagues
    assert (record.outcome, record.bridged_ms) == ("completed", None)
    assert form_of(bot, "/next")["DialBridged"] == "false"
    assert not result.report.handed_over


@CARRIERS
async def test_the_second_legs_progress_is_told_to_its_own_callback_and_keys_are_sent(carrier):
    noun = (
        f'<Number sendDigits="1" statusCallback="/second" statusCallbackEvent="initiated ringing answered completed">'
        f"{SAM}</Number>"
    )
    result, bot = await dial(
        f"<Dial>{noun}</Dial>", carrier, person=Colleague(SAM, 0.1, script=[Wait(0.8), HangUp()])
    )
    (record,) = result.colleagues
    forms = [seen.form for seen in bot.seen if seen.path == "/second"]
    assert [form["CallStatus"] for form in forms] == ["initiated", "ringing", "in-progress", "completed"]
    assert {form["CallSid"] for form in forms} == {record.call_id}
    assert {form["ParentCallSid"] for form in forms} == {result.report.call_id}
    assert power(record.heard, 697) > 500
    assert power(result.heard[record.bridged_ms * 8 + 320 :], 697) < 100
    assert result.report.errors == []


async def test_a_voicemail_box_is_told_to_the_nouns_detection_and_its_message_is_kept():
    noun = f'<Number machineDetection="DetectMessageEnd" amdStatusCallback="/second">{SAM}</Number>'
    box = Colleague(SAM, 0.1, "voicemail", [Audio(tone(600, frequency=700), "leave a message")])
    message = Audio(tone(400, frequency=1900), "call me", after_reply=False)
    result, bot = await dial(
        f"<Dial>{noun}</Dial>", person=box, script=[Wait(2.0), message, Wait(0.3), HangUp()]
    )
    form = form_of(bot, "/second")
    (record,) = result.colleagues
    assert (form["AnsweredBy"], form["CallSid"]) == ("machine_end_beep", record.call_id)
    assert power(record.message, 1900) > 5000


# Referrals


@CARRIERS
async def test_a_sip_phone_is_referred_and_talks_on_without_the_carrier(carrier):
    sam = Colleague(SIP_SAM, 0.3, script=[Audio(tone(300, frequency=700), "hello"), Wait(1.0), HangUp()])
    result, bot = await dial(
        f'<Refer action="/next"><Sip>{SIP_SAM}?X-Case=1</Sip></Refer>', carrier, person=sam, from_number=PHONE
    )
    form = form_of(bot, "/next")
    assert (form["ReferCallStatus"], form["ReferSipResponseCode"], form["NotifySipResponseCode"]) == (
        "in-progress",
        "202",
        "200",
    )
    assert power(result.heard, 700) > 5000
    assert (result.report.ended_by, result.report.handed_over) == ("colleague", True)
    assert result.report.passed, result.report.shortcomings
    released, over = result.timeline.of("released", "hang_up")
    assert over.at_ms - released.at_ms > 800
    status = [seen.form for seen in bot.seen if seen.path == f"/{carrier}/status"]
    assert [form["CallStatus"] for form in status] == ["completed"]


@pytest.mark.parametrize(
    ("behaviour", "status", "code"), [("busy", "busy", "486"), ("unreachable", "failed", "480")]
)
async def test_a_referral_that_fails_is_told_and_the_actions_document_runs(behaviour, status, code):
    result, bot = await dial(
        f'<Refer action="/next"><Sip>{SIP_SAM}</Sip></Refer>',
        person=Colleague(SIP_SAM, 0.1, behaviour),
        documents={"/next": "<Say>still here</Say>"},
        from_number=PHONE,
    )
    form = form_of(bot, "/next")
    assert (form["ReferCallStatus"], form["NotifySipResponseCode"]) == (status, code)
    assert result.timeline.of("say")
    assert not result.report.handed_over


async def test_a_phone_of_the_public_network_cannot_be_referred():
    result, bot = await dial(
        f'<Refer action="/next"><Sip>{SIP_SAM}</Sip></Refer><Say>go on</Say>', person=Colleague(SIP_SAM)
    )
    assert result.report.errors == ["<Refer> works on SIP legs only; the call goes on with the next verb"]
    assert result.timeline.of("say")
    assert "/next" not in bot.paths()


# Time


@CARRIERS
async def test_minutes_with_a_colleague_pass_in_seconds_where_no_bot_listens(carrier):
    sam = Colleague(
        SAM,
        0.2,
        script=[
            Wait(180),
            Audio(tone(400, frequency=700), "still there?", after_reply=False),
            Wait(5),
            HangUp(),
        ],
    )
    documents = {f"/{carrier}/voice": f'<Dial action="/next">{SAM}</Dial>', "/next": "<Hangup/>"}
    begin = time.monotonic()
    async with FakeBot(None, documents) as bot:
        async with PhoneNetwork(carrier, people=[sam], hold_speed=60) as network:
            result = await network.call(bot.url, [Wait(400)])
    assert time.monotonic() - begin < 30
    (record,) = result.colleagues
    assert 185_000 <= record.ended_ms - record.bridged_ms <= 187_000
    assert len(record.heard) == (record.ended_ms - record.bridged_ms) * 8
    spoken = result.timeline.of("colleague_speech")[0].at_ms
    heard = result.timeline.of("caller_hears")
    assert 0 <= heard[0].at_ms - spoken <= 60
    assert 380 <= heard[1].at_ms - heard[0].at_ms <= 420
    assert 185 <= int(form_of(bot, "/next")["DialCallDuration"]) <= 187
    assert 185 <= result.leg.duration_secs <= 189
    assert result.report.passed, result.report.shortcomings


async def test_with_a_bot_on_the_line_time_is_real():
    async def talk(line: Line) -> None:
        await line.beep(200)
        await asyncio.sleep(1.5)

    stream = '<Connect><Stream url="wss://HOST/ws"/></Connect>'
    async with FakeBot(talk, {"/twilio/voice": stream}) as bot, PhoneNetwork(hold_speed=60) as network:
        result = await network.call(bot.url, [Wait(30)])
    assert 1200 <= result.timeline.of("hang_up")[0].at_ms <= 3500


async def test_a_time_limit_counts_the_time_that_has_passed_for_those_on_the_phone():
    begin = time.monotonic()
    documents = {"/twilio/voice": f'<Dial timeLimit="60" action="/next">{SAM}</Dial>', "/next": "<Hangup/>"}
    async with FakeBot(None, documents) as bot:
        async with PhoneNetwork(people=[Colleague(SAM, 0.1)], hold_speed=60) as network:
            result = await network.call(bot.url, [Wait(400)])
    assert time.monotonic() - begin < 15
    (record,) = result.colleagues
    assert record.ended_by == "limit"
    assert 60_000 <= record.ended_ms - record.bridged_ms <= 61_000
