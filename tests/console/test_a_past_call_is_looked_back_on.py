"""The page of a call that is over: its recording, what was waited for, messages, and what a person says of it."""

from datetime import UTC, datetime

import pytest

from calls.events.lifecycle import RecordingReported
from calls.events.people import Reviewed
from calls.store import CallStore
from desk.api_keys import Scope
from tests.console.calls import MadeUp
from tests.console.pages import console
from tests.console.week import ACCOUNT, Clock, carrier_with, invoice
from tests.web.test_recordings_are_heard_through_us import wav

HOSTILE = "</textarea><script>alert(1)</script>"


@pytest.fixture
async def looked(tmp_path):
    store = CallStore(clock=(clock := Clock(datetime.now(UTC))))
    talk = invoice(store, clock, clock.now)
    async with carrier_with(wav()) as base:
        async with console(tmp_path, store=store, **ACCOUNT, twilio_api_base_url=base) as desk:
            yield desk, talk.call


async def test_all_of_it_is_on_the_page(looked):
    desk, call = looked
    page = await desk.get(f"/console/calls/{call.id}")
    page.is_harmless()
    [player] = [one for one in page.all("section") if one.get("id") == "player"]
    assert player["data-peaks"] == f"/calls/{call.id}/peaks?n=1"
    assert int(player["data-offset-ms"]) in (249, 250)  # the carrier says it to a millisecond
    assert player["data-nonce"] in page.answer.headers["content-security-policy"]
    [audio] = page.all("audio")
    assert audio["src"] == f"/calls/{call.id}/recording?n=1" and "controls" in audio
    for text in (
        "A question about the invoice of October.",
        "Transfer to billing no answer",
        "DeepgramSTTService",
        "2,050 ms",
        "Shall I take a message for them?",
    ):
        assert text in page.text, text
    bars = [one for one in page.all("svg") if one.get("class") == "turn-bar"]
    assert len(bars) == 6
    assert {one["class"] for one in page.all("rect")} == {
        *("trough", "s-end_of_turn", "s-recogniser", "s-model", "s-tool", "s-voice", "s-line"),
    }


async def test_its_recording_is_heard_by_the_session(looked):
    desk, call = looked
    assert (await desk.http.get(f"/calls/{call.id}/recording?n=1")).content == wav()
    assert (await desk.http.get(f"/calls/{call.id}/peaks?n=1")).json()["duration_secs"] == 2.0


async def test_who_may_only_look_on_hears_nothing(tmp_path):
    store = CallStore(clock=(clock := Clock(datetime.now(UTC))))
    call = invoice(store, clock, clock.now).call
    async with console(tmp_path, Scope.VIEW, store=store) as desk:
        page = await desk.get(f"/console/calls/{call.id}")
        assert page.answer.status_code == 200
        assert not page.all("audio") and not [one for one in page.all("section") if one.get("id") == "player"]
        assert "player.js" not in page.answer.text and "5550143" not in page.answer.text
        assert not page.all("textarea")
        for path in ("recording", "peaks"):
            assert (await desk.http.get(f"/calls/{call.id}/{path}")).status_code == 403
        assert (
            await desk.post(f"/console/calls/{call.id}/review", form="review", note="x")
        ).status_code == 403


async def test_a_person_says_what_a_call_has_achieved(looked):
    desk, call = looked
    answer = await desk.post(
        f"/console/calls/{call.id}/review",
        form="review",
        outcome="lost",
        note="A prank.\r\nAgain.",
        reviewed="true",
    )
    assert answer.status_code == 303
    page = await desk.get(answer.headers["location"])
    assert "It is kept with the call." in page.text and "A prank. Again." in page.text
    assert "reviewed by ann" in page.text
    assert [one for one in page.all("option") if "selected" in one and one.get("value") == "lost"]
    last = call.last(Reviewed)
    assert (last.outcome, last.note, last.reviewed, last.by) == ("lost", "A prank.\nAgain.", True, "ann")
    await desk.post(f"/console/calls/{call.id}/review", form="review", outcome="", note="")
    last = call.last(Reviewed)
    assert (last.outcome, last.note, last.reviewed) == (None, "", False)


async def test_a_hostile_note_stays_words(looked):
    desk, call = looked
    await desk.post(f"/console/calls/{call.id}/review", form="review", outcome="", note=HOSTILE)
    page = await desk.get(f"/console/calls/{call.id}")
    page.is_harmless()
    assert HOSTILE in page.text


@pytest.mark.parametrize(
    "form", [{"outcome": "splendid"}, {"note": "x" * 2001}, {"reviewed": "perhaps"}, {"form": ""}]
)
async def test_what_cannot_be_said_is_told_on_a_page(looked, form):
    desk, call = looked
    answer = await desk.post(f"/console/calls/{call.id}/review", **{"form": "review", **form})
    assert answer.status_code == 422 and "text/html" in answer.headers["content-type"]
    assert (await desk.post("/console/calls/nobody/review", form="review", note="x")).status_code == 404


async def test_a_message_is_dealt_with_from_there(looked):
    desk, call = looked
    page = await desk.get(f"/console/calls/{call.id}")
    actions = [one.get("action", "") for one in page.all("form")]
    [form] = [one for one in actions if one.startswith("/console/messages/")]
    answer = await desk.post(form, handled="true", back=f"/console/calls/{call.id}")
    assert "dealt with by ann" in (await desk.get(answer.headers["location"])).text


async def test_a_call_without_a_recording_and_one_that_goes_on(tmp_path):
    async with console(tmp_path) as desk:
        over = MadeUp(desk.service.store).answered().caller("Hi").ended().call
        live = MadeUp(desk.service.store).answered().caller("Hi").call
        for call in (over, live):
            page = await desk.get(f"/console/calls/{call.id}")
            assert page.answer.status_code == 200 and not page.all("audio")
        assert "review" not in (await desk.get(f"/console/calls/{live.id}")).answer.text


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("stopped", "not there yet"),
        ("failed", "no recording to be heard: failed (<b>x</b>)"),
        ("deleted", "no recording to be heard: deleted"),
    ],
)
async def test_why_there_is_nothing_to_be_heard(tmp_path, state, says):
    async with console(tmp_path) as desk:
        talk = MadeUp(desk.service.store).answered().caller("Hi")
        reason = "<b>x</b>" if state == "failed" else ""
        talk.happens(
            RecordingReported(
                state=state, recording_id="RE1", url=None, duration_secs=None, channels=None, reason=reason
            )
        )
        page = await desk.get(f"/console/calls/{talk.ended().call.id}")
        page.is_harmless()
        assert says in page.text and not page.all("audio")
