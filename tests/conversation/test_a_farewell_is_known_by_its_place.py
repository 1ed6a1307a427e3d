"""Words of a farewell are one at the end of what is said, and not in the middle of a sentence about something else."""

import pytest

from conversation.language.farewell import is_farewell


@pytest.mark.parametrize(
    "words",
    [
        "Goodbye.", "Thank you for calling. Goodbye!", "Bye now.", "Good-bye.", "Have a great day!",
        "You have a wonderful afternoon, Anna.", "I hope you have a good day.", "Take care!", "Have a good one.",
        "Thanks for calling, take care.", "Talk to you soon.", "See you on Tuesday.", "We'll see you then!",
        "Perfect, see you tomorrow at three.", "Thank you, and goodbye.", "Goodbye, Mr. Miller.",
        "It was nice talking to you, bye bye.", "Have a very nice evening.", "Auf Wiederhören!", "Hasta luego.",
        "Your appointment is noted. Goodbye, and thank you.", "Goodbye. Thank you.",
    ],
)  # fmt: skip
def test_last_words_are_a_farewell(words):
    assert is_farewell(words)


@pytest.mark.parametrize(
    "words",
    [
        "I can take care of that for you.", "Do you have a preferred day?", "We have a free afternoon on Tuesday.",
        "Is there a goodbye party?", "The goodbye party is on Saturday.", "I'll stop by.", "We would love to see you.",
        "By the way, we are closed on Sunday.", "We have a nice day planned on Sunday.", "You can drop by any time.",
        "Do you have a good day for it?", "I can talk to you about prices.", "Do you want to say goodbye?",
        "How do you say goodbye in Spanish?", "Goodbye. Or is there anything else?", "",
    ],
)  # fmt: skip
def test_other_sentences_with_the_same_words_are_none(words):
    assert not is_farewell(words)


def test_a_farewell_of_the_agents_own_is_one():
    assert is_farewell("So long and thanks for the fish.", "So long, and thanks for the fish")
    assert not is_farewell("The fish is fresh.", "So long, and thanks for the fish")
