"""What callers say and what the local brain must take it for.

Every answer is the owner's own sentence, so nothing is ever invented; what can go wrong is the wrong sentence. The
floors are what was measured, less a little for another build of ONNX Runtime.
"""

from collections import Counter

import pytest

from tests.brain_talk import Talk, meaning
from tests.wordings import EVERYDAY, HELD_OUT

# A right answer can be one of several, with a | between; "? topic" is the question whether that was meant.

KNOWN = [
    ("What are your opening hours?", "our opening hours"),
    ("When do you open?", "our opening hours"),
    ("Are you open on Tuesday?", "our opening hours"),
    ("Are you open on Saturday?", "weekend hours"),
    ("What about Sunday?", "weekend hours"),
    ("Until when are you there on Friday evening?", "our opening hours"),
    ("Can I still come by at five thirty on a Thursday?", "our opening hours"),
    ("Do you close for lunch?", "our opening hours|REFUSED"),
    ("Is the office shut on Christmas Eve?", "holidays"),
    ("Are you open on the Fourth of July?", "holidays"),
    ("Where are you located?", "our address"),
    ("How do I find you?", "our address"),
    ("What floor are you on?", "our address"),
    ("Which part of town is your practice in?", "our address"),
    ("Is there somewhere to park?", "parking"),
    ("I'm coming by car, where do I leave it?", "parking"),
    ("Do I have to pay for the parking lot?", "parking"),
    ("How much is a cleaning?", "prices"),
    ("What does a filling cost?", "prices"),
    ("What's your fee for an exam?", "prices"),
    ("Is it expensive to get a tooth filled?", "prices"),
    ("Do you take Delta Dental?", "insurance"),
    ("Which insurances do you work with?", "insurance"),
    ("Is my plan accepted at your practice?", "insurance"),
    ("Do you do Medicaid?", "insurance"),
    ("Can I pay with Visa?", "paying"),
    ("Do you accept cash?", "paying"),
    ("Can I pay it off over a few months?", "paying"),
    ("Are you accepting new patients?", "new patients"),
    ("I just moved here and need a new dentist.", "new patients|appointments"),
    ("What should I bring for my first appointment?", "new patients"),
    ("I'd like to make an appointment.", "appointments"),
    ("Can I get a slot next Wednesday?", "appointments"),
    ("I need a check-up, when could I come?", "appointments"),
    ("My teeth need cleaning, do you have anything free this week?", "appointments"),
    ("I have to cancel my appointment for tomorrow.", "changing or cancelling an appointment"),
    ("Something came up and I can't make it on Monday.", "changing or cancelling an appointment"),
    ("Can we move my visit to a different day?", "changing or cancelling an appointment"),
    ("Will I be charged if I don't show up?", "changing or cancelling an appointment"),
    ("My tooth is killing me.", "emergencies"),
    ("My son fell and chipped his front tooth.", "emergencies"),
    ("I can't sleep because my tooth hurts so much.", "emergencies"),
    ("My gums have been bleeding since last night.", "emergencies"),
    ("Do you also treat kids?", "treating children"),
    ("Can I bring my four year old?", "treating children"),
    ("Habla espanol?", "the languages we speak"),
    ("Does anybody there speak Mandarin?", "the languages we speak"),
    ("Who is the doctor?", "our dentists"),
    ("Is Doctor Chen still working there?", "our dentists"),
    ("Can I get your email?", "our email and website"),
    ("What's your web address?", "our email and website"),
    ("Can I talk to a real person?", "PERSON *"),
    ("I want to speak with a human.", "PERSON *"),
    ("Put me through to billing, please.", "PERSON billing"),
    ("I have a question about my invoice.", "PERSON billing"),
    ("Could you connect me to the front desk?", "PERSON front-desk"),
    ("Is there anybody I can talk to about my bill?", "PERSON billing"),
    ("Get me an operator.", "PERSON *"),
    ("Can I leave a message?", "MESSAGE"),
    ("Please have somebody call me back.", "MESSAGE"),
    ("Could you tell Doctor Chen that I will be late?", "MESSAGE"),
    ("Okay thanks, that's it I think.", "ANYTHING_ELSE"),
    ("That covers everything.", "ANYTHING_ELSE"),
    ("Goodbye.", "GOODBYE"),
    ("Thanks, bye.", "GOODBYE"),
    ("That's all, thank you, goodbye.", "GOODBYE"),
    ("Have a nice day, bye bye.", "GOODBYE"),
    ("What are my options?", "MENU_INTRO"),
    ("Are you a robot?", "IDENTITY"),
    ("Tell me a joke.", "REFUSED"),
    ("What's the weather like tomorrow?", "REFUSED"),
    ("Who is the president?", "REFUSED"),
    ("Do you sell toothbrushes?", "REFUSED"),
    ("Can you prescribe me antibiotics?", "REFUSED"),
    ("How do I whiten my teeth at home?", "REFUSED"),
    ("Can I order a pizza?", "REFUSED"),
    ("Do you rent cars?", "REFUSED"),
    ("What time is the next train?", "REFUSED"),
    ("How many employees do you have?", "REFUSED"),
]
"""The sentences that thresholds and examples were tuned with."""

