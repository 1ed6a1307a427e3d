"""What a call was like, judged from outside: by what its caller heard, and by what the server's API tells of it.

All times are seconds on one monotonic clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos.schedule import CUT, DEPLOY, DRAIN, HANG, KILL, LASTS_SECS, STALL

CAUGHT_SECS = 1.0
"""What was heard to its end so shortly before its socket was gone counts as the sentence being spoken: the carrier's
mark has to come back before the server can know that it was heard."""


TOLD_SECS = 3.0
"""Within which a caller is told so for whom nobody has time: everything may be late just then."""


SEAM_SECS = 0.6
"""How far from the edge of a stall a piece of a sentence may begin or end that was torn by it: a word."""


@dataclass(frozen=True)
class Sentence:
    """A sentence that was heard or said.

    Parameters:
        text: All of it.
        start: When its first word began that was heard.
        end: When the last one ended.
        share: How much of it was heard, 0 to 1.
        torn: How often it had a gap because its sound came too late. A word with a gap in it is not recognised.
    """

    text: str
    start: float
    end: float
    share: float = 1.0
    torn: int = 0

    @property
    def whole(self) -> bool:
        """Whether all words were heard, but for those that were torn."""
        words = len(self.text.split())
        return round((1 - self.share) * words) <= self.torn


@dataclass(frozen=True)
class Witnessed:
    """A call as the carrier and its caller saw it.

    Parameters:
        number: The planned call's.
        name: For people.
        call_id: The carrier's id; empty if there was no call.
        answered: When; None if it was not.
        over: When it ended; None if it had not ended by itself when it was ended here.
        ended_by: `bot`, `caller`, `error`, ...
        gave_up: Whether its caller hung up because nothing came any more.
        streams: When media sockets opened.
        sounds: When the caller heard something, from and to.
        heard: The bot's sentences, as far as they were heard.
        said: The caller's sentences.
        answers: The sentence of the bot that shows that it has understood one of the caller, by that.
        farewell: The bot's last sentence.
        known: The sentence of the bot that shows that it knows the conversation, and the one that shows the contrary.
        quiet_secs: The longest time in which neither the bot nor the caller was heard.
        underruns: How often there was a gap in what the bot said.
        told_after_secs: When the carrier's own voice began to say something, after the call had come; None for never.
        problems: What the carrier would write into its log of errors, and other trouble.
        timeline: All that happened, for people.
    """

    number: int
    name: str
    call_id: str
    answered: float | None = None
    over: float | None = None
    ended_by: str = "error"
    gave_up: bool = False
    streams: Sequence[float] = ()
    sounds: Sequence[tuple[float, float]] = ()
    heard: Sequence[Sentence] = ()
    said: Sequence[Sentence] = ()
    answers: Mapping[str, str] = field(default_factory=dict)
    farewell: str = ""
    known: tuple[str, str] = ("", "")
    quiet_secs: float = 0.0
    underruns: int = 0
    told_after_secs: float | None = None
    problems: Sequence[str] = ()
    timeline: str = field(default="", repr=False)

    def heard_whole(self, text: str) -> Sentence | None:
        """The sentence, if all of it was heard."""
        return next((one for one in self.heard if one.text == text and one.whole), None)


@dataclass(frozen=True)
class Touch:
    """A trouble that a call was touched by.

    Parameters:
        number: The trouble's.
        kind: Its kind.
        at: When.
    """

    number: int
    kind: str
    at: float

    @property
    def breaks(self) -> bool:
        """Whether the call's socket was gone with it, and with it the carrier's word of what was heard last."""
        return self.kind in (KILL, HANG, CUT)


@dataclass(frozen=True)
class Told:
    """What the server's API tells of a call.

    Parameters:
        ended: Whether it says that the call is over.
        heard: What the caller said, in words, one text after another.
        spoken: What the bot said.
    """

    ended: bool
    heard: str
    spoken: str

    @classmethod
    def read(cls, call: Mapping[str, Any]) -> Told:
        """Take it out of the answer to `GET /calls/{id}`."""
        events = call.get("events") or []
        texts = {
            kind: " ".join(str(event.get("text", "")) for event in events if event.get("kind") == kind)
            for kind in ("caller_said", "bot_said")
        }
        return cls(call.get("ended_at") is not None, texts["caller_said"], texts["bot_said"])


@dataclass
class Verdict:
    """What came of a call.

    Attributes:
        name: Of the call.
        call_id: The carrier's.
        ended: Whether it came to an end as it is to: the bot said goodbye, was heard, and hung up, and the API knows.
        left_open: Whether nobody on the server's side ended it: it would cost money until the caller has had enough.
        turned_away: Whether its caller was told instead that all lines are busy.
        kills: How often its process was killed while it talked, and not all was said.
        resumed: For each of them after how many seconds the bot was heard again; None for never.
        unknown: Whether the bot had forgotten the conversation after it.
        lost: Sentences that were heard to their end, or answered, and that the API does not have.
        drained: Whether it was cut off by a drain.
        quiet_secs: The longest silence.
        touches: What it was touched by.
        problems: In words, for people.
    """

    name: str
    call_id: str
    ended: bool = True
    left_open: bool = False
    turned_away: bool = False
    kills: int = 0
    resumed: list[float | None] = field(default_factory=list)
    unknown: bool = False
    lost: list[str] = field(default_factory=list)
    drained: bool = False
    quiet_secs: float = 0.0
    touches: Sequence[Touch] = ()
    problems: list[str] = field(default_factory=list)


def judge(call: Witnessed, touches: Sequence[Touch], told: Told | None) -> Verdict:
    """Judge a call.

    Args:
        call: As it was seen.
        touches: What it was touched by, in the order of time.
        told: What the API tells of it; None if it does not know it.
    """
    verdict = Verdict(call.name, call.call_id, quiet_secs=call.quiet_secs, touches=touches)
    _judge_end(call, touches, told, verdict)
    _judge_kills(call, touches, verdict)
    _judge_transcript(call, touches, told, verdict)
    last = [one.kind for one in touches if one.breaks or one.kind in (DRAIN, DEPLOY)][-1:]
    verdict.drained = not verdict.ended and last in ([DRAIN], [DEPLOY])
    if verdict.drained:
        verdict.problems.append("it was cut off by a drain")
    if not verdict.ended:
        verdict.problems += call.problems[:3]
    return verdict


def _judge_end(call: Witnessed, touches: Sequence[Touch], told: Told | None, verdict: Verdict) -> None:
    goodbye = next((one for one in call.heard if one.text == call.farewell), None)
    if goodbye is not None and not goodbye.whole and not _was_torn(goodbye, touches):
        goodbye = None
    if call.answered is None:
        verdict.problems.append("nobody answered it")
    elif call.over is None:
        verdict.left_open = True
        verdict.problems.append("it was still open at the carrier when everybody had given up")
    elif call.gave_up:
        verdict.left_open = True
        verdict.problems.append("nothing came any more, and only the caller ended it")
    elif _was_turned_away(call):
        verdict.turned_away = True
    elif goodbye is None or call.ended_by != "bot":
        verdict.problems.append(f"it was ended by {call.ended_by}, without a goodbye that was heard")
    if told is None and call.answered is not None:
        verdict.problems.append("the API does not know it")
    elif told is not None and not told.ended:
        verdict.problems.append("the API says that it goes on")
    verdict.ended = not verdict.problems


def _was_turned_away(call: Witnessed) -> bool:
    """Whether the caller was told at once, by the carrier's voice, that nobody has time, and no bot was there."""
    told = call.told_after_secs is not None and call.told_after_secs <= TOLD_SECS
    return told and not call.streams and call.ended_by in ("bot", "document")


