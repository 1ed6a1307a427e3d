"""What callers felt in one talk, judged from what was heard on the line, when, and what the owner finds afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from talks.agent_facts import AgentFacts
from talks.evidence import Evidence
from talks.format import NO_TOPIC, Turn
from talks.outcome import ended_well, messages_right
from talks.reading import words_said
from talks.words import compared, has, matched, share

EARLY_MS = 60
"""The server's clock is the wall's, and the line's counts whole frames: what it notes may seem so much earlier."""

OVER_MS = 300
"""From how much on the bot is felt to talk over somebody."""

YIELDS_MS = 1500
"""How long a bot that was speaking may take to fall silent, before it talks over whoever has begun to speak."""

GOES_ON_MS = 1200
"""How long after a backchannel or a cough the bot may be silent at most before it goes on."""

PAUSE_MS = 400
"""A silence of the bot that is felt as one."""

DEAD_AIR_MS = 4000
SHORT_WORD_MS = 3000
"""How long after "hold on" a short "of course" may begin."""

STOPS_MS = 1000
"""How long after a barge-in's end the bot may be audible at most for it to have stopped."""

TAIL_WORDS = 4
"""So many last words show that a sentence was said to its end."""


@dataclass
class LineScore:
    """What came of one turn. None means that it was not to be judged.

    Attributes:
        turn: The turn.
        kind: Its kind.
        words: How many words it has that had to be understood.
        words_understood: How many of them were.
        understood: What the bot has understood.
        answer: What was heard in answer.
        relevant: Whether the answer was what was asked for.
        wrong_fact: Whether a fact was told that is not one, or not the one.
        fact_asked: Whether a wrong fact could have been told.
        one_word_heard: Whether a lone word was heard.
        interrupted: Whether the bot was stopped by what was no interruption.
        over: Whether the bot talked over it.
        response_ms: From its last sound to the bot's first.
        silenced_ms: From the first sound of a barge-in to the bot's silence.
        dead_air: Whether nothing came for a long time.
        clipped: Whether its first or last word was lost, and the others not.
        why: What was wrong, in words for people.
    """

    turn: Turn
    kind: str
    words: int = 0
    words_understood: int = 0
    understood: str = ""
    answer: str = ""
    relevant: bool | None = None
    wrong_fact: bool = False
    fact_asked: bool = False
    one_word_heard: bool | None = None
    interrupted: bool | None = None
    over: bool | None = None
    response_ms: int | None = None
    silenced_ms: int | None = None
    dead_air: bool | None = None
    clipped: bool | None = None
    why: list[str] = field(default_factory=list)

    @property
    def off_topic(self) -> bool:
        """Whether no fact would have been right."""
        return self.kind == "off-topic" or tuple(self.turn.topics) == (NO_TOPIC,)


@dataclass
class TalkScore:
    """What came of one talk.

    Attributes:
        evidence: What is known of it.
        lines: What came of each turn that was done.
        ended_well: Whether it ended as it should; None where that is not judged.
        messages_right: Whether the owner found what they should; None where no message was wanted and none is there.
        why: What was wrong with the whole of it.
    """

    evidence: Evidence
    lines: list[LineScore]
    ended_well: bool | None
    messages_right: bool | None
    why: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Place:
    """Where a turn stands among the others.

    A chain is a line and those that follow it whatever the bot does; `last` is the last of them.
    """

    index: int
    chain_start_ms: int
    chain_end_ms: float
    next_ms: float
    last: int
    last_of_chain: bool


def score(evidence: Evidence, facts: AgentFacts) -> TalkScore:
    """Judge a talk."""
    lines = [_line(evidence, place, facts) for place in _places(evidence)]
    lines += [_never_said(turn) for turn in evidence.left]
    if evidence.play.talk.line.echo is not None:
        _judge_echo(evidence, lines)
    why: list[str] = list(evidence.problems)
    ended = ended_well(evidence, why)
    stored = messages_right(evidence, why)
    return TalkScore(evidence, lines, ended, stored, why)


