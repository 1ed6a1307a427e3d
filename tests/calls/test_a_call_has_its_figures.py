"""How a call felt is made of its events alone."""

from datetime import UTC, datetime

from calls.events.talk import (
    BotSaid,
    CallerSaid,
    DeadAirNoticed,
    Detached,
    Interrupted,
    InterruptionUndone,
    NotUnderstood,
    Responded,
)
from calls.figures import figures

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
