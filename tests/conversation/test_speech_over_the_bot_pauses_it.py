"""Speech over the bot pauses it at once; words, silence and time decide whether the caller has the word."""

import asyncio
import time

import numpy as np
import pytest
from pipecat.frames.frames import (
    TranscriptionFrame,
    UserBackchannelFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)

from conversation.local.speech import NoWordsFrame
from conversation.playout import Chunk, Playout
from conversation.turns import interrupting
from conversation.turns.echo import ALIKE, repeats, resemblance
from conversation.turns.word_beginnings import word_begins
from serializers.kept import BACK_SECS
from tests.conversation.test_back_channels_do_not_stop_the_bot import BOT, BOT_SILENT, Turns, final, interim


class PausedVoice:
    """A voice that notes what is done to it."""

    def __init__(self, *, own: list[bool] | bool = False, said: str = ""):
        self.is_held = False
        self.done = []
        self.is_soft = []
        self.learned = 0
        self.own = own
        self.said = said

    async def hold(self):
        if self.is_held:
            return False
        self.is_held = True
        self.done.append("hold")
        return True

    async def go_on(self):
        if self.is_held:
            self.is_held = False
            self.done.append("go on")

    def hears_itself(self):
        if isinstance(self.own, list):
            return self.own.pop(0) if len(self.own) > 1 else self.own[0]
        return self.own

    def hears_nobody(self):
        return self.is_soft.pop(0) if self.is_soft else self.hears_itself()

    def caller_has_spoken(self):
        self.learned += 1

    def has_said(self, text, *, sounded_own):
        return sounded_own and repeats(text, self.said)


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    monkeypatch.setattr(interrupting, "NO_WORDS_SECS", 0.3)
    monkeypatch.setattr(interrupting, "LONG_SPEECH_SECS", 0.4)
    monkeypatch.setattr(interrupting, "ECHO_LOOK_SECS", 0.03)


def speech():
    return VADUserStartedSpeakingFrame(start_secs=0.1)


def silence():
    return VADUserStoppedSpeakingFrame(stop_secs=0.2, timestamp=time.time())


async def test_speech_pauses_the_bot_before_any_word_is_known():
    voice = PausedVoice()
    turns = await Turns(voice=voice).after(BOT, speech())
    assert (voice.done, turns.begun) == (["hold"], 0)


async def test_a_back_channel_lets_it_go_on_without_a_turn():
    voice = PausedVoice()
    turns = await Turns(voice=voice).after(BOT, speech(), silence(), final("Right."))
    assert (voice.done, turns.begun, turns.dropped) == (["hold", "go on"], 0, 1)
    assert isinstance(turns.pushed[0], UserBackchannelFrame)


async def test_a_back_channel_that_is_known_early_is_over_with_its_sound():
    voice = PausedVoice()
    await Turns(voice=voice).after(BOT, speech(), interim("Mhm"))
    assert voice.done == ["hold"]
    voice = PausedVoice()
    await Turns(voice=voice).after(BOT, speech(), interim("Mhm"), silence())
    assert voice.done == ["hold", "go on"]


async def test_a_cough_lets_it_go_on_after_a_while():
    voice = PausedVoice()
    turns = await Turns(voice=voice).after(BOT, speech(), silence(), 0.02)
    assert voice.done == ["hold"]
    await turns.after(0.2)
    assert (voice.done, turns.begun) == (["hold", "go on"], 0)


@pytest.mark.parametrize("words", [interim, final])
async def test_words_that_ask_for_something_are_the_callers_turn(words):
    voice = PausedVoice()
    turns = await Turns(voice=voice).after(BOT, speech(), words("Wait, stop"), 0.4)
    assert (voice.done, turns.begun) == (["hold"], 1)


async def test_how_loud_the_caller_is_is_learned_from_words_and_from_no_mere_sound():
    voice = PausedVoice()
    await Turns(voice=voice).after(BOT, speech(), silence(), final("And what does it cost?"))
    assert voice.learned == 1
    voice = PausedVoice()
    turns = await Turns(voice=voice).after(BOT, speech(), 0.5, silence())
    assert voice.learned == 0
    await turns.after(final("And what does it cost?"))
    assert voice.learned == 1