def _never_said(turn: Turn) -> LineScore:
    """A turn that the caller did not come to, because the call was over: nobody got an answer."""
    found = LineScore(turn, turn.kind)
    if turn.answered or turn.answered_all or turn.topics:
        found.relevant = False
        found.why.append("the call was over before it")
    if turn.kind == "one-word" and turn.say is not None:
        found.one_word_heard = False
    return found


def _places(evidence: Evidence) -> list[_Place]:
    done = evidence.done
    places = []
    for index in range(len(done)):
        first = index
        while first and done[first].turn.then is not None:
            first -= 1
        last = index
        while last + 1 < len(done) and done[last + 1].turn.then is not None:
            last += 1
        after = done[last + 1].start_ms if last + 1 < len(done) else float("inf")
        following = done[index + 1].start_ms if index + 1 < len(done) else float("inf")
        places.append(_Place(index, done[first].start_ms, after, following, last, last == index))
    return places


def _line(evidence: Evidence, place: _Place, facts: AgentFacts) -> LineScore:
    done = evidence.done[place.index]
    turn = done.turn
    found = LineScore(turn, turn.kind)
    # Whether a bot that is saying goodbye hears more is not asked.
    if turn.say is not None and not turn.keeps_talking and turn.kind != "over-goodbye":
        _understanding(evidence, place, found)
    if turn.keeps_talking:
        _going_on(evidence, place, found)
        return found
    _answering(evidence, place, found, facts)
    # A goodbye is to be heard to its end, whoever talks over it.
    if turn.say is not None and turn.kind != "over-goodbye":
        _talking_over(evidence, place, found)
    if turn.waits is not None:
        _waiting(evidence, place, found)
    elif place.last_of_chain and not turn.hang_up and turn.silence is None and not _has_the_bot_wait(turn):
        _responding(evidence, place, found)
    if turn.stops:
        _stopping(evidence, place, found)
    if turn.kind == "one-word" and turn.say is not None:
        answered = found.relevant if turn.answered or turn.answered_all else None
        found.one_word_heard = found.words_understood > 0 if answered is None else answered
        if not found.one_word_heard:
            found.why.append(
                f"a lone {words_said(turn.say)!r} was not heard (understood: {found.understood!r})"
            )
    return found


def _understanding(evidence: Evidence, place: _Place, found: LineScore) -> None:
    turn = found.turn
    wanted = words_said(turn.say or "") if turn.understood is None else turn.understood
    # What one turn of the bot has of the caller may be of several lines: those of a chain are looked at together.
    found.understood = evidence.understood(place.chain_start_ms - EARLY_MS, place.chain_end_ms - EARLY_MS)
    row = matched(compared(wanted), compared(found.understood))
    found.words, found.words_understood = len(row), sum(row)
    if turn.understood is None and len(row) >= 3 and sum(row) >= 0.6 * len(row):
        found.clipped = not row[0] or not row[-1]


def _answering(evidence: Evidence, place: _Place, found: LineScore, facts: AgentFacts) -> None:
    turn, done = found.turn, evidence.done[place.index]
    until = _next_words(evidence, place.index if turn.answered or turn.answered_all else place.last)
    # What is said into a goodbye is answered by that goodbye.
    before = evidence.done[place.index - 1].start_ms if turn.kind == "over-goodbye" and place.index else None
    texts = evidence.said(done.start_ms if before is None else before, until)
    found.answer = texts[0]
    off_topic = tuple(turn.topics) == (NO_TOPIC,)
    topics = () if off_topic else turn.topics
    found.fact_asked = bool(turn.topics or turn.not_answered)
    for text in texts:
        bad = next((pattern for pattern in turn.not_answered if has(pattern, text)), None)
        if turn.topics and bad is None:
            bad = facts.wrong(topics, text)
        if bad is not None:
            found.wrong_fact = True
            found.why.append(f"a wrong fact ({bad}): {text!r}")
            break
    judged = [
        *([any(has(one, text) for one in turn.answered for text in texts)] if turn.answered else []),
        *(any(has(one, text) for text in texts) for one in turn.answered_all),
        *([any(facts.right(topics, text) for text in texts)] if topics and not turn.answered else []),
    ]
    if judged or found.fact_asked:
        found.relevant = all(judged) and not found.wrong_fact and bool(texts[0].strip())
    if found.relevant is False and not found.wrong_fact:
        found.why.append(f"understood {found.understood!r}, and said {texts[0]!r}")


