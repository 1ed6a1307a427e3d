"""Last words end the call, also as recognisers write them, and are no answer to a question."""

import pytest

from conversation.language.utterance import Wish, wish_of, yes_or_no
from tests.brain_talk import Talk

GOODBYES = [
    "That's all, thanks, by.", "That's all, thanks, bye.", "Thank you, by.", "Okay, that's it, by by.", "Goodbye then!",
    "Good-bye then.", "Good by.", "Thanks for your help, buy.", "Have a nice day, by.", "Okay, bye now.",
    "That was everything, thank you very much, by.", "Alright, good buy.", "Thank you so much and by.",
    "Have a nice day.", "Take care.", "See ya.", "Thanks, see you tomorrow.",
    "I have to go now.", "Okay, end the call.",
    "I'm hanging up now.", "You have a good weekend.", "by", "good by", "bye now", "That's all thanks",
    "that's it thanks", "no that's it", "No, that's all.", "Talk soon.", "Gotta go.", "I have to run.", "Cheerio.",
    "Okay. Bye.", "You too, bye.", "I'll let you go.", "Bye, have a nice day.", "Ok by now.", "Thank you good bye",
    "Nope, that's everything, thank you.", "Take it easy.", "Great, thanks, bye", "Bye for now.",
]  # fmt: skip


@pytest.mark.parametrize("words", GOODBYES)
def test_a_goodbye_is_one_however_it_is_written(words):
    talk = Talk()
    talk.say(words)
    assert talk.called == "end_call"


@pytest.mark.parametrize("words", GOODBYES)
@pytest.mark.parametrize(
    "before",
    [
        "What is the weather like?",
        "Can I talk to a real person?",
        "What's your fee for an exam?",
        "That's all.",
    ],
)
def test_a_goodbye_after_a_question_is_no_yes(before, words):
    talk = Talk()
    talk.say(before)
    talk.say(words)
    assert talk.called == "end_call"


def test_a_yes_before_the_goodbye_is_one():
    talk = Talk()
    talk.say("Can I talk to a real person?")
    talk.say("Yes please, bye.")
    assert talk.called == "transfer_call"


@pytest.mark.parametrize(
    "words",
    [
        "Can I drop by?",
        "Could I stop by tomorrow?",
        "Where can I buy a brush?",
        "I'd like to come by.",
        "Can I see you tomorrow?",
        "I'd like to see you today.",
        "Did you say goodbye?",
        "I have to go to the dentist.",
        "I'll stop by.",
        "By the way, where can I park?",
        "Bye the way, do you have parking?",
        "Is there a goodbye party?",
        "The goodbye party is on Friday.",
        "Can we talk later?",
        "I live by the bank.",
        "I need it by then.",
        "Is it near by?",
        "I want to book a good night package.",
        "That's all I know, thank you for waiting.",
    ],
)
def test_other_words_that_sound_like_it_are_no_goodbye(words):
    assert wish_of(words) is not Wish.GOODBYE


@pytest.mark.parametrize(
    "words",
    [
        "Goodbye then!",
        "Good-bye.",
        "Good night.",
        "Please call me.",
        "Okay, tell them.",
        "It's right behind you.",
    ],
)
def test_no_yes(words):
    assert yes_or_no(words)[0] is None


@pytest.mark.parametrize(
    "words", ["Good.", "Okay.", "Please.", "Please do.", "Right, please.", "Mhm.", "Mm-hmm.", "That's fine."]
)
def test_a_yes(words):
    assert yes_or_no(words)[0] is True


@pytest.mark.parametrize(
    "words",
    ["Absolutely not.", "Of course not.", "Thank you, no.", "Thanks but no.", "Yeah, no.", "Please don't.", "Uh-uh.",
     "Sorry, no, thanks.", "That's incorrect.", "I'm afraid not."],
)  # fmt: skip
def test_a_no(words):
    assert yes_or_no(words)[0] is False


@pytest.mark.parametrize(
    "words",
    [
        "No problem.",
        "Sure, no problem.",
        "By all means.",
        "I think so.",
        "Let's do it.",
        "Now that is correct.",
        "It's all right now.",
    ],
)
def test_a_yes_in_other_words(words):
    assert yes_or_no(words)[0] is True
