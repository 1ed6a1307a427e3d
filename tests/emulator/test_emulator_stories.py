"""Stories are read, played and judged; what is wrong with a file is said line by line."""

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from emulator.errors import ServerDied
from emulator.line import tonespeech
from emulator.line.detected import Detected
from emulator.line.impairments import IDEAL, REAL
from emulator.stories.playing import suite
from emulator.stories.playing.outcome import Speech
from emulator.stories.playing.play import play
from emulator.stories.playing.suite import performances, play_all
from emulator.stories.reading.read_story import StoryError, find_stories, read_story
from emulator.stories.story import CARRIERS
from emulator.stories.telling import seams_text
from emulator.terminal.cli import main
from tests import story_bot, tone_speech
from tests.fake_bot import FakeBot, Line

ROOT = Path(__file__).resolve().parents[2]
STREAM = '<Connect><Stream url="wss://HOST/ws" bidirectionalMode="rtp"/></Connect>'
GREETING, REPLY = "Hello, this is the bot.", "You have pressed a key, goodbye."

STORY = """
story: A caller presses a key
caller:
  - press: "1"
people:
  sam: {number: "+12025550111", does: busy, after: 0.2s}
expect:
"""

SERVER = """
import asyncio, os, sys
sys.path.insert(0, {root!r})
from tests.fake_bot import FakeBot
from tests.emulator.test_emulator_stories import STREAM, talk

async def main():
    async with FakeBot(talk, {{"/twilio/voice": STREAM, "/readyz": ""}}, port=int(os.environ["PORT"])):
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def say(line: Line, text: str) -> None:
    await line.play(np.frombuffer(tone_speech.spoken(text), dtype="<i2"))


async def talk(line: Line) -> None:
    await say(line, GREETING)
    await line.until("dtmf")
    await say(line, REPLY)
    await line.mark("said")
    await line.until("mark")


def in_process(documents=None, talk=talk):
    """A server under test that is no process: the fake bot of these tests."""

    @asynccontextmanager
    async def serve(scene):
        carrier = scene.carrier.partition("-")[0]
        async with FakeBot(talk, {f"/{carrier}/voice": STREAM} | (documents or {})) as bot:
            yield bot.url

    return serve


def story_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "tale.yaml"
    path.write_text(text)
    return path


async def told(tmp_path, expectations: str, *, story=STORY, carrier="twilio", **options):
    indented = "\n".join(f"  {line}" for line in expectations.strip().splitlines())
    path = story_file(tmp_path, f"{story}{indented}\n")
    return await play(read_story(path), carrier, in_process(**options))


def verdicts(outcome):
    return [(one.passed, one.detail) for one in outcome.verdicts]


GOOD = f"""
- caller hears: ["{GREETING}", "{REPLY}"]
- caller never hears: "Somebody will answer you at once."
- caller never waits: 5s
- ended_by: bot
- answered: yes
- goodbye_heard: yes
- event: hang_up
  within: 1s
  of: caller hears "{REPLY}"
- event: caller presses 1
  after: caller hears "{GREETING}"
  before: caller hears "{REPLY}"
