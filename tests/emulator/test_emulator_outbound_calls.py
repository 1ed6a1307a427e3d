"""A bot creates a call by REST: somebody's phone rings, and all that follows is told as the carriers tell it."""

import asyncio
import time

import numpy as np
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from emulator import Audio, Colleague, Digits, EmulatorError, HangUp, PhoneNetwork, Say, Wait, tone
from emulator.legs.lists import AT_ONCE
from emulator.line.codecs import SAMPLE_RATE
from emulator.line.detected import Detected
from tests.fake_bot import FakeBot, Line
from tests.rest_client import ACCOUNT, change, create, fetch, listed

SAM = "+12025550111"
EVA = "+12025550112"
HELLO = Audio(tone(300, frequency=700), "hello")
STREAM = '<Connect><Stream url="wss://HOST/ws" bidirectionalMode="rtp"/></Connect><Hangup/>'
CARRIERS = pytest.mark.parametrize("carrier", ["twilio", "telnyx"])


def power(samples: np.ndarray, frequency: float) -> float:
    """How much of a recording is this tone, as its amplitude (0 to 32767) over the tone's best 100 ms."""
    size = SAMPLE_RATE // 10
    wave = np.exp(-2j * np.pi * frequency * np.arange(size) / SAMPLE_RATE)
    pieces = [samples[at : at + size] for at in range(0, len(samples) - size, size // 2)]
    return max((abs(np.dot(piece, wave)) * 2 / size for piece in pieces), default=0.0)


async def greet(line: Line) -> None:
    """A bot that lets them say hello, answers and hangs up."""
    await line.caller_spoke()
    await line.beep(300)
    await line.mark("bye")
    await line.until("mark")


async def statuses(bot: FakeBot, number: int) -> list[dict[str, str]]:
    """Wait for so many status callbacks."""
    async with asyncio.timeout(5):
        while len([seen for seen in bot.seen if seen.path == "/status"]) < number:
            await asyncio.sleep(0.02)
    return [seen.form for seen in bot.seen if seen.path == "/status"]


async def outbound(
    carrier: str, person: Colleague | None, document: str = STREAM, words: str = "guide", **fields: str
):
    """Create one call to Sam whose document is at /doc; returns the result and the bot."""
    people = [person] if person else []
    async with PhoneNetwork(carrier, people=people, detection_words=words) as network:
        documents = {"/doc": document, "/status": "", "/amd": ""}
        async with FakeBot(greet, documents) as bot:
            fields = {
                name: value.replace("BOT", bot.url)
                for name, value in ({"Url": "BOT/doc", "StatusCallback": "BOT/status"} | fields).items()
            }
            status, _ = await create(carrier, network.rest_url, SAM, **fields)
            assert status == (201 if carrier == "twilio" else 200)
            return await network.next_result(SAM, timeout_secs=20), bot


@CARRIERS
async def test_somebody_answers_and_talks_to_the_bot_as_a_caller_would(carrier):
    result, bot = await outbound(carrier, Colleague(SAM, 0.3, script=[HELLO]))
    assert result.report.passed, result.report.shortcomings
    assert result.report.answered
    assert [turn.caller_said for turn in result.report.turns] == [None, "hello"]
    assert (result.report.ended_by, result.report.marks_returned) == ("bot", 1)
    assert (result.leg.ending, result.leg.status) == ("completed", "completed")
    assert power(result.said, 700) > 5000
    assert power(result.heard, 440) > 5000
    rang = result.timeline.of("ringing")[0].at_ms
    assert -900 <= rang <= -250
    forms = await statuses(bot, 4)
    assert [form["CallStatus"] for form in forms] == ["initiated", "ringing", "in-progress", "completed"]
    assert [form["SequenceNumber"] for form in forms] == ["0", "1", "2", "3"]
    assert {form["CallSid"] for form in forms} == {result.report.call_id}
    assert {(form["From"], form["To"]) for form in forms} == {("+12025550100", SAM)}
    assert ["CallDuration" in form for form in forms] == [False, False, False, True]
    document = next(seen for seen in bot.seen if seen.path == "/doc")
    assert document.form["CallStatus"] == "in-progress"
    start = bot.lines[0].start["start"]
    if carrier == "twilio":
        assert {form["Direction"] for form in forms} == {"outbound-api"}
        assert forms[3]["SipResponseCode"] == "200"
        assert start["callSid"] == result.report.call_id
    else:
        assert (forms[3]["HangupCause"], forms[3]["HangupSource"]) == ("normal_clearing", "caller")
        assert forms[2]["Codec"] == "PCMU"
        assert "Direction" not in forms[0]
        assert (start["to"], start["call_control_id"]) == (SAM, result.report.call_id)


@pytest.mark.parametrize(
    ("behaviour", "ending", "status", "sip", "cause"),
    [
        ("busy", "busy", "busy", "486", "user_busy"),
        ("declines", "declined", "busy", "603", "call_rejected"),
        ("unreachable", "failed", "failed", "480", "unspecified"),
        (None, "failed", "failed", "404", "not_found"),
    ],
)
async def test_somebody_who_is_not_reached_is_told_by_the_last_status(behaviour, ending, status, sip, cause):
    for carrier in ("twilio", "telnyx"):
        result, bot = await outbound(carrier, Colleague(SAM, 0.1, behaviour) if behaviour else None)
        assert (result.leg.ending, result.leg.status, result.report.answered) == (ending, status, False)
        rings = ["ringing"] if behaviour == "declines" else []
        forms = await statuses(bot, 2 + len(rings))
        assert [form["CallStatus"] for form in forms] == ["initiated", *rings, status]
        assert forms[-1]["CallDuration"] == "0"
        if carrier == "twilio":
            assert forms[-1]["SipResponseCode"] == sip
        else:
            assert (forms[-1]["HangupCause"], forms[-1]["SipHangupCause"]) == (cause, sip)
            assert "AnsweredTime" not in forms[-1]
        assert "/doc" not in bot.paths()


async def test_a_phone_that_nobody_answers_rings_for_the_timeout_and_twilios_buffer():
    async def ring(carrier: str, secs: float) -> None:
        begin = time.monotonic()
        result, bot = await outbound(
            carrier, Colleague(SAM, behaviour="no_answer"), Timeout="1" if carrier == "twilio" else "5"
        )
        assert secs - 0.3 < time.monotonic() - begin < secs + 2
        assert (result.leg.ending, result.leg.status, result.report.ended_by) == (
            "no_answer",
            "no-answer",
            "nobody",
        )
        assert (await statuses(bot, 3))[-1]["CallStatus"] == "no-answer"

    await asyncio.gather(ring("twilio", 6.0), ring("telnyx", 5.0))


@CARRIERS
async def test_only_the_events_that_were_asked_for_are_told(carrier):
    async with PhoneNetwork(carrier, people=[Colleague(SAM, 0.1, script=[HangUp()])]) as network:
        async with FakeBot(None, {"/status": ""}) as bot:
            options = {"document": "<Pause/>", "StatusCallback": f"{bot.url}/status"}
            await create(carrier, network.rest_url, SAM, events=("answered", "completed"), **options)
            result = await network.next_result(SAM)
            forms = await statuses(bot, 2)
    assert [form["CallStatus"] for form in forms] == ["in-progress", "completed"]
    assert result.report.ended_by == "caller"
    if carrier == "telnyx":
        assert forms[1]["HangupSource"] == "callee"


async def test_the_time_limit_and_keys_after_the_answer():
    """Only at Twilio: Telnyx documents no keys for a new TeXML call."""
    fields = {"SendDigits": "1w2", "TimeLimit": "2"}
    result, _ = await outbound("twilio", Colleague(SAM, 0.1), '<Pause length="2"/>', **fields)
    keys = result.timeline.of("keys_heard")
    assert [entry.data["digit"] for entry in keys] == ["1", "2"]
    assert power(result.heard, 697) > 500
    document = result.timeline.of("webhook")[0]
    assert document.at_ms > keys[1].at_ms
    assert result.report.ended_by == "limit"


# Answering machine detection

MACHINE = Colleague(SAM, 0.1, "voicemail")
QUICK_MACHINE = Colleague(SAM, 0.1, "voicemail", [Audio(tone(600, frequency=700), "leave a message")])
SILENT_BOX = Colleague(SAM, 0.1, "voicemail", [Audio(tone(300), "not here")], beeps=False)
AMD = {"AsyncAmd": "true", "AsyncAmdStatusCallback": "BOT/amd"}


@CARRIERS
async def test_who_has_answered_is_told_in_the_background(carrier):
    async def detect(person: Colleague, kind: str, answered_by: str, least_ms: int, most_ms: int) -> None:
        options = {"MachineDetection": kind, "MachineDetectionSilenceTimeout": "2000"} | AMD
        result, bot = await outbound(carrier, person, '<Pause length="4"/>', "reference", **options)
        (seen,) = [seen for seen in bot.seen if seen.path == "/amd"]
        assert seen.form["AnsweredBy"] == answered_by == result.leg.answered_by
        assert seen.form["CallSid"] == result.report.call_id
        assert least_ms <= int(seen.form["MachineDetectionDuration"]) <= most_ms
        assert ("ConnectionId" in seen.form) == (carrier == "telnyx")
        assert [entry.kind for entry in result.timeline.of("pause", "amd")] == ["pause", "amd"]

    await asyncio.gather(
        detect(Colleague(SAM, 0.1, script=[HELLO]), "Enable", "human", 1300, 2300),
        detect(Colleague(SAM, 0.1, script=[HELLO]), "DetectMessageEnd", "human", 1300, 2300),
        detect(Colleague(SAM, 0.1), "Enable", "unknown", 1800, 3000),
        detect(MACHINE, "Enable", "machine_start", 2400, 4000),
        detect(QUICK_MACHINE, "DetectMessageEnd", "machine_end_beep", 1050, 2000),
        detect(SILENT_BOX, "DetectMessageEnd", "machine_end_silence", 1300, 2300),
    )


async def test_telnyx_tells_it_in_the_few_words_of_its_guide_unless_it_is_told_otherwise():
    async def detect(person: Colleague, kind: str, answered_by: str, most_ms: int = 4000) -> None:
        options = {"MachineDetection": kind, "MachineDetectionSilenceTimeout": "2000"} | AMD
        result, bot = await outbound("telnyx", person, '<Pause length="5"/>', **options)
        (seen,) = [seen for seen in bot.seen if seen.path == "/amd"]
        assert set(seen.form) == {"AccountSid", "AnsweredBy", "CallSid"}
        assert seen.form["AnsweredBy"] == answered_by == result.leg.answered_by
        assert result.timeline.of("amd")[0].data["ms"] <= most_ms

    await asyncio.gather(
        detect(Colleague(SAM, 0.1, script=[HELLO]), "DetectMessageEnd", "human"),
        detect(Colleague(SAM, 0.1), "Enable", "unknown"),
        # Nothing in that set tells the end of a greeting.
        detect(MACHINE, "DetectMessageEnd", "machine", 3000),
        detect(Colleague(SAM, 0.1, "fax"), "Enable", "fax", 5000),
    )


@CARRIERS
@pytest.mark.parametrize(
    ("detected", "answered_by"),
    [
        (Detected("machine"), {"twilio": "machine_start", "telnyx": "machine"}),
        (Detected("fax"), {"twilio": "fax", "telnyx": "fax"}),
        (Detected("not_sure"), {"twilio": "unknown", "telnyx": "unknown"}),
        (Detected("silence"), {"twilio": "unknown", "telnyx": "unknown"}),
        (Detected(word="perhaps"), {"twilio": "perhaps", "telnyx": "perhaps"}),
        (Detected("nothing"), None),
    ],
)
async def test_somebody_can_be_taken_for_something_else(carrier, detected, answered_by):
    person = Colleague(SAM, 0.1, script=[HELLO], detected=detected)
    options = {"MachineDetection": "Enable"} | AMD
    _, bot = await outbound(carrier, person, '<Pause length="3"/>', **options)
    told = [seen.form["AnsweredBy"] for seen in bot.seen if seen.path == "/amd"]
    assert told == ([] if answered_by is None else [answered_by[carrier]])


@CARRIERS
async def test_a_late_result_comes_when_the_call_is_over(carrier):
    person = Colleague(SAM, 0.1, script=[HELLO], detected=Detected(after_secs=2.5))
    options = {"MachineDetection": "Enable"} | AMD
    result, bot = await outbound(carrier, person, '<Pause length="1"/>', **options)
    (told,) = [seen for seen in bot.seen if seen.path == "/amd"]
    assert told.form["AnsweredBy"] == "human"
    assert result.timeline.of("amd")[0].at_ms > result.timeline.of("hang_up")[0].at_ms


async def test_without_async_amd_the_document_waits_for_the_result_and_is_told_it():
    result, bot = await outbound("twilio", QUICK_MACHINE, "<Pause/>", MachineDetection="DetectMessageEnd")
    document = next(seen for seen in bot.seen if seen.path == "/doc")
    assert document.form["AnsweredBy"] == "machine_end_beep"
    assert result.timeline.of("webhook")[0].at_ms >= 1000
    assert "/amd" not in bot.paths()


async def test_a_voicemail_box_babbles_beeps_and_records_what_the_bot_says_after_the_beep():
    async def leave_message(line: Line) -> None:
        await line.play(tone(400, frequency=1500))
        async with asyncio.timeout(10):
            while "/amd" not in line.bot.paths():
                await line.receive()
        await line.play(tone(400, frequency=1900))
        await line.mark("said")
        await line.until("mark")

    async with PhoneNetwork(people=[MACHINE]) as network:
        async with FakeBot(leave_message, {"/doc": STREAM, "/amd": ""}) as bot:
            amd = {"MachineDetection": "DetectMessageEnd", "AsyncAmd": "true"}
            await create(
                "twilio",
                network.rest_url,
                SAM,
                Url=f"{bot.url}/doc",
                AsyncAmdStatusCallback=f"{bot.url}/amd",
                **amd,
            )
            result = await network.next_result(SAM)
    assert power(result.said, 1000) > 5000
    beep = next(entry for entry in result.timeline.of("caller_speech") if entry.text == "(beep)")
    assert 2900 <= beep.at_ms <= 3400
    assert power(result.heard, 1500) > 5000
    assert power(result.message, 1500) < 500
    assert power(result.message, 1900) > 5000


# Fetching, listing and changing calls


@CARRIERS
async def test_a_call_is_listed_and_fetched_while_it_rings_and_can_be_ended_then(carrier):
    async with PhoneNetwork(
        carrier, people=[Colleague(SAM, 20.0), Colleague(EVA, 0.1, "busy")], list_lag_secs=AT_ONCE
    ) as network:
        async with FakeBot(None, {"/status": ""}) as bot:
            options = {"document": "<Pause/>", "StatusCallback": f"{bot.url}/status"}
            await create(carrier, network.rest_url, EVA, document="<Pause/>")
            await network.next_result(EVA)
            _, body = await create(carrier, network.rest_url, SAM, **options)
            assert ("sid" in body) == (carrier == "twilio")
            await statuses(bot, 2)
            (one,) = await listed(carrier, network.rest_url, f"?To=%2B{SAM[1:]}")
            assert one["status"] == "ringing"
            assert [call["to"] for call in await listed(carrier, network.rest_url)] == [SAM, EVA]
            assert [call["to"] for call in await listed(carrier, network.rest_url, "?Status=busy")] == [EVA]
            status, _ = await change(carrier, network.rest_url, one["sid"], document="<Hangup/>")
            assert status == (400 if carrier == "twilio" else 422)
            how = "canceled" if carrier == "twilio" else "completed"
            assert (await change(carrier, network.rest_url, one["sid"], Status=how))[0] == 200
            result = await network.next_result(SAM)
            fetched = await fetch(carrier, network.rest_url, one["sid"])
            last = (await statuses(bot, 3))[-1]
    assert (result.leg.ending, result.report.ended_by) == ("canceled", "bot")
    assert (fetched["status"], last["CallStatus"]) == ("canceled", "canceled")
    assert fetched["direction"] == ("outbound-api" if carrier == "twilio" else "outbound")


async def test_twilios_library_creates_lists_and_pages():
    async with (
        PhoneNetwork(people=[Colleague(SAM, 0.1, "busy")], list_lag_secs=AT_ONCE) as network,
        AsyncTwilioHttpClient() as http,
    ):
        client = Client(ACCOUNT.twilio_account_sid, ACCOUNT.twilio_auth_token, http_client=http)
        client.api.base_url = network.rest_url
        made = [
            await client.calls.create_async(to=SAM, from_="+12025550100", twiml="<Response/>", timeout=5)
            for _ in range(3)
        ]
        for _ in made:
            await network.next_result(SAM)
        assert (made[0].status, made[0].direction) == ("queued", "outbound-api")
        found = await client.calls.list_async(to=SAM, page_size=2)
        assert [call.sid for call in found] == [call.sid for call in reversed(made)]
        assert {call.status for call in found} == {"busy"}
        later = await client.calls.list_async(start_time_after=made[0].date_created.replace(year=2999))
        assert later == []
        with pytest.raises(TwilioRestException) as refused:
            await client.calls(made[0].sid).update_async(status="completed")
        assert refused.value.code == 21220


async def test_a_texml_answer_names_the_call_only_if_the_network_is_told_to():
    for named in (False, True):
        async with PhoneNetwork("telnyx", texml_call_ids=named, list_lag_secs=AT_ONCE) as network:
            status, body = await create("telnyx", network.rest_url, SAM, document="<Pause/>")
            assert (status, body["status"], body["to"]) == (200, "queued", SAM)
            (one,) = await listed("telnyx", network.rest_url)
            assert body.get("call_sid") == (one["sid"] if named else None)


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"To": ""}, 21201), ({"From": ""}, 21213), ({"document": ""}, 21205), ({"Twiml": "x" * 4001}, 32018)],
)
async def test_twilio_refuses_an_order_that_lacks_something(fields, code):
    async with PhoneNetwork() as network:
        wanted = {"document": "<Pause/>"} | fields
        to = wanted.pop("To", SAM)
        if "Twiml" in wanted:
            del wanted["document"]
        status, body = await create("twilio", network.rest_url, to, **wanted)
    assert (status, body["code"]) == (400, code)


