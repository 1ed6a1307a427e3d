"""Where the next voice goes on in a sentence: a word counts as heard when more than half of it was."""

import pytest

from conversation.failover.voices import NANOSECONDS, count_heard

STARTS = [0.0, 0.2, 0.4, 0.8, 0.9]


@pytest.mark.parametrize(
    ("secs", "heard"),
    [
        (0.0, 0),
        (0.05, 0),
        (0.15, 1),
        (0.2, 1),
        (0.39, 2),
        (0.5, 2),
        (0.7, 3),
        (0.8, 3),
        (0.88, 4),
        (0.95, 4),
        (1.2, 5),
    ],
)
@pytest.mark.parametrize("begins_at", [0.0, 73.5])
def test_by_the_times_of_the_words(secs, heard, begins_at):
    times = [round((begins_at + start) * NANOSECONDS) for start in STARTS]
    assert count_heard(times, secs) == heard


def test_a_lone_word_that_was_begun_was_heard():
    assert count_heard([5], 0.1) == 1
    assert count_heard([], 0.1) == 0