- never: clear
- rest: {{any: 0}}
- dialled: 0
"""


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_a_story_in_which_all_was_as_expected_has_passed(tmp_path, carrier):
    outcome = await told(tmp_path, GOOD, carrier=carrier)
    assert outcome.passed, verdicts(outcome)
    assert len(outcome.verdicts) == 12
    plain = json.loads(json.dumps(outcome.as_dict()))
    assert plain["passed"] is True
    assert {"kind": "presses", "who": "caller"}.items() <= plain["timeline"][
        [entry["kind"] for entry in plain["timeline"]].index("presses")
    ].items()


BROKEN = [
    (f'- caller hears: ["{REPLY}", "{GREETING}"]', "was not heard after"),
    (f'- caller hears: "{GREETING} And more."', "only 5 of 7 words"),
    (f'- caller never hears: "{GREETING}"', "5 of 5 words"),
    (f'- caller hears part of: "{GREETING}"', "all of"),
    ('- caller hears part of: "Nothing of this."', "was not heard"),
    ("- caller never waits: 100ms", "heard nothing for"),
    ('- sam hears: "Hello."', "sam was never on the line"),
    ('- caller hears keys: "1"', "no keys were heard"),
    ("- ended_by: caller", "it was bot"),
    ("- goodbye_heard: no", "it was yes"),
    ("- event: clear", "never came"),
    ("- event: hang_up\n  times: 2", "came 1 times"),
    ("- never: hang_up", "came at"),
    (f'- event: hang_up\n  before: caller hears "{REPLY}"', "not before"),
    (f'- event: caller presses 1\n  after: caller hears "{REPLY}"', "before 'caller hears"),
    (f'- event: hang_up\n  within: 10s..20s\n  of: caller hears "{REPLY}"', "s after"),
    ("- rest: {hang_up: 1}", "hang_up was asked for 0 times"),
    ("- dialled: 1", "nobody"),
    ("- outcome: {sam: busy}", "never called"),
    ("- api: {state: completed}", "does not tell"),
    ("- problem: a thing that goes wrong", "what went wrong: nothing"),
    ("- file: {name: messages.jsonl, has: Ann}", "there is no file"),
]


@pytest.mark.parametrize(("expectation", "detail"), BROKEN, ids=[one[0][:40] for one in BROKEN])
async def test_an_expectation_that_was_not_met_fails_the_story_and_says_what_was(
    tmp_path, expectation, detail, played
):
    from emulator.stories.judging.judge import judge

    indented = "\n".join(f"  {line}" for line in expectation.splitlines())
    story = read_story(story_file(tmp_path, f"{STORY}{indented}\n"))
    first, last = judge(story, played)
    assert not first.passed
    assert detail in first.detail
    assert last.passed


@pytest.fixture(scope="module")
def played():
    """What happened in the good story, to be judged again and again."""
    import tempfile

    from emulator.stories.playing import play as running

    kept = []
    judge = running.judge

    def keep(story, evidence):
        kept.append(evidence)
        return judge(story, evidence)

    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "judge", keep)
        asyncio.run(told(Path(directory), GOOD))
    return kept[0]


async def test_what_goes_wrong_unexpectedly_fails_a_story_and_what_is_expected_does_not(tmp_path):
    async def talk_badly(line: Line) -> None:
        await line.send("nonsense")
        await talk(line)

    outcome = await told(tmp_path, f'- caller hears: "{REPLY}"', talk=talk_badly)
    assert verdicts(outcome)[-1] == (False, "caller: 31951 invalid message: unknown event 'nonsense'")
    outcome = await told(tmp_path, f'- caller hears: "{REPLY}"\n- problem: 31951', talk=talk_badly)
    assert outcome.passed


async def test_people_calls_and_the_operator_play_their_parts(tmp_path):
    story = """
story: Two calls and a colleague who declines
people:
  sam: {number: "+12025550111", does: declines, after: 0.2s}
  kim: {number: "+12025550112", after: 4s, steps: [say: Kim speaking, wait_for: 'kim hears "It is me"', hang_up]}
documents:
  voice: |
    <Dial>+12025550111</Dial><Dial>+12025550112</Dial>
calls:
  - name: ann
    steps:
      - wait_for: kim answers
      - say: It is me
  - name: bob
    after: ann
    query: {a: b}
    steps: [wait: 2.2s, hang_up]
operator:
  - wait_for: kim answers
  - GET: /twilio/voice
    status: 404
  - POST: /calls/{ann}
    status: 404
expect:
"""
    outcome = await told(
        tmp_path,
        """
- ann hears: Kim speaking
  within: 3s
  of: kim answers
- kim hears: It is me
- outcome: {sam: [declined, declined], kim: [completed, canceled]}
- dialled: 4
- ended_by: caller
  call: bob
- ended_by: colleague
  call: ann
- event: [sam is rung, sam is not reached, kim is rung, kim answers, kim is connected, kim hangs up]
- event: sam is not reached
  before: kim is rung
