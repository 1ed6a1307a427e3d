"""Talks are judged by the line: what a caller would call good and bad comes out differently."""

import pytest

from talks.agent_facts import AgentFacts
from talks.evidence import Event, Message
from talks.format import Echo, Line, Stored, Turn
from talks.results import below, figures, last_line, written
from talks.scoring import score
from tests.phone_talks.made_up import evidence, say

HOURS = "We are open Monday to Friday from eight in the morning until six in the evening."
REST = "Friday from eight in the morning until six in the evening."
PARKING = "There is free parking behind the building. The entrance is on Mill Street."
FACTS = AgentFacts({"hours": HOURS, "parking": PARKING})
ASKED = say("What are your opening hours?", kind="question", topics=["hours"])


def lines(made_up):
    return score(made_up, FACTS).lines


def answered(text, heard=None, understood="What are your opening hours?", **more):
    parts = [(3000, 7000, text if heard is None else heard)]
    return evidence(
        (ASKED, (1000, 2400)),
        bot=[(3000, 7000)],
        heard=parts,
        said=[(2900, text)],
        understood=[(2500, understood)],
        **more,
    )


# Answers


def test_a_right_answer_is_relevant_and_another_fact_is_a_wrong_one():
    (right,) = lines(answered(HOURS))
    assert (right.relevant, right.wrong_fact) == (True, False)
    (wrong,) = lines(answered(PARKING))
    assert (wrong.relevant, wrong.wrong_fact) == (False, True)
    (neither,) = lines(answered("Sorry, what was that?"))
    assert (neither.relevant, neither.wrong_fact) == (False, False)


def test_what_the_recogniser_writes_in_figures_is_the_same():
    (line,) = lines(
        answered(HOURS, heard="We're open Monday to Friday from 8 in the morning until 6 in the evening.")
    )
    assert line.relevant


def test_a_bot_that_writes_what_nobody_heard_is_not_believed():
    (line,) = lines(answered(HOURS, heard="crackle"))
    assert line.relevant is False


def test_a_bot_is_believed_where_the_ear_errs_in_a_word():
    turn = say("Who is there?", answered=["doctor chen"])
    heard = "Our dentist is Dr. Jen, who is here every day of the week."
    said = "Our dentist is Doctor Chen, who is here every day of the week."
    (line,) = lines(
        evidence((turn, (0, 900)), bot=[(1500, 4000)], heard=[(1500, 4000, heard)], said=[(1400, said)])
    )
    assert line.relevant


@pytest.mark.parametrize(
    "answer, right", [("Sorry, I don't know that.", True), (PARKING, False), ("", False)]
)
def test_off_topic_no_fact_is_right_and_neither_is_silence(answer, right):
    turn = say("Who won?", kind="off-topic", topics=["none"])
    sound = [(1500, 4000)] if answer else []
    (line,) = lines(evidence((turn, (0, 900)), bot=sound, said=[(1400, answer)] if answer else []))
    assert line.relevant is right
    assert line.off_topic and line.wrong_fact is (answer == PARKING)


def test_two_questions_need_both_answers():
    turn = say("When, and where?", answered_all=["until six", "mill street"])
    both = evidence((turn, (0, 900)), bot=[(1500, 9000)], said=[(1400, f"{HOURS} {PARKING}")])
    one = evidence((turn, (0, 900)), bot=[(1500, 9000)], said=[(1400, HOURS)])
    assert [lines(made_up)[0].relevant for made_up in (both, one)] == [True, False]


def test_turns_that_nobody_came_to_have_no_answer():
    first, lost = lines(answered(HOURS, left=[say("And parking?", topics=["parking"])]))
    assert (first.relevant, lost.relevant) == (True, False)


# Words


def test_words_are_counted_one_by_one():
    (line,) = lines(answered(HOURS, understood="What are your hopping towers?"))
    assert (line.words, line.words_understood) == (5, 3)


def test_a_lost_beginning_is_a_clipped_line():
    (whole,) = lines(answered(HOURS))
    (cut,) = lines(answered(HOURS, understood="are your opening hours?"))
    assert (whole.clipped, cut.clipped) == (False, True)


@pytest.mark.parametrize("understood, heard", [([(2600, "Yes.")], True), ([], False)])
def test_a_lone_word_is_heard_or_not(understood, heard):
    turn = say("Yes.", kind="one-word")
    (line,) = lines(evidence((turn, (2000, 2300)), understood=understood))
    assert line.one_word_heard is heard


