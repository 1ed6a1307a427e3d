"""Bots are compared only when the load was in time and nobody else had the machine; the last line says which it was."""

import json
from dataclasses import replace

import pytest

from bench import __main__ as bench
from bench import comparison as comparing
from bench.arithmetic import spread
from bench.comparison import QUICK, Comparison, Plan, cut_in_percent, verdict
from bench.results import TARGETS, written
from bench.runs import LATE_MS, OTHERS_CORES, Run, disturbances, figures_of

QUICK_KEYS = {
    "cpu_per_call_ratio",
    "memory_per_call_ratio",
    "call_start_cpu_ratio",
    "first_audio_ratio",
    "response_ratio",
    "response_p95_ratio",
    "barge_in_ratio",
    "serializer_ratio",
    "cut_ins",
    "underruns",
}
OURS = Run(
    bot="ours",
    carrier="twilio",
    calls=20,
    processes=1,
    first_audio=[10.0, 20.0],
    responses=[200.0, 210.0, 220.0],
    barge_ins=[150.0],
    unanswered=0,
    hesitations={0: (4, 1), 3: (1, 1), 7: (2, 0)},
    answers=100,
    underruns=1,
    gaps=0.5,
    cpu_percent=1.5,
    groups={"main thread": 1.0},
    memory_mb=4.0,
    idle_mb=200.0,
    threads=26,
    start_cpu_secs=[0.03],
    late=spread([0.0, 1.0]),
    late_p99=1.0,
    load_cores=0.1,
    others_cores=0.02,
)
STOCK = replace(
    OURS,
    bot="stock",
    first_audio=[100.0, 120.0],
    responses=[400.0, 420.0, 440.0],
    barge_ins=[300.0],
    cpu_percent=5.0,
    memory_mb=50.0,
    start_cpu_secs=[0.1],
    underruns=7,
)
SERIALIZERS = {"twilio": {"ours": (1.0, 1.0), "stock": (2.0, 2.0)}}


def comparison(*runs: Run, ladder: tuple[Run, ...] = (), plan: Plan = QUICK) -> Comparison:
    return Comparison(plan, turns=list(runs), ladder=list(ladder), serializers=SERIALIZERS)


def test_a_run_is_sound_up_to_the_limits():
    assert disturbances(LATE_MS, OTHERS_CORES) == []


def test_a_late_load_is_told_with_its_lateness():
    [why] = disturbances(LATE_MS + 5, 0.0)
    assert "load generator was 15 ms late" in why


def test_others_on_the_machine_are_told_with_what_they_took():
    [why] = disturbances(0.0, 0.7)
    assert "others used 0.70 cores" in why


def test_ratios_are_ours_over_stock():
    found = verdict(comparison(OURS, STOCK, OURS, STOCK))
    assert found == {
        "cpu_per_call_ratio": 0.3,
        "memory_per_call_ratio": 0.08,
        "call_start_cpu_ratio": 0.3,
        "first_audio_ratio": round(15 / 110, 3),
        "response_ratio": 0.5,
        "response_p95_ratio": round(219 / 438, 3),
        "barge_in_ratio": 0.5,
        "serializer_ratio": 0.5,
        "cut_ins": {"before": found["cut_ins"]["before"], "now": 41.7},
        "underruns": 2,
    }


@pytest.mark.parametrize("disturbed", [replace(OURS, late_p99=30.0), replace(OURS, others_cores=0.9)])
def test_one_disturbed_run_is_enough_to_compare_nothing(disturbed):
    found = verdict(comparison(OURS, STOCK, disturbed, STOCK))
    [why] = found.pop("refused")
    assert why.startswith("ours, twilio, 20 calls: ")
    assert set(found) == QUICK_KEYS
    assert {found[key] for key in QUICK_KEYS - {"cut_ins", "serializer_ratio"}} == {None}
    assert found["cut_ins"]["now"] is None
    # The quickest of many short rounds is what it is, whoever else has the machine.
    assert found["serializer_ratio"] == 0.5


