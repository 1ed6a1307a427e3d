"""Whole conversations with the local brain: messages, transfers, the menu, and what is not understood."""

import pytest

from conversation.agents.files import load_agent
from conversation.language.spoken_numbers import Fit, dictated_number, fit, say_digits, spoken_number
from conversation.language.utterance import Utterance
from tests.brain_talk import AGENTS, CALLER, Talk, receptionist

WITHOUT_TRANSFER = {"end_call", "take_message"}


def test_a_message_is_taken_read_back_and_confirmed():
    talk = Talk()
    assert (
        talk.say("I'd like to leave a message.")
        == f"{talk.line('message_start')} {talk.line('message_name')}"
    )
    assert talk.say("My name is John Smith.") == talk.line("message_number_known")
    assert talk.say("Yes please.") == talk.line("message_prompt")
    said = talk.say("My crown fell out, I need to come in.")
    assert "John Smith" in said and "My crown fell out" in said and "the number you are calling from" in said
    assert talk.called is None
    talk.say("Yes, that's right.")
    assert talk.called == "take_message"
    assert talk.arguments == {
        "caller_name": "John Smith",
        "message": "My crown fell out, I need to come in.",
        "callback_number": CALLER,
    }
    assert talk.tool_returns("take_message") == f"{talk.line('message_taken')} {talk.line('anything_else')}"
    talk.say("No, thank you.")
    assert talk.called == "end_call"


def test_a_number_can_be_said_in_pieces():
    talk = Talk(caller_number=None)
    talk.say("Can you take a message?")
    assert talk.say("Sarah.") == talk.line("message_number")
    assert talk.say("two oh two, five five five") == talk.line(
        "message_number_more", number=say_digits("202555")
    )
    assert talk.say("oh one double nine") == talk.line("message_prompt")
    talk.say("Please call me about my bill.")
    talk.say("yes")
    assert talk.arguments["callback_number"] == "2025550199"


def test_a_number_can_be_keyed_in_instead_of_the_known_one():
    talk = Talk()
    talk.say("I want to leave a message")
    talk.say("It's Anna")
    assert talk.say("DTMF: 2025550111#") == talk.line("message_prompt")
    talk.say("I'll be late.")
    talk.say("DTMF: 1")
    assert talk.arguments["callback_number"] == "2025550111"


@pytest.mark.parametrize(
    "said", ["202 555 01999", "two zero two, five five five, zero one nine nine nine", "DTMF: 20255501999#"]
)
def test_digits_that_can_be_no_number_are_asked_for_again(said):
    talk = Talk(caller_number="+12025550147")
    talk.say("I'd like to leave a message.")
    talk.say("Sarah.")
    assert talk.say("No.") == talk.line("message_number")
    assert talk.say(said) == talk.line("message_number_wrong")
    assert talk.say("202 555 0199") == talk.line("message_prompt")
    talk.say("Please call me about my crown.")
    talk.say("Yes.")
    assert talk.arguments["callback_number"] == "2025550199"


def test_a_number_said_in_two_breaths_is_waited_for():
    talk = Talk(caller_number="+12025550147")
    talk.say("I'd like to leave a message.")
    talk.say("Sarah.")
    talk.say("No.")
    assert talk.say("202 555 01") == talk.line("message_number_more", number=say_digits("20255501"))
    assert talk.say("99") == talk.line("message_prompt")


def test_a_number_that_stays_impossible_does_not_lose_the_message():
    talk = Talk(caller_number="+12025550147")
    talk.say("I'd like to leave a message.")
    talk.say("Sarah.")
    talk.say("No.")
    for _ in range(2):
        assert talk.say("202 555 01999") == talk.line("message_number_wrong")
    assert talk.say("202 555 01999") == talk.line("message_prompt")


@pytest.mark.parametrize(
    ("number", "region", "found"),
    [
        ("2025550143", "US", Fit.YES),
        ("12025550143", "US", Fit.YES),
        ("5550143", "US", Fit.YES),
        ("20255501433", "US", Fit.NO),
        ("20255501", "US", Fit.TOO_SHORT),
        ("02079460123", "GB", Fit.YES),
        ("030901820", "DE", Fit.YES),
        ("20255501433", None, Fit.YES),
        ("1" * 16, None, Fit.NO),
        ("1" * 40, "US", Fit.NO),
    ],
)
def test_what_can_be_a_number_depends_on_the_country(number, region, found):
    assert fit(number, region) is found