def test_a_lone_word_was_not_heard_by_a_bot_that_asks_again():
    turn = say("Yes.", kind="one-word", answered=["your name"])
    made_up = evidence(
        (turn, (2000, 2300)),
        bot=[(3000, 4000)],
        said=[(2900, "Sorry, what?")],
        understood=[(2600, "Yes.")],
    )
    assert lines(made_up)[0].one_word_heard is False


def test_pieces_of_a_number_are_understood_together_and_answered_once():
    first, second = say("two zero two"), say("five five five", then=1.2, answered=["message"])
    one, two = lines(
        evidence(
            (first, (1000, 2000)),
            (second, (3200, 4200)),
            bot=[(5000, 6000)],
            said=[(4900, "And the message?")],
            understood=[(4400, "202 555")],
        )
    )
    assert (one.words_understood, two.words_understood) == (3, 3)
    assert (one.response_ms, two.response_ms) == (None, 800)
    assert two.relevant and one.dead_air is None


# Times


def test_the_response_is_from_the_last_sound_to_the_first():
    (line,) = lines(answered(HOURS))
    assert (line.response_ms, line.dead_air, line.over) == (600, False, False)


def test_nothing_for_a_long_time_is_dead_air():
    late = evidence((ASKED, (1000, 2400)), bot=[(7000, 9000)], said=[(6900, HOURS)])
    never = evidence((ASKED, (1000, 2400)))
    assert [lines(made_up)[0].dead_air for made_up in (late, never)] == [True, True]
    assert lines(never)[0].response_ms is None


def test_silence_is_the_answer_to_a_telephone_that_has_the_bot_wait():
    waits = say("Please wait while I ring them.", kind="screening")
    asks = say("Who is calling?", kind="screening", answered=["willow"])
    found = [lines(evidence((turn, (1000, 2400))))[0].dead_air for turn in (waits, asks)]
    assert found == [None, True]


def test_a_bot_that_speaks_into_a_pause_talks_over_the_caller():
    turn = say("My number is <1.2> two zero two")
    polite = evidence((turn, (1000, 5000)), bot=[(5600, 7000)])
    over = evidence((turn, (1000, 5000)), bot=[(2500, 4000)])
    assert [lines(made_up)[0].over for made_up in (polite, over)] == [False, True]


def test_a_goodbye_that_is_talked_over_may_go_on():
    turn = say("And thank you for your help.", kind="over-goodbye", into=0.5, answered=["good ?bye"])
    said = [(1400, "Thank you for calling. Goodbye.")]
    bye = evidence(
        (say("Bye."), (0, 500)), (turn, (2000, 5000)), bot=[(1500, 5500)], said=said, ends="goodbye"
    )
    assert (lines(bye)[1].over, lines(bye)[1].words, score(bye, FACTS).ended_well) == (None, 0, True)
    assert lines(bye)[1].relevant


def test_a_barge_in_silences_the_bot_or_not():
    turn = say("Stop, please.", kind="barge-in", into=1.0, stops=True, answered=["yes"])
    before = say("Hours?")
    quick = evidence(
        (before, (0, 500)), (turn, (3000, 4200)), bot=[(1000, 3300), (5000, 6000)],
        heard=[(1000, 3300, "We are"), (5000, 6000, "Yes?")],
    )  # fmt: skip
    deaf = evidence(
        (before, (0, 500)), (turn, (3000, 4200)), bot=[(1000, 6500), (7000, 8000)],
        heard=[(1000, 6500, "We are"), (7000, 8000, "Yes?")],
    )  # fmt: skip
    assert [(line.silenced_ms, line.relevant, line.over) for line in (lines(quick)[1], lines(deaf)[1])] == [
        (300, True, False),
        (3500, False, False),
    ]
    longer = say("Stop, please, I have another question.", into=1.0, stops=True)
    assert lines(evidence((before, (0, 500)), (longer, (3000, 6000)), bot=[(1000, 5900)]))[1].over


# Backchannels


def backchannel(bot, heard, said, understood=()):
    turn = say("Mhm.", kind="backchannel", into=1.0, keeps_talking=True)
    after = say("Thank you.")
    made_up = evidence(
        (ASKED, (1000, 2400)),
        (turn, (4000, 4400)),
        (after, (15000, 15500)),
        bot=bot,
        heard=heard,
        said=said,
        understood=[(2500, "What are your opening hours?"), *understood],
    )
    return lines(made_up)[1]


