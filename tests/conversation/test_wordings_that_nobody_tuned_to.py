"""Callers of four agents: in their domain hardly ever another fact is said, off topic hardly ever one.

Each file of wordings was written before it was judged for the first time, and its head says when that was. Those of
`wordings.toml` have been looked at since, two thirds from the beginning; those of `later_wordings.toml` and
`last_wordings.toml` were judged once. Whoever chooses anything with these in sight writes new ones.
"""

from dataclasses import replace

import pytest

from tests.judged import NOTHING, Figures, Wording, as_heard, judged, tuned_and_aside

TUNED, ASIDE = tuned_and_aside()
LATER = [one for part in tuned_and_aside("later_wordings.toml") for one in part]
NEWEST = [one for part in tuned_and_aside("newest_wordings.toml") for one in part]
LAST = [one for part in tuned_and_aside("last_wordings.toml") for one in part]


def in_domain(wordings: list[Wording]) -> Figures:
    return judged([one for one in wordings if one.wanted != NOTHING])


def off_topic(wordings: list[Wording]) -> Figures:
    return judged([one for one in wordings if one.wanted == NOTHING])


def test_there_are_enough_and_none_is_in_two_of_them():
    everything = [(one.agent, one.said) for one in TUNED + ASIDE + LATER + LAST + NEWEST]
    assert len(set(everything)) == len(everything) >= 450
    assert len({one.agent for one in LATER}) == 4
    assert sum(one.wanted != NOTHING for one in LATER) >= 100


@pytest.mark.parametrize(
    ("wordings", "right", "understood"),
    [
        pytest.param(TUNED + ASIDE, 0.77, 0.91, id="looked-at"),
        pytest.param(LATER, 0.68, 0.85, id="judged-once"),
        pytest.param(NEWEST, 0.75, 0.83, id="newest"),
    ],
)
def test_in_the_domain_the_right_fact_is_said_or_asked_about(wordings, right, understood):
    figures = in_domain(wordings)
    assert figures.share("wrong") <= 0.02, figures.shown
    assert figures.share("right") >= right, figures.shown
    assert figures.share("right", "asked right") >= understood, figures.shown


@pytest.mark.parametrize(
    "wordings",
    [pytest.param(TUNED + ASIDE, id="looked-at"), pytest.param(LATER + LAST + NEWEST, id="judged-once")],
)
def test_off_topic_hardly_ever_a_fact_is_said(wordings):
    figures = off_topic(wordings)
    assert figures.share("wrong") <= 0.05, figures.shown
    assert figures.share("right", "refused") >= 0.8, figures.shown


def test_words_that_a_recogniser_lost_or_changed_are_rather_asked_about():
    heard = [replace(one, said=as_heard(one.said)) for one in TUNED + ASIDE + LATER + LAST + NEWEST]
    figures = in_domain(heard)
    print(figures.count, off_topic(heard).count)
    assert figures.share("wrong") <= 0.05, figures.shown
    assert figures.share("right", "asked right") >= 0.7, figures.shown
    assert off_topic(heard).share("wrong") <= 0.08