def test_a_caller_may_leave_no_number():
    talk = Talk(caller_number=None)
    talk.say("leave a message")
    talk.say("Tom")
    assert talk.say("I'd rather not.") == talk.line("message_prompt")


def test_a_number_that_is_never_understood_does_not_lose_the_message():
    talk = Talk(caller_number=None)
    talk.say("leave a message")
    talk.say("Tom")
    assert talk.say("mumble mumble") == talk.line("message_number")
    assert talk.say("mumble") == talk.line("message_number")
    assert talk.say("mumble") == talk.line("message_prompt")


def test_name_number_and_message_can_come_at_once():
    talk = Talk()
    talk.say("Could you tell Doctor Chen that I will be late?")
    said = talk.say("This is Mark Jones and my number is 202 555 0100.")
    assert "Mark Jones" in said and say_digits("2025550100") in said and "I will be late" in said
    talk.say("yes")
    assert talk.arguments["message"] == "For Doctor Chen: I will be late"


@pytest.mark.parametrize(
    ("correction", "answer", "field", "value"),
    [
        ("No, the name is wrong.", "My name is Joan.", "caller_name", "Joan"),
        ("No, my name is Joan.", None, "caller_name", "Joan"),
        ("No.", "the name", None, None),
        ("No, the number is wrong.", "202 555 0100", "callback_number", "2025550100"),
        ("No, the message.", "I can come on Monday.", "message", "I can come on Monday."),
        ("And please hurry.", None, "message", "Call me. And please hurry."),
        ("Please tell them it is urgent.", None, "message", "Call me. Please tell them it is urgent."),
    ],
)
def test_what_was_read_back_can_be_corrected(correction, answer, field, value):
    talk = Talk()
    for said in ("leave a message", "John", "yes", "Call me"):
        talk.say(said)
    talk.say(correction)
    assert talk.called is None, "a correction is no confirmation"
    if answer is not None:
        talk.say(answer)
    if field is not None:
        talk.say("Yes.")
        assert talk.called == "take_message"
        assert talk.arguments[field] == value


@pytest.mark.parametrize("said", ["maybe", "hmm", "what do you mean?", "DTMF: 7"])
def test_a_message_is_not_passed_on_without_a_yes(said):
    talk = Talk()
    for turn in ("leave a message", "John", "yes", "Call me"):
        talk.say(turn)
    talk.say(said)
    assert talk.called is None
    assert talk.state.draft.text == "Call me"


def test_a_question_in_between_is_answered_and_the_message_goes_on():
    talk = Talk()
    talk.say("leave a message")
    assert talk.say("Do you have parking?") == f"{talk.answer('parking')} {talk.line('message_name')}"
    talk.say("John")
    assert talk.state.draft.caller_name == "John"


def test_a_message_can_be_dropped():
    talk = Talk()
    talk.say("leave a message")
    talk.say("John")
    assert talk.say("Oh, never mind.") == f"{talk.line('message_dropped')} {talk.line('anything_else')}"
    assert talk.state.draft.caller_name == ""


def test_a_goodbye_after_the_read_back_still_passes_the_message_on():
    talk = Talk()
    for said in ("leave a message", "John", "yes", "Call me"):
        talk.say(said)
    talk.say("Yes, goodbye.")
    assert talk.called == "take_message"
    talk.tool_returns("take_message")
    assert talk.called == "end_call"
    assert talk.arguments["farewell"] == f"{talk.line('message_taken')} {talk.line('goodbye')}"


def test_a_message_that_could_not_be_kept_is_tried_again():
    talk = Talk()
    for said in ("leave a message", "John", "yes", "Call me", "yes"):
        talk.say(said)
    assert talk.tool_returns("take_message", succeeded=False) == talk.line("message_failed")
    talk.say("Yes.")
    assert talk.called == "take_message" and talk.arguments["message"] == "Call me"


def test_a_transfer_is_asked_about_and_needs_a_yes():
    talk = Talk()
    assert talk.say("I have a question about my invoice.") == talk.line(
        "transfer_confirm", destination="our billing office"
    )
    assert talk.called is None
    talk.say("Yes, please.")
    assert talk.called == "transfer_call"
    assert talk.arguments["destination"] == "billing"
    assert talk.arguments["reason"]


def test_whoever_wants_a_person_gets_the_first_transfer_of_the_file():
    talk = Talk()
    assert "the front desk" in talk.say("Agent!")


