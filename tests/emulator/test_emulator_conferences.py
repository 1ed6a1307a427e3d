"""Legs meet in a conference: who hears whom, when it begins and ends, and what is told of it."""

import asyncio

import numpy as np
import pytest

from emulator import Audio, Colleague, Digits, HangUp, PhoneNetwork, Wait, tone
from emulator.line.caller import Manners
from emulator.line.codecs import SAMPLE_RATE
from tests.fake_bot import FakeBot, Line
from tests.rest_client import change, create

SAM = "+12025550111"
EVA = "+12025550112"
STREAM = '<Connect><Stream url="wss://HOST/ws" bidirectionalMode="rtp"/></Connect>'
CARRIERS = pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
MUSIC, BEEP = 330, 620


def power(samples: np.ndarray, frequency: float) -> float:
    """How much of a recording is this tone, as its amplitude (0 to 32767) over the tone's best 100 ms."""
    size = SAMPLE_RATE // 10
    wave = np.exp(-2j * np.pi * frequency * np.arange(size) / SAMPLE_RATE)
    pieces = [samples[at : at + size] for at in range(0, len(samples) - size, size // 2)]
    return max((abs(np.dot(piece, wave)) * 2 / size for piece in pieces), default=0.0)


def room(name: str = "room", **attributes: str) -> str:
    """A `<Dial><Conference>`; a quiet one unless told otherwise."""
    attributes = {"beep": "false", "waitUrl": ""} | attributes
    written = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f"<Dial><Conference{written}>{name}</Conference></Dial>"


def speaks(frequency: int, *, after: float, stays: float) -> list:
    """A script: a beep of 400 ms after so many seconds, and the end so many seconds later."""
    return [
        Wait(after),
        Audio(tone(400, frequency=frequency), "(a beep)", after_reply=False),
        Wait(stays),
        HangUp(),
    ]


async def meet(carrier: str, *legs: tuple[str, list], documents=None, gap: float = 0.0):
    """Call Sam, Eva, ... one after the other with a document each; returns their results and the bot."""
    numbers = [SAM, EVA, "+12025550113"][: len(legs)]
    people = [
        Colleague(number, 0.0, script=script) for number, (_, script) in zip(numbers, legs, strict=True)
    ]
    async with PhoneNetwork(carrier, people=people) as network:
        async with FakeBot(None, documents or {}) as bot:
            for number, (document, _) in zip(numbers, legs, strict=True):
                document = document.replace("BOT", bot.url)
                await create(carrier, network.rest_url, number, document=document)
                await asyncio.sleep(gap)
            results = await asyncio.gather(*(network.next_result(number) for number in numbers))
    return results, bot


@CARRIERS
async def test_everybody_hears_the_mix_of_the_others_and_nobody_hears_themselves(carrier):
    results, _ = await meet(
        carrier,
        (room(), speaks(700, after=0.5, stays=0.6)),
        (room(), speaks(1000, after=0.5, stays=0.6)),
        (room(), speaks(1300, after=0.5, stays=0.6)),
    )
    for own, result in zip((700, 1000, 1300), results, strict=True):
        for frequency in (700, 1000, 1300):
            loud = power(result.heard, frequency)
            assert loud < 500 if frequency == own else loud > 5000
        assert result.report.underruns == 0
        assert result.report.handed_over
        assert not result.timeline.of("bot_speech", "first_audio", "underrun")
        assert result.timeline.of("caller_hears")


async def test_speech_arrives_whole_and_within_two_frames():
    results, _ = await meet(
        "twilio", (room(), speaks(700, after=0.4, stays=0.5)), (room(), [Wait(2), HangUp()])
    )
    heard = results[1].timeline.of("caller_hears")
    spoken = results[0].timeline.of("caller_speech")
    # Two timelines with one clock: the difference of their zeros is that of the answers.
    apart = (results[1].leg.answered_at - results[0].leg.answered_at).total_seconds() * 1000
    assert -10 <= heard[0].at_ms + apart - spoken[0].at_ms <= 70
    assert 380 <= heard[1].at_ms - heard[0].at_ms <= 420


async def test_a_conference_waits_with_music_or_silence_for_the_one_who_starts_it():
    waiting = room(waitUrl="http://music.example/", startConferenceOnEnter="false")
    silent = room(startConferenceOnEnter="false")
    results, _ = await meet(
        "twilio",
        (waiting, speaks(700, after=0.1, stays=2.0)),
        (silent, [Wait(2.2), HangUp()]),
        (room(), speaks(1300, after=0.2, stays=0.5)),
        gap=0.5,
    )
    first, second, third = results
    assert power(first.heard, MUSIC) > 1000
    assert power(second.heard, MUSIC) < 100
    assert power(second.heard, 700) < 500
    assert power(first.heard, 1300) > 5000
    began = [entry.at_ms for entry in first.timeline.of("conference") if entry.data["event"] == "start"]
    assert 900 <= began[0] <= 1700
    assert power(first.heard[(began[0] + 100) * 8 :], MUSIC) < 500
    assert third.report.ended_by == "caller"


async def test_with_end_on_exit_the_others_go_on_with_their_documents():
    for carrier, status in (("twilio", "answered"), ("telnyx", "completed")):
        documents = {"/next": "<Say>goodbye</Say>"}
        dial = room().replace("<Dial>", '<Dial action="BOT/next">')
        results, bot = await meet(
            carrier,
            (dial, [Wait(20)]),
            (room(endConferenceOnExit="true"), [Wait(0.8), HangUp()]),
            documents=documents,
        )
        form = next(seen.form for seen in bot.seen if seen.path == "/next")
        assert form["DialCallStatus"] == status
        assert not {"DialCallSid", "DialCallDuration"} & set(form)
        assert [entry.text for entry in results[0].timeline.of("say")] == ["goodbye"]
        assert (results[0].report.ended_by, results[0].report.handed_over) == ("colleague", True)


async def test_without_it_the_conference_goes_on_and_the_last_one_hears_silence():
    results, _ = await meet("twilio", (room(), [Wait(1.5), HangUp()]), (room(), [Wait(0.5), HangUp()]))
    assert results[0].report.ended_by == "caller"
    assert len(results[0].heard) >= 1400 * 8


async def test_muted_labelled_and_too_many():
    results, _ = await meet(
        "twilio",
        (
            room(muted="true", participantLabel="one", maxParticipants="2"),
            speaks(700, after=0.5, stays=1.2),
        ),
        (room(participantLabel="two"), speaks(1000, after=0.5, stays=0.8)),
        (room(participantLabel="two"), [Wait(5)]),
        gap=0.1,
    )
    assert power(results[1].heard, 700) < 500
    assert power(results[0].heard, 1000) > 5000
    assert results[2].report.errors == [
        "16025 the participantLabel 'two' is in use; the call goes on with the next verb"
    ]
    results, _ = await meet(
        "twilio",
        (room(maxParticipants="1"), [Wait(0.5), HangUp()]),
        (room(), [Wait(5)]),
        gap=0.1,
    )
    assert results[1].report.errors == ["the conference is full (1); the call goes on with the next verb"]


async def test_a_beep_tells_the_others_who_comes_and_goes():
    results, _ = await meet(
        "twilio",
        (room(beep="true"), [Wait(2.0), HangUp()]),
        (room(beep="onEnter"), [Wait(0.6), HangUp()]),
        gap=0.3,
    )
    heard = results[0].heard
    came = next(
        entry.at_ms for entry in results[0].timeline.of("conference") if entry.data["event"] == "start"
    )
    assert power(heard[came * 8 : (came + 400) * 8], BEEP) > 1000
    assert power(heard[(came + 500) * 8 :], BEEP) < 100
    assert power(results[1].heard, BEEP) < 100


@pytest.mark.parametrize(
    ("carrier", "kinds"),
    [
        ("twilio", ["participant-join", "participant-join", "conference-start"]),
        ("telnyx", ["participant-join", "participant-join", "conference-start"]),
    ],
)
async def test_what_happens_in_it_is_told_to_the_first_participants_callback(carrier, kinds):
    wanted = room(statusCallback="BOT/room", statusCallbackEvent="start end join leave", participantLabel="a")
    results, bot = await meet(
        carrier,
        (wanted, [Wait(1.0), HangUp()]),
        (room(endConferenceOnExit="true", statusCallback="BOT/other"), [Wait(0.4), HangUp()]),
        documents={"/room": "", "/other": ""},
        gap=0.1,
    )
    forms = [seen.form for seen in bot.seen if seen.path == "/room"]
    assert "/other" not in bot.paths()
    assert [form["StatusCallbackEvent"] for form in forms] == [
        *kinds,
        "participant-leave",
        "conference-end",
        "participant-leave",
    ]
    assert [form["SequenceNumber"] for form in forms] == list("012345")
    assert {form["FriendlyName"] for form in forms} == {"room"}
    assert len({form["ConferenceSid"] for form in forms}) == 1
    assert forms[0]["ParticipantLabel"] == "a"
    assert [forms[0]["CallSid"], forms[1]["CallSid"]] == [result.report.call_id for result in results]
    assert forms[4]["ReasonConferenceEnded"] == "participant-with-end-conference-on-exit-left"
    if carrier == "twilio":
        assert forms[4]["CallSidEndingConference"] == results[1].report.call_id
        assert (forms[1]["EndConferenceOnExit"], forms[0]["EndConferenceOnExit"]) == ("true", "false")
        assert forms[3]["ParticipantCallStatus"] == "completed"
        assert "X-Twilio-Signature" in bot.seen[0].headers
    else:
        assert forms[0]["ConnectionId"]
        assert forms[0]["To"] == SAM


@CARRIERS
async def test_a_bot_puts_caller_and_colleague_together_by_rest_and_both_streams_end(carrier):
    """The warm transfer: each leg talks to the bot first, and then they meet."""
    async with PhoneNetwork(carrier) as network:

        async def talk(line: Line) -> None:
            await line.beep(200)
            if len(bot.lines) == 1:
                sam = {"Url": f"{bot.url}/sam"}
                await create(carrier, network.rest_url, SAM, **sam)
            else:
                await line.until("dtmf")
                for one in bot.lines:
                    document = room(endConferenceOnExit="true")
                    assert (await change(carrier, network.rest_url, one.call_id, document=document))[0] == 200
            await line.until_closed()
            ended.append(line.of("stop"))

        ended: list = []
        documents = {f"/{carrier}/voice": STREAM, "/sam": STREAM, f"/{carrier}/status": ""}
        async with FakeBot(talk, documents) as bot:
            network.add_person(
                Colleague(SAM, 0.2, script=[Wait(0.5), Digits("1"), *speaks(700, after=0.8, stays=0.5)])
            )
            caller = [Wait(3.0), Audio(tone(300, frequency=1000), "thanks", after_reply=False), Wait(9)]
            result = await network.call(
                bot.url, caller, manners=Manners(patience=0.2), api_key=None, colleagues=()
            )
            sam = await network.next_result(SAM)
    assert [len(stops) for stops in ended] == [1, 1]
    assert power(result.heard, 700) > 5000
    assert power(sam.heard, 440) > 5000
    assert sam.report.ended_by == "caller"
    assert (result.report.ended_by, result.report.handed_over) == ("colleague", True)
    assert [result.report.underruns, sam.report.underruns] == [0, 0]


async def test_a_key_is_heard_by_the_others_and_a_star_leaves_where_that_counts():
    dial = room().replace("<Dial>", '<Dial hangupOnStar="true">') + "<Say>bye</Say>"
    results, _ = await meet(
        "twilio",
        (dial, [Wait(0.5), Digits("5*", after_reply=False), Wait(9)]),
        (room(), [Wait(1.4), HangUp()]),
    )
    heard = results[1].timeline.of("keys_heard")
    assert [(entry.data["digit"], entry.data["by"]) for entry in heard] == [("5", "people"), ("*", "people")]
    assert power(results[1].heard, 770) > 500
    assert results[0].timeline.of("say")
