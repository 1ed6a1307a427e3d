"""A pause in the middle of a sentence does not end the caller's turn, and a turn without words ends soon."""

import asyncio
import time
from types import SimpleNamespace

import pytest
from pipecat.audio.turn.base_turn_analyzer import BaseTurnAnalyzer, EndOfTurnState
from pipecat.clocks.system_clock import SystemClock
from pipecat.frames.frames import (
    STTMetadataFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_turn_controller import UserTurnController
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.utils.asyncio.task_manager import TaskManager

from conversation.language.utterance import breaks_off, clauses
from conversation.turns import pausing, strategies
from conversation.turns.pausing import (
    MAY_BE_WHOLE_SECS,
    WholeSentenceUserTurnStopStrategy,
    WordlessUserTurnStopStrategy,
    secs_to_wait,
)
from conversation.turns.strategies import WholeWordsUserTurnStopStrategy, turn_strategies
from tests.brain_talk import Talk


class AlwaysComplete(BaseTurnAnalyzer):
    """Takes every pause for the end of a turn."""

    speech_triggered = False
    params = None

    def append_audio(self, buffer, is_speech):
        return EndOfTurnState.INCOMPLETE

    async def analyze_end_of_turn(self):
        return EndOfTurnState.COMPLETE, None

    def clear(self):
        pass


class Ends:
    """Counts the ends of turns."""

    def __init__(self, *stop):
        self.count = 0
        self.controller = UserTurnController(
            user_turn_strategies=UserTurnStrategies(start=[VADUserTurnStartStrategy()], stop=list(stop))
        )
        self.controller.add_event_handler("on_user_turn_stopped", self._stopped)

    async def _stopped(self, *_):
        self.count += 1

    async def after(self, *steps):
        await self.controller.setup(FrameProcessorSetup(SystemClock(), TaskManager(), None))
        for step in steps:
            if isinstance(step, float):
                await asyncio.sleep(step)
            elif isinstance(step, str):
                await self.controller.process_frame(TranscriptionFrame(step, "", "", finalized=True))
            else:
                await self.controller.process_frame(step())
        return self.count


def speech():
    return VADUserStartedSpeakingFrame(start_secs=0.1)


def silence():
    return VADUserStoppedSpeakingFrame(stop_secs=0.2, timestamp=time.time())


def quick_ears():
    return STTMetadataFrame(service_name="ears", ttfs_p99_latency=0.3)


def whole_sentences():
    return Ends(WholeSentenceUserTurnStopStrategy(turn_analyzer=AlwaysComplete()))


@pytest.mark.parametrize(
    "text",
    [
        "I would like to", "I'd like to.", "Can you tell me if", "Do you", "I have a question about", "My name is",
        "I was calling because my", "Um,", "Well...", "Please tell them that I", "Where can I", "It's for the",
    ],
)  # fmt: skip
def test_a_sentence_breaks_off(text):
    assert breaks_off(text)


@pytest.mark.parametrize(
    "text",
    [
        "Where are you?", "That's all I need.", "Call me as soon as you can.", "I think so.", "Who is it for?", "Yes.",
        "What are your opening hours", "I need a new dentist.", "Please call me.", "My name is John.", "",
    ],
)  # fmt: skip
def test_a_sentence_is_whole(text):
    assert not breaks_off(text)


@pytest.mark.parametrize(
    "text", ["Can you tell me?", "I have a question.", "Hello, I wanted to ask.", "Do you know?"]
)
def test_words_that_only_announce_a_question_are_not_whole(text):
    assert breaks_off(text)


def test_what_a_pause_has_cut_is_one_sentence():
    assert clauses("I would like to. Make an appointment. Where are you?") == [
        "I would like to Make an appointment.",
        "Where are you?",
    ]
    assert clauses("Can you tell me? Where I can park.") == ["Can you tell me Where I can park."]


@pytest.mark.parametrize(
    "text",
    ["We are at 9 Station Road.", "Send it to forty one Old Mill Lane", "My address is 305 Lake Avenue."],
)
def test_behind_a_street_and_its_number_a_town_may_follow(text):
    assert secs_to_wait(text) == MAY_BE_WHOLE_SECS


@pytest.mark.parametrize(
    "text", ["Are you at 9 Station Road?", "The shop is in Station Road.", "Is 9 in the street? No."]
)
def test_a_street_alone_is_not_waited_for(text):
    assert secs_to_wait(text) < MAY_BE_WHOLE_SECS


async def test_a_whole_sentence_ends_the_turn_at_once():
    assert await whole_sentences().after(speech, silence, "Where can I park?") == 1


async def test_a_sentence_that_breaks_off_is_waited_for():
    ends = whole_sentences()
    assert await ends.after(speech, silence, "I would like to", 0.7) == 0
    assert await ends.after(speech, silence, "make an appointment.") == 1


async def test_who_does_not_go_on_is_answered_after_a_while(monkeypatch):
    monkeypatch.setattr(pausing, "UNFINISHED_SECS", 0.5)
    assert await whole_sentences().after(speech, silence, "I would like to", 0.1) == 0
    assert await whole_sentences().after(speech, silence, "I would like to", 0.6) == 1


@pytest.mark.parametrize("by", ["its melody", "its words"])
async def test_a_courtesy_is_waited_for_a_little_as_the_matter_often_follows(by, monkeypatch):
    monkeypatch.setattr(pausing, "COURTESY_SECS", 0.5)

    def ends():
        return whole_sentences() if by == "its melody" else Ends(WholeWordsUserTurnStopStrategy())

    waits = ends()
    assert await waits.after(speech, silence, "Thank you.", 0.1) == 0
    assert await waits.after(0.4) == 1
    goes_on = ends()
    assert await goes_on.after(speech, silence, "Thank you,", 0.05, speech, 0.6) == 0
    assert await goes_on.after(silence, "goodbye.") == 1


@pytest.mark.parametrize(
    ("text", "secs"),
    [("Good morning.", pausing.GREETING_SECS), ("Thank you.", pausing.COURTESY_SECS), ("Hello?", 0.0)],
)
def test_behind_a_greeting_the_matter_is_waited_for(text, secs):
    assert pausing.secs_to_wait(text) == secs


@pytest.mark.parametrize("text", ["No,", "Great. By,"])
async def test_a_short_answer_with_a_comma_behind_it_is_waited_for_a_little(text, monkeypatch):
    monkeypatch.setattr(pausing, "COURTESY_SECS", 0.6)
    ends = Ends(WholeWordsUserTurnStopStrategy())
    assert await ends.after(speech, silence, text, 0.1) == 0
    assert await ends.after(0.6) == 1


@pytest.mark.parametrize("text", ["Yes.", "No, thank you.", "Thank you, goodbye.", "That's all, thanks."])
async def test_an_answer_and_a_goodbye_are_no_mere_courtesy(text):
    assert await Ends(WholeWordsUserTurnStopStrategy()).after(speech, silence, text) == 1


@pytest.mark.parametrize(
    ("text", "secs"),
    [("What are your opening hours?", "QUESTION_SECS"), ("I would like an appointment.", "WHOLE_SECS")],
)
async def test_a_whole_sentence_whose_melody_goes_on_ends_the_turn_after_a_pause(text, secs, monkeypatch):
    monkeypatch.setattr(pausing, secs, 0.5)
    ends = Ends(WholeWordsUserTurnStopStrategy())
    assert await ends.after(speech, silence, text, 0.1) == 0
    assert await ends.after(0.6) == 1
    goes_on = Ends(WholeWordsUserTurnStopStrategy())
    assert await goes_on.after(speech, silence, text, 0.1, speech, 0.6) == 0


async def test_a_turn_that_goes_on_for_ever_ends_with_its_words(monkeypatch):
    monkeypatch.setattr(strategies, "LONGEST_TURN_SECS", 0.4)
    ends = Ends(WholeWordsUserTurnStopStrategy())
    going_on = (silence, "With strong winds in the", speech)
    assert await ends.after(speech, *going_on, *going_on) == 0
    assert await ends.after(0.5, *going_on) == 1


@pytest.mark.parametrize("text", ["I would like to.", "My number is two oh two.", "I'd like", "It is, um."])
async def test_what_is_not_whole_is_left_to_others(text, monkeypatch):
    monkeypatch.setattr(pausing, "WHOLE_SECS", 0.1)
    assert await Ends(WholeWordsUserTurnStopStrategy()).after(speech, silence, text, 0.4) == 0


@pytest.mark.parametrize(
    "text", ["Wonderful. Have a nice day.", "No, that was everything, goodbye.", "Bye now."]
)
async def test_behind_a_goodbye_nothing_is_waited_for(text):
    assert await Ends(WholeWordsUserTurnStopStrategy()).after(speech, silence, text) == 1


async def test_a_turn_without_words_ends_when_none_can_come_anymore(monkeypatch):
    monkeypatch.setattr(pausing, "WORDS_LATE_SECS", 0.5)
    wordless = Ends(WordlessUserTurnStopStrategy())
    assert await wordless.after(quick_ears, speech, silence, 0.3) == 0
    assert await wordless.after(0.6) == 1


async def test_a_turn_with_words_is_left_to_others():
    assert await Ends(WordlessUserTurnStopStrategy()).after(quick_ears, speech, silence, "I", 0.9) == 0
    assert await Ends(WordlessUserTurnStopStrategy()).after(quick_ears, speech, silence, speech, 0.9) == 0


def test_every_call_waits_so():
    stops = {type(strategy) for strategy in turn_strategies().stop}
    assert {WholeSentenceUserTurnStopStrategy, WordlessUserTurnStopStrategy} <= stops


def test_words_that_are_not_understood_are_not_asked_about_in_a_breath():
    talk = Talk()
    assert talk.say("The blue one there") == talk.line("did_not_understand")
    assert talk.reply.hesitant and talk.reply.fragment


def test_a_message_is_not_read_back_into_a_breath():
    talk = Talk()
    for words in ("I'd like to leave a message.", "Anna Miller", "Yes.", "My crown fell out."):
        talk.say(words)
    assert "My crown fell out." in talk.reply.text
    assert talk.reply.hesitant


@pytest.mark.parametrize(
    ("text", "secs"),
    [
        ("Louise Carter.", pausing.OWN_WORDS_SECS),
        ("I left a scarf on the chair.", pausing.OWN_WORDS_SECS),
        ("Where do they send it?", 0.0),
        ("Yes.", 0.0),
        ("Never mind, goodbye.", 0.0),
        ("The one in the", pausing.UNFINISHED_SECS),
    ],
)
def test_who_was_asked_for_words_of_their_own_may_think(text, secs):
    assert pausing.secs_to_wait(text, in_own_words=True) == secs


@pytest.mark.parametrize(
    ("said", "asks"),
    [
        ("Of course. May I have your name?", True),
        ("Thank you. What would you like me to pass on?", True),
        ("What should I tell them?", True),
        ("Shall I take a message?", False),
        ("We are open until six. Is there anything else I can help with?", False),
    ],
)
def test_a_question_asks_for_words_of_the_callers_own(said, asks):
    assert pausing.english().asks_for_words(said) == asks


@pytest.mark.parametrize(
    ("text", "tells"),
    [
        ("My filling came out on Sunday.", True),
        ("Hello. My boiler makes a strange noise.", True),
        ("I would like to make an appointment.", False),
        ("My filling came out. Can you help?", False),
        ("Yes, I will be there.", False),
        ("What do you charge.", False),
        ("Tuesday.", False),
        ("My filling came out", False),
    ],
)
def test_behind_what_is_only_told_the_question_is_waited_for(text, tells):
    assert pausing.english().only_tells(text) == tells
    assert (pausing.secs_to_wait(text) == pausing.TELLING_SECS) == tells


async def test_behind_a_lone_no_the_rest_is_waited_for_a_little(monkeypatch):
    monkeypatch.setattr(pausing, "COURTESY_SECS", 0.5)
    ends = Ends(WholeWordsUserTurnStopStrategy())
    assert await ends.after(speech, silence, "Nope.", 0.1) == 0
    assert await ends.after(0.4) == 1
    goes_on = Ends(WholeWordsUserTurnStopStrategy())
    assert await goes_on.after(speech, silence, "No.", 0.1, speech, 0.5) == 0
    assert await goes_on.after(silence, "That is all, goodbye.") == 1


@pytest.mark.parametrize(
    "text", ["Do you have a, what do you call it?", "I lost my, how do you say.", "It is the, what was it?"]
)
def test_who_looks_for_a_word_goes_on(text):
    assert pausing.secs_to_wait(text) == pausing.UNFINISHED_SECS


def test_every_call_knows_whether_words_of_their_own_were_asked_for():
    session = SimpleNamespace(
        agent=SimpleNamespace(language="en"),
        playout=SimpleNamespace(said_lately="Whom may I announce? May I have your name?"),
    )
    waiting = [one for one in turn_strategies(session).stop if hasattr(one, "_in_own_words")]
    assert len(waiting) == 3 and all(one._in_own_words() for one in waiting)


@pytest.mark.parametrize(
    ("text", "secs"),
    [
        ("Opening hours,", pausing.WHOLE_SECS),
        ("Walter Reed,", pausing.WHOLE_SECS),
        ("Well,", pausing.UNFINISHED_SECS),
        ("And my,", pausing.UNFINISHED_SECS),
        ("When my tooth hurts,", pausing.UNFINISHED_SECS),
    ],
)
def test_a_comma_behind_a_word_or_two_is_not_the_middle_of_a_sentence(text, secs):
    assert pausing.secs_to_wait(text) == secs


@pytest.mark.parametrize(
    ("text", "breaks"),
    [
        ("Please tell me where you are.", False),
        ("I don't know who they are.", False),
        ("I was asking what that is.", False),
        ("We are.", True),
        ("The shops there are.", True),
    ],
)
def test_a_sentence_may_end_with_where_you_are(text, breaks):
    assert breaks_off(text) == breaks