def test_a_transfer_that_is_declined_keeps_the_caller():
    talk = Talk()
    talk.say("Can I speak to a person?")
    assert talk.say("No.") == f"{talk.line('transfer_declined')} {talk.line('anything_else')}"
    talk.say("Can I speak to a person?")
    assert talk.say("No, where can I park?") == talk.answer("parking")


def test_after_a_transfer_that_nobody_answered_a_message_is_offered():
    talk = Talk()
    talk.say("Can I speak to someone in billing?")
    assert talk.tool_returns("transfer_call", succeeded=False).endswith(talk.line("offer_message"))
    assert talk.say("Okay.").endswith(talk.line("message_name"))
    for said in ("John", "yes", "I was charged twice.", "yes"):
        talk.say(said)
    assert talk.arguments["message"] == "For our billing office: I was charged twice."


def test_without_the_tool_a_message_is_offered_instead_of_a_transfer():
    talk = Talk(tools=WITHOUT_TRANSFER)
    said = talk.say("Can I talk to a human?")
    assert said == f"{talk.line('transfer_unavailable')} {talk.line('offer_message')}"
    assert talk.say("Yes.").endswith(talk.line("message_name"))


def test_without_any_tool_nothing_is_promised():
    talk = Talk(tools=())
    assert "message" not in talk.say("Can I talk to a human?").replace(talk.line("transfer_unavailable"), "")
    assert talk.say("I want to leave a message.").startswith(talk.line("message_unavailable"))
    assert talk.say("Goodbye.") == talk.line("goodbye")
    assert talk.called is None


def test_a_doubtful_question_is_asked_back():
    talk = Talk()
    assert talk.say("What's your fee for an exam?") == talk.line("clarify", topic="prices")
    assert talk.say("Yes.") == talk.answer("prices")


def test_a_wrong_guess_can_be_corrected_at_once():
    talk = Talk()
    talk.say("What's your fee for an exam?")
    assert talk.say("No, I meant parking.") == talk.answer("parking")


def test_an_off_topic_question_is_refused_with_an_offer():
    talk = Talk()
    assert talk.say("What is the weather like?") == f"{talk.line('off_topic')} {talk.line('offer_message')}"
    assert talk.say("No, thanks.") == talk.line("anything_else")


def test_who_is_not_understood_gets_more_help_each_time():
    talk = Talk()
    assert talk.say("Blorp.") == talk.line("did_not_understand")
    second = talk.say("Fnord gleep.")
    assert second.startswith(talk.line("help")) and "Press 1" in second
    third = talk.say("Zzz blah.")
    assert talk.line("offer_message") in third and "Press 1 for yes" in third
    assert talk.say("DTMF: 1").endswith(talk.line("message_name"))


def test_being_understood_starts_the_count_anew():
    talk = Talk()
    talk.say("Blorp.")
    talk.say("Where can I park?")
    assert talk.say("Fnord.") == talk.line("did_not_understand")


@pytest.mark.parametrize(
    "request_", ["Can you repeat that?", "Pardon?", "Sorry, what did you say?", "DTMF: *"]
)
def test_the_last_words_are_repeated_on_request(request_):
    talk = Talk()
    answer = talk.say("Where can I park?")
    assert talk.say(request_) == answer
    assert talk.say(request_) == answer


def test_a_question_about_the_message_is_repeated_too():
    talk = Talk()
    talk.say("leave a message")
    assert talk.say("Could you say that again?") == talk.line("message_name")


def test_the_menu_is_said_on_request_and_its_keys_work():
    talk = Talk()
    menu = talk.say("What are my options?")
    assert "Press 1 for our opening hours, 2 for leaving a message" in menu
    assert menu.endswith("0 for the front desk.")
    assert talk.say("DTMF: 1") == talk.answer("our opening hours")
    assert talk.say("DTMF: 2").endswith(talk.line("message_name"))
    talk.say("cancel")
    assert talk.say("DTMF: 0") == "" and talk.called == "transfer_call"  # the key is the yes
    assert talk.arguments["destination"] == "front-desk"
    assert Talk().say("DTMF: 9").startswith(talk.line("not_an_option"))


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("Hello?", "how_can_i_help"),
        ("Hi, how are you today?", "how_can_i_help"),
        ("How's it going?", "how_can_i_help"),
        ("Um.", "go_on"),
        ("Hold on a second, please.", "hold_on"),
        ("Are you a robot?", "identity"),
    ],
)
def test_small_talk_has_a_line(said, line):
    talk = Talk()
    assert talk.say(said) == talk.line(line)