""",
        story=story,
    )
    failed = [detail for passed, detail in verdicts(outcome) if not passed]
    assert len(failed) == 1, failed
    assert "line 20: GET /twilio/voice: HTTP 200, not 404" in failed[0]


async def test_faults_of_a_story_happen_and_are_told(tmp_path):
    story = STORY.replace(
        "expect:",
        """faults:
  - {media: 1, cut_after: 1.5s}
  - {webhook: status, twice: yes}
expect:""",
    )
    outcome = await told(
        tmp_path,
        f"""
- caller hears: "{GREETING}"
- event: fault
  times: 1..
- event: callback
  times: 2
  text: status
- problem: the media socket broke
- problem: unfinished script
""",
        story=story.replace('press: "1"', "wait: 9s"),
    )
    assert not outcome.verdicts[-2].passed
    assert [one.passed for one in outcome.verdicts] == [True, True, True, True, False, True]


MISTAKES = """
story: Full of mistakes
carriers: [twilio, vonage]
voice: beep
limit: soon
agnet: receptionist
people:
  sam: {nummer: "+12025550111", does: sleeps}
caller:
  - say: Hello
    ofer: 1s
  - pres: 1
  - press: 12x
  - wait_for: sam answer
  - wait_for: tom answers
operator:
  - POST: calls
faults:
  - rest: hangup
    status: 500
  - webhook: status
expect:
  - caler hears: Hello
  - caller heers: Hello
  - rest: {hang_up: some}
  - ended_by: bot
    within: 2s
  - event: [hang_up, hangup]
  - ended_by: teh bot
  - outcome: {sam: bussy}
  - answered_by: human
bot:
  - heers: Hello
    says: Hi
  - hears: Hello
    pause: 1 sec
  - hears: Hello
    does: end_call
  - hears: Hello
settings:
  TWILIO_ACOUNT_SID: AC1
  telnyx: yes
failing:
  voice: {how: slowly, from: 0}
  ears: {times: 1}
line:
  loss: a bit
  burst: 30s
  jitter: 20ms
  noise_db: 50
"""

WRONG_LISTS = """
story: x
caller: []
expect: [{ended_by: bot}]
failing:
  ears: {deepgram: {how: stalls}, openai: {after: 2}}
  model: {openai: {how: fails, from: 0, unles: es}}
  voice: {cartesia: {how: breaks, after: three}, openai: {timed: perhaps}}
