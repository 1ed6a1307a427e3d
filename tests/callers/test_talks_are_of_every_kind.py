"""The talks have every kind of line, surroundings and end that callers bring, enough of each, and a fifth is quick."""

from collections import Counter

import pytest

from talks.agent_facts import read_agent
from talks.effects import CODECS, NOISES, SOUNDS
from talks.format import KINDS, NO_TOPIC, Line, plays_of
from talks.reading import PAUSE, Known, read_talks
from talks.stage import AGENTS, OWN_AGENTS
from talks.voices import VOICES

TALKS = read_talks(known=Known(VOICES, NOISES, SOUNDS, CODECS))
TURNS = [(talk, turn) for talk in TALKS for turn in talk.turns]
LINES = [talk.line for talk in TALKS]
QUICK = [talk for talk in TALKS if talk.quick]

# How many lines of each kind there are at least
ENOUGH = {
    "plain": 8,
    "question": 40,
    "request": 20,
    "one-word": 20,
    "hesitation": 10,
    "spelling": 3,
    "number": 6,
    "date": 3,
    "email": 2,
    "message": 30,
    "correction": 5,
    "two-questions": 6,
    "off-topic": 8,
    "small-talk": 3,
    "angry": 5,
    "silence": 4,
    "hold": 3,
    "backchannel": 7,
    "cough": 7,
    "echo": 3,
    "barge-in": 5,
    "over-goodbye": 3,
    "goodbye": 50,
    "screening": 4,
    "keys": 2,
}


def test_there_are_at_least_90_talks_on_both_carriers_with_both_brains():
    plays = plays_of(TALKS)
    assert len(TALKS) >= 90
    for carrier in ("twilio", "telnyx"):
        for brain in ("local", "model"):
            count = sum(play.carrier == carrier and play.brain == brain for play in plays)
            assert count >= 10, (carrier, brain)


@pytest.mark.parametrize("kind", KINDS)
def test_there_are_enough_lines_of_each_kind(kind):
    assert sum(turn.kind == kind for _, turn in TURNS) >= ENOUGH[kind]


def test_pauses_in_mid_sentence_are_short_and_long():
    pauses = sorted(float(secs) for _, turn in TURNS for secs in PAUSE.findall(turn.say or ""))
    assert len(pauses) >= 25
    assert pauses[0] == 0.4
    assert pauses[-1] == 1.5
    assert sum(secs >= 1 for secs in pauses) >= 6


def test_every_noise_sound_and_codec_is_heard():
    assert {line.noise for line in LINES if line.noise} == set(NOISES)
    # Sniffing and breathing in are too soft to be a talk of their own
    assert {turn.sound for _, turn in TURNS if turn.sound} >= set(SOUNDS) - {"sniff", "inhale"}
    assert {line.codec for line in LINES if line.codec} == set(CODECS)


@pytest.mark.parametrize(
    ("what", "least"),
    [
        (lambda line: line.noise == "babble", 4),
        (lambda line: line.noise not in (None, "babble", "television"), 6),
        (lambda line: line.gain_db <= -8, 3),
        (lambda line: line.gain_db >= 6, 2),
        (lambda line: line.clip > 0, 3),
        (lambda line: line.loss > 0, 5),
        (lambda line: line.codec is not None, 3),
        (lambda line: line.speed > 1, 2),
        (lambda line: line.speed < 1, 2),
        (lambda line: line.echo is not None and (line.echo.gain_db, line.echo.delay_ms) == (-15, 150), 2),
        (lambda line: line == Line(), 60),
    ],
    ids=["babble", "noise", "soft", "loud", "clip", "loss", "codec", "fast", "slow", "echo", "clean"],
)
def test_there_are_enough_lines_of_each_condition(what, least):
    assert sum(map(what, LINES)) >= least


def test_calls_end_in_every_way():
    ends = Counter(talk.ends for talk in TALKS)
    assert ends["goodbye"] >= 60
    assert sum(count for end, count in ends.items() if end.startswith("transfer:")) >= 8
    assert ends["hang_up"] >= 1
    assert sum(talk.placed_by == "bot" for talk in TALKS) >= 7


def test_messages_are_to_be_stored_or_not():
    stored = [talk.stored for talk in TALKS if talk.stored is not None]
    assert sum(not one.nothing for one in stored) >= 20
    assert sum(one.nothing for one in stored) >= 3
    assert sum(bool(one.name and one.number and one.words) for one in stored) >= 15


def test_a_fifth_is_quick_and_has_every_kind():
    assert 0.15 <= len(QUICK) / len(TALKS) <= 0.25
    kinds = {turn.kind for talk in QUICK for turn in talk.turns}
    # What takes long, or is of a kind with others of the fifth
    assert set(KINDS) - kinds <= {"spelling", "email", "correction"}
    assert {talk.brain for talk in QUICK} >= {"local", "both"}


def test_topics_are_facts_of_the_agent_and_destinations_are_its_own():
    for talk in TALKS:
        facts = read_agent(talk.agent, (OWN_AGENTS, AGENTS))
        for turn in talk.turns:
            assert set(turn.topics) - {NO_TOPIC} <= set(facts.facts), talk.name
        if talk.transfer is not None:
            assert talk.transfer in facts.numbers, talk.name


def test_what_is_to_be_answered_can_be_answered_by_the_facts():
    """A fact's words are what a caller is told, so a pattern that none of the topics has can never be heard."""
    from talks.words import has

    for talk in TALKS:
        facts = read_agent(talk.agent, (OWN_AGENTS, AGENTS))
        for turn in talk.turns:
            known = [facts.facts[topic] for topic in turn.topics if topic != NO_TOPIC]
            if known and turn.kind != "request":
                for pattern in turn.answered_all:
                    assert any(has(pattern, fact) for fact in known), (talk.name, pattern)
                if turn.answered:
                    found = any(has(pattern, fact) for pattern in turn.answered for fact in known)
                    assert found, (talk.name, turn.answered)