def _next_words(evidence: Evidence, index: int) -> float:
    """When the caller next says something behind a line: into an answer they cough and say "mhm", and it goes on."""
    return next(
        (one.start_ms for one in evidence.done[index + 1 :] if not one.turn.keeps_talking), float("inf")
    )


def _talking_over(evidence: Evidence, place: _Place, found: LineScore) -> None:
    done = evidence.done[place.index]
    grace = YIELDS_MS if evidence.speaking_at(done.start_ms) and done.turn.into is not None else 0
    over = evidence.audible(done.start_ms + grace, done.end_ms)
    # A bot that begins in a pause of the caller's and goes on when they do talks over them, too.
    found.over = over >= OVER_MS
    if found.over:
        found.why.append(f"the bot talked over it for {over / 1000:.1f} s")


def _responding(evidence: Evidence, place: _Place, found: LineScore) -> None:
    done = evidence.done[place.index]
    if evidence.speaking_at(done.end_ms) is not None:
        return  # It is told as talking over, or as a barge-in that had no effect.
    sound = evidence.next_sound(done.end_ms)
    end = min(place.next_ms, evidence.ended_ms or place.next_ms)
    transferred = next((start for start, _ in evidence.people if start >= done.end_ms), None)
    if sound is not None and sound < place.next_ms:
        found.response_ms = sound - done.end_ms
    waited = (end if sound is None or sound >= place.next_ms else sound) - done.end_ms
    found.dead_air = waited > DEAD_AIR_MS and transferred is None
    if found.dead_air:
        found.why.append(f"nothing was heard for {waited / 1000:.1f} s")


def _waiting(evidence: Evidence, place: _Place, found: LineScore) -> None:
    done = evidence.done[place.index]
    from_ms, to_ms = done.end_ms, done.end_ms + round((done.turn.waits or 0) * 1000)
    late = [start for start, _ in evidence.bot if from_ms + SHORT_WORD_MS <= start < to_ms]
    long = evidence.audible(from_ms, to_ms) > SHORT_WORD_MS
    found.relevant = found.relevant is not False and not late and not long
    if late or long:
        found.why.append(f"the bot did not wait: {evidence.at_the_ear(from_ms, to_ms)!r}")


def _has_the_bot_wait(turn: Turn) -> bool:
    """Whether a telephone that screens the call says only that somebody may come: silence is the answer to that."""
    return turn.kind == "screening" and not (turn.answered or turn.answered_all or turn.topics)


def _stopping(evidence: Evidence, place: _Place, found: LineScore) -> None:
    done = evidence.done[place.index]
    speaking = evidence.speaking_at(done.start_ms)
    if speaking is None:
        return
    end = speaking[1]
    for start, stop in evidence.bot:
        if start > end and start - end < PAUSE_MS:
            end = stop
    found.silenced_ms = end - done.start_ms
    if end > done.end_ms + STOPS_MS:
        found.why.append(f"the bot spoke on for {found.silenced_ms / 1000:.1f} s")
        found.relevant = False if found.relevant is not None else None