"""


def test_every_mistake_of_a_file_is_a_line_with_its_place_and_the_fix(tmp_path):
    path = story_file(tmp_path, MISTAKES)
    with pytest.raises(StoryError) as raised:
        read_story(path)
    lines = str(raised.value).splitlines()
    assert all(line.startswith(f"{path}:") for line in lines)
    for number, *parts in (
        (3, "carriers[1]", "'vonage'", "twilio, telnyx"),
        (4, "voice", "did you mean 'beeps'"),
        (5, "limit", "no length of time", "2s"),
        (6, "agnet", "did you mean 'agent'"),
        (8, "people.sam.nummer", "did you mean 'number'"),
        (8, "does", "'sleeps'", "answers"),
        (11, "caller[0].ofer", "did you mean 'over'"),
        (12, "caller[1].pres", "did you mean 'press'"),
        (13, "caller[2].press", "no keys"),
        (14, "caller[3].wait_for", "no moment", "sam answers"),
        (15, "caller[4].wait_for", "no moment"),
        (17, "operator[0].POST", "slash"),
        (19, "faults[0].rest", "did you mean 'hang_up'"),
        (21, "faults[1]", "nothing goes wrong here"),
        (23, "expect[0]", "nobody is called 'caler'", "did you mean 'caller'"),
        (24, "expect[1]", "did you mean 'caller hears'"),
        (25, "hang_up", "write a number"),
        (27, "within", "needs `of`"),
        (28, "event[1]", "did you mean 'hang_up'"),
        (29, "ended_by", "'teh bot'", "caller"),
        (30, "outcome.sam", "did you mean 'busy'"),
        (31, "answered_by", "not known"),
        (33, "bot[0].heers", "did you mean 'hears'"),
        (36, "bot[1].pause", "no length of time"),
        (38, "bot[2].does", "write keys with values"),
        (39, "bot[3]", "the bot does nothing here"),
        (41, "settings.TWILIO_ACOUNT_SID", "did you mean 'TWILIO_ACCOUNT_SID'"),
        (42, "settings.telnyx", "in capitals"),
        (44, "failing.voice.how", "'slowly'", "silent"),
        (44, "failing.voice.from", "count from 1"),
        (45, "failing.ears", "add `how: silent`"),
        (47, "line.loss", "no share", "5%"),
        (48, "line.burst", "0s to 10s"),
        (49, "line.jitter", "not known"),
        (50, "line.noise_db", "below 0"),
    ):
        found = [line for line in lines if line.startswith(f"{path}:{number}: ")]
        assert any(all(part in line for part in parts) for line in found), (number, parts, found)


def test_the_mistakes_in_what_fails_of_a_list_are_told_with_their_place(tmp_path):
    path = story_file(tmp_path, WRONG_LISTS)
    with pytest.raises(StoryError) as raised:
        read_story(path)
    for number, *parts in (
        (6, "failing.ears.deepgram.how", "'stalls'", "breaks"),
        (6, "failing.ears.openai", "add `how: silent`"),
        (7, "failing.model.openai.from", "count from 1"),
        (7, "failing.model.openai.unles", "did you mean 'unless'"),
        (8, "failing.voice.cartesia.after", "no number"),
        (8, "failing.voice.openai.timed", "yes or no"),
    ):
        found = [line for line in str(raised.value).splitlines() if line.startswith(f"{path}:{number}: ")]
        assert any(all(part in line for part in parts) for line in found), (number, parts, found)


def test_a_line_is_said_by_its_name_or_by_what_it_does(tmp_path):
    def line(written, played_with=IDEAL):
        text = f"story: x\nline: {written}\ncaller: []\nexpect: [{{ended_by: bot}}]\n"
        return read_story(story_file(tmp_path, text)).line.profile(played_with)

    assert line("real") == REAL
    assert line("ideal", REAL) == IDEAL
    assert line("{loss: 5%, reorder: 0.1}") == IDEAL.but(loss=0.05, reorder=0.1)
    assert line("{burst: 300ms, late_first: 0.2s}", REAL) == REAL.but(burst=0.3, late_first=0.2)
    assert line("{like: real, rest: 1s..2s, noise_db: -35}") == REAL.but(rest=(1.0, 2.0), noise_db=-35.0)
    assert line("{echo_db: -15, echo: 150ms}") == IDEAL.but(echo_db=-15.0, echo=0.15)
    story = story_file(tmp_path, "story: x\ncaller: []\nexpect: [{ended_by: bot}]\n")
    assert read_story(story).line.profile(REAL) == REAL


async def test_what_a_line_costs_is_judged_and_told(tmp_path):
    ear = STORY.replace("expect:", "line: {ear: 200ms}\nexpect:")
    outcome = await told(
        tmp_path, "- lost: {greeting: 0s, goodbye: 50ms..200ms}\n- problem: not heard", story=ear
    )
    assert outcome.passed, verdicts(outcome)
    assert "lost of caller's call: greeting 0 ms, goodbye" in seams_text(outcome)
    assert [one["kind"] for one in outcome.as_dict()["seams"]] == ["greeting", "goodbye"]
    wrong = await told(tmp_path, "- lost: {goodbye: 0s}\n- lost: {keys: 0s..1s}", story=ear)
    assert [one.passed for one in wrong.verdicts[:2]] == [False, False]
    assert "of the bot's did not reach the ear" in wrong.verdicts[0].detail
    assert "no such seam: keys" in wrong.verdicts[1].detail


@pytest.mark.parametrize(("written", "secs"), [("1s", 1), ("500ms", 0.5), ("1m", 60), ("2", 2), ("0.5", 0.5)])
def test_the_bot_pauses_as_long_as_is_written(tmp_path, written, secs):
    bot = f"\nbot: [{{says: Hello, pause: {written}}}]\n"
    path = story_file(tmp_path, "story: x\ncaller: []\nexpect: [{ended_by: bot}]" + bot)
    assert read_story(path)
    part = story_bot.read_part(path)
    assert part is not None
    assert part.rules[0].pause == secs


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the file is empty"),
        ("story: [", "check the indentation"),
        ("story: x\ncaller: []\nexpect: []\n", "nothing is expected"),
        ("story: x\nexpect: [{ended_by: bot}]\n", "nobody calls"),
        ("caller: []\nexpect: [{ended_by: bot}]\n", "has no name"),
        ("story: x\nstory: y\ncaller: []\nexpect: [{ended_by: bot}]\n", "twice"),
        ("story: x\nagent: 'greeting ='\ncaller: []\nexpect: [{ended_by: bot}]\n", "not valid TOML"),
        ("story: x\ncaller: {}\nexpect: [{ended_by: bot}]\n", "write a list"),
        ("story: x\ncaller: []\ncalls: [{name: a, steps: []}]\nexpect: [{ended_by: bot}]\n", "already"),
    ],
)
def test_a_file_that_is_no_story_says_why(tmp_path, text, says):
    with pytest.raises(StoryError, match=r"tale\.yaml:\d+: ") as raised:
        read_story(story_file(tmp_path, text))
    assert says in str(raised.value)


def test_the_stories_of_this_project_can_be_read():
    stories = [read_story(path) for path in find_stories([ROOT / "tests" / "stories"])]
    assert len(stories) >= 10
    assert {name for story in stories for name in story.carriers} <= set(CARRIERS)
    for story in stories:
        story_bot.read_part(story.file)
    with pytest.raises(StoryError, match="no story is in there"):
        find_stories([ROOT / "requirements"])
    with pytest.raises(StoryError, match="No such file"):
        read_story(ROOT / "no.yaml")


def run(*arguments: str, cwd: Path) -> tuple[int, str, str]:
    import subprocess

    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "emulator", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_command_plays_a_story_and_prints_json_alone(tmp_path):
    server = tmp_path / "server.py"
    server.write_text(SERVER.format(root=str(ROOT)))
    serve = ("--serve", f"{sys.executable} {server}")
    story = story_file(tmp_path, STORY + "  - ended_by: bot\n")
    status, out, err = run("call", "--scenario", str(story), *serve, "--json", cwd=tmp_path)
    assert (status, err) == (0, ""), out
    outcome = json.loads(out)
    assert (outcome["passed"], outcome["carrier"]) == (True, "twilio")
    assert [one["expected"] for one in outcome["expectations"]] == [
        "ended_by: bot",
        "nothing else goes wrong",
    ]

    other = tmp_path / "more" / "other.yaml"
    other.parent.mkdir()
    other.write_text(STORY.replace("story:", "carriers: twilio\nstory:") + "  - ended_by: caller\n")
    status, out, err = run("call", "--scenario", str(other), *serve, cwd=tmp_path)
    assert status == 1
    assert "it was bot" in out
    assert f"{other}:9: ended_by: caller" in out
    assert "bot starts to speak" in out

    command = ("stories", str(tmp_path), "--carrier", "twilio", "--jobs", "2", *serve)
    status, out, err = run(*command, "--keep", str(tmp_path / "kept"), cwd=tmp_path)
    assert (status, err) == (1, "")
    assert json.loads(out.splitlines()[-1]) == {"stories": 2, "passed": 1, "failed": 1}
    assert sum(line.startswith(("passed", "FAILED")) for line in out.splitlines()) == 2
    assert (tmp_path / "kept" / "tale-twilio" / "1-caller.wav").exists()
    assert (tmp_path / "kept" / "tale-twilio" / "server.log").exists()


def test_a_story_that_is_not_usable_exits_with_2_and_its_lines(tmp_path, capsys):
    story = story_file(tmp_path, MISTAKES)
    assert main(["call", "--scenario", str(story), "--serve", "true"]) == 2
    assert main(["stories", str(tmp_path), "--serve", "true"]) == 2
    err = capsys.readouterr().err
    assert err.count(f"{story}:6: agnet: this key is not known; did you mean 'agent'?\n") == 2
    assert "emulator:" not in err
    good = story_file(tmp_path, STORY.replace("story:", "carriers: telnyx\nstory:") + "  - ended_by: bot\n")
    assert main(["call", "--scenario", str(good), "--serve", "true", "--carrier", "twilio"]) == 2
    assert "this story is not for twilio, but for telnyx" in capsys.readouterr().err
    assert main(["stories", str(tmp_path), "--serve", "true", "--only", "nonesuch"]) == 2
    assert "no story fits" in capsys.readouterr().err


def test_a_story_on_two_carriers_is_played_twice(tmp_path):
    story = read_story(story_file(tmp_path, STORY + "  - ended_by: bot\n"))
    assert [one.carrier for one in performances([story])] == ["twilio", "telnyx"]
    assert [one.carrier for one in performances([story], carrier="telnyx")] == ["telnyx"]
    assert performances([story], only=["other"]) == []
    assert len(performances([story], only=["presses a key"])) == 2
    assert (len(performances([story], voice="beeps")), performances([story], voice="words")) == (2, [])


async def test_a_server_that_cannot_be_started_fails_its_story_and_no_other(tmp_path):
    started = []

    @asynccontextmanager
    async def serve(scene):
        started.append(scene.carrier)
        if scene.carrier == "telnyx":
            raise ServerDied("the server ended with status 1")
        async with FakeBot(talk, {"/twilio/voice": STREAM}) as bot:
            yield bot.url

    story = read_story(story_file(tmp_path, STORY + "  - ended_by: bot\n"))
    one, other = await play_all(performances([story]), serve, jobs=2)
    assert (one.passed, other.passed) == (True, False)
    assert other.trouble == "the server ended with status 1"


@pytest.mark.parametrize(("again", "times"), [(0, 3), (1, 3), (2, 5)])
async def test_what_failed_is_played_again_alone_unless_too_much_has_failed(
    tmp_path, monkeypatch, again, times
):
    """The server of this test does not start while another is there; a story in words is there besides, on its own."""
    running = []

    @asynccontextmanager
    async def serve(scene):
        running.append(scene.carrier)
        try:
            await asyncio.sleep(0.2)
            if len(running) > 1:
                await asyncio.sleep(0.2)
                raise ServerDied("the server ended with status 1")
            async with FakeBot(talk, {f"/{scene.carrier}/voice": STREAM}) as bot:
                yield bot.url
        finally:
            running.remove(scene.carrier)

    async def no_model():
        return Speech(tonespeech.speak, lambda heard: "")

    monkeypatch.setattr(suite, "load_speech", no_model)
    heard = STORY + f"  - ended_by: bot\n  - caller hears: {GREETING}\n"
    story = read_story(story_file(tmp_path, heard))
    in_words = STORY.replace("caller:", "voice: words\ncarriers: twilio\ncaller:", 1) + "  - ended_by: bot\n"
    other = tmp_path / "words.yaml"
    other.write_text(in_words)
    told = []
    wanted = performances([story, read_story(other)])
    outcomes = await play_all(wanted, serve, jobs=2, again=again, tell=told.append)
    assert len(told) == times
    assert [(one.carrier, one.passed, one.times) for one in outcomes] == [
        ("twilio", again == 2, 2 if again == 2 else 1),
        ("telnyx", again == 2, 2 if again == 2 else 1),
        ("twilio", True, 1),
    ]


def test_the_bot_and_the_emulator_speak_the_same_tones_without_sharing_them():
    text = "It's 5 o'clock, isn't it? We're closed."
    theirs = np.frombuffer(tone_speech.spoken(text), dtype="<i2")
    ours = tonespeech.speak(text, tonespeech.BOT)
    assert len(theirs) == len(ours)
    assert np.abs(theirs.astype(int) - ours.astype(int)).max() <= 1
    said = tonespeech.speak(text, tonespeech.PERSON)
    padded = np.concatenate([np.zeros(333, dtype=np.int16), said, np.zeros(800, dtype=np.int16)])
    vocabulary = {*tone_speech.words(text), "other", "words"}
    assert tone_speech.understood(padded.tobytes(), 8000, vocabulary) == " ".join(tone_speech.words(text))


def test_what_detection_makes_of_somebody_is_a_word_or_a_table(tmp_path):
    def detected(written):
        text = (
            f"story: x\ncaller: []\nexpect: [{{ended_by: bot}}]\npeople:\n  sam: {{number: '1', {written}}}\n"
        )
        (sam,) = read_story(story_file(tmp_path, text)).people
        return sam.detected

    assert detected("does: fax") == Detected()
    assert detected("detected: not_sure") == Detected("not_sure")
    assert detected("detected: {as: machine, after: 500ms}") == Detected("machine", after_secs=0.5)
    assert detected("detected: {word: parrot}") == Detected(word="parrot")
    for wrong in ("machin", "{as: machin}"):
        with pytest.raises(StoryError, match="did you mean 'machine'"):
            detected(f"detected: {wrong}")
    with pytest.raises(StoryError, match="did you mean 'after'"):
        detected("detected: {aftr: 1s}")


BESIDE = """
import http.server, os, pathlib, sys