async def test_speech_that_goes_on_is_the_callers_turn_and_one_that_begins_again_is_waited_for():
    voice = PausedVoice()
    turns = await Turns(voice=voice).after(BOT, speech(), 0.5)
    assert (voice.done, turns.begun) == (["hold"], 1)
    voice = PausedVoice()
    turns = await Turns(voice=voice).after(BOT, speech(), silence(), 0.05, speech(), 0.15)
    assert (voice.done, turns.begun) == (["hold"], 0)


async def test_words_that_the_bot_could_not_answer_let_it_go_on_but_not_the_rest_of_the_callers_own_sentence():
    def not_understood(_text):
        return False

    voice = PausedVoice()
    turns = await Turns(voice=voice, understands=not_understood).after(
        BOT, speech(), silence(), final("And they came.")
    )
    assert (voice.done, turns.begun) == (["hold", "go on"], 0)
    voice = PausedVoice()
    turns = Turns(voice=voice, understands=not_understood)
    turns.controller._user_turn = True
    await turns.after_a_turn()
    turns.controller._user_turn = False
    await turns.after(BOT, speech(), silence(), final("on the third."))
    assert (voice.done, turns.begun) == (["hold"], 1)


async def test_a_promise_is_not_paused():
    voice = PausedVoice()
    turns = await Turns(voice=voice, muted=lambda: True).after(BOT, speech(), 0.5)
    assert (voice.done, turns.begun) == ([], 0)


async def test_a_bot_that_promises_something_while_it_is_paused_goes_on():
    voice, muted = PausedVoice(), []
    turns = await Turns(voice=voice, muted=lambda: bool(muted)).after(BOT, speech())
    muted.append(True)
    await turns.after(0.5)
    assert (voice.done, turns.begun) == (["hold", "go on"], 0)


async def test_a_yes_at_the_end_of_a_question_is_its_answer():
    voice = PausedVoice()
    question = {"unheard": lambda: "Shall I take a message?", "unheard_secs": lambda: 0.6}
    turns = await Turns(voice=voice, **question).after(BOT, speech(), silence(), final("Yes."))
    assert (turns.begun, turns.dropped) == (1, 0)


async def test_a_yes_in_the_middle_of_a_question_waits_for_its_end():
    voice = PausedVoice()
    question = {"unheard": lambda: "Shall I take a message?", "unheard_secs": lambda: 3.0}
    turns = await Turns(voice=voice, **question).after(BOT, speech(), silence(), final("Yes."))
    assert (voice.done, turns.begun) == (["hold", "go on"], 0)
    await turns.after(BOT_SILENT)
    assert isinstance(turns.pushed[-1], TranscriptionFrame)


async def test_the_end_of_the_bots_words_decides_nothing_while_they_are_held_back():
    voice = PausedVoice()
    turns = await Turns(voice=voice).after(BOT, speech(), BOT_SILENT, silence(), final("Okay."))
    assert (voice.done, turns.begun) == (["hold", "go on"], 0)


SAID = "We are open Monday to Friday from eight in the morning until six."


async def test_its_own_voice_does_not_pause_the_bot_and_its_words_are_nobodys():
    voice = PausedVoice(own=True, said=SAID)
    turns = await Turns(voice=voice).after(
        BOT, speech(), interim("we are open"), 0.6, silence(), final("We're open Monday to fry day")
    )
    assert (voice.done, turns.begun, turns.dropped) == ([], 0, 1)


async def test_its_own_voice_that_comes_when_it_has_ended_begins_no_turn():
    voice = PausedVoice(own=True, said=SAID)
    turns = await Turns(voice=voice).after(BOT, BOT_SILENT, speech(), silence(), final("until six"))
    assert (turns.begun, turns.dropped) == (0, 1)


async def test_a_caller_who_speaks_over_it_is_heard_behind_its_own_voice():
    voice = PausedVoice(own=[True, True, False, False, False])
    turns = await Turns(voice=voice).after(BOT, speech(), 0.2)
    assert voice.done == ["hold"]
    await turns.after(final("Stop, please."))
    assert turns.begun == 1