async def test_telnyx_refuses_an_order_without_an_application():
    async with PhoneNetwork("telnyx") as network:
        status, body = await create("telnyx", network.rest_url, SAM, ApplicationSid="", document="<Pause/>")
        assert (status, body["errors"][0]["code"]) == (422, "10004")
        assert await listed("telnyx", network.rest_url) == []


@CARRIERS
async def test_the_second_leg_of_a_dial_is_listed_with_its_parent_and_can_be_hung_up(carrier):
    placed = []
    async with PhoneNetwork(carrier, people=[Colleague(SAM, 0.1)], list_lag_secs=AT_ONCE) as network:
        documents = {f"/{carrier}/voice": f'<Dial action="/next">{SAM}</Dial>', "/next": "<Hangup/>"}
        async with FakeBot(None, documents) as bot:
            going = asyncio.create_task(network.call(bot.url, [Wait(20)], on_call=placed.append))
            async with asyncio.timeout(10):
                while not placed or not placed[0].timeline.of("colleague_bridged"):
                    await asyncio.sleep(0.02)
            parent = placed[0].leg.call_id
            (second,) = await listed(carrier, network.rest_url, f"?ParentCallSid={parent}")
            assert (second["to"], second["status"], second["parent_call_sid"]) == (SAM, "in-progress", parent)
            assert (await change(carrier, network.rest_url, second["sid"], Status="completed"))[0] == 200
            result = await going
            fetched = await fetch(carrier, network.rest_url, second["sid"])
    assert fetched["status"] == "completed"
    assert result.colleagues[0].ended_by == "bot"
    form = next(seen.form for seen in bot.seen if seen.path == "/next")
    assert (form["DialCallStatus"], form["DialCallSid"]) == ("completed", second["sid"])


