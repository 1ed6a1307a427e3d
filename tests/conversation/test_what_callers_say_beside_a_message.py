"""What is said where something else was asked for, and what is said again: a message has all of it, and once."""

import pytest

from conversation.agents.files import load_agent
from conversation.language.repeats import repeats
from conversation.language.spoken_numbers import dictated_number, has_other_words, without_stammer
from conversation.local.dialogue.said_again import said_once
from tests.brain_talk import AGENTS, CALLER, Talk, message_talk


@pytest.mark.parametrize(
    "said",
    [
        "The swelling went down, so we don't need the visit on Monday.",
        "My crown came off while I was eating.",
        "The bill that you sent me is too high.",
        "She needs her pills before the weekend.",
        "Yes, the bill that you sent me is too high.",
    ],
)
def test_a_sentence_is_no_name_and_is_kept(said):
    talk = message_talk(said)
    assert talk.reply.text == talk.line("message_name")
    talk.say("Edith Barlow")
    assert talk.state.draft.caller_name == "Edith Barlow"
    talk.say("Yes.")
    assert (
        said.removeprefix("Yes, ").lower() in talk.reply.text.lower() and "Is that right?" in talk.reply.text
    )


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Nora Hale. No, sorry, Nora Hail.", "Nora Hail"),
        ("It's Hale. Sorry, I mean Hail.", "Hail"),
        ("Nora Hale, wait, Norah.", "Norah Hale"),
        ("My name? Nora Hale.", "Nora Hale"),
        ("Just Nora.", "Nora"),
        ("It's nor and Hale.", "Nor and Hale"),
        ("Will.", "Will"),
        ("Peter No That", "Peter No That"),
    ],
)
def test_a_name_is_taken_as_it_is_said_last(said, name):
    assert message_talk(said).state.draft.caller_name == name


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("Nora Hale, and I need a new key for the gate.", "I need a new key for the gate."),
        ("Nora, the lift is stuck again.", "The lift is stuck again."),
        ("Hi, it's Nora. I need a new key.", "I need a new key."),
        ("Nora Hale, please call me back.", ""),
    ],
)
def test_a_name_and_the_message_may_come_in_one_breath(said, message):
    talk = message_talk(said)
    assert talk.state.draft.caller_name in ("Nora", "Nora Hale")
    assert talk.state.draft.text.rstrip(".") == message.rstrip(".")


@pytest.mark.parametrize("said", ["Unfortunately, I can't come on Monday.", "Tomorrow, we are not at home."])
def test_a_word_before_a_comma_is_not_always_a_name(said):
    talk = message_talk(said)
    assert talk.state.draft.caller_name == "" and talk.state.draft.text == said.rstrip(".") + "."


def test_a_request_where_the_name_is_asked_is_kept():
    assert message_talk("Can you tell him the gate is locked?").state.draft.text.startswith(
        "Can you tell him"
    )


def test_a_number_that_is_begun_anew_replaces_what_was_there():
    talk = message_talk(
        "Edith Barlow", "No.", "three oh one, five five five, oh one", "it's two oh two, 555, 0188"
    )
    assert talk.state.draft.number == "2025550188"


@pytest.mark.parametrize("said", ["Yeah.", "Yes, this one.", "That one, please.", "I just told you."])
def test_words_that_tell_nothing_are_neither_name_nor_message(said):
    talk = message_talk(said)
    assert talk.reply.text == talk.line("message_name")
    assert talk.state.draft.text == talk.state.draft.caller_name == ""


@pytest.mark.parametrize(
    "name", ["Edith Borough", "George's Dana", "Will May", "Peter No That", "Mark Has Well"]
)
def test_a_name_that_was_misheard_is_taken(name):
    assert message_talk(name).state.draft.caller_name == name


