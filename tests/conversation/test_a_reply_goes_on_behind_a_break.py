"""What the next model repeats of the words before a break is left out, in whatever pieces it comes."""

import pytest

from conversation.failover.ears import _without
from conversation.failover.models import Seam


def behind(said, *pieces):
    seam = Seam(said)
    return "".join([*(seam.take(piece) for piece in pieces), seam.end()])


@pytest.mark.parametrize(
    "said, pieces, new",
    [
        ("We open at nine", ["We open at nine and close at five."], "and close at five."),
        ("We open at nine", ["We", " open", " at", " nine", " and", " close."], "and close."),
        ("We open at nine", ["we open, at nine, ", "until five"], "until five"),
        ("We open at nine", [" and", " close."], " and close."),
        ("We open at nine", ["We close at five."], "We close at five."),
        ("We open at nine", ["We open"], ""),
        ("We open at nine", ["We opened yesterday."], "We opened yesterday."),
        ("", ["Hello."], "Hello."),
    ],
)
def test_only_what_is_new(said, pieces, new):
    assert behind(said, *pieces) == new


@pytest.mark.parametrize(
    "text, before, rest",
    [
        ("to five please", ["nine", "to", "five"], "please"),
        ("Five, please.", ["nine", "to", "five"], "please."),
        ("please", ["nine", "to", "five"], "please"),
        ("to five", ["to", "five"], ""),
    ],
)
def test_words_of_the_caller_are_not_written_twice(text, before, rest):
    assert _without(text, before) == rest