async def test_a_second_leg_that_gets_its_own_document_leaves_the_first_one():
    placed = []
    async with PhoneNetwork(people=[Colleague(SAM, 0.1)], list_lag_secs=AT_ONCE) as network:
        documents = {"/twilio/voice": f'<Dial action="/next">{SAM}</Dial>', "/next": '<Pause length="1"/>'}
        async with FakeBot(None, documents) as bot:
            going = asyncio.create_task(network.call(bot.url, [Wait(20)], on_call=placed.append))
            async with asyncio.timeout(10):
                while not placed or not placed[0].timeline.of("colleague_bridged"):
                    await asyncio.sleep(0.02)
            (second,) = await listed("twilio", network.rest_url, f"?ParentCallSid={placed[0].leg.call_id}")
            await change("twilio", network.rest_url, second["sid"], document='<Pause length="2"/>')
            result = await going
            assert (await fetch("twilio", network.rest_url, second["sid"]))["status"] == "in-progress"
    form = next(seen.form for seen in bot.seen if seen.path == "/next")
    assert form["DialCallStatus"] == "completed"
    assert "DialCallDuration" not in form
    assert result.colleagues[0].ended_by == "document"


async def test_twilio_asks_the_fallback_address_that_the_request_for_the_call_has_named():
    async with (
        FakeBot(None, {"/backup": "<Hangup/>"}) as bot,
        PhoneNetwork("twilio", people=[Colleague(SAM, 0.1)]) as network,
    ):
        nowhere = "<Redirect>http://127.0.0.1:9/next</Redirect>"
        await create(
            "twilio", network.rest_url, SAM, events=(), document=nowhere, FallbackUrl=f"{bot.url}/backup"
        )
        result = await network.next_result(SAM)
    (asked,) = bot.seen
    assert (asked.path, asked.form["ErrorCode"]) == ("/backup", "11205")
    assert result.leg.ending == "completed"