@pytest.mark.parametrize(
    "asked", [("Edith Barlow",), ("Edith Barlow", "No."), ("Edith Barlow", "two oh two")]
)
@pytest.mark.parametrize(
    "said", ["We are five people and come at eight.", "I will be twenty minutes late tonight."]
)
def test_digits_in_a_sentence_are_no_number(asked, said):
    talk = message_talk(*asked)
    before = talk.reply.text
    talk.say(said)
    assert talk.reply.text == before and talk.called is None
    for digits in ("two oh two", "five five five", "oh one eight eight")[
        len(asked) > 1 and asked[1] != "No." :
    ]:
        talk.say(digits)
    assert talk.state.draft.number == "2025550188"
    assert said in talk.reply.text and "Is that right?" in talk.reply.text


@pytest.mark.parametrize(
    "said",
    [
        "That works.",
        "It's fine.",
        "This line is best.",
        "Use that.",
        "Here is okay.",
        "Good for me.",
        "Try me here.",
    ],
)
def test_the_number_of_the_call_is_agreed_to_without_a_yes(said):
    talk = message_talk("Edith Barlow", said)
    assert talk.state.draft.number == CALLER and talk.reply.text == talk.line("message_prompt")


@pytest.mark.parametrize(
    "said", ["No need to call me.", "I don't want you to call.", "Please do not call back."]
)
def test_who_wants_no_call_leaves_no_number(said):
    talk = message_talk("Edith Barlow", said)
    assert talk.state.draft.number == "" and talk.reply.text == talk.line("message_prompt")


@pytest.mark.parametrize("said", ["What did you say?", "Sorry?"])
def test_the_question_that_is_open_is_said_again(said):
    talk = message_talk("Edith Barlow", "No.")
    assert talk.say(said) == talk.line("message_number")
    talk.say("two oh two")
    asked = talk.reply.text
    assert talk.say(said) == asked


def test_who_never_says_a_number_is_read_back_what_they_said():
    talk = message_talk(
        "Edith Barlow", "We are five people.", "We come at eight.", "The table by the window was nice."
    )
    assert talk.state.draft.number == CALLER
    assert "We are five people. We come at eight. The table by the window was nice." in talk.reply.text


@pytest.mark.parametrize(
    ("said", "digits"),
    [
        ("It's free oh won.", "301"),
        ("You can reach me at too oh to triple five", "202555"),
        ("my number is for ate won, double two", "48122"),
        ("Three oh one, Five-five-five-five, 0188", "30155550188"),
        ("I am at home", ""),
    ],
)
def test_words_that_sound_like_digits_are_digits_where_a_number_is_said(said, digits):
    assert dictated_number(said) == digits


@pytest.mark.parametrize(("said", "digit"), [("to", "2"), ("ate.", "8"), ("won", "1")])
def test_one_word_may_be_the_next_digit(said, digit):
    assert dictated_number(said) == ""
    assert dictated_number(said, goes_on=True) == digit


@pytest.mark.parametrize(
    ("said", "other"),
    [
        ("It's two oh two", False),
        ("No, the last four digits are oh one eight eight", False),
        ("you can call me at two oh two", False),
        ("We are two adults and three children", True),
        ("My son is seven and has a toothache", True),
    ],
)
def test_a_number_is_told_from_a_sentence_with_digits(said, other):
    assert has_other_words(said) is other


def test_a_digit_that_was_written_once_too_often_is_left_out():
    assert without_stammer("30155550188", "US") == "3015550188"
    assert without_stammer("20255501999", "US") == "20255501999"
    assert without_stammer("301555501888888", "US") == "301555501888888"


def test_a_yes_while_a_number_is_half_there_asks_for_the_rest():
    talk = message_talk("Edith Barlow", "No.", "two oh two, five five five")
    so_far = talk.reply.text
    talk.say("Yes,")
    assert talk.reply.text == so_far
    talk.say("oh one eight eight")
    assert talk.state.draft.number == "2025550188"