def test_a_bot_that_goes_on_was_not_interrupted():
    went_on = backchannel([(3000, 7000)], [(3000, 7000, HOURS)], [(2900, HOURS)])
    assert went_on.interrupted is False
    paused = backchannel(
        [(3000, 4100), (5200, 8000)],
        [
            (3000, 4100, "We are open Monday to"),
            (5200, 8000, REST),
        ],
        [(2900, HOURS)],
    )
    assert paused.interrupted is False


def test_a_bot_that_stops_goes_on_late_or_answers_was_interrupted():
    stopped = backchannel([(3000, 4100)], [(3000, 4100, "We are open Monday to")], [(2900, HOURS)])
    late = backchannel(
        [(3000, 4100), (7500, 9000)],
        [
            (3000, 4100, "We are open Monday to"),
            (7500, 9000, REST),
        ],
        [(2900, HOURS)],
    )
    answered_it = backchannel(
        [(3000, 7000), (8000, 9000)],
        [(3000, 7000, HOURS), (8000, 9000, "Sorry, what can I do for you?")],
        [(2900, HOURS), (7900, "Sorry, what can I do for you?")],
        understood=[(4700, "Mhm.")],
    )
    assert [line.interrupted for line in (stopped, late, answered_it)] == [True, True, True]


def test_an_end_that_the_ear_mishears_counts_only_where_the_carrier_has_told_that_it_was_played():
    turn = say("Mhm.", kind="backchannel", into=1.0, keeps_talking=True)
    misheard = "We are open Monday to Friday for May in the morning until sick in heavenly."

    def interrupted(heard, played):
        made_up = evidence(
            (ASKED, (1000, 2400)),
            (turn, (4000, 4400)),
            (say("Thank you."), (15000, 15500)),
            bot=[(3000, 7000)],
            heard=[(3000, 7000, heard)],
            said=[(2900, HOURS)],
            understood=[(2500, "What are your opening hours?")],
        )
        made_up.events = [*made_up.events, Event("bot_heard", 7200, {"text": played})]
        return lines(made_up)[1].interrupted

    assert interrupted(misheard, HOURS) is False
    assert interrupted(misheard, "We are open Monday to Friday") is True
    assert interrupted("We are open Monday to", HOURS) is True


def test_an_answer_goes_on_after_a_backchannel_and_the_next_one():
    turn = say("Mhm.", kind="backchannel", into=1.0, keeps_talking=True)
    parts = [(3000, 4100, "We are open Monday to"), (5200, 8000, REST)]
    made_up = evidence(
        (ASKED, (1000, 2400)),
        (turn, (4000, 4400)),
        (turn, (6000, 6300)),
        (say("Thank you."), (12000, 12500)),
        bot=[(start, end) for start, end, _ in parts],
        heard=parts,
        said=[(2900, HOURS)],
        understood=[(2500, "What are your opening hours?")],
    )
    answer, first, second, _ = lines(made_up)
    assert (answer.relevant, first.interrupted, second.interrupted) == (True, False, False)
    made_up.heard = parts[:1]
    assert [line.interrupted for line in lines(made_up)[1:3]] == [True, True]


def test_a_backchannel_into_silence_is_not_judged():
    assert backchannel([(5000, 7000)], [(5000, 7000, HOURS)], [(4900, HOURS)]).interrupted is None


def test_a_bot_that_answers_its_own_echo_was_interrupted():
    line = Line(echo=Echo())
    fine = answered(HOURS, line=line)
    own = answered(HOURS, line=line)
    own.events = [*own.events, *evidence(understood=[(4200, "We are open")]).events]
    assert [lines(made_up)[0].interrupted for made_up in (fine, own)] == [False, True]
    assert lines(answered(HOURS))[0].interrupted is None


# Silence


def test_hold_on_is_waited_for():
    turn = say("Hold on.", kind="hold", waits=10.0)
    short = evidence((turn, (1000, 1500)), bot=[(2000, 3000)], said=[(1900, "Of course.")])
    pushy = evidence((turn, (1000, 1500)), bot=[(7000, 8000)], said=[(6900, "Are you still there?")])
    assert [lines(made_up)[0].relevant for made_up in (short, pushy)] == [True, False]


