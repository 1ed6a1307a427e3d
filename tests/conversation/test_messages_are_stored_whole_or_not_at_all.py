"""A message for the business is stored whole, after it was read back, or not at all."""

import pytest

from tests.brain_talk import CALLER, Talk, message_talk


@pytest.mark.parametrize(
    "request_",
    [
        "Could someone call me back?",
        "Can you have somebody call me back tomorrow?",
        "Please call me back.",
        "Someone should call me on Monday.",
        "Call me when you can.",
        "Can you call me again later?",
        "Could you call me Tomorrow?",
    ],
)
def test_a_wish_to_be_called_names_nobody(request_):
    talk = message_talk()
    talk.say(request_)
    assert talk.state.draft.caller_name == ""
    talk = Talk()
    talk.say("Could someone call me back?")
    assert talk.reply.text.endswith(talk.line("message_name"))


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Anna Miller?", "Anna Miller"),
        ("Anna?", "Anna"),
        ("It's John Smith?", "John Smith"),
        ("Call me Anna.", "Anna"),
        ("You can call me John.", "John"),
        ("My name is Will?", "Will"),
        ("Yes, Anna Miller.", "Anna Miller"),
        ("This is Bill, please call me back.", "Bill"),
        ("Sure, it's Maria Lopez.", "Maria Lopez"),
    ],
)
def test_a_name_is_a_name_also_when_it_sounds_like_a_question(said, name):
    talk = message_talk(said)
    assert talk.state.draft.caller_name == name
    assert talk.reply.text == talk.line("message_number_known")


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("Please call me.", "Please call me."),
        ("Call me.", "Call me."),
        ("Yes, please call me back.", "Please call me back."),
        ("Please stop calling me.", "Please stop calling me."),
        ("I will call back tomorrow.", "I will call back tomorrow."),
        ("I need somebody to look at my bill.", "I need somebody to look at my bill."),
        ("Okay, tell Doctor Chen that I am late.", "Okay, tell Doctor Chen that I am late."),
        ("Can you call me about my crown?", "Can you call me about my crown?"),
    ],
)
def test_whatever_is_dictated_is_the_message_and_is_read_back(said, stored):
    talk = message_talk("Anna Miller", "Yes.", said)
    assert stored in talk.reply.text and "Is that right?" in talk.reply.text
    assert talk.called is None
    talk.say("Yes.")
    assert talk.called == "take_message"
    assert talk.arguments == {"caller_name": "Anna Miller", "message": stored, "callback_number": CALLER}


@pytest.mark.parametrize(
    ("more", "added"),
    [
        ("It's urgent.", "It's urgent."),
        ("Yes, and tell her it hurts.", "And tell her it hurts."),
        ("Yeah, it is about the crown that fell out.", "It is about the crown that fell out."),
        ("Because my son is ill.", "Because my son is ill."),
        ("My daughter comes too.", "My daughter comes too."),
    ],
)
def test_what_is_said_after_a_pause_is_added_and_all_of_it_read_back(more, added):
    talk = message_talk("Anna Miller", "Yes.", "Please call me.")
    talk.say(more)
    assert talk.called is None
    assert f"Please call me. {added}" in talk.reply.text and "Is that right?" in talk.reply.text
    talk.say("Yes, that's right.")
    assert talk.arguments["message"] == f"Please call me. {added}"


@pytest.mark.parametrize(
    "yes",
    [
        "Yes.",
        "Yes, that's correct.",
        "Right.",
        "Yes please.",
        "That's right, thank you.",
        "Yeah, perfect, thanks.",
        "DTMF: 1",
    ],
)
def test_a_yes_in_other_words_stores_it(yes):
    talk = message_talk("Anna Miller", "Yes.", "Please call me.", yes)
    assert talk.called == "take_message" and talk.arguments["message"] == "Please call me."


@pytest.mark.parametrize(
    "said", ["Yes, this number is fine.", "You can call me on this number.", "The same number.", "Of course."]
)
def test_the_number_of_the_call_is_agreed_to_in_many_ways(said):
    assert message_talk("Anna Miller", said).state.draft.number == CALLER


def test_a_goodbye_in_the_middle_stores_nothing():
    for said in (["Anna Miller"], ["Anna Miller", "Yes."]):
        talk = message_talk(*said, "Goodbye then!")
        assert talk.called == "end_call"


