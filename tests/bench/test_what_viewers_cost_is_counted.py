"""The bench with people who look on: which response counts for which time, and what is named as a problem."""

from bench.caller import FINISHED, HESITANT
from bench.measure_viewers import Watch, _figures, _problems, _sort_in


def turn(end_ms, response_ms, kind=FINISHED):
    return {"kind": kind, "end_ms": end_ms, "response_ms": response_ms}


def watches(with_them=(600.0,) * 20, without=(600.0,) * 20, later=None):
    return [
        Watch(False, 0.0, 20_000.0, 16.0, list(without)),
        Watch(True, 22_000.0, 42_000.0, 16.8, list(with_them)),
        Watch(True, 44_000.0, 64_000.0, 16.8, list(with_them)),
        Watch(False, 66_000.0, 86_000.0, 16.0, list(without if later is None else later)),
    ]


GOOD = {"calls": [], "late_ms": [0.1] * 100}
ENOUGH = {"sound_bytes": 8000 * 4 * 80, "events": 500}


def test_a_response_counts_for_the_time_in_which_its_caller_has_stopped():
    both = watches((), ())
    calls = [
        {
            "turns": [
                turn(100.0, 500.0),
                turn(21_000.0, 501.0),
                turn(22_000.0, 502.0),
                turn(41_999.0, 9_000.0),
            ]
        },
        {"turns": [turn(200.0, None), turn(300.0, 503.0, HESITANT), turn(42_000.0, 504.0)]},
    ]
    _sort_in(calls, both)
    assert [watch.responses for watch in both] == [[500.0], [502.0, 9_000.0], [], []]


def test_the_figures_are_of_both_and_of_one_over_the_other():
    figures = {one.name: one.value for one in _figures(20, 20.0, watches((660.0,) * 20))}
    assert figures["20 calls, nobody looks on: caller stops to answer, median"] == 600
    assert figures["20 calls, 10 look, 4 listen: caller stops to answer, median"] == 660
    assert figures["20 calls: median with them, times that without"] == 1.1
    assert figures["20 calls, nobody looks on: of a core, for each call"] == 4.0


def test_nothing_is_wrong_when_nobody_notices_them():
    assert _problems(GOOD, watches(), ENOUGH) == []


def test_what_is_wrong_is_named():
    slow = _problems(GOOD, watches((640.0,) * 20), ENOUGH)
    assert [one.partition(" with")[0] for one in slow] == ["the median", "the 95th percentile"]
    assert "heard 5 s" in _problems(GOOD, watches(), {**ENOUGH, "sound_bytes": 8000 * 4 * 5})[0]
    assert "told of 3 changes" in _problems(GOOD, watches(), {**ENOUGH, "events": 3})[0]
    assert "late" in _problems({**GOOD, "late_ms": [30.0] * 100}, watches(), ENOUGH)[0]
    assert len(_problems(GOOD, watches((), ()), ENOUGH)) == 2


def test_what_two_halves_without_them_differ_by_themselves_is_no_fault_of_theirs():
    uneven = watches((640.0,) * 20, (600.0,) * 20, later=(660.0,) * 20)
    figures = {one.name: one.value for one in _figures(20, 20.0, uneven)}
    assert figures["20 calls: median of one half without, times the other"] == 1 / 0.909
    assert _problems(GOOD, uneven, ENOUGH) == []
    assert len(_problems(GOOD, watches((800.0,) * 20, (600.0,) * 20, later=(660.0,) * 20), ENOUGH)) == 2
