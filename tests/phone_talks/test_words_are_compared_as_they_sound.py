"""Words are compared as they sound, however a recogniser writes them."""

import pytest

from talks.words import compared, digits_of, has, same_name, same_number, share


@pytest.mark.parametrize(
    "one, other",
    [
        ("two zero two", "202"),
        ("two oh two", "2-0-2"),
        ("one hundred and twenty dollars", "$120 dollars"),
        ("twenty-four hours", "24 hours"),
        ("eight thirty", "8:30"),
        ("the fifth of May", "The 5th of May."),
        ("the twenty-third", "the 23rd"),
        ("sixty-five", "65"),
        ("Bye.", "by"),
        ("It's fine, goodbye", "its fine. Good-bye."),
        ("OK, Mister Ray", "okay mr. Ray"),
        ("There's a lift", "there is a lift"),
        ("I don't know, they're late", "I do not know, they are late"),
        ("thats right, I cant", "That is right, I can not"),
    ],
)
def test_the_same_words_are_the_same(one, other):
    assert compared(one) == compared(other)


def test_a_possessive_is_one_word():
    assert compared("the doctor's line") == ["the", "doctors", "line"]


def test_a_share_keeps_the_order_and_forgives_a_letter():
    assert share("what are your opening hours", "What are your opening ours?") == 1
    assert share("what are your opening hours", "hours opening your are what") == 0.2
    assert share("yes", "no") == 0
    assert share("", "anything") == 1


def test_patterns_are_found_in_figures_and_words():
    assert has("eight in the morning", "from 8 in the morning")
    assert has("behind the building", "It's BEHIND, the building!")
    assert has(r"8 in", "from 8 in the morning")
    assert not has("nine", "from 8 in the morning")


@pytest.mark.parametrize(
    "said, digits",
    [("two oh two, double five five", "202555"), ("call 202-555-0143", "2025550143"), ("triple one", "111")],
)
def test_the_figures_of_a_number(said, digits):
    assert digits_of(said) == digits


def test_numbers_with_and_without_country_are_one():
    assert same_number("2025550143", "+1 202 555 0143")
    assert same_number("2025550143", "two zero two five five five zero one four three")
    assert not same_number("2025550143", "2025550134")
    assert not same_number("2025550143", "50143")
    assert not same_number("2025550143", "")


def test_names_that_sound_alike_are_one():
    assert same_name("Ann Miller", "Anne Millar")
    assert not same_name("Ann Miller", "back")
    assert not same_name("Ann Miller", "")
    assert not same_name("Ann", "Ann called about her crown")