def _judge_kills(call: Witnessed, touches: Sequence[Touch], verdict: Verdict) -> None:
    goodbye = call.heard_whole(call.farewell)
    for touch in touches:
        if touch.kind != KILL or (goodbye is not None and goodbye.end <= touch.at):
            continue  # all was said
        verdict.kills += 1
        verdict.resumed.append(_heard_again(call, touch.at))
    if verdict.kills:
        _, unknown = call.known
        first = next(iter(call.answers.values()), "")
        told_first = call.heard_whole(first)
        caught = told_first is not None and _was_caught(told_first, touches)
        if any(one.text == unknown for one in call.heard) and told_first is not None and not caught:
            verdict.unknown = True
            verdict.problems.append("the bot has forgotten the conversation")
        if any(secs is None for secs in verdict.resumed):
            verdict.problems.append("the bot was never heard again after its process was killed")


def _heard_again(call: Witnessed, at: float) -> float | None:
    """How long after a moment the bot is heard on a stream that was opened after it."""
    opened = next((one for one in call.streams if one > at), None)
    if opened is None:
        return None
    return next((max(start, opened) - at for start, end in call.sounds if end > opened), None)


def _judge_transcript(call: Witnessed, touches: Sequence[Touch], told: Told | None, verdict: Verdict) -> None:
    understood = [
        one.text
        for one in call.said
        if any(heard.text == call.answers.get(one.text) and heard.start > one.start for heard in call.heard)
        and not _was_said_to_nobody(one, call, touches)
        and not _was_torn(one, touches)
    ]
    listened = [one.text for one in call.heard if one.whole and not _was_caught(one, touches)]
    spoken, heard = (told.spoken, told.heard) if told is not None else ("", "")
    verdict.lost = [text for text in listened if not contains(spoken, text)]
    verdict.lost += [text for text in understood if not contains(heard, text)]
    if verdict.lost:
        verdict.problems.append(
            f"{len(verdict.lost)} sentence(s) are not in the transcript, such as {verdict.lost[0]!r}"
        )


def _was_caught(sentence: Sentence, touches: Iterable[Touch]) -> bool:
    """Whether it was being spoken when the socket was lost, or had just been."""
    return any(
        touch.breaks and sentence.start - CAUGHT_SECS <= touch.at <= sentence.end + CAUGHT_SECS
        for touch in touches
    )


def _was_said_to_nobody(sentence: Sentence, call: Witnessed, touches: Iterable[Touch]) -> bool:
    """Whether a part of it was said while the call had no socket, so that its words as understood may be others."""
    return any(
        touch.breaks
        and touch.at <= sentence.end
        and sentence.start <= next((one for one in call.streams if one > touch.at), sentence.end)
        for touch in touches
    )


def _was_torn(sentence: Sentence, touches: Iterable[Touch]) -> bool:
    """Whether nothing came through from some word of it on, or until then, so that it was heard in two pieces."""
    edges = [
        edge for touch in touches if touch.kind == STALL for edge in (touch.at, touch.at + LASTS_SECS[STALL])
    ]
    return any(sentence.start - SEAM_SECS <= edge <= sentence.end + SEAM_SECS for edge in edges)


def contains(text: str, sentence: str) -> bool:
    """Whether a text has the words of a sentence, one after the other."""
    return f" {_plain(sentence)} " in f" {_plain(text)} "


def _plain(text: str) -> str:
    words = ("".join(letter for letter in word.lower() if letter.isalnum()) for word in text.split())
    return " ".join(filter(None, words))