def test_the_number_of_calls_without_underruns_is_compared_in_the_full_run_only():
    ladder = (
        *(replace(OURS, calls=calls, underruns=0) for calls in (8, 40)),
        *(replace(STOCK, calls=calls, underruns=0) for calls in (8, 14)),
    )
    found = verdict(comparison(replace(OURS, underruns=0), STOCK, ladder=ladder, plan=Plan()))
    assert found["calls_per_process_ratio"] == round(40 / 14, 3)
    assert set(found) == QUICK_KEYS | {"calls_per_process_ratio"}
    assert "calls_per_process_ratio" not in verdict(comparison(OURS, STOCK))


def test_a_disturbed_step_takes_only_the_number_of_calls():
    ladder = (replace(OURS, calls=8, others_cores=1.0), replace(STOCK, calls=8))
    found = verdict(comparison(OURS, STOCK, ladder=ladder, plan=Plan()))
    assert found["calls_per_process_ratio"] is None
    assert found["cpu_per_call_ratio"] == 0.3
    assert found["refused"] == ["ours, twilio, 8 calls: others used 1.00 cores of this machine (limit 0.2)"]


def test_the_report_says_at_its_top_why_nothing_was_compared():
    result = comparison(replace(OURS, others_cores=0.9), STOCK)
    text = written(result, verdict(result))
    assert "**Not compared**" in text.split("## ")[0]
    assert "| ours, twilio, 20 calls | 1.0 | 0.10 | 0.90 | disturbed |" in text
    assert "**Not compared**" not in written(comparison(OURS, STOCK), verdict(comparison(OURS, STOCK)))


def test_the_report_has_every_target_beside_what_was_measured():
    result = comparison(OURS, STOCK)
    text = written(result, verdict(result))
    for name, target in TARGETS.items():
        assert (
            f"| {name.removesuffix('_ratio').replace('_', ' ')} |" in text and f"at most {target:g} |" in text
        )
    assert "| caller stops -> first sound | 210 / 219 / 220 | 420 / 438 / 440 | 0.50 / 0.50 / 0.50 |" in text


@pytest.fixture
def compared(monkeypatch, tmp_path):
    """Have the bench find these runs."""
    monkeypatch.setattr(bench, "RESULTS", tmp_path / "results.md")
    monkeypatch.setattr(bench, "can_measure", lambda: True)

    def found(*runs: Run, ladder: tuple[Run, ...] = ()):
        async def compare(plan, tell):
            return comparison(*runs, ladder=ladder, plan=plan)

        monkeypatch.setattr(bench, "compare", compare)
        return tmp_path / "results.md"

    return found