@pytest.mark.parametrize(
    ("said", "before", "same"),
    [
        (
            "Anna can't come on Tuesday the second",
            "Anna Bell called and she can't come on Tuesday the 2nd",
            True,
        ),
        ("the second", "on Tuesday the 2nd", True),
        ("the tenth", "on Tuesday the 2nd", False),
        ("I can come on Tuesday", "I can't come on Tuesday", False),
        ("I can't come", "I can come on Tuesday", False),
        ("the boilers cold", "The boiler is cold", True),
        ("and my wife is ill", "The boiler is cold", False),
        ("right", "The boiler is cold", False),
        ("four forty five", "at 4:45", True),
        ("at ten", "at 10:00", True),
        ("on Sunday", "on Monday", False),
    ],
)
def test_what_is_said_again_is_told_from_what_is_new(said, before, same):
    assert repeats(said, before) is same


@pytest.mark.parametrize(
    "yes",
    [
        "Yes, that's right. The boiler leaks on Tuesday.",
        "Yes, Tuesday.",
        "Yes, on Tuesday.",
        "Right, the boilers.",
        "Yes, the poiler.",
        "That was all.",
        "That's it.",
        "That's perfect, thank you so much.",
        "Yes, go ahead and pass it on.",
        "I guess that's right.",
        "You have it right.",
        "Nothing to change.",
        "It's exactly what I meant.",
        "Perfect.",
        "You got it.",
    ],
)
def test_a_yes_with_what_was_read_back_is_a_yes(yes):
    talk = message_talk("Edith Barlow", "Yes.", "The boiler leaks, please come on Tuesday.", yes)
    assert talk.called == "take_message"
    assert talk.arguments["message"] == "The boiler leaks, please come on Tuesday."


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("Yes, on Monday.", "The boiler leaks, please come on Monday."),
        ("Not Tuesday. Monday.", "The boiler leaks, please come on Monday."),
        ("It's Monday.", "The boiler leaks, please come on Monday."),
        ("Actually make it Friday.", "The boiler leaks, please come on Friday."),
        ("Yes, at nine.", "The boiler leaks, please come on Tuesday at nine."),
        ("Yes, it's urgent.", "The boiler leaks, please come on Tuesday. It's urgent."),
        (
            "Yes, that's right. And the dog bites.",
            "The boiler leaks, please come on Tuesday. And the dog bites.",
        ),
    ],
)
def test_what_is_new_behind_a_yes_is_taken_and_read_back(said, message):
    talk = message_talk("Edith Barlow", "Yes.", "The boiler leaks, please come on Tuesday.", said)
    assert talk.called is None and message in talk.reply.text
    talk.say("Yes.")
    assert talk.arguments["message"] in (message, message.removesuffix("."))


def test_the_same_words_without_a_yes_are_asked_about_and_not_doubled():
    talk = message_talk("Edith Barlow", "Yes.", "The boiler leaks.", "The boiler leaks.")
    assert talk.called is None and talk.reply.text == talk.line("yes_or_no")
    talk.say("Yes.")
    assert talk.arguments["message"] == "The boiler leaks."


def test_a_name_that_is_said_again_otherwise_is_corrected():
    talk = message_talk("Edith Barlow", "Yes.", "The boiler leaks.", "Edit Harlow.")
    assert talk.state.draft.caller_name == "Edit Harlow" and "Is that right?" in talk.reply.text


@pytest.mark.parametrize(
    "last", ["No, that was it. Take care, bye.", "Goodbye.", "That was everything, take care to buy."]
)
def test_what_was_agreed_to_is_kept_when_the_caller_goes(last):
    talk = message_talk("Edith Barlow", "Yes.", "The boiler leaks.", "Yes, the cat for Ida.", last)
    assert talk.called == "take_message" and talk.arguments["message"] == "The boiler leaks."
    talk.tool_returns("take_message")
    assert talk.called == "end_call" and talk.line("message_taken") in talk.arguments["farewell"]