def test_a_key_of_a_transfer_offers_a_message_where_nobody_can_be_put_through():
    talk = Talk(tools=("end_call", "take_message"))
    assert talk.say("DTMF: 0") == f"{talk.line('transfer_unavailable')} {talk.line('offer_message')}"


def test_zero_asks_for_a_person_where_the_menu_says_nothing_of_it():
    agent = receptionist().model_copy(update={"menu": {}})
    talk = Talk(agent=agent)
    assert talk.say("DTMF: 0") == talk.line("transfer_confirm", destination="the front desk")
    assert talk.say("DTMF: 1#") == "" and talk.called == "transfer_call"


def test_while_a_telephone_rings_the_caller_is_answered_and_nobody_is_put_through_twice():
    talk = Talk()
    talk.say("DTMF: 0")
    assert talk.say("Where can I park?") == talk.answer("parking")
    assert talk.say("Can I talk to a human now?") == talk.line("still_trying", destination="the front desk")
    assert talk.called is None
    assert talk.say("DTMF: 0") == talk.line("still_trying", destination="the front desk")
    assert talk.tool_returns("transfer_call", succeeded=False, told=True) == talk.line("offer_message")
    talk.say("No thanks.")
    assert talk.say("DTMF: 0") == "" and talk.called == "transfer_call"


def test_a_message_that_is_begun_while_a_telephone_rings_goes_on_after_it():
    talk = Talk()
    talk.say("DTMF: 0")
    talk.say("Just take a message please.")
    said = talk.tool_returns("transfer_call", succeeded=False, told=True)
    assert said == talk.line("message_name")
    assert talk.say("John Smith") == talk.line("message_number_known")


def test_a_transfer_that_was_refused_is_told_by_the_brain():
    talk = Talk()
    talk.say("DTMF: 0")
    sorry = talk.line("transfer_error", destination="the front desk")
    assert talk.tool_returns("transfer_call", succeeded=False) == f"{sorry} {talk.line('offer_message')}"


def test_the_message_after_a_failed_transfer_is_for_whom_the_caller_wanted():
    talk = Talk()
    talk.say("I have a question about my invoice, can I speak to billing?")
    talk.tool_returns("transfer_call", succeeded=False, told=True)
    for said in ("Yes please.", "John Smith", "yes", "Please call me about my bill.", "Yes."):
        talk.say(said)
    assert talk.called == "take_message"
    assert talk.arguments["message"].startswith("For our billing office: ")


@pytest.mark.parametrize(
    "said", ["I'd like to speak to billing.", "Can you put me through to the front desk?"]
)
def test_a_person_who_is_asked_for_where_the_name_is_asked_is_no_name(said):
    talk = Talk()
    talk.say("leave a message")
    talk.say(said)
    assert talk.called == "transfer_call"


@pytest.mark.parametrize(
    "said", ["I lost a filling.", "It's about my invoice.", "My tooth hurts.", "We have a problem."]
)
def test_a_sentence_where_the_name_is_asked_is_the_message_and_no_name(said):
    talk = Talk()
    talk.say("leave a message")
    assert talk.say(said) == talk.line("message_name")
    talk.say("John Smith")
    assert talk.state.draft.caller_name == "John Smith"
    assert talk.state.draft.text == said


@pytest.mark.parametrize(
    "said", ["My name is Anna.", "I'm Anna Miller.", "This is Will.", "Ian", "Willow Shaw"]
)
def test_names_are_still_names(said):
    talk = Talk()
    talk.say("leave a message")
    assert talk.say(said) == talk.line("message_number_known")


def reminder_talk(**kwargs):
    talk = Talk(agent=load_agent("reminder", AGENTS), **kwargs)
    talk.variables |= {"name": "Anna", "appointment": "on Tuesday at three"}
    return talk


@pytest.mark.parametrize(
    "said", ["Yes.", "DTMF: 1", "DTMF: 1#", "Yeah, I'll be there.", "I can come.", "That works for me."]
)
def test_a_yes_to_the_greetings_question_is_thanked_for_and_kept(said):
    talk = reminder_talk()
    assert talk.say(said) == "Thank you, we look forward to seeing you."
    assert talk.called == "take_message"
    assert talk.arguments == {
        "caller_name": "Anna",
        "message": "Confirmed the appointment on Tuesday at three.",
        "callback_number": CALLER,
    }
    assert talk.tool_returns("take_message") == f"{talk.line('message_taken')} {talk.line('anything_else')}"
    talk.say("No.")
    assert talk.called == "end_call"


