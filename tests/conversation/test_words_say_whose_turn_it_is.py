"""What callers say decides with the sound of it: who only listens, who goes on, who dictates, who asks for a moment."""

import pytest
from pipecat.clocks.system_clock import SystemClock
from pipecat.frames.frames import (
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.utils.asyncio.task_manager import TaskManager

from conversation.heard.context import joined
from conversation.turns import pausing
from conversation.turns.hinted import HintedUserTurnStopStrategy
from conversation.turns.pausing import DICTATING_SECS, MAY_BE_WHOLE_SECS, UNFINISHED_SECS, secs_to_wait
from conversation.turns.strategies import (
    PATIENCE_SECS,
    SilentCaller,
    WholeWordsUserTurnStopStrategy,
    turn_strategies,
)
from conversation.turns.twice import SaidTwice
from conversation.turns.words import languages, plain, turn_words
from tests.conversation.test_pauses_within_a_sentence_are_waited_for import (
    Ends,
    silence,
    speech,
    whole_sentences,
)

ENGLISH = turn_words("en")

SAID = {
    # listens, wants the word, a short answer, breaks off, asks for a moment
    "en": (
        "Mhm, right.",
        "Wait, stop!",
        "No, thanks.",
        "I'm calling because",
        "Hold on, let me get my card.",
    ),
    "es": ("Sí, vale.", "¡Espere!", "No, gracias.", "Llamo porque", "Un momento, por favor."),
    "fr": ("Oui, d'accord.", "Attendez !", "Non merci.", "J'appelle pour", "Un instant, je regarde."),
    "de": ("Ja, genau.", "Moment, stopp!", "Nein danke.", "Ich rufe an, weil", "Einen Augenblick, bitte."),
    "pt": ("Tá bom.", "Espera!", "Não, obrigado.", "Estou ligando para", "Só um minutinho."),
    "it": ("Sì, va bene.", "Aspetti!", "No grazie.", "Chiamo per", "Un attimo, per favore."),
    "nl": ("Ja, precies.", "Wacht!", "Nee, dank u.", "Ik bel omdat", "Een momentje."),
    "pl": ("Tak, rozumiem.", "Nie, proszę!", "Nie, dziękuję.", "Dzwonię, bo", "Chwileczkę, już sprawdzam."),
    "hi": ("हाँ, ठीक है।", "रुकिए!", "जी नहीं।", "मुझे चाहिए और", "एक मिनट रुकिए।"),
}


def test_the_words_of_nine_languages_are_known():
    assert sorted(SAID) == languages()


@pytest.mark.parametrize("language", SAID)
def test_each_language_has_its_words(language):
    words = turn_words(language)
    listens, asks, answer, begins, holds_on = SAID[language]
    assert words.without_backchannels(listens) == ""
    assert words.without_backchannels(asks) and words.asks(plain(asks))
    assert words.is_short_answer(answer)
    assert words.breaks_off(begins) and not words.breaks_off(answer)
    assert words.holds_on(holds_on) and not words.holds_on(answer)


def test_a_language_is_found_by_its_first_letters_and_any_word_stops_the_bot_in_one_without_words():
    assert turn_words("pt-BR").without_backchannels("Tá bom") == ""
    unknown = turn_words("sv")
    assert unknown.without_backchannels("Mhm") == ""
    assert unknown.without_backchannels("Ja") == "ja"
    assert not unknown.is_short_answer("ja")
    assert secs_to_wait("ja och", unknown) == 0


def test_laughter_is_no_word():
    for laugh in ("Ha ha!", "Ha-ha-ha.", "Hahaha", "Ahahah,", "Bahahaha!", "He he he."):
        assert ENGLISH.without_backchannels(laugh) == "", laugh
    for words in ("He came", "Has he", "Aloha", "Hana", "Ohio"):
        assert ENGLISH.without_backchannels(words) == words.lower()


def test_a_cough_is_understood_as_something_else_each_time():
    assert ENGLISH.is_noise("Thank you.", "Egg hunt.")
    assert ENGLISH.is_noise("Behold.", "They had")
    for text, before in [
        ("Thanks.", "Thank"),
        ("Saturday.", "Satur"),
        ("Thank you.", ""),
        ("Stop!", "Talk"),  # of one who may want the word nothing is thrown away
        ("Where can I park?", "Egg hunt."),
    ]:
        assert not ENGLISH.is_noise(text, before), text


def test_a_word_or_two_may_become_others():
    assert ENGLISH.may_change("Mhm, Tuesday") and ENGLISH.may_change("They had")
    assert not ENGLISH.may_change("They had a table") and not ENGLISH.may_change("Wait")


@pytest.mark.parametrize(
    ("said", "was_asked", "secs"),
    [
        ("My number is", False, DICTATING_SECS),
        ("It's five five five", False, DICTATING_SECS),
        ("555", True, DICTATING_SECS),
        ("My name is Smith. That's S M I", False, UNFINISHED_SECS),  # the recogniser's "I" is a word, too
        ("S M", False, DICTATING_SECS),
        ("five five five zero one four three", False, MAY_BE_WHOLE_SECS),
        ("202 555 0143", False, 0),
        ("two zero two, five five five, zero one four three", True, 0),
        ("I have two children", True, 0),
        ("It was in March 1985", True, 0),
        ("1985", False, 0),
        ("12", False, 0),
        ("4711", True, MAY_BE_WHOLE_SECS),
        ("4 7 1", True, DICTATING_SECS),
        ("um five five five", False, DICTATING_SECS),
        ("Can I come at 5", False, 0),
        ("In room 305", False, 0),
        ("Anna", True, 0),
        ("Well, um", False, UNFINISHED_SECS),
        ("Is it 555?", True, 0),
        ("", False, 0),
    ],
)
def test_who_dictates_is_waited_for_and_who_has_said_all_is_not(said, was_asked, secs):
    assert secs_to_wait(said, ENGLISH, was_asked=was_asked) == secs


def test_the_bots_question_tells_what_is_wanted():
    assert ENGLISH.asks_for_dictation("Thank you. What number can they reach you on?")
    assert not ENGLISH.asks_for_dictation("I have your number. Anything else?")
    assert ENGLISH.asks_for_number("On what number are you? You may say it, or key it in and press hash.")
    assert ENGLISH.asks_for_number("I have four seven one so far. What comes next?")
    assert ENGLISH.asks_for_letters("Could you spell that?")
    assert not ENGLISH.asks_for_number("What is the code of your order? It is a number with a letter.")
    assert not ENGLISH.asks_for_letters("What number can they reach you on?")


async def test_a_number_with_pauses_is_one_turn(monkeypatch):
    monkeypatch.setattr(pausing, "DICTATING_SECS", 0.6)
    ends = whole_sentences()
    assert await ends.after(speech, silence, "My number is", 0.3, speech, silence, "202", 0.3) == 0
    assert await ends.after(speech, silence, "555", 0.3, speech, silence, "0143") == 1


async def test_a_whole_number_ends_the_turn_at_once():
    short = Ends(WholeWordsUserTurnStopStrategy())
    assert await short.after(speech, silence, "202 555 0143") == 1


def hint():
    return ProposedUserStoppedSpeakingFrame()


def no_hint():
    return ProposedUserStartedSpeakingFrame()


class TestRecognisersThatHearTheEndOfATurn:
    async def test_are_believed_whether_the_hint_comes_before_its_words_or_behind_them(self):
        assert await Ends(HintedUserTurnStopStrategy()).after(speech, silence, "Where can I park?", hint) == 1
        assert await Ends(HintedUserTurnStopStrategy()).after(speech, silence, hint, "Where can I park?") == 1

    async def test_are_not_where_there_are_no_words_or_the_caller_goes_on(self):
        assert await Ends(HintedUserTurnStopStrategy()).after(speech, silence, hint) == 0
        ends = Ends(HintedUserTurnStopStrategy())
        assert await ends.after(speech, hint, no_hint, "Where can I") == 0

    async def test_are_not_in_the_middle_of_a_number(self, monkeypatch):
        monkeypatch.setattr(pausing, "DICTATING_SECS", 0.3)
        ends = Ends(HintedUserTurnStopStrategy())
        assert await ends.after(speech, silence, "My number is", hint) == 0
        assert await ends.after(0.4) == 1

    async def test_are_asked_on_every_call(self):
        strategies = turn_strategies().stop
        assert any(strategy.resolves_proposed_turn_stop_frames for strategy in strategies)
        for strategy in strategies:
            await strategy.setup(FrameProcessorSetup(SystemClock(), TaskManager(), None))
            await strategy.cleanup()


class TestWordsThatComeTwice:
    def said(self):
        now = [0.0]
        return SaidTwice(clock=lambda: now[0]), now

    def test_count_once(self):
        twice, now = self.said()
        assert not twice.is_repeated("I would like to come on Friday")
        assert twice.is_repeated("I would like to come on Friday.")
        now[0] = 2.0
        assert twice.is_repeated("i would like to come on friday")

    def test_count_once_when_they_come_in_parts_and_then_whole(self):
        twice, _ = self.said()
        assert not twice.is_repeated("I would like")
        assert not twice.is_repeated("to come on Friday")
        assert twice.is_repeated("I would like to come on Friday.")

    def test_count_again_when_they_were_said_again(self):
        twice, now = self.said()
        assert not twice.is_repeated("Yes.")
        twice.speech_began()
        assert not twice.is_repeated("Yes.")
        now[0] = 10.0
        assert not twice.is_repeated("Yes.")

    @pytest.mark.parametrize("digit", ["five", "5", "cinq", "fünf"])
    def test_count_again_where_they_are_digits(self, digit):
        twice, _ = self.said()
        assert [twice.is_repeated(digit) for _ in range(3)] == [False, False, False]


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([user("I'd like to come"), user("on Friday.")], [user("I'd like to come on Friday.")]),
        ([user("Hi."), assistant("Yes?"), user("on Friday.")], None),
        ([user("DTMF: 1"), user("on Friday.")], None),
        ([user("One."), user("DTMF: 1")], None),
        ([user("on Friday.")], None),
        ([user("Hi."), {"role": "developer", "content": "Go on."}], None),
        ([user([{"type": "text", "text": "Hi."}]), user("you")], None),
    ],
)
def test_what_follows_a_pause_is_one_message_with_what_came_before_it(before, after):
    assert joined(before) == (after or before)