UNSEEN = [
    ("Hi, could you tell me when you're open?", "our opening hours"),
    ("What time do you guys close tonight?", "our opening hours"),
    ("Is anyone there at eight in the morning?", "our opening hours"),
    ("Do you have evening hours during the week?", "our opening hours"),
    ("Are you open Wednesdays?", "our opening hours"),
    ("Could I drop in on a Sunday?", "weekend hours"),
    ("Saturday morning, are you around?", "weekend hours"),
    ("Are you guys open at the weekend?", "weekend hours"),
    ("Are you working between Christmas and New Year?", "holidays"),
    ("Is the clinic closed on Labor Day?", "holidays"),
    ("What's the address?", "our address"),
    ("I can't find your building.", "our address"),
    ("Is it wheelchair accessible?", "our address|REFUSED"),
    ("I need your street and number for the GPS.", "our address"),
    ("Do you have a garage where I can leave my vehicle?", "parking"),
    ("Where should I put my car when I come in?", "parking"),
    ("What would I pay for a check-up?", "prices"),
    ("I'd like to know the price of a filling.", "prices"),
    ("How much money should I expect to spend on a cleaning?", "prices"),
    ("I have Cigna, is that okay?", "insurance"),
    ("Do you bill the insurance directly?", "insurance|PERSON billing"),
    ("Are you covered by my health plan?", "insurance"),
    ("Is it possible to pay in installments?", "paying"),
    ("Do you take American Express?", "paying"),
    ("Can I just use my debit card?", "paying"),
    ("I've never been to you before, can I still come?", "new patients"),
    ("How do I become a patient?", "new patients"),
    ("Which documents do I need as a new patient?", "new patients"),
    ("I want to book a visit with the dentist.", "appointments"),
    ("Is there any time available on Thursday afternoon?", "appointments"),
    ("I was hoping to come in for a cleaning.", "appointments"),
    ("Schedule me in please.", "appointments"),
    ("I won't be able to come in tomorrow.", "changing or cancelling an appointment"),
    ("Can you push my appointment back a week?", "changing or cancelling an appointment"),
    ("I need to call off my visit on Friday.", "changing or cancelling an appointment"),
    ("Is there a late cancellation fee?", "changing or cancelling an appointment"),
    ("I lost a tooth playing hockey.", "emergencies"),
    ("My crown fell out and it really hurts.", "emergencies"),
    ("One side of my mouth is swollen.", "emergencies"),
    ("I am in a lot of pain.", "emergencies"),
    ("My daughter is three, can she see a dentist at your place?", "treating children"),
    ("Is there a children's dentist?", "treating children"),
    ("Can someone talk to me in Spanish?", "the languages we speak"),
    ("My mother only speaks Chinese.", "the languages we speak"),
    ("What are the doctors called?", "our dentists"),
    ("Can I choose a woman dentist?", "our dentists"),
    ("Where can I send an email?", "our email and website"),
    ("Are you on the internet?", "our email and website"),
    ("Let me talk to somebody, please.", "PERSON *"),
    ("I'd prefer to speak to a human being.", "PERSON *"),
    ("Can you transfer me to accounts?", "PERSON billing"),
    ("I think you charged me twice.", "PERSON billing|REFUSED"),
    ("Give me the receptionist.", "PERSON front-desk"),
    ("Agent. Agent!", "PERSON *"),
    ("I'd like to leave a message for the dentist.", "MESSAGE"),
    ("Can someone ring me back this afternoon?", "MESSAGE"),
    ("Tell them I called, please.", "MESSAGE"),
    ("Alright, I guess that's everything.", "ANYTHING_ELSE"),
    ("Nothing else, thank you.", "ANYTHING_ELSE"),
    ("Bye now.", "GOODBYE"),
    ("Okay great, thank you so much, goodbye!", "GOODBYE"),
    ("Good night.", "GOODBYE"),
    ("What can you help me with?", "MENU_INTRO"),
    ("Am I speaking with a computer?", "IDENTITY"),
    ("How tall is Mount Everest?", "REFUSED"),
    ("What's your favorite movie?", "REFUSED"),
    ("Can you fix my washing machine?", "REFUSED"),
    ("Is my dog allowed to have chocolate?", "REFUSED"),
    ("Should I take ibuprofen or paracetamol?", "REFUSED"),
    ("Do you do breast implants?", "REFUSED"),
    ("What's the score of the football game?", "REFUSED"),
    ("How much does a Tesla cost?", "REFUSED"),
    ("When does the library open?", "REFUSED"),
    ("Do you accept bitcoin?", "REFUSED|paying"),
    ("Are you hiring dental assistants?", "REFUSED"),
    ("Where can I park my boat in Miami?", "REFUSED"),
]
"""Written before the thresholds, but the coverage rule, DESTINATION_SCORE and MISHEARD_LIKENESS were chosen with
these in sight: their figures are too good by some points. FRESH is the one to quote."""

