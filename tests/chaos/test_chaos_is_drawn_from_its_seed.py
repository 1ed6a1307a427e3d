"""What goes wrong comes from the seed: whoever has it sees the same calls and troubles."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from chaos import talk
from chaos.schedule import CALL_SECS, DATABASE, ENDING, IN, KILL, LONG_PAUSE_SECS, OUT, SHARES, draw

ALL = list(SHARES)


def test_the_same_seed_draws_the_same_and_another_one_something_else():
    assert draw(1, 200, 20, ALL) == draw(1, 200, 20, ALL)
    assert draw(1, 200, 20, ALL) != draw(2, 200, 20, ALL)


@pytest.mark.parametrize("calls", [1, 4, 40, 41, 200])
def test_every_call_is_drawn_once(calls: int):
    parts = draw(3, calls, 10, ALL)
    assert [call.number for part in parts for call in part.calls] == list(range(calls))


def test_both_carriers_call_in_all_modes_in_and_out():
    ways = Counter(
        (one.carrier, one.mode, one.direction) for part in draw(1, 200, 20, ALL) for one in part.calls
    )
    assert set(ways) == {
        (carrier, mode, direction)
        for carrier, mode in (("twilio", ""), ("telnyx", ""), ("telnyx", "call_control"))
        for direction in (IN, OUT)
    }
    assert min(ways.values()) >= 20


def test_a_server_is_only_asked_for_calls_that_it_can_place():
    for part in draw(1, 200, 20, ALL):
        out = {one.mode for one in part.calls if one.direction == OUT and one.carrier == "telnyx"}
        assert out == {part.mode}


@pytest.mark.parametrize("seed", range(1, 6))
def test_the_quick_run_has_nearly_every_kind_of_trouble_and_begins_with_a_kill(seed: int):
    parts = draw(seed, 40, 10, ALL)
    kinds = [one.kind for part in parts for one in part.troubles]
    assert kinds[0] == KILL
    assert len(set(kinds)) >= 7
    for part in parts:
        assert part.troubles[-1].at_secs < part.calls[-1].begins_secs + CALL_SECS


def test_who_ends_a_process_leaves_time_for_the_next_one():
    for part in draw(1, 200, 20, ALL):
        for one, following in zip(part.troubles, part.troubles[1:], strict=False):
            if one.kind in ENDING:
                assert following.at_secs - one.at_secs >= one.lasts_secs + LONG_PAUSE_SECS[0] - 0.1


def test_what_cannot_be_made_here_is_not_drawn():
    without = [kind for kind in ALL if kind != DATABASE]
    assert DATABASE not in {one.kind for part in draw(1, 200, 20, without) for one in part.troubles}
    assert not [one for part in draw(1, 10, 10, []) for one in part.troubles]


def test_no_sentence_can_be_taken_for_another_and_the_bot_knows_all_words():
    assert len(set(talk.BOT_SENTENCES)) == len(talk.BOT_SENTENCES)
    rules = json.loads(talk.part())["bot"]
    for asked, word, answer in talk.QUESTIONS:
        fitting = [rule for rule in rules if str(rule["hears"]) in asked]
        assert fitting == [{"hears": word, "says": answer}]
        assert talk.answer_to(asked) == answer