@pytest.mark.parametrize(
    "said", ["No.", "DTMF: 2", "I can't make it.", "Can't we find another day.", "No, I need to reschedule."]
)
def test_a_no_to_the_greetings_question_is_kept_too(said):
    talk = reminder_talk()
    assert "another time" in talk.say(said)
    assert talk.arguments["message"].startswith("Cannot come")


def test_a_question_before_the_answer_is_answered_first_and_the_question_asked_again():
    talk = reminder_talk()
    assert talk.say("Where can I park?") == f"{talk.answer('parking')} So, can you come?"
    assert talk.say("Yes.").startswith("Thank you")
    assert talk.called == "take_message"
    talk.tool_returns("take_message")
    assert talk.say("Where can I park?") == talk.answer("parking")


def test_a_no_to_something_else_cancels_no_appointment():
    talk = reminder_talk()
    talk.say("Thank you.")
    talk.say("No, thank you.")
    assert talk.called == "end_call"
    talk = reminder_talk()
    talk.say("Where are you at?")
    assert talk.say("Are you a robot?") == talk.line("identity")
    talk.say("No.")
    assert talk.called != "take_message"


def test_whoever_answers_and_says_goodbye_is_let_go_after_the_answer_is_kept():
    talk = reminder_talk()
    assert "another time" in talk.say("No, I can't. Goodbye.")
    talk.tool_returns("take_message")
    assert talk.called == "end_call"


def test_an_answer_that_could_not_be_kept_is_tried_again():
    talk = reminder_talk()
    talk.say("Yes.")
    assert talk.tool_returns("take_message", succeeded=False) == talk.line("message_failed")
    talk.say("Yes.")
    assert talk.called == "take_message" and talk.arguments["message"].startswith("Confirmed")


def test_thanks_leads_to_the_end_of_the_call():
    talk = Talk()
    assert talk.say("Thank you so much.") == f"{talk.line('you_are_welcome')} {talk.line('anything_else')}"
    talk.say("No, that's all.")
    assert talk.called == "end_call"


def test_yes_there_is_something_else():
    talk = Talk()
    talk.say("That's all.")
    assert talk.say("Oh yes.") == talk.line("how_can_i_help")
    talk.say("That's all.")
    assert talk.say("Actually, where can I park?") == talk.answer("parking")


def test_a_fact_can_offer_a_message():
    talk = Talk()
    assert talk.say("I'd like to make an appointment.").endswith(talk.line("offer_message"))
    assert talk.say("Yes.").endswith(talk.line("message_name"))


@pytest.mark.parametrize(
    ("said", "digits"),
    [
        ("five five five oh one two three", "5550123"),
        ("It's 555-0123.", "5550123"),
        ("double five five, zero one hundred", "5550100"),
        ("two oh two, five fifty-five, twenty-one thirteen", "2025552113"),
        ("plus one, 202 555 0100", "+12025550100"),
        ("triple nine", "999"),
        ("treble five", "555"),
        ("202 555 0143 extension 12", "2025550143"),
        ("extension 12", "12"),
        ("No, use another one.", ""),
        ("I have two children and one dog", ""),
        ("seven", "7"),
        ("", ""),
    ],
)
def test_numbers_are_found_in_speech(said, digits):
    assert spoken_number(said) == digits


@pytest.mark.parametrize(
    ("said", "digits"),
    [
        ("It's too low, too.", "202"),
        ("Two o two five five five", "202555"),
        ("To oh too, five for won", "202541"),
        ("Six or nine, seven eighths.", "60978"),
        ("My number is three all five, ah one", "30501"),
        ("For a double o.", "4800"),
        ("It's for all of you.", ""),
        ("Too late for me.", ""),
        ("For you too.", ""),
        ("Call me at two oh two five.", "2025"),
    ],
)
def test_words_that_sound_like_digits_are_digits_where_nothing_else_is_said(said, digits):
    assert dictated_number(said) == digits


def test_numbers_are_read_back_in_groups():
    assert say_digits("+12025550147") == "two zero two, five five five, zero one four seven"
    assert say_digits("5550123") == "five five five, zero one two three"


def test_keys_are_found_in_a_user_message():
    assert Utterance.parse("DTMF: 12#") == Utterance("", "12#")
    assert Utterance.parse("hello DTMF: 1") == Utterance("hello", "1")
    assert Utterance.parse("dtmf is fun") == Utterance("dtmf is fun", "")