# People


async def test_the_colleagues_of_a_call_can_be_called_by_rest_while_it_lasts():
    async with PhoneNetwork() as network:

        async def talk(line: Line) -> None:
            await create("twilio", network.rest_url, SAM, document="<Pause/>")
            results.append(await network.next_result(SAM))

        results = []
        async with FakeBot(talk, {"/twilio/voice": STREAM}) as bot:
            await network.call(bot.url, [Wait(10)], colleagues=[Colleague(SAM, 0.1)])
        assert results[0].leg.ending == "completed"
        await create("twilio", network.rest_url, SAM, document="<Pause/>")
        assert (await network.next_result(SAM)).leg.nobody_there


async def test_a_person_can_be_replaced_and_reached_at_a_sip_address():
    async with PhoneNetwork(people=[Colleague("sip:sam@example.com", 0.1, "busy")]) as network:
        await create("twilio", network.rest_url, "sip:sam@example.com", document="<Pause/>")
        assert (await network.next_result("sip:sam@example.com")).leg.ending == "busy"
        network.add_person(Colleague("sip:SAM@example.com", 0.1, script=[Digits("5"), HangUp()]))
        await create("twilio", network.rest_url, "sip:sam@example.com", document="<Pause length='9'/>")
        assert (await network.next_result("sip:sam@example.com")).leg.ending == "completed"


async def test_a_person_with_sentences_needs_a_voice():
    network = PhoneNetwork()
    with pytest.raises(EmulatorError, match="no voice"):
        network.add_person(Colleague(SAM, script=[Say("Hello?")]))


async def test_a_result_that_never_comes_is_a_time_out_and_leaving_hangs_up_what_is_left():
    async with PhoneNetwork(people=[Colleague(SAM, 0.1)]) as network:
        await create("twilio", network.rest_url, SAM, document='<Pause length="60"/>')
        with pytest.raises(TimeoutError):
            await network.next_result(SAM, timeout_secs=0.5)
        begin = time.monotonic()
    assert time.monotonic() - begin < 3
    assert network.exchange.calls[0].over
