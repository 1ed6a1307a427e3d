"""What is said of a call: whether it ended as it is to, when it was heard again, and what its transcript lacks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chaos.crowd import Crowd
from chaos.judging import Sentence, Told, Touch, Witnessed, contains, judge
from chaos.outcome import Outcome
from chaos.schedule import CUT, DRAIN, HANG, KILL, Trouble
from chaos.troubles import Made

ASKED, ANSWER, BYE, UNKNOWN = "Where is the boat", "It lies at pier seven.", "Goodbye to you.", "I forgot."

CALL = Witnessed(
    0,
    "0: twilio documents in",
    "CA1",
    answered=100.0,
    over=120.0,
    ended_by="bot",
    streams=[100.1],
    sounds=[(101.0, 103.0), (105.0, 107.0), (117.0, 119.0)],
    heard=[
        Sentence("Hello there.", 101.0, 103.0),
        Sentence(ANSWER, 105.0, 107.0),
        Sentence(BYE, 117.0, 119.0),
    ],
    said=[Sentence(ASKED, 103.5, 104.5)],
    answers={ASKED: ANSWER},
    farewell=BYE,
    known=("I know.", UNKNOWN),
    quiet_secs=1.2,
)
TOLD = Told(True, "where is the boat", "Hello there. It lies at pier seven. Goodbye to you.")


def test_a_good_call_is_one():
    verdict = judge(CALL, [], TOLD)
    assert (verdict.ended, verdict.left_open, verdict.kills, verdict.lost) == (True, False, 0, [])
    assert verdict.problems == []


def test_a_word_that_the_network_tore_is_no_word_that_was_not_said():
    torn = Sentence(BYE, 117.0, 119.0, 0.67, torn=1)
    assert judge(replace(CALL, heard=[*CALL.heard[:2], torn]), [], TOLD).ended
    assert not judge(replace(CALL, heard=[*CALL.heard[:2], replace(torn, share=0.34)]), [], TOLD).ended


@pytest.mark.parametrize(
    ("changed", "open_at_the_carrier"),
    [
        ({"over": None}, True),
        ({"ended_by": "caller", "gave_up": True, "heard": CALL.heard[:2]}, True),
        ({"ended_by": "error", "heard": CALL.heard[:2]}, False),
        ({"heard": CALL.heard[:2]}, False),
        ({"heard": [*CALL.heard[:2], Sentence(BYE, 117.0, 118.0, 0.7)]}, False),
        ({"answered": None}, False),
    ],
    ids=[
        "forced",
        "caller gave up",
        "application error",
        "no goodbye",
        "a goodbye that is cut",
        "not answered",
    ],
)
def test_only_a_goodbye_that_was_heard_and_a_hang_up_are_an_end(changed, open_at_the_carrier):
    verdict = judge(replace(CALL, **changed), [], TOLD)
    assert not verdict.ended
    assert verdict.left_open is open_at_the_carrier
    assert verdict.problems


@pytest.mark.parametrize("told", [None, replace(TOLD, ended=False)])
def test_the_api_has_to_know_the_end(told):
    assert not judge(CALL, [], told).ended


def test_a_killed_call_counts_from_the_kill_to_the_first_sound_on_a_new_stream():
    call = replace(CALL, streams=[100.1, 111.0], sounds=[*CALL.sounds[:2], (109.5, 110.4), (112.5, 119.0)])
    verdict = judge(call, [Touch(0, KILL, 110.0)], TOLD)
    assert verdict.kills == 1
    assert verdict.resumed == [2.5]


def test_sound_that_goes_on_when_the_new_stream_opens_counts_from_there():
    call = replace(CALL, streams=[100.1, 111.0], sounds=[(109.0, 119.0)])
    assert judge(call, [Touch(0, KILL, 110.0)], TOLD).resumed == [1.0]


def test_a_call_that_was_never_heard_again_is_no_resumed_one():
    verdict = judge(
        replace(CALL, over=130.0, sounds=CALL.sounds[:2], heard=CALL.heard[:2]), [Touch(0, KILL, 110.0)], TOLD
    )
    assert verdict.resumed == [None]
    assert "never heard again" in " ".join(verdict.problems)


def test_who_had_said_goodbye_need_not_come_back():
    assert judge(CALL, [Touch(0, KILL, 119.5)], TOLD).kills == 0


def test_a_socket_that_was_cut_is_no_kill():
    assert judge(CALL, [Touch(0, CUT, 110.0), Touch(1, HANG, 111.0)], TOLD).kills == 0


def test_a_bot_that_has_forgotten_what_was_said_before_the_kill_is_found():
    call = replace(CALL, streams=[100.1, 110.5], heard=[*CALL.heard, Sentence(UNKNOWN, 113.0, 114.0)])
    told = replace(TOLD, spoken=f"{TOLD.spoken} {UNKNOWN}")
    assert judge(call, [Touch(0, KILL, 110.0)], told).unknown
    # It was being said when the process died: it need not be known
    assert not judge(call, [Touch(0, KILL, 106.0)], told).unknown


def test_what_was_heard_to_its_end_has_to_be_in_the_transcript():
    lacking = replace(TOLD, spoken="Hello there. Goodbye to you.")
    assert judge(CALL, [], lacking).lost == [ANSWER]
    assert judge(CALL, [Touch(0, KILL, 106.0)], lacking).lost == []
    assert judge(CALL, [Touch(0, KILL, 107.5)], lacking).lost == []
    assert judge(CALL, [Touch(0, KILL, 110.0)], lacking).lost == [ANSWER]
    assert judge(CALL, [Touch(0, DRAIN, 106.0)], lacking).lost == [ANSWER]


def test_what_was_answered_has_to_be_in_the_transcript():
    lacking = replace(TOLD, heard="")
    assert judge(CALL, [], lacking).lost == [ASKED]
    assert judge(replace(CALL, heard=[CALL.heard[0], CALL.heard[2]]), [], lacking).lost == []
    (said,) = (one for one in CALL.said if one.text == ASKED)
    for died, back, lost in (
        (said.start - 0.7, said.start + 0.1, []),
        (said.start + 0.1, said.end + 0.5, []),
        (said.start - 0.7, said.start - 0.1, [ASKED]),
        (said.end + 0.1, said.end + 1, [ASKED]),
    ):
        call = replace(CALL, streams=[CALL.streams[0], back])
        assert judge(call, [Touch(0, KILL, died)], lacking).lost == lost


def test_words_are_compared_and_not_letters():
    assert contains("Well: it lies, at pier SEVEN now", ANSWER)
    assert not contains("It lies at pier seventeen.", ANSWER)


def test_a_drain_is_guilty_only_of_what_nothing_else_did_after_it():
    cut_off = replace(CALL, ended_by="error", heard=CALL.heard[:2])
    assert judge(cut_off, [Touch(0, DRAIN, 108.0)], TOLD).drained
    assert judge(cut_off, [Touch(0, KILL, 105.0), Touch(1, DRAIN, 108.0)], TOLD).drained
    assert not judge(cut_off, [Touch(0, DRAIN, 108.0), Touch(1, CUT, 110.0)], TOLD).drained
    assert not judge(CALL, [Touch(0, DRAIN, 108.0)], TOLD).drained


# All calls together


def outcome(*verdicts, workers=2, made=()):
    return Outcome(list(verdicts), list(made), workers)


def killed(resumed):
    call = replace(CALL, streams=[100.1, 110.0 + resumed], sounds=[(110.0 + resumed, 119.0)])
    return judge(call, [Touch(0, KILL, 110.0)], TOLD)


def test_the_last_line_counts():
    verdicts = [judge(CALL, [], TOLD), killed(2.0), killed(5.0), judge(replace(CALL, over=None), [], None)]
    assert outcome(*verdicts).figures() == {
        "calls": 4,
        "ended": 3,
        "killed": 2,
        "resumed_in_3s": 1,
        "left_open": 1,
        "transcripts_lost": 1,
        "worst_silence_s": 1.2,
    }


def test_a_run_without_a_fault_misses_nothing():
    assert outcome(judge(CALL, [], TOLD), killed(2.0)).missed() == []


def test_one_process_may_take_longer_to_come_back_than_several():
    assert outcome(killed(5.0), workers=1).missed() == []
    assert any("within 3 s" in one for one in outcome(killed(5.0), workers=2).missed())
    assert any("within 8 s" in one for one in outcome(killed(9.0), workers=1).missed())


def test_one_in_a_hundred_may_come_back_later():
    assert outcome(*[killed(2.0)] * 99, killed(5.0)).missed() == []
    assert outcome(*[killed(2.0)] * 97, killed(5.0), killed(5.0)).missed()


@pytest.mark.parametrize(
    "bad",
    [
        judge(replace(CALL, over=None), [], TOLD),
        judge(replace(CALL, ended_by="error", heard=CALL.heard[:2]), [Touch(0, DRAIN, 108.0)], TOLD),
        judge(CALL, [], replace(TOLD, spoken="")),
    ],
    ids=["left open", "drained", "transcript"],
)
def test_one_bad_call_of_two_hundred_is_too_many(bad):
    run = outcome(*[judge(CALL, [], TOLD)] * 199, bad)
    assert run.missed()
    assert any(bad.call_id in line for line in run.problems())


def test_kills_that_met_nobody_show_nothing():
    made = Made(Trouble(0, KILL, 12.0, 0.0, 0.5), "SIGKILL", at=110.0)
    assert outcome(judge(CALL, [], TOLD), made=[made]).missed() == [
        "no kill met a call that talked: nothing was shown"
    ]


def test_the_table_has_a_line_for_each_kind():
    made = [
        Made(Trouble(number, kind, 1.0, 0.0, 0.5), "", at=110.0) for number, kind in enumerate((KILL, CUT))
    ]
    lines = outcome(killed(2.0), judge(CALL, [Touch(1, CUT, 110.0)], TOLD), made=made).table()
    assert [line.split()[0] for line in lines] == ["trouble", "kill", "cut", "none", "all", "of"]
    assert "2.0 / 2.0 s" in lines[1]


@pytest.mark.parametrize(
    ("crowd", "missed"),
    [
        (Crowd(24, 4, 4, [0.2] * 20), []),
        (Crowd(24, 4, 3, [0.2] * 21), []),  # one process was full, and the other one was not
        (Crowd(24, 4, 5, [0.2] * 19), ["5 calls were taken, where there is room for 4"]),
        (Crowd(24, 4, 0, [0.2] * 24), ["0 calls were taken, where there is room for 4"]),
        (
            Crowd(24, 4, 4, [0.2] * 18 + [1.2, None]),
            ["2 of 20 callers for whom there was no room were not told so within 1 s"],
        ),
        (
            Crowd(24, 4, 4, [0.2] * 20, underruns=2),
            ["2 underruns in calls that went on while others were turned away"],
        ),
        (
            Crowd(24, 4, 4, [0.2] * 20, problems=["call 3: it was ended by error"]),
            ["call 3: it was ended by error"],
        ),
    ],
)
def test_nobody_waits_for_an_answer_and_nobody_who_talks_notices_the_crowd(crowd, missed):
    assert crowd.missed() == missed
    assert Outcome([], [], 2, crowd=crowd).missed() == missed