async def test_words_of_its_own_voice_are_nobodys_however_they_were_misheard_and_late(monkeypatch):
    monkeypatch.setattr(interrupting, "ECHO_TAIL_SECS", 0.1)
    voice = PausedVoice(own=True, said=SAID)
    turns = await Turns(voice=voice).after(
        BOT, speech(), interim("You are a pen"), 0.1, BOT_SILENT, silence(), 0.3, final("Hour oven man day.")
    )
    assert (voice.done, turns.begun, turns.dropped) == ([], 0, 1)


async def test_words_that_come_without_a_sound_of_their_own_are_the_callers():
    voice = PausedVoice(own=True, said=SAID)
    turns = await Turns(voice=voice).after(BOT, speech(), silence())
    turns.controller.user_turn_strategies.start[0]._speech_ended -= interrupting.LATE_WORDS_SECS
    await turns.after(final("Can I come on Sunday?"))
    assert turns.begun == 1


async def test_who_is_gone_lets_it_go_on_though_there_is_speech_behind_them():
    voice = PausedVoice(own=[False, False, True])
    turns = await Turns(voice=voice).after(BOT, speech(), 0.3)
    assert (voice.done, turns.begun) == (["hold", "go on"], 0)


async def test_a_word_or_two_of_an_early_transcript_are_waited_for():
    voice = PausedVoice()
    turns = await Turns(voice=voice).after(BOT, speech(), interim("A hoof"), 0.1)
    assert (voice.done, turns.begun) == (["hold"], 0)
    await turns.after(silence(), final("Behold."))
    assert (voice.done, turns.begun) == (["hold", "go on"], 0)
    voice = PausedVoice()
    turns = await Turns(voice=voice).after(BOT, speech(), interim("Tuesday"), silence(), final("Tuesday?"))
    assert turns.begun == 1


async def test_mere_courtesy_lets_it_go_on():
    voice = PausedVoice()
    turns = await Turns(voice=voice).after(BOT, speech(), silence(), final("Thank you."))
    assert (voice.done, turns.begun) == (["hold", "go on"], 0)
    voice = PausedVoice()
    turns = await Turns(voice=voice).after(BOT, speech(), silence(), final("Thank you, goodbye."))
    assert turns.begun == 1


async def test_a_word_that_begins_softly_pauses_it_when_it_is_loud():
    voice = PausedVoice()
    voice.is_soft = [True, False]
    turns = await Turns(voice=voice).after(BOT, speech(), 0.08)
    assert (voice.done, turns.begun) == (["hold"], 0)


async def test_who_is_heard_behind_the_caller_does_not_take_their_answer_away():
    voice = PausedVoice()
    voice.is_soft = [True]
    turns = Turns(voice=voice)
    await turns.after_a_turn()
    await turns.after(speech())
    assert turns.begun == 0
    await turns.after(final("And on Sunday?"))
    assert turns.begun == 1


async def test_a_listener_may_take_longer(monkeypatch):
    monkeypatch.setattr(interrupting, "LONG_LISTENING_SECS", 1.0)
    voice = PausedVoice()
    turns = await Turns(voice=voice).after(BOT, speech(), interim("Yeah, okay"), 0.6)
    assert (voice.done, turns.begun) == (["hold"], 0)
    await turns.after(0.6)
    assert turns.begun == 1


async def test_a_yes_after_the_bots_question_is_no_echo_of_it():
    voice = PausedVoice(own=False, said="Please say yes or no.")
    turns = await Turns(voice=voice).after(BOT, BOT_SILENT, speech(), silence(), final("Yes."))
    assert turns.begun == 1


def voice_like(seed: int, secs: float = 2.0) -> np.ndarray:
    """A sound with the ups and downs of speech: harmonics of a pitch that glides, in syllables."""
    random = np.random.default_rng(seed)
    times = np.arange(round(secs * 8000)) / 8000
    pitch = 120 + 40 * np.interp(
        times, np.arange(0, secs + 1, 0.2), random.normal(size=len(np.arange(0, secs + 1, 0.2)))
    )
    phase = 2 * np.pi * np.cumsum(pitch) / 8000
    tone = sum(random.normal() * np.sin(k * phase + random.uniform(0, 6)) / k**0.5 for k in range(1, 20))
    return 3000 * tone * (0.2 + np.abs(np.sin(2 * np.pi * 2.3 * times + random.uniform(0, 6))))


