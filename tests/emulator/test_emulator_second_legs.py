"""A bot hands its caller over with <Dial>: a phone rings, both hear each other, and the outcome is told."""

import asyncio
import time

import aiohttp
import numpy as np
import pytest

from emulator import Audio, Colleague, Credentials, Digits, EmulatorError, HangUp, PhoneNetwork, Wait, tone
from emulator.carriers.telnyx.dialect import Telnyx
from emulator.carriers.twilio.dialect import Twilio
from emulator.documents.parsing import Verb
from emulator.legs.plan import GoTo
from emulator.line.caller import Manners
from emulator.line.codecs import SAMPLE_RATE
from emulator.line.colleague import parse_colleague, same_address
from emulator.markup.dial import read_dial
from emulator.markup.interpreter import replace
from tests.fake_bot import FakeBot, Line

SAM = "+12025550111"
NOBODY = "+12025550199"
QUICK = Manners(patience=0.2)
PATIENT = (Wait(30),)
ACCOUNT = Credentials()


def frequency_power(samples: np.ndarray, frequency: float) -> float:
    """How much of a recording is this tone, as its amplitude (0 to 32767) over the tone's best 200 ms."""
    size = SAMPLE_RATE // 5
    wave = np.exp(-2j * np.pi * frequency * np.arange(size) / SAMPLE_RATE)
    pieces = [samples[at : at + size] for at in range(0, len(samples) - size, size // 2)]
    return max((abs(np.dot(piece, wave)) * 2 / size for piece in pieces), default=0.0)


async def dial(inner, carrier="twilio", *, colleagues=(), script=PATIENT, documents=None, **options):
    """Call a bot whose first document is `inner`; `/next` ends the call and can be an action."""
    documents = {f"/{carrier}/voice": inner, "/next": "<Hangup/>"} | (documents or {})
    async with FakeBot(None, documents) as bot, PhoneNetwork(carrier) as network:
        return await network.call(bot.url, script, colleagues=colleagues, **options), bot


async def update(carrier: str, rest_url: str, call_id: str, document: str) -> None:
    """Replace what the call does, as a bot does by REST."""
    body = f"<Response>{document}</Response>"
    if carrier == "twilio":
        url = f"{rest_url}/2010-04-01/Accounts/{ACCOUNT.twilio_account_sid}/Calls/{call_id}.json"
        auth = aiohttp.BasicAuth(ACCOUNT.twilio_account_sid, ACCOUNT.twilio_auth_token)
        request = {"data": {"Twiml": body}, "auth": auth}
    else:
        url = f"{rest_url}/v2/texml/Accounts/{ACCOUNT.telnyx_account_id}/Calls/{call_id}"
        request = {"data": {"Texml": body}, "headers": {"Authorization": f"Bearer {ACCOUNT.telnyx_api_key}"}}
    async with aiohttp.ClientSession() as session, session.post(url, **request) as response:
        assert response.status == 200


def form_of(bot, path="/next"):
    return next(seen.form for seen in bot.seen if seen.path == path)


async def test_caller_and_colleague_hear_each_other_until_the_colleague_hangs_up():
    async def with_carrier(carrier: str) -> None:
        sam = Colleague(SAM, 0.5, script=[Audio(tone(400, frequency=700), "hello"), Wait(1.5), HangUp()])
        result, bot = await dial(
            f'<Dial action="/next">{SAM}</Dial><Say>unreachable</Say>',
            carrier,
            colleagues=[sam],
            script=[Audio(tone(400, frequency=1000), "hi"), Wait(30)],
            manners=QUICK,
        )
        (record,) = result.colleagues
        assert record.outcome == "completed"
        assert record.ended_by == "colleague"
        assert 400 <= record.answered_ms - record.ringing_ms <= 2500
        assert record.bridged_ms == record.answered_ms
        assert 1800 <= record.ended_ms - record.bridged_ms <= 2600
        assert frequency_power(result.heard, 700) > 5000
        assert frequency_power(record.heard, 1000) > 5000
        assert frequency_power(record.heard, 700) < 500
        assert result.report.underruns == 0
        form = form_of(bot)
        assert form["DialCallStatus"] == "completed"
        assert form["DialCallSid"] == record.call_id != result.report.call_id
        assert form["DialCallDuration"] == "2"
        assert form["CallStatus"] == "in-progress"
        assert not result.timeline.of("say")
        assert result.report.ended_by == "colleague"
        assert result.report.passed, result.report.shortcomings

    await asyncio.gather(with_carrier("twilio"), with_carrier("telnyx"))


async def test_the_speech_of_both_arrives_whole_and_quickly():
    sam = Colleague(SAM, 0.2, script=[Audio(tone(1000, frequency=700), "hello"), Wait(0.3), HangUp()])
    result, _ = await dial(f"<Dial>{SAM}</Dial>", colleagues=[sam])
    spoken = result.timeline.of("colleague_speech")[0].at_ms
    heard = result.timeline.of("caller_hears")
    assert 0 <= heard[0].at_ms - spoken <= 60
    assert 980 <= heard[1].at_ms - heard[0].at_ms <= 1020
    assert not result.timeline.of("bot_speech", "first_audio", "underrun")


async def test_each_carrier_tells_of_the_second_leg_in_its_own_parameters():
    sam = Colleague(SAM, 0.1, script=[HangUp()])
    _, bot = await dial(f'<Dial action="/next">{SAM}</Dial>', colleagues=[sam])
    form = form_of(bot)
    assert form["DialBridged"] == "true"
    assert "X-Twilio-Signature" in bot.seen[1].headers
    assert "HangupCause" not in form
    result, bot = await dial(f'<Dial action="/next">{SAM}</Dial>', "telnyx", colleagues=[sam])
    form = form_of(bot)
    assert form["DialCallSidLegacy"] == form["DialCallSid"]
    assert form["CallControlId"] == form["CallSid"] == result.report.call_id
    assert (form["HangupCause"], form["SipHangupCause"]) == ("normal_clearing", "200")
    assert "Telnyx-Signature-Ed25519" not in bot.seen[1].headers  # not documented for instructions
    assert "DialBridged" not in form
    assert "EndTime" not in form


@pytest.mark.parametrize(
    ("behaviour", "outcome", "status", "cause"),
    [
        ("busy", "busy", "busy", "user_busy"),
        ("declines", "declined", "busy", "call_rejected"),
        ("unreachable", "failed", "failed", "unspecified"),
        (None, "failed", "failed", "not_found"),
    ],
)
async def test_a_colleague_who_is_not_reached_is_told_to_the_action(behaviour, outcome, status, cause):
    colleagues = [Colleague(SAM, 0.1, behaviour)] if behaviour else []
    for carrier in ("twilio", "telnyx"):
        result, bot = await dial(f'<Dial action="/next">{SAM}</Dial>', carrier, colleagues=colleagues)
        record = result.colleagues[0]
        assert (record.outcome, record.answered_ms, record.bridged_ms) == (outcome, None, None)
        form = form_of(bot)
        assert form["DialCallStatus"] == status
        assert form["DialCallDuration"] == "0"
        assert form.get("DialBridged") == ("false" if carrier == "twilio" else None)
        assert form.get("HangupCause") == (cause if carrier == "telnyx" else None)


async def test_a_phone_that_nobody_answers_in_time_is_told_as_no_answer():
    colleagues = [Colleague(SAM, behaviour="no_answer"), Colleague(NOBODY, 8.0)]
    nouns = f"<Number>{SAM}</Number><Number>{NOBODY}</Number>"
    result, bot = await dial(
        f'<Dial timeout="5" action="/next">{nouns}</Dial>', "telnyx", colleagues=colleagues
    )
    for record in result.colleagues:
        assert record.outcome == "no_answer"
        assert 4800 <= record.ended_ms - record.ringing_ms <= 6500
    form = form_of(bot)
    assert (form["DialCallStatus"], form["HangupCause"]) == ("no-answer", "timeout")


def test_twilio_rings_five_seconds_longer_than_it_is_told_and_telnyx_does_not():
    verb = Verb("Dial", {"timeout": "20"}, SAM)
    orders = [read_dial(verb, rules, NOBODY)[0] for rules in (Twilio.dial_rules, Telnyx.dial_rules)]
    assert [order.ring_secs for order in orders] == [25, 20]
    assert [order.caller_id for order in orders] == [NOBODY, NOBODY]
    assert read_dial(Verb("Dial"), Twilio.dial_rules, NOBODY)[0].ring_secs == 35


async def test_a_timeout_out_of_range_is_brought_into_it_with_a_warning():
    busy = [Colleague(SAM, 0.0, "busy")]
    result, _ = await dial(f'<Dial timeout="900">{SAM}</Dial>', colleagues=busy)
    assert result.report.errors == ["12200 <Dial timeout> must be at least 5 and at most 600"]
    result, _ = await dial(f'<Dial timeLimit="5" timeout="x">{SAM}</Dial>', "telnyx", colleagues=busy)
    assert result.report.errors == [
        "TeXML <Dial timeLimit> must be at least 60 and at most 14400",
        "TeXML <Dial timeout> must be a whole number",
    ]


async def test_without_an_action_the_next_verb_runs_and_then_the_document_ends():
    async def with_carrier(carrier: str) -> None:
        result, _ = await dial(
            f"<Dial>{SAM}</Dial><Say>nobody there</Say>", carrier, colleagues=[Colleague(SAM, 0.1, "busy")]
        )
        assert [entry.text for entry in result.timeline.of("say")] == ["nobody there"]
        assert result.timeline.of("hang_up")[0].text == "the document is at its end"

    await asyncio.gather(with_carrier("twilio"), with_carrier("telnyx"))


async def test_a_bot_hands_its_caller_over_by_rest_and_gets_the_caller_back_when_the_colleague_is_busy():
    async def with_carrier(carrier: str) -> None:
        stream = '<Connect><Stream url="wss://HOST/ws" bidirectionalMode="rtp"/></Connect>'
        numbers = [NOBODY, SAM]

        async with PhoneNetwork(carrier) as network:

            async def talk(line: Line) -> None:
                await line.beep(200)
                await line.caller_spoke()
                await line.beep(200)
                await line.mark("announced")
                await line.until("mark")
                document = bot.document(f"<Dial>{numbers.pop(0)}</Dial>{stream}", carrier).split(
                    "<Response>"
                )[1]
                document = document.removesuffix("</Response>")
                await update(carrier, network.rest_url, line.call_id, document)
                await line.until_closed()

            async with FakeBot(talk, {f"/{carrier}/voice": stream}) as bot:
                result = await network.call(
                    bot.url,
                    [
                        Audio(tone(200), "a colleague, please"),
                        Audio(tone(200), "try the other"),
                        Audio(tone(200), "thanks"),
                        HangUp(after_reply=True),
                    ],
                    manners=QUICK,
                    colleagues=[
                        Colleague(NOBODY, 0.2, "busy"),
                        Colleague(SAM, 0.2, script=[Audio(tone(300), "hello"), Audio(tone(300), "bye")]),
                    ],
                )
        assert len(bot.lines) == 2
        assert [one.outcome for one in result.colleagues] == ["busy", "completed"]
        assert [turn.caller_said for turn in result.report.turns] == [
            None,
            "a colleague, please",
            "try the other",
        ]
        assert (result.report.ended_by, result.report.marks_returned) == ("caller", 2)
        assert result.report.passed, result.report.shortcomings

    await asyncio.gather(with_carrier("twilio"), with_carrier("telnyx"))


async def test_numbers_and_sip_uris_are_nouns_and_the_first_to_answer_is_connected():
    colleagues = [
        Colleague("sip:sam@example.com", 0.3, script=[Wait(0.3), HangUp()]),
        Colleague(SAM, 3.0),
        Colleague("+1 (202) 555-0112", 0.1, "busy"),
    ]
    nouns = (
        f"<Number>{SAM}</Number><Number>+12025550112</Number><Sip>sips:SAM@example.com;transport=tls</Sip>"
    )
    result, bot = await dial(f'<Dial action="/next">{nouns}</Dial>', colleagues=colleagues)
    assert [one.outcome for one in result.colleagues] == ["canceled", "busy", "completed"]
    assert form_of(bot)["DialCallSid"] == result.colleagues[2].call_id
    assert result.report.errors == []


async def test_the_caller_hears_ringing_that_is_nobodys_speech_and_the_colleague_does_not_hear_it():
    result, _ = await dial(
        f'<Dial callerId="+12025550100">{SAM}</Dial>',
        colleagues=[Colleague(SAM, 1.0, script=[Wait(0.5), HangUp()])],
    )
    (record,) = result.colleagues
    ringing = slice(record.ringing_ms * 8, record.answered_ms * 8)
    assert frequency_power(result.heard[ringing], 440) > 1000
    assert frequency_power(result.heard[record.answered_ms * 8 + 320 :], 440) < 100
    assert not record.heard.any()
    assert result.report.first_audio_ms is None
    assert record.caller_id == "+12025550100"


async def test_while_it_rings_the_caller_waits_and_then_speaks_to_the_colleague():
    manners = Manners(patience=0.3, reply_timeout=0.5, goodbye_timeout=0.5)
    sam = Colleague(SAM, 1.5, script=[Audio(tone(300, frequency=700), "hello")])
    result, _ = await dial(
        f"<Dial>{SAM}</Dial>", colleagues=[sam], script=[Audio(tone(300), "hi")], manners=manners
    )
    (record,) = result.colleagues
    caller = next(entry for entry in result.timeline.of("caller_speech"))
    assert caller.at_ms >= record.answered_ms + 300
    assert (record.outcome, record.ended_by) == ("completed", "caller")
    assert result.report.ended_by == "caller"
    assert len(result.report.turns) == 1
    assert result.report.passed, result.report.shortcomings


async def test_when_the_caller_hangs_up_all_ends_and_nothing_that_follows_runs():
    for script, outcome in ((Wait(0.5), "canceled"), (Wait(1.6), "completed")):
        result, bot = await dial(
            f'<Dial action="/next">{SAM}</Dial>', colleagues=[Colleague(SAM)], script=[script, HangUp()]
        )
        assert bot.paths() == ["/twilio/voice", "/twilio/status"]
        assert result.report.ended_by == "caller"
        assert result.colleagues[0].outcome == outcome
        assert result.report.handed_over == (outcome == "completed")


async def test_a_rest_update_interrupts_a_dial_and_hangs_the_colleague_up():
    async def with_carrier(carrier: str) -> None:
        placed = []
        document = {
            f"/{carrier}/voice": f'<Dial action="/next">{SAM}</Dial>',
            "/again": '<Pause length="1"/>',
        }
        async with FakeBot(None, document) as bot, PhoneNetwork(carrier) as network:
            call = asyncio.create_task(
                network.call(bot.url, [Wait(30)], colleagues=[Colleague(SAM, 0.2)], on_call=placed.append)
            )
            async with asyncio.timeout(10):
                while not placed or not placed[0].timeline.of("colleague_bridged"):
                    await asyncio.sleep(0.05)
            replace(placed[0], GoTo(f"{bot.url}/again", voice=True))
            result = await call
        assert bot.paths() == [f"/{carrier}/voice", "/again", f"/{carrier}/status"]
        assert (result.colleagues[0].outcome, result.colleagues[0].ended_by) == ("completed", "document")
        over = result.timeline.of("colleague_hung_up")[0].at_ms
        assert over < result.timeline.of("pause")[0].at_ms
        assert not result.timeline.of("colleague_hears")

    await asyncio.gather(with_carrier("twilio"), with_carrier("telnyx"))


async def test_a_hang_up_by_rest_ends_both_legs():
    placed = []

    def when_bridged(entry) -> None:
        if entry.kind == "colleague_bridged":
            placed[0].hang_up("bot", "hang-up by REST")

    def listen(call) -> None:
        placed.append(call)
        call.timeline.listeners.append(when_bridged)

    result, bot = await dial(
        f'<Dial action="/next">{SAM}</Dial>', colleagues=[Colleague(SAM, 0.1)], on_call=listen
    )
    assert (result.report.ended_by, result.colleagues[0].ended_by) == ("bot", "bot")
    assert bot.paths() == ["/twilio/voice", "/twilio/status"]


async def test_keys_reach_the_other_side_and_a_star_ends_the_conversation_where_that_counts():
    sam = Colleague(SAM, 0.2, script=[Digits("5")])
    begin = time.monotonic()
    result, bot = await dial(
        f'<Dial hangupOnStar="true" action="/next">{SAM}</Dial>',
        colleagues=[sam],
        script=[Wait(1.0), Digits("1*", after_reply=False), Wait(20)],
    )
    assert time.monotonic() - begin < 6
    (record,) = result.colleagues
    assert (record.keys, record.ended_by) == ("1*", "caller")
    heard = result.timeline.of("keys_heard")
    assert [(entry.data["digit"], entry.data["by"]) for entry in heard] == [("5", "colleague")]
    assert frequency_power(record.heard, 697) > 500
    assert frequency_power(result.heard, 770) > 500
    assert form_of(bot)["DialCallStatus"] == "completed"
    assert result.report.ended_by == "colleague"


async def test_a_time_limit_ends_the_conversation():
    result, _ = await dial(
        f'<Dial timeLimit="1" action="/next">{SAM}</Dial>', colleagues=[Colleague(SAM, 0.1)]
    )
    (record,) = result.colleagues
    assert (record.outcome, record.ended_by) == ("completed", "limit")
    assert 900 <= record.ended_ms - record.bridged_ms <= 3500


async def test_a_voicemail_box_answers_with_greeting_and_beep_and_records_the_caller():
    result, _ = await dial(
        f"<Dial>{SAM}</Dial>",
        colleagues=[Colleague(SAM, 0.1, "voicemail", [Audio(tone(300, frequency=700), "leave a message")])],
        script=[Wait(1.4), Audio(tone(400, frequency=1500), "call me", after_reply=False), HangUp()],
    )
    spoken = [entry.text for entry in result.timeline.of("colleague_speech") if entry.data["edge"] == "start"]
    assert spoken == ["leave a message", "(beep)"]
    assert frequency_power(result.heard, 1000) > 5000
    assert frequency_power(result.colleagues[0].heard, 1500) > 5000


async def test_a_second_leg_lives_on_while_nobody_hangs_up():
    result, _ = await dial(
        f"<Dial>{SAM}</Dial>", colleagues=[Colleague(SAM, 0.1)], script=[Wait(2.5), HangUp()]
    )
    (record,) = result.colleagues
    assert record.ended_ms - record.bridged_ms >= 2200
    assert len(record.heard) == (record.ended_ms - record.bridged_ms) * 8
    assert [entry.kind for entry in result.timeline.entries if entry.kind.startswith("colleague")] == [
        "colleague_ringing",
        "colleague_answered",
        "colleague_bridged",
        "colleague_hung_up",
    ]


async def test_what_a_dial_cannot_do_here_is_told():
    result, _ = await dial(
        f'<Dial record="record-from-answer" referUrl="/r"><Number>{SAM}</Number><Client>r</Client></Dial><Dial/>',
        colleagues=[Colleague(SAM, 0.0, "busy")],
    )
    assert [error.split(" is ")[0] for error in result.report.errors] == [
        "<Dial> with <Client>: it",
        "<Dial referUrl>",
        "<Dial record>",
        "<Dial> has nobody to call; the call goes on with the next verb",
    ]


@pytest.mark.parametrize(("carrier", "digits"), [("twilio", "1wW#"), ("telnyx", "1w#")])
async def test_digits_that_the_document_plays_are_heard_as_keys_of_the_bot(carrier, digits):
    result, _ = await dial(f'<Play digits="{digits}"/><Hangup/>', carrier)
    heard = result.timeline.of("keys_heard")
    assert [(entry.data["digit"], entry.data["by"]) for entry in heard] == [("1", "bot"), ("#", "bot")]
    pause = 1700 if carrier == "twilio" else 700
    assert pause - 60 <= heard[1].at_ms - heard[0].at_ms <= pause + 300
    assert frequency_power(result.heard, 697) > 500
    assert frequency_power(result.heard, 941) > 500
    assert result.report.first_audio_ms is None
    assert result.report.errors == []


async def test_keys_that_a_carrier_does_not_know_are_not_played():
    result, _ = await dial('<Play digits="1A"/>', "telnyx")
    assert not result.timeline.of("keys_heard")
    assert result.report.errors == ["TeXML <Play digits> is not of the documented form"]


def test_a_colleague_of_the_command_line_has_a_number_a_behaviour_and_a_time():
    assert parse_colleague(f"{SAM}=busy:2.5") == Colleague(SAM, 2.5, "busy")
    assert parse_colleague("sip:sam@example.com;a=b=answers") == Colleague("sip:sam@example.com;a=b", 1.0)
    for text in (SAM, f"{SAM}=sleeps", f"{SAM}=busy:x", "=busy", f"{SAM}=busy:-1", f"{SAM}=busy:nan"):
        with pytest.raises(EmulatorError, match=r"--colleague .* is not usable: give NUMBER=BEHAVIOUR"):
            parse_colleague(text)


def test_two_spellings_of_a_number_are_one_phone():
    assert same_address("+1 (202) 555-0111", SAM)
    assert same_address("sip:Sam@Example.com;transport=tls", "sam@example.com")
    assert not same_address(SAM, NOBODY)