def _going_on(evidence: Evidence, place: _Place, found: LineScore) -> None:
    """Judge whether the bot went on after a backchannel or a cough, and did not answer it."""
    done = evidence.done[place.index]
    if not done.in_time or evidence.speaking_at(done.start_ms) is None:
        found.why.append("the bot was not speaking; not judged")
        return
    index = place.index
    since = max((one.end_ms for one in evidence.done[:index] if not one.turn.keeps_talking), default=0)
    until = min(
        (one.start_ms for one in evidence.done[index + 1 :]), default=evidence.ended_ms or float("inf")
    )
    planned = [
        one
        for one in evidence.events
        if one.kind == "bot_said" and since - EARLY_MS <= one.at_ms <= done.start_ms
    ]
    tail = compared(planned[-1].text)[-TAIL_WORDS:] if planned else []
    said_whole = bool(planned) and _said_to_its_end(
        evidence, planned[-1].text, since - EARLY_MS, _next_words(evidence, index)
    )
    silence = _first_silence(evidence, done.start_ms, done.end_ms + PAUSE_MS)
    late = False
    if silence is not None:
        began, ended = silence
        late = min(ended, until) - max(began, done.end_ms) > GOES_ON_MS
    new_turn = [
        one for one in evidence.events if one.kind == "caller_said" and done.start_ms <= one.at_ms < until
    ]
    answered = [
        one
        for one in evidence.events
        if one.kind == "bot_said"
        and new_turn
        and new_turn[0].at_ms <= one.at_ms < until
        and share(one.text, " ".join(two.text for two in planned)) < 0.6
    ]
    found.answer = evidence.at_the_ear(done.start_ms, until)
    if answered:
        found.interrupted = True
        found.why.append(f"it was answered: {answered[0].text!r}")
    elif not said_whole:
        found.interrupted = True
        found.why.append(f"the bot did not say to its end {planned[-1].text if planned else ''!r}")
    elif late and not _ended_naturally(evidence, since, silence, tail):
        found.interrupted = True
        found.why.append("the bot fell silent, and went on only later")
    else:
        found.interrupted = False


def _said_to_its_end(evidence: Evidence, text: str, from_ms: float, to_ms: float) -> bool:
    """Whether the last words of what the bot said were heard in a time.

    The ear errs in a word now and then: half of them are enough where the carrier has told the bot that all was played.
    """
    tail = compared(text)[-TAIL_WORDS:]
    heard = sum(matched(tail, compared(evidence.at_the_ear(from_ms, to_ms))))
    played = any(
        one.kind == "bot_heard" and from_ms <= one.at_ms < to_ms and compared(one.text)[-len(tail) :] == tail
        for one in evidence.events
    )
    return bool(tail) and heard >= (len(tail) / 2 if played else max(1, len(tail) - 1))


def _first_silence(evidence: Evidence, from_ms: float, to_ms: float) -> tuple[float, float] | None:
    """The first silence of the bot that begins in a time and is felt as one: from and to."""
    for number, (_, end) in enumerate(evidence.bot):
        if from_ms <= end <= to_ms:
            following = evidence.bot[number + 1][0] if number + 1 < len(evidence.bot) else float("inf")
            if following - end >= PAUSE_MS:
                return end, following
    return None


def _ended_naturally(
    evidence: Evidence, since: float, silence: tuple[float, float] | None, tail: Sequence[str]
) -> bool:
    """Whether the bot had said all of it when it fell silent."""
    if silence is None:
        return True
    before = compared(evidence.at_the_ear(since - EARLY_MS, silence[0]))
    return sum(matched(tail, before[-2 * len(tail) :])) >= max(1, len(tail) - 1)


def _judge_echo(evidence: Evidence, lines: Sequence[LineScore]) -> None:
    """On a speakerphone each answer of the bot is tried: its own voice must neither stop it nor be taken for words."""
    for index, found in enumerate(lines[: len(evidence.done)]):
        if found.interrupted is not None or found.turn.keeps_talking or found.turn.say is None:
            continue
        done = evidence.done[index]
        following = evidence.done[index + 1] if index + 1 < len(evidence.done) else None
        if following is not None and following.turn.into is not None:
            continue
        until = following.start_ms if following is not None else evidence.ended_ms or float("inf")
        said = [
            one
            for one in evidence.events
            if one.kind == "bot_said" and done.end_ms - EARLY_MS <= one.at_ms < until
        ]
        if not said:
            continue
        first = evidence.next_sound(done.end_ms)
        own_voice = [
            one
            for one in evidence.events
            if one.kind == "caller_said" and first is not None and first + PAUSE_MS < one.at_ms < until
        ]
        cut = [
            one for one in evidence.events if one.kind == "interrupted" and done.end_ms < one.at_ms < until
        ]
        whole = _said_to_its_end(evidence, said[-1].text, done.start_ms, until)
        found.interrupted = bool(own_voice) or (bool(cut) and not whole)
        if own_voice:
            found.why.append(f"the bot took its own voice for the caller's: {own_voice[0].text!r}")
        elif found.interrupted:
            found.why.append("the bot was stopped by its own voice")