@pytest.mark.parametrize(
    "said", ["Please delete it.", "Do not send that.", "Oh, don't leave the message, I'll come by."]
)
def test_who_wants_nothing_sent_has_nothing_sent(said):
    talk = message_talk("Edith Barlow", "Yes.", "The boiler leaks.", said)
    assert talk.called is None and talk.reply.text.startswith(talk.line("message_dropped"))


@pytest.mark.parametrize(
    ("said", "asked"),
    [("Let's start over.", "message_prompt"), ("Could you read it back to me again?", None)],
)
def test_the_words_may_be_begun_anew_or_heard_again(said, asked):
    talk = message_talk("Edith Barlow", "Yes.", "The boiler leaks.")
    read_back = talk.reply.text
    assert talk.say(said) == (talk.line(asked) if asked else read_back)


def test_another_name_that_sounds_alike_is_another_name():
    talk = message_talk("Edith Barlow", "Yes.", "The boiler leaks.", "My name is Judith.")
    assert talk.state.draft.caller_name.startswith("Judith") and "Is that right?" in talk.reply.text


@pytest.mark.parametrize(
    "said",
    [
        "Can you have Dr. Hale call me?",
        "Could somebody get in touch with me?",
        "Please pass something on to the boss.",
        "I'd like to leave word for Mr. Hale.",
    ],
)
def test_a_message_is_asked_for_in_many_ways(said):
    talk = Talk()
    assert talk.say(said) == f"{talk.line('message_start')} {talk.line('message_name')}"


def test_a_no_takes_back_what_was_agreed_to():
    talk = message_talk(
        "Edith Barlow", "Yes.", "The boiler leaks.", "Yes, the cat for Ida.", "No, that's wrong.", "Bye."
    )
    assert talk.called == "end_call" and talk.line("message_dropped") in talk.arguments["farewell"]


def test_what_was_passed_on_may_be_said_again():
    talk = message_talk(
        "Edith Barlow", "Yes.", "The boiler leaks, please come on Tuesday.", "Yes, that is right."
    )
    taken = talk.tool_returns("take_message")
    assert talk.say("Edith Barlow, the boiler leaks.") == taken
    assert talk.say("Where are you?").startswith(talk.answer("our address"))


def test_who_says_again_what_is_being_passed_on_has_it_passed_on():
    talk = message_talk(
        "Edith Barlow", "Yes.", "The boiler leaks, please come on Tuesday.", "Yes, that is right."
    )
    talk.say("Edith Barlow, on Tuesday.")
    assert talk.called == "take_message"


def reminded(*said: str) -> Talk:
    talk = Talk(agent=load_agent("reminder", AGENTS))
    for words in said:
        talk.say(words)
        if talk.called == "take_message":
            talk.tool_returns("take_message")
    return talk


@pytest.mark.parametrize("more", ["Ah, the dentist. Yes, I'm coming.", "I will be there.", "I'm coming."])
def test_an_answer_to_a_reminder_may_be_given_twice(more):
    talk = reminded("Yeah.", more)
    thanks = talk.agent.menu["1"].say
    assert talk.reply.text == f"{thanks} {talk.line('anything_else')}" and talk.called is None


def test_what_is_said_to_a_result_and_to_more_words_ends_with_one_question():
    assert (
        said_once(["It is noted. More?", "See you then. More?"], "More?")
        == "It is noted. See you then. More?"
    )
    assert said_once(["It is noted. More?", "It is noted. More?"], "More?") == "It is noted. More?"
    assert (
        said_once(["It is noted. More?", "We are at Hill Road."], "More?")
        == "It is noted. More? We are at Hill Road."
    )
    assert said_once(["", ""], "More?") == ""


def test_an_answer_to_a_reminder_may_be_changed():
    talk = reminded("Yes.")
    talk.say("Oh wait, I can't come on that day.")
    assert talk.called == "take_message" and talk.arguments["message"].startswith("Cannot come")