def test_a_question_about_a_fact_where_the_name_is_asked_is_answered():
    talk = message_talk("Is there parking?")
    assert talk.reply.text == f"{talk.answer('parking')} {talk.line('message_name')}"


@pytest.mark.parametrize("said", ["No, thank you.", "No.", "No, never mind.", "I changed my mind."])
def test_a_no_where_the_name_is_asked_drops_the_message(said):
    talk = message_talk(said)
    assert talk.reply.text == f"{talk.line('message_dropped')} {talk.line('anything_else')}"


def test_a_number_of_another_country_is_taken_when_its_code_is_said():
    talk = message_talk(
        "Anna Miller", "No.", "plus four four, two zero, seven nine four six, zero nine five eight"
    )
    assert talk.state.draft.number == "+442079460958"


def test_an_extension_is_no_part_of_the_number_that_is_called():
    talk = message_talk("Anna Miller", "No.", "202 555 0143 extension 12")
    assert talk.state.draft.number == "2025550143"


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (["Anna Miller, M-I-L-L-E-R"], "Anna Miller"),
        (["Anna Muller, that's M U E L L E R."], "Anna Mueller"),
        (["M. I. L. L. E. R."], "Miller"),
        (["J-O-H-N S-M-I-T-H"], "John Smith"),
        (["Kowalski, K as in kilo, O, W, A, L, S, K, I."], "Kowalski"),
        (["Its Anna Kennedy, K E double N E D Y"], "Anna Kennedy"),
        (["My last name is Smythe. S-M-Y", "T-H-E"], "Smythe"),
        (["Anna", "M-I-L-L-E-R"], "Anna Miller"),
        (["My last name is Hanson. H, A", "N, S, E, N."], "Hansen"),
        (["My last name is Hanson. H, A, N, S, E, N."], "Hansen"),
        (["Hanson. H, A, N, S, E, hen"], "Hansen"),
        (["Oh, L, G, A."], "Olga"),
        (["I'm Kay."], "Kay"),
        (["It's Jay T. See."], "Jay T. See"),
        (["That's R, O, why."], "Roy"),
        (["It's double you, I, L, L."], "Will"),
        (["um, it's, um, Anna Miller"], "Anna Miller"),
        (["Miller. Anna Miller."], "Anna Miller"),
        (["Anna Miller speaking."], "Anna Miller"),
        (["My name is", "Anna Miller"], "Anna Miller"),
        (["I'd rather not say."], "unknown"),
        (["Jon Smith", "Sorry, my name is John Smythe"], "John Smythe"),
    ],
)
def test_a_name_is_taken_as_it_is_said_and_spelled(said, name):
    talk = message_talk(*said)
    assert talk.state.draft.caller_name == name
    assert talk.reply.text == talk.line("message_number_known")


@pytest.mark.parametrize(
    ("said", "number"),
    [
        (["two oh two", "five five five", "oh one nine nine"], "2025550199"),
        (["202", "5550", "199"], "2025550199"),
        (["two oh two five five nine", "no, five five five", "0199"], "2025550199"),
        (["two oh two, five five", "Sorry, start again.", "202 555 0199"], "2025550199"),
        (["two oh two", "No wait, start over: 202 555 0199"], "2025550199"),
        (["Actually, use the number I'm calling from."], CALLER),
    ],
)
def test_a_number_comes_in_pieces_and_is_corrected_on_the_way(said, number):
    talk = message_talk("Anna Miller", "No.", *said)
    assert (talk.state.draft.number, talk.reply.text) == (number, talk.line("message_prompt"))


def test_what_is_no_more_of_a_number_has_the_rest_of_it_asked_for():
    talk = message_talk("Anna Miller", "No.", "Six one seven, five five five.")
    so_far = talk.reply.text
    assert talk.say("Sheep and then.") == so_far
    talk.say("Zero one four two.")
    assert talk.state.draft.number == "6175550142"