FRESH = [
    ("When can I come by on a Wednesday?", "our opening hours"),
    ("Are you already open at seven thirty?", "our opening hours"),
    ("How long are you in the office today?", "our opening hours"),
    ("At what hour do you shut?", "our opening hours"),
    ("Is Sunday possible?", "weekend hours"),
    ("Do you take patients on Saturdays?", "weekend hours|new patients"),
    ("Will you be open on Easter Monday?", "holidays"),
    ("Do you work on bank holidays?", "holidays"),
    ("Could you give me your location?", "our address"),
    ("Which floor is the practice on?", "our address"),
    ("I'm lost, where exactly are you?", "our address"),
    ("Any chance of a parking space?", "parking"),
    ("Can I drive there and park?", "parking"),
    ("What's the cost of a check-up?", "prices"),
    ("Tell me your rates.", "prices"),
    ("Is a filling very expensive?", "prices"),
    ("Do you work with Aetna?", "insurance"),
    ("Does insurance pay for this?", "insurance"),
    ("Do you only take cash?", "paying"),
    ("Could I pay monthly?", "paying"),
    ("Can you take me on as a patient?", "new patients"),
    ("What do I bring along the first time?", "new patients"),
    ("I need someone to look at my teeth.", "appointments|emergencies"),
    ("Do you have any openings next Tuesday?", "appointments"),
    ("Could I reserve a time?", "appointments"),
    ("I must postpone my appointment.", "changing or cancelling an appointment"),
    ("I want to cancel.", "changing or cancelling an appointment"),
    ("What if I don't turn up?", "changing or cancelling an appointment"),
    ("I think I cracked a molar.", "emergencies"),
    ("My jaw is throbbing.", "emergencies"),
    ("My filling came out this morning.", "emergencies"),
    ("Is my toddler too young for you?", "treating children"),
    ("Do you have somebody for kids?", "treating children"),
    ("Is there a Spanish speaker?", "the languages we speak"),
    ("Who would be treating me?", "our dentists"),
    ("Do you have a homepage?", "our email and website"),
    ("Is there a human I could talk to?", "PERSON *"),
    ("I want to discuss my bill with somebody.", "PERSON billing"),
    ("Operator, please.", "PERSON *"),
    ("Could you have the doctor call me back?", "MESSAGE"),
    ("I'd like to leave word for Doctor Ortiz.", "MESSAGE"),
    ("Right, that was all I needed.", "ANYTHING_ELSE"),
    ("Bye, take care.", "GOODBYE"),
    ("Am I on the phone with a machine?", "IDENTITY"),
    ("Who wrote Hamlet?", "REFUSED"),
    ("Do you repair bicycles?", "REFUSED"),
    ("What's the exchange rate of the euro?", "REFUSED"),
    ("Can you book me a hotel?", "REFUSED"),
    ("How do I get rid of a headache?", "REFUSED"),
    ("Is my passport still valid?", "REFUSED"),
    ("Do you deliver flowers?", "REFUSED"),
    ("How many teeth does a shark have?", "REFUSED"),
]
"""Written after everything was chosen and judged once: 36 right, 6 asked back rightly, 4 wrong. Tuning with these would
make them worthless; write new ones instead."""


