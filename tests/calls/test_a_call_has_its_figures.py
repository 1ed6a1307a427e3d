"""How a call felt is made of its events alone."""

from datetime import UTC, datetime, timedelta

from calls.events.lifecycle import Answered
from calls.events.talk import (
    BotSaid,
    CallerSaid,
    DeadAirNoticed,
    Detached,
    Interrupted,
    InterruptionUndone,
    NotUnderstood,
    Responded,
    TurnMeasured,
)
from calls.figures import figures, response_times

AT = datetime(2026, 1, 1, tzinfo=UTC)


def waited(ms, **stages):
    return Responded(to="caller", ms=ms, stages=stages, at=AT)


def test_a_call_without_a_word_has_none():
    made = figures([Detached(reason="stopped")])
    assert (made.responses, made.response_p50_ms, made.response_p90_ms, made.first_sound_ms) == (
        0,
        None,
        None,
        None,
    )
    assert (made.dead_air, made.dead_air_longest_ms, made.not_understood, made.interruptions) == (
        0,
        None,
        0,
        0,
    )
    assert made.stages_p50_ms == {}


def test_median_and_nine_of_ten_are_of_the_responses_to_the_caller():
    events = [Responded(to="call", ms=70), *(waited(100 * number) for number in range(1, 11))]
    made = figures(events)
    assert (made.first_sound_ms, made.responses) == (70, 10)
    assert (made.response_p50_ms, made.response_p90_ms, made.response_longest_ms) == (550, 900, 1000)


def test_one_response_is_all_of_them():
    made = figures([waited(640, model=400, voice=240)])
    assert (made.response_p50_ms, made.response_p90_ms, made.response_longest_ms) == (640, 640, 640)
    assert made.stages_p50_ms == {"model": 400, "voice": 240}


def test_a_stage_that_took_no_time_counts():
    made = figures([waited(1, tool=900), waited(1, model=10), waited(1, model=30)])
    assert made.stages_p50_ms == {"tool": 0, "model": 10}


def test_what_the_end_of_the_stream_cuts_off_is_no_interruption():
    events = [
        Interrupted(heard="We"),
        CallerSaid(text="x"),
        Interrupted(heard=""),
        Detached(reason="stopped"),
    ]
    made = figures([*events, InterruptionUndone()])
    assert (made.interruptions, made.interruptions_undone) == (1, 1)


def test_a_silence_that_goes_on_is_one():
    events = [
        DeadAirNoticed(stage="filler", cause="model_silent", silent_secs=2.0),
        DeadAirNoticed(stage="way_on", cause="model_silent", silent_secs=6.1),
        BotSaid(text="x"),
        DeadAirNoticed(stage="filler", cause="tool_slow", silent_secs=1.5),
    ]
    made = figures(events)
    assert (made.dead_air, made.dead_air_longest_ms) == (2, 6100)


def test_what_is_not_understood_are_lines_without_words_and_what_the_brain_says_so():
    events = [
        NotUnderstood(),
        DeadAirNoticed(stage="way_on", cause="recogniser_silent", silent_secs=2.0),
        DeadAirNoticed(stage="fallback", cause="recogniser_silent", silent_secs=4.0),
        DeadAirNoticed(stage="way_on", cause="model_silent", silent_secs=2.0),
    ]
    assert figures(events).not_understood == 2


def measured(ms, *, to="caller", n=0, interrupted=False, **stages):
    parts = [
        {"key": name, "stage": name, "owner": "", "kind": "service", "ms": took}
        for name, took in stages.items()
    ]
    return TurnMeasured(
        n=n, to=to, response_ms=ms, parts=parts, interrupted=interrupted, after_answer_ms=70, at=AT
    )


def test_a_turn_counts_as_the_line_had_it():
    events = [waited(640, model=640), measured(700, model=650, line=50), waited(500, model=500)]
    made = figures(events)
    assert (made.responses, made.response_p50_ms, made.response_longest_ms) == (2, 600, 700)
    assert made.stages_p50_ms == {"model": 575, "line": 25}
    [first, second] = response_times(events)
    assert (first.ms, second.ms) == (700, 500)


def test_a_turn_that_was_never_measured_at_the_line_is_not_taken_for_the_next_one():
    killed = [waited(640), waited(500), measured(510)]  # the process died in the first turn
    assert [one.ms for one in response_times(killed)] == [640, 510]
    assert [one.ms for one in response_times([measured(510), measured(520)])] == [510, 520]


def test_what_is_cut_off_belongs_to_its_turn():
    events = [waited(1), measured(1, interrupted=True), waited(2), measured(2)]
    assert [one.interrupted for one in response_times(events)] == [True, False]


def test_parts_that_another_version_has_written_are_passed_over():
    odd = TurnMeasured(n=0, to="caller", response_ms=9, parts=["x", {"ms": "many"}, {"ms": 9}], at=AT)
    assert response_times([odd])[0].stages == {"other": 9}


def test_the_first_words_are_those_after_the_answer():
    answered = Answered(at=AT)
    said = BotSaid("Hello.", at=AT + timedelta(milliseconds=300))
    assert figures([answered, said]).first_words_ms == 300
    assert figures([answered, said, measured(60, to="call")]).first_words_ms == 70
    assert figures([answered]).first_words_ms is None
    assert figures([said]).first_words_ms is None
