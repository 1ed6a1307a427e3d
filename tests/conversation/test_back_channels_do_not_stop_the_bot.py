"""While the bot speaks, words that ask for something stop it, and speech that goes on; a "yeah, okay" does not."""

import asyncio

import pytest
from pipecat.clocks.system_clock import SystemClock
from pipecat.frames.frames import (
    BotSpeakingFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    UserBackchannelFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.turns.user_start import TranscriptionUserTurnStartStrategy
from pipecat.turns.user_turn_controller import UserTurnController
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.utils.asyncio.task_manager import TaskManager

from conversation.local.dialogue.state import Stage
from conversation.turns import interrupting
from conversation.turns.interrupting import InterruptingUserTurnStartStrategy, without_backchannels
from conversation.turns.strategies import turn_strategies
from tests.brain_talk import receptionist, retriever


class Turns:
    """What became of the frames that a strategy was given."""

    def __init__(self, **kwargs):
        self.begun = self.dropped = 0
        self.pushed = []
        strategy = InterruptingUserTurnStartStrategy(**kwargs)
        self.controller = UserTurnController(
            user_turn_strategies=UserTurnStrategies(
                start=[strategy, TranscriptionUserTurnStartStrategy()], stop=[]
            )
        )
        self.controller.add_event_handler("on_user_turn_started", self._started)
        self.controller.add_event_handler("on_reset_aggregation", self._reset)
        self.controller.add_event_handler("on_push_frame", self._push)

    async def _started(self, *_):
        self.begun += 1

    async def _reset(self, *_):
        self.dropped += 1

    async def _push(self, _controller, frame, *_):
        self.pushed.append(frame)

    async def after_a_turn(self):
        """The caller's turn is over."""
        for strategy in self.controller.user_turn_strategies.start:
            await strategy.handle_user_turn_stopped()

    async def after(self, *frames):
        setup = FrameProcessorSetup(SystemClock(), TaskManager(), None)
        await self.controller.setup(setup)
        for frame in frames:
            if isinstance(frame, float):
                await asyncio.sleep(frame)
            else:
                await self.controller.process_frame(frame)
        return self


SPEECH, SILENCE = VADUserStartedSpeakingFrame(), VADUserStoppedSpeakingFrame()
BOT, BOT_SILENT = BotStartedSpeakingFrame(), BotStoppedSpeakingFrame()


def final(text):
    return TranscriptionFrame(text, "", "", finalized=True)


def interim(text):
    return InterimTranscriptionFrame(text, "", "")


BACKCHANNELS = [
    "Mhm.",
    "Mm-hmm.",
    "Right.",
    "Yeah, okay.",
    "Uh-huh.",
    "I see.",
    "Okay.",
    "Oh, really?",
    "Got it.",
    "Yes.",
]
INTERRUPTIONS = [
    "Stop.", "Wait, what about Sunday?", "Yeah, but what about Sunday?", "No.", "Hello?", "And on Sunday?",
    "Okay, thanks, bye.", "How much is it?", "Operator.", "DTMF: 1",
]  # fmt: skip


@pytest.mark.parametrize("text", BACKCHANNELS)
async def test_a_back_channel_does_not_stop_the_bot_and_is_no_words_of_the_conversation(text):
    turns = await Turns().after(BOT, SPEECH, interim(text), SILENCE, final(text))
    assert (turns.begun, turns.dropped) == (0, 1)
    assert [(type(frame), frame.text) for frame in turns.pushed] == [(UserBackchannelFrame, text)]


@pytest.mark.parametrize("text", INTERRUPTIONS)
@pytest.mark.parametrize("transcript", [interim, final])
async def test_words_that_ask_for_something_stop_the_bot_as_soon_as_they_are_known(text, transcript):
    turns = await Turns().after(BOT, SPEECH, transcript(text))
    assert (turns.begun, turns.dropped) == (1, 0)


@pytest.mark.parametrize("text", BACKCHANNELS + INTERRUPTIONS)
async def test_speech_begins_a_turn_at_once_while_the_bot_is_silent(text):
    assert (await Turns().after(SPEECH)).begun == 1
    assert (await Turns().after(BOT, BOT_SILENT, SPEECH)).begun == 1
    assert (await Turns().after(BOT, BOT_SILENT, final(text))).begun == 1


async def test_a_bot_that_was_heard_to_the_end_is_silent():
    assert (await Turns(unheard=lambda: None).after(BOT, SPEECH)).begun == 1


async def test_speech_that_goes_on_stops_the_bot_without_words(monkeypatch):
    monkeypatch.setattr(interrupting, "LONG_SPEECH_SECS", 0.1)
    assert (await Turns().after(BOT, SPEECH, 0.2)).begun == 1
    assert (await Turns().after(BOT, SPEECH, SILENCE, 0.2)).begun == 0
    assert (await Turns(muted=lambda: True).after(BOT, SPEECH, 0.2)).begun == 0


async def test_a_long_back_channel_leaves_no_words_behind(monkeypatch):
    monkeypatch.setattr(interrupting, "LONG_SPEECH_SECS", 0.05)
    assert (await Turns().after(BOT, SPEECH, 0.1, SILENCE, final("Yeah, okay, I see."))).dropped == 1
    assert (await Turns().after(BOT, SPEECH, 0.1, SILENCE, final("Yeah, where are you?"))).dropped == 0


async def test_a_cough_does_not_take_the_bots_first_words_away():
    assert (await Turns(bot_begins=True, unheard=lambda: None).after(SPEECH, SILENCE)).begun == 0
    assert (
        await Turns(bot_begins=True, unheard=lambda: None).after(SPEECH, SILENCE, final("Hello?"))
    ).begun == 1


async def test_a_caller_who_speaks_on_when_the_answer_begins_had_not_finished():
    turns = Turns()
    await turns.after(SPEECH, final("I'd like"))
    await turns.after_a_turn()
    turns.controller._user_turn = False
    await turns.after(BOT, SPEECH)
    assert turns.begun == 2


async def test_an_early_yes_is_the_answer_to_the_question_that_is_being_asked():
    turns = await Turns(unheard=lambda: "Shall I take a message?").after(BOT, SPEECH, SILENCE, final("Yes."))
    assert turns.begun == 0
    await turns.after(BOT_SILENT)
    assert turns.pushed[-1].text == "Yes." and isinstance(turns.pushed[-1], TranscriptionFrame)
    turns = await Turns(unheard=lambda: "We are open.").after(BOT, SPEECH, SILENCE, final("Yes."), BOT_SILENT)
    assert not any(isinstance(frame, TranscriptionFrame) for frame in turns.pushed)


async def test_a_yes_to_a_question_that_was_heard_is_an_answer_although_the_bot_says_more():
    unheard = ["Was that a yes or a no? Press 1 for yes.", "Press 1 for yes."]
    turns = Turns(unheard=lambda: unheard[0])
    await turns.after(BOT, BotSpeakingFrame())
    unheard.pop(0)
    await turns.after(SPEECH, SILENCE, final("Yes."))
    assert (turns.begun, turns.dropped) == (1, 0)


async def test_an_early_yes_is_taken_as_soon_as_the_question_was_heard():
    unheard = ["Was that a yes or a no? Press 1 for yes.", "Press 1 for yes."]
    turns = Turns(unheard=lambda: unheard[0])
    await turns.after(BOT, SPEECH, SILENCE, final("Yes."))
    assert turns.begun == 0
    unheard.pop(0)
    await turns.after(BotSpeakingFrame())
    assert turns.pushed[-1].text == "Yes." and isinstance(turns.pushed[-1], TranscriptionFrame)


async def test_who_is_speaking_when_the_bot_ends_has_the_word():
    assert (await Turns().after(BOT, SPEECH, BOT_SILENT)).begun == 1


@pytest.mark.parametrize(
    ("text", "stops"),
    [
        ("And they came.", False),
        ("Amend him.", False),
        ("Don't buy.", False),
        ("I don't need that.", True),
        ("Parking?", True),
        ("What about sun.", True),
        ("Billing", True),
    ],
)
async def test_the_local_brain_is_not_stopped_by_words_that_it_could_not_answer(text, stops):
    from conversation.local.brain import LocalBrain

    brain = LocalBrain(receptionist(), retriever=retriever())
    turns = await Turns(understands=brain.understands).after(BOT, SPEECH, SILENCE, final(text))
    assert turns.begun == stops


@pytest.mark.parametrize(("text", "stops"), [("in Ashford", True), ("Don't buy.", False), ("Amend.", False)])
async def test_more_of_a_message_stops_the_bot_that_reads_it_back(text, stops):
    from conversation.local.brain import LocalBrain

    brain = LocalBrain(receptionist(), retriever=retriever())
    brain._state = brain.state.at(Stage.MESSAGE_CONFIRM)
    turns = await Turns(understands=brain.understands).after(BOT, SPEECH, SILENCE, final(text))
    assert turns.begun == stops


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("Yeah, okay. But where?", "but where"),
        ("Right now", "now"),
        ("OK", ""),
        ("¿Dónde está?", "dónde está"),
    ],
)
def test_what_is_left_without_back_channels(text, rest):
    assert without_backchannels(text) == rest


