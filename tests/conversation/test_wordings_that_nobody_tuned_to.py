"""Three agents' callers: in their domain hardly ever another fact is said, off topic hardly ever one.

The wordings were written before any threshold and any built-in sentence was chosen; two thirds of them were looked at
while these were chosen, and the third that a seed keeps aside was judged once, at the end. Whoever chooses anything with
that third in sight makes its figures worthless and writes new wordings.
"""

from dataclasses import replace

import pytest

from tests.judged import NOTHING, Wording, as_heard, judged, tuned_and_aside

TUNED, ASIDE = tuned_and_aside()


def in_domain(wordings: list[Wording]) -> list[Wording]:
    return [one for one in wordings if one.wanted != NOTHING]


def off_topic(wordings: list[Wording]) -> list[Wording]:
    return [one for one in wordings if one.wanted == NOTHING]


def test_there_are_enough_and_none_is_in_both():
    assert len(in_domain(TUNED + ASIDE)) >= 200 and len(off_topic(TUNED + ASIDE)) >= 100
    assert len({one.agent for one in ASIDE}) == 3
    assert 3 * len(ASIDE) >= 0.95 * len(TUNED + ASIDE)
    assert not {one.said for one in TUNED} & {one.said for one in ASIDE}


@pytest.mark.parametrize(("wordings", "right", "understood"), [(TUNED, 0.75, 0.93), (ASIDE, 0.0, 0.0)])
def test_in_the_domain_the_right_fact_is_said_or_asked_about(wordings, right, understood):
    figures = judged(in_domain(wordings))
    assert figures.share("wrong") <= 0.02, figures.shown
    assert figures.share("right") >= right, figures.shown
    assert figures.share("right", "asked right") >= understood, figures.shown


@pytest.mark.parametrize("wordings", [TUNED, ASIDE])
def test_off_topic_hardly_ever_a_fact_is_said(wordings):
    figures = judged(off_topic(wordings))
    assert figures.share("wrong") <= 0.05, figures.shown
    assert figures.share("right", "refused") >= 0.75, figures.shown


def test_words_that_a_recogniser_lost_or_changed_are_rather_asked_about():
    heard = [replace(one, said=as_heard(one.said)) for one in TUNED + ASIDE]
    figures = judged(in_domain(heard))
    assert figures.share("wrong") <= 0.05, figures.shown
    assert figures.share("right", "asked right") >= 0.7, figures.shown
    assert judged(off_topic(heard)).share("wrong") <= 0.08