def test_a_silent_caller_is_asked():
    turn = Turn(kind="silence", silence=9.0, answered=["still there"])
    asked = evidence((turn, (1000, 1000)), bot=[(9000, 10000)], said=[(8900, "Are you still there?")])
    assert [lines(made_up)[0].relevant for made_up in (asked, evidence((turn, (1000, 1000))))] == [
        True,
        False,
    ]


# Ends and messages


def end(ends, **more):
    bye = say("Bye.")
    return score(evidence((bye, (1000, 1300)), ends=ends, **more), FACTS).ended_well


def test_a_goodbye_is_said_by_the_bot_which_then_hangs_up():
    goodbye = {"bot": [(2000, 3000)], "said": [(1900, "Thank you, goodbye.")]}
    assert end("goodbye", **goodbye, ended_by="bot") is True
    assert end("goodbye", **goodbye, ended_by="caller") is False
    assert end("goodbye", bot=[(2000, 3000)], said=[(1900, "Thank you.")], ended_by="bot") is False
    assert end("goodbye", **goodbye, ended_by="bot", left=[say("Wait!")]) is False
    assert end("open") is None


def test_a_transfer_ends_with_a_person():
    assert end("transfer:desk", destinations=["desk"], people=[(4000, 9000)]) is True
    assert end("transfer:desk", destinations=["desk"]) is False
    assert end("transfer:desk", destinations=["billing"], people=[(4000, 9000)]) is False


WANTED = Stored(name="Ann Miller", number="2025550143", words=["crown"])


@pytest.mark.parametrize(
    "messages, right",
    [
        ([Message("Anne Millar", "+1 202 555 0143", "About my crown, please.")], True),
        ([Message("back", "+1 202 555 0143", "About my crown, please.")], False),
        ([Message("Ann Miller", "2025550134", "About my crown, please.")], False),
        ([Message("Ann Miller", "2025550143", "Please call.")], False),
        ([Message("Ann Miller", "2025550143", "My crown.")] * 2, False),
        ([], False),
    ],
)
def test_the_message_is_the_one_that_was_left(messages, right):
    assert score(evidence(stored=WANTED, messages=messages), FACTS).messages_right is right


def test_a_message_that_nobody_left_is_wrong():
    found = [Message("Ann", "1", "x")]
    assert score(evidence(messages=found), FACTS).messages_right is False
    assert score(evidence(stored=Stored(nothing=True), messages=found), FACTS).messages_right is False
    assert score(evidence(stored=Stored(nothing=True)), FACTS).messages_right is True
    assert score(evidence(), FACTS).messages_right is None


# All of them together


def test_figures_are_shares_of_what_was_judged():
    scores = [score(made_up, FACTS) for made_up in (answered(HOURS), answered(PARKING), answered("What?"))]
    found = figures(scores)
    assert (found["talks"], found["lines"], found["relevant"]) == (3, 3, 0.333)
    assert (found["wrong_facts"], found["response_p50_ms"], found["one_word_heard"]) == (0.333, 600, None)
    assert list(last_line(found)) == [
        *("talks", "lines", "relevant", "ended_well", "messages_right", "one_word_heard"),
        *("false_interruptions", "over_caller", "response_p50_ms", "response_p90_ms", "wrong_facts"),
    ]
    assert "a wrong fact (parking)" in written(scores)


def test_off_topic_wrong_facts_are_told_apart():
    turn = say("Who won?", kind="off-topic", topics=["none"])
    wrong = evidence((turn, (0, 900)), bot=[(1500, 4000)], said=[(1400, PARKING)])
    found = figures([score(made_up, FACTS) for made_up in (answered(HOURS), wrong)])
    assert (found["wrong_facts"], found["wrong_facts_off_topic"]) == (0, 1)


def test_the_floor_says_what_is_below_it():
    found = figures([score(answered(PARKING), FACTS)])
    assert below(found, {"relevant": 0.0, "response_p90_ms": 700}) == []
    assert below(found, {"relevant": 0.5, "response_p90_ms": 500, "one_word_heard": 0.9}) == [
        "relevant is 0, and must be 0.5 at least",
        "response_p90_ms is 600, and may be 500 at most",
        "one_word_heard was not measured: no talk has it",
    ]
