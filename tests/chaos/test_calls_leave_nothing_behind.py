"""The sums of the soak: the slope of the memory after the warm-up, and what is left in the end."""

from __future__ import annotations

import json

import pytest

from chaos.judging import Verdict
from chaos.processes import Held
from chaos.soak import MOST_MB, Sample, left, report, slope


def sample(
    calls: int, memory: float = 200.0, tasks: int = 30, threads: int = 10, sockets: int = 8, files: int = 20
):
    return Sample(calls, Held(memory, threads, sockets, files), tasks, 2)


def test_the_slope_is_that_of_the_straight_line():
    assert slope([sample(calls, 200 + calls * 0.02) for calls in range(0, 500, 100)]) == pytest.approx(2.0)
    assert slope([sample(calls) for calls in range(0, 500, 100)]) == 0
    assert slope([sample(100), sample(100, 300)]) == 0


def test_what_is_less_than_before_is_nothing_left():
    assert left(sample(0, tasks=30, sockets=8), sample(9, tasks=29, sockets=10, files=21)) == {
        "tasks_left": 0,
        "sockets_left": 2,
        "threads_left": 0,
        "files_left": 1,
    }


def last_line(capsys) -> dict[str, float]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_the_warm_up_does_not_count(capsys):
    samples = [
        sample(100, 100),
        sample(200, 300, threads=14),
        *(sample(calls, 300, threads=14) for calls in (300, 400)),
    ]
    assert report(samples, [Verdict("0", "CA1")], []) == 0
    assert last_line(capsys) == {
        "calls": 1,
        "ended": 1,
        "mb_per_100_calls": 0.0,
        "tasks_left": 0,
        "sockets_left": 0,
        "threads_left": 0,
        "files_left": 0,
    }


@pytest.mark.parametrize(
    "last",
    [{"memory": 200 + 2 * MOST_MB}, {"tasks": 31}, {"threads": 11}, {"sockets": 9}, {"files": 21}],
    ids=["memory", "a task", "a thread", "a socket", "a file"],
)
def test_one_thing_too_many_fails(capsys, last):
    samples = [sample(100), sample(200), sample(300, **last)]
    assert report(samples, [], []) == 1
    assert "missed: " in capsys.readouterr().out


def test_a_call_that_did_not_end_well_fails(capsys):
    samples = [sample(100), sample(200), sample(300)]
    bad = Verdict("3: twilio documents in", "CA3", ended=False, problems=["nobody answered it"])
    assert report(samples, [bad], []) == 1
    assert "CA3" in capsys.readouterr().out
    assert report(samples, [], ["a process has died"]) == 1