class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(404)
        self.end_headers()

pathlib.Path("started").write_text(f"{os.environ['PORT']} {os.environ['SHOP_KEY']}")
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answers).serve_forever()
"""


async def test_an_agents_own_folder_and_a_program_beside_the_server(tmp_path):
    """The program is there before the server, which finds its address, and is gone after the story."""
    folder = tmp_path / "bots"
    folder.mkdir()
    (folder / "service.py").write_text(BESIDE)
    scenes = []

    @asynccontextmanager
    async def serve(scene):
        _, writer = await asyncio.open_connection(
            "127.0.0.1", int(scene.environment["SHOP_URL"].rpartition(":")[2])
        )
        writer.close()
        scenes.append(scene)
        async with in_process()(scene) as url:
            yield url

    more = "agents: bots\nagent: shop\nbeside: {SHOP_URL: python service.py}\nsettings: {SHOP_KEY: sesame}\n"
    path = story_file(tmp_path, more + STORY + "  - ended_by: bot\n")
    outcome = await play(read_story(path), "twilio", serve)
    assert outcome.passed, verdicts(outcome)
    environment = scenes[0].environment
    assert (environment["AGENTS_DIR"], environment["AGENT"]) == (str(folder), "shop")
    port, key = (folder / "started").read_text().split()
    assert (environment["SHOP_URL"], key) == (f"http://127.0.0.1:{port}", "sesame")
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", int(port))


async def test_a_program_beside_the_server_that_ends_at_once_is_told(tmp_path):
    path = story_file(tmp_path, "beside: {PORT_OF: python -c 1}\n" + STORY + "  - ended_by: bot\n")
    path.write_text(path.read_text().replace("PORT_OF", "OPENAI_BASE_URL"))
    with pytest.raises(ServerDied, match="ended with status"):
        await play(read_story(path), "twilio", in_process())


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("agents: no-such\nagent: shop\n", "there is no such folder"),
        ("agents: .\n", "say with `agent:` which agent"),
        ("agents: .\nagent: a = 1\n", "say with `agent:` which agent"),
        ("beside: {SHOP_URL: python x.py}\n", "no such variable"),
        ("agents: .\nagent: shop\nbeside: {shop url: python x.py}\n", "this is no variable"),
    ],
)
def test_mistakes_in_an_agents_own_folder_are_told(tmp_path, more, said):
    path = story_file(tmp_path, more + STORY + "  - ended_by: bot\n")
    with pytest.raises(StoryError, match=said):
        read_story(path)