def judge(sentence: str, wanted: str) -> str:
    got = meaning(sentence)
    options = wanted.split("|")
    if got in options or (got.startswith("PERSON") and "PERSON *" in options):
        return "right"
    if got.startswith("? "):
        return "asked right" if set(got[2:].split("|")) & set(options) else "asked wrong"
    return "refused" if got == "REFUSED" else "wrong"


def judge_all(table) -> tuple[Counter, str]:
    results = [(judge(sentence, wanted), sentence, wanted) for sentence, wanted in table]
    shown = "\n".join(
        f"{result:12}{sentence}  ({wanted})" for result, sentence, wanted in results if result != "right"
    )
    return Counter(result for result, _, _ in results), shown


def test_known_wordings_are_understood():
    count, shown = judge_all(KNOWN)
    assert count.total() >= 75
    assert count["right"] + count["asked right"] >= 74, shown
    assert count["wrong"] == 0, shown


def test_unseen_wordings_are_understood_or_asked_back():
    count, shown = judge_all(UNSEEN)
    assert count.total() >= 70
    assert count["right"] >= 55, shown
    assert count["right"] + count["asked right"] >= 62, shown
    assert count["wrong"] <= 4, shown


def test_fresh_wordings_are_understood_or_asked_back():
    count, shown = judge_all(FRESH)
    assert count["right"] + count["asked right"] >= 0.75 * len(FRESH), shown
    assert count["wrong"] <= 6, shown


def test_everyday_wordings_are_understood_and_hardly_ever_answered_with_another_fact():
    count, shown = judge_all(EVERYDAY)
    assert count["right"] >= 80, shown
    assert count["right"] + count["asked right"] >= 90, shown
    assert count["wrong"] <= 3, shown


def test_wordings_that_nothing_was_chosen_with_are_never_answered_with_another_fact():
    count, shown = judge_all(HELD_OUT)
    assert count["right"] >= 37, shown
    assert count["right"] + count["asked right"] >= 53, shown
    assert count["wrong"] <= 1, shown


def test_what_no_owner_wrote_is_never_said():
    for sentence, wanted in KNOWN + UNSEEN + FRESH + EVERYDAY + HELD_OUT:
        if wanted == "REFUSED":
            talk = Talk()
            said = talk.say(sentence)
            owned = [fact.answer for fact in talk.agent.facts]
            owned += [
                talk.line(name, topic=talk.state.topic, other=talk.state.other)
                for name in ("off_topic", "offer_message", "clarify", "clarify_either")
            ]
            owned += [talk.line("did_not_understand")]
            for part in owned:
                said = said.replace(part, "")
            assert said.strip() == "", sentence


