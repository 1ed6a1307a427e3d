"""Talks are data: every file of the project can be read, and a mistake is told with its place and its mending."""

import re

import pytest

from talks.agent_facts import read_agent
from talks.errors import TalksError
from talks.format import NO_TOPIC, Echo, Line, Stored, Turn, plays_of
from talks.reading import DATA, Known, all_speech, pieces, read_talks
from talks.stage import AGENTS, OWN_AGENTS


def known():
    """The names that there are."""
    from talks import effects, voices

    return Known(voices.VOICES, effects.NOISES, effects.SOUNDS, effects.CODECS)


def read(tmp_path, text, **names):
    (tmp_path / "some.yaml").write_text(text, encoding="utf-8")
    return read_talks(tmp_path, Known(**names))


def test_a_talk_is_read_with_all_that_it_says(tmp_path):
    [talk] = read(
        tmp_path,
        """
- name: a long one
  carrier: both
  brain: model
  agent: minimal
  quick: yes
  voice: kokoro/bf_emma
  line: {noise: babble, snr_db: 10, gain_db: -6, clip: 3, loss: 0.02, speed: 1.2, echo: {delay_ms: 200}}
  turns:
    - say: "Hi, <0.9> are you open?"
      kind: hesitation
      topic: our opening hours
      answered: ["nine"]
    - sound: cough
      into: 1.5
      keeps_talking: true
    - press: "1"
      then: 2
    - silence: 9s
    - hang_up: true
  stored: {name: Ann, number: "2025550143", words: [crown, teeth]}
  ends: hang_up
""",
    )
    assert (talk.carrier, talk.brain, talk.agent, talk.quick) == ("both", "model", "minimal", True)
    assert talk.line == Line("babble", 10, -6, 3, 0.02, None, 1.2, Echo(-15, 200))
    say, cough, press, silence, end = talk.turns
    assert (say.kind, say.topics, say.answered, say.at) == ("hesitation", ["our opening hours"], ["nine"], 10)
    assert (cough.sound, cough.into, cough.keeps_talking) == ("cough", 1.5, True)
    assert (press.press, press.then, silence.silence, end.hang_up) == ("1", 2, 9, True)
    assert talk.stored == Stored(name="Ann", number="2025550143", words=["crown", "teeth"])


ONE = "- name: one\n  turns:\n    - say: Hello\n"


@pytest.mark.parametrize(
    "text, line, what",
    [
        (ONE + "  voize: x\n", 4, r"voize: this key is not known; did you mean 'voice'\?"),
        (ONE + "      kindd: question\n", 4, r"did you mean 'kind'\?"),
        (ONE + "      kind: cuestion\n", 4, r"did you mean 'question'\?"),
        (ONE + "  line: {loudness: 3}\n", 4, "loudness: this key is not known"),
        (ONE + "  line: {echo: {late: 3}}\n", 4, "late: this key is not known"),
        (ONE + "  line: {loss: 2}\n", 4, "from 0 to less than 1"),
        (ONE + "  line: {snr_db: 10}\n", 4, "write `noise:`"),
        (ONE + "  carrier: vonage\n", 4, "use one of either, both, twilio, telnyx"),
        (ONE + "  ends: soon\n", 4, "transfer:NAME"),
        (ONE + "  ends: message\n", 1, "with `stored`"),
        (ONE + "  stored: something\n", 4, "write `nothing`"),
        (ONE + "  stored: {number: none}\n", 4, "no telephone number"),
        (ONE + "      answered: ['(']\n", 4, "no regular expression"),
        (ONE + "      press: '1'\n", 3, "say and press"),
        (ONE + "      keeps_talking: true\n", 3, "into: SECONDS"),
        (ONE + "      into: 1\n      then: 1\n", 3, "keep one of into and then"),
        (ONE + "    - hang_up: true\n    - say: Hm\n  ends: hang_up\n", 1, "make it the last turn"),
        (ONE + "    - hang_up: true\n", 1, "write `ends: hang_up`"),
        ("- name: one\n  turns:\n    - say: 'Well <long> yes'\n", 3, "<long> is no pause"),
        ("- name: one\n  turns:\n    - say: Hm\n      then: 1\n", 1, "no line before it"),
        ("- turns:\n    - say: Hm\n", 1, "needs a name"),
        ("- name: a/b\n  turns:\n    - say: Hm\n", 1, "a file's name"),
        ("- name: one\n", 1, "needs turns"),
        (ONE + ONE, 4, "is also at some.yaml:1"),
        (ONE + "  voice: nobody\n", 4, "use one of piper/joe"),
    ],
)
def test_a_mistake_has_a_file_a_line_and_a_fix(tmp_path, text, line, what):
    with pytest.raises(TalksError) as error:
        read(tmp_path, text, voices=["piper/joe"])
    assert any(re.search(rf"some\.yaml:{line}: .*{what}", one) for one in str(error.value).splitlines()), (
        error
    )


def test_all_mistakes_are_told_at_once(tmp_path):
    with pytest.raises(TalksError) as error:
        read(tmp_path, ONE + "  voize: x\n  carrier: y\n")
    assert len(str(error.value).splitlines()) == 2


def test_what_is_no_yaml_and_no_folder_is_told(tmp_path):
    with pytest.raises(TalksError, match=r"give a folder"):
        read_talks(tmp_path)
    with pytest.raises(TalksError, match=r"some\.yaml:\d: YAML"):
        read(tmp_path, "- name: [")


def test_a_line_is_cut_at_its_pauses():
    assert pieces("Hi, <0.9> um <0.4> <0.2> yes.") == [("Hi,", 0.9), ("um", 0.6000000000000001), ("yes.", 0)]
    assert pieces("Yes.") == [("Yes.", 0)]


def test_a_talk_is_played_as_often_as_it_wants(tmp_path):
    talks = read(
        tmp_path,
        ONE + ONE.replace("one", "two") + ONE.replace("one", "three") + "  carrier: both\n  brain: both\n",
    )
    plays = [(play.talk.name, play.carrier, play.brain) for play in plays_of(talks)]
    assert plays == [
        ("one", "twilio", "local"),
        ("two", "telnyx", "local"),
        ("three", "twilio", "local"),
        ("three", "telnyx", "local"),
        ("three", "twilio", "model"),
        ("three", "telnyx", "model"),
    ]
    assert all_speech(talks) == [("piper/joe", "Hello")]


# The project's own talks

TALKS = read_talks()


def test_the_projects_talks_name_voices_and_sounds_that_there_are():
    pytest.importorskip("talks.voices", reason="the voices are not here yet")
    assert read_talks(DATA, known()) == TALKS


@pytest.mark.parametrize("talk", TALKS, ids=lambda talk: talk.name)
def test_what_a_talk_expects_can_be(talk):
    facts = read_agent(talk.agent, (OWN_AGENTS, AGENTS))
    topics = {topic for turn in talk.turns for topic in turn.topics} - {NO_TOPIC}
    assert topics <= set(facts.facts), f"{talk.file.name}:{talk.at}: no such fact of the agent"
    assert talk.transfer is None or talk.transfer in facts.numbers


def test_a_fifth_of_the_talks_is_quick():
    if len(TALKS) < 20:
        pytest.skip("there are too few talks here for a fifth of them")
    assert 0.15 <= sum(talk.quick for talk in TALKS) / len(TALKS) <= 0.3


def test_a_turn_is_understood_by_default_in_all_its_words():
    assert Turn(say="Hello").understood is None