class OfAnAgent:
    """As much of a session as the guard of silent callers needs."""

    def __init__(self, silence_secs=8, language="en"):
        self.agent = self
        self.limits = self
        self.silence_secs = silence_secs
        self.language = language


def test_who_asks_for_a_moment_gets_it():
    caller = SilentCaller(OfAnAgent())
    assert caller.secs == 8
    caller.heard("Hold on a second, please.")
    assert caller.secs == PATIENCE_SECS == 45
    caller.heard("Here it is.")
    assert caller.secs == 8
    spanish = SilentCaller(OfAnAgent(silence_secs=60, language="es-MX"))
    spanish.heard("Un momento.")
    assert spanish.secs == 60


@pytest.mark.parametrize(
    ("text", "was_asked", "dictating"),
    [
        ("Yes, it is.", False, False),
        ("It is.", True, True),
        ("Yes, it is.", True, False),
        ("Yes, my number is", True, True),
        ("My number is", False, True),
        ("Two o two, five five five, o one four four.", True, False),
        ("Five o five", True, True),
        ("M, o, r, o.", True, True),
        ("J, O.", True, True),
    ],
)
def test_an_answer_and_a_whole_number_are_no_beginning(text, was_asked, dictating):
    assert turn_words("en").is_dictating(text, was_asked=was_asked) == dictating