def test_the_last_line_is_the_verdict(compared, capsys):
    results = compared(OURS, STOCK)
    assert bench.main(["--only", "compare", "--steps"]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last == verdict(comparison(OURS, STOCK))
    assert "caller stops -> first sound" in results.read_text()


def test_a_disturbed_full_run_keeps_nothing_and_says_so_by_its_status(compared, capsys):
    results = compared(replace(OURS, late_p99=50.0), STOCK)
    assert bench.main(["--only", "compare", "--steps"]) == 1
    assert "refused" in json.loads(capsys.readouterr().out.splitlines()[-1])
    assert not results.exists()


def test_a_disturbed_step_leaves_the_rest_of_a_full_run(compared):
    results = compared(OURS, STOCK, ladder=(replace(OURS, calls=8, late_p99=50.0),))
    assert bench.main(["--only", "compare"]) == 1
    assert "| calls per process without underruns | - |" in results.read_text()
    assert "| cpu per call | 0.30 |" in results.read_text()


def test_the_quick_run_never_fails_on_timing_and_keeps_nothing(compared, capsys):
    slow = replace(OURS, responses=[9000.0], underruns=500, late_p99=50.0, problems=["a call was lost"])
    results = compared(slow, STOCK)
    assert bench.main(["--quick"]) == 0
    output = capsys.readouterr().out
    assert set(json.loads(output.splitlines()[-1])) == QUICK_KEYS | {"refused"}
    assert "problem: ours, twilio, 20 calls: a call was lost" in output
    assert not results.exists()


def test_a_system_that_cannot_tell_what_was_used_compares_nothing(monkeypatch, capsys):
    monkeypatch.setattr(bench, "can_measure", lambda: False)
    assert bench.main(["--quick"]) == 2
    assert "only Linux" in capsys.readouterr().err


def turn(kind: str, **found) -> dict:
    return {"kind": kind, "piece": 0, "response_ms": None, "clear_ms": None, "cut_in": False, **found}


def test_callers_who_hesitate_count_for_cut_ins_alone():
    call = {
        "first_audio_ms": 12.0,
        "answers": [
            {"received_ms": 2000.0, "holes_ms": [30.0, 40.0]},
            {"received_ms": 1500.0, "holes_ms": []},
        ],
        "problems": ["it broke", "it broke"],
        "turns": [
            turn("finished", response_ms=250.0),
            turn("finished"),
            turn("barge_in", response_ms=300.0, clear_ms=200.0),
            turn("barge_in", response_ms=310.0),
            turn("hesitant", response_ms=900.0, cut_in=True),
            turn("hesitant", response_ms=800.0),
            turn("hesitant", piece=2, response_ms=800.0),
        ],
    }
    found = figures_of([call, {**call, "first_audio_ms": None, "turns": [], "answers": []}])
    assert found["responses"] == [250.0, 300.0, 310.0]
    assert found["barge_ins"] == [200.0]
    assert found["unanswered"] == 2
    assert found["hesitations"] == {0: (2, 1), 2: (1, 0)}
    assert (found["answers"], found["underruns"], found["gaps"]) == (2, 2, 20.0)
    assert found["first_audio"] == [12.0]
    assert found["problems"] == ["it broke"]


def test_sentences_count_alike_however_often_they_were_said():
    often, seldom = replace(OURS, hesitations={0: (99, 0)}), replace(OURS, hesitations={1: (1, 1)})
    assert cut_in_percent([often, seldom]) == 50.0
    assert cut_in_percent([replace(OURS, hesitations={})]) is None


@pytest.fixture
def made(monkeypatch):
    """Have each run found in this list, and keep what was asked for."""
    found: list[Run] = []
    asked: list[tuple[str, int]] = []

    async def run(bot, carrier, calls, secs, port, **_):
        asked.append((bot, calls))
        return replace(found.pop(0), bot=bot, carrier=carrier, calls=calls)

    async def no_serializers():
        return SERIALIZERS

    monkeypatch.setattr(comparing, "run", run)
    monkeypatch.setattr(comparing, "measure_serializers", no_serializers)
    return found, asked


async def test_bots_take_turns(made):
    found, asked = made
    found += [OURS, STOCK] * 2
    await comparing.compare(QUICK, lambda _: None)
    assert asked == [("ours", 20), ("stock", 20)] * 2


async def test_a_disturbed_run_is_made_again_while_there_are_repeats_left(made):
    found, asked = made
    found += [replace(OURS, late_p99=50.0), OURS, replace(STOCK, late_p99=50.0), OURS, STOCK]
    result = await comparing.compare(QUICK, lambda _: None)
    assert asked == [("ours", 20), ("ours", 20), ("stock", 20), ("ours", 20), ("stock", 20)]
    assert len(result.turns) == 4
    assert len(verdict(result)["refused"]) == 1


async def test_a_step_with_a_single_hole_is_made_once_more_and_the_better_run_counts(made):
    found, asked = made
    plan = Plan(("twilio",), rounds=1, steps=(8, 20, 40), workers=())
    fine = replace(OURS, underruns=0)
    found += [fine, replace(STOCK, underruns=0), replace(OURS, underruns=1), fine, fine]
    found += [replace(STOCK, underruns=0), replace(STOCK, underruns=30)]
    result = await comparing.compare(plan, lambda _: None)
    assert asked[2:] == [("ours", 8), ("ours", 8), ("ours", 40), ("stock", 8), ("stock", 40)]
    assert verdict(result)["calls_per_process_ratio"] == 2.0
    assert "**Stock**: underruns begin at 40 calls" in written(result, verdict(result))
    assert "**Ours**: no underruns;" in written(result, verdict(result))
