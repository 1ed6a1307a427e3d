"""The guard against dead air: it knows when the bot owes the caller words, and when none were audible for too long.

The processors of a session report to it: whose turn it is, that the model was asked, what the voice was given, and how
much of it was sent to the line. From that it knows, for any cause, when something must be heard, and why nothing is. It
does nothing itself (`conversation/dead_air/rescue.py` does) and knows no frames, so it can be tested on a clock of its
own.

It is the bot's turn from when the model was asked, or the bot began to speak unasked, until its last word was played
and nothing is under way that would bring another. What the guard itself has said does not count as an answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from conversation.agents.tables import DeadAir as Limits
from conversation.dead_air.answers import Answers
from conversation.dead_air.causes import Cause, Firing, Stage
from conversation.dead_air.voice_watch import VoiceWatch
from conversation.playout import Playout

EMPTY_SECS = 0.25
"""How long after the end of a reply without words the service may still report the error behind it."""

MAX_WAYS_ON = 2
"""After this many ways on in a row, without an answer between them, the fallback follows."""

SPEECH_SECS = 0.7
"""Speech this long that brings no words is not a cough: the recogniser does not hear the caller. As the detector has
it, which knows 0.1 s late that speech begins, and 0.2 s late that it ends: "can you hear me now" is 0.8 s."""

OTHERS_SECS = 0.4
"""How long after a turn without words another part may still ask the model, before this guard acts."""

TRAILING_SECS = 1.0
"""How long after a voice has failed the sound that it gave before may still be on its way."""

LONGEST_SPEECH_SECS = 15.0
"""Sound that lasts longer than this without a pause is a noise, and no speech."""


class DeadAir:
    """Follows whose turn it is, and whether anything is heard in the bot's."""

    def __init__(
        self,
        limits: Limits,
        playout: Playout,
        *,
        first_audio_secs: float = 3.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start before the first turn, when neither side owes the other words.

        Args:
            limits: After how many seconds of silence the bot says what.
            playout: What was sent to the line, by the same clock.
            first_audio_secs: How long the voice may be silent that was asked to speak.
            clock: Tells the time in seconds.
        """
        self._limits = limits
        self._playout = playout
        self._clock = clock
        self._voice = VoiceWatch(first_audio_secs, clock)
        # The bot's turn
        self._due: float | None = None
        self._stage = Stage.NONE
        self._ways_on = 0
        self._fault: Cause | None = None
        self._retried = self._wants_retry = self._hopeless = False
        self._may_be_silent = False
        self._asked_since_turn = False
        # What is under way
        self._asked = False
        self._reply_has_words = self._reply_has_tools = False
        self._empty_at: float | None = None
        self._answers = Answers(clock)
        self._tools: set[str] = set()
        self._broke_off_at: float | None = None
        # The line: positions in seconds of speech, as in `Playout`
        self._answer_ends = 0.0
        self._answer_sent = 0.0
        self._audible_until = 0.0
        # The caller
        self._turn = False
        self._speaking_since: float | None = None
        self._sounded_secs = self._spoken_secs = 0.0
        self._cut_off_at: float | None = None
        self._unheard_at: float | None = None
        self._unheard_turns = 0
        self._recogniser_failed = False
        self._last_words = clock()

    # The bot's turn

    def bots_turn(self) -> None:
        """The bot has begun to say something of its own: a greeting, a notice."""
        if self._due is None:
            self._begin(self._clock())

    def asked(self) -> None:
        """The model was asked."""
        self._asked = self._asked_since_turn = True
        self._reply_has_words = self._reply_has_tools = False
        self._empty_at = self._cut_off_at = self._unheard_at = None
        if not self._hopeless:
            self._fault = None
        self.bots_turn()

    def may_be_silent(self) -> None:
        """The model need not say anything now: it has pressed keys and listens to what comes of it."""
        self._may_be_silent = True

    def reply_has_words(self, words: str = "") -> None:
        """The model has said something; it is on its way to the voice."""
        self._reply_has_words = True
        self.voice_was_given(words)

    def answer_began(self) -> None:
        """A model that hears by itself has begun to answer: words of the caller may come later than that."""
        self._answers.began()

    def answer_is_spoken(self) -> None:
        """What such a model says comes as sound: its words are none that a voice is given."""
        self._reply_has_words = True

    def reply_ended(self) -> None:
        """The model has said all."""
        self._answers.ended()
        if self._asked:
            self._asked = False
            if self._reply_has_words:
                self.voice_was_asked()
            elif not self._reply_has_tools:
                self._empty_at = self._clock()

    def tools_began(self, ids: Iterable[str]) -> None:
        """Tools are at work."""
        self._reply_has_tools = True
        self._tools.update(ids)
        self.bots_turn()

    def tool_ended(self, tool_id: str) -> None:
        """A tool is done, or was stopped."""
        self._tools.discard(tool_id)

    def failed(self, cause: Cause, *, for_good: bool = False, tried_again: bool = False) -> None:
        """A service has reported an error.

        Args:
            cause: Which one.
            for_good: Whether it will not work again in this call.
            tried_again: Whether it was asked for the same once more.
        """
        if cause.is_recogniser:
            self._recogniser_failed = True
            return
        broke_off = cause.is_voice and self._voice.broke_off
        if self._due is None:
            if self._turn or (cause.is_voice and not broke_off):
                return  # the caller has the word, and the words that went before were heard
            self._begin(max(self._clock(), self._playout.played_until))
        if cause.is_voice and not (self._voice.is_busy or broke_off or for_good or tried_again):
            return  # it has said all that it was given
        self._fault, self._empty_at = cause, None
        if cause.is_voice:
            self._broke_off_at = self._clock()
            self._voice.failed(for_good=for_good or tried_again)
        else:
            self._asked = False
            self._hopeless = self._hopeless or for_good or self._retried
            self._wants_retry = not self._hopeless

    def take_retry(self) -> bool:
        """Whether the model should be asked again now; it says so once a turn."""
        if not self._wants_retry or self._turn:
            return False
        self._wants_retry, self._retried = False, True
        return True

    # The voice and the line

    @property
    def has_words_again(self) -> bool:
        """Whether the voice should be given something once more."""
        return bool(self._voice.words_again) and not self._turn

    def take_words_again(self) -> str:
        """What the voice should be given once more, as it has failed before its first sound; it says so once."""
        if not self.has_words_again:
            return ""
        self._broke_off_at = None
        return self._voice.take_words_again()

    def voice_was_given(self, words: str = "") -> None:
        """The voice was given something to say; the rest of the sentence may still be to come."""
        self._voice.was_given(words)

    def voice_was_asked(self) -> None:
        """The voice has a whole sentence: the time to its first sound counts from here."""
        self._voice.was_asked()

    def voice_gave(self, *, own: bool) -> None:
        """The voice gave sound, which is on its way to the line. The call to `Playout.spoke` came before.

        Args:
            own: Whether it is the guard's own sentence, which is no answer.
        """
        self._voice.gave()
        trails = self._broke_off_at is not None and self._clock() - self._broke_off_at < TRAILING_SECS
        if self._fault is not None and self._fault.is_voice and not trails:
            self._fault = None
        if not own:
            self._answer_ends = self._playout.said_secs

    def voice_reports_a_fault(self) -> None:
        """The voice has reported a fault; `failed` follows, when it was looked at."""
        self._voice.reports_a_fault()

    def voice_is_gone(self) -> None:
        """The voice will give no sound any more in this call, whosever turn it is."""
        self._voice.failed(for_good=True)

    def service_changed(self, *, voice: bool) -> None:
        """Another service goes on for one that has failed: it has the time that the first one had.

        Args:
            voice: Whether it is the voice.
        """
        self._fault = None
        if voice:
            self._voice.changed()

    def begins_anew(self) -> None:
        """Another service was given what the caller waits for: silence counts anew from here."""
        if self._due is not None:
            self._due, self._stage = self._clock(), Stage.NONE

    def voice_ended(self) -> None:
        """The voice has said what it was given."""
        self._voice.ended()

    def cleared(self) -> None:
        """The line was emptied by a barge-in, and positions begin anew."""
        self._answer_ends = self._answer_sent = 0.0
        self._audible_until = min(self._audible_until, self._clock())

    # The caller

    def caller_began(self) -> None:
        """The caller's turn has begun."""
        self._cut_off_at = self._clock() if self._due is not None and self._fault is None else None
        self._turn, self._asked_since_turn = True, False
        self._due = self._unheard_at = None

    def caller_stopped(self) -> None:
        """The caller's turn is over; a call of `caller_said_...` follows and says whether it had words."""
        self._turn = False

    def caller_said_something(self, *, wants_answer: bool = True) -> None:
        """There were words in the turn that is over.

        Args:
            wants_answer: Whether it is the bot's turn now; not when the caller leaves a message.
        """
        self.caller_was_understood()
        self._turn, self._cut_off_at = False, None
        if wants_answer and not self._asked_since_turn:
            self._begin(self._clock())

    def caller_spoke(self) -> bool:
        """Words have come from a model that hears by itself and says nothing of turns.

        Returns:
            Whether they are a turn of the caller's that is to be answered, and not what is being answered already.
        """
        self.caller_was_understood()
        if self._answers.take_words:
            return False
        self.caller_began()
        self.caller_stopped()
        return True

    def caller_said_nothing(self) -> None:
        """There were no words in the turn that is over: it was a noise, or the recogniser does not hear."""
        now = self._clock()
        self._turn = False
        spoken, self._spoken_secs = self._spoken_secs, 0.0
        if self._asked_since_turn:
            return
        if self._cut_off_at is not None:
            self._cut_off_at = now  # the model was at work: it must be asked again
        elif self._recogniser_failed or spoken >= SPEECH_SECS:
            self._unheard_at = now

    def interrupted(self) -> None:
        """What was under way was stopped by the caller: by a turn or by a key."""
        self._asked = False
        self._empty_at = None
        self._answers.broken_off()
        self._voice.stopped()

    def caller_speaks(self) -> None:
        """There is a voice on the line, or a noise."""
        if self._speaking_since is None:
            self._speaking_since, self._sounded_secs = self._clock(), 0.0

    def caller_sounds(self, secs: float) -> None:
        """Sound has come in from the line; what a line held back comes at once, and was spoken all the same."""
        self._sounded_secs += secs

    def caller_pauses(self) -> None:
        """There is no voice or noise on the line any more."""
        if self._speaking_since is not None:
            self._spoken_secs += self._sounded_secs or self._clock() - self._speaking_since
            self._speaking_since = None

    def caller_was_understood(self) -> None:
        """The caller's speech was recognised, or the caller pressed a key."""
        self._last_words = self._clock()
        self._spoken_secs = 0.0
        self._unheard_turns, self._recogniser_failed = 0, False

    def key_pressed(self) -> None:
        """A key was pressed; until the row of keys is complete the caller has the word."""
        self.caller_was_understood()
        self._due = self._cut_off_at = self._unheard_at = None

    # What follows

    def look(self) -> Firing | None:
        """What must be heard now, if anything. To be asked a few times a second."""
        now = self._clock()
        self._follow(now)
        if self._has_the_word(now):
            return None
        if self._unheard_at is not None and now - self._unheard_at >= OTHERS_SECS:
            return self._unheard(now)
        if self._due is None or (self._may_be_silent and not self.voice_is_lost):
            return None
        if self._empty_at is not None:
            return None  # the reason follows in a moment
        secs = now - max(self._due, self._audible_until)
        stage = self._reached(secs) if secs >= 0 else Stage.NONE
        if stage <= self._stage or (stage is not Stage.FALLBACK and self._voice.has_the_word):
            return None
        self._stage = stage
        if stage is Stage.WAY_ON:
            self._ways_on += 1
            if self._ways_on > MAX_WAYS_ON:
                self._stage = Stage.FALLBACK
        return Firing(self._stage, self.cause(), secs)

    def waited_for_caller_secs(self) -> float:
        """For how long the caller has said nothing in their own turn; 0 while it is not theirs."""
        now = self._clock()
        self._follow(now)
        if self._due is not None or self._busy or self._has_the_word(now):
            return 0.0
        return max(0.0, now - max(self._last_words, self._playout.played_until))

    def hold(self) -> None:
        """Another part sees to the caller now; silence counts anew from the end of that."""
        now = self._clock()
        self._follow(now)
        self._unheard_at = None
        if self._due is not None:
            self._due, self._stage = now, Stage.NONE

    def gave_up(self) -> None:
        """The fallback was begun; silence counts anew from here, and the model is not waited for any more."""
        self._due = None
        self._asked = False
        self._stage, self._ways_on = Stage.NONE, 0

    def cause(self) -> Cause:
        """Why nothing is heard, as far as it is known now."""
        if self._voice.is_silent or (self._voice.is_asked and self._fault is None):
            return Cause.VOICE_SILENT
        if self._tools and not self._voice.has_failed_twice:
            return Cause.TOOL_SLOW
        if self._fault is not None:
            return self._fault
        return Cause.MODEL_STALLED if self._asked else Cause.UNKNOWN

    @property
    def has_tools_at_work(self) -> bool:
        """Whether a tool is at work."""
        return bool(self._tools)

    @property
    def is_at_work(self) -> bool:
        """Whether the bot owes words that the voice has not given yet."""
        self._follow(self._clock())
        return self._busy or self._due is not None

    @property
    def caller_has_the_word(self) -> bool:
        """Whether the caller has the word, or seems to."""
        return self._has_the_word(self._clock())

    @property
    def voice_is_lost(self) -> bool:
        """Whether the voice has failed twice in a row, or was asked to speak and has been silent for too long."""
        return self._voice.is_lost

    def _has_the_word(self, now: float) -> bool:
        """Whether the caller has the word, or seems to."""
        since = self._speaking_since
        return self._turn or (since is not None and now - since < LONGEST_SPEECH_SECS)

    def _unheard(self, now: float) -> Firing:
        spoke_at, self._unheard_at = self._unheard_at or now, None
        self._unheard_turns += 1
        cause = Cause.RECOGNISER_FAILED if self._recogniser_failed else Cause.RECOGNISER_SILENT
        stage = Stage.WAY_ON if self._unheard_turns <= MAX_WAYS_ON else Stage.FALLBACK
        return Firing(stage, cause, now - spoke_at)

    @property
    def _busy(self) -> bool:
        return self._asked or bool(self._tools) or self._voice.is_busy or self._wants_retry

    def _begin(self, since: float) -> None:
        self._due = since
        self._stage = Stage.NONE
        self._fault = None
        self._retried = self._wants_retry = self._hopeless = self._may_be_silent = False
        self._voice.gets_another_chance()
        self._answer_sent = max(self._answer_sent, self._playout.sent_secs)

    def _follow(self, now: float) -> None:
        """Note what was sent to the line since the last look, and what has not come."""
        sent = min(self._playout.sent_secs, self._answer_ends)
        if sent > self._answer_sent:
            self._answer_sent = sent
            self._audible_until = self._playout.played_until
            self._stage, self._ways_on = Stage.NONE, 0
            if not self._busy and self._fault is None:
                self._due = None
        elif self._due is not None and self._audible_until > self._due and not self._busy and not self._fault:
            self._due = None
        if self._empty_at is not None and now - self._empty_at >= EMPTY_SECS:
            self._empty_at = None
            if self._may_be_silent:
                self._due = None
            elif self._due is not None:
                self.failed(Cause.MODEL_SILENT)
        if self._cut_off_at is not None and not self._turn and now - self._cut_off_at >= OTHERS_SECS:
            self._cut_off_at = None
            self._begin(now)
            self._wants_retry = True

    def _reached(self, secs: float) -> Stage:
        limits = self._limits
        if secs >= limits.fallback_secs or self.voice_is_lost:
            return Stage.FALLBACK
        if secs >= limits.way_on_secs or self._hopeless:
            return Stage.WAY_ON
        filler_secs = min(limits.filler_secs, limits.tool_filler_secs) if self._tools else limits.filler_secs
        return Stage.FILLER if secs >= filler_secs else Stage.NONE