def test_calls_have_the_strategy_and_no_other_that_starts_at_any_speech():
    first, *others = turn_strategies().start
    assert type(first) is InterruptingUserTurnStartStrategy
    assert [type(other) for other in others] == [TranscriptionUserTurnStartStrategy]


TOLD = "How can I help you? We are open until six. On Saturdays we are closed."
ASKED = "We are open until six. Shall I put you through? You can also press 1."


@pytest.mark.parametrize(
    ("said", "text", "dropped"),
    [
        (TOLD, "Okay.", 1),
        (TOLD, "Ah, I see.", 1),
        (TOLD, "Okay, thanks.", 0),
        (TOLD, "Bye.", 0),
        (TOLD, "No.", 0),
        (ASKED, "Okay.", 0),
        ("", "Okay.", 0),
    ],
)
async def test_an_okay_right_behind_what_was_told_needs_no_answer(said, text, dropped):
    turns = Turns(said=lambda: said)
    await turns.after(BOT, BOT_SILENT, SPEECH, SILENCE, final(text))
    assert (turns.begun, turns.dropped) == (1, dropped)


async def test_an_okay_that_begins_in_the_bots_last_word_needs_no_answer():
    turns = await Turns(said=lambda: TOLD).after(BOT, SPEECH, BOT_SILENT, SILENCE, final("Right."))
    assert (turns.begun, turns.dropped) == (1, 1)


async def test_an_okay_after_a_while_is_said_to_the_bot(monkeypatch):
    monkeypatch.setattr(interrupting, "AFTERWARDS_SECS", 0.05)
    turns = await Turns(said=lambda: TOLD).after(BOT, BOT_SILENT, 0.1, SPEECH, SILENCE, final("Okay."))
    assert (turns.begun, turns.dropped) == (1, 0)


async def test_what_a_caller_adds_while_the_answer_is_made_is_theirs():
    turns = Turns(said=lambda: TOLD)
    await turns.after(BOT, BOT_SILENT)
    await turns.after_a_turn()
    await turns.after(SPEECH, SILENCE, final("Okay."))
    assert (turns.begun, turns.dropped) == (1, 0)
