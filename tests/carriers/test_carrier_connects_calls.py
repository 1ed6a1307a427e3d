"""Two live calls that run by documents meet: the colleague's first, and nobody waits alone."""

import asyncio
from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from carriers.carrier import (
    CallEnded,
    CarrierRejected,
    CarrierUnauthorized,
    CarrierUnavailable,
    Meeting,
    OtherCallEnded,
)
from tests.fake_rest import Answer, FakeRest, ended, fake_rest, refused, telnyx, twilio

CALLER, COLLEAGUE = "CA" + "0" * 32, "CA" + "1" * 32
MEETING = Meeting("call_1", ended_url="https://h/dialled")
OK = Answer.json(200, {"sid": "CA1", "data": {"result": "ok"}})
BOTH = pytest.mark.parametrize("build", [twilio, telnyx])


def documents(rest: FakeRest) -> list[tuple[str, str]]:
    """Which call was told what, in order; a hang-up is `-`."""
    told = []
    for request in rest.requests:
        who = "caller" if CALLER in request.path else "colleague"
        form = parse_qs(request.body)  # of a hang-up by Call Control, which is JSON, there is nothing in it
        told.append((who, (form.get("Twiml") or form.get("Texml") or ["-"])[0]))
    return told


async def connected(build: object, *answers: Answer) -> tuple[BaseException | None, list[tuple[str, str]]]:
    async with fake_rest(*answers) as rest:
        carrier = build(rest.url, timeout_secs=0.3 if any(answer.delay_secs for answer in answers) else 5)
        caught: BaseException | None = None
        try:
            await carrier.connect_calls(CALLER, COLLEAGUE, MEETING)
        except Exception as error:
            caught = error
        await carrier.aclose()
    return caught, documents(rest)


@BOTH
async def test_the_colleague_goes_first_and_only_the_caller_comes_back(build):
    carrier = build("http://h")
    error, told = await connected(build, OK)
    assert error is None
    assert told == [
        ("colleague", carrier.conference_document(replace(MEETING, ended_url=None))),
        ("caller", carrier.conference_document(MEETING)),
    ]


@BOTH
async def test_a_colleague_who_is_gone_leaves_the_caller_with_the_bot(build):
    error, told = await connected(build, ended(build))
    assert type(error) is OtherCallEnded
    assert [who for who, _ in told] == ["colleague"]


async def test_twilios_other_answer_for_a_colleague_who_is_gone_is_understood():
    error, _ = await connected(twilio, refused(twilio, 404, "20404"))
    assert type(error) is OtherCallEnded


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, CarrierRejected),
        (401, CarrierUnauthorized),
        (429, CarrierUnavailable),
    ],
)
@BOTH
async def test_a_colleague_who_was_certainly_not_moved_stays_with_the_bot(build, status, error):
    caught, told = await connected(build, refused(build, status, "10001"))
    assert type(caught) is error
    assert [who for who, _ in told] == ["colleague"]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(500, "<html>", "text/html"),
        Answer(200, "<html>", "text/html"),
        Answer(hang_up=True),
        Answer(delay_secs=30),
    ],
)
@BOTH
async def test_a_colleague_who_may_wait_alone_is_hung_up_and_the_caller_is_not_moved(build, answer):
    caught, told = await connected(build, answer, OK)
    assert type(caught) is CarrierUnavailable
    assert told[1:] == [("colleague", "-")]


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (401, "10001", CarrierUnauthorized),
        (429, "10001", CarrierUnavailable),
        (500, "10001", CarrierUnavailable),
    ],
)
@BOTH
async def test_when_the_caller_cannot_follow_the_colleague_is_hung_up(build, status, code, error):
    caught, told = await connected(build, OK, refused(build, status, code), OK)
    assert type(caught) is error
    assert [who for who, _ in told] == ["colleague", "caller", "colleague"]
    assert told[2] == ("colleague", "-")


@BOTH
async def test_when_the_caller_is_gone_the_colleague_is_hung_up(build):
    caught, told = await connected(build, OK, ended(build), OK)
    assert type(caught) is CallEnded
    assert told[2:] == [("colleague", "-")]


@BOTH
async def test_a_colleague_who_cannot_be_hung_up_either_changes_nothing(build):
    caught, told = await connected(build, OK, ended(build), Answer(500, ""))
    assert type(caught) is CallEnded
    assert len(told) == 3


@BOTH
async def test_who_gives_up_in_the_middle_leaves_nobody_alone(build):
    async with fake_rest(OK, Answer(200, "{}", delay_secs=5), OK) as rest:
        carrier = build(rest.url, timeout_secs=10)
        task = asyncio.create_task(carrier.connect_calls(CALLER, COLLEAGUE, MEETING))
        while len(rest.requests) < 2:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await carrier.aclose()
    assert documents(rest)[2:] == [("colleague", "-")]