def test_an_echo_is_like_what_was_played_and_another_voice_is_not():
    noise = np.random.default_rng(9).normal(0, 20, 16000)
    bot, other = voice_like(1), voice_like(2)
    for late in (0.05, 0.15, 0.4, 0.7):
        came = np.concatenate([np.zeros(round(late * 8000)), bot])[:16000] * 10 ** (-15 / 20) + noise
        assert resemblance(came[-2400:], bot[-8800:]) > ALIKE
    assert resemblance(other[-2400:], bot[-8800:]) < ALIKE
    assert resemblance(noise[-2400:], bot[-8800:]) < ALIKE
    assert resemblance(np.zeros(2400), bot[-8800:]) == resemblance(bot[:0], bot) == 0.0
    assert resemblance(bot[-2400:], np.zeros(8800)) == 0.0


@pytest.mark.parametrize(
    ("text", "is_own"),
    [
        ("We are open Monday", True),
        ("monday two Friday from ate in the morning", True),
        ("until six", True),
        ("What about Sunday?", False),
        ("stop stop I want to ask something else", False),
        ("", False),
    ],
)
def test_words_are_the_bots_but_for_a_recognisers_mistakes(text, is_own):
    assert repeats(text, SAID) == is_own


RATE = 8000


def words(*lengths: float, gap: float = 0.1) -> np.ndarray:
    """Words of these lengths in seconds, each of a pitch of its own, with a silence behind each."""
    parts = []
    for place, secs in enumerate(lengths):
        times = np.arange(round(secs * RATE)) / RATE
        parts += [8000 * np.sin(2 * np.pi * (300 + 100 * place) * times), np.zeros(round(gap * RATE))]
    return np.concatenate(parts).astype("<i2")


class TestAWordBegins:
    def test_behind_the_last_silence(self):
        said = words(0.3, 0.5)
        cut = said[: round(0.65 * RATE)]  # a quarter of a second into the second word
        assert word_begins(cut.tobytes(), RATE) == pytest.approx(0.25, abs=0.06)

    def test_where_it_is_cut_in_a_silence(self):
        assert word_begins(words(0.3, 0.5).tobytes(), RATE) == 0.0

    def test_with_the_first_sound_of_a_short_sentence(self):
        assert word_begins(words(0.5, gap=0).tobytes(), RATE) == pytest.approx(0.5)

    def test_no_further_back_than_a_second_in_speech_without_silence(self):
        assert 0 < word_begins(words(3.0, gap=0).tobytes(), RATE) <= BACK_SECS

    def test_nowhere_in_nothing(self):
        assert word_begins(b"", RATE) == 0.0


class TestPlayout:
    def playing(self):
        now = [100.0]
        playout = Playout(clock=lambda: now[0])
        playout.spoke(2.0)
        first = playout.say(Chunk("We are open from nine to six."))
        playout.audio_sent(2.0)
        playout.sent(first)
        return playout, first, now

    def test_marks_of_what_was_taken_back_mean_nothing_until_they_are_sent_again(self):
        playout, first, now = self.playing()
        now[0] += 0.8
        (again,) = playout.taken_back([first])
        assert again != first
        assert playout.returned(first) == ()
        assert playout.has_unheard
        now[0] += 1.0
        playout.goes_on(0.3)
        playout.audio_sent(0.3 + 1.2)
        playout.sent(again)
        assert playout.played_until == pytest.approx(now[0] + 1.5)
        (chunk,) = playout.returned(again)
        assert chunk.heard == "We are open from nine to six."

    def test_an_interruption_during_a_pause_finds_what_was_heard_before_it(self):
        playout, first, now = self.playing()
        now[0] += 1.0
        playout.taken_back([first])
        now[0] += 5.0
        (chunk,) = playout.cleared()
        assert chunk.heard == "We are open"

    def test_what_was_on_its_way_when_the_bot_was_paused_counts_once(self):
        playout, first, now = self.playing()
        now[0] += 1.0
        playout.taken_back([first])
        playout.audio_sent(0.1)
        assert playout.sent_secs == pytest.approx(1.0)

    def test_what_was_said_last_is_known_through_an_interruption(self):
        playout, first, now = self.playing()
        playout.returned(first)
        playout.spoke(1.0)
        playout.say(Chunk("What is your number?"))
        playout.audio_sent(1.0)
        now[0] += 10
        playout.cleared()
        assert playout.said_lately == "We are open from nine to six. What is your number?"
        assert playout.secs_into_word() is None

    def test_a_voice_that_times_its_words_tells_where_the_last_one_began(self):
        now = [0.0]
        playout = Playout(clock=lambda: now[0])
        playout.spoke(2.0)
        playout.say(Chunk("We are open.", words=((0.0, "We"), (0.4, "We are"), (0.9, "We are open."))))
        playout.audio_sent(2.0)
        now[0] = 0.7
        assert playout.secs_into_word() == pytest.approx(0.3)
        assert Playout().secs_into_word() is None

    async def test_who_waits_for_a_mark_waits_on_while_the_bot_is_paused(self):
        playout = Playout()
        mark = playout.expect()
        waits = asyncio.create_task(playout.heard(mark, send_secs=2, return_secs=0.1))
        await asyncio.sleep(0.02)
        playout.sent(mark)
        (again,) = playout.taken_back([mark])
        await asyncio.sleep(0.2)
        assert not waits.done()
        playout.goes_on(0.0)
        playout.sent(again)
        playout.returned(again)
        assert await waits