OFF_TOPIC = [sentence for sentence, wanted in KNOWN + UNSEEN if wanted == "REFUSED"]


def test_off_topic_questions_are_refused_or_asked_back():
    count = Counter(judge(sentence, "REFUSED") for sentence in OFF_TOPIC)
    assert count["right"] >= 15, count
    assert count["wrong"] <= 1, count


@pytest.mark.parametrize(
    "sentence",
    [
        "Goodbye.", "Bye.", "Bye-bye!", "Thanks, bye.", "Okay, thank you, goodbye.", "That's all, thank you, goodbye.",
        "Good night.", "You can hang up now.", "See you tomorrow.",
    ],
)  # fmt: skip
def test_a_clear_goodbye_ends_the_call_at_once(sentence):
    talk = Talk()
    assert talk.say(sentence) == ""
    assert talk.called == "end_call"
    assert talk.arguments["farewell"] == talk.line("goodbye")


@pytest.mark.parametrize(
    "sentence",
    [
        "Okay thanks, that's it I think.", "That's all.", "I think that's everything.", "Nothing else, thank you.",
        "I'm good.", "Alright, I guess that's everything.",
    ],
)  # fmt: skip
def test_a_vague_closing_is_asked_about_first(sentence):
    talk = Talk()
    assert talk.say(sentence) == talk.line("anything_else")
    assert talk.called is None
    talk.say("No.")
    assert talk.called == "end_call"


@pytest.mark.parametrize(
    "sentence",
    [
        "Please don't hang up, I have a question.", "Before you say goodbye, where can I park?",
        "How do I say goodbye in Spanish?", "Is technical support open on Sunday?", "Can I buy a toothbrush?",
    ],
)  # fmt: skip
def test_what_only_sounds_like_a_goodbye_or_a_transfer_does_nothing(sentence):
    talk = Talk()
    talk.say(sentence)
    assert talk.called is None
    assert talk.state.stage != "confirm_transfer"


@pytest.mark.parametrize(
    ("sentence", "topics"),
    [
        ("What are your opening hours, and where are you?", ["our opening hours", "our address"]),
        ("Do you take Delta Dental? And is there parking?", ["insurance", "parking"]),
        ("Are you open on Saturday?", ["weekend hours"]),
        ("Are you open on Tuesday?", ["our opening hours"]),
    ],
)
def test_each_question_of_a_turn_is_answered(sentence, topics):
    talk = Talk()
    assert talk.say(sentence) == " ".join(talk.answer(topic) for topic in topics)


def test_an_answer_is_still_given_before_the_goodbye():
    talk = Talk()
    talk.say("What is your address? Thanks, bye.")
    assert talk.called == "end_call"
    assert talk.arguments["farewell"] == f"{talk.answer('our address')} {talk.line('goodbye')}"


def test_tomorrow_is_looked_up_in_the_calendar():
    talk = Talk()  # it is Friday
    assert talk.say("Are you open tomorrow?") in (
        talk.answer("weekend hours"),
        talk.answer("our opening hours"),
    )


@pytest.mark.parametrize(
    ("heard", "topic"),
    [
        ("Where can I part my car?", "parking"),
        ("The Eutri children,", "treating children"),
        ("Do you take my assurance?", "insurance"),
        ("Do you have barking?", "parking"),
    ],
)
def test_a_word_that_was_misheard_is_asked_about(heard, topic):
    """The recogniser wrote these for "park", "do you treat", "insurance" and "parking"."""
    assert meaning(heard) in (topic, f"? {topic}")


def test_a_very_long_sentence_takes_no_longer():
    import time

    started = time.monotonic()
    for sentence in ("yes " * 5000 + "x", "m" * 5000, "hello okay " * 3000 + "?", "my name is " * 2000):
        Talk().say(sentence)
    assert time.monotonic() - started < 3