@pytest.mark.parametrize(
    ("correction", "part", "value"),
    [
        ("No, zero one five five, not nine nine.", "callback_number", "2025550155"),
        ("no, five five instead of nine nine", "callback_number", "2025550155"),
        ("No, the last digit is five.", "callback_number", "2025550195"),
        ("It ends with five five.", "callback_number", "2025550155"),
        ("No, the area code is three zero one.", "callback_number", "3015550199"),
        ("No, the number is 202 555 0155.", "callback_number", "2025550155"),
        ("No, it's Joanna, not Joan.", "caller_name", "Joanna Miller"),
        ("Joanna, not Joan.", "caller_name", "Joanna Miller"),
        ("No, the name is Joanna Miller.", "caller_name", "Joanna Miller"),
        ("No, it's spelled M-U-E-L-L-E-R.", "caller_name", "Joan Mueller"),
        ("No, the fifth.", "message", "Please call me on the fifth."),
        ("The fifth, not the fourth.", "message", "Please call me on the fifth."),
    ],
)
def test_a_part_of_what_was_read_back_is_corrected_and_all_of_it_read_back_again(correction, part, value):
    talk = message_talk("Joan Miller", "No.", "202 555 0199", "Please call me on the fourth.", correction)
    assert talk.called is None
    assert talk.reply.text.startswith("I have a message from") and "Is that right?" in talk.reply.text
    talk.say("Yes.")
    assert talk.called == "take_message"
    assert talk.arguments == {
        "caller_name": "Joan Miller",
        "message": "Please call me on the fourth.",
        "callback_number": "2025550199",
    } | {part: value}


def test_a_digit_that_may_be_one_of_two_is_asked_for():
    talk = message_talk("Joan", "No.", "202 555 0199", "Please call me.", "No, five, not nine.")
    assert talk.reply.text == talk.line("message_number")


def test_the_part_that_is_wrong_can_be_said_when_it_is_asked_for():
    talk = message_talk("Joan Miller", "Yes.", "Please call me.", "No.")
    assert talk.reply.text == talk.line("message_correct")
    talk.say("Joanna Miller")
    talk.say("Yes.")
    assert talk.called == "take_message" and talk.arguments["caller_name"] == "Joanna Miller"


def test_a_word_after_a_pause_ends_the_sentence():
    talk = message_talk("Anna", "Yes.", "I will be late", "tomorrow.", "Yes.")
    assert talk.arguments["message"] == "I will be late tomorrow."


@pytest.mark.parametrize(
    "said",
    ["Sounds right.", "Looks good.", "You got it.", "All good.", "Uh-huh.", "Okay, thanks, bye.", "It is."],
)
def test_a_plain_confirmation_stores_it(said):
    assert message_talk("Anna Miller", "Yes.", "Please call me.", said).called == "take_message"


@pytest.mark.parametrize("said", ["Goodbye.", "No, goodbye.", "No thanks, bye.", "Never mind, bye."])
def test_last_words_that_agree_to_nothing_store_nothing(said):
    talk = message_talk("Anna Miller", "Yes.", "Please call me.", said)
    assert talk.called != "take_message"
    assert talk.line("message_dropped") in (talk.arguments.get("farewell", "") + talk.reply.text)


def test_who_never_says_yes_or_no_is_offered_a_person_and_nothing_is_stored():
    talk = message_talk("Anna Miller", "Yes.", "Please call me.", "Banana.", "Purple.", "Green.")
    assert talk.called is None
    assert talk.reply.text.endswith(talk.line("transfer_confirm", destination="the front desk"))
    assert talk.state.draft.text == ""


def test_all_of_it_can_be_said_in_one_turn():
    talk = Talk()
    talk.say("I'd like to leave a message for Doctor Ortiz. My name is Bob Stone, my number is 202 555 0133.")
    talk.say("Please call me.")
    talk.say("Yes.")
    assert talk.arguments == {
        "caller_name": "Bob Stone",
        "message": "For Doctor Ortiz: Please call me.",
        "callback_number": "2025550133",
    }


@pytest.mark.parametrize("yes", ["Yes, correct her.", "Yeah, right hear.", "Yep. Correct her."])
def test_a_yes_of_which_a_word_was_misheard_stores_it(yes):
    talk = message_talk("Anna Miller", "Yes.", "My crown is loose.")
    talk.say(yes)
    assert talk.called == "take_message"


def test_who_corrects_a_day_behind_a_yes_and_goes_has_it_stored_so():
    talk = message_talk("Anna Miller", "Yes.", "I come on the third of June.")
    assert "ninth of June" in talk.say("Yes, the ninth.")
    talk.say("That's all. Goodbye.")
    assert talk.called == "take_message"
    assert talk.arguments["message"] == "I come on the ninth of June."