@pytest.mark.parametrize(
    "text", ["Ahem.", "I have.", "And that's so.", "Ta-cha-cha-cha-cha!", "Sha sha sha.", "It's", "Hem, hem."]
)
async def test_what_is_made_of_a_throat_or_a_laugh_lets_it_go_on(text):
    voice = PausedVoice()
    turns = await Turns(voice=voice).after(BOT, speech(), 0.05, silence(), final(text))
    assert (voice.done, turns.begun, turns.dropped) == (["hold", "go on"], 0, 1)


async def test_a_few_words_that_began_as_quite_others_are_a_noise():
    voice = PausedVoice()
    turns = await Turns(voice=voice).after(
        BOT, speech(), interim("Thank you."), silence(), final("Cow on sky.")
    )
    assert (voice.done, turns.begun) == (["hold", "go on"], 0)


@pytest.mark.parametrize(
    ("early", "text"),
    [
        ("To Maura.", "Tomorrow I cannot come."),
        ("Weight.", "Wait, which street?"),
        ("Cover.", "What about children?"),
    ],
)
async def test_words_that_go_on_as_they_began_or_ask_are_the_callers_turn(early, text):
    turns = await Turns(voice=PausedVoice()).after(BOT, speech(), interim(early), silence(), final(text))
    assert turns.begun == 1


async def test_the_rest_of_the_callers_own_sentence_may_be_of_little_words():
    turns = Turns(voice=PausedVoice())
    await turns.after_a_turn()
    await turns.after(BOT, speech(), silence(), final("I have."))
    assert turns.begun == 1


async def test_a_bot_that_begins_while_somebody_speaks_is_silent_when_it_is_the_caller():
    voice = PausedVoice()
    turns = Turns(voice=voice)
    await turns.after_a_turn()
    voice.is_soft = [True]  # it begins softly, and the caller's turn is over
    await turns.after(speech(), BOT)
    assert (voice.done, turns.begun) == (["hold"], 0)
    await turns.after(silence(), final("and on the fourth"))
    assert turns.begun == 1


async def test_a_bot_that_begins_behind_the_callers_last_word_speaks():
    voice = PausedVoice()
    turns = Turns(voice=voice)
    await turns.after_a_turn()
    voice.is_soft = [True, True]
    await turns.after(speech(), silence(), BOT, 0.1)
    assert (voice.done, turns.begun) == ([], 0)


async def test_it_goes_on_as_soon_as_a_recogniser_has_found_no_words():
    voice = PausedVoice()
    turns = await Turns(voice=voice).after(BOT, speech(), silence(), NoWordsFrame())
    assert (voice.done, turns.begun) == (["hold", "go on"], 0)
    speaks_on = PausedVoice()
    await Turns(voice=speaks_on).after(BOT, speech(), silence(), speech(), NoWordsFrame())
    assert speaks_on.done == ["hold"]
